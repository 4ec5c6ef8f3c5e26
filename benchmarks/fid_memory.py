"""Peak memory of `evaluate` at full size: FID of 30,000 generated images against 40,504 reference images.

    python benchmarks/fid_memory.py [--images 1000 30000] [--reference 40504] [--write]

Each size runs in a process of its own, with a store of its own, through plan_run and runner.evaluate, as the
command line does. In the network's place stands a cheap function to 2048 features: the network's own memory
is the same at every size, and is not what is measured. Resize, store, moments, intervals and tables are real.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tables import machine, show, table

LIMIT_MB = 150
SIDE = 16
DIM = 2048

Array = NDArray[np.float32]


class Peak(NamedTuple):
    """One run: peak resident memory before the run (imports, libraries), in all, and how long it took."""

    images: int
    before_mb: float
    peak_mb: float
    seconds: float
    value: float


def main() -> None:
    """Runs every size in a child process and compares the largest with the smallest."""
    options = _options()
    if options.child is not None:
        print(json.dumps(run(options.work, options.child)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        write_tar(work / "reference.tar", options.reference, seed=0)
        for count in options.images:
            write_tar(work / f"generated-{count}.tar", count, seed=1)
        peaks = [child(work, count) for count in options.images]
    growth = peaks[-1].peak_mb - peaks[0].peak_mb
    show("fid_memory", _title(options), machine(), _table(peaks), _verdict(peaks), write=options.write)
    assert growth <= LIMIT_MB, f"{growth:.0f} MB more; at most {LIMIT_MB} are allowed"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 30000], help="sizes, ascending")
    parser.add_argument("--reference", type=int, default=40504, help="reference images (default 40504)")
    parser.add_argument("--write", action="store_true", help="keep the table in benchmarks/results")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_tar(path: Path, count: int, *, seed: int) -> None:
    """`count` small PNGs of noise, darker in every other seed so that the sets differ."""
    rng = np.random.default_rng(seed)
    with tarfile.open(path, "w") as archive:
        for index in range(count):
            buffer = io.BytesIO()
            pixels = rng.integers(0, 256 - 40 * seed, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
            entry = tarfile.TarInfo(f"{index:06d}.png")
            entry.size = buffer.tell()
            buffer.seek(0)
            archive.addfile(entry, buffer)


def child(work: Path, count: int) -> Peak:
    """One size in a fresh process."""
    command = [sys.executable, __file__, "--child", str(count), "--work", str(work)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Peak(*json.loads(answer.stdout.splitlines()[-1]))


def run(work: Path, count: int) -> Peak:
    """The evaluation of one size, in this process."""
    from drawbench_eval.commands import planning
    from drawbench_eval.features import inception
    from drawbench_eval.runs import runner

    weights = work / "none.pth"
    weights.write_bytes(b"not read")
    config = _config(work, count, weights)
    with (
        mock.patch.object(inception, "pool_network", return_value=None),
        mock.patch.object(inception, "forward_of", return_value=cheap_features()),
    ):
        before, started = peak_mb(), time.perf_counter()
        record = runner.evaluate(planning.plan_run(planning.evaluate_settings(config), config))
        seconds = time.perf_counter() - started
    assert record.counts["generated"] == count, record.counts
    fid = record.metrics["fid"]
    assert fid["n"] == count, fid
    return Peak(count, before, peak_mb(), seconds, fid["value"])


def _config(work: Path, count: int, weights: Path) -> dict[str, Any]:
    """What the command line makes of model=folder reference=folder metrics=[fid]."""
    return {
        "model": {"generator": "folder", "path": str(work / f"generated-{count}.tar")},
        "prompts": {"source": "none"},
        "reference": {"source": "folder", "path": str(work / "reference.tar")},
        "samples": {},
        "weights": {"inception": str(weights), "allow_unverified": True},
        "clip": {},
        "metrics": {"fid": {}},
        "seed": 0,
        "num_images_per_prompt": 1,
        "batch_size": 16,
        "device": "cpu",
        "precision": "float32",
        "results": str(work / f"results-{count}"),
        "label": None,
        "sweep": None,
        "forecast": False,
    }


def cheap_features() -> Any:
    """Inception's input [n, 3, 299, 299] -> float32 [n, 2048]: cosines of projections of some pixels."""
    step = 18
    sampled = 3 * len(range(0, 299, step)) ** 2
    mix = np.random.default_rng(7).normal(size=(sampled, DIM)).astype(np.float32) / np.float32(sampled**0.5)

    def forward(batch: Array) -> Array:
        pixels = batch[:, :, ::step, ::step].reshape(len(batch), -1)
        return np.cos(2 * (pixels @ mix))

    return forward


def peak_mb() -> float:
    """The largest resident size of this process so far, in MB of 10^6 bytes."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError("/proc/self/status says nothing of VmHWM; this benchmark runs on Linux")


def _title(options: argparse.Namespace) -> str:
    sizes = " ".join(map(str, options.images))
    return (
        f"# Peak memory of an evaluation against {options.reference:,} reference images\n\n"
        f"`python benchmarks/fid_memory.py --images {sizes} --reference {options.reference} --write`:\n"
        "model=folder reference=folder metrics=[fid], from two tar archives of small PNGs, each size in a\n"
        "process of its own. A cheap function stands in the network's place: the network's memory is the\n"
        "same at every size and is not in these figures."
    )


def _table(peaks: list[Peak]) -> str:
    header = ["generated images", "at start, MB", "peak, MB", "seconds", "FID"]
    return table(
        header,
        [
            [
                f"{peak.images:,}",
                f"{peak.before_mb:.0f}",
                f"{peak.peak_mb:.0f}",
                f"{peak.seconds:.0f}",
                f"{peak.value:.6g}",
            ]
            for peak in peaks
        ],
    )


def _verdict(peaks: list[Peak]) -> str:
    first, last = peaks[0], peaks[-1]
    return (
        f"{last.images:,} images take {last.peak_mb - first.peak_mb:+.0f} MB at the peak beside "
        f"{first.images:,} (at most {LIMIT_MB} MB are allowed)."
    )


if __name__ == "__main__":
    main()
