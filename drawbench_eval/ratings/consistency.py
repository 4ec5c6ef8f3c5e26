"""What only shows when judgements are held against each other or against themselves."""

from pathlib import Path

import numpy as np
import pandas as pd

from drawbench_eval.ratings.judgements import Judgements
from drawbench_eval.ratings.layout import Layout
from drawbench_eval.ratings.orientation import oriented


def check_consistency(judgements: Judgements, layout: Layout) -> None:
    """Refuses models compared with themselves, realism without its reference or with an indifferent answer,
    controls whose answers contradict each other, and raters who answered twice.

    An answer that a rater gives again is refused the second time. Where the answers differ, none counts.
    """
    frame = judgements.frame
    if layout.form == "pairwise":
        itself = (frame["model_a"] == frame["model_b"]) & (frame["model_a"] != "")
        judgements.refuse(itself, "model_b", "a model compared with itself")
        _check_realism(judgements, layout)
    if layout.form != "proportion":
        _check_controls(judgements, layout)
    if layout.repeats == "reject":
        _check_repeats(judgements, layout)


def _check_realism(judgements: Judgements, layout: Layout) -> None:
    frame = judgements.frame
    for index, question in enumerate(layout.questions):
        if question.kind == "realism":
            asked = frame["asked"] == index
            absent = (frame["model_a"] != question.reference) & (frame["model_b"] != question.reference)
            judgements.refuse(
                asked & absent, "model_b", f"neither model is the reference {question.reference!r}"
            )
            judgements.refuse(
                asked & (frame["answer"] == "indifferent"),
                "answer",
                "indifferent, but this question has two answers",
            )


def _check_controls(judgements: Judgements, layout: Layout) -> None:
    sound = _sound(judgements, layout)
    controls = sound[sound["is_control"].astype(bool) & _is_told(sound, layout)]
    same = controls.groupby(_subject(layout), sort=False)
    contradicting = controls[same["control_answer"].transform("nunique") > 1]
    said = _said(contradicting, _subject(layout), "control_answer")
    judgements.refuse_these("control_answer", "the answers of this control contradict each other: " + said)


def _check_repeats(judgements: Judgements, layout: Layout) -> None:
    sound = _sound(judgements, layout)
    if "is_control" in sound:
        sound = sound[~sound["is_control"].astype(bool)]
    keys = [*_subject(layout), "rater_id"]
    repeated = sound[(sound["rater_id"] != "") & _is_told(sound, layout)]
    repeated = repeated[repeated.duplicated(keys, keep=False)]
    differ = repeated.groupby(keys, sort=False)["answer"].transform("nunique") > 1
    again = repeated[differ | repeated.duplicated(keys)]
    said = _said(repeated, keys, "answer").loc[again.index]
    judgements.refuse_these("answer", "the rater answered this more than once: " + said)


def _said(rows: pd.DataFrame, keys: list[str], answer: str) -> pd.Series:
    """For each of the rows, what its group says and where: `50 in line 3, 100 in line 9`, or the winner."""
    said = rows[answer]
    if "model_a" in rows:
        winner = np.select([said == "a", said == "b"], [rows["model_a"], rows["model_b"]], "indifferent")
        said = pd.Series(winner, index=rows.index, dtype=object)
    several = rows["file"].nunique() > 1
    written = [f"{value:g}" if isinstance(value, float) else value for value in said]
    written = [
        f"{value} in {Path(file).name} line {line}" if several else f"{value} in line {line}"
        for value, file, line in zip(written, rows["file"], rows["line"], strict=True)
    ]
    groups = rows.groupby(keys, sort=False).ngroup()
    together: dict[int, list[str]] = {}
    for group, text in zip(groups, written, strict=True):
        together.setdefault(group, []).append(text)
    joined = {group: _enumerated(texts) for group, texts in together.items()}
    return pd.Series([joined[group] for group in groups], index=rows.index, dtype=object)


def _enumerated(texts: list[str], num_shown: int = 4) -> str:
    rest = f" and {len(texts) - num_shown} more" if len(texts) > num_shown else ""
    return ", ".join(texts[:num_shown]) + rest


def _sound(judgements: Judgements, layout: Layout) -> pd.DataFrame:
    """The judgements without a fault so far, comparisons one way round."""
    sound = judgements.frame[judgements.is_sound]
    if layout.form != "pairwise":
        return sound
    turned = oriented(sound.rename(columns={"answer": "choice"}))
    return turned.rename(columns={"choice": "answer"})


def _is_told(judgements: pd.DataFrame, layout: Layout) -> pd.Series:
    """Whether it can be told what was judged, by prompt or samples; rates are of a model as such."""
    if layout.form == "proportion":
        return pd.Series(True, index=judgements.index)
    samples = "sample_ids_a" if layout.form == "pairwise" else "sample_ids"
    return (judgements["prompt_id"] != "") | (judgements[samples] != "")


def _subject(layout: Layout) -> list[str]:
    """The columns that say what was judged."""
    if layout.form == "pairwise":
        return ["question", "prompt_id", "model_a", "model_b", "sample_ids_a", "sample_ids_b"]
    return ["question", "prompt_id", "model", *(["sample_ids"] if layout.form == "pointwise" else [])]
