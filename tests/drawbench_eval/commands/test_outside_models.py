"""Somebody else's model through the command line: a ten-line package, a program, a server; their crashes."""

import base64
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from command_line import Run
from outside_model import picture, png

from drawbench_eval.runs import runner

PACKAGE = """
import numpy as np, pathlib

def sample(prompts, seeds, shade=0):
    calls = pathlib.Path("calls")
    calls.write_text(f"{int(calls.read_text()) + 1}" if calls.exists() else "1")
    if pathlib.Path("broken").exists() and int(calls.read_text()) == 3:
        raise RuntimeError("out of paint")
    rngs = [np.random.default_rng([seed, len(prompt)]) for prompt, seed in zip(prompts, seeds)]
    return [rng.integers(0, 128, (64, 64, 3), dtype=np.uint8) + np.uint8(shade) for rng in rngs]
"""
DEADLY = """
import numpy as np, os, pathlib, signal

drawn = 0

def sample(prompts, seeds):
    return [draw(prompt, seed) for prompt, seed in zip(prompts, seeds)]

def draw(prompt, seed):
    global drawn
    drawn += 1
    if drawn == 4 and pathlib.Path("deadly").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return np.random.default_rng([seed, len(prompt)]).integers(0, 128, (64, 64, 3), dtype=np.uint8)
"""
PROGRAM = """
import json, os, sys
import numpy as np
from PIL import Image

for number, line in enumerate(map(json.loads, sys.stdin)):
    if os.path.exists("broken") and number == 4:
        sys.exit("out of paint")
    rng = np.random.default_rng([line["seed"], len(line["prompt"])])
    pixels = rng.integers(0, 128, (64, 64, 3), dtype=np.uint8) + np.uint8(line["settings"].get("shade", 0))
    Image.fromarray(pixels).save(line["path"])
"""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if Path("broken").exists() and self.server.asked == 2:  # type: ignore[attr-defined]
            self.send_error(400, "out of paint")
            return
        self.server.asked += 1  # type: ignore[attr-defined]
        shade = question["settings"].get("shade", 0)
        pairs = zip(question["prompts"], question["seeds"], strict=True)
        images = [base64.b64encode(png(picture(p, s, shade, side=64))).decode() for p, s in pairs]
        body = json.dumps({"images": images}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def models(tmp_path: Path) -> Iterator[dict[str, tuple[str, ...]]]:
    """How each kind of model is asked for, in one line."""
    folder = tmp_path / "elsewhere"
    (folder / "a_model_of_mine").mkdir(parents=True)
    (folder / "a_model_of_mine" / "__init__.py").write_text(PACKAGE)
    (folder / "gen.py").write_text(PROGRAM)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    before = list(sys.path)
    url = f"http://127.0.0.1:{server.server_port}/"
    yield {
        "python": ("model=python", "model.target=a_model_of_mine:sample", "model.path=elsewhere"),
        "command": ("model=command", f"model.command='{sys.executable} elsewhere/gen.py'"),
        "http": ("model=http", f"model.url={url}", "model.version=1", "model.retries=0"),
    }
    server.shutdown()
    thread.join()
    server.server_close()
    sys.path[:] = before
    sys.modules.pop("a_model_of_mine", None)


PROMPTS = (
    "prompts=file",
    "prompts.path=prompts.csv",
    "prompts.columns.id=id",
    "num_images_per_prompt=3",
    "batch_size=2",
)
SCORED = ("reference=none", "metrics=[diversity]", "metrics.diversity.extractor=scenes")
KINDS = ("python", "command", "http")


def images(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("results/samples/*/*.png"))}


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("results/runs/*/run.json"))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_in_one_line_draws_from_prompts_and_seeds(
    run: Run, models: dict[str, tuple[str, ...]], tmp_path: Path, kind: str
) -> None:
    done = run("generate", *models[kind], *PROMPTS, "model.settings.shade=100")
    assert done.code == 0, done.err
    found = images(tmp_path)
    assert len(found) == 9
    (manifest,) = tmp_path.glob("results/samples/*/manifest.csv")
    seed = int(manifest.read_text().splitlines()[1].split(",")[5])
    assert found["a-00.png"] == png(picture("red, round", seed, 100, side=64))
    again = run("generate", *models[kind], *PROMPTS, "model.settings.shade=100")
    assert "9 images, 0 made now" in again.err


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_loses_nothing_and_the_resumed_run_is_the_straight_one(
    run: Run, models: dict[str, tuple[str, ...]], tmp_path: Path, kind: str
) -> None:
    (tmp_path / "broken").touch()
    command = ("generate", *models[kind], *PROMPTS)
    if kind == "python":
        with pytest.raises(RuntimeError, match="a_model_of_mine:sample failed on 2 prompts, from b-01 on"):
            run(*command)
    else:
        failed = run(*command)
        assert (failed.code, failed.err.count("\n")) == (2, 1)
        assert "out of paint" in failed.err
    kept = images(tmp_path)
    assert len(kept) == 4
    (tmp_path / "broken").unlink()
    resumed = run(*command)
    assert resumed.code == 0, resumed.err
    assert "9 images, 5 made now" in resumed.err
    after = images(tmp_path)
    assert kept.items() <= after.items()
    straight = run(*command, "results=straight")
    assert "9 images, 9 made now" in straight.err
    (one,) = tmp_path.glob("results/samples/*")
    (other,) = tmp_path.glob("straight/samples/*")
    assert tree(one) == tree(other)


