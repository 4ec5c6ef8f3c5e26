"""`ranks`: the images of a run made by several processes of torchrun, one on each GPU where there are GPUs.

The run's own process starts them, waits, and scores. Each rank makes every k-th chunk of the run's images, so
their number decides who makes what and not what is computed together.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drawbench_eval.commands.resources import threads
from drawbench_eval.runs.generation import SamplePlan
from drawbench_eval.runs.progress import Advance

_LOOK_S = 0.5
REQUEST = "DRAWBENCH_EVAL_RANKS"


class RanksFailed(Exception):
    """torchrun ended before all images were made."""


def fill_in_ranks(
    values: Mapping[str, Any],
    generators: Mapping[str, tuple[str, str]],
    ranks: int,
    plan: SamplePlan,
    folder: Path,
    advance: Advance,
) -> None:
    """Make the chunks that are missing in `folder`, of the configuration `values`, by `ranks` processes.

    Raises RanksFailed with what a rank raised. What is made by then stays.
    """
    there = _images(folder)
    with tempfile.TemporaryDirectory(prefix="drawbench-eval-ranks-") as temporary:
        request = Path(temporary) / "request.json"
        asked = {
            "values": values,
            "generators": generators,
            "folder": str(folder.resolve()),
            "num_images_per_prompt": plan.num_images_per_prompt,
        }
        request.write_text(json.dumps(asked), encoding="utf-8")
        process = _torchrun(request, ranks)
        assert process.stdin is not None
        with process.stdin:
            while process.poll() is None:
                time.sleep(_LOOK_S)
                now = _images(folder)
                advance(now - there)
                there = now
        if process.returncode:
            errors = sorted(path.read_text(encoding="utf-8") for path in Path(temporary).glob("error-*"))
            code = process.returncode
            raise RanksFailed("; ".join(errors) or f"torchrun ended with exit code {code}")


def _torchrun(request: Path, ranks: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    return subprocess.Popen(
        [*command, "-m", "drawbench_eval.commands.rank"],
        # Its end tells the ranks that nobody waits for them any more.
        stdin=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": str(max(threads() // ranks, 1)),
            REQUEST: str(request),
        },
    )


def _images(folder: Path) -> int:
    return sum(1 for path in folder.glob("*.png") if not path.name.startswith("."))
