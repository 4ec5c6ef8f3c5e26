"""Importing the package, with the network blocked, reaches for none and writes no file."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
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
import importlib, pkgutil
import imagen_ref

# The package is light, and what it exports needs no transformers before there is text to encode.
assert not {"torch", "numpy", "safetensors"} & sys.modules.keys()
from imagen_ref import Cascade, SamplerSettings
assert "transformers" not in sys.modules
names = [module.name for module in pkgutil.walk_packages(imagen_ref.__path__, "imagen_ref.")]
for name in names:
    importlib.import_module(name)
assert {"imagen_ref.cascade", "imagen_ref.train", "imagen_ref.text.t5"} <= set(names)
print("before", found)
if "--fault" in sys.argv:
    open("written.txt", "w").close()
    import socket
    for reach in (socket.create_connection, lambda _: socket.getaddrinfo("example.org", 80)):
        try:
            reach(("127.0.0.1", 9))
        except ConnectionError as error:
            assert str(error) == "blocked"
    events = [event for event, *_ in found]
    assert events[0] == "open" and NETWORK & set(events)
    sys.exit("faults seen")
sys.exit(f"imports did: {found}" if found else 0)
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(folder),
        "HF_HOME": str(folder / "hf"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_imports_are_silent(tmp_path: Path) -> None:
    done = run(tmp_path, "--fault")
    # Two faults made on purpose after the imports are seen, and only they.
    assert "before []" in done.stdout, done.stdout + done.stderr
    assert done.stderr.strip() == "faults seen", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["written.txt"]
