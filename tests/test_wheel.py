"""The wheel, installed in a bare folder, has everything it needs: conf/, weights, templates."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SKIPPED = {"__pycache__", ".DS_Store"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _call("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT), cwd=folder)
    (path,) = folder.glob("drawbench_eval-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    _call("-m", "pip", "install", "--no-deps", "--target", str(folder), str(wheel), cwd=folder)
    return folder


def _call(*arguments: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": str(path or "")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_every_file_of_the_packages_and_of_conf_is_in_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for source, inside in (("drawbench_eval",) * 2, ("imagen_ref",) * 2, ("conf", "drawbench_eval/conf")):
        for path in (ROOT / source).rglob("*"):
            if path.is_file() and not SKIPPED & set(path.parts):
                assert f"{inside}/{path.relative_to(ROOT / source).as_posix()}" in names
    assert not [name for name in names if name.startswith(("tests/", "conf/"))]


def test_help_and_one_evaluation_from_a_bare_folder(installed: Path, tmp_path: Path) -> None:
    where = "import drawbench_eval; print(drawbench_eval.__file__)"
    assert _call("-c", where, cwd=tmp_path, path=installed).stdout.startswith(str(installed))
    program = str(installed / "bin" / "drawbench-eval")
    assert "evaluate" in _call(program, "--help", cwd=tmp_path, path=installed).stdout
    (tmp_path / "prompts.csv").write_text("prompt\na red circle\n")
    _call(
        program,
        "evaluate",
        "prompts=file",
        "prompts.path=prompts.csv",
        "reference=none",
        "metrics=[scenes_clip_score]",
        "model.num_steps=1",
        "model.sr64.num_steps=1",
        cwd=tmp_path,
        path=installed,
    )
    (path,) = tmp_path.glob("results/runs/*/run.json")
    record = json.loads(path.read_text())
    assert record["status"] == "complete"
    assert record["counts"]["generated"] == 1
    assert record["environment"]["git"] is None
