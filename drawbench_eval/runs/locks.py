"""One process at a time at a run: locks of the operating system, which end with the process that holds them.

They lie at `<results>/.locks/<run id>.lock` and stay there, empty. Advisory locks (flock) work on local disks
and on NFS; on a file system without them filelock warns and falls back to files that say who made them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

# Whoever only looks whether a lock is held has it for a moment.
_PATIENCE_S = 0.5


class RunBusy(Exception):
    """Another process is at this run."""


def lock_path(results: Path, run_id: str) -> Path:
    """Where the lock of a run lies."""
    return results / ".locks" / f"{run_id}.lock"


@contextmanager
def holding(results: Path, run_id: str, *, wait: bool) -> Iterator[None]:
    """The run belongs to this process until the block ends. Raises RunBusy where another one has it.

    wait: until that one is through with it, or gone, instead.
    """
    path = lock_path(results, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else _PATIENCE_S)
    except filelock.Timeout as busy:
        raise RunBusy(f"{run_id}: another process is at it") from busy
    try:
        yield
    finally:
        lock.release()


def is_held(results: Path, run_id: str) -> bool:
    """Whether a process is at the run now."""
    path = lock_path(results, run_id)
    if not path.exists():
        return False
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    lock.release()
    return False
