"""`drawbench-eval evaluate`: generates where needed, scores, writes one run; `-m` makes a sweep."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.point import Answer, already, metrics_said
from drawbench_eval.commands.resuming import point_number
from drawbench_eval.commands.worker import WORKER, WorkerDied

_CHECKPOINTS = re.compile(r"(\+*model\.checkpoint)=\s*\[\s*(.*?)\s*\]\s*", re.DOTALL)


def main() -> None:
    """The verb."""
    try:
        sys.argv[1:] = each_checkpoint(sys.argv[1:])
        hydra_app("evaluate", evaluate)
    finally:
        WORKER.close()


def evaluate(config: DictConfig) -> None:
    """One run of `config`, or one point of a sweep, where a failure is recorded and the others go on."""
    values = plain(config)
    if _in_sweep() and not values["check_only"] and not values["forecast"]:
        answer = do_elsewhere(values)
        _say(f"point {point_number(HydraConfig.get().job)}: {answer.said}")
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
    if runner.finished(plan):
        _say(already(plan.folder))
        return
    record = runner.evaluate(plan)
    _say(f"{plan.folder}: {metrics_said(record.metrics)}")


def each_checkpoint(words: Sequence[str]) -> list[str]:
    """`model.checkpoint=[a,b]` of a multirun as Hydra's `model.checkpoint=a,b`: a point for each of a series.

    Raises ValueError for a list where there is one run.
    """
    found = [_CHECKPOINTS.fullmatch(word) for word in words]
    if any(found) and not {"-m", "--multirun"} & set(words):
        raise ValueError("model.checkpoint: a list is a sweep, with a point for each; write evaluate -m")
    return [match.expand(r"\1=\2") if match else word for word, match in zip(words, found, strict=True)]


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


def _in_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
