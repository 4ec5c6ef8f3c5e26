import json
import os
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outside_model import batch, made, picture

from drawbench_eval.generators.base import Streaming
from drawbench_eval.generators.command import CommandGenerator, CommandSettings, make

# What every program of these tests begins with.
HEAD = """
import base64, io, json, os, signal, sys, time
import numpy as np
from PIL import Image

def draw(line):
    rng = np.random.default_rng([line["seed"], len(line["prompt"])])
    return rng.integers(0, 128, (6, 5, 3), dtype=np.uint8) + np.uint8(line["settings"].get("shade", 0))

"""
PLAIN = """
for line in map(json.loads, sys.stdin):
    Image.fromarray(draw(line)).save(line["path"])
"""


def program(folder: Path, body: str, name: str = "my model.py") -> str:
    """A command line that runs `body`."""
    path = folder / name
    path.write_text(HEAD + body)
    return f'"{sys.executable}" "{path}"'


def generator(command: str, **settings: Any) -> CommandGenerator:
    return make(CommandSettings(command=command, **settings), device="cpu", precision="float32")


def check(model: CommandGenerator, count: int = 3, shade: int = 0) -> None:
    requests = batch(count)
    for image, request in zip(made(model, requests), requests, strict=True):
        np.testing.assert_array_equal(image, picture(request.prompt, request.seed, shade))


def test_a_program_reads_lines_and_writes_files(tmp_path: Path) -> None:
    model = generator(program(tmp_path, PLAIN), settings={"shade": 100})
    assert isinstance(model, Streaming)
    check(model, shade=100)
    assert model.label == "my-model"
    assert list(model.stream([], batch_size=2)) == []


@pytest.mark.parametrize(
    "answer",
    [
        'Image.fromarray(draw(line)).save(mine); answer["path"] = mine',
        (
            'file = io.BytesIO(); Image.fromarray(draw(line)).save(file, format="PNG"); '
            'answer["image"] = base64.b64encode(file.getvalue()).decode()'
        ),
    ],
)
def test_a_program_may_print_where_or_what_an_image_is(tmp_path: Path, answer: str) -> None:
    # Programs print other things as well: they are none of ours.
    body = f"""
print("loading"); print("[1, 2]"); print(json.dumps({{"sample_id": "unknown", "path": "x"}}))
for number, line in enumerate(map(json.loads, sys.stdin)):
    mine = os.path.join({str(tmp_path)!r}, f"own {{number}}.png")
    answer = {{"sample_id": line["sample_id"]}}
    {answer}
    print(json.dumps(answer))
"""
    check(generator(program(tmp_path, body)))


def test_images_come_as_they_appear_and_half_written_ones_do_not(tmp_path: Path) -> None:
    body = """
lines = list(map(json.loads, sys.stdin))
for line in lines:
    b = io.BytesIO(); Image.fromarray(draw(line)).save(b, format="PNG")
    with open(line["path"], "wb") as file:
        file.write(b.getvalue()[:60]); file.flush(); time.sleep(0.5); file.write(b.getvalue()[60:])
"""
    parts = [len(finished) for finished in generator(program(tmp_path, body)).stream(batch(3), batch_size=3)]
    assert sum(parts) == 3
    assert len(parts) > 1


