"""One run, from plan to run.json: generate what is missing, score, record. Skips what is complete."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.runs.environment import environment
from drawbench_eval.runs.identity import run_folder, run_id
from drawbench_eval.runs.locks import RunBusy, holding
from drawbench_eval.runs.outside_scores import OutsideScores
from drawbench_eval.runs.plan import Samples
from drawbench_eval.runs.progress import show_progress
from drawbench_eval.runs.reading import read_references
from drawbench_eval.runs.record import FILE_NAME, RunFailed, RunRecord, read_record, write_record
from drawbench_eval.runs.scoring import Scores, score
from drawbench_eval.runs.target import Target, is_reached, said
from drawbench_eval.runs.watch import PROGRESS_FILE, beats


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Everything one run needs. `factors` is its identity; `inputs` and `config` are for the record only.

    `preparation` is what happens to every sample before the metrics see it. `outside`: scores made elsewhere.
    `target`: how narrow intervals have to be for the run to stop, where its samples come in rounds.
    """

    label: str
    samples: Samples
    preparation: Preparation
    metrics: Mapping[str, EvalMetric]
    factors: Mapping[str, Any]
    inputs: Mapping[str, Any]
    config: Mapping[str, Any]
    results: Path
    outside: OutsideScores | None = None
    target: Target = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """The hash by which the run is found."""
        return run_id(self.factors)

    @property
    def folder(self) -> Path:
        """Where the run lies, or will."""
        return run_folder(self.results, self.label, self.run_id)


def finished(plan: RunPlan) -> RunRecord | None:
    """The record of the run when it is complete."""
    record = read_record(plan.folder)
    return record if record and record.status == "complete" else None


def evaluate(plan: RunPlan, *, wait: bool = True) -> RunRecord:
    """Do the run and return its record; a complete one is returned as it stands, a failed one tried again.

    wait: for another process that is at this run, instead of raising RunBusy.

    Raises RunFailed, with the error as its cause, after writing a run.json that says "failed" and why.
    """
    record = finished(plan)
    if record:
        return record
    with holding(plan.results, plan.run_id, wait=wait):
        # Whoever had it may have finished it.
        record = finished(plan)
        if record:
            return record
        folder = plan.folder
        # A run that is at work is neither complete nor failed.
        (folder / FILE_NAME).unlink(missing_ok=True)
        try:
            record = _run(plan, folder)
            write_record(folder, record)
            plan.samples.remove_others(folder / "samples")
        except Exception as error:
            write_record(folder, _failure(plan, f"{type(error).__name__}: {error}"))
            raise RunFailed(f"{folder.name}: {type(error).__name__}: {error}") from error
        finally:
            (folder / PROGRESS_FILE).unlink(missing_ok=True)
        return record


def record_death(plan: RunPlan, error: str) -> None:
    """Write a run.json that says "failed" for a run whose process is gone, unless another is at it now."""
    try:
        with holding(plan.results, plan.run_id, wait=False):
            if finished(plan) is None:
                write_record(plan.folder, _failure(plan, error))
    except RunBusy:
        return


def _run(plan: RunPlan, folder: Path) -> RunRecord:
    made = taken = 0
    generate_s = score_s = 0.0
    rounds = plan.samples.rounds()
    for samples in rounds:
        done = _round(plan, folder, samples)
        taken += 1
        made += done.num_made
        generate_s += done.generate_s
        score_s += done.score_s
        reached = is_reached(done.scores.metrics, plan.target)
        if plan.target and reached:
            break
    notes = [said(plan.target, taken, len(rounds), reached=reached)] if plan.target else []
    requested, cut = samples.num_images, samples.truncated_prompts()
    return RunRecord(
        run_id=plan.run_id,
        label=plan.label,
        status="complete",
        factors=plan.factors,
        metrics={
            name: {**entry, "notes": [*entry["notes"], *notes]} for name, entry in done.scores.metrics.items()
        },
        counts={
            "requested": requested,
            "generated": requested - len(done.scores.unscored["missing"]),
            **{status: len(ids) for status, ids in done.scores.unscored.items()},
            "truncated_prompts": len(cut),
        },
        named={**done.scores.unscored, "truncated_prompts": cut},
        inputs=plan.inputs,
        environment=_environment(plan),
        timings={
            "generate_s": round(generate_s, 3),
            "score_s": round(score_s, 3),
            "images_made": made,
            "images_per_s": round(made / max(generate_s, 1e-9), 3) if made else None,
        },
        config=plan.config,
    )


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What one round came to: of a run without a target, the whole."""

    scores: Scores
    num_made: int
    generate_s: float
    score_s: float


def _round(plan: RunPlan, folder: Path, samples: Samples) -> _Done:
    started = time.monotonic()
    made_by = {"run_id": plan.run_id, "factors": dict(plan.factors)}
    watch = beats(folder / PROGRESS_FILE, "generating")
    made = samples.make(folder / "samples", made_by=made_by, title=plan.label, watch=watch)
    generated = time.monotonic()
    read_references(plan.metrics, title=plan.label)
    for metric in plan.metrics.values():
        metric.reset()
    watch = beats(folder / PROGRESS_FILE, "scoring")
    with show_progress(f"{plan.label}: scoring", total=samples.num_images, watch=watch) as advance:
        scores = score(
            made.samples,
            samples.prompts,
            plan.metrics,
            folder / "scores.parquet",
            preparation=plan.preparation,
            advance=advance,
            remarks=[*samples.remarks, *made.remarks],
            outside=plan.outside,
        )
    return _Done(
        scores=scores,
        num_made=made.num_made,
        generate_s=generated - started,
        score_s=time.monotonic() - generated,
    )


def _environment(plan: RunPlan) -> dict[str, Any]:
    return environment(device=plan.samples.device, precision=plan.samples.precision)


def _failure(plan: RunPlan, error: str) -> RunRecord:
    there = plan.samples.count_done(plan.folder / "samples")
    return RunRecord(
        run_id=plan.run_id,
        label=plan.label,
        status="failed",
        factors=plan.factors,
        metrics={},
        counts={
            "requested": plan.samples.num_images,
            "generated": there,
            "missing": plan.samples.num_images - there,
            "unreadable": 0,
            "blank": 0,
            "flagged": 0,
            "truncated_prompts": 0,
        },
        named={},
        inputs=plan.inputs,
        environment=_environment(plan),
        timings={},
        config=plan.config,
        error=error,
    )
