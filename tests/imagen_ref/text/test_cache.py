import os
import shutil
from collections import namedtuple
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import imagen_ref.text.cache as cache_module
from imagen_ref.text.cache import CachedEncoder, Forecast
from imagen_ref.text.embedding import TextEmbedding, TextEncoder

CAPTIONS = [
    "a red circle",
    "two",
    "",
    "a star below a ring",
    "one two three four five six seven eight nine ten",
]


class Counting:
    """Passes on to an encoder and notes what it was asked."""

    def __init__(self, encoder: TextEncoder, *, dies_after: int | None = None) -> None:
        self.encoder, self.dies_after = encoder, dies_after
        self.dim, self.max_length, self.identity = encoder.dim, encoder.max_length, encoder.identity
        self.asked: list[str] = []

    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            raise KeyboardInterrupt
        self.asked += prompts
        return self.encoder.encode(prompts)

    def truncated(self, prompts: Sequence[str]) -> list[int]:
        return self.encoder.truncated(prompts)


@pytest.fixture
def counting(encoder: TextEncoder) -> Counting:
    return Counting(encoder)


def rounded(text: TextEmbedding) -> TextEmbedding:
    return TextEmbedding(states=text.states.bfloat16().float(), mask=text.mask)


def assert_same(one: TextEmbedding, other: TextEmbedding) -> None:
    assert torch.equal(one.states, other.states)
    assert torch.equal(one.mask, other.mask)


def test_states_are_the_encoders_in_bfloat16_before_and_after(counting: Counting, tmp_path: Path) -> None:
    direct = rounded(counting.encoder.encode(CAPTIONS))
    first, again = CachedEncoder(counting, tmp_path), CachedEncoder(counting, tmp_path)
    assert_same(first.encode(CAPTIONS), direct)
    assert counting.asked == CAPTIONS
    assert_same(first.encode(CAPTIONS[::-1]), rounded(counting.encoder.encode(CAPTIONS[::-1])))
    assert counting.asked == CAPTIONS
    # an object that was made before the file appeared does not see it, a new one does
    assert len(again) == 0
    again = CachedEncoder(counting, tmp_path)
    assert len(again) == len(CAPTIONS)
    assert_same(again.encode(CAPTIONS), direct)
    assert counting.asked == CAPTIONS


def test_only_what_is_missing_is_encoded_and_once(counting: Counting, tmp_path: Path) -> None:
    cached = CachedEncoder(counting, tmp_path)
    cached.encode(["two", "two"])
    cached.encode(["two", "ring", "ring"])
    assert counting.asked == ["two", "ring"]
    assert (cached.dim, cached.max_length, cached.identity) == (12, 8, counting.identity)
    assert cached.truncated(CAPTIONS) == counting.truncated(CAPTIONS) == [4]


def test_filling_makes_later_epochs_free(counting: Counting, tmp_path: Path) -> None:
    captions = [f"caption number {index}" for index in range(300)]
    said: list[str] = []
    done: list[tuple[int, int]] = []
    cached = CachedEncoder(counting, tmp_path)
    forecast = cached.fill([*captions, *captions], report=said.append, progress=lambda *at: done.append(at))
    assert forecast.num_captions == 300
    assert done == [(300, 300)]
    # three words of 12 numbers of two bytes, a key of 16 bytes and an end of 8
    assert forecast.num_bytes == 300 * (3 * 12 * 2 + 24)
    written = sum(path.stat().st_size for path in cached.folder.glob("*.safetensors"))
    assert written == pytest.approx(forecast.num_bytes, rel=0.02)
    assert len(said) == 1
    assert said[0].startswith(f"text cache {cached.folder}: 300 captions to encode: 28.80 kB on disk, ")
    asked = len(counting.asked)
    assert_same(cached.encode(captions), rounded(counting.encoder.encode(captions)))
    assert cached.fill(captions, report=said.append).num_captions == 0
    assert len(counting.asked) == asked


def test_a_forecast_reads_like_the_paper_sized_case() -> None:
    # 3.3M captions of 13 tokens of T5-XXL
    forecast = Forecast(num_captions=3_300_000, num_bytes=3_300_000 * 13 * 4096 * 2, seconds=7200)
    assert str(forecast) == "3,300,000 captions to encode: 0.35 TB on disk, 120.0 minutes"


def test_the_forecast_comes_before_the_work_and_a_full_disk_stops_it(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: usage(1, 1, 5000))
    captions = [f"caption number {index}" for index in range(200)]
    said: list[str] = []
    cached = CachedEncoder(counting, tmp_path)
    with pytest.raises(ValueError, match=r"200 captions to encode: 19.20 kB.*, but only 0.00 GB are free"):
        cached.fill(captions, report=said.append)
    assert len(said) == 1
    assert len(counting.asked) == cache_module.BATCH
    assert len(CachedEncoder(counting, tmp_path)) == 0


def test_a_killed_run_goes_on_where_it_was(
    encoder: TextEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "BATCH", 8)
    monkeypatch.setattr(cache_module, "FILE_CAPTIONS", 16)
    captions = [f"caption number {index}" for index in range(60)]
    dying = Counting(encoder, dies_after=8 + 16 + 8)
    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(dying, tmp_path).fill(captions, report=lambda _: None)
    # what a kill leaves of a file that was being written is not read
    cached = CachedEncoder(Counting(encoder), tmp_path)
    (cached.folder / ".0123.safetensors.77.abcd").write_bytes(b"half")
    later = Counting(encoder)
    cached = CachedEncoder(later, tmp_path)
    assert len(cached) == 16
    assert cached.fill(captions, report=lambda _: None).num_captions == 44
    assert set(later.asked) == set(captions) - set(dying.asked[8:24])
    assert_same(cached.encode(captions), rounded(encoder.encode(captions)))


def test_another_encoder_length_or_revision_shares_nothing(encoder: TextEncoder, tmp_path: Path) -> None:
    folders = set()
    for change in ({}, {"weights_sha256": "w9"}, {"max_length": 5}, {"revision": "r1"}):
        other = Counting(encoder)
        other.identity = {**encoder.identity, **change}
        cached = CachedEncoder(other, tmp_path)
        cached.encode(["two"])
        assert other.asked == ["two"]
        folders.add(cached.folder)
    assert len(folders) == 4


def test_a_damaged_file_is_named(counting: Counting, tmp_path: Path) -> None:
    cached = CachedEncoder(counting, tmp_path)
    cached.encode(CAPTIONS)
    (path,) = cached.folder.glob("*.safetensors")
    os.truncate(path, path.stat().st_size - 8)
    with pytest.raises(
        ValueError, match=rf"^text cache {path}: damaged or cut short .*; remove it"
    ) as caught:
        CachedEncoder(counting, tmp_path)
    assert "\n" not in str(caught.value)
    path.unlink()
    assert len(CachedEncoder(counting, tmp_path)) == 0
    shutil.rmtree(cached.folder)
