"""Base sampling: ours against diffusers' DeepFloyd IF and imagen-pytorch, and what each trick gives.

    python benchmarks/sampling.py [--quick] [--threads N] [--batch N] [--steps N] [--rounds N] [--eager]
        [--write]

One process, the same machine; FLOPs of a forward within 5 % and parameters within 10 % of ours, the same
steps, batch, guidance, threads and text; random weights. Rounds go through all of them in turn, so that a
machine that gets slower slows all; the tables show medians, with one thread of the process's own time. The
tables after that: each trick of ours on and off; the Efficient U-Net against the plain one at 64 -> 256; with
a GPU also the base of 2B parameters. --quick is for seeing that it runs: one round of two steps, no
compilation, the smallest networks.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

# Progress bars of peers; read when they are imported.
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from sampling_2b import largest_table, peak_flops
from sampling_pair import Shape, pair_table
from sampling_tools import LARGE, SAMPLERS, SMALL, Run, Sampler, clock
from sampling_tricks import tricks
from tables import machine, show, table

from drawbench_eval.generators.device import resolve_precision

FLOPS_APART, PARAMETERS_APART = 0.05, 0.10
# At equal precision; as each is documented to be run.
NOT_SLOWER, AS_DOCUMENTED = 1.0, 1.5
NUMBERS = {
    "threads": "threads of torch (default: its own choice)",
    "batch": "images together, on the CPU",
    "steps": "steps of sampling, on the CPU",
    "rounds": "rounds that count, on the CPU",
}

# Who, and how: "ours" and "bfloat16", or a trick and "with".
Key = tuple[str, str]


class Settings(NamedTuple):
    """How much is measured."""

    run: Run
    rounds: int
    compiled: bool
    pair: Shape


def main() -> None:
    """Prints all tables for the CPU, and for the GPU where there is one."""
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    about = machine("diffusers", "imagen-pytorch", "transformers")
    parts = [_title(options), about]
    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    for device in devices:
        settings = settings_of(device, quick=options.quick)
        if device == "cpu":
            settings = _changed(settings, options)
        parts += [against_peers(device, settings), tricks_table(device, settings), pair_table(settings.pair)]
    if "cuda" in devices and not options.quick:
        peak = peak_flops(options.peak_tflops)
        parts.append(largest_table(batch=32, training_batch=16, steps=20, rounds=3, peak=peak))
    show("sampling", *parts, write=options.write)


def settings_of(device: str, *, quick: bool) -> Settings:
    """What is run on a device."""
    if quick:
        return Settings(Run(batch=1, steps=2), 1, False, Shape("tiny", device, 1, 1, 1))
    if device == "cpu":
        return Settings(Run(batch=4, steps=8), 3, True, Shape("small", device, 2, 4, 3))
    return Settings(Run(batch=32, steps=32), 5, True, Shape("paper", device, 8, 16, 3))


def _changed(settings: Settings, options: argparse.Namespace) -> Settings:
    """With what the command line says."""
    given = {name: value for name in ("batch", "steps") if (value := getattr(options, name))}
    rounds = options.rounds or settings.rounds
    return settings._replace(
        run=replace(settings.run, **given),
        rounds=rounds,
        compiled=settings.compiled and not options.eager,
        pair=settings.pair._replace(rounds=rounds, **given),
    )


def against_peers(device: str, settings: Settings) -> str:
    """Ours and the peers that are installed."""
    samplers = [sampler for name in SAMPLERS if (sampler := _made(name, device))]
    for peer in samplers[1:]:
        _check_equal(samplers[0], peer)
    runs = {
        (sampler.name, precision): _timed(sampler, replace(settings.run, bfloat16=precision == "bfloat16"))
        for sampler in samplers
        for precision in ("float32", "bfloat16")
    }
    seconds = interleaved(runs, settings.rounds, device, "peers")
    parts = [
        f"## Base sampling at 64x64, {device}: {_words(settings.run)}",
        _sizes(samplers),
        _equal_precision(samplers, seconds, settings.run.batch),
    ]
    if device == "cpu" and len(samplers) > 1:
        parts.append(_as_documented(samplers, seconds, settings.run.batch))
    return "\n\n".join(parts)


def tricks_table(device: str, settings: Settings) -> str:
    """Each of our tricks, with and without."""
    network = SMALL if device == "cpu" else LARGE
    both = tricks(network, device, compiled=settings.compiled)  # type: ignore[arg-type]
    runs = {
        (name, way): (lambda sample=sample: sample(settings.run))
        for name, ways in both.items()
        for way, sample in zip(("without", "with"), ways, strict=True)
    }
    seconds = interleaved(runs, settings.rounds, device, "tricks")
    rows = [
        [
            name,
            *(f"{seconds[name, way] / settings.run.batch:.3f}" for way in ("without", "with")),
            f"**{seconds[name, 'without'] / seconds[name, 'with']:.2f}x**",
        ]
        for name in both
    ]
    header = ["trick", "without, s an image", "with, s an image", "gives"]
    return (
        f"## What each trick gives, {device}: {_words(settings.run)}, float32 where no row says more\n\n"
        "All others as they are by default, that is on but for bfloat16 and compilation. Guided but for the "
        "row of w = 1.\n\n" + table(header, rows)
    )


def interleaved(
    runs: Mapping[Key, Callable[[], object]], rounds: int, device: str, what: str
) -> dict[Key, float]:
    """Median seconds of each; all once before, which does not count, and then in turn."""
    times: dict[Key, list[float]] = {key: [] for key in runs}
    now = clock(device)
    for number in range(rounds + 1):
        _say(f"{device}: {what}, round {number} of {rounds}")
        for key, run in runs.items():
            started = now()
            run()
            times[key].append(now() - started)
    return {key: float(np.median(found[1:])) for key, found in times.items()}


def _made(name: str, device: str) -> Sampler | None:
    try:
        return SAMPLERS[name](device, large=device != "cpu")
    except ModuleNotFoundError as error:
        _say(f"{name}: left out, {error}")
        return None


def _timed(sampler: Sampler, run: Run) -> Callable[[], object]:
    return lambda: sampler.sample(run)


def _check_equal(ours: Sampler, peer: Sampler) -> None:
    flops, parameters = peer.flops / ours.flops - 1, peer.parameters / ours.parameters - 1
    assert abs(flops) <= FLOPS_APART, f"{peer.name}: FLOPs of a forward {flops:+.1%} from ours"
    assert abs(parameters) <= PARAMETERS_APART, f"{peer.name}: parameters {parameters:+.1%} from ours"


def _sizes(samplers: list[Sampler]) -> str:
    ours = samplers[0]
    rows = [
        [
            each.name,
            f"{each.flops / 1e9:.2f}",
            f"{each.flops / ours.flops - 1:+.1%}",
            f"{each.parameters / 1e6:.2f}",
            f"{each.parameters / ours.parameters - 1:+.1%}",
        ]
        for each in samplers
    ]
    header = ["network", "GFLOPs of a forward", "from ours", "parameters, M", "from ours"]
    return table(header, rows)


def _equal_precision(samplers: list[Sampler], seconds: Mapping[Key, float], batch: int) -> str:
    rows = []
    for precision in ("float32", "bfloat16"):
        own = seconds["ours", precision]
        for each in samplers:
            took = seconds[each.name, precision]
            ratio = "" if each is samplers[0] else f"**{took / own:.2f}x**"
            rows.append([f"{each.name}, {precision}", f"{took / batch:.3f}", ratio])
    text = table(["at equal precision, guided", "s an image", "ours is faster by"], rows)
    return f"{text}\n\nAsked: not slower than diffusers, faster than imagen-pytorch (over {NOT_SLOWER}x)."


def _as_documented(samplers: list[Sampler], seconds: Mapping[Key, float], batch: int) -> str:
    """Ours at precision=auto; the peers in float32, as their own pages run them on a CPU."""
    precision = resolve_precision("auto", "cpu")
    own = seconds["ours", precision]
    rows = [[f"ours, precision=auto ({precision} here)", f"{own / batch:.3f}", ""]]
    for peer in samplers[1:]:
        took = seconds[peer.name, "float32"]
        rows.append([f"{peer.name}, float32", f"{took / batch:.3f}", f"**{took / own:.2f}x**"])
    slowest = min(seconds[peer.name, "float32"] / own for peer in samplers[1:])
    verdict = f"Against the faster of them {slowest:.2f}x (asked: {AS_DOCUMENTED}x)."
    return table(["as each is documented", "s an image", "ours is faster by"], rows) + f"\n\n{verdict}"


def _words(run: Run) -> str:
    return f"batch {run.batch}, {run.steps} DDPM steps, w = {run.guidance_weight:g}, dynamic thresholding"


def _title(options: argparse.Namespace) -> str:
    quick = " --quick" if options.quick else ""
    numbers = {name: getattr(options, name) for name in NUMBERS}
    given = "".join(f" --{name} {value}" for name, value in numbers.items() if value)
    given += " --eager" * options.eager
    whose = " of the process's own time" if clock("cpu") is time.process_time else ""
    return (
        f"# Sampling\n\n`python benchmarks/sampling.py{quick}{given} --write`: random weights, medians "
        f"of rounds that take turns, in seconds{whose}.\n"
        "Time is that of the whole call, text states given: projection of the text, all steps, thresholding, "
        "8 bits."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    for name, what in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, help=what)
    parser.add_argument("--eager", action="store_true", help="no row for torch.compile on the CPU")
    parser.add_argument("--peak-tflops", type=float, help="of a GPU that is not known here")
    parser.add_argument("--write", action="store_true", help="keep the tables in benchmarks/results")
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
