"""One of the processes that torchrun starts for a run's images (`ranks`)."""

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from drawbench_eval.commands.ranks import REQUEST


def main() -> None:
    """Make this rank's chunks; returns when all ranks have made theirs."""
    from torch import distributed

    threading.Thread(target=_watch, daemon=True).start()
    request = Path(os.environ[REQUEST])
    asked = json.loads(request.read_text(encoding="utf-8"))
    distributed.init_process_group("gloo")
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    try:
        _fill(asked, rank, ranks)
    except Exception as error:
        said = f"rank {rank}: {type(error).__name__}: {error}"
        request.with_name(f"error-{rank:03d}").write_text(said, encoding="utf-8")
        raise
    distributed.barrier()
    distributed.destroy_process_group()


def _fill(asked: Mapping[str, Any], rank: int, ranks: int) -> None:
    from drawbench_eval.commands import planning
    from drawbench_eval.commands.settings import build
    from drawbench_eval.runs.generation import fill
    from drawbench_eval.runs.plan import GeneratedSamples

    planning.GENERATORS.update({name: (one[0], one[1]) for name, one in asked["generators"].items()})
    known = {field.name for field in fields(planning.GenerateSettings)}
    values = {key: value for key, value in asked["values"].items() if key in known}
    values["device"] = _device(str(values["device"]), rank)
    samples = planning.plan_samples(build(planning.GenerateSettings, values))
    assert isinstance(samples, GeneratedSamples)
    plan = replace(samples.plan, num_images_per_prompt=asked["num_images_per_prompt"])
    fill(plan, Path(asked["folder"]), advance=lambda _: None, rank=rank, ranks=ranks)


def _device(device: str, rank: int) -> str:
    """The rank's own GPU where it is asked for one, or for what there is."""
    import torch

    if device == "cpu" or not torch.cuda.is_available():
        return device
    return f"cuda:{rank % torch.cuda.device_count()}"


def _watch() -> None:
    """Ends the process when the run's own is gone: its end of stdin is closed then."""
    # Not through a buffer, which Python waits for when it ends.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
