"""FID by each tool in its own usual way, from a folder of images to the value, with time stamps.

Every tool is given the same weights and, made beforehand and not timed, what it keeps of a reference. A stamp
is taken whenever the network has answered a batch.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from drawbench_eval.features import inception
from drawbench_eval.features.bank import StoredFeatures
from drawbench_eval.features.fast import Forward, forward_of
from drawbench_eval.features.inception import Inception
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.references import folder_reference
from drawbench_eval.score import score
from drawbench_eval.store import Store
from drawbench_eval.weights import INCEPTION, WeightsSettings


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What every tool is given. `kept` is the folder for what tools keep of the reference."""

    generated: Path
    reference: Path
    weights: Path
    kept: Path
    device: str

    @property
    def settings(self) -> WeightsSettings:
        """Our way to name the weights."""
        return WeightsSettings(inception=self.weights, allow_unverified=True)

    @property
    def num_workers(self) -> int:
        """pytorch-fid's default. It serves torchmetrics too, which has no loader of its own."""
        return min(os.cpu_count() or 1, 8)


@dataclass
class Clock:
    """When a run began and ended, and when it had answered how many images."""

    device: str
    began: float = 0.0
    ended: float = 0.0
    stamps: list[tuple[float, int]] = field(default_factory=list)

    def begin(self) -> None:
        """From here on everything counts."""
        self.began = time.perf_counter()

    def end(self) -> None:
        """The value is there."""
        self.ended = time.perf_counter()

    def note(self, count: int) -> None:
        """The network has answered `count` more images."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        done = self.stamps[-1][1] if self.stamps else 0
        self.stamps.append((time.perf_counter(), done + count))

    @property
    def seconds(self) -> float:
        """End to end."""
        return self.ended - self.began

    @property
    def steady(self) -> float:
        """Images a second, from the batch with which a tenth of them were done to the last."""
        last, total = self.stamps[-1]
        first, done = next(stamp for stamp in self.stamps if stamp[1] >= total / 10)
        return (total - done) / (last - first) if last > first else float("nan")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A peer: `mode` is our resize that equals its own; `prepare` makes what it keeps, untimed."""

    name: str
    mode: str
    prepare: Callable[[Inputs], None]
    run: Callable[[Inputs, Clock], float]


def prepare_ours(inputs: Inputs, modes: Iterable[str]) -> None:
    """The reference's features and moments in our store."""
    for mode in modes:
        store = Store(inputs.kept / "ours")
        extractor = Inception(inputs.settings.find(INCEPTION), mode, inputs.device, runtime="folded")
        reference = folder_reference(inputs.reference, Preparation(), store=store)
        reference.moments(StoredFeatures(extractor, store))


def run_ours(
    inputs: Inputs,
    clock: Clock,
    *,
    mode: str,
    runtime: str,
    make_forward: Callable[..., Forward] = forward_of,
) -> float:
    """`drawbench_eval.score.score`, with a copy of the store that knows the reference only."""

    def forward(network: torch.nn.Module, example: Any, **named: Any) -> Forward:
        return make_forward(network, example, **{**named, "runtime": runtime})

    with tempfile.TemporaryDirectory(dir=inputs.kept) as fresh, ExitStack() as patches:
        store = shutil.copytree(inputs.kept / "ours", Path(fresh) / "store")
        patches.enter_context(mock.patch.object(inception, "filled_batches", _stamped(clock)))
        patches.enter_context(mock.patch.object(inception, "forward_of", forward))
        # Nothing that an earlier run compiled is used again.
        cache = {"TORCHINDUCTOR_CACHE_DIR": str(Path(fresh) / "compiled")}
        patches.enter_context(mock.patch.dict(os.environ, cache))
        torch.compiler.reset()
        clock.begin()
        found = score(
            inputs.generated,
            reference=inputs.reference,
            metrics={"fid": {"resize": mode}},
            weights=inputs.settings,
            device=inputs.device,
            store=store,
        )
        clock.end()
    return found["fid"].value


def _stamped(clock: Clock) -> Callable[..., Iterator[Any]]:
    """`filled_batches` that takes a stamp whenever it is asked for more: the last batch has been answered."""
    real = inception.filled_batches

    def batches(rows: Iterable[Any], size: int) -> Iterator[Any]:
        for batch, count in real(rows, size):
            yield batch, count
            clock.note(count)

    return batches


def _stamped_forward(network: type, clock: Clock) -> AbstractContextManager[Any]:
    """A peer's network class whose `forward` takes a stamp after every batch."""
    real: Callable[..., Any] = network.forward  # type: ignore[attr-defined]

    def forward(self: Any, images: torch.Tensor) -> Any:
        answer = real(self, images)
        clock.note(len(images))
        return answer

    return mock.patch.object(network, "forward", forward)


