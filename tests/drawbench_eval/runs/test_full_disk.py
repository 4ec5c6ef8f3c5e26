import errno
from pathlib import Path

import pytest
from doubles import DoubleGenerator, run_plan, tree

from drawbench_eval.runs import runner
from drawbench_eval.runs.record import RunFailed

STABLE = ("samples/", "scores.parquet")


def _stable(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if name.startswith(STABLE)}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = run_plan(tmp_path_factory.mktemp("straight"), DoubleGenerator())
    runner.evaluate(plan)
    return plan.folder


# Images, the record of a chunk among them, then set.json, manifest.csv, progress.json and run.json.
@pytest.mark.parametrize("writes", [0, 1, 57, 101, 102, 251, 253, 254, 255, 256, 257])
def test_a_disk_that_fills_up_loses_nothing_that_was_whole(
    tmp_path: Path, straight: Path, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, write, done = run_plan(tmp_path, DoubleGenerator()), Path.write_bytes, 0

    def until_full(path: Path, data: bytes) -> int:
        nonlocal done
        if done >= writes:
            write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        done += 1
        return write(path, data)

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", until_full)
        # run.json itself may not fit, which leaves a run that is not over.
        with pytest.raises((RunFailed, OSError), match="No space left"):
            runner.evaluate(plan)
    assert not list(tmp_path.rglob(".tmp-*"))
    again = DoubleGenerator()
    record = runner.evaluate(run_plan(tmp_path, again))
    assert record.status == "complete"
    assert _stable(plan.folder) == _stable(straight)
    # Whole chunks were kept.
    assert again.made <= 250 - max(writes - 3, 0) // 101 * 100
