"""`model.generator: command`: a program that reads JSON lines and writes image files.

It is started once for every hundred images. A line on its standard input is one image to make:
`{"prompt", "seed", "sample_id", "path", "settings"}`. It writes the image to `path`, or prints a line
`{"sample_id", "path"}` with a path of its own, or `{"sample_id", "image"}` with the file in base64.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drawbench_eval.files import sha256_file
from drawbench_eval.generators.base import Finished, Request
from drawbench_eval.generators.external import ExternalGenerator, GuidanceKind, decode_base64, hash_weights
from drawbench_eval.images.decode import Pixels, decode

_POLL_S = 0.1
# How long a program that is told to end may take over it.
_GRACE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class CommandSettings:
    """The `model` group for model=command.

    command: words as a shell would read them; no shell is run. settings: given with every image. version:
    stands for the model; without it the files among the words are hashed, the program itself if it is a
    script. timeout_s: how long the program may go without a new image. weights: files and folders that it
    reads, then part of what the model is.
    """

    command: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    timeout_s: float | None = None
    weights: tuple[Path, ...] = ()
    guidance_kind: GuidanceKind = "none"

    def __post_init__(self) -> None:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise ValueError(f"command: {self.command!r} cannot be taken apart ({error})") from error
        if not words:
            raise ValueError("command: it is empty; write the program and its arguments")
        if shutil.which(words[0]) is None:
            raise ValueError(f"command: {words[0]!r} is not a program that is there and may be run")
        if self.timeout_s is not None and self.timeout_s <= 0:
            raise ValueError(f"timeout_s: {self.timeout_s:g} is not above 0; null waits as long as it takes")

    @property
    def words(self) -> list[str]:
        """The command's words."""
        return shlex.split(self.command)

    @property
    def files(self) -> list[str]:
        """The words that are files which say what the program does; an interpreter is none."""
        program, *others = self.words
        return [word for word in [program] * _is_script(program) + others if Path(word).is_file()]


class CommandGenerator(ExternalGenerator):
    """Runs the program and takes images as they appear."""

    def __init__(self, settings: CommandSettings) -> None:
        self.words, self.timeout_s = settings.words, settings.timeout_s
        super().__init__(
            kind="command",
            label=Path([*settings.files, self.words[0]][0]).stem,
            guidance_kind=settings.guidance_kind,
            origin=_origin(settings),
            settings=settings.settings,
            weights=hash_weights(settings.weights),
        )

    def stream(self, requests: Sequence[Request], *, batch_size: int) -> Iterator[Finished]:  # noqa: ARG002
        """Images as they appear; how many are made at a time is the program's affair.

        Raises ValueError where it ends with an error or without all images, after the ones that it made.
        """
        if not requests:
            return
        with (
            TemporaryDirectory(prefix="drawbench-eval-", ignore_cleanup_errors=True) as folder,
            ExitStack() as stack,
        ):
            job = _Job(Path(folder), requests, self.settings)
            process = stack.enter_context(_start(self.words, job))
            stack.callback(_stop, process)
            last = time.monotonic()
            while True:
                over = process.poll() is not None
                finished = job.collect(over=over)
                if finished:
                    last = time.monotonic()
                    yield finished
                if over:
                    break
                if self.timeout_s is not None and time.monotonic() - last > self.timeout_s:
                    raise ValueError(job.complaint(f"gave no image for {self.timeout_s:g} s and was stopped"))
                if not finished:
                    time.sleep(_POLL_S)
            if process.returncode != 0:
                raise ValueError(job.complaint(_how_it_ended(process.returncode)))
            if job.waiting:
                raise ValueError(job.complaint("ended"))


