"""A sample set -> metric values and `scores.parquet`, a row a sample, in the manifest's order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drawbench_eval.files import atomic_path
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.base import EvalMetric, MetricResult
from drawbench_eval.prompt import PromptSet
from drawbench_eval.runs.outside_scores import OutsideScores
from drawbench_eval.runs.progress import Advance
from drawbench_eval.samples import SampleSet

# How many images are read, and scored, at a time. Not the user's batch size: that must not move a metric.
SCORING_CHUNK = 128


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What scoring gives. `metrics` is the form of run.json; `unscored`: status -> ids of such samples."""

    metrics: Mapping[str, Mapping[str, Any]]
    unscored: Mapping[str, list[str]]


def score(
    samples: SampleSet,
    prompts: PromptSet,
    metrics: Mapping[str, EvalMetric],
    path: Path,
    *,
    preparation: Preparation,
    advance: Advance,
    remarks: Sequence[str] = (),
    outside: OutsideScores | None = None,
) -> Scores:
    """Score `samples`, prepared, with every metric and write the per-sample table to `path`, atomically.

    An image that is missing, unreadable, blank or flagged is given to the metrics as None: counted, named and
    unscored. Images are read and prepared ahead by threads while the metrics compute. `remarks` stand with
    every number.
    """
    by_id = {prompt.id: prompt for prompt in prompts.prompts}
    unscored: dict[str, list[str]] = {"missing": [], "unreadable": [], "blank": [], "flagged": []}
    every = samples.samples
    ahead = load_ahead(lambda sample: samples.load(sample, preparation), every, ahead=SCORING_CHUNK)
    for start in range(0, len(every), SCORING_CHUNK):
        part = every[start : start + SCORING_CHUNK]
        loaded = list(islice(ahead, len(part)))
        for sample, found in zip(part, loaded, strict=True):
            if found.status != "ok":
                unscored[found.status].append(sample.sample_id)
        for metric in metrics.values():
            metric.update([found.image for found in loaded], [by_id[sample.prompt_id] for sample in part])
        advance(len(part))
    results = {name: metric.compute() for name, metric in metrics.items()}
    _write_table(samples, results, outside, path)
    gaps = _gaps(unscored, len(every))
    values = {}
    for name, result in results.items():
        value = result.value.to_json()
        values[name] = {
            **value,
            "notes": [*value["notes"], *gaps, *remarks],
            "protocol": _protocol(metrics[name]),
        }
    if outside is not None:
        values.update(_outside_entries(samples, prompts, outside, remarks))
    return Scores(metrics=values, unscored=unscored)


def _outside_entries(
    samples: SampleSet, prompts: PromptSet, outside: OutsideScores, remarks: Sequence[str]
) -> dict[str, dict[str, Any]]:
    ids = [sample.sample_id for sample in samples.samples]
    prompt_ids = [sample.prompt_id for sample in samples.samples]
    conditions = {"prompts_sha256": prompts.sha256}
    entries = {name: outside.entry(name, ids, prompt_ids, conditions) for name in outside.values}
    return {name: {**entry, "notes": [*entry["notes"], *remarks]} for name, entry in entries.items()}


def _gaps(unscored: Mapping[str, list[str]], requested: int) -> list[str]:
    """What every number says of a set with gaps; nothing of a whole one."""
    said = ", ".join(f"{len(ids)} {status}" for status, ids in unscored.items() if ids)
    number = sum(map(len, unscored.values()))
    return [f"{number} of {requested} images are not scored: {said}"] if number else []


def _protocol(metric: EvalMetric) -> dict[str, Any]:
    protocol = metric.protocol()
    return {"id": protocol.id, "name": protocol.name, "values": dict(protocol.values)}


def _write_table(
    samples: SampleSet, results: Mapping[str, MetricResult], outside: OutsideScores | None, path: Path
) -> None:
    columns: dict[str, Any] = {
        "sample_id": [sample.sample_id for sample in samples.samples],
        "prompt_id": [sample.prompt_id for sample in samples.samples],
        "category": [sample.category for sample in samples.samples],
        "seed": np.array([sample.seed for sample in samples.samples], dtype=np.int64),
    }
    for result in results.values():
        columns.update(result.columns)
    if outside is not None:
        columns.update({name: outside.column(name, columns["sample_id"]) for name in outside.values})
    with atomic_path(path) as temporary:
        pd.DataFrame(columns).to_parquet(temporary, index=False)
