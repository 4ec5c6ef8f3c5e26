"""What a finished sweep costs: 1,000 runs skipped by Hydra's own launcher, and listed by `status`.

    python benchmarks/sweep_overhead.py [--points 1000] [--write]

The runs are planned as `evaluate` plans them, and their records are written without any image being made.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hydra import initialize_config_dir
from tables import machine, show, table

from drawbench_eval.commands import planning
from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.kept import Kept
from drawbench_eval.commands.points import configurations
from drawbench_eval.runs.record import RunRecord, write_record
from drawbench_eval.runs.runner import RunPlan

SKIP_LIMIT_S, STATUS_LIMIT_S = 120.0, 5.0


def main() -> None:
    """Writes the records, times both commands and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="keep the table under benchmarks/results")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _finish(Path(folder) / "results", chosen.points)
        sweep = ["-m", f"seed=range(0,{chosen.points})", "sweep=overhead"]
        skipped, skipping, said = _timed(["evaluate", *sweep], folder)
        assert said.stderr.count("complete already") == chosen.points, said.stderr[-2000:]
        listed, listing, said = _timed(["status"], folder)
        assert f"overhead: {chosen.points} of {chosen.points} points done" in said.stdout, said.stderr[-2000:]
    rows = [
        (f"evaluate -m, {chosen.points} finished points skipped", skipped, skipping, SKIP_LIMIT_S),
        (f"status, {chosen.points} finished points listed", listed, listing, STATUS_LIMIT_S),
    ]
    show(
        "sweep_overhead",
        f"# A finished sweep of {chosen.points} points",
        machine("hydra-core"),
        table(
            ["command", "seconds", "of them on a core", "core milliseconds a point", "limit for 1,000, s"],
            [
                [name, f"{wall:.1f}", f"{core:.1f}", f"{1000 * core / chosen.points:.1f}", f"{limit:g}"]
                for name, wall, core, limit in rows
            ],
        ),
        write=chosen.write,
    )


def _finish(results: Path, points: int) -> None:
    """A complete record for every point that the sweep will have."""
    kept = Kept()
    every = [[f"seed={seed}", f"results={results}"] for seed in range(points)]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        for config in configurations("evaluate", every):
            values = plain(config)
            plan = planning.plan_run(planning.evaluate_settings(values), values, kept=kept)
            write_record(plan.folder, _record(plan))


def _record(plan: RunPlan) -> RunRecord:
    protocol = {"id": "0123456789", "values": dict(plan.factors)}
    entry = {"value": 0.5, "ci95": [0.4, 0.6], "n": 200, "num_unscored": 0}
    entry |= {"higher_is_better": True, "protocol": protocol}
    return RunRecord(
        run_id=plan.run_id,
        label=plan.label,
        status="complete",
        factors=plan.factors,
        metrics=dict.fromkeys(plan.metrics, entry),
        counts={"requested": 200, "generated": 200},
        named={},
        inputs=plan.inputs,
        environment={},
        timings={"generate_s": 20.0, "score_s": 2.0, "images_made": 200, "images_per_s": 10.0},
        config=plan.config,
    )


def _timed(words: Sequence[str], folder: str) -> tuple[float, float, subprocess.CompletedProcess[str]]:
    """Seconds by the clock, seconds on a core (the rest is other programs' and the disk's), the outcome."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "drawbench_eval.cli", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, core, done


if __name__ == "__main__":
    main()
