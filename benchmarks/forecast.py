"""What `forecast=true` says of the demo, beside what its points then take.

    python benchmarks/forecast.py [--write] [OVERRIDE ...]

Seconds are those of this process on a core, for the forecast's two batches and for the points alike, so that
other programs do not count; the points are planned and run one after the other, as a sweep's are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from hydra import compose, initialize_config_dir
from tables import machine, show, table

from drawbench_eval.commands import planning
from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.points import configurations, points
from drawbench_eval.generators import staged
from drawbench_eval.runs import forecast, plan, runner


def main() -> None:
    """Forecasts, runs the points, and prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    for module in (forecast, plan, staged):
        module.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        every = _points(["experiment=demo", *options.overrides, f"results={results}"])
        expected = forecast.forecast([_plan(values) for values in every])
        # What the reference is made of is read once, and kept.
        before, started = _bytes(results), time.process_time()
        images = sum(runner.evaluate(_plan(values)).counts["generated"] for values in every)
        seconds, disk = time.process_time() - started, _bytes(results) - before
    rows = [
        ("images", float(expected.images), float(images)),
        ("core seconds", expected.seconds, seconds),
        ("disk, MB", expected.disk_bytes / 1e6, disk / 1e6),
    ]
    command = " ".join(["evaluate -m experiment=demo forecast=true", *options.overrides])
    show(
        "forecast",
        f"# The forecast of a sweep, and the sweep\n\n`python benchmarks/forecast.py --write "
        f"{' '.join(options.overrides)}`:\n`{command}`, {len(every)} points.",
        machine(),
        table(
            ["", "forecast", "the sweep", "forecast / sweep"],
            [[name, f"{a:.1f}", f"{b:.1f}", f"{a / b:.2f}"] for name, a, b in rows],
        ),
        write=options.write,
    )


def _points(overrides: list[str]) -> list[dict[str, object]]:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("evaluate", overrides=overrides, return_hydra_config=True)
        every = [[*overrides, *point] for point in points(config)]
        return [plain(composed) for composed in configurations("evaluate", every)]


def _plan(values: dict[str, object]) -> runner.RunPlan:
    return planning.plan_run(planning.evaluate_settings(values), values)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
