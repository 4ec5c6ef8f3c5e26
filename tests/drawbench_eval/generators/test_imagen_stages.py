"""Cascades of one to three stages, with one text encoder or several."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_cascade import make_cascade
from tiny_t5 import make_t5

from drawbench_eval.generators import Request
from drawbench_eval.generators.imagen import (
    EncoderFolder,
    ImagenGenerator,
    ImagenSettings,
    StagePart,
    StageParts,
    make,
)
from drawbench_eval.generators.staged import make_in_stages
from drawbench_eval.store import Store
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage, StageConfig, read_stage_config, save_stage
from imagen_ref.text.t5 import T5Encoder

REQUESTS = tuple(
    Request(sample_id=f"s{n}", prompt_id=f"p{n}", prompt=prompt, seed=n)
    for n, prompt in enumerate(("a red circle", "two squares"))
)
ONE_STEP = SamplerSettings(num_steps=1, aug_level=0.1)


def _save(path: Path, config: StageConfig) -> Path:
    torch.manual_seed(1)
    state = {
        name: 0.1 * torch.randn_like(value) for name, value in config.make_network().state_dict().items()
    }
    save_stage(path, config, state)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base, sr64, sr256 of one encoder; other/base.safetensors of another encoder, wider."""
    folder = make_cascade(tmp_path_factory.mktemp("cascade"))
    sr64 = read_stage_config(folder / "sr64.safetensors")
    third = replace(sr64, name="sr256", low_res_side=64, network=replace(sr64.network, side=256))
    _save(folder / "sr256.safetensors", third)
    torch.manual_seed(7)
    make_t5(folder / "other" / "t5", d_model=64, num_layers=1)
    base = read_stage_config(folder / "base.safetensors")
    own = T5Encoder(folder / "other" / "t5", max_length=5).identity
    wider = replace(base, text_encoder=own, network=replace(base.network, text_dim=64))
    _save(folder / "other" / "base.safetensors", wider)
    return folder


def _generator(folder: Path, *names: str, **changed: Any) -> ImagenGenerator:
    parts = {name: StagePart(path=folder / f"{name}.safetensors") for name in names}
    encoder = EncoderFolder(path=folder / "t5_middle", max_length=6)
    settings = {
        "text_encoder": "t5_middle",
        "base": ONE_STEP,
        "sr64": ONE_STEP,
        "sr256": ONE_STEP,
        "encoder": encoder,
        "stages": StageParts(**{**parts, **changed.pop("stages", {})}),
        **changed,
    }
    return make(ImagenSettings(**settings), device="cpu", precision="float32")


def _images(generator: ImagenGenerator) -> np.ndarray:
    return np.stack(generator.generate(REQUESTS, batch_size=2, on_image=lambda _n: None))


def test_three_stages_and_every_subset_that_fits(folder: Path, tmp_path: Path) -> None:
    whole = _generator(folder, "base", "sr64", "sr256")
    assert _images(whole).shape == (2, 256, 256, 3)
    assert whole.identity["model.sr256.aug_level"] == 0.1
    assert {"base", "sr64", "sr256", "t5_middle"} == whole.weights.keys()
    two = _generator(folder, "base", "sr64")
    assert not any("sr256" in key for key in two.identity)
    # The same two stages of three.
    stopped = _generator(folder, "base", "sr64", "sr256", last="sr64")
    assert stopped.identity == two.identity
    small = _generator(folder, "base")
    assert _images(small).shape == (2, 16, 16, 3)
    assert "model.aug_level" not in small.identity
    assert small.identity == _generator(folder, "base", "sr64", last="base").identity
    store = Store(tmp_path)
    made = [
        make_in_stages(one, REQUESTS, batch_size=2, store=store, on_image=lambda _n: None)
        for one in (whole, two)
    ]
    assert np.array_equal(np.stack(made[0].images), _images(whole))
    assert set(made[1].entries) < set(made[0].entries)


def test_one_base_image_a_prompt(folder: Path, tmp_path: Path) -> None:
    usual = _generator(folder, "base", "sr64")
    generator = _generator(folder, "base", "sr64", low_res_seed=5)
    assert generator.identity == {**usual.identity, "model.low_res_seed": 5}
    same = [replace(REQUESTS[0], sample_id=f"s{n}", seed=n) for n in range(3)]
    seen: list[np.ndarray] = []

    def noted(self: Stage, *args: Any, low_res: Any = None, **kwargs: Any) -> Any:
        seen.append(low_res)
        return sample(self, *args, low_res=low_res, **kwargs)

    sample = Stage.sample
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Stage, "sample", noted)
        images = generator.generate(same, batch_size=3, on_image=lambda _n: None)
    _, low_res = seen
    assert np.ptp(low_res.astype(int), axis=0).max() == 0
    assert not np.array_equal(images[0], images[1])
    # The same through a store, which does not take the images of a run without it for them.
    store = Store(tmp_path)
    for one in (usual, generator):
        made = make_in_stages(one, same, batch_size=3, store=store, on_image=lambda _n: None)
        assert np.array_equal(made.images, images) == (one is generator)
    other = _generator(folder, "base", "sr64", low_res_seed=6)
    assert not np.array_equal(other.generate(same, batch_size=3, on_image=lambda _n: None), images)
    with pytest.raises(ValueError, match=r"^model\.low_res_seed: 5, but no super-resolution is run"):
        _generator(folder, "base", low_res_seed=5)


