"""`device=auto` and `precision=auto` -> what a run really uses, so that the record can say it."""

from collections.abc import Mapping
from typing import Any

import torch

from drawbench_eval.tf32 import turn_tf32_off

PRECISIONS = ("auto", "float32", "bfloat16")


def resolve_device(device: str) -> str:
    """`auto` is cuda where there is one, else cpu; ValueError for a device that is not there.

    Before anything is computed on cuda, TF32 is turned off.
    """
    there = torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if there else "cpu"
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"device: {device} is not one of auto, cpu, cuda, cuda:N")
    if kind == "cuda" and not there:
        raise ValueError(f"device: {device} is not there; write device=cpu or device=auto")
    if kind == "cuda":
        turn_tf32_off()
    return device


def resolve_precision(precision: str, device: str) -> str:
    """`auto` is bfloat16 where `device` is faster in it, else float32."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision: {precision} is not one of {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    return "bfloat16" if _gains_from_bfloat16(device) else "float32"


def _gains_from_bfloat16(device: str) -> bool:
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return _cpu_gains(torch.cpu.get_capabilities())


def _cpu_gains(capabilities: Mapping[str, Any]) -> bool:
    """Whether a CPU of these capabilities convolves faster in bfloat16 than in float32.

    Without instructions for it bfloat16 is emulated. With AVX-512's, AMD's are faster (Zen 4: sampling 1.7x)
    and Intel's without AMX are slower (Xeon: convolutions 0.6x).
    """
    if capabilities.get("amx_bf16") or capabilities.get("bf16"):
        return True
    return bool(capabilities.get("avx512_bf16")) and "Intel" not in str(capabilities.get("cpu_name", ""))
