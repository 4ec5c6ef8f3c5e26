import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drawbench_eval.runs.locks import RunBusy, holding, is_held, lock_path

_HOLDER = """
import sys, time
from pathlib import Path
from drawbench_eval.runs.locks import holding
with holding(Path(sys.argv[1]), "a123456789", wait=False):
    print("mine", flush=True)
    time.sleep(60)
"""


def test_a_run_is_held_by_one_process_until_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        assert is_held(tmp_path, "a123456789")
        with pytest.raises(RunBusy, match="a123456789"), holding(tmp_path, "a123456789", wait=False):
            pass
        with holding(tmp_path, "b123456789", wait=False):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert not is_held(tmp_path, "a123456789")
    with holding(tmp_path, "a123456789", wait=False):
        assert lock_path(tmp_path, "a123456789").exists()


def test_nobody_holds_a_run_that_was_never_started(tmp_path: Path) -> None:
    assert not is_held(tmp_path, "a123456789")
    assert not list(tmp_path.iterdir())
