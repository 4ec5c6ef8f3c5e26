"""How each rater answered, and which raters a rule leaves out.

The paper's rule is about control questions: on COCO, raters with at least 80 % of them right are kept; on
DrawBench nobody is left out (Imagen, section 4). The other rules are ours and off unless a limit is set.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from drawbench_eval.ratings.orientation import oriented
from drawbench_eval.ratings.schema import is_known, number_text

_SUBJECT = (
    "question",
    "prompt_id",
    "model",
    "model_a",
    "model_b",
    "sample_ids",
    "sample_ids_a",
    "sample_ids_b",
)


@dataclass(frozen=True, kw_only=True)
class QualityRules:
    """The limits beyond which a rater is left out; None is off.

    Shares are from 0 to 1. A rater with fewer than `min_answers` answers is held to the control questions
    only: shares of a few answers say little.
    """

    min_controls_right: float | None
    max_same_answer_share: float | None
    min_median_duration_s: float | None
    max_one_side_share: float | None
    min_agreement: float | None
    min_answers: int

    def __post_init__(self) -> None:
        for name in ("min_controls_right", "max_same_answer_share", "max_one_side_share", "min_agreement"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{name}: {share} is not a share from 0 to 1")
        if self.min_median_duration_s is not None and not self.min_median_duration_s >= 0:
            raise ValueError(f"min_median_duration_s: {self.min_median_duration_s} is not a time from 0 up")
        if self.min_answers < 1:
            raise ValueError(f"min_answers: {self.min_answers} is below 1")


DRAWBENCH_STYLE = QualityRules(
    min_controls_right=None,
    max_same_answer_share=None,
    min_median_duration_s=None,
    max_one_side_share=None,
    min_agreement=None,
    min_answers=10,
)
COCO_STYLE = QualityRules(
    min_controls_right=0.8,
    max_same_answer_share=None,
    min_median_duration_s=None,
    max_one_side_share=None,
    min_agreement=None,
    min_answers=10,
)


@dataclass(frozen=True, kw_only=True)
class FilteredRatings:
    """`everybody`: the judgements without control questions; `kept`: those of raters that no rule left out.

    `dropped`: rater_id, rule, value, limit and num_judgements, a row for each rater and rule.
    """

    everybody: pd.DataFrame
    kept: pd.DataFrame
    dropped: pd.DataFrame


def rater_quality(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each rater (index: rater_id, in order of appearance) of pairwise or pointwise ratings.

    `num_answers`, `num_controls`; `controls_right`: share of controls answered as they should be;
    `same_answer`, `same_answer_share`, `longest_run`: straight-lining over buttons pressed, in the order of
    the table (left, right, indifferent where the side is known); `median_duration_s`; `num_sided`,
    `left_share`, `left_p`: choices of a known side, the share of left ones, and the exact two-sided p of that
    if sides were even; `num_compared`, `agreement`: judgements that other raters made too, and the mean share
    of those others with the same answer. Controls count for all but the last two. What cannot be known is
    NaN.

    Raises ValueError where a row has no rater.
    """
    if "rate" in table:
        raise ValueError("ratings: rates say nothing of single answers; rater quality needs those")
    if not is_known(table, "rater_id"):
        raise ValueError("ratings: some or all rows have no rater_id; rater quality needs one in each")
    pressed = _pressed(table)
    raters = table.groupby("rater_id", sort=False)
    quality = pd.DataFrame({"num_answers": raters.size(), "num_controls": raters["is_control"].sum()})
    controls = table[table["is_control"]]
    right = (controls[_answer(table)] == controls["control_answer"]).astype(float)
    quality["controls_right"] = right.groupby(controls["rater_id"]).mean()
    return (
        quality.join(_straight_lining(table["rater_id"], pressed))
        .assign(median_duration_s=raters["duration_s"].median())
        .join(_sides(table["rater_id"], pressed))
        .join(_agreement(table[~table["is_control"]]))
        .fillna({"num_sided": 0, "num_compared": 0})
        .astype({"num_sided": int, "num_compared": int})
    )


