import os
from pathlib import Path

import numpy as np
from command_line import Run

from drawbench_eval.store import Store, write_arrays


def _fill(results: Path) -> Path:
    store = Store(results / "store")
    for name in ("a", "b"):
        store.get_or_make("moments", {"name": name}, lambda: {"x": np.zeros(1000)})
    shard = results / "store" / "features" / "abc" / "1.safetensors"
    write_arrays(shard, {"keys": np.zeros((3, 32), dtype=np.uint8)})
    # A killed writer's file is no entry.
    (shard.parent / ".2.safetensors.tmp.safetensors").write_bytes(b"half")
    return shard


def test_sizes_by_kind(run: Run, tmp_path: Path) -> None:
    assert run("store").out == "results/store: 0.0 MB\n"
    _fill(tmp_path / "results")
    shown = run("store")
    assert shown.code == 0
    features, moments, total = shown.out.splitlines()
    assert features == "features: 1 files, 0.0 MB"
    assert moments.startswith("moments: 2 files, 0.0 MB")
    assert total.startswith("results/store: ")


def test_one_flipped_bit_is_found(run: Run, tmp_path: Path) -> None:
    shard = _fill(tmp_path / "results")
    assert run("store", "check=true").out.splitlines()[-1] == "0 of 3 files are damaged"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    shown = run("store", "check=true")
    assert shown.out.splitlines()[-1] == "1 of 3 files are damaged"
    assert "features/abc/1.safetensors" in shown.out


def test_one_kind_or_all_are_cleared(run: Run, tmp_path: Path) -> None:
    shard = _fill(tmp_path / "results")
    cleared = run("store", "clear=features")
    assert cleared.out == "removed features: 1 files, 0.0 MB\n"
    assert not shard.exists()
    assert "moments: 2 files" in run("store").out
    wrong = run("store", "clear=pictures")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "clear: pictures is not kept in results/store; there is features, moments" in wrong.err
    run("store", "clear=all")
    assert not list((tmp_path / "results" / "store").rglob("[!.]*.safetensors"))


def test_collecting_says_what_went_and_what_stays(run: Run, tmp_path: Path) -> None:
    store = Store(tmp_path / "results" / "store")
    for name in ("old", "young"):
        store.get_or_make("stage_base", {"name": name}, lambda: {"x": np.zeros(1000)})
    os.utime(store.path("stage_base", {"name": "old"}), (0, 0))
    collected = run("store", "collect=true")
    assert collected.code == 0
    first, last = collected.out.splitlines()
    assert first == "removed stage_base: 1 files, 0.0 MB"
    assert last == "0 entries have samples that rest on them, 1 are less than an hour old; both stay"
    assert run("store").out.startswith("stage_base: 1 files")
