"""Every key of `evaluate` is changed, and the run's id has to change with it, or has to stay.

A key that stands in neither table makes a test fail: whoever adds one decides on which side it falls. One
that changes numbers is to be left out of the hash at the value that earlier versions had without it, so that
their runs are found again (`runs.identity.INTRODUCED_AS`).
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from drawbench_eval.commands import planning
from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.kept import Kept
from drawbench_eval.commands.points import configurations
from drawbench_eval.runs.identity import flatten
from drawbench_eval.scenes.scorers import WEIGHTS

METRICS = sorted(path.stem for path in (conf_folder() / "metrics").glob("*.yaml"))
# What a run without images and without weights from elsewhere is planned with.
HERE = ("prompts.limit=5",)
# Files of other people's weights: an id needs their hash alone.
CLIP = (*HERE, "metrics=[clip_score]", "clip.pretrained=a.pt")
INCEPTION = (*HERE, "weights.inception=a.pt", "weights.allow_unverified=true")

Case = tuple[Sequence[str], Sequence[str]]


def _here(*change: str) -> Case:
    return HERE, change


def _of(metric: str, change: str, *more: str) -> Case:
    return (*INCEPTION, f"metrics=[{metric}]", *more), (f"metrics.{metric}.{change}",)


# What every stage can be asked for, at other than the default.
STAGE = {
    "guidance_weight": "2",
    "threshold": "static",
    "percentile": "0.9",
    "interpolation": "lower",
    "sampler": "ddim",
    "num_steps": "15",
    "gamma": "0.5",
    "eta": "0.5",
}
# Key -> what a run is made with, and a change that makes other numbers. Short names reach their stage.
INSIDE: dict[str, Case] = {
    "seed": _here("seed=1"),
    "target_ci": (
        (*HERE, "metrics=[scenes_accuracy]", "num_images_per_prompt=4"),
        ("target_ci={scenes_accuracy: 0.1}",),
    ),
    "num_images_per_prompt": _here("num_images_per_prompt=2"),
    "precision": ((*HERE, "precision=float32"), ("precision=bfloat16",)),
    "scores": _here("scores=scores.csv"),
    "clip.model": (CLIP, ("clip.model=ViT-B-32",)),
    "clip.pretrained": (CLIP, ("clip.pretrained=b.pt",)),
    "clip.activation": ((*CLIP, "clip.model=ViT-B-32"), ("clip.activation=gelu",)),
    "prompts.source": (
        (*HERE, "metrics=[scenes_accuracy]", "reference=none"),
        ("prompts=file", "prompts.path=prompts.csv"),
    ),
    "prompts.split": _here("prompts.split=validation"),
    "prompts.limit": _here("prompts.limit=6"),
    "reference.source": ((*HERE, "metrics=[scenes_accuracy]"), ("reference=none",)),
    "reference.per_prompt": _here("reference.per_prompt=11"),
    "reference.seed": _here("reference.seed=1"),
    "reference.palette": _here("reference.palette=saturated"),
    "samples.size": _here("samples.size=32"),
    "samples.crop": _here("samples.crop=center"),
    "samples.filter": ((*HERE, "samples.size=32"), ("samples.filter=box",)),
    "samples.codec": _here("samples.codec=jpeg"),
    "samples.quality": ((*HERE, "samples.codec=jpeg"), ("samples.quality=90",)),
    "metrics.clip_score.view": (CLIP, ("metrics.clip_score.view=x100",)),
    "metrics.clip_score.prefix": (CLIP, ("metrics.clip_score.prefix='A photo of '",)),
    **{
        f"metrics.{name}.extractor": _of(name, "extractor=scenes")
        for name in ("coverage", "density", "precision", "recall", "diversity")
    },
    **{
        f"metrics.{name}.resize": _of(name, "resize=tf1")
        for name in METRICS
        if name in ("coverage", "density", "precision", "recall", "diversity", "fid", "fid_infinity", "kid")
    },
    **{f"metrics.{name}.k": _of(name, "k=3") for name in ("coverage", "density", "precision", "recall")},
    "metrics.fid_infinity.seed": _of("fid_infinity", "seed=1"),
    "model.generator": _here("model.generator=double"),
    "model.text_encoder": ((*HERE, "model.path=copy"), ("model.text_encoder=t5_other",)),
    "model.guidance_weight": _here("model.guidance_weight=2"),
    "model.threshold": _here("model.threshold=static"),
    "model.percentile": _here("model.percentile=0.9"),
    "model.interpolation": _here("model.interpolation=lower"),
    "model.sampler": _here("model.sampler=ddim"),
    "model.num_steps": _here("model.num_steps=15"),
    "model.aug_level": _here("model.aug_level=0.2"),
    **{
        f"model.{stage}.{key}": _here(f"model.{stage}.{key}={value}")
        for stage in ("base", "sr64")
        for key, value in STAGE.items()
    },
    "model.sr64.aug_level": _here("model.sr64.aug_level=0.2"),
    "model.sr64.corruption": _here("model.sr64.corruption=0.2"),
    "model.low_res_seed": _here("model.low_res_seed=0"),
    "model.last": _here("model.last=base"),
    # By its hash: the packaged base under another path is the same run.
    "model.checkpoint": _here("model.checkpoint=other_base.safetensors"),
}
# Key -> the same with a change that makes no other numbers: paths, pace, what is said and kept.
OUTSIDE: dict[str, Case] = {
    "results": _here("results=elsewhere"),
    "batch_size": _here("batch_size=7"),
    # Its class is recorded with what was made on it; precision, which it may decide, is inside.
    "device": ((*HERE, "precision=float32"), ("device=cpu",)),
    "label": _here("label=other"),
    "sweep": _here("sweep=other"),
    "keep_stages": _here("keep_stages=false"),
    "keep_samples": _here("keep_samples=none"),
    "ranks": _here("ranks=2"),
    "forecast": _here("forecast=true"),
    "retry_failed": _here("retry_failed=true"),
    "check_only": _here("check_only=true"),
    "allow_incomplete": _here("allow_incomplete=true"),
    "weights.inception": ((*INCEPTION, "metrics=[fid]"), ("weights.inception=same.pt",)),
    "weights.dinov2": _here("weights.dinov2=elsewhere"),
    "weights.cache": _here("weights.cache=elsewhere"),
    # What is then used is in by its hash.
    "weights.allow_unverified": _here("weights.allow_unverified=true"),
    "clip.cache": (CLIP, ("clip.cache=elsewhere",)),
    "metrics.fd_scenes.weights": _here("metrics.fd_scenes.weights=image_scorer.safetensors"),
    "metrics.scenes_clip_score.weights": _here("metrics.scenes_clip_score.weights=clip_scorer.safetensors"),
    "model.path": _here("model.path=copy"),
    "model.one_at_a_time": _here("model.one_at_a_time=true"),
    # Not read: the packaged model has no third stage.
    **{f"model.sr256.{key}": _here(f"model.sr256.{key}={value}") for key, value in STAGE.items()},
    "model.sr256.aug_level": _here("model.sr256.aug_level=0.2"),
    "model.sr256.corruption": _here("model.sr256.corruption=0.2"),
}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with what the cases name."""
    from imagen_ref import pretrained
    from imagen_ref.stage import Stage, save_stage

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(planning.GENERATORS, "double", ("DoubleSettings", "doubles"))
    GlobalHydra.instance().clear()
    for name, content in {"a.pt": b"a", "same.pt": b"a", "b.pt": b"b"}.items():
        Path(name).write_bytes(content)
    for scorer in ("image_scorer", "clip_scorer"):
        Path(f"{scorer}.safetensors").symlink_to(WEIGHTS / f"{scorer}.safetensors")
    packaged_base = Path(next(iter(pretrained.__path__))) / "scenes" / "base.safetensors"
    base = Stage.load(packaged_base)
    save_stage(Path("other_base.safetensors"), base.config, base.network.state_dict(), training={"step": 1})
    Path("prompts.csv").write_text("prompt\na red circle\n")
    packaged = Path(next(iter(pretrained.__path__))) / "scenes"
    shutil.copytree(packaged, "copy", ignore=shutil.ignore_patterns("cascade.json"))
    shutil.copytree("copy/t5_middle", "copy/t5_other")
    about = json.loads((packaged / "cascade.json").read_text())
    about["text_encoders"]["t5_other"] = about["text_encoders"]["t5_middle"]
    Path("copy/cascade.json").write_text(json.dumps(about))


