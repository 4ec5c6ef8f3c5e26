"""The process that computes points, seen from the launcher's: started when needed, replaced when it died."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

from drawbench_eval.commands.resources import given_threads

Generators = Mapping[str, tuple[str, str]]


class WorkerDied(Exception):
    """The process ended in the middle of a point."""


class Worker:
    """Points are given one at a time; python, torch and the libraries are loaded once for all of them."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def do(self, task: str, values: Mapping[str, Any], generators: Generators) -> dict[str, Any]:
        """The answer to a task (`point.TASKS`) on one point.

        Raises WorkerDied, saying how, where the process did not live to give one.
        """
        request = json.dumps({"task": task, "values": values, "generators": generators})
        process = self._living()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(request, file=process.stdin, flush=True)
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._process = None
        process.stdin.close()
        process.stdout.close()
        raise WorkerDied(_end(process.wait()))

    def close(self) -> None:
        """The process ends."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.wait()
            process.stdout.close()

    def _living(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "drawbench_eval.commands.point"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                # What this process can import, that one can.
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                **given_threads(),
            },
        )
        # Through our own stderr, where a live table stands.
        threading.Thread(target=_forward, args=(process.stderr,), daemon=True).start()
        return process


def _forward(lines: IO[str]) -> None:
    with lines:
        for line in lines:
            print(line, end="", file=sys.stderr, flush=True)


def _end(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the kernel sends it when memory runs out)" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"


# Hydra calls a plain function for every point, in whatever process its launcher chose: what is to outlive the
# call has no other place. One at a time, as points come one at a time.
WORKER = Worker()
