"""From a folder of images to the FID value: ours against pytorch-fid, torch-fidelity and torchmetrics.

    python benchmarks/fid_speed.py [--images 3000] [--runtime auto|openvino|compiled|folded] [--write]

One process, the same machine, images and random weights (tests/standins/random_inception.py), float32. Every
tool loads data in its own usual way and is given its own statistics of the reference. Steady images per
second: from the batch with which a tenth of the images were done to the last. End to end: all but imports;
so weights, compilation, decoding, the trace, and our interval. With a GPU there is a second table.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Progress bars of peers; read when they are imported.
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
import torch
from fid_tools import PEERS, Clock, Inputs, Tool, prepare_ours, run_ours
from pictures import STANDINS, write_folder
from tables import machine, show, table

from drawbench_eval.features.fast import Forward, choose_runtime, forward_of
from drawbench_eval.features.inception import DIM, pool_network
from drawbench_eval.features.preprocess import SIDE
from drawbench_eval.weights import INCEPTION

TOLERANCE = 1e-4
# The targets, against the fastest peer.
STEADY, END_TO_END, FALL_BACK = 1.8, 1.5, 1.3
# Our default.
OWN_MODE = "clean"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of one tool."""

    name: str
    mode: str
    value: float
    steady: float
    seconds: float


def main() -> None:
    """Measures on the CPU, and on the GPU where there is one."""
    options = _options()
    parts = [_title(options)]
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            inputs = make_inputs(work, device, images=options.images, reference=options.reference)
            parts += measure_all(inputs, options.runtime if device == "cpu" else "auto")
    about = machine("openvino", "pytorch-fid", "torch_fidelity", "torchmetrics", "pillow")
    show("fid_speed", parts[0], about, *parts[1:], write=options.write)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--images", type=int, default=3000, help="half PNG, half JPEG, 256x256 (default 3000)"
    )
    parser.add_argument("--reference", type=int, default=500, help="images of the reference (default 500)")
    parser.add_argument("--runtime", default="auto", choices=("auto", "openvino", "compiled", "folded"))
    parser.add_argument("--work", type=Path, help="a folder that keeps the images; default: a temporary one")
    parser.add_argument("--write", action="store_true", help="keep the tables in benchmarks/results")
    return parser.parse_args()


def make_inputs(work: Path, device: str, *, images: int, reference: int) -> Inputs:
    """Images and weights, made where they are not there yet."""
    if str(STANDINS) not in sys.path:
        sys.path.insert(0, str(STANDINS))
    from random_inception import random_inception

    weights = work / "random.pth"
    if not weights.exists():
        random_inception(weights)
    kept = work / f"kept-{device}"
    kept.mkdir(parents=True, exist_ok=True)
    return Inputs(
        generated=write_folder(work / f"generated-{images}", images, side=256, seed=1),
        reference=write_folder(work / f"reference-{reference}", reference, side=256, seed=2, brighter=30),
        weights=weights,
        kept=Path(tempfile.mkdtemp(dir=kept)),
        device=device,
    )


def measure_all(inputs: Inputs, runtime: str) -> list[str]:
    """The tables of one device, peers first, as Markdown."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    chosen = choose_runtime(runtime, inputs.device)
    peers = [found for tool in PEERS if (found := measure_peer(tool, inputs))]
    modes = [*(peer.mode for peer in peers), OWN_MODE]
    prepare_ours(inputs, modes)
    ours = {mode: measure_ours(inputs, mode, chosen) for mode in modes}
    eager = measure_ours(inputs, OWN_MODE, "eager", name="ours, eager")
    fallback = measure_ours(inputs, OWN_MODE, "folded", name="ours, folded")
    apart = abs(ours[OWN_MODE].value / eager.value - 1)
    assert apart <= TOLERANCE, f"{chosen} {ours[OWN_MODE].value} against eager {eager.value}"
    assert eager.value > 10, f"a FID of {eager.value} could hide anything"
    rows = [*peers, *ours.values(), eager, fallback]
    return [
        f"## {inputs.device}, our runtime: {chosen}",
        _every_run(rows),
        f"Our value by {chosen} and by eager execution differ by {apart:.1e} relative (at most {TOLERANCE}).",
        *([_against(peers, ours, chosen), _without(peers, fallback)] if peers else []),
        _bound(inputs, chosen),
    ]


def measure_peer(tool: Tool, inputs: Inputs) -> Measured | None:
    """A peer's run; None, said on the screen, where it is not installed."""
    _say(f"{inputs.device}: {tool.name}")
    try:
        tool.prepare(inputs)
    except ModuleNotFoundError as error:
        _say(f"{tool.name}: left out, {error}")
        return None
    return _measured(tool.name, tool.mode, inputs, tool.run)


