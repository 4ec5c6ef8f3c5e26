"""The base of 2B parameters on a GPU: images a second and model FLOP utilisation, sampling and training."""

from __future__ import annotations

from typing import Any

import torch
from sampling_pair import seconds_of
from sampling_tools import Run, base_stage, count_flops, in_channels_last, sample_ours, text_states
from tables import table

from imagen_ref.loss import diffusion_loss, draw
from imagen_ref.presets import PAPER
from imagen_ref.stage import StageConfig

# Dense bfloat16, in TFLOP/s, by a part of the device's name: the makers' data sheets.
PEAKS = {"H200": 989.0, "H100 PCIe": 756.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0}
AIM = 0.4


def largest_table(*, batch: int, training_batch: int, steps: int, rounds: int, peak: float | None) -> str:
    """Sampling and training of the 2B base in bfloat16, as Markdown."""
    flops, rows = _sampling(batch, steps, rounds, peak)
    torch.cuda.empty_cache()
    seconds = seconds_of(_training_step(training_batch), rounds, "cuda")
    # The gradients cost twice what the forward does.
    name = f"training, Adafactor, batch {training_batch}"
    rows.append(_row(name, training_batch / seconds, 3 * flops, peak))
    memory = torch.cuda.max_memory_allocated() / 1e9
    return (
        f"## The 2B base on {torch.cuda.get_device_name()}\n\n"
        f"{flops / 1e9:.0f} GFLOPs a forward and image, bfloat16, "
        f"{f'{peak / 1e12:.0f} TFLOP/s at most' if peak else 'its peak is not known, write --peak-tflops'}; "
        f"peak memory {memory:.1f} GB.\nModel FLOP utilisation aimed at: {AIM:.0%}.\n\n"
        + table(["", "images/s", "TFLOP/s", "utilisation"], rows)
    )


def _sampling(batch: int, steps: int, rounds: int, peak: float | None) -> tuple[int, list[list[str]]]:
    """FLOPs of a forward for one image, and a row for eager and one for compiled sampling."""
    device, run = "cuda", Run(batch=batch, steps=steps, bfloat16=True)
    stage = base_stage(PAPER["base_2b"].network, device)  # type: ignore[arg-type]
    text = text_states(1, device, stage.config.network.text_dim)
    with torch.no_grad():
        context = stage.network.condition(text)
    z, level = torch.zeros(1, 3, 64, 64, device=device), torch.zeros(1, device=device)
    flops = count_flops(lambda: stage.network(z, level, context))
    rows = []
    for how in ("", ", compiled"):
        if how:
            stage.network.compile()
        seconds = seconds_of(lambda: sample_ours(stage, run, device), rounds, device)
        # Both guidance halves, every step.
        name = f"sampling, {steps} steps, guided, batch {batch}{how}"
        rows.append(_row(name, batch / seconds, 2 * steps * flops, peak))
    return flops, rows


def peak_flops(given: float | None) -> float | None:
    """FLOP/s of this GPU in dense bfloat16; None where nobody says."""
    if given is not None:
        return given * 1e12
    name = torch.cuda.get_device_name()
    return next((peak * 1e12 for part, peak in PEAKS.items() if part in name), None)


def _row(name: str, images_per_second: float, flops_per_image: float, peak: float | None) -> list[str]:
    rate = images_per_second * flops_per_image
    used = f"{rate / peak:.1%}" if peak else "unknown"
    return [name, f"{images_per_second:.2f}", f"{rate / 1e12:.1f}", used]


def _training_step(batch: int) -> Any:
    device = "cuda"
    config = StageConfig(name="base", network=PAPER["base_2b"].network)
    with torch.device(device):
        network: Any = in_channels_last(config.make_network())
    network.requires_grad_(True).train()
    optimizer = torch.optim.Adafactor(network.parameters(), lr=1e-4)
    generator = torch.Generator(device).manual_seed(0)
    images = torch.zeros(batch, 64, 64, 3, dtype=torch.uint8, device=device)
    text = text_states(batch, device, config.network.text_dim)

    def step() -> None:
        random = draw(config, batch, text_dropout=0.1, generator=generator)
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = diffusion_loss(network, config, images, text, random)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