def _ids(cases: Mapping[str, Case]) -> dict[str, tuple[str, str]]:
    """Key -> the ids of the run before and after the change."""
    pairs = [words for base, change in cases.values() for words in (base, [*base, *change])]
    kept, ids = Kept(), []
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        for config in configurations("evaluate", pairs):
            values = plain(config)
            settings = planning.evaluate_settings(values)
            if settings.scores is not None:
                samples = planning.plan_samples(settings, kept=kept)
                rows = "\n".join(f"{sample_id},1" for sample_id in samples.sample_paths())
                Path(str(settings.scores)).write_text(f"sample_id,mine\n{rows}\n")
            ids.append(planning.plan_run(settings, values, kept=kept).run_id)
    return dict(zip(cases, zip(ids[::2], ids[1::2], strict=True), strict=True))


def test_every_key_has_a_side() -> None:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        values = plain(compose("evaluate", [f"metrics=[{','.join(METRICS)}]"]))
    undecided = set(flatten(values)) ^ (set(INSIDE) | set(OUTSIDE))
    assert not undecided
    assert not set(INSIDE) & set(OUTSIDE)


def test_what_changes_numbers_is_another_run() -> None:
    assert [key for key, (before, after) in _ids(INSIDE).items() if before == after] == []


def test_what_changes_no_number_is_the_same_run() -> None:
    assert [key for key, (before, after) in _ids(OUTSIDE).items() if before != after] == []
