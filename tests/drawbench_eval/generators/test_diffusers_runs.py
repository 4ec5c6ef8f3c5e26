"""Pipelines through the whole way: the ready configurations, the runner, and what its record says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from drawbench_eval.commands import planning
from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.runs import runner
from drawbench_eval.runs.record import RunRecord
from drawbench_eval.runs.runner import RunPlan

pytest.importorskip("diffusers", reason="needs the extra diffusers")
pipelines = pytest.importorskip("tiny_pipelines")

# diffusers' schedulers hand tensors to NumPy in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:diffusers.schedulers"
)

SMALL = ("model.num_steps=2", "model.call.height=16", "model.call.width=16")


@pytest.fixture(autouse=True)
def _hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    yield
    GlobalHydra.instance().clear()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pipelines")
    pipelines.make_stable_diffusion(root / "stable_diffusion_15")
    pipelines.make_stable_diffusion(root / "strict", safety_checker=True, strict=True)
    pipelines.make_sdxl(root / "sdxl")
    pipelines.make_stable_diffusion_3(root / "sd3")
    pipelines.make_flux(root / "flux")
    pipelines.make_deepfloyd_if(root / "deepfloyd_if")
    return root


def _plan(results: Path, *overrides: str) -> RunPlan:
    prompts = results / "prompts.csv"
    results.mkdir(exist_ok=True)
    prompts.write_text(f"id,prompt\none,a red circle\ntwo,\nlong,{'a' * 80}\n")
    fixed = (
        f"results={results}",
        "prompts=file",
        f"prompts.path={prompts}",
        "prompts.columns.id=id",
        "reference=none",
        "metrics=[scenes_accuracy]",
        "device=cpu",
        "precision=float32",
    )
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = plain(compose("evaluate", overrides=[*fixed, *overrides]))
    return planning.plan_run(planning.evaluate_settings(config), config)


def _run(results: Path, *overrides: str) -> RunRecord:
    return runner.evaluate(_plan(results, *overrides))


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("stable_diffusion_15", "cfg", {"model.guidance_weight": 7.5}),
        ("sdxl", "cfg", {"model.guidance_weight": 5.0}),
        ("sd3", "cfg", {"model.guidance_weight": 7.0}),
        ("flux", "distilled", {"model.distilled_guidance": 3.5}),
    ],
)
def test_the_ready_configurations_run(
    root: Path, tmp_path: Path, name: str, kind: str, value: dict[str, float]
) -> None:
    record = _run(tmp_path, f"model={name}", f"model.path={root / name}", *SMALL)
    assert record.status == "complete"
    assert record.counts["generated"] == 3
    assert record.named["truncated_prompts"] == ["long"]
    assert value.items() <= record.factors.items()
    names = {"model.guidance_weight", "model.distilled_guidance"}
    assert names & record.factors.keys() == value.keys()
    protocol = record.metrics["scenes_accuracy"]["protocol"]["values"]
    assert protocol["guidance_kind"] == record.factors["model.guidance_kind"] == kind
    assert "unet" in str(record.inputs["weights"]) or "transformer" in str(record.inputs["weights"])
    again = _plan(tmp_path, f"model={name}", f"model.path={root / name}", *SMALL, "batch_size=1")
    assert runner.finished(again) is not None


def test_deepfloyd_if_runs(root: Path, tmp_path: Path) -> None:
    stages = [
        override
        for stage in ("base", "sr64", "sr256")
        for override in (f"model.{stage}.path={root / 'deepfloyd_if' / stage}", f"model.{stage}.num_steps=2")
    ]
    chosen = ("model=deepfloyd_if", "model.variant=null", "model.guidance_weight=3", *stages)
    record = _run(tmp_path, *chosen, "model.scheduler=DDIMScheduler", "model.threshold=static")
    assert record.status == "complete"
    assert record.label == "base-w3-static"
    assert record.factors["model.guidance_weight"] == 3
    assert record.factors["model.scheduler"] == "DDIMScheduler"
    assert record.factors["model.sr64.scheduler"] == "DDPMScheduler"
    assert record.named["truncated_prompts"] == ["long"]
    with pytest.raises(ValueError, match=r"^model\.guidance_weight: 0\.5 is not at least 1"):
        _plan(tmp_path, *chosen[:2], *stages, "model.guidance_weight=0.5")
    with pytest.raises(ValueError, match=r"^model\.threshold: clip is not one of none, static, dynamic"):
        _plan(tmp_path, *chosen, "model.threshold=clip")


def test_struck_images_are_counted_and_not_scored(root: Path, tmp_path: Path) -> None:
    record = _run(tmp_path, "model=diffusers", f"model.path={root / 'strict'}", *SMALL)
    assert record.status == "complete"
    assert record.counts["blank"] + record.counts["flagged"] == 3
    assert record.metrics["scenes_accuracy"]["n"] == 0
    assert record.metrics["scenes_accuracy"]["num_unscored"] == 3


def test_an_interrupted_run_goes_on_where_it_stopped(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ("model=diffusers", f"model.path={root / 'stable_diffusion_15'}", *SMALL, "batch_size=1")
    plan = _plan(tmp_path / "a", *overrides)
    generator = plan.samples.plan.generator  # type: ignore[attr-defined]
    sample, calls = generator._sample, []

    def failing(batch: object) -> object:
        calls.append(batch)
        if len(calls) == 3:
            raise RuntimeError("a fault")
        return sample(batch)

    monkeypatch.setattr(generator, "_sample", failing)
    with pytest.raises(runner.RunFailed, match="a fault"):
        runner.evaluate(plan)
    record = _run(tmp_path / "a", *overrides)
    assert record.status == "complete"
    assert record.timings["images_made"] == 1
    whole = _run(tmp_path / "b", *overrides)

    def images(results: Path, of: RunRecord) -> list[bytes]:
        (folder,) = (results / "runs").glob(f"*-{of.run_id}")
        return [path.read_bytes() for path in sorted((folder / "samples").glob("*.png"))]

    assert images(tmp_path / "a", record) == images(tmp_path / "b", whole)
