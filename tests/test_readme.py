"""Every command of the README runs, but for those that it marks as not run by a test."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"(?P<mark><!-- not run by a test: [^>]+ -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", re.DOTALL
)
BLOCKS = [match.groupdict() for match in BLOCK.finditer((ROOT / "README.md").read_text())]


def run_of(block: dict[str, str]) -> list[list[str]]:
    """The block as argument lists of this interpreter."""
    if block["language"] == "python":
        return [["-c", block["code"]]]
    lines = [shlex.split(line, comments=True) for line in block["code"].splitlines()]
    assert all(line[0] == ".venv/bin/drawbench-eval" for line in lines), "mark what is not drawbench-eval"
    return [["-m", "drawbench_eval.cli", *line[1:]] for line in lines]


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if not block["mark"]], ids=lambda b: b["code"][:30]
)
def test_unmarked_blocks_run(block: dict[str, str], tmp_path: Path) -> None:
    for arguments in run_of(block):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_there_are_blocks_of_both_kinds() -> None:
    assert {block["language"] for block in BLOCKS if not block["mark"]} == {"sh", "python"}
    assert any("make demo" in block["code"] for block in BLOCKS if block["mark"])
