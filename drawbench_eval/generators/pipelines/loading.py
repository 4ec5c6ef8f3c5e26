"""Pipelines into memory: which dtype, which device, what waits elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from typing import Any

import torch

from drawbench_eval.generators.pipelines.files import PipelineFiles
from drawbench_eval.generators.pipelines.library import INSTALL, library, one_line, quiet
from drawbench_eval.generators.pipelines.safety import if_safety_checker

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(files: PipelineFiles, *, key: str, precision: str, leave_out: Collection[str] = ()) -> Any:
    """The pipeline in evaluation mode, on the CPU. Nothing is fetched, and no pickle or foreign code is read.

    `leave_out` names components that stay None, besides those left out of `files`. Raises ValueError, opening
    with `key`, where it cannot be loaded or its files lack weights.
    """
    given: dict[str, Any] = dict.fromkeys([*files.left_out, *leave_out])
    dtype = DTYPES[precision]
    try:
        with quiet() as said:
            if files.components.get("safety_checker") == "IFSafetyChecker" and "safety_checker" not in given:
                given["safety_checker"] = if_safety_checker(files, dtype)
            pipe = library().DiffusionPipeline.from_pretrained(
                str(files.folder),
                dtype=dtype,
                variant=files.variant,
                use_safetensors=True,
                local_files_only=True,
                low_cpu_mem_usage=find_spec("accelerate") is not None,
                **given,
            )
            for component in pipe.components.values():
                # Without accelerate diffusers leaves some networks in the dtype of their files.
                is_network = isinstance(component, library().ModelMixin)
                if is_network and component.dtype != dtype and not component._keep_in_fp32_modules:
                    component.to(dtype=dtype)
    except Exception as error:
        raise ValueError(f"{key}: {files.name} cannot be loaded ({one_line(error)})") from error
    # Both libraries only warn of weights that a file lacks, and sample from random ones.
    lacking = [message for message in said if "newly initialized" in message]
    if lacking:
        raise ValueError(f"{key}: {files.name} lacks weights ({' '.join(lacking[0].split())[:300]})")
    pipe.set_progress_bar_config(disable=True)
    if hasattr(getattr(pipe, "vae", None), "enable_slicing"):
        # One image at a time: less memory, and the same image whatever else is in the batch.
        pipe.vae.enable_slicing()
    return pipe


def place(pipe: Any, *, key: str, device: str, offload: str) -> None:
    """Bring the pipeline to `device`, or let its parts come there when they run.

    `offload`: none; model moves whole networks, sequential moves layers. Raises ValueError, opening with
    `key`, where the pipeline does not fit.
    """
    try:
        with quiet():
            if offload == "none":
                pipe.to(device)
            elif offload == "model":
                pipe.enable_model_cpu_offload(device=device)
            else:
                pipe.enable_sequential_cpu_offload(device=device)
    except torch.OutOfMemoryError as error:
        raise ValueError(
            f"{key}: the networks do not fit into the memory of {device}; write model.offload=model"
        ) from error


def check_offload(offload: str, device: str, *, by_accelerate: bool = True) -> None:
    """Raises ValueError for an offload that cannot be had here; `by_accelerate`: that library does it."""
    if offload == "none":
        return
    if not device.startswith("cuda"):
        raise ValueError(
            f"model.offload: {offload} moves parts to a GPU and back; write none with device={device}"
        )
    if by_accelerate and find_spec("accelerate") is None:
        raise ValueError(f"model.offload: {offload} needs the library accelerate; {INSTALL}")
