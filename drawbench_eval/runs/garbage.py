"""What the store keeps of stages that no samples rest on any more.

A chunk of samples records the entries that it was made from (`store` in `.chunks/*.json`), so whatever a run,
finished or not, or a set of `generate` rests on is known without reading an image. Features and reference
statistics are not collected: which images they are of stands nowhere but in the images.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from drawbench_eval.generators.staged import STAGE, TEXT
from drawbench_eval.runs.same_chunks import INDEX, forget_gone
from drawbench_eval.store import Kept, entries

# Another process may have written an entry whose chunk is not recorded yet.
YOUNG_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was removed, by kind, and how many entries stay because they are pointed to, or young."""

    removed: tuple[Kept, ...]
    num_pointed_to: int
    num_young: int


def collect(results: Path) -> Collected:
    """Removes what no samples under `results` rest on from its store, and files that were never finished.

    Raises ValueError, before anything is removed, for a chunk's record that cannot be read.
    """
    kept = pointed_to(results)
    old = time.time() - YOUNG_S
    removed: list[Kept] = []
    num_pointed_to = num_young = 0
    store = results / "store"
    forget_gone(results / INDEX)
    for kind in sorted(store.iterdir()) if store.is_dir() else ():
        sizes = [_remove(path) for path in kind.rglob(".tmp-*") if path.stat().st_mtime < old]
        for path in entries(kind) if kind.name == TEXT or kind.name.startswith(STAGE) else ():
            if f"{kind.name}/{path.stem}" in kept:
                num_pointed_to += 1
            elif path.stat().st_mtime >= old:
                num_young += 1
            else:
                sizes.append(_remove(path))
        if sizes:
            removed.append(Kept(kind=kind.name, num_files=len(sizes), num_bytes=sum(sizes)))
    unfinished = [_remove(path) for path in _unfinished(results) if path.stat().st_mtime < old]
    if unfinished:
        removed.append(Kept(kind="runs, unfinished", num_files=len(unfinished), num_bytes=sum(unfinished)))
    return Collected(removed=tuple(removed), num_pointed_to=num_pointed_to, num_young=num_young)


def pointed_to(results: Path) -> set[str]:
    """KIND/DIGEST of every entry that samples under `results` rest on."""
    found: set[str] = set()
    for folder in ("runs", "samples"):
        for path in (results / folder).rglob(".chunks/[0-9]*.json"):
            try:
                found.update(json.loads(path.read_text(encoding="utf-8")).get("store", ()))
            except (ValueError, AttributeError, TypeError) as error:
                raise ValueError(
                    f"{path}: not a chunk's record ({error}); delete it, and its samples are made again"
                ) from error
    return found


def _unfinished(results: Path) -> list[Path]:
    """What killed processes left in runs and sample sets."""
    return [path for folder in ("runs", "samples") for path in (results / folder).rglob(".tmp-*")]


def _remove(path: Path) -> int:
    """Removes a file and gives its size."""
    size = path.stat().st_size
    path.unlink(missing_ok=True)
    return size
