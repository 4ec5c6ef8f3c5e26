import errno
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drawbench_eval.store import Arrays, Store


def _features() -> Arrays:
    return {"x": np.arange(6, dtype=np.float32).reshape(2, 3).T, "n": np.asarray(3.5)}


def _refuse() -> Arrays:
    raise AssertionError("must not be computed again")


def test_made_once_then_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.get_or_make("features", {"w": 1, "a": "b"}, _features)
    kept = store.get_or_make("features", {"a": "b", "w": 1.0}, _refuse)
    for name, array in _features().items():
        np.testing.assert_array_equal(made[name], array)
        np.testing.assert_array_equal(kept[name], array)
        assert kept[name].dtype == array.dtype
        assert kept[name].shape == array.shape


def test_kind_and_key_tell_entries_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get_or_make("features", {"w": 1}, _features)
    for kind, key in (("features", {"w": 2}), ("texts", {"w": 1})):
        other = store.get_or_make(kind, key, lambda: {"x": np.zeros(1)})
        assert other["x"].shape == (1,)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_a_damaged_entry_is_said_and_made_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    key = {"w": 1}
    store.get_or_make("features", key, _features)
    path = store.path("features", key)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[-1] ^= 1  # the last byte of the last array: the file still reads
    path.write_bytes(
        {"truncated": data[:-4], "flipped": data, "empty": b"", "foreign": b"PK\x03\x04" * 9}[damage]
    )
    with caplog.at_level(logging.WARNING):
        made = store.get_or_make("features", key, _features)
    assert "computed again" in caplog.text
    assert path.name in caplog.text
    np.testing.assert_array_equal(made["x"], _features()["x"])
    np.testing.assert_array_equal(store.get_or_make("features", key, _refuse)["x"], _features()["x"])


def test_an_error_while_making_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        Store(tmp_path).get_or_make("features", {"w": 1}, _refuse)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


_USER = """
import sys
from pathlib import Path
import numpy as np
from drawbench_eval.store import Store

store = Store(Path(sys.argv[1]))
for index in range(40):
    got = store.get_or_make("features", {"index": index}, lambda: {"x": np.full(2000, float(index))})
    if not (got["x"] == index).all():
        sys.exit(f"entry {index} holds {got['x'][0]}")
"""


def test_two_processes_use_one_store_at_once(tmp_path: Path) -> None:
    users = [subprocess.Popen([sys.executable, "-c", _USER, str(tmp_path)]) for _ in range(2)]
    assert [user.wait(60) for user in users] == [0, 0]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 40


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    store = Store(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            store.get_or_make("features", {"w": 1}, _features)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    np.testing.assert_array_equal(store.get_or_make("features", {"w": 1}, _features)["n"], 3.5)
