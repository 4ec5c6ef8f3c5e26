"""Efficient U-Net against plain U-Net at 64 -> 256, each in a process of its own, for its peak memory.

`paper` is the pair that figure A.14 of the paper compares, of 449 and 441 million parameters; `small` has a
quarter of their channels, `tiny` an eighth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from fid_memory import peak_mb
from sampling_tools import clock, count_flops, count_parameters, in_channels_last, text_states
from tables import table

from imagen_ref.efficient_unet import EfficientUNetConfig
from imagen_ref.loss import diffusion_loss, draw
from imagen_ref.presets import PAPER
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.unet import UNetConfig

NETWORKS = {"Efficient U-Net": "sr256", "plain U-Net": "sr256_unet"}
DIVISORS = {"paper": 1, "small": 4, "tiny": 8}
# What the paper says of steps a second and of sampling (section 2.4 and appendix B.1).
CLAIM = "2-3x"


class Measured(NamedTuple):
    """One network.

    Training and sampling at the batch; memory in all, above what stood there before a network was made.
    """

    parameters: int
    flops: int
    training_steps_per_second: float
    training_mb: float
    sampling_images_per_second: float
    sampling_mb: float


class Shape(NamedTuple):
    """What both are asked for."""

    width: str
    device: str
    batch: int
    steps: int
    rounds: int


def pair_table(shape: Shape) -> str:
    """Both networks and their ratio, as Markdown."""
    efficient, plain = (_child(name, shape) for name in NETWORKS)
    rows = [
        ["parameters, M", *(f"{one.parameters / 1e6:.1f}" for one in (efficient, plain)), ""],
        ["GFLOPs of a forward", *(f"{one.flops / 1e9:.1f}" for one in (efficient, plain)), ""],
    ]
    for title, field, digits in (
        ("training steps/s", "training_steps_per_second", 3),
        ("sampling images/s", "sampling_images_per_second", 4),
        ("peak memory of training, MB", "training_mb", 0),
        ("peak memory of sampling, MB", "sampling_mb", 0),
    ):
        one, other = getattr(efficient, field), getattr(plain, field)
        better = one / other if field.endswith("second") else other / one
        rows.append([title, f"{one:.{digits}f}", f"{other:.{digits}f}", f"**{better:.2f}x**"])
    precision = "bfloat16" if shape.device == "cuda" else "float32"
    return (
        f"## Efficient U-Net against plain U-Net at 64 -> 256, {shape.width} width, {shape.device}\n\n"
        f"Batch {shape.batch}, {precision}, Adam, sampling of {shape.steps} steps at guidance weight 1; the "
        f"last column says how many times better\nthe Efficient U-Net is. The paper claims {CLAIM} for steps "
        "and sampling.\n\n" + table(["", *NETWORKS, "ratio"], rows)
    )


def config(name: str, width: str) -> StageConfig:
    """The stage with this network, its channels divided."""
    network, by = PAPER[NETWORKS[name]].network, DIVISORS[width]
    if isinstance(network, EfficientUNetConfig):
        divided: Any = replace(
            network,
            channels=tuple(channels // by for channels in network.channels),
            stem_channels=network.stem_channels // by,
        )
    else:
        assert isinstance(network, UNetConfig)
        divided = replace(network, channels=network.channels // by, head_dim=max(16, network.head_dim // by))
    return StageConfig(name="sr256", network=replace(divided, text_dim=512), low_res_side=64)


def measure(name: str, shape: Shape) -> Measured:
    """One network, in this process: sampling first, because memory peaks only rise."""
    stage, device = config(name, shape.width), shape.device
    torch.manual_seed(0)
    before = _peak_mb(device)
    with torch.device(device):
        network: Any = stage.make_network()
    text = text_states(shape.batch, device)
    z, level = torch.zeros(1, 3, 256, 256, device=device), torch.zeros(1, device=device)
    flops = count_flops(lambda: network(z, level, network.condition(text[:1]), z, level))
    settings = SamplerSettings(num_steps=shape.steps, aug_level=0.1)
    low_res = np.zeros((shape.batch, 64, 64, 3), np.uint8)
    precision = "bfloat16" if device == "cuda" else "float32"
    sampled = Stage(stage, in_channels_last(network))
    seeds = list(range(shape.batch))
    sampling = seconds_of(
        lambda: sampled.sample(text, seeds, settings, low_res=low_res, precision=precision),
        shape.rounds,
        device,
    )
    sampling_mb = _peak_mb(device) - before
    network.requires_grad_(True).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    generator = torch.Generator(device).manual_seed(0)
    images = torch.zeros(shape.batch, 256, 256, 3, dtype=torch.uint8, device=device)

    def step() -> None:
        random = draw(stage, shape.batch, text_dropout=0.1, generator=generator)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            loss = diffusion_loss(network, stage, images, text, random)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    training = seconds_of(step, shape.rounds, device)
    return Measured(
        parameters=count_parameters(network),
        flops=flops,
        training_steps_per_second=1 / training,
        training_mb=_peak_mb(device) - before,
        sampling_images_per_second=shape.batch / sampling,
        sampling_mb=sampling_mb,
    )


def seconds_of(work: Callable[[], object], rounds: int, device: str) -> float:
    """The median time of one call; the first, which warms up, does not count."""
    times, now = [], clock(device)
    for _ in range(rounds + 1):
        _wait(device)
        started = now()
        work()
        _wait(device)
        times.append(now() - started)
    return float(np.median(times[1:]))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _peak_mb(device: str) -> float:
    return torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else peak_mb()


def _child(name: str, shape: Shape) -> Measured:
    print(f"{shape.device}: {name}, {shape.width}", file=sys.stderr, flush=True)
    threads = str(torch.get_num_threads())
    command = [sys.executable, __file__, name, threads, *map(str, shape)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Measured(*json.loads(answer.stdout.splitlines()[-1]))


def main() -> None:
    """One child: prints its figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=NETWORKS)
    parser.add_argument("threads", type=int)
    parser.add_argument("width", choices=DIVISORS)
    parser.add_argument("device")
    for number in ("batch", "steps", "rounds"):
        parser.add_argument(number, type=int)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape = Shape(options.width, options.device, options.batch, options.steps, options.rounds)
    print(json.dumps(measure(options.name, shape)))


if __name__ == "__main__":
    main()