DIES = """
for number, line in enumerate(map(json.loads, sys.stdin)):
    if number == 2:
        print("out of paint\\n", file=sys.stderr); {how}
    Image.fromarray(draw(line)).save(line["path"])
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            DIES.format(how="sys.exit(3)"),
            (
                r"the program ended with exit code 3 with 2 of 4 images made; p 2/ü-00 is not there; "
                "its last words: out of paint; what is made is kept"
            ),
        ),
        (
            DIES.format(how="sys.stderr.flush(); os.kill(os.getpid(), signal.SIGKILL)"),
            r"was killed by signal 9 with 2",
        ),
        (
            DIES.format(how="break"),
            r"the program ended with 2 of 4 images made; p 2/ü-00 is not there; its last",
        ),
        (
            "raise RuntimeError('no weights')",
            r"exit code 1 with 0 of 4 .*; its last words: RuntimeError: no weights;",
        ),
        (
            PLAIN + "open(line['path'], 'wb').write(b'text')",
            r"the program ended with 3 of 4 images made; p 3/ü-00 is 00003\.png: not a readable image",
        ),
        (
            PLAIN + "print(json.dumps({'sample_id': line['sample_id'], 'image': '%'}))\n"
            "os.remove(line['path'])",
            r"with 3 of 4 images made; p 3/ü-00 is an image that is not base64",
        ),
        (PLAIN + "sys.exit(5)", r"the program ended with exit code 5 with 4 of 4 images made"),
    ],
)
def test_what_was_made_before_the_end_is_handed_over(tmp_path: Path, body: str, message: str) -> None:
    finished: list[Any] = []
    with pytest.raises(ValueError, match=f"^model\\.command: .*{message}") as caught:
        finished.extend(
            chain.from_iterable(generator(program(tmp_path, body)).stream(batch(4), batch_size=4))
        )
    assert "\n" not in str(caught.value)
    assert f"{len(finished)} of 4 images made" in str(caught.value)
    for request, image in finished:
        np.testing.assert_array_equal(image, picture(request.prompt, request.seed))


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A process that has ended stays as a zombie where nothing collects orphans.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come true in ten seconds")


HANGS = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({pids!r} + ".new", "w").write(f"{{os.getpid()}} {{child.pid}}")
os.rename({pids!r} + ".new", {pids!r})
line = json.loads(sys.stdin.readline())
Image.fromarray(draw(line)).save(line["path"])
time.sleep(600)
"""


def test_a_program_that_hangs_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    model = generator(program(tmp_path, HANGS.format(pids=str(pids))), timeout_s=2)
    finished: list[Any] = []
    with pytest.raises(ValueError, match=r"gave no image for 2 s and was stopped with 1 of 2 images made"):
        finished.extend(chain.from_iterable(model.stream(batch(2), batch_size=2)))
    assert len(finished) == 1
    for pid in pids.read_text().split():
        wait_until(lambda pid=pid: gone(int(pid)))  # type: ignore[misc]


def test_a_program_ends_with_whoever_stops_reading(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    stream = generator(program(tmp_path, HANGS.format(pids=str(pids)))).stream(batch(2), batch_size=2)
    assert len(next(stream)) == 1
    stream.close()  # type: ignore[attr-defined]
    for pid in pids.read_text().split():
        wait_until(lambda pid=pid: gone(int(pid)))  # type: ignore[misc]


def test_its_files_or_a_stated_version_say_which_model_it_is(tmp_path: Path) -> None:
    command = program(tmp_path, PLAIN)
    plain = generator(command).identity
    assert [name for name, _ in plain["model.files"]] == ["my model.py"]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    assert generator(program(moved, PLAIN)).identity == plain
    assert generator(command).identity == plain
    assert generator(command, settings={"shade": 1}).identity == plain | {"model.settings.shade": 1}
    stated = generator(command, version="2").identity
    script = tmp_path / "script"
    script.write_text(f"#!{sys.executable}\n{HEAD}{PLAIN}")
    script.chmod(0o755)
    flagged = generator(f"'{script}' --flag").identity
    assert [name for name, _ in flagged["model.files"]] == ["script"]
    assert flagged["model.command"] == ["script", "--flag"]
    check(generator(f"'{script}'"))
    program(tmp_path, PLAIN + "\n")
    assert generator(command).identity != plain
    assert generator(command, version="2").identity == stated


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"command": ""}, r"^command: it is empty"),
        (
            {"command": "nowhere-to-be-found --x"},
            r"^command: 'nowhere-to-be-found' is not a program that is there",
        ),
        ({"command": "sh 'x"}, r"^command: .* cannot be taken apart \(No closing quotation\)"),
        (
            {"command": "sh -c true"},
            r"^model\.version: no word of 'sh -c true' is a file that could be hashed",
        ),
        ({"command": "sh -c true", "timeout_s": 0}, r"^timeout_s: 0 is not above 0"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generator(**settings)


def test_a_line_says_all_there_is_to_know(tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'lines')!r}, 'w').write(sys.stdin.read())"
    with pytest.raises(ValueError, match="0 of 1 images made"):
        made(generator(program(tmp_path, body), settings={"a": [1, "ü"]}), batch(1))
    (line,) = map(json.loads, (tmp_path / "lines").read_text().splitlines())
    path = line.pop("path")
    assert path.endswith("00000.png")
    assert line == {
        "prompt": '"text", 0\nü',
        "seed": 2**62,
        "sample_id": "p 0/ü-00",
        "settings": {"a": [1, "ü"]},
    }
