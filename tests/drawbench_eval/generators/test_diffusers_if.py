"""DeepFloyd IF in miniature: a cascade to sides of 8, 16 and 32."""

import dataclasses
import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import T5EncoderModel

from drawbench_eval.files import stable_seed
from drawbench_eval.generators import Request
from drawbench_eval.generators.deepfloyd_if import CascadeSettings, DeepFloydGenerator, make
from drawbench_eval.generators.pipelines import loading
from drawbench_eval.generators.pipelines.stage import (
    PixelStageSettings,
    SuperResolutionSettings,
    UpscalerSettings,
)

diffusers = pytest.importorskip("diffusers", reason="needs the extra diffusers")
pipelines = pytest.importorskip("tiny_pipelines")

# diffusers' schedulers hand tensors to NumPy in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:diffusers.schedulers"
)

Image = np.ndarray[Any, np.dtype[np.uint8]]

PROMPTS = ("a red circle", "", "two blue square", "a", "circle", "a red circle", "a a a", "red")
REQUESTS = tuple(
    Request(sample_id=f"s{n}", prompt_id=f"p{n}", prompt=prompt, seed=2**62 + n)
    for n, prompt in enumerate(PROMPTS)
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return pipelines.make_deepfloyd_if(tmp_path_factory.mktemp("if"))


def _settings(folders: dict[str, Path], **changed: Any) -> CascadeSettings:
    """`base`, `sr64` and `sr256` in `changed` are settings of the stages."""
    pixels = {"num_steps": 2, "threshold": "dynamic", "percentile": 0.95}
    base = {"path": str(folders["base"]), "guidance_weight": 7.0, "sample_max_value": 1.5, **pixels}
    sr64 = {"path": str(folders["sr64"]), "guidance_weight": 4.0, "sample_max_value": 1.0, **pixels}
    sr256 = {"path": str(folders["sr256"]), "guidance_weight": 9.0, "num_steps": 2, "aug_level": 0.1}
    return CascadeSettings(
        base=PixelStageSettings(**{**base, **changed.pop("base", {})}),
        sr64=SuperResolutionSettings(**{**sr64, "aug_level": 0.25, **changed.pop("sr64", {})}),
        sr256=UpscalerSettings(**{**sr256, **changed.pop("sr256", {})}),
        **changed,
    )


def _make(folders: dict[str, Path], **changed: Any) -> DeepFloydGenerator:
    return make(_settings(folders, **changed), device="cpu", precision="float32")


def _images(
    generator: DeepFloydGenerator, requests: Sequence[Request] = REQUESTS, batch_size: int = 8
) -> list[Image]:
    return generator.generate(requests, batch_size=batch_size, on_image=lambda _: None)


@pytest.mark.parametrize(("last", "side"), [("base", 8), ("sr64", 16), ("sr256", 32)])
def test_the_cascade_ends_where_it_is_told(folders: dict[str, Path], last: str, side: int) -> None:
    generator = _make(folders, last=last)
    told: list[int] = []
    images = generator.generate(REQUESTS, batch_size=3, on_image=told.append)
    assert told == [3, 3, 2]
    assert [image.shape for image in images] == [(side, side, 3)] * 8
    assert len({image.tobytes() for image in images}) == 8
    assert {name.split("/")[0] for name in generator.weights} == {
        name for name in ("base", "sr64", "sr256") if name in [stage.name for stage in generator.stages]
    }
    assert _images(generator, ()) == []


def test_a_sample_does_not_depend_on_its_batch(folders: dict[str, Path]) -> None:
    generator = _make(folders)
    first = _images(generator)
    others = (
        _images(generator, batch_size=1),
        _images(generator, batch_size=3),
        _images(generator, REQUESTS[::-1], 3)[::-1],
    )
    for other in others:
        difference = np.abs(np.stack(first).astype(int) - np.stack(other))
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 2e-3


def test_it_is_the_pipelines_in_a_row(folders: dict[str, Path]) -> None:
    """The stages called by hand, as diffusers' own documentation calls them."""
    names = ("base", "sr64", "sr256")
    base, sr64, sr256 = (
        diffusers.DiffusionPipeline.from_pretrained(str(folders[name]), low_cpu_mem_usage=False)
        for name in names
    )
    sr64.scheduler = type(sr64.scheduler).from_config(sr64.scheduler.config, sample_max_value=1.0)
    request = REQUESTS[0]
    seeds = [request.seed, *(stable_seed(request.seed, name) for name in names[1:])]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    states, null = base.encode_prompt(request.prompt)
    text = {"prompt_embeds": states, "negative_prompt_embeds": null, "num_inference_steps": 2}
    image = base(**text, generator=generators[0], guidance_scale=7.0, output_type="pt").images
    image = sr64(
        **text, image=image, generator=generators[1], guidance_scale=4.0, noise_level=250, output_type="pt"
    ).images
    final = sr256(
        prompt=request.prompt,
        image=image / 2 + 0.5,
        generator=generators[2],
        guidance_scale=9.0,
        noise_level=100,
        num_inference_steps=2,
    ).images[0]
    ours = _images(_make(folders), [request])[0].astype(int)
    assert np.abs(ours - np.asarray(final)).max() <= 1


def test_text_is_encoded_once_and_the_encoder_freed(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encoders: set[weakref.ref[T5EncoderModel]] = set()
    alive: list[int] = []
    forward = T5EncoderModel.forward

    def counting(self: T5EncoderModel, input_ids: torch.Tensor, **named: Any) -> Any:
        encoded.append(len(input_ids))
        encoders.add(weakref.ref(self))
        return forward(self, input_ids, **named)

    monkeypatch.setattr(T5EncoderModel, "forward", counting)
    generator = _make(folders)
    stage = generator.stages[0]
    sample = stage.sample

    def looking(rows: Any, null: torch.Tensor) -> Any:
        alive.append(sum(encoder() is not None for encoder in encoders))
        return sample(rows, null=null)

    monkeypatch.setattr(stage, "sample", looking)
    _images(generator, batch_size=3)
    # Seven different prompts, the empty one among them, in three batches.
    assert encoded == [3, 3, 1]
    assert len(encoders) == 1
    assert alive == [0, 0, 0]
    assert generator.stages[0].pipe.text_encoder is None
    assert generator.stages[1].pipe.text_encoder is None


@pytest.mark.parametrize(
    ("threshold", "cap", "options"),
    [
        ("none", None, {"thresholding": False, "clip_sample": False}),
        ("static", None, {"thresholding": False, "clip_sample": True, "clip_sample_range": 1.0}),
        ("dynamic", None, {"thresholding": True, "sample_max_value": float("inf")}),
        ("dynamic", 1.5, {"thresholding": True, "sample_max_value": 1.5, "dynamic_thresholding_ratio": 0.9}),
    ],
)
def test_thresholding_reaches_the_schedulers(
    folders: dict[str, Path], threshold: str, cap: float | None, options: dict[str, Any]
) -> None:
    changed = {"threshold": threshold, "sample_max_value": cap, "percentile": 0.9}
    generator = _make(folders, base=changed, sr64=changed, last="sr64")
    images = _images(generator, REQUESTS[:2])
    for stage in generator.stages:
        assert {name: stage.pipe.scheduler.config[name] for name in options} == options
        assert stage.pipe.scheduler.config["beta_schedule"] == "squaredcos_cap_v2"
    default = _images(_make(folders, last="sr64"), REQUESTS[:2])
    assert not np.array_equal(np.stack(images), np.stack(default))


@pytest.mark.parametrize(
    "scheduler", ["DDIMScheduler", "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler"]
)
def test_other_schedulers_run_on_networks_that_predict_a_variance(
    folders: dict[str, Path], scheduler: str
) -> None:
    threshold = "none" if scheduler.startswith("Euler") else "dynamic"
    changed = {"scheduler": scheduler, "threshold": threshold}
    generator = _make(folders, base=changed, sr64=changed)
    images = _images(generator, REQUESTS[:3])
    assert [image.shape for image in images] == [(32, 32, 3)] * 3
    assert generator.identity["model.scheduler"] == scheduler
    assert generator.identity["model.sr64.scheduler"] == scheduler
    again = _images(generator, REQUESTS[:3], 1)
    assert np.abs(np.stack(images).astype(int) - np.stack(again)).max() <= 1


@pytest.mark.parametrize("strict", [True, False])
def test_struck_images_are_black_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, strict: bool
) -> None:
    folders = pipelines.make_deepfloyd_if(tmp_path / "if", safety_checker=True, strict=strict)
    generator = _make(folders)
    images = np.stack(_images(generator, REQUESTS[:2]))
    assert images.any() != strict
    assert generator.flagged == ({"s0", "s1"} if strict else set())
    assert ("struck 2 images, which are black: s0, s1" in caplog.text) == strict
    assert generator.identity["model.safety_checker"] is True
    off = _make(folders, safety_checker=False)
    assert np.stack(_images(off, REQUESTS[:2])).any()
    assert off.identity["model.safety_checker"] is False
    # A run reads each of them once, and none that it does not need.
    components = {name.rsplit("/", 1)[0] for name in generator.weights}
    assert components - {name.rsplit("/", 1)[0] for name in off.weights} == {"base/safety_checker"}
    assert "sr64/text_encoder" not in components


def test_out_of_memory_halves_the_batch_of_the_stage_alone(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = _make(folders)
    whole = _images(generator, REQUESTS[:5])
    sizes: dict[str, list[int]] = {}
    for stage in generator.stages:

        def small(rows: Any, null: Any, stage: Any = stage, sample: Any = stage.sample) -> Any:
            sizes.setdefault(stage.name, []).append(len(rows))
            if stage.name == "sr256" and len(rows) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return sample(rows, null=null)

        monkeypatch.setattr(stage, "sample", small)
    images = _images(generator, REQUESTS[:5], 5)
    assert sizes == {"base": [5], "sr64": [5], "sr256": [5, 2, 2, 1]}
    assert "out of memory with 5 images at once; going on with 2" in caplog.text
    assert np.abs(np.stack(images).astype(int) - np.stack(whole)).max() <= 1


def test_an_encoder_that_runs_out_of_memory_takes_smaller_batches(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = _make(folders, last="base")
    whole = _images(generator)
    load = loading.load

    def small(*given: Any, **named: Any) -> Any:
        pipe = load(*given, **named)
        encode = pipe.encode_prompt

        def encode_prompt(prompt: list[str], **others: Any) -> Any:
            if len(prompt) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return encode(prompt, **others)

        if pipe.text_encoder is not None:
            pipe.encode_prompt = encode_prompt
        return pipe

    monkeypatch.setattr("drawbench_eval.generators.deepfloyd_if.load", small)
    assert np.abs(np.stack(_images(generator)).astype(int) - np.stack(whole)).max() <= 1


def test_identity_is_flat_and_named_as_in_the_configuration(folders: dict[str, Path], tmp_path: Path) -> None:
    generator = _make(folders)
    identity = generator.identity
    assert identity["model.guidance_weight"] == 7.0
    assert identity["model.threshold"] == "dynamic"
    assert identity["model.percentile"] == 0.95
    assert identity["model.sample_max_value"] == 1.5
    assert identity["model.aug_level"] == 0.25
    assert identity["model.sr64.guidance_weight"] == 4.0
    assert identity["model.sr64.sample_max_value"] == 1.0
    assert identity["model.sr256.aug_level"] == 0.1
    assert identity["model.scheduler"] == "DDPMScheduler"
    assert identity["model.guidance_kind"] == generator.guidance_kind == "cfg"
    assert not {"model.sr64.aug_level", "model.base.guidance_weight"} & identity.keys()
    for stage in ("base", "sr64", "sr256"):
        assert f"model.{stage}.weights.unet" in identity
        assert f"model.{stage}.configs_sha256" in identity
    assert not any(str(folder) in str(identity) for folder in folders.values())
    assert generator.label == "base-w7-dynamic"
    moved = {name: shutil.copytree(folder, tmp_path / name) for name, folder in folders.items()}
    assert _make(moved).identity == identity


def test_every_setting_of_every_stage_is_in_the_identity(folders: dict[str, Path]) -> None:
    plain = _make(folders).identity
    other = {
        "threshold": "static",
        "scheduler": "DDIMScheduler",
        "scheduler_options": {"beta_start": 0.0002},
        "sample_max_value": 1.25,
        "percentile": 0.9,
        "aug_level": 0.2,
        "num_steps": 3,
        "guidance_weight": 2.0,
    }
    for stage in ("base", "sr64", "sr256"):
        for found in dataclasses.fields(getattr(_settings(folders), stage)):
            if found.name not in ("path", "revision"):
                value = other[found.name]
                if (stage, found.name) == ("sr256", "scheduler"):
                    value = "DDPMScheduler"
                changed = _make(folders, **{stage: {found.name: value}}).identity
                assert changed != plain, (stage, found.name)
    short = _make(folders, last="sr64").identity
    assert not any(key.startswith("model.sr256") for key in short)


def test_the_cost_key_tells_guided_from_unguided_and_nothing_else_of_guidance(
    folders: dict[str, Path],
) -> None:
    keys = {w: _make(folders, base={"guidance_weight": w}).cost_key for w in (1.0, 2.0, 4.0)}
    assert keys[2.0] == keys[4.0] != keys[1.0]
    assert _make(folders, last="sr64").cost_key != keys[2.0]
    assert _make(folders, base={"threshold": "none"}).cost_key == keys[2.0]


def test_a_weight_of_1_needs_no_null_text(folders: dict[str, Path]) -> None:
    unguided = _make(folders, base={"guidance_weight": 1.0}, sr64={"guidance_weight": 1.0}, last="sr64")
    guided = _make(folders, last="sr64")
    one, other = (np.stack(_images(generator, REQUESTS[:2])) for generator in (unguided, guided))
    assert one.shape == other.shape
    assert not np.array_equal(one, other)


def test_prompts_over_the_limits_are_named(folders: dict[str, Path]) -> None:
    # A word is a token of the tiny T5, a letter one of the tiny CLIP, which the last stage reads.
    prompts = ["a red circle", "a " * 76, "a " * 77, "a" * 76, ""]
    assert _make(folders, last="sr64").truncated_prompts(prompts) == [2]
    assert _make(folders).truncated_prompts(prompts) == [1, 2, 3]


@pytest.mark.parametrize(
    ("stage", "changed", "said"),
    [
        ("sr64", {"aug_level": 1.0}, r"model\.aug_level: 1 is not from 0 to 0\.999"),
        ("sr256", {"aug_level": 0.4}, r"model\.sr256\.aug_level: 0\.4 is not from 0 to 0\.35"),
        ("base", {"sample_max_value": 0.5}, r"model\.base\.sample_max_value: 0\.5 is not at least 1"),
        ("base", {"percentile": 99.5}, r"model\.base\.percentile: 99\.5 is not a fraction"),
        (
            "sr64",
            {"scheduler": "EulerDiscreteScheduler"},
            r"model\.sr64\.threshold: EulerDiscrete.* has no dyn",
        ),
        (
            "base",
            {"scheduler_options": {"sample_max_value": 2.0}},
            r"model\.base\.scheduler_options\.sample_max_value: write it as model\.base\.threshold",
        ),
        ("base", {"guidance_weight": 0.5}, "guidance_weight: 0.5 is not at least 1"),
        ("sr256", {"num_steps": 0}, "num_steps: 0 is not at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_said_in_one_line(
    folders: dict[str, Path], stage: str, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}") as error:
        _make(folders, **{stage: changed})
    assert "\n" not in str(error.value)


def test_stages_in_the_wrong_place_are_named(folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=r"^model\.sr64\.path: .* is a IFPipeline, not a IFSuperResolutionP"):
        _make(folders, sr64={"path": str(folders["base"])})
    with pytest.raises(ValueError, match=r"^model\.offload: model moves parts to a GPU"):
        _make(folders, offload="model")
