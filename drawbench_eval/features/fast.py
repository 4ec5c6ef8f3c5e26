"""A convolutional network made quick on this machine: the same function, the same float32, less time.

Batch normalisation is folded into the convolutions and memory is laid out channels last. On a CPU the network
then runs in OpenVINO, or as it is where that is not installed. "compiled", by torch with frozen weights and a
C++ compiler, is chosen by name only: compiling takes a minute, more than it saves on a few thousand images.
All of them agree to about 1e-6 relative.
"""

from __future__ import annotations

import copy
import logging
import shutil
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Array = NDArray[np.float32]
Forward = Callable[[Array], Array]

RUNTIMES = ("auto", "openvino", "compiled", "folded", "eager")

_log = logging.getLogger(__name__)


def forward_of(network: nn.Module, example: Array, *, runtime: str = "auto", device: str = "cpu") -> Forward:
    """float32 [n, ...] -> float32 [n, d] by `network`; n must be that of `example`.

    runtime: one of RUNTIMES; "eager" is the network untouched. Raises ValueError for one that is not there.
    """
    chosen = choose_runtime(runtime, device)
    network = network.eval()
    if chosen != "eager":
        network = folded(network).to(memory_format=torch.channels_last)
    if chosen == "openvino":
        return _openvino(network, example)
    network = network.to(device)
    called = _compiled(network) if chosen == "compiled" else network

    def forward(batch: Array) -> Array:
        with torch.inference_mode():
            x = torch.from_numpy(batch).to(device)
            if chosen != "eager":
                x = x.contiguous(memory_format=torch.channels_last)
            result: Array = called(x).float().cpu().numpy()
            return result

    return forward


def choose_runtime(runtime: str, device: str) -> str:
    """What "auto" means on this machine; other names are checked. Raises ValueError for what is not there."""
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime: {runtime} is not one of {', '.join(RUNTIMES)}")
    has_openvino = device == "cpu" and find_spec("openvino") is not None
    has_compiler = any(map(shutil.which, ("g++", "clang++", "c++")))
    if runtime == "openvino" and not has_openvino:
        raise ValueError("runtime: openvino runs on the CPU and must be installed: pip install openvino")
    if runtime == "compiled" and not has_compiler:
        raise ValueError("runtime: compiled needs a C++ compiler and none was found")
    if runtime != "auto":
        return runtime
    if device != "cpu":
        return "folded"
    if has_openvino:
        return "openvino"
    _log.warning("openvino is not installed: the network runs in torch, somewhat slower")
    return "folded"


def folded(network: nn.Module) -> nn.Module:
    """A copy in which every BatchNorm that follows a convolution (`conv`, `bn`) is part of it."""
    network = copy.deepcopy(network)
    for module in network.modules():
        conv, norm = getattr(module, "conv", None), getattr(module, "bn", None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(conv, norm)
            module.bn = nn.Identity()
    return network


def _compiled(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    return torch.compile(network, dynamic=False, options={"freezing": True})


def _openvino(network: nn.Module, example: Array) -> Forward:
    """Through OpenVINO's own reader of traced networks: its `convert_model` would report usage."""
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    plain = network.to(memory_format=torch.contiguous_format)
    reader = FrontEndManager().load_by_framework("pytorch")
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing is deprecated in torch; the reader of exported programs is not quiet with this torch yet.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(plain, torch.from_numpy(example[:1]), check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(traced)
        model = reader.convert(reader.load(decoder))
    model.reshape(openvino.PartialShape(list(example.shape)))
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(model, "CPU", settings)

    def forward(batch: Array) -> Array:
        return np.array(compiled(batch)[0], dtype=np.float32)

    return forward
