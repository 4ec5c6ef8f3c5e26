"""Runs side by side on the same samples: paired differences by prompt, and resampling of the prompts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from drawbench_eval.analysis.collect import Run, protocol_of
from drawbench_eval.stats.clustered import clustered_mean

Array = NDArray[np.float64]

_KEYS = ("sample_id", "prompt_id", "category", "seed")

SAME = 1e-9
"""What a rerun may differ by, as a share of the values: a difference no larger is none."""


class NotPaired(ValueError):
    """Runs without a sample that all of them scored, so that no difference can be taken sample by sample."""


def read_scores(run: Run) -> pd.DataFrame:
    """The run's scores.parquet: sample_id, prompt_id, category, seed, and a column per metric in the unit of
    its value, which the file's own column need not be in (clip_score has the raw cosine there).

    Raises ValueError when the file is missing, unreadable, lacks one of these columns or repeats a sample.
    """
    if run.folder is None:
        raise ValueError(f"run {run.run_id}: has no folder, so no scores")
    path = run.folder / "scores.parquet"
    try:
        scores = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as Parquet ({error})") from error
    absent = [key for key in _KEYS if key not in scores.columns]
    if absent:
        raise ValueError(f"{path}: lacks the column {absent[0]}; it needs {', '.join(_KEYS)}")
    repeated = scores["sample_id"][scores["sample_id"].duplicated()]
    if len(repeated):
        raise ValueError(
            f"{path}: sample {repeated.iloc[0]!r} stands there twice; one row a sample is needed"
        )
    if "clip_score" in scores.columns and "clip_score" in run.metrics:
        entry = run.metrics["clip_score"]
        if "protocol" not in entry:
            raise ValueError(f"{run.folder / 'run.json'}: metrics.clip_score has no protocol; evaluate again")
        scores["clip_score"] = _in_its_unit(entry, scores["clip_score"])
    return scores


def _in_its_unit(entry: Mapping[str, Any], column: pd.Series) -> pd.Series:
    """The column of clip_score in the unit of the value: the file has the raw cosine, whatever the view."""
    view = protocol_of(entry)[1].get("view", "cosine")
    if view == "cosine":
        return column
    from drawbench_eval.metrics.clip_score import viewed

    raw = column.to_numpy(dtype=np.float32)
    return pd.Series(np.where(np.isnan(raw), np.nan, viewed(raw, str(view))), index=column.index)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A number with its 95 % interval (None where undefined), from `n` samples of `num_prompts` prompts."""

    value: float
    ci95: tuple[float, float] | None
    n: int
    num_prompts: int

    @property
    def is_constant(self) -> bool:
        """Whether it is the same throughout, on every prompt or resampling: no test can be made of it."""
        return self.ci95 is not None and self.ci95[0] == self.ci95[1]

    @property
    def is_zero(self) -> bool:
        """Whether it is 0 throughout: a difference of what is equal."""
        return self.is_constant and self.value == 0


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Per-sample values of several runs on the samples that all of them scored.

    `values` has shape [num_samples, num_runs]; `prompt` holds the index into `prompt_ids` of each sample.
    """

    prompt_ids: tuple[str, ...]
    prompt: NDArray[np.int64]
    values: Array

    def mean(self, per_sample: Array) -> Effect:
        """Mean of a value per sample, with the t interval clustered by prompt."""
        mean = clustered_mean(per_sample, self.prompt)
        low, high = mean.interval()
        ci95 = (low, high) if math.isfinite(low) and math.isfinite(high) else None
        return Effect(value=mean.value, ci95=ci95, n=mean.n, num_prompts=mean.num_clusters)

    def halves(self) -> NDArray[np.int64]:
        """0 or 1 for each sample: prompts in alphabetical order fall into the halves by turns."""
        return self.prompt % 2

    def draw_means(self, weights: Array) -> Array:
        """Means of every run under resampled prompts: shape [draws, num_runs], from `weights` [draws,
        prompts].
        """
        sums = np.zeros((len(self.prompt_ids), self.values.shape[1]))
        np.add.at(sums, self.prompt, self.values)
        counts = np.bincount(self.prompt, minlength=len(self.prompt_ids)).astype(np.float64)
        means: Array = (weights @ sums) / (weights @ counts)[:, None]
        return means


def make_panel(scores: Mapping[str, pd.DataFrame], run_ids: Sequence[str], columns: Sequence[str]) -> Panel:
    """The samples that every run of `run_ids` scored in every one of `columns`, joined by sample id.

    `values` has the runs of the first column, then of the second, and so on. Raises ValueError when a
    column is absent, and NotPaired when a sample belongs to different prompts in two runs or no sample is
    scored in all of them.
    """
    frames = {run_id: scores[run_id].set_index("sample_id") for run_id in dict.fromkeys(run_ids)}
    prompts = frames[run_ids[0]]["prompt_id"]
    series = [prompts]
    for run_id, frame in frames.items():
        shared = frame.index.intersection(prompts.index)
        if (frame.loc[shared, "prompt_id"] != prompts[shared]).any():
            raise NotPaired(
                f"run {run_id}: its samples belong to other prompts than those of run {run_ids[0]}"
            )
        absent = [column for column in columns if column not in frame.columns]
        if absent:
            raise ValueError(f"run {run_id}: scores.parquet lacks the column {absent[0]}")
    series += [frames[run_id][column].astype("float64") for column in columns for run_id in run_ids]
    joined = pd.concat(series, axis=1, join="inner").dropna().sort_index()
    if joined.empty:
        raise NotPaired(
            f"runs {', '.join(run_ids)}: no sample that all of them scored in {', '.join(columns)}"
        )
    prompt_ids, prompt = np.unique(joined.iloc[:, 0].to_numpy(dtype=str), return_inverse=True)
    values = joined.iloc[:, 1:].to_numpy(dtype=np.float64)
    return Panel(prompt_ids=tuple(map(str, prompt_ids)), prompt=prompt.astype(np.int64), values=values)


def differences(a: ArrayLike, b: ArrayLike) -> Array:
    """What `a` [n] has over `b` [n], 0 where a rerun alone may differ so: else equal runs get an error."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    gap = first - second
    scale = max((float(np.abs(side).max()) for side in (first, second) if side.size), default=0.0)
    return np.where(np.abs(gap) <= SAME * scale, 0.0, gap)


def num_shared(scores: Mapping[str, pd.DataFrame]) -> int:
    """How many sample ids stand in every run's table."""
    ids = [set(frame["sample_id"]) for frame in scores.values()]
    return len(set.intersection(*ids)) if ids else 0


def prompt_draws(num_prompts: int, num_draws: int, *, seed: int) -> Array:
    """How often each prompt occurs in each resampling with replacement: shape [num_draws, num_prompts]."""
    rng = np.random.default_rng(seed)
    shares = np.full(num_prompts, 1 / num_prompts)
    return rng.multinomial(num_prompts, shares, size=num_draws).astype(np.float64)


def percentile_interval(draws: Array) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of bootstrap draws of shape [draws]."""
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)
