"""A results folder as the contract fixes it, made from a few formulas that behave as the paper says."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from drawbench_eval.protocol import Protocol
from drawbench_eval.runs.identity import run_id
from drawbench_eval.runs.record import RunRecord, write_record
from drawbench_eval.runs.sweep import SweepRecord, write_sweep
from drawbench_eval.samples import Sample, SampleSet, save_image
from drawbench_eval.stats.clustered import clustered_mean, share_interval

MODES = ("none", "static", "dynamic")
WEIGHTS = (1, 1.5, 2.5, 4, 8)
CATEGORIES = (
    "Colors",
    "Conflicting",
    "Counting",
    "DALL-E",
    "Descriptions",
    "Gary Marcus et al.",
    "Misspellings",
    "Positional",
    "Rare Words",
    "Reddit",
    "Text",
)
HOSTILE = 'a #strong[red] square & "two" <b>circles</b> $x^2$ @ref */ \\ }'
COLORS = {"red": (200, 60, 50), "green": (70, 160, 80), "blue": (60, 90, 190), "yellow": (220, 200, 70)}
KINDS = ("color", "count", "relation", "text")


@dataclass(frozen=True, kw_only=True)
class World:
    """What the formulas make: alignment and distance by mode and weight; `turn` is the static fall."""

    turn: float = 0.006
    num_prompts: int = 33
    per_prompt: int = 2

    def alignment(self, mode: str, w: float) -> float:
        """A cosine: it rises and saturates; static turns down, none more so."""
        fall = {"dynamic": 0.0, "static": self.turn, "none": 4 * self.turn}[mode]
        return 0.20 + 0.08 * (1 - np.exp(-(w - 1) / 1.2)) - fall * max(w - 2.0, 0.0)

    def distance(self, mode: str, w: float) -> float:
        """A Frechet distance with its minimum near w = 1.7, steeper without dynamic thresholding."""
        slope = {"dynamic": 1.0, "static": 1.6, "none": 9.0}[mode]
        return 30 + 12 * (w - 1.7) ** 2 / (1 + 0.4 * w) * (1 if w < 1.7 else slope)


def write_results(results: Path, *, world: World = World(), modes=MODES, weights=WEIGHTS) -> Path:
    """Complete runs for modes x weights, and three planned ones that failed, broke off or never began."""
    prompts = _prompts(world)
    ids, labels = [], []
    for mode in modes:
        for w in weights:
            record = _write_run(results, world, prompts, mode, w)
            ids.append(record.run_id)
            labels.append(record.label)
    for mode, end in (("none", "failed"), ("static", "unfinished"), ("dynamic", "missing")):
        factors = _factors(mode, 20)
        label, key = f"{mode}-w20", run_id(factors)
        ids.append(key)
        labels.append(label)
        folder = results / "runs" / f"{label}-{key}"
        if end == "failed":
            _record(folder, label, factors, {}, world, error="RuntimeError: the image holds a NaN")
        elif end == "unfinished":
            folder.mkdir(parents=True)
    overrides = ["experiment=guidance_x_threshold", "model.guidance_weight=1,1.5,2.5,4,8,20"]
    swept = {"model.threshold": list(modes), "model.guidance_weight": [*weights, 20]}
    write_sweep(
        results,
        SweepRecord(
            name="guidance_x_threshold", created_from=overrides, swept=swept, run_ids=ids, labels=labels
        ),
    )
    return results


def _prompts(world: World) -> pd.DataFrame:
    rows = []
    for index in range(world.num_prompts):
        color = list(COLORS)[index % len(COLORS)]
        number = ("a", "two", "three")[index % 3]
        text = f"{number} {color} square{'s' * (index % 3 > 0)}"
        rows.append(
            {
                "prompt_id": f"p{index:03d}",
                "prompt": HOSTILE if index == 0 else text,
                "category": CATEGORIES[index % len(CATEGORIES)],
                "color": color,
                "ease": np.sin(7.0 * index),
            }
        )
    return pd.DataFrame(rows)


def _factors(mode: str, w: float) -> dict[str, object]:
    return {
        "model.name": "scenes",
        "model.version": 1,
        "model.weights.base": "5b0c" * 16,
        "model.weights.sr64": "77aa" * 16,
        "model.text_encoder": "t5_middle",
        "model.guidance_weight": w,
        "model.threshold": mode,
        "model.percentile": 0.995 if mode == "dynamic" else None,
        "model.interpolation": "linear",
        "model.sampler": "ddim",
        "model.num_steps": 16,
        "model.aug_level": 0.1,
        "model.sr64.guidance_weight": 1.0,
        "prompts.name": "scenes",
        "prompts.sha256": "0123" * 16,
        "reference.name": "scenes",
        "seed": 0,
        "num_images_per_prompt": 2,
        "metrics.fd_scenes.version": 1,
    }


def _scores(world: World, prompts: pd.DataFrame, mode: str, w: float) -> pd.DataFrame:
    # The shared noise is that of prompt and seed, the same in every run: it makes the pairs tight.
    shared = np.random.default_rng(1).normal(size=(len(prompts), world.per_prompt, 3))
    own = np.random.default_rng([2, MODES.index(mode), int(100 * w)]).normal(size=shared.shape)
    noise = 0.9 * shared + 0.3 * own
    rows = []
    for p, prompt in prompts.iterrows():
        for i in range(world.per_prompt):
            score = world.alignment(mode, w) + 0.02 * prompt["ease"] + 0.01 * noise[p, i, 0]
            right = {
                kind: float(score + 0.03 * noise[p, i, 1] > 0.17 + 0.02 * k) for k, kind in enumerate(KINDS)
            }
            right = {kind: v if (p + k) % 3 else np.nan for k, (kind, v) in enumerate(right.items())}
            unreadable = float(mode == "none" and w >= 8 and noise[p, i, 2] > 0)
            rows.append(
                {
                    "sample_id": f"{prompt['prompt_id']}-{i:02d}",
                    "prompt_id": prompt["prompt_id"],
                    "category": prompt["category"],
                    "seed": 1000 + 10 * p + i,
                    "scenes_clip_score": score,
                    "scenes_accuracy": float(all(v != 0 for v in right.values()) and not unreadable),
                    "scenes_accuracy.unreadable": unreadable,
                    **{f"scenes_accuracy.{kind}": v for kind, v in right.items()},
                    "fd_scenes": 12 * noise[p, i, 1] + 4 * prompt["ease"],
                }
            )
    scores = pd.DataFrame(rows)
    scores["fd_scenes"] -= scores["fd_scenes"].mean()
    return scores


def _write_run(results: Path, world: World, prompts: pd.DataFrame, mode: str, w: float) -> RunRecord:
    factors = _factors(mode, w)
    label = f"{mode}-w{w:g}"
    folder = results / "runs" / f"{label}-{run_id(factors)}"
    scores = _scores(world, prompts, mode, w)
    samples = []
    for p, prompt in prompts.iterrows():
        for i in range(world.per_prompt):
            # One image per category is enough for the grids.
            path = f"{prompt['prompt_id']}-{i:02d}.png" if i == 0 and p < len(CATEGORIES) else ""
            digest = save_image(folder / "samples" / path, _image(prompt, p, i, mode, w)) if path else ""
            samples.append(
                Sample(
                    sample_id=f"{prompt['prompt_id']}-{i:02d}",
                    prompt_id=prompt["prompt_id"],
                    prompt=prompt["prompt"],
                    category=prompt["category"],
                    seed=1000 + 10 * p + i,
                    path=path,
                    sha256=digest,
                )
            )
    SampleSet.write(folder / "samples", samples, made_by=factors)
    scores.to_parquet(folder / "scores.parquet")
    metrics = {}
    for name, unit in (
        ("scenes_clip_score", "cosine"),
        ("scenes_accuracy", "share"),
        ("fd_scenes", "squared feature distance"),
    ):
        mean = clustered_mean(scores[name], scores["prompt_id"])
        if name == "fd_scenes":
            mean = mean.moved_to(world.distance(mode, w))
        protocol = Protocol(name=name, values={"metric": name, "version": 1, "n_requested": len(scores)})
        metrics[name] = {
            "value": mean.value,
            "ci95": list(share_interval(mean) if unit == "share" else mean.interval()),
            "n": mean.n,
            "num_unscored": 0,
            "higher_is_better": name != "fd_scenes",
            "unit": unit,
            "protocol": {"id": protocol.id, "name": name, "values": dict(protocol.values)},
        }
    return _record(folder, label, factors, metrics, world, error=None)


def _record(folder, label, factors, metrics, world: World, error: str | None) -> RunRecord:
    n = world.num_prompts * world.per_prompt
    record = RunRecord(
        run_id=run_id(factors),
        label=label,
        status="failed" if error else "complete",
        factors=factors,
        metrics=metrics,
        counts={"requested": n, "generated": n, "missing": 0, "unreadable": 0, "truncated_prompts": 0},
        named={"missing": [], "unreadable": [], "truncated_prompts": []},
        inputs={
            "prompts": {"name": "scenes", "sha256": "0123" * 16},
            "reference": {"name": "scenes", "sha256": "89ab" * 16},
            "weights": {"base": "5b0c" * 16, "sr64": "77aa" * 16, "scorer_image": "c0de" * 16},
        },
        environment={
            "versions": {"python": "3.11.7", "torch": "2.15.0", "drawbench_eval": "0.1.0"},
            "device": "cpu",
            "precision": "bfloat16",
            "git": {"commit": "0f" * 20, "modified": False},
        },
        timings={"generate_s": 12.5, "score_s": 1.25, "images_made": n, "images_per_s": 5.8},
        config={},
        error=error,
    )
    write_record(folder, record)
    return record


def _image(prompt, p: int, i: int, mode: str, w: float) -> np.ndarray:
    contrast = 0.7 + {"none": 0.25, "static": 0.12, "dynamic": 0.04}[mode] * w
    y, x = np.mgrid[:64, :64]
    image = np.full((64, 64, 3), 200.0) + 8 * np.sin(x / 9 + p)[..., None]
    for k in range(p % 3 + 1):
        inside = (abs(x - 16 - 16 * k) < 7) & (abs(y - 32 + 8 * (k % 2)) < 7)
        image[inside] = COLORS[prompt["color"]]
    noise = np.random.default_rng([p, i]).normal(size=image.shape) * 6 * contrast
    return np.clip(128 + contrast * (image - 128) + noise, 0, 255).astype(np.uint8)


def rewritten(folder, change):
    """Synthetic runs of two modes, each with other settings in place of its mode and weight."""
    write_results(folder, modes=("static", "dynamic"), weights=(1, 2.5, 8))
    for path in folder.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        factors = record["factors"]
        mode, w = factors["model.threshold"], factors["model.guidance_weight"]
        factors |= {"model.threshold": "dynamic", "model.percentile": 0.995}
        change(record, mode == "dynamic", w)
        path.write_text(json.dumps(record))
    return folder
