from pathlib import Path

import pytest

from drawbench_eval.commands import resources
from drawbench_eval.commands.resources import Gpu, given_threads, num_ranks, threads

NAMES = ("GPU-a", "GPU-b")


def test_threads_are_what_the_launcher_says_then_what_slurm_gave() -> None:
    assert threads({"OMP_NUM_THREADS": "3", "SLURM_CPUS_PER_TASK": "8"}) == 3
    assert threads({"SLURM_CPUS_PER_TASK": "8"}) == 8
    assert threads({}) >= 1
    assert given_threads({"SLURM_CPUS_PER_TASK": "8"}) == {"OMP_NUM_THREADS": "8"}
    # Torch knows best how many suit this machine.
    assert given_threads({}) == {}


def test_a_job_with_gpus_has_a_rank_for_each_unless_it_is_told() -> None:
    assert num_ranks(None, {"SLURM_GPUS_ON_NODE": "4"}) == 4
    assert num_ranks(2, {"SLURM_GPUS_ON_NODE": "4"}) == 2
    assert num_ranks(None, {}) == 1


def test_each_process_has_a_gpu_of_its_own_as_long_as_there_are_enough(tmp_path: Path) -> None:
    first, second, third = Gpu(tmp_path), Gpu(tmp_path), Gpu(tmp_path)
    assert [first.take(NAMES), second.take(NAMES), first.take(NAMES)] == [0, 1, 0]
    # There is none left: it is shared.
    assert third.take(NAMES) in (0, 1)
    del first
    assert Gpu(tmp_path).take(NAMES) == 0


def test_a_gpu_is_taken_only_where_there_are_several_and_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "gpu_names", lambda: list(NAMES))
    gpu = Gpu(tmp_path)
    assert gpu.device("cuda:7") == "cuda:7"
    assert gpu.device("cpu") == "cpu"
    assert gpu.device("auto", ranks=2) == "auto"
    assert gpu.device("auto") == "cuda:0"
    monkeypatch.setattr(resources, "gpu_names", lambda: list(NAMES[:1]))
    assert Gpu(tmp_path).device("auto") == "auto"
