"""`drawbench-eval evaluate`: generates where needed, scores, writes one run; `-m` makes a sweep."""

import sys

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.runs.record import RunFailed, RunRecord


def main() -> None:
    """The verb."""
    hydra_app("evaluate", evaluate)


def evaluate(config: DictConfig) -> None:
    """One run of `config`, or one point of a sweep, where a failure is recorded and the others go on."""
    # Heavy imports happen here, so that --help and --cfg stay quick.
    from drawbench_eval.commands import found_images, planning
    from drawbench_eval.runs import forecast, runner

    values = plain(config)
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
        _say(f"{_point()}{plan.folder} is complete already; nothing to do")
        return
    try:
        record = runner.evaluate(plan)
    except RunFailed as failed:
        if not _in_sweep():
            raise
        _say(f"{_point()}failed: {failed}")
        return
    _say(f"{_point()}{plan.folder}: {_values(record)}")


def _values(record: RunRecord) -> str:
    parts = []
    for name, entry in record.metrics.items():
        value, (low, high) = entry["value"], entry["ci95"]
        interval = "" if low is None else f" [{low:.4g}, {high:.4g}]"
        gaps = f" (n {entry['n']}, {entry['num_unscored']} unscored)" if entry["num_unscored"] else ""
        parts.append(f"{name} {'undefined' if value is None else format(value, '.4g')}{interval}{gaps}")
    return ", ".join(parts)


def _in_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _point() -> str:
    return f"point {HydraConfig.get().job.num + 1}: " if _in_sweep() else ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