class _Job:
    """The files of one run of the program, and which images it still owes."""

    def __init__(self, folder: Path, requests: Sequence[Request], settings: Mapping[str, Any]) -> None:
        self.count = len(requests)
        self.requests, self.out, self.err = folder / "requests", folder / "out", folder / "err"
        self.waiting = {request.sample_id: request for request in requests}
        self.paths = {r.sample_id: folder / f"{number:05d}.png" for number, r in enumerate(requests)}
        self.inline: dict[str, Any] = {}
        self.faults: dict[str, str] = {}
        self._read = 0
        lines = (
            {
                "prompt": request.prompt,
                "seed": request.seed,
                "sample_id": request.sample_id,
                "path": str(self.paths[request.sample_id]),
                "settings": dict(settings),
            }
            for request in requests
        )
        self.requests.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def collect(self, *, over: bool) -> Finished:
        """Images that have appeared whole; of a program that is over, also why others are none."""
        self._read_lines(over=over)
        finished: list[tuple[Request, Pixels]] = []
        for sample_id, request in list(self.waiting.items()):
            try:
                image = self._image(sample_id)
            except ValueError as error:
                # Half written, as long as the program runs.
                self.faults[sample_id] = str(error)
                continue
            if image is not None:
                finished.append((request, image))
                del self.waiting[sample_id]
        return finished

    def complaint(self, what: str) -> str:
        """What went wrong, in one line."""
        made = self.count - len(self.waiting)
        said = f"model.command: the program {what} with {made} of {self.count} images made"
        if self.waiting:
            first = next(iter(self.waiting))
            said += f"; {first} is {self.faults.get(first, 'not there')}"
        words = _last_line(self.err) or _last_line(self.out)
        return said + (f"; its last words: {words}" if words else "") + "; what is made is kept"

    def _image(self, sample_id: str) -> Pixels | None:
        if sample_id in self.inline:
            return decode(decode_base64(self.inline[sample_id]), sample_id)
        try:
            return decode(self.paths[sample_id].read_bytes(), str(self.paths[sample_id].name))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"cannot be read ({error.strerror})") from error

    def _read_lines(self, *, over: bool) -> None:
        with self.out.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text if over else text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self._answer(line)

    def _answer(self, line: bytes) -> None:
        try:
            answer = json.loads(line)
        except ValueError:
            # Programs print other things too.
            return
        if not isinstance(answer, dict) or answer.get("sample_id") not in self.waiting:
            return
        if "image" in answer:
            self.inline[answer["sample_id"]] = answer["image"]
        elif "path" in answer:
            self.paths[answer["sample_id"]] = Path(str(answer["path"]))


def make(settings: CommandSettings, *, device: str, precision: str) -> CommandGenerator:  # noqa: ARG001
    """The generator. Raises ValueError where nothing says which model it is."""
    return CommandGenerator(settings)


def _origin(settings: CommandSettings) -> dict[str, Any]:
    """Which model it is. Files are named without their folders: where they lie makes no difference."""
    words = [Path(word).name if Path(word).is_file() else word for word in settings.words]
    if settings.version is not None:
        return {"command": words, "stated_version": settings.version}
    if not settings.files:
        raise ValueError(
            f"model.version: no word of {settings.command!r} is a file that could be hashed; state which "
            "model it is"
        )
    hashes = [[Path(word).name, sha256_file(Path(word))] for word in settings.files]
    return {"command": words, "files": hashes}


def _is_script(word: str) -> bool:
    if not Path(word).is_file():
        return False
    with Path(word).open("rb") as file:
        return file.read(2) == b"#!"


def _start(words: Sequence[str], job: _Job) -> subprocess.Popen[bytes]:
    # Files and not pipes: neither side ever waits for the other to read.
    with job.requests.open("rb") as requests, job.out.open("wb") as out, job.err.open("wb") as err:
        try:
            return subprocess.Popen(
                list(words), stdin=requests, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            raise ValueError(f"model.command: {words[0]} cannot be run ({error.strerror})") from error


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and what it has started, if it still runs."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, how)
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            continue


def _how_it_ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _last_line(path: Path) -> str:
    lines = path.read_bytes()[-4000:].decode("utf-8", errors="replace").split("\n")
    return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")
