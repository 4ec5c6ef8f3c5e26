"""A Python process with the network blocked, in which reaching for it or writing files is noted."""

import os
import subprocess
import sys
from pathlib import Path

# Goes before a script: `found` is a list of (event, arguments).
WATCH = """
import os, sys, tempfile

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
NETWORK = {
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request",
}
FORBIDDEN = NETWORK | {
    "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate",
}
found = []
tempfile.gettempdir()  # torch asks for it, and Python then tries the folder out with a file

def watch(event, args):
    if event in FORBIDDEN:
        found.append((event, *map(str, args)))
    if event in NETWORK:
        raise ConnectionError("blocked")
    if event == "open" and isinstance(args[2], int) and args[2] & WRITES and str(args[0]) != os.devnull:
        found.append((event, str(args[0])))

sys.addaudithook(watch)
"""


def run_watched(
    script: str, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the script with `folder` as its working folder and home."""
    homes = {"HOME": str(folder), "HF_HOME": str(folder / "hf"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", WATCH + script, *arguments],
        cwd=folder,
        env={**os.environ, **homes, **environment},
        capture_output=True,
        text=True,
    )