def filter_raters(table: pd.DataFrame, rules: QualityRules) -> FilteredRatings:
    """The judgements with and without the raters that the rules leave out, and why each was.

    With the rule about controls on, a rater who answered none is left out, since nothing speaks for him.

    Raises ValueError where that rule is on and there is no control at all.
    """
    everybody = table[~table["is_control"]] if "is_control" in table else table
    if not any(limit is not None for _, limit, _ in _limits(rules)):
        return FilteredRatings(everybody=everybody, kept=everybody, dropped=_dropped([]))
    quality = rater_quality(table)
    if rules.min_controls_right is not None and not quality["num_controls"].any():
        raise ValueError("min_controls_right: the ratings hold no control questions; set it to null")
    enough = quality["num_answers"] >= rules.min_answers
    dropped = []
    for name, limit, is_beyond in _limits(rules):
        if limit is not None:
            measured = _measure(quality, name)
            beyond = is_beyond(measured, limit)
            beyond = beyond | measured.isna() if name == "controls_right" else beyond & enough
            dropped += [
                (
                    rater,
                    name,
                    measured[rater],
                    limit,
                    quality["num_answers"][rater] - quality["num_controls"][rater],
                )
                for rater in quality.index[beyond]
            ]
    out = _dropped(dropped)
    kept = everybody[~everybody["rater_id"].isin(out["rater_id"])]
    return FilteredRatings(everybody=everybody, kept=kept, dropped=out)


_Beyond = Callable[[pd.Series, float], pd.Series]


def _limits(rules: QualityRules) -> tuple[tuple[str, float | None, _Beyond], ...]:
    return (
        ("controls_right", rules.min_controls_right, pd.Series.lt),
        ("same_answer_share", rules.max_same_answer_share, pd.Series.gt),
        ("median_duration_s", rules.min_median_duration_s, pd.Series.lt),
        ("one_side_share", rules.max_one_side_share, pd.Series.gt),
        ("agreement", rules.min_agreement, pd.Series.lt),
    )


def _measure(quality: pd.DataFrame, name: str) -> pd.Series:
    if name == "one_side_share":
        return quality["left_share"].where(quality["left_share"] >= 0.5, 1 - quality["left_share"])
    return quality[name]


def _dropped(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["rater_id", "rule", "value", "limit", "num_judgements"])


def _answer(table: pd.DataFrame) -> str:
    return "choice" if "choice" in table else "value"


def _pressed(table: pd.DataFrame) -> pd.Series:
    """The button of each answer: left, right or indifferent where the side is known, the answer otherwise."""
    if "choice" not in table:
        return table["value"].map(number_text).astype(object)
    choice, left = table["choice"].astype(object), table["displayed_left"].fillna("").astype(object)
    side = pd.Series(np.where(choice == left, "left", "right"), index=table.index, dtype=object)
    return choice.where((left == "") | (choice == "indifferent"), side)


def _straight_lining(raters: pd.Series, pressed: pd.Series) -> pd.DataFrame:
    counts = pressed.groupby([raters, pressed], sort=False).size()
    most = counts.groupby(level=0).idxmax().map(lambda key: key[1])
    ordered = pd.DataFrame({"rater": raters, "pressed": pressed}).sort_values("rater", kind="stable")
    run = (ordered != ordered.shift()).any(axis=1).astype(int).cumsum()
    longest = run.groupby([ordered["rater"], run]).size().groupby(level=0).max()
    share = counts.groupby(level=0).max() / counts.groupby(level=0).sum()
    return pd.DataFrame({"same_answer": most, "same_answer_share": share, "longest_run": longest})


def _sides(raters: pd.Series, pressed: pd.Series) -> pd.DataFrame:
    sided = pressed[pressed.isin(["left", "right"])]
    is_left = (sided == "left").groupby(raters[sided.index])
    counts = pd.DataFrame({"num_sided": is_left.size(), "left": is_left.sum()})
    p = [binomtest(int(left), int(n)).pvalue for n, left in counts.itertuples(index=False)]
    return counts.assign(left_share=counts["left"] / counts["num_sided"], left_p=p).drop(columns="left")


def _agreement(judgements: pd.DataFrame) -> pd.DataFrame:
    """For each rater, over judgements that others made too: the mean share of others with the same answer."""
    pairwise = "choice" in judgements
    table = oriented(judgements) if pairwise else judgements
    samples = "sample_ids_a" if pairwise else "sample_ids"
    table = table[table["prompt_id"].notna() | table[samples].notna()]
    keys = [table[name] for name in _SUBJECT if name in table]
    subject = table.groupby([key.fillna("") for key in keys], sort=False).ngroup()
    rows = pd.DataFrame({"subject": subject, "rater": table["rater_id"], "answer": table[_answer(table)]})

    def count(*names: str) -> pd.Series:
        return rows.groupby(list(names), sort=False)["subject"].transform("size")

    others = count("subject") - count("subject", "rater")
    alike = count("subject", "answer") - count("subject", "rater", "answer")
    share = (alike / others.where(others > 0)).dropna().groupby(rows["rater"])
    return pd.DataFrame({"num_compared": share.size(), "agreement": share.mean()})
