"""Importing any module with the network blocked reaches for none and writes nothing of ours."""

from pathlib import Path

import matplotlib
from silent_imports import run_watched

SCRIPT = """
import importlib, pkgutil
import drawbench_eval, hydra_plugins

for package in (drawbench_eval, hydra_plugins):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
assert {"drawbench_eval.commands.evaluate", "hydra_plugins"} <= sys.modules.keys()
for line in found:
    print(*line[:2])
"""


def test_imports_are_silent(tmp_path: Path) -> None:
    """matplotlib and torch make their cache folders, wherever those are; nothing else is touched."""
    caches = {"MPLCONFIGDIR": matplotlib.get_cachedir(), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "torch")}
    done = run_watched(SCRIPT, tmp_path, **caches)
    assert done.returncode == 0, done.stderr
    events = [line.split(" ", 1) for line in done.stdout.splitlines()]
    others = [
        (event, path)
        for event, path in events
        if not any(path.startswith(cache) or cache.startswith(path) for cache in caches.values())
    ]
    assert others == []
