"""What a job may use: threads, the number of ranks, and a GPU of its own where there are several."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import filelock

# The cores that Slurm gave the job, and the GPUs of it on this machine.
_CORES, _GPUS = "SLURM_CPUS_PER_TASK", "SLURM_GPUS_ON_NODE"


def threads(environment: Mapping[str, str] = os.environ) -> int:
    """What OMP_NUM_THREADS says, joblib among others, else the cores of the job, else those at hand."""
    for name in ("OMP_NUM_THREADS", _CORES):
        if environment.get(name, "").isdigit():
            return max(int(environment[name]), 1)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def given_threads(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """OMP_NUM_THREADS where a launcher or Slurm has a say; else nothing, and torch decides."""
    said = any(environment.get(name, "").isdigit() for name in ("OMP_NUM_THREADS", _CORES))
    return {"OMP_NUM_THREADS": str(threads(environment))} if said else {}


def num_ranks(asked: int | None, environment: Mapping[str, str] = os.environ) -> int:
    """What is asked for; None is one for each GPU that Slurm gave the job, and one where it gave none."""
    if asked is not None:
        return asked
    given = environment.get(_GPUS, "")
    return max(int(given), 1) if given.isdigit() else 1


class Gpu:
    """A GPU of this process's own among those that it sees, held until the process ends."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / "drawbench-eval-gpus"
        self._held: tuple[int, filelock.FileLock] | None = None

    def device(self, asked: str, *, ranks: int = 1) -> str:
        """`cuda:N` for `auto` and `cuda` where there are several GPUs and one rank; else what was asked."""
        if ranks > 1 or asked not in ("auto", "cuda"):
            return asked
        names = gpu_names()
        return asked if len(names) < 2 else f"cuda:{self.take(names)}"

    def take(self, names: Sequence[str]) -> int:
        """The place of a GPU that no other process of ours holds; one that is shared where all are held."""
        if self._held is not None:
            return self._held[0]
        self._folder.mkdir(parents=True, exist_ok=True)
        for place, name in enumerate(names):
            lock = filelock.FileLock(self._folder / f"{name}.lock")
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                continue
            self._held = place, lock
            return place
        return os.getpid() % len(names)


def gpu_names() -> list[str]:
    """A name for each GPU that this process sees, the same in every process of the machine."""
    import torch

    if not torch.cuda.is_available():
        return []
    return [str(torch.cuda.get_device_properties(n).uuid) for n in range(torch.cuda.device_count())]