def _pytorch_fid_weights(inputs: Inputs) -> AbstractContextManager[Any]:
    """pytorch-fid reads our file where it would download its own."""
    from pytorch_fid import inception as network

    def load(*_given: Any, **_named: Any) -> Any:
        return torch.load(inputs.weights, weights_only=True)

    return mock.patch.object(network, "load_state_dict_from_url", load)


def _prepare_pytorch_fid(inputs: Inputs) -> None:
    from pytorch_fid.fid_score import save_fid_stats

    paths = [str(inputs.reference), str(inputs.kept / "pytorch_fid.npz")]
    with _pytorch_fid_weights(inputs):
        save_fid_stats(paths, 50, inputs.device, 2048, inputs.num_workers)


def _run_pytorch_fid(inputs: Inputs, clock: Clock) -> float:
    """As its command line does by default: batches of 50, a worker a core."""
    from pytorch_fid.fid_score import calculate_fid_given_paths
    from pytorch_fid.inception import InceptionV3

    paths = [str(inputs.generated), str(inputs.kept / "pytorch_fid.npz")]
    with _pytorch_fid_weights(inputs), _stamped_forward(InceptionV3, clock), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy about `sqrtm(disp=)`, and about singular matrices
        clock.begin()
        value = calculate_fid_given_paths(paths, 50, inputs.device, 2048, inputs.num_workers)
        clock.end()
    return float(value)


def _torch_fidelity(inputs: Inputs, generated: Path) -> float:
    """As its command line does by default: batches of 64, four workers, statistics kept by name."""
    from torch_fidelity import calculate_metrics

    found = calculate_metrics(
        input1=str(generated),
        input2=str(inputs.reference),
        input2_cache_name="reference",
        cache_root=str(inputs.kept / "torch_fidelity"),
        fid=True,
        cuda=inputs.device == "cuda",
        verbose=False,
        feature_extractor_weights_path=str(inputs.weights),
    )
    return float(found["frechet_inception_distance"])


def _prepare_torch_fidelity(inputs: Inputs) -> None:
    _torch_fidelity(inputs, inputs.reference)


def _run_torch_fidelity(inputs: Inputs, clock: Clock) -> float:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with _stamped_forward(FeatureExtractorInceptionV3, clock):
        clock.begin()
        value = _torch_fidelity(inputs, inputs.generated)
        clock.end()
    return value


class _Pixels(torch.utils.data.Dataset[torch.Tensor]):
    """The images of a folder as torchmetrics wants them: uint8 [3, height, width]."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.files[index]) as image:
            return torch.from_numpy(np.array(image.convert("RGB")).transpose(2, 0, 1).copy())


def _torchmetrics(inputs: Inputs, folder: Path, *, real: bool, states: dict[str, Any]) -> Any:
    """As its documentation does, from a loader with batches of 50 and a worker a core."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(2048, feature_extractor_weights_path=str(inputs.weights))
    metric = metric.to(inputs.device)
    for name, state in states.items():
        setattr(metric, name, state.to(inputs.device))
    loader = torch.utils.data.DataLoader(_Pixels(folder), batch_size=50, num_workers=inputs.num_workers)
    for batch in loader:
        metric.update(batch.to(inputs.device), real=real)
    return metric


def _prepare_torchmetrics(inputs: Inputs) -> None:
    metric = _torchmetrics(inputs, inputs.reference, real=True, states={})
    names = ("real_features_sum", "real_features_cov_sum", "real_features_num_samples")
    torch.save({name: getattr(metric, name).cpu() for name in names}, inputs.kept / "torchmetrics.pt")


def _run_torchmetrics(inputs: Inputs, clock: Clock) -> float:
    from torchmetrics.image.fid import NoTrainInceptionV3

    with _stamped_forward(NoTrainInceptionV3, clock):
        clock.begin()
        states = torch.load(inputs.kept / "torchmetrics.pt", weights_only=True)
        value = float(_torchmetrics(inputs, inputs.generated, real=False, states=states).compute())
        clock.end()
    return value


PEERS = (
    Tool(name="pytorch-fid", mode="torch", prepare=_prepare_pytorch_fid, run=_run_pytorch_fid),
    Tool(name="torch-fidelity", mode="tf1", prepare=_prepare_torch_fidelity, run=_run_torch_fidelity),
    Tool(name="torchmetrics", mode="torch_antialias", prepare=_prepare_torchmetrics, run=_run_torchmetrics),
)
