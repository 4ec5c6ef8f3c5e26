"""The end of a sweep that several processes share: points that another one was at when their turn came."""

import sys
import time
from pathlib import Path

from omegaconf import DictConfig

from drawbench_eval.commands.door import plain
from drawbench_eval.commands.evaluate import do_elsewhere
from drawbench_eval.commands.points import configurations, points
from drawbench_eval.runs.identity import find_run
from drawbench_eval.runs.locks import is_held
from drawbench_eval.runs.record import read_record
from drawbench_eval.runs.sweep import SweepRecord, run_records

_LOOK_S = 1.0


def see_to_rest(config: DictConfig, config_name: str, results: Path, record: SweepRecord) -> None:
    """Wait for points that other processes are at, and do those whose process died, until all are over.

    Where the launcher sends points to other machines, what is left is only waited for: this one may be a
    place to start jobs from, not to compute.
    """
    records = run_records(results, record.run_ids)
    rest = [place for place, run_id in enumerate(record.run_ids) if records[run_id] is None]
    if not rest:
        return
    here = "submitit" not in str(config.hydra.launcher._target_)
    print(f"{len(rest)} points are with other processes; waiting for them", file=sys.stderr, flush=True)
    every = points(config)
    values = dict(zip(rest, configurations(config_name, [every[place] for place in rest]), strict=True))
    for place in rest:
        run_id = record.run_ids[place]
        while not _is_over(results, run_id):
            if is_held(results, run_id):
                time.sleep(_LOOK_S)
                continue
            if not here:
                break
            answer = do_elsewhere(plain(values[place]))
            print(f"point {place + 1}: {answer.said}", file=sys.stderr, flush=True)
            if answer.outcome == "failed":
                break


def _is_over(results: Path, run_id: str) -> bool:
    folder = find_run(results, run_id)
    return folder is not None and read_record(folder) is not None
