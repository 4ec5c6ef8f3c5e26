import os
from pathlib import Path

import numpy as np
import pytest

from drawbench_eval.files import write_json
from drawbench_eval.runs.garbage import collect
from drawbench_eval.store import Kept, Store, entries


def _entry(results: Path, kind: str, name: str, *, old: bool = True) -> str:
    store = Store(results / "store")
    store.get_or_make(kind, {"name": name}, lambda: {"x": np.zeros(10)})
    path = store.path(kind, {"name": name})
    if old:
        os.utime(path, (0, 0))
    return f"{kind}/{path.stem}"


def test_what_samples_rest_on_stays_and_the_rest_goes(tmp_path: Path) -> None:
    finished = [_entry(tmp_path, "stage_base", "a"), _entry(tmp_path, "text", "a")]
    write_json(tmp_path / "runs" / "x-1" / "samples" / ".chunks" / "00000.json", {"store": finished})
    generated = [_entry(tmp_path, "stage_sr64", "b")]
    write_json(tmp_path / "samples" / "y-2" / ".chunks" / "00007.json", {"store": generated})
    # A chunk from before there was a store, and one that is not finished.
    write_json(tmp_path / "runs" / "z-3" / "samples" / ".chunks" / "00000.json", {"sha256": {}})
    young = _entry(tmp_path, "stage_base", "young", old=False)
    features = _entry(tmp_path, "features", "f")
    for number in range(3):
        _entry(tmp_path, "stage_base", f"garbage {number}")
    half = tmp_path / "store" / "features" / ".tmp-1-a.safetensors"
    half.write_bytes(b"half")
    os.utime(half, (0, 0))

    collected = collect(tmp_path)

    left = {f"{path.parent.name}/{path.stem}" for path in entries(tmp_path / "store")}
    assert left == {*finished, *generated, young, features}
    assert [(kept.kind, kept.num_files) for kept in collected.removed] == [("features", 1), ("stage_base", 3)]
    assert collected.removed[0] == Kept(kind="features", num_files=1, num_bytes=4)
    assert (collected.num_pointed_to, collected.num_young) == (3, 1)
    assert collect(tmp_path).removed == ()


def test_a_record_that_cannot_be_read_stops_it_before_anything_is_gone(tmp_path: Path) -> None:
    entry = _entry(tmp_path, "stage_base", "a")
    chunk = tmp_path / "runs" / "x-1" / "samples" / ".chunks" / "00000.json"
    chunk.parent.mkdir(parents=True)
    chunk.write_text("{")
    with pytest.raises(ValueError, match=r"00000\.json: not a chunk's record") as error:
        collect(tmp_path)
    assert "\n" not in str(error.value)
    assert len(entries(tmp_path / "store")) == 1, entry


def test_what_a_killed_run_left_half_written_goes_too(tmp_path: Path) -> None:
    samples = tmp_path / "runs" / "x-1" / "samples"
    samples.mkdir(parents=True)
    for name in (".tmp-1-a.png", ".tmp-2-young.png", "a.png"):
        (samples / name).write_bytes(b"half")
    os.utime(samples / ".tmp-1-a.png", (0, 0))
    assert collect(tmp_path).removed == (Kept(kind="runs, unfinished", num_files=1, num_bytes=4),)
    assert sorted(path.name for path in samples.iterdir()) == [".tmp-2-young.png", "a.png"]


def test_there_may_be_no_store(tmp_path: Path) -> None:
    assert collect(tmp_path).removed == ()
