import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import train_in_ranks

from imagen_ref.training.ranks import Ranks, join_ranks

SCRIPT = Path(train_in_ranks.__file__)


def test_rows_are_shared_equally_and_in_order() -> None:
    assert [Ranks(rank=rank, size=3).rows(12) for rank in range(3)] == [
        slice(0, 4),
        slice(4, 8),
        slice(8, 12),
    ]
    with pytest.raises(ValueError, match=r"training.batch_size: 10 cannot be shared by 4 processes"):
        Ranks(size=4).rows(10)


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_ranks("cuda:3") as (ranks, device):
        assert (ranks, device) == (Ranks(), "cuda:3")
        assert ranks.is_first
        assert ranks.mean(torch.tensor(2.0)) == 2.0
        ranks.wait()


@pytest.mark.slow  # three interpreters that import torch: 15 to 30 s of one core
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    """Six steps of eight images under torchrun, with micro-batches and without, against one process."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(SCRIPT.parent),
        "PYTHONWARNINGS": "default",
    }

    def losses(folder: Path) -> list[float]:
        return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]

    def averages(folder: Path) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = torch.load(folder / "training.pt", weights_only=True)["average"]
        return found

    train_in_ranks.main(tmp_path / "alone", 1)
    for accumulate in (1, 2):
        folder = tmp_path / f"two-{accumulate}"
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        subprocess.run(
            [*torchrun, str(SCRIPT), str(folder), str(accumulate)], env=environment, check=True, timeout=240
        )
        assert losses(folder) == pytest.approx(losses(tmp_path / "alone"), rel=1e-4)
        for name, tensor in averages(tmp_path / "alone").items():
            torch.testing.assert_close(averages(folder)[name], tensor, atol=2e-4, rtol=1e-3)
    # Adam's first steps are as large as the rate whatever the gradient: other rows would show.
    start = averages(tmp_path / "alone")["conv_out.weight"]
    assert start.abs().max() > 2e-3