def measure_ours(inputs: Inputs, mode: str, runtime: str, *, name: str = "ours") -> Measured:
    """Our run in one resize mode and runtime."""
    _say(f"{inputs.device}: {name}, {mode}, {runtime}")
    if runtime == "openvino":
        import openvino  # noqa: F401  (imports do not count)

    def run(inputs: Inputs, clock: Clock) -> float:
        return run_ours(inputs, clock, mode=mode, runtime=runtime)

    return _measured(name, mode, inputs, run)


def _measured(name: str, mode: str, inputs: Inputs, run: Callable[[Inputs, Clock], float]) -> Measured:
    gc.collect()
    clock = Clock(inputs.device)
    value = run(inputs, clock)
    assert np.isfinite(value), f"{name}: {value}"
    return Measured(name=name, mode=mode, value=value, steady=clock.steady, seconds=clock.seconds)


def loading_rate(inputs: Inputs) -> float:
    """Images a second of our whole way with next to nothing in the network's place."""

    def make_forward(_network: Any, example: Any, **_named: Any) -> Forward:
        step = example[0].size // DIM
        return lambda batch: np.ascontiguousarray(batch.reshape(len(batch), -1)[:, ::step][:, :DIM])

    clock = Clock(inputs.device)
    run_ours(inputs, clock, mode=OWN_MODE, runtime="eager", make_forward=make_forward)
    return clock.steady


def network_rate(inputs: Inputs, runtime: str, *, seconds: float = 10.0) -> float:
    """Images a second of our network alone, on one batch over and over."""
    size = 16 if inputs.device == "cpu" else 64
    batch = np.random.default_rng(0).uniform(-1, 1, (size, 3, SIDE, SIDE)).astype(np.float32)
    network = pool_network(inputs.settings.find(INCEPTION))
    forward = forward_of(network, batch, runtime=runtime, device=inputs.device)
    forward(batch)
    started, rounds = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        forward(batch)
        rounds += 1
    return rounds * size / (time.perf_counter() - started)


def _title(options: argparse.Namespace) -> str:
    return (
        "# From a folder of images to the FID value\n\n"
        f"`python benchmarks/fid_speed.py --images {options.images} --runtime {options.runtime} --write`: "
        f"{options.images} images of 256x256, half PNG,\nhalf JPEG, against kept statistics of "
        f"{options.reference} reference images; float32, TF32 off, random weights in the real layout.\n"
        "Steady: from the first tenth of the images to the last. End to end: everything but imports."
    )


def _every_run(rows: list[Measured]) -> str:
    return table(
        ["tool", "resize", "FID", "steady images/s", "end to end, s"],
        [[row.name, row.mode, f"{row.value:.6g}", f"{row.steady:.1f}", f"{row.seconds:.1f}"] for row in rows],
    )


def _against(peers: list[Measured], ours: dict[str, Measured], runtime: str) -> str:
    """Ours over every peer in the peer's own resize mode, and our default over the fastest."""
    fastest = max(peers, key=lambda peer: peer.steady)
    quickest = min(peers, key=lambda peer: peer.seconds)
    header = ["ours against", "our resize", "FID differs by", "steady", "end to end"]
    rows = [_ratios(peer.name, ours[peer.mode], peer) for peer in peers]
    best = replace(fastest, seconds=quickest.seconds)
    for mode in dict.fromkeys((fastest.mode, OWN_MODE)):
        name = f"the fastest ({fastest.name}; end to end {quickest.name})"
        rows.append(_ratios(name, ours[mode], best if mode == fastest.mode else replace(best, value=np.nan)))
    steady = min(ours[mode].steady for mode in (fastest.mode, OWN_MODE)) / fastest.steady
    whole = quickest.seconds / max(ours[mode].seconds for mode in (quickest.mode, OWN_MODE))
    asked = STEADY if runtime in ("openvino", "compiled") else FALL_BACK
    verdict = (
        f"Against the fastest, at least: steady {steady:.2f}x (asked: {asked}x), end to end {whole:.2f}x"
    )
    return table(header, rows) + f"\n\n{verdict} (asked of the compiled way: {END_TO_END}x)."


def _without(peers: list[Measured], fallback: Measured) -> str:
    steady = fallback.steady / max(peer.steady for peer in peers)
    return f"Folded, which is what runs without OpenVINO: steady {steady:.2f}x (asked: {FALL_BACK}x)."


def _ratios(name: str, ours: Measured, peer: Measured) -> list[str]:
    differs = "" if np.isnan(peer.value) else f"{abs(ours.value / peer.value - 1):.1e}"
    steady, whole = ours.steady / peer.steady, peer.seconds / ours.seconds
    return [name, ours.mode, differs, f"**{steady:.2f}x**", f"**{whole:.2f}x**"]


def _bound(inputs: Inputs, runtime: str) -> str:
    _say(f"{inputs.device}: loading alone, network alone")
    loading, network = loading_rate(inputs), network_rate(inputs, runtime)
    which = "decode-bound" if loading < network else "compute-bound"
    return (
        f"Ours is {which} here: {loading:.0f} images/s with next to nothing in the network's place, "
        f"{network:.0f} images/s by the network alone."
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
