"""What `forecast=true` says of the demo, beside what its sweep then takes.

    python benchmarks/forecast.py [--experiment demo] [--write] [OVERRIDE ...]

Both are whole commands in an empty results folder, one after the other; the sweep's own start (planning, and
a calibration once more) is not counted, as the forecast does not speak of it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tables import machine, show, table

from drawbench_eval.runs.sweep import read_sweep, run_records

_SAID = re.compile(r"(\d+) points?, (\d+) images; about (.+) and (\d+) MB for what is left")
_PART = re.compile(r"(\d+) (h|min|s)")
_SECONDS = {"h": 3600, "min": 60, "s": 1}


def main() -> None:
    """Asks for the forecast, runs the sweep, and prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--experiment", default="demo")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    words = ["-m", f"experiment={options.experiment}", "sweep=forecast", *options.overrides]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        said, _ = _evaluate([*words, f"results={results}", "forecast=true"])
        assert not (results / "runs").exists(), "a forecast makes no run"
        # What the reference is made of is read once, and kept.
        before = _bytes(results)
        _, seconds = _evaluate([*words, f"results={results}"])
        record = read_sweep(results, "forecast")
        runs = run_records(results, record.run_ids).values()
        images = sum(run.counts["generated"] for run in runs if run is not None)
        disk = (_bytes(results) - before) / 1e6
    found = _SAID.search(said)
    assert found is not None, said
    rows = [
        ("images", float(found[2]), float(images), ".0f"),
        ("seconds", _seconds(found[3]), seconds, ".0f"),
        ("disk, MB", float(found[4]), disk, ".0f"),
    ]
    show(
        "forecast",
        f"# The forecast of a sweep, and the sweep\n\n`python benchmarks/forecast.py --write`:\n"
        f"`evaluate -m {' '.join(words[1:])}`, {found[1]} points.",
        machine(),
        table(
            ["", "forecast", "the sweep", "forecast / sweep"],
            [[name, f"{a:{form}}", f"{b:{form}}", f"{a / b:.2f}"] for name, a, b, form in rows],
        ),
        write=options.write,
    )


def _evaluate(words: list[str]) -> tuple[str, float]:
    """What `evaluate` prints, and the seconds from its first point's start to its end."""
    command = [sys.executable, "-m", "drawbench_eval.cli", "evaluate", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines, started = [], time.perf_counter()
    for line in process.stdout:
        if _SAID.search(line):
            started = time.perf_counter()
        lines.append(line)
    seconds = time.perf_counter() - started
    assert process.wait() == 0, "".join(lines[-20:])
    return "".join(lines), seconds


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _seconds(said: str) -> float:
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(said))


if __name__ == "__main__":
    main()
