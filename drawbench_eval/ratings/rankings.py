"""Rankings -> all their pairs. A pair with a rank that cannot be used is refused, with that rank's reason."""

from functools import partial

import numpy as np
import pandas as pd

from drawbench_eval.ratings.answers import parse_ranks
from drawbench_eval.ratings.judgements import FAULT, PLACE, Judgements, parse_each
from drawbench_eval.ratings.layout import Layout
from drawbench_eval.ratings.questions import Ranking

# What makes rows one ranking; a ranking in columns is one record's.
_ROWS = ("prompt_id", "category", "question", "rater_id", "batch_id")
_COLUMNS = ("record", "question")


def rankings_to_pairs(judgements: Judgements, layout: Layout, ranking: Ranking) -> Judgements:
    """Judgements between two models, in the order in which the models stand in the file.

    A model that is ranked alone stays as one refused judgement.
    """
    if ranking.written == "text":
        return _pairs_of_texts(judgements, ranking)
    parse_ranks(judgements, layout)
    frame = judgements.frame
    keys = list(_ROWS if ranking.written == "rows" else _COLUMNS)
    group = np.array(frame.groupby(keys, sort=False, dropna=False).ngroup())
    if ranking.written == "rows":
        if ((frame["rater_id"] == "") & (frame["batch_id"] == "") & judgements.is_sound).any():
            raise ValueError(
                "ratings.columns.rater_id: rankings in rows need a rater_id or a batch_id in each "
                "row, to tell one ranking from the next"
            )
        # A row that is broken as a whole belongs to no ranking that could be named.
        broken = (~judgements.is_sound).to_numpy() & (frame["model"] == "").to_numpy()
        group[broken] = group.max(initial=-1) + 1 + np.arange(broken.sum())
    first, second, alone = _pair_up(group)
    pairs = _between(frame, first, second)
    rank_a = frame["answer"].to_numpy()[first]
    rank_b = frame["answer"].to_numpy()[second]
    pairs["answer"] = np.select([rank_a < rank_b, rank_a > rank_b], ["a", "b"], "indifferent").astype(object)
    rest = _between(frame, alone, alone)
    rest["answer"] = ""
    rest["model_b"] = ""
    found = Judgements(frame=pd.concat([pairs, rest], ignore_index=True), places=judgements.places)
    found.refuse(found.frame["model_b"] == "", "answer", "ranked alone; there is nothing to compare it with")
    return found


def _pair_up(group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the first and second of every pair within a group, and of those that are alone in theirs."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    members = np.split(order, starts[1:]) if len(order) else []
    firsts, seconds = [], []
    for size in sorted({len(member) for member in members}):
        blocks = np.array([member for member in members if len(member) == size])
        i, j = np.triu_indices(size, k=1)
        firsts.append(blocks[:, i].ravel())
        seconds.append(blocks[:, j].ravel())
    none = np.zeros(0, dtype=np.intp)
    alone = np.array([member[0] for member in members if len(member) == 1], dtype=np.intp)
    first, second = np.concatenate([none, *firsts]), np.concatenate([none, *seconds])
    in_order = np.lexsort((second, first))
    return first[in_order], second[in_order], np.sort(alone)


def _between(frame: pd.DataFrame, first: np.ndarray, second: np.ndarray) -> pd.DataFrame:
    a = frame.iloc[first].reset_index(drop=True)
    b = frame.iloc[second].reset_index(drop=True)
    from_b = ((a["fault_reason"] == "") & (b["fault_reason"] != "")).to_numpy()
    for column in (*PLACE, *FAULT, "answer_column", "answer as written"):
        a[column] = a[column].mask(from_b, b[column])
    named = {"model": "model_a", "sample_ids": "sample_ids_a"}
    return a.rename(columns=named).assign(model_b=b["model"], sample_ids_b=b["sample_ids"])


def _pairs_of_texts(judgements: Judgements, ranking: Ranking) -> Judgements:
    frame = judgements.frame
    found, reasons = parse_each(frame["answer"], partial(_parse_ranking, ranking=ranking))
    judgements.refuse(reasons != "", "answer", reasons)
    judgements.settle(
        "answer",
        pd.Series(
            [
                pairs if sound else [("", "", "")]
                for pairs, sound in zip(found, judgements.is_sound, strict=True)
            ],
            index=frame.index,
            dtype=object,
        ),
    )
    frame = frame.explode("answer", ignore_index=True)
    pairs = frame["answer"].tolist()
    for position, name in enumerate(("model_a", "model_b", "answer")):
        frame[name] = pd.Series([pair[position] for pair in pairs], index=frame.index, dtype=object)
    return Judgements(frame=frame.assign(sample_ids_a="", sample_ids_b=""), places=judgements.places)


def _parse_ranking(text: str, ranking: Ranking) -> list[tuple[str, str, str]]:
    """`A > B = C` -> (A, B, a), (A, C, a), (B, C, indifferent)."""
    levels = [[name.strip() for name in level.split(ranking.equal)] for level in text.split(ranking.above)]
    ranked = [(name, depth) for depth, level in enumerate(levels) for name in level]
    names = [name for name, _ in ranked]
    if text == "":
        raise ValueError("empty")
    if "" in names:
        raise ValueError(f"a name is missing; rankings are written as A {ranking.above} B {ranking.equal} C")
    if len(names) < 2:
        raise ValueError("ranked alone; there is nothing to compare it with")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} stands in it twice")
    return [
        (name, other, "a" if depth < deeper else "indifferent")
        for index, (name, depth) in enumerate(ranked)
        for other, deeper in ranked[index + 1 :]
    ]
