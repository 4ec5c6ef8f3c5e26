"""Several processes that train one network: who is who, who learns from which rows, one gradient for all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

# The first rank may render or prepare data while the others wait.
PATIENCE = timedelta(hours=2)


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process's number among `size` that train together."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """The rows of a batch that this process learns from.

        Raises:
            ValueError: when the ranks cannot share the batch equally.
        """
        if batch_size % self.size:
            raise ValueError(
                f"training.batch_size: {batch_size} cannot be shared by {self.size} processes; write a "
                "multiple"
            )
        each = batch_size // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the ranks, on all of them."""
        if self.size == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total / self.size

    def wait(self) -> None:
        """Returns when all ranks have come here."""
        if self.size > 1:
            distributed.barrier()

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """The block runs on the first rank and only then on the others: what it leaves on disk is there."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()


@contextmanager
def join_ranks(device: str) -> Iterator[tuple[Ranks, str]]:
    """(ranks, device) of this process; alone unless torchrun started it.

    Under torchrun `cuda` becomes the process's own GPU. The processes talk through NCCL, on a CPU through
    gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks(), device
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(rank=distributed.get_rank(), size=size), device
    finally:
        distributed.destroy_process_group()


class SharedPredict:
    """A `predict` whose gradients are averaged over the ranks as they are computed.

    DistributedDataParallel starts every network from the weights of the first rank.
    """

    def __init__(self, predict: Callable[..., Tensor], network: nn.Module) -> None:
        device = next(network.parameters()).device
        ids = [device] if device.type == "cuda" else None
        self._shared = DistributedDataParallel(_Predict(predict, network), device_ids=ids)

    def __call__(self, _network: nn.Module, *inputs: Any) -> Tensor:
        out: Tensor = self._shared(*inputs)
        return out

    def unshared(self) -> AbstractContextManager[None]:
        """Within it gradients are only added up, for all micro-batches but the last."""
        return self._shared.no_sync()


class _Predict(nn.Module):
    """`predict` as a module, which is what DistributedDataParallel takes."""

    def __init__(self, predict: Callable[..., Tensor], network: nn.Module) -> None:
        super().__init__()
        self._predict, self.network = predict, network

    def forward(self, *inputs: Any) -> Tensor:
        return self._predict(self.network, *inputs)


def gradient_sharing(predict: Callable[..., Tensor], *, last: bool) -> AbstractContextManager[None]:
    """The context of a micro-batch: ranks share the gradient of a step once, with its last one."""
    return predict.unshared() if isinstance(predict, SharedPredict) and not last else nullcontext()
