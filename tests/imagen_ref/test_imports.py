"""Importing the package, with the network blocked, reaches for none and writes no file."""

from pathlib import Path

from silent_imports import run_watched

SCRIPT = """
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


def test_imports_are_silent(tmp_path: Path) -> None:
    done = run_watched(SCRIPT, tmp_path, "--fault")
    # Two faults made on purpose after the imports are seen, and only they.
    assert "before []" in done.stdout, done.stdout + done.stderr
    assert done.stderr.strip() == "faults seen", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["written.txt"]
