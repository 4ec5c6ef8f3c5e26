import contextlib
import json
import os
import pickle
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run
from rich.console import Console

from drawbench_eval.commands.live import live_view
from drawbench_eval.commands.sweeping import SweepRecorder
from drawbench_eval.runs.locks import holding
from drawbench_eval.runs.watch import PointState, SweepState

Small = tuple[str, ...]


def test_a_sweep_seen_from_another_shell(run: Run, small: Small, tmp_path: Path) -> None:
    assert run("evaluate", *small, "-m", "model.guidance_weight=1,13,2", "sweep=mine").code == 1
    results = tmp_path / "results"
    # A sweep that was killed before its last point.
    record = json.loads((results / "sweeps" / "mine.json").read_text())
    (unfinished,) = results.glob(f"runs/*-{record['run_ids'][2]}")
    (unfinished / "run.json").unlink()
    shown = run("status")
    assert shown.code == 0, shown.err
    rows = [[cell.strip() for cell in row.split("│")[1:-1]] for row in shown.out.splitlines() if "│" in row]
    assert [row[:3] for row in rows] == [
        ["model.guidance_weight=1", "done", "3 of 3"],
        ["model.guidance_weight=13", "failed", "0 of 3"],
        ["model.guidance_weight=2", "left", "3 of 3"],
    ]
    *_, failed, retry, said = shown.out.splitlines()
    assert failed.startswith("failed: results/runs/double-w13-")
    assert failed.endswith("(model.guidance_weight=13): RuntimeError: the generator stops here")
    assert retry.startswith("retry_failed=true ")
    assert said.startswith("mine: 1 of 3 points done, 0 running, 1 failed, 1 left")
    with holding(results, record["run_ids"][2], wait=False):
        assert "1 of 3 points done, 1 running, 1 failed, 0 left" in run("status", "sweep=mine").out
    assert "1 of 3 points done, 0 running" in run("status", "watch=true").out


def test_the_sweep_that_was_started_last(run: Run, small: Small, tmp_path: Path) -> None:
    nothing = run("status")
    assert (nothing.code, nothing.err.count("\n")) == (2, 1)
    assert "results has no sweeps" in nothing.err
    for name in ("second", "first"):
        assert run("evaluate", *small, "-m", "seed=0,1", f"sweep={name}").code == 0
    *_, said, others = run("status").out.splitlines()
    assert said.startswith("first: 2 of 2 points done")
    assert others == "other sweeps: second"
    assert run("status", "sweep=third").err.endswith("third.json is not there; known sweeps: first, second\n")


def test_a_table_that_fits_the_screen_shows_what_matters() -> None:
    states = ["done"] * 50 + ["waiting"] * 50
    states[20], states[97] = "failed", "running"
    points = [
        PointState(point=f"seed={seed}", run_id="a", folder=None, state=state, images=2, made=0)  # type: ignore[arg-type]
        for seed, state in enumerate(states)
    ]
    console = Console(width=100)
    with console.capture() as captured:
        console.print(live_view(SweepState(name="mine", points=points), height=20))
    lines = captured.get().splitlines()
    assert len(lines) < 20
    assert lines[0] == "mine: 49 of 100 points done, 1 running, 1 failed, 49 left"
    shown = [line for line in lines if "seed=" in line]
    assert "seed=20 " in shown[0]
    assert "seed=97 " in shown[-1]
    assert lines[-1] == f"and {100 - len(shown)} more points"


def test_a_launcher_s_worker_gets_a_recorder_that_says_nothing() -> None:
    recorder = SweepRecorder()
    recorder._says_each = True
    assert pickle.loads(pickle.dumps(recorder))._says_each is False  # noqa: S301  (our own)


_SWEEP = """
import sys
from drawbench_eval import cli
from drawbench_eval.commands import live, planning
live._REFRESH_S = 0.05
planning.GENERATORS["double"] = ("DoubleSettings", "doubles")
sys.argv = ["drawbench-eval", *sys.argv[1:]]
sys.exit(cli.main())
"""


def test_a_live_table_on_a_terminal(small: Small, tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("id,prompt,category\na,red,x\nb,two,y\nc,three,x\n")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "160"}
    words = ["evaluate", *small, "-m", "model.guidance_weight=1,13,2", "sweep=mine"]
    process = subprocess.Popen(
        [sys.executable, "-c", _SWEEP, *words],
        cwd=tmp_path,
        env={**environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    # At its end Linux says EIO.
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 4096):
            seen += piece
    os.close(ours)
    assert process.wait(timeout=60) == 1
    text = seen.decode()
    # The cursor is hidden while the table stands, and comes back.
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "mine: 0 of 3 points done, 0 running, 0 failed, 3 left" in text
    assert "┃ point " in text
    assert "point 3: results/runs/double-w2-" in text
    assert " points over, " not in text
    assert text.rstrip().endswith("2 of 3 points complete, 1 failed")


@pytest.mark.parametrize("setting", ["sweep=../x", "watch=maybe"])
def test_settings_that_make_no_sense(run: Run, setting: str) -> None:
    wrong = run("status", setting)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
