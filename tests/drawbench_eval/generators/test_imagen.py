import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_cascade import make_cascade

from drawbench_eval.generators import Request
from drawbench_eval.generators.imagen import UNREAD_BY_BASE, ImagenGenerator, ImagenSettings, make
from drawbench_eval.scenes.encoder_probe import PROBE
from imagen_ref.samplers import SamplerSettings

REQUESTS = tuple(
    Request(sample_id=f"s{n}", prompt_id=f"p{n}", prompt=prompt, seed=100 + n)
    for n, prompt in enumerate(("a red circle", "", "two blue square", "a"))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cascade(tmp_path_factory.mktemp("cascade"))


def _settings(folder: Path, **changed: Any) -> ImagenSettings:
    steps = {"num_steps": 2, "guidance_weight": 3.0}
    base = SamplerSettings(**{**steps, **changed.pop("base", {})})
    sr64 = SamplerSettings(**{"num_steps": 1, "aug_level": 0.1, **changed.pop("sr64", {})})
    return ImagenSettings(path=str(folder), text_encoder="t5_middle", base=base, sr64=sr64)


def _generator(folder: Path, **changed: Any) -> ImagenGenerator:
    return make(_settings(folder, **changed), device="cpu", precision="float32")


def test_images_in_order_and_progress(folder: Path) -> None:
    told: list[int] = []
    images = _generator(folder).generate(REQUESTS, batch_size=3, on_image=told.append)
    assert [image.shape for image in images] == [(64, 64, 3)] * 4
    assert all(image.dtype == np.uint8 for image in images)
    assert told == [3, 1]
    assert len({image.tobytes() for image in images}) == 4


def test_the_same_requests_give_the_same_bytes_and_the_batch_size_next_to_nothing(folder: Path) -> None:
    def sample(batch_size: int, requests: tuple[Request, ...] = REQUESTS) -> list[np.ndarray]:
        return _generator(folder).generate(requests, batch_size=batch_size, on_image=lambda _n: None)

    first = sample(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, sample(4), strict=True))
    others = (sample(1), sample(3), sample(2, REQUESTS[::-1])[::-1])
    for other in others:
        difference = np.abs(np.stack(first).astype(int) - np.stack(other))
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 1e-3


def test_identity_is_flat_and_named_as_in_the_configuration(folder: Path) -> None:
    generator = _generator(folder)
    identity = generator.identity
    assert identity["model.guidance_weight"] == 3.0
    assert identity["model.threshold"] == "dynamic"
    assert identity["model.aug_level"] == 0.1
    assert identity["model.sr64.num_steps"] == 1
    assert identity["precision"] == "float32"
    assert "model.sr64.aug_level" not in identity
    assert str(folder) not in str(identity)
    assert generator.weights.keys() == {"t5_middle", "base", "sr64"}
    assert all(identity[f"model.weights.{name}"] == sha for name, sha in generator.weights.items())
    assert generator.label == f"{folder.name}-w3-dynamic"


def test_every_setting_of_every_stage_is_in_the_identity(folder: Path) -> None:
    plain = _generator(folder).identity
    other = {"threshold": "static", "sampler": "ddpm", "interpolation": "lower"}
    for stage in ("base", "sr64"):
        for field in dataclasses.fields(SamplerSettings):
            if stage == "base" and field.name in UNREAD_BY_BASE:
                continue
            now = getattr(getattr(_settings(folder), stage), field.name)
            step = 1 if field.name in ("num_steps", "guidance_weight") else -0.01
            value = other.get(field.name) or abs(now + step)
            assert _generator(folder, **{stage: {field.name: value}}).identity != plain, (stage, field.name)


def test_the_cost_key_tells_guided_from_unguided_and_nothing_else_of_guidance(folder: Path) -> None:
    keys = {w: _generator(folder, base={"guidance_weight": w}).cost_key for w in (0.5, 1.0, 2.0, 4.0)}
    assert keys[2.0] == keys[4.0] == keys[0.5] != keys[1.0]
    assert _generator(folder, base={"num_steps": 5}).cost_key != _generator(folder).cost_key
    assert _generator(folder, base={"threshold": "none"}).cost_key == _generator(folder).cost_key


def test_prompts_over_the_limit_are_named(folder: Path) -> None:
    prompts = ["a red circle", "a a a a a a", "", "a a a a a"]
    assert _generator(folder).truncated_prompts(prompts) == [1]


@pytest.mark.parametrize("name", ["base.safetensors", "sr64.safetensors", "t5_middle/model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "text"])
def test_a_bad_checkpoint_is_named_before_anything_is_loaded(
    folder: Path, tmp_path: Path, name: str, damage: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = copy / name
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"truncated": data[:-100], "empty": b"", "text": b"not a checkpoint"}[damage])
    with pytest.raises(ValueError, match=rf"^model\.path: .*{name}") as error:
        _generator(copy)
    assert "\n" not in str(error.value)


def test_what_is_known_of_weights_is_their_provenance_and_not_identity(folder: Path) -> None:
    plain = _generator(folder)
    assert plain.provenance == {}
    told = {"color": 0.9, "relation": 0.5, "order": 1.0}
    (folder / "t5_middle" / PROBE).write_text(json.dumps(told))
    try:
        probed = _generator(folder)
        assert probed.provenance == {"text_facts": told}
        assert probed.identity == plain.identity
    finally:
        (folder / "t5_middle" / PROBE).unlink()
