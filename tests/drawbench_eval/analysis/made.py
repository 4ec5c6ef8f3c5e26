"""Runs with given scores, without files: what the analysis takes and nothing else."""

import numpy as np
import pandas as pd

from drawbench_eval.analysis.collect import MetricInfo, Run
from drawbench_eval.analysis.curves import make_curves
from drawbench_eval.runs.record import RunRecord

HIGHER = {"score": True, "diversity": True, "fd_scenes": False, "kid": False, "cost": False}


def infos(*names):
    return {
        name: MetricInfo(name=name, unit="u", higher_is_better=HIGHER[name], protocols={"p": {}})
        for name in names
    }


def make_run(key, *, kind="cfg", columns, distance=None, per_prompt=1, training=None, **factors):
    """A complete run: `columns` name -> values by sample, `distance` the recorded fd_scenes.

    `training`: what its checkpoint has behind it.
    """
    recorded = {name: float(np.nanmean(values)) for name, values in columns.items()}
    if distance is not None:
        recorded["fd_scenes"] = distance
    metrics = {
        name: {
            "value": value,
            "ci95": [value - 1, value + 1],
            "n": len(next(iter(columns.values()))),
            "num_unscored": 0,
            "higher_is_better": HIGHER[name],
            "unit": "u",
            "protocol": {"id": "p", "name": name, "values": {"guidance_kind": kind}},
        }
        for name, value in recorded.items()
    }
    record = RunRecord(
        run_id=key,
        label=key,
        status="complete",
        factors={name.replace("__", "."): value for name, value in factors.items()},
        metrics=metrics,
        counts={},
        named={},
        inputs={"training": training} if training else {},
        environment={},
        timings={},
        config={},
    )
    count = len(next(iter(columns.values())))
    ids = [f"s{index:05d}" for index in range(count)]
    scores = pd.DataFrame(
        {
            "sample_id": ids,
            "prompt_id": [f"p{index // per_prompt:05d}" for index in range(count)],
            "category": "c",
            "seed": range(count),
            **columns,
        }
    )
    return Run(run_id=key, label=key, status="complete", folder=None, record=record), scores


def make_sweep(levels, *, n=200, noise=0.1, seed=0, kinds=None, **names):
    """Runs level x weight: `levels` name -> list of (w, score, distance); noise is shared but for `noise`."""
    rng = np.random.default_rng(seed)
    common, common_fd = rng.normal(size=n), rng.normal(size=n)
    runs, scores = [], {}
    for level, points in levels.items():
        for w, score, distance in points:
            own = noise * rng.normal(size=n)
            influence = common_fd + noise * rng.normal(size=n)
            run, frame = make_run(
                f"{level}-{w:g}",
                kind=(kinds or {}).get(level, "cfg"),
                columns={"score": score + common + own, "fd_scenes": influence - influence.mean()},
                distance=distance,
                **{
                    "model__text_encoder": level,
                    "model__guidance_weight": w,
                    "model__weights__base": level * 8,
                    **names,
                },
            )
            runs.append(run)
            scores[run.run_id] = frame
    return runs, scores, make_curves(runs)
