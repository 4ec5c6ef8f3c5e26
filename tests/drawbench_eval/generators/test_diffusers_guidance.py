"""Our w against what pipelines compute: their networks' outputs, and what reaches their schedulers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drawbench_eval.generators import Request
from drawbench_eval.generators.diffusers import DiffusersGenerator, PipelineSettings, make
from drawbench_eval.generators.pipelines.guidance import FROM_ZERO, USUAL, Guidance, choose_guidance

pytest.importorskip("diffusers", reason="needs the extra diffusers")
pipelines = pytest.importorskip("tiny_pipelines")

# diffusers' schedulers hand tensors to NumPy in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:diffusers.schedulers"
)

REQUESTS = tuple(
    Request(sample_id=f"s{n}", prompt_id=f"p{n}", prompt=prompt, seed=n)
    for n, prompt in enumerate(("a red circle", "two blue squares"))
)
SIDE = {"call": {"height": 16, "width": 16}}
# What the tiny pipelines are called with -> the network whose output is mixed.
GUIDED = {"sd": ({}, "unet"), "sdxl": (SIDE, "unet"), "sd3": (SIDE, "transformer"), "if": ({}, "unet")}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipelines")
    return {
        "sd": pipelines.make_stable_diffusion(root / "sd"),
        "sdxl": pipelines.make_sdxl(root / "sdxl"),
        "sd3": pipelines.make_stable_diffusion_3(root / "sd3"),
        "flux": pipelines.make_flux(root / "flux"),
        "schnell": pipelines.make_flux(root / "schnell", guidance_embeds=False),
        "if": pipelines.make_deepfloyd_if(root / "if")["base"],
    }


def _make(folder: Path, **changed: Any) -> DiffusersGenerator:
    settings = PipelineSettings(**{"path": str(folder), "num_steps": 2, **changed})
    return make(settings, device="cpu", precision="float32")


def _record(
    generator: DiffusersGenerator, network: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Tensor], list[Tensor], list[Mapping[str, Any]]]:
    """What the network gave, what the scheduler got, and what the network was called with, step by step."""
    given: list[Tensor] = []
    got: list[Tensor] = []
    calls: list[Mapping[str, Any]] = []
    module, scheduler = getattr(generator.pipe, network), generator.pipe.scheduler
    forward, step = module.forward, scheduler.step

    def recording_forward(*positional: Any, **named: Any) -> Any:
        result = forward(*positional, **named)
        given.append(result[0])
        calls.append(named)
        return result

    def recording_step(prediction: Tensor, *positional: Any, **named: Any) -> Any:
        got.append(prediction.clone())
        return step(prediction, *positional, **named)

    monkeypatch.setattr(module, "forward", recording_forward)
    monkeypatch.setattr(scheduler, "step", recording_step)
    generator.generate(REQUESTS, batch_size=2, on_image=lambda _: None)
    return given, got, calls


@pytest.mark.parametrize("kind", GUIDED)
def test_the_weight_is_w_of_the_paper(
    folders: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, network = GUIDED[kind]
    generator = _make(folders[kind], guidance_weight=3.0, **changed)
    given, got, _ = _record(generator, network, monkeypatch)
    assert len(given) == len(got) >= 2
    for prediction, reached in zip(given, got, strict=True):
        uncond, cond = prediction.chunk(2)
        # IF's networks predict a variance in further channels, which is not guided.
        channels = 3 if kind == "if" else uncond.shape[1]
        guided = uncond + 3.0 * (cond - uncond)
        assert (guided - cond)[:, :channels].abs().max() > 3e-4, "30 times the tolerance below"
        torch.testing.assert_close(reached[:, :channels], guided[:, :channels])


@pytest.mark.parametrize("kind", GUIDED)
@pytest.mark.parametrize("off", [{"guidance_weight": 1.0}, {"guidance_kind": "none"}])
def test_a_weight_of_1_is_the_conditional_prediction_alone(
    folders: dict[str, Path], kind: str, off: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, network = GUIDED[kind]
    given, got, _ = _record(_make(folders[kind], **off, **changed), network, monkeypatch)
    for prediction, reached in zip(given, got, strict=True):
        assert len(prediction) == len(REQUESTS)
        torch.testing.assert_close(reached, prediction, rtol=0, atol=0)


def test_a_distilled_guidance_is_an_input_and_never_called_a_weight(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = _make(folders["flux"], distilled_guidance=2.5, **SIDE)
    given, got, calls = _record(generator, "transformer", monkeypatch)
    assert [prediction.shape[0] for prediction in given] == [2, 2]
    for prediction, reached in zip(given, got, strict=True):
        torch.testing.assert_close(reached, prediction, rtol=0, atol=0)
    assert [call["guidance"].tolist() for call in calls] == [[2.5, 2.5]] * 2
    assert generator.guidance_kind == "distilled"
    assert generator.identity["model.distilled_guidance"] == 2.5
    assert "model.guidance_weight" not in generator.identity
    assert generator.label == "flux-g2.5"


def test_a_network_without_the_input_has_no_guidance(folders: dict[str, Path]) -> None:
    generator = _make(folders["schnell"], **SIDE)
    assert generator.guidance_kind == "none"
    assert generator.guidance.arguments == {}
    assert not {"model.guidance_weight", "model.distilled_guidance"} & generator.identity.keys()
    assert generator.label == "schnell"


def test_the_pipeline_s_own_default_is_named(folders: dict[str, Path]) -> None:
    assert _make(folders["sd"]).identity["model.guidance_weight"] == 7.5
    assert _make(folders["if"]).identity["model.guidance_weight"] == 7.0
    assert _make(folders["flux"]).identity["model.distilled_guidance"] == 3.5


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        (
            "flux",
            {"guidance_kind": "cfg"},
            r"model\.guidance_kind: cfg is stated, .*FluxPipeline is distilled",
        ),
        ("flux", {"guidance_kind": "none"}, r"model\.guidance_kind: none is stated, .* is distilled"),
        ("schnell", {"guidance_kind": "distilled"}, r"model\.guidance_kind: distilled is stated, .* is none"),
        ("sd", {"guidance_kind": "distilled"}, r"model\.guidance_kind: distilled is stated, .* is cfg"),
        (
            "flux",
            {"guidance_weight": 3.0},
            r"model\.guidance_weight: 3 is not read by guidance of kind distil",
        ),
        (
            "sd",
            {"distilled_guidance": 3.5},
            r"model\.distilled_guidance: 3\.5 is not read by guidance of kind c",
        ),
        ("schnell", {"distilled_guidance": 3.5}, r"model\.distilled_guidance: 3\.5 is not read .* kind none"),
        ("sd", {"guidance_weight": 0.5}, r"model\.guidance_weight: 0\.5 is not at least 1"),
        ("sd", {"guidance_argument": "cfg"}, r"model\.guidance_argument: .* is not called with cfg"),
    ],
)
def test_kinds_and_values_that_do_not_go_together_are_refused(
    folders: dict[str, Path], kind: str, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}") as error:
        _make(folders[kind], **changed)
    assert "\n" not in str(error.value)


NOTHING: dict[str, Any] = {"kind": None, "argument": None, "weight": None, "distilled": None}


def _choose(pipeline: str, parameters: Mapping[str, Any], **changed: Any) -> Guidance:
    return choose_guidance(pipeline, parameters, {}, **{**NOTHING, **changed})


@pytest.mark.parametrize("pipeline", FROM_ZERO)
def test_pipelines_that_count_from_zero(pipeline: str) -> None:
    parameters = {"guidance_scale": 5.0}
    assert _choose(pipeline, parameters, weight=4.0).arguments == {"guidance_scale": 3.0}
    assert _choose(pipeline, parameters, kind="none").arguments == {"guidance_scale": 0.0}
    assert _choose(pipeline, parameters).value == 6.0


def test_a_consistency_model_in_its_teacher_s_pipeline_is_distilled() -> None:
    parameters = {"guidance_scale": 7.5}
    teacher, student = ({"unet": {"time_cond_proj_dim": dim}} for dim in (None, 256))
    chosen = [
        choose_guidance("StableDiffusionPipeline", parameters, configs, **NOTHING)
        for configs in (teacher, student)
    ]
    assert [guidance.kind for guidance in chosen] == ["cfg", "distilled"]


def test_an_unknown_pipeline_needs_its_convention_stated() -> None:
    parameters = {"scale": 4.0, "guidance": 1.0}
    with pytest.raises(ValueError, match=r"^model\.guidance_argument: how NewPipeline takes its guidance"):
        _choose("NewPipeline", parameters)
    stated = _choose("NewPipeline", parameters, argument="scale")
    assert (stated.kind, stated.arguments) == ("cfg", {"scale": 4.0})
    stated = _choose("NewPipeline", parameters, argument="guidance", kind="distilled", distilled=2.0)
    assert (stated.kind, stated.arguments) == ("distilled", {"guidance": 2.0})
    assert _choose("NewPipeline", {"scale": 1.0}, kind="none").arguments == {}
    with pytest.raises(ValueError, match=r"^model\.guidance_weight: a value is needed"):
        _choose("NewPipeline", {"scale": None}, argument="scale")


def test_every_known_pipeline_is_in_the_library_and_takes_the_argument() -> None:
    import inspect

    import diffusers

    from drawbench_eval.generators.pipelines.guidance import DISTILLED

    known = {**dict.fromkeys((*USUAL, *FROM_ZERO), "guidance_scale"), **DISTILLED}
    for pipeline, argument in known.items():
        # It needs a library that the tests do not, and its import warns.
        if pipeline == "KolorsPipeline":
            continue
        assert argument in inspect.signature(getattr(diffusers, pipeline).__call__).parameters, pipeline
