import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Result, Run
from hydra.core.global_hydra import GlobalHydra

from drawbench_eval import cli
from drawbench_eval.commands import planning


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command line in an empty folder with a few prompts, on a model that needs no weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(planning.GENERATORS, "double", ("DoubleSettings", "doubles"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    (tmp_path / "prompts.csv").write_text('id,prompt,category\na,"red, round",x\nb,,y\nc,three,x\n')
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str) -> Result:
        monkeypatch.setattr("sys.argv", ["drawbench-eval", *arguments])
        GlobalHydra.instance().clear()
        code = cli.main()
        return Result(code, *capsys.readouterr())

    yield run
    GlobalHydra.instance().clear()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def small() -> tuple[str, ...]:
    """Overrides of `evaluate` for a run of three images."""
    return (
        "model.generator=double",
        "prompts=file",
        "prompts.path=prompts.csv",
        "prompts.columns.id=id",
        "prompts.columns.category=category",
        "reference=none",
        "metrics=[scenes_accuracy]",
    )