def test_killed_amid_a_batch_the_next_run_makes_that_batch_and_what_follows(
    run: Run, models: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    deadly = tmp_path / "elsewhere" / "a_model_of_mine" / "__init__.py"
    deadly.write_text(DEADLY)
    command = ("generate", *models["python"], *PROMPTS)
    (tmp_path / "deadly").touch()
    killed = subprocess.run(
        [sys.executable, "-m", "drawbench_eval.cli", *command], cwd=tmp_path, capture_output=True, check=False
    )
    # It was drawing the second image of the second batch of two.
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = images(tmp_path)
    assert sorted(kept) == ["a-00.png", "a-01.png"]
    assert not list(tmp_path.glob("results/samples/*/manifest.csv"))
    (tmp_path / "deadly").unlink()
    resumed = run(*command)
    assert "9 images, 7 made now" in resumed.err
    assert kept.items() <= images(tmp_path).items()
    assert run(*command, "results=straight").code == 0
    (one,) = tmp_path.glob("results/samples/*")
    (other,) = tmp_path.glob("straight/samples/*")
    assert tree(one) == tree(other)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_its_settings_are_swept(
    run: Run, models: dict[str, tuple[str, ...]], tmp_path: Path, kind: str
) -> None:
    sweep = ("-m", "model.settings.shade=1,2", "sweep=mine")
    done = run("evaluate", *models[kind], *PROMPTS, *SCORED, *sweep)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == "2 of 2 points complete"
    found = records(tmp_path)
    assert sorted(record["factors"]["model.settings.shade"] for record in found) == [1, 2]
    assert {record["metrics"]["diversity"]["n"] for record in found} == {9}
    planned = json.loads((tmp_path / "results" / "sweeps" / "mine.json").read_text())
    assert planned["swept"] == {"model.settings.shade": [1, 2]}
    assert sorted(planned["run_ids"]) == sorted(record["run_id"] for record in found)


def test_a_failed_run_says_why_and_continues(
    run: Run, models: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    command = ("evaluate", *models["python"], *PROMPTS, *SCORED)
    with pytest.raises(runner.RunFailed, match="out of paint"):
        run(*command)
    (record,) = records(tmp_path)
    assert (record["status"], record["counts"]["generated"]) == ("failed", 4)
    assert record["error"].startswith("ModelFailedError: a_model_of_mine:sample failed on 2 prompts")
    (tmp_path / "broken").unlink()
    assert run(*command).code == 0
    (record,) = records(tmp_path)
    assert (record["status"], record["timings"]["images_made"]) == ("complete", 5)


def test_a_changed_model_does_not_pass_for_the_one_whose_samples_are_there(
    run: Run, models: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    for name, kind in (("a_model_of_mine/__init__.py", "python"), ("gen.py", "command")):
        assert "9 made now" in run("generate", *models[kind], *PROMPTS).err
        path = tmp_path / "elsewhere" / name
        path.write_text(path.read_text().replace("0, 128", "0, 127"))
        sys.modules.pop("a_model_of_mine", None)
        assert "9 made now" in run("generate", *models[kind], *PROMPTS).err
        assert "0 made now" in run("generate", *models[kind], *PROMPTS).err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("model=python",), "error: model.target: a value is needed; write model.target=...\n"),
        (("model=python", "model.target=x"), "error: model.target: 'x' is not MODULE:FUNCTION, such as"),
        (("model=http", "model.url=http://127.0.0.1:1/"), "error: model.version: a value is needed"),
        (("model=command", "model.command=nowhere"), "error: model.command: 'nowhere' is not a program"),
    ],
)
def test_a_mistake_is_one_line(run: Run, asked: tuple[str, ...], message: str) -> None:
    refused = run("generate", *asked, *PROMPTS)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert refused.err.startswith(message)
