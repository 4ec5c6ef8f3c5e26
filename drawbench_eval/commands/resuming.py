"""Which points of a sweep are over, and the number of a point where only those that are left get a job."""

from collections.abc import Sequence
from pathlib import Path

from hydra.conf import JobConf

# In hydra.job.env_set of every point: its number among all points of the sweep, the first is 1.
POINT_VARIABLE = "DRAWBENCH_EVAL_POINT"


def said_of_over(results: Path, run_ids: Sequence[str], *, retry_failed: bool) -> dict[str, str]:
    """Run id -> what is said of it, of every run that is complete, or has failed and is not tried again."""
    from drawbench_eval.commands.point import already, failed_before
    from drawbench_eval.runs.identity import run_folders
    from drawbench_eval.runs.sweep import run_records

    folders, said = run_folders(results), {}
    for run_id, record in run_records(results, run_ids).items():
        if record is not None and record.status == "complete":
            said[run_id] = already(folders[run_id])
        elif record is not None and not retry_failed:
            said[run_id] = failed_before(folders[run_id], str(record.error))
    return said


def point_number(job: JobConf) -> int:
    """The number of a job's point among all of its sweep, from 1."""
    return int(job.env_set.get(POINT_VARIABLE) or job.num + 1)
