"""Peak memory of the 256 -> 1024 stage: sampling at full size beside training on 64 -> 256 crops.

    python benchmarks/sr1024_memory.py [--width tiny|paper] [--device cpu|cuda] [--write]

Each line runs in a process of its own, from random weights: memory does not depend on what they are. `tiny`
has an eighth of the paper's channels and one block a level; `paper` is `presets.PAPER["sr1024"]` and is for a
GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from fid_memory import peak_mb
from tables import machine, show, table

from imagen_ref.crops import random_crops
from imagen_ref.loss import diffusion_loss, draw
from imagen_ref.presets import PAPER
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEmbedding

TASKS = ("train on crops", "sample 256", "sample 512", "sample 1024")
TOKENS = 32


class Peak(NamedTuple):
    """One line: memory before, at the peak, and seconds for a training step or a sampling step."""

    task: str
    before_mb: float
    peak_mb: float
    seconds: float


def main() -> None:
    """Runs every task in a child process and prints the table."""
    options = _options()
    if options.child:
        print(json.dumps(run(options.child, options.width, options.device)))
        return
    peaks = [_child(task, options) for task in TASKS]
    title = (
        f"# Peak memory of the 256 -> 1024 stage, {options.width} width, {options.device}\n\n"
        f"`python benchmarks/sr1024_memory.py --width {options.width} --device {options.device} --write`:\n"
        "one image at guidance weight 1, and one training step on a crop of 64 -> 256; no self-attention,\n"
        f"text cross attention kept; {parameters(options.width) / 1e6:.1f}M parameters, float32."
    )
    rows = [
        [peak.task, f"{peak.before_mb:.0f}", f"{peak.peak_mb:.0f}", f"{peak.seconds:.2f}"] for peak in peaks
    ]
    header = ["task", "before, MB", "peak, MB", "seconds a step"]
    name = f"sr1024_memory_{options.width}_{options.device}"
    show(name, title, machine(), table(header, rows), write=options.write)


def config(width: str, side: int = 1024) -> StageConfig:
    """The stage, for images of this side."""
    network = replace(PAPER["sr1024"].network, side=side)
    if width == "tiny":
        network = replace(
            network, channels=(16, 32, 64, 128), num_res_blocks=(1, 1, 1, 1), stem_channels=16, text_width=64
        )
    return StageConfig(
        name="sr1024", network=network, low_res_side=side // 4, crop_side=256, schedule="linear"
    )


def parameters(width: str) -> int:
    """How many the network has."""
    with torch.device("meta"):
        network = config(width).make_network()
    return sum(parameter.numel() for parameter in network.parameters())


def run(task: str, width: str, device: str) -> Peak:
    """One task, in this process."""
    side = int(task.split()[1]) if task.startswith("sample") else 1024
    stage = config(width, side)
    with torch.device(device):
        network = stage.make_network()
    states = torch.randn(1, TOKENS, stage.network.text_dim, device=device)
    text = TextEmbedding(states=states, mask=torch.ones(1, TOKENS, dtype=torch.bool, device=device))
    before, started = _now_mb(device), time.perf_counter()
    if task.startswith("sample"):
        low_res = np.random.default_rng(0).integers(0, 256, (1, side // 4, side // 4, 3), dtype=np.uint8)
        network.requires_grad_(False).eval()
        settings = SamplerSettings(num_steps=2, aug_level=0.1)
        images = Stage(stage, network).sample(text, [0], settings, low_res=low_res)
        assert images.shape == (1, side, side, 3)
        seconds = (time.perf_counter() - started) / 2
    else:
        generator = torch.Generator(device).manual_seed(0)
        images_full = torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8, device=device)
        crops = random_crops(images_full, 256, factor=4, generator=generator)
        random = draw(stage.on_crops, 1, text_dropout=0.1, generator=generator)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
        diffusion_loss(network, stage.on_crops, crops, text, random).backward()
        optimizer.step()
        seconds = time.perf_counter() - started
    return Peak(task, before, _peak_mb(device), seconds)


def _now_mb(device: str) -> float:
    return torch.cuda.memory_allocated() / 1e6 if device == "cuda" else peak_mb()


def _peak_mb(device: str) -> float:
    return torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else peak_mb()


def _child(task: str, options: argparse.Namespace) -> Peak:
    command = [
        sys.executable,
        __file__,
        "--child",
        task,
        "--width",
        options.width,
        "--device",
        options.device,
    ]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Peak(*json.loads(answer.stdout.splitlines()[-1]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--width", choices=["tiny", "paper"], default="tiny")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--write", action="store_true", help="keep the table in benchmarks/results")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
