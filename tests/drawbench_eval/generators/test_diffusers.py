import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from drawbench_eval.generators import Request
from drawbench_eval.generators.diffusers import DiffusersGenerator, PipelineSettings, make

pytest.importorskip("diffusers", reason="needs the extra diffusers")
pipelines = pytest.importorskip("tiny_pipelines")

# diffusers' schedulers hand tensors to NumPy in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:diffusers.schedulers"
)

Image = np.ndarray[Any, np.dtype[np.uint8]]

PROMPTS = ("a red circle", "", "two blue squares", "a", "b c", "circle", "a a a", "red")
REQUESTS = tuple(
    Request(sample_id=f"s{n}", prompt_id=f"p{n}", prompt=prompt, seed=2**62 + n)
    for n, prompt in enumerate(PROMPTS)
)
SIDE = {"call": {"height": 16, "width": 16}}
# Folder -> the settings that its ready configuration has in place of the defaults.
KINDS: dict[str, dict[str, Any]] = {
    "sd": {"guidance_weight": 3.0},
    "sdxl": {"guidance_weight": 3.0, **SIDE},
    "sd3": {"guidance_weight": 3.0, **SIDE},
    "flux": {"distilled_guidance": 3.5, **SIDE},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipelines")
    return {
        "sd": pipelines.make_stable_diffusion(root / "sd"),
        "sdxl": pipelines.make_sdxl(root / "sdxl"),
        "sd3": pipelines.make_stable_diffusion_3(root / "sd3"),
        "flux": pipelines.make_flux(root / "flux"),
    }


def _make(folder: Path, **changed: Any) -> DiffusersGenerator:
    settings = PipelineSettings(**{"path": str(folder), "num_steps": 2, **changed})
    return make(settings, device="cpu", precision="float32")


def _images(
    generator: DiffusersGenerator, requests: Sequence[Request] = REQUESTS, batch_size: int = 8
) -> list[Image]:
    return generator.generate(requests, batch_size=batch_size, on_image=lambda _: None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_does_not_depend_on_its_batch(folders: dict[str, Path], kind: str) -> None:
    generator = _make(folders[kind], **KINDS[kind])
    first = _images(generator)
    assert [image.shape for image in first] == [(16, 16, 3)] * 8
    assert len({image.tobytes() for image in first}) == 8
    backwards = _images(generator, REQUESTS[::-1], 3)[::-1]
    turned = REQUESTS[3:] + REQUESTS[:3]
    by_id = {
        request.sample_id: image for request, image in zip(turned, _images(generator, turned, 3), strict=True)
    }
    others = (_images(generator, batch_size=1), _images(generator, batch_size=3), backwards)
    for other in (*others, [by_id[request.sample_id] for request in REQUESTS]):
        difference = np.abs(np.stack(first).astype(int) - np.stack(other))
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 2e-3


@pytest.mark.parametrize("kind", KINDS)
def test_every_network_runs_in_the_dtype(folders: dict[str, Path], kind: str) -> None:
    generator = _make(folders[kind], **KINDS[kind], dtype="bfloat16")
    networks = [part for part in generator.pipe.components.values() if isinstance(part, torch.nn.Module)]
    assert {parameter.dtype for part in networks for parameter in part.parameters()} == {torch.bfloat16}
    assert generator.precision == generator.identity["precision"] == "bfloat16"
    images = np.stack(_images(generator, REQUESTS[:2])).astype(int)
    plain = np.stack(_images(_make(folders[kind], **KINDS[kind]), REQUESTS[:2]))
    assert 0 < np.abs(images - plain).mean() < 10


def test_the_seed_and_not_the_place_makes_the_noise(folders: dict[str, Path]) -> None:
    one, other = (Request(sample_id=str(s), prompt_id="p", prompt="a", seed=s) for s in (1, 2))
    again = Request(sample_id="again", prompt_id="p", prompt="a", seed=1)
    images = _images(_make(folders["sd"]), (one, other, again))
    assert np.array_equal(images[0], images[2])
    assert not np.array_equal(images[0], images[1])


def test_the_same_seed_makes_the_same_image_in_diffusers_itself(folders: dict[str, Path]) -> None:
    import diffusers

    pipe = diffusers.DiffusionPipeline.from_pretrained(str(folders["sd"]), low_cpu_mem_usage=False)
    made = pipe(
        prompt=REQUESTS[0].prompt,
        guidance_scale=3.0,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(REQUESTS[0].seed),
    )
    ours = _images(_make(folders["sd"], guidance_weight=3.0), REQUESTS[:1])
    assert np.array_equal(np.asarray(made.images[0]), ours[0])


def test_progress_and_streaming(folders: dict[str, Path]) -> None:
    generator = _make(folders["sd"])
    told: list[int] = []
    made = generator.generate(REQUESTS, batch_size=3, on_image=told.append)
    assert told == [3, 3, 2]
    streamed = [pair for finished in generator.stream(REQUESTS, batch_size=3) for pair in finished]
    assert [request for request, _ in streamed] == list(REQUESTS)
    assert all(np.array_equal(a, b) for (_, a), b in zip(streamed, made, strict=True))


def test_identity_is_flat_and_does_not_name_the_folder(folders: dict[str, Path], tmp_path: Path) -> None:
    generator = _make(folders["sd"], guidance_weight=3.0, call={"clip_skip": 1, "height": None})
    identity = generator.identity
    assert identity["model.pipeline"] == "StableDiffusionPipeline"
    assert identity["model.guidance_kind"] == generator.guidance_kind == "cfg"
    assert identity["model.guidance_weight"] == 3.0
    assert identity["model.num_steps"] == 2
    assert identity["model.scheduler"] == "PNDMScheduler"
    assert identity["model.call.clip_skip"] == 1
    assert "model.call.height" not in identity
    assert "model.distilled_guidance" not in identity
    assert identity["precision"] == "float32"
    assert {f"model.weights.{name}" for name in ("unet", "vae", "text_encoder")} <= identity.keys()
    assert str(folders["sd"]) not in str(identity)
    assert generator.label == "sd-w3"
    assert "unet/diffusion_pytorch_model.safetensors" in generator.weights
    copy = shutil.copytree(folders["sd"], tmp_path / "elsewhere")
    moved = _make(copy, guidance_weight=3.0, call={"clip_skip": 1})
    assert moved.identity == identity
    assert moved.label == "elsewhere-w3"


@pytest.mark.parametrize(
    "changed",
    [
        {"guidance_weight": 2.0},
        {"num_steps": 3},
        {"scheduler": "DDIMScheduler"},
        {"scheduler_options": {"steps_offset": 0}},
        {"call": {"negative_prompt": "b"}},
        {"dtype": "bfloat16"},
        {"guidance_kind": "none"},
    ],
)
def test_every_setting_is_in_the_identity_and_changes_the_images(
    folders: dict[str, Path], changed: dict[str, Any]
) -> None:
    plain = {"guidance_weight": 3.0}
    if changed.get("guidance_kind"):
        plain = {}
    one, other = _make(folders["sd"], guidance_weight=3.0), _make(folders["sd"], **{**plain, **changed})
    assert one.identity != other.identity
    different = [
        not np.array_equal(a, b)
        for a, b in zip(_images(one, REQUESTS[:3]), _images(other, REQUESTS[:3]), strict=True)
    ]
    assert any(different)


def test_what_changes_no_image_changes_no_identity(folders: dict[str, Path], tmp_path: Path) -> None:
    plain = _make(folders["sd"], guidance_weight=7.5).identity
    assert _make(folders["sd"]).identity == plain
    assert _make(folders["sd"], scheduler="PNDMScheduler").identity == plain
    assert _make(folders["sd"], guidance_kind="cfg", guidance_argument="guidance_scale").identity == plain
    assert _make(folders["sd"], cache=tmp_path).identity == plain


def test_changed_weights_and_configurations_change_the_identity(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    plain = _make(folders["sd"]).identity
    copy = shutil.copytree(folders["sd"], tmp_path / "copy")
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(weights)
    save_file({**state, "conv_in.bias": state["conv_in.bias"] + 1}, weights)
    changed = _make(copy).identity
    assert {key for key in plain if plain[key] != changed[key]} == {"model.weights.unet"}
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"steps_offset": 1', '"steps_offset": 0'))
    again = _make(copy).identity
    assert {key for key in changed if changed[key] != again[key]} == {"model.configs_sha256"}


def test_the_cost_key_tells_guided_from_unguided_and_nothing_else_of_guidance(
    folders: dict[str, Path],
) -> None:
    keys = {w: _make(folders["sd"], guidance_weight=w).cost_key for w in (1.0, 2.0, 4.0)}
    assert keys[2.0] == keys[4.0] != keys[1.0]
    assert _make(folders["sd"], num_steps=5).cost_key != keys[2.0]
    assert _make(folders["sd"], call={"height": 32}).cost_key != keys[2.0]


@pytest.mark.parametrize(
    ("kind", "cut"),
    [
        # A letter is a token of the tiny CLIP, a word one of the tiny T5.
        ("sd", {"a" * 76}),
        ("sd3", {"a" * 76, "a " * 256}),
        ("flux", {"a" * 76, "a " * 256, "a " * 512}),
    ],
)
def test_prompts_over_the_limit_are_named(folders: dict[str, Path], kind: str, cut: set[str]) -> None:
    prompts = ["a red circle", "a" * 75, "a" * 76, "", "a " * 256, "a " * 512]
    found = _make(folders[kind]).truncated_prompts(prompts)
    assert cut <= {prompts[index] for index in found}
    assert not {"a red circle", "a" * 75, ""} & {prompts[index] for index in found}
    assert _make(folders[kind]).truncated_prompts([]) == []


def test_the_limit_of_the_t5_is_the_one_of_the_call(folders: dict[str, Path]) -> None:
    words = "a " * 20
    default = _make(folders["flux"], **SIDE)
    short = _make(folders["flux"], call={"max_sequence_length": 20})
    assert default.truncated_prompts([words]) == []
    assert short.truncated_prompts([words]) == [0]


def test_out_of_memory_halves_the_batch_and_goes_on(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    generator = _make(folders["sd"], guidance_weight=3.0)
    pipe, sizes = generator.pipe, []

    def small(**call: Any) -> Any:
        sizes.append(len(call["prompt"]))
        if len(call["prompt"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return pipe(**call)

    generator.pipe = small
    told: list[int] = []
    images = generator.generate(REQUESTS[:7], batch_size=5, on_image=told.append)
    assert sizes == [5, 2, 2, 2, 1]
    assert told == [2, 2, 2, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory with 5 images at once; going on with 2"
    ]
    generator.generate(REQUESTS[:4], batch_size=5, on_image=told.append)
    assert sizes[5:] == [2, 2], "what did not fit is not tried again"
    generator.pipe = pipe
    whole = _images(generator, REQUESTS[:7])
    assert np.abs(np.stack(images).astype(int) - np.stack(whole)).max() <= 1


def test_one_image_that_does_not_fit_is_said_in_one_line(folders: dict[str, Path]) -> None:
    generator = _make(folders["sd"])

    def none(**_call: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    generator.pipe = none
    with pytest.raises(ValueError, match=r"^batch_size: memory does not hold one image; .*offload") as error:
        _images(generator, REQUESTS[:3])
    assert "\n" not in str(error.value)


def test_other_errors_pass_through(folders: dict[str, Path]) -> None:
    generator = _make(folders["sd"])

    def broken(**_call: Any) -> Any:
        raise RuntimeError("a fault")

    generator.pipe = broken
    with pytest.raises(RuntimeError, match=r"^a fault$"):
        _images(generator)


def test_struck_images_are_black_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = pipelines.make_stable_diffusion(tmp_path / "strict", safety_checker=True, strict=True)
    generator = _make(folder)
    images = _images(generator, REQUESTS[:2])
    assert not np.stack(images).any()
    assert generator.flagged == {"s0", "s1"}
    assert "the safety checker struck 2 images, which are black: s0, s1" in caplog.text
    assert generator.identity["model.safety_checker"] is True
    off = _make(folder, safety_checker=False)
    assert np.stack(_images(off, REQUESTS[:2])).any()
    assert off.flagged == set()
    assert off.identity["model.safety_checker"] is False
    assert not any(name.startswith("safety_checker/") for name in off.weights)


def test_only_struck_images_are_black(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pipelines.make_stable_diffusion(tmp_path / "lenient", safety_checker=True)
    generator = _make(folder)
    plain = _images(generator, REQUESTS[:3])
    assert np.stack(plain).any(axis=(1, 2, 3)).all()
    assert generator.flagged == set()
    monkeypatch.setattr(
        generator.pipe, "run_safety_checker", lambda image, _device, _dtype: (image, [False, True, False])
    )
    struck = _images(generator, REQUESTS[:3])
    assert generator.flagged == {"s1"}
    assert not struck[1].any()
    assert np.array_equal(struck[0], plain[0])
    assert np.array_equal(struck[2], plain[2])


def test_images_that_are_no_numbers_become_black_and_are_said(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    generator = _make(folders["sd"])
    pipe = generator.pipe

    def overflowing(**call: Any) -> Any:
        made = pipe(**call)
        made.images[1, 0, 0, 0] = np.nan
        return made

    generator.pipe = overflowing
    images = _images(generator, REQUESTS[:2])
    assert images[0].any()
    assert not images[1].any()
    assert "1 images have values that are no numbers and become black" in caplog.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"num_steps": 0}, "num_steps: 0 is not at least 1"),
        ({"scheduler": "NoScheduler"}, r"model\.scheduler: NoScheduler is not a class of diffusers"),
        ({"scheduler": "UNet2DModel"}, r"model\.scheduler: UNet2DModel is not a scheduler"),
        ({"scheduler": "FlowMatchEulerDiscreteScheduler"}, r"model\.scheduler: FlowMatch.* does not go with"),
        (
            {"scheduler_options": {"karras": True}},
            r"model\.scheduler_options\.karras: PNDMScheduler has no such option; it has .*steps_offset",
        ),
        ({"call": {"hight": 16}}, r"model\.call\.hight: StableDiffusionPipeline has no such argument"),
        ({"call": {"generator": 1}}, r"model\.call\.generator: it is set by the run itself"),
        (
            {"call": {"guidance_scale": 2}},
            r"model\.call\.guidance_scale: its own setting is model\.guidance_w",
        ),
        ({"offload": "model"}, r"model\.offload: model moves parts to a GPU"),
        ({"revision": "main"}, r"model\.path: .* is a folder, which has no revisions"),
    ],
)
def test_settings_that_do_not_fit_are_said_in_one_line(
    folders: dict[str, Path], changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}") as error:
        _make(folders["sd"], **changed)
    assert "\n" not in str(error.value)


def test_without_the_library_one_line_says_how_to_get_it(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ValueError, match=r"^model\.generator: .*pip install 'drawbench-eval\[diffusers\]'$"):
        _make(folders["sd"])


def test_a_pipeline_that_makes_no_images_of_text_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(folders["sd"], tmp_path / "copy")
    index = copy / "model_index.json"
    index.write_text(index.read_text().replace('"StableDiffusionPipeline"', '"DDPMPipeline"'))
    with pytest.raises(ValueError, match=r"^model\.path: DDPMPipeline is not called with prompt"):
        _make(copy)
