from pathlib import Path

from command_line import Run

from drawbench_eval.prompts import Columns, read_prompts

FILE = (
    "prompts=file",
    "prompts.path=prompts.csv",
    "prompts.columns.id=id",
    "prompts.columns.category=category",
)


def test_shown(run: Run) -> None:
    shown = run("prompts", *FILE)
    assert shown.code == 0, shown.err
    assert "prompts: 3 prompts (x 2, y 1), sha256 " in " ".join(shown.out.split())


def test_exported_and_read_back(run: Run, tmp_path: Path) -> None:
    assert run("prompts", *FILE, "output=out/mine.csv").code == 0
    columns = Columns(text="prompt", id="id", category="category")
    before = read_prompts(tmp_path / "prompts.csv", columns)
    after = read_prompts(tmp_path / "out" / "mine.csv", columns)
    assert after.sha256 == before.sha256
    assert [prompt.text for prompt in after.prompts] == ["red, round", "", "three"]
