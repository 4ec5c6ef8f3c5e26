"""The process in which the points of a sweep are computed: points in on stdin, answers out on stdout.

A line of JSON each way. A point that takes its process with it (out of memory, a crash in a library) leaves
the sweep standing; when stdin ends, the process ends, whatever it is at.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from drawbench_eval.commands.resources import Gpu, num_ranks


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a point, and the line to say of it."""

    outcome: Literal["complete", "already", "failed", "busy"]
    said: str


def do_point(values: Mapping[str, Any]) -> Answer:
    """Plan and do the run of this configuration; whatever goes wrong is an answer."""
    from drawbench_eval.commands import planning
    from drawbench_eval.runs import runner
    from drawbench_eval.runs.locks import RunBusy
    from drawbench_eval.runs.record import RunFailed, read_record

    try:
        settings = planning.evaluate_settings(values)
        plan = planning.plan_run(settings, values)
        record = read_record(plan.folder)
        if record and record.status == "complete":
            return Answer(outcome="already", said=already(plan.folder))
        if record and not settings.retry_failed:
            return Answer(outcome="failed", said=failed_before(plan.folder, str(record.error)))
        record = runner.evaluate(plan, wait=False)
    except RunBusy:
        return Answer(outcome="busy", said=f"{plan.folder}: another process is at it; on with the next")
    except RunFailed as failed:
        return Answer(outcome="failed", said=f"failed: {failed}")
    except Exception as error:  # noqa: BLE001 (whatever it is, the other points go on)
        return Answer(outcome="failed", said=f"failed: {type(error).__name__}: {error}")
    return Answer(outcome="complete", said=f"{plan.folder}: {metrics_said(record.metrics)}")


def already(folder: Path) -> str:
    """What is said of a point that was complete before."""
    return f"{folder} is complete already; nothing to do"


def failed_before(folder: Path, error: str) -> str:
    """What is said of a failed point that is not tried again."""
    return f"failed before: {folder}: {error}; retry_failed=true tries it again"


def metrics_said(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """The metrics of a run.json in one line."""
    parts = []
    for name, entry in metrics.items():
        value, (low, high) = entry["value"], entry["ci95"]
        interval = "" if low is None else f" [{low:.4g}, {high:.4g}]"
        gaps = f" (n {entry['n']}, {entry['num_unscored']} unscored)" if entry["num_unscored"] else ""
        parts.append(f"{name} {'undefined' if value is None else format(value, '.4g')}{interval}{gaps}")
    return ", ".join(parts)


def _point(values: Mapping[str, Any]) -> dict[str, Any]:
    return asdict(do_point(values))


def _time(values: Mapping[str, Any]) -> dict[str, Any]:
    """The rate of a point, or {"error"}: what it raised."""
    from drawbench_eval.commands import planning
    from drawbench_eval.runs.forecast import calibrate

    try:
        return asdict(calibrate(planning.plan_run(planning.evaluate_settings(values), values)))
    except Exception as error:  # noqa: BLE001 (the point fails in its turn, and says so)
        return {"error": f"{type(error).__name__}: {error}"}


# What can be asked for: a configuration in, a JSON object out.
TASKS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"point": _point, "time": _time}


def serve(points: TextIO, answers: TextIO) -> None:
    """Do each point that comes in, until there are no more."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    gpu = Gpu()
    threading.Thread(target=_read, args=(points, waiting), daemon=True).start()
    while True:
        request = json.loads(waiting.get())
        _know(request["generators"])
        does, values = TASKS[request["task"]], request["values"]
        values["device"] = gpu.device(str(values["device"]), ranks=num_ranks(values.get("ranks")))
        print(json.dumps(does(values)), file=answers, flush=True)


def _read(points: TextIO, waiting: "queue.SimpleQueue[str]") -> None:
    for line in points:
        waiting.put(line)
    # Whoever wanted the points is gone. What is written is whole, so nothing has to be tidied.
    os._exit(0)


def _know(generators: Mapping[str, list[str]]) -> None:
    """The generators that the asking process knows, which may be more than ours."""
    from drawbench_eval.commands import planning

    planning.GENERATORS.update({name: (one[0], one[1]) for name, one in generators.items()})


def main() -> None:
    """The process. What a library prints goes to stderr; stdout is for answers."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        serve(sys.stdin, answers)
    except KeyboardInterrupt:
        # The sweep was interrupted, and says so.
        os._exit(130)


if __name__ == "__main__":
    main()