def test_a_corruption_is_said_where_there_is_one(folder: Path) -> None:
    usual = _generator(folder, "base", "sr64")
    assert not any("corruption" in key for key in usual.identity)
    corrupted = _generator(folder, "base", "sr64", sr64=replace(ONE_STEP, corruption=0.2))
    assert corrupted.identity == {**usual.identity, "model.sr64.corruption": 0.2}
    assert corrupted.stage_settings["base"] == usual.stage_settings["base"]
    assert corrupted.stage_settings["sr64"] != usual.stage_settings["sr64"]
    # The base has nothing to corrupt.
    assert (
        _generator(folder, "base", "sr64", base=replace(ONE_STEP, corruption=0.2)).identity == usual.identity
    )


def test_an_encoders_precision_is_said_where_it_is_another(folder: Path, tmp_path: Path) -> None:
    def identity(base: Any, sr64: Any) -> dict[str, Any]:
        encoder = EncoderFolder(path=folder / "t5_middle", max_length=6, precision=base)
        own = replace(encoder, precision=sr64)
        part = StagePart(path=folder / "sr64.safetensors", encoder=own)
        return dict(_generator(folder, "base", encoder=encoder, stages={"sr64": part}).identity)

    usual = identity("float32", "float32")
    assert not any(key.endswith("encoder.precision") for key in usual)
    of_base = {"model.encoder.precision": "bfloat16"}
    of_sr64 = {"model.stages.sr64.encoder.precision": "bfloat16"}
    assert identity("bfloat16", "float32") == {**usual, **of_base}
    assert identity("bfloat16", "bfloat16") == {**usual, **of_base, **of_sr64}
    # The stages were trained with it in float32.
    half = EncoderFolder(path=folder / "t5_middle", max_length=6, precision="bfloat16")
    with pytest.raises(ValueError, match=r"it is in bfloat16, stage base was trained with it in float32"):
        _images(_generator(folder, "base", encoder=half))
    # That of a cascade.json too.
    shutil.copytree(folder, tmp_path / "copy")
    about = json.loads((folder / "cascade.json").read_text())
    about["text_encoders"]["t5_middle"]["precision"] = "bfloat16"
    (tmp_path / "copy" / "cascade.json").write_text(json.dumps(about))
    whole, changed = (
        make(
            ImagenSettings(path=str(path), text_encoder="t5_middle", base=ONE_STEP, sr64=ONE_STEP),
            device="cpu",
            precision="float32",
        ).identity
        for path in (folder, tmp_path / "copy")
    )
    assert changed == {**whole, **of_base}


def test_what_does_not_fit_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"stage sr256 starts from a side of 64, stage base ends at 16"):
        _images(_generator(folder, "base", "sr256"))
    with pytest.raises(ValueError, match=r"^model\.last: sr256 is not one of the stages base, sr64"):
        _generator(folder, "base", "sr64", last="sr256")
    with pytest.raises(ValueError, match=r"base\.path: a cascade starts with a base"):
        StageParts(base=StagePart())


def test_a_stage_keeps_its_own_encoder_while_the_base_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = EncoderFolder(path=folder / "t5_middle", max_length=6)
    mixed = {
        "text_encoder": "other",
        "encoder": EncoderFolder(path=folder / "other" / "t5", max_length=5),
        "stages": {
            "base": StagePart(path=folder / "other" / "base.safetensors"),
            "sr64": StagePart(path=folder / "sr64.safetensors", encoder=own),
        },
    }
    generator = _generator(folder, **mixed)
    assert generator.weights.keys() == {"other", "base", "sr64", "sr64.encoder"}
    widths: dict[str, int] = {}
    sample = Stage.sample

    def noted(self: Stage, text: Any, *args: Any, **kwargs: Any) -> Any:
        widths[self.config.name] = text.states.shape[-1]
        return sample(self, text, *args, **kwargs)

    monkeypatch.setattr(Stage, "sample", noted)
    images = _images(generator)
    assert widths == {"base": 64, "sr64": 32}
    for one_at_a_time in (False, True):
        again = _generator(folder, one_at_a_time=one_at_a_time, **mixed)
        store = Store(tmp_path / str(one_at_a_time))
        made = make_in_stages(again, REQUESTS, batch_size=2, store=store, on_image=lambda _n: None)
        assert np.array_equal(np.stack(made.images), images)
        assert again.identity == generator.identity
    assert np.array_equal(_images(_generator(folder, one_at_a_time=True, **mixed)), images)
    assert generator.truncated_prompts(["a a a a a", "a"]) == [0]
    parts = {**mixed["stages"], "sr64": StagePart(path=folder / "sr64.safetensors")}  # type: ignore[dict-item]
    foreign = _generator(folder, **{**mixed, "stages": parts})
    with pytest.raises(ValueError, match=r"stage sr64 was trained with"):
        _images(foreign)
