"""Stages kept by what made them: the same bytes, nothing made twice, nothing wrong ever read."""

import logging
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_cascade import make_cascade

from drawbench_eval.generators import Request
from drawbench_eval.generators.imagen import ImagenGenerator, ImagenSettings, make
from drawbench_eval.generators.staged import Made, make_in_stages
from drawbench_eval.store import Store, contents, entries
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage

REQUESTS = tuple(
    Request(sample_id=f"s{n}", prompt_id=f"p{n}", prompt=prompt, seed=100 + n)
    for n, prompt in enumerate(("a red circle", "", "two blue square", "a", "a red circle"))
)
SETTINGS = {
    "base": SamplerSettings(num_steps=2, guidance_weight=3.0, sampler="ddpm"),
    "sr64": SamplerSettings(num_steps=1, aug_level=0.1),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cascade(tmp_path_factory.mktemp("cascade"))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many images each stage's network has made."""
    made: Counter[str] = Counter()
    sample = Stage.sample

    def counted(self: Stage, text: Any, *args: Any, **kwargs: Any) -> Any:
        made[self.config.name] += len(text)
        return sample(self, text, *args, **kwargs)

    monkeypatch.setattr(Stage, "sample", counted)
    return made


def _generator(folder: Path, *, one_at_a_time: bool = False, **changed: Any) -> ImagenGenerator:
    stages = {name: replace(settings, **changed.get(name, {})) for name, settings in SETTINGS.items()}
    settings = ImagenSettings(
        path=str(folder), text_encoder="t5_middle", one_at_a_time=one_at_a_time, **stages
    )
    return make(settings, device="cpu", precision="float32")


def _make(generator: ImagenGenerator, results: Path, *, batch_size: int = 2) -> Made:
    return make_in_stages(
        generator, REQUESTS, batch_size=batch_size, store=Store(results), on_image=lambda _n: None
    )


@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_the_bytes_are_those_without_a_store(
    folder: Path, tmp_path: Path, runs: Counter[str], one_at_a_time: bool
) -> None:
    generator = _generator(folder, one_at_a_time=one_at_a_time)
    plain = generator.generate(REQUESTS, batch_size=2, on_image=lambda _n: None)
    first = _make(generator, tmp_path)
    assert runs == {"base": 10, "sr64": 10}
    again = _make(_generator(folder), tmp_path)
    assert runs == {"base": 10, "sr64": 10}
    for made in (first, again):
        assert np.array_equal(np.stack(made.images), np.stack(plain))
    kept = {f"{path.parent.name}/{path.stem}" for path in entries(tmp_path)}
    assert set(first.entries) == set(again.entries) == kept


def test_what_comes_after_a_stage_leaves_it_as_it_is(
    folder: Path, tmp_path: Path, runs: Counter[str]
) -> None:
    for change in ({"aug_level": 0.1}, {"aug_level": 0.3}, {"guidance_weight": 2.0}, {"num_steps": 2}):
        generator = _generator(folder, sr64=change)
        made = _make(generator, tmp_path)
        plain = generator.generate(REQUESTS, batch_size=2, on_image=lambda _n: None)
        assert np.array_equal(np.stack(made.images), np.stack(plain))
    assert runs == {"base": 5 + 4 * 5, "sr64": 8 * 5}


def test_a_stage_sees_every_setting_that_it_reads_and_no_other(
    folder: Path, tmp_path: Path, runs: Counter[str]
) -> None:
    _make(_generator(folder), tmp_path)
    runs.clear()
    # gamma is read by ddpm, eta is not.
    _make(_generator(folder, base={"eta": 0.5}), tmp_path)
    assert not runs
    for change in ({"gamma": 0.5}, {"guidance_weight": 2.0}, {"percentile": 0.9}, {"threshold": "static"}):
        runs.clear()
        _make(_generator(folder, base=change), tmp_path)
        assert runs == {"base": 5, "sr64": 5}, change
    runs.clear()
    _make(_generator(folder), tmp_path, batch_size=3)
    assert runs == {"base": 5, "sr64": 5}


def test_a_deleted_stage_is_made_again_and_no_other(folder: Path, tmp_path: Path, runs: Counter[str]) -> None:
    first = _make(_generator(folder), tmp_path)
    runs.clear()
    shutil.rmtree(tmp_path / "stage_sr64")
    again = _make(_generator(folder), tmp_path)
    assert runs == {"sr64": 5}
    assert np.array_equal(np.stack(first.images), np.stack(again.images))
    runs.clear()
    # Nothing needs the base while what was made of it is there.
    shutil.rmtree(tmp_path / "stage_base")
    _make(_generator(folder), tmp_path)
    assert not runs
    _make(_generator(folder, sr64={"aug_level": 0.5}), tmp_path)
    assert runs == {"base": 5, "sr64": 5}


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_batch_is_said_and_made_again(
    folder: Path, tmp_path: Path, runs: Counter[str], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = _make(_generator(folder), tmp_path)
    runs.clear()
    path = next(path for path in entries(tmp_path / "stage_sr64"))
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    path.write_bytes(data[:-9] if damage == "truncated" else data)
    with caplog.at_level(logging.WARNING):
        again = _make(_generator(folder), tmp_path)
    assert path.name in caplog.text
    assert runs["base"] == 0
    assert runs["sr64"] in (1, 2)
    assert np.array_equal(np.stack(first.images), np.stack(again.images))


def test_one_file_a_batch_and_stage(folder: Path, tmp_path: Path) -> None:
    _make(_generator(folder), tmp_path)
    counts = {kept.kind: kept.num_files for kept in contents(tmp_path)}
    assert counts == {"stage_base": 3, "stage_sr64": 3, "text": 1}
