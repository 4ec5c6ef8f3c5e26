"""`drawbench-eval evaluate`: generates where needed, scores, writes one run; `-m` makes a sweep."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.point import Answer, failed_before, metrics_said
from drawbench_eval.commands.worker import WORKER, WorkerDied

# Under hydra.runtime.choices, which a launcher hands on to every point: the name of the sweep it belongs to.
SWEEP_CHOICE = "drawbench_eval_sweep"


def main() -> None:
    """The verb."""
    try:
        hydra_app("evaluate", evaluate)
    finally:
        WORKER.close()


def evaluate(config: DictConfig) -> None:
    """One run of `config`, or one point of a sweep, where a failure is recorded and the others go on."""
    values = plain(config)
    if _in_sweep() and not values["check_only"] and not values["forecast"]:
        answer = _known(values) or do_elsewhere(values)
        _say(f"point {HydraConfig.get().job.num + 1}: {answer.said}")
        return
    # Heavy imports happen here, so that --help and --cfg stay quick.
    from drawbench_eval.commands import found_images, planning
    from drawbench_eval.runs import forecast, runner

    settings = planning.evaluate_settings(values)
    if settings.check_only:
        found_images.report_check(settings.model, settings.prompts)
        return
    plan = planning.plan_run(settings, values)
    if settings.forecast:
        print(forecast.forecast([plan]).said())
        return
    done = runner.finished(plan)
    if done:
        _say(f"{plan.folder} is complete already; nothing to do")
        return
    record = runner.evaluate(plan)
    _say(f"{plan.folder}: {metrics_said(record.metrics)}")


def do_elsewhere(values: Mapping[str, Any]) -> Answer:
    """The answer to a point, computed in a process of its own; one that dies there is recorded as failed."""
    from drawbench_eval.commands import planning
    from drawbench_eval.runs import runner

    try:
        return Answer(**WORKER.do("point", values, planning.GENERATORS))
    except WorkerDied as died:
        plan = planning.plan_run(planning.evaluate_settings(values), values)
        runner.record_death(plan, str(died))
        return Answer(outcome="failed", said=f"failed: {plan.folder.name}: {died}")


def time_elsewhere(values: Mapping[str, Any]) -> dict[str, Any]:
    """What an image and a run of this point cost, timed in the process that computes points.

    Raises ValueError with what went wrong there.
    """
    from drawbench_eval.commands import planning

    answer = WORKER.do("time", values, planning.GENERATORS)
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer


def _known(values: Mapping[str, Any]) -> Answer | None:
    """The answer to a point that is over already, not planned again: the sweep's start wrote its run down."""
    from drawbench_eval.files import digest
    from drawbench_eval.runs import sweep
    from drawbench_eval.runs.identity import find_run
    from drawbench_eval.runs.record import read_record

    name = HydraConfig.get().runtime.choices.get(SWEEP_CHOICE)
    if name is None:
        return None
    results = Path(str(values["results"]))
    planned = sweep.read_sweep(results, str(name)).planned(digest(values))
    folder = find_run(results, planned) if planned else None
    record = read_record(folder) if folder else None
    if record is None:
        return None
    if record.status == "complete":
        return Answer(outcome="already", said=f"{folder} is complete already; nothing to do")
    if values["retry_failed"]:
        return None
    return Answer(outcome="failed", said=failed_before(str(folder), str(record.error)))


def _in_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
