from dataclasses import replace

from drawbench_eval.analysis.collect import Run, read_runs
from drawbench_eval.analysis.curves import make_curves
from drawbench_eval.runs.record import RunRecord


def make_run(**factors):
    key = "-".join(f"{value}" for value in factors.values())
    record = RunRecord(
        run_id=key,
        label=key,
        status="complete",
        factors={name.replace("__", "."): value for name, value in factors.items()},
        metrics={},
        counts={},
        named={},
        inputs={},
        environment={},
        timings={},
        config={},
    )
    return Run(run_id=key, label=key, status="complete", folder=None, record=record)


def test_one_curve_per_mode_in_order_of_weight(results):
    curves = make_curves(read_runs(results))
    assert [curve.name for curve in curves] == ["none", "static", "dynamic"]
    assert all(curve.weights == (1, 1.5, 2.5, 4, 8) for curve in curves)
    assert curves[2].at(4).label == "dynamic-w4"
    # The percentile is null outside dynamic thresholding: it follows the mode and is not named.
    assert all(curve.context == "" for curve in curves)


def test_another_setting_that_varies_makes_curves_of_its_own():
    runs = [
        make_run(model__threshold=mode, model__guidance_weight=w, model__num_steps=steps)
        for mode in ("dynamic", "static")
        for w in (4, 1)
        for steps in (8, 16)
    ]
    curves = make_curves(runs)
    assert [curve.name for curve in curves] == [
        "static, num_steps 16",
        "static, num_steps 8",
        "dynamic, num_steps 16",
        "dynamic, num_steps 8",
    ]
    assert curves[0].weights == (1, 4)


def test_a_model_without_weight_or_mode_is_a_point_of_its_own():
    curves = make_curves([make_run(model__name="folder")])
    assert len(curves) == 1
    assert curves[0].weights == (1.0,)
    assert curves[0].name == "folder"


def test_images_made_elsewhere_go_by_their_label_and_others_by_their_settings():
    found = [
        replace(make_run(model__generator="folder", model__samples_sha256=sha * 8), label=label)
        for sha, label in (("a", "glide"), ("b", "dalle"), ("c", "dalle"))
    ]
    made = [
        make_run(model__generator="imagen", model__guidance_weight=w, model__text_encoder=encoder)
        for w in (1, 3)
        for encoder in ("small", "large")
    ]
    curves = make_curves([*found, *made])
    assert [curve.name for curve in curves] == [
        "dalle bbbbbbbb", "dalle cccccccc", "glide", "large", "small",
    ]  # fmt: skip
    assert [curve.point(curve.weights[-1]) for curve in curves[2:4]] == ["glide", "large, w = 3"]
    assert [curve.is_set for curve in curves] == [True, True, True, False, False]
    # The same images measured in two ways are told apart by what differs.
    ways = [
        replace(make_run(model__samples_sha256="a", samples__size=side), label="glide") for side in (64, 256)
    ]
    assert sorted(curve.name for curve in make_curves(ways)) == [
        "glide, samples.size 256", "glide, samples.size 64",
    ]  # fmt: skip


def test_with_metrics_drops_runs_without_a_value(results):
    curve = make_curves(read_runs(results))[2]
    run = curve.runs[1]
    emptied = {**run.metrics, "fd_scenes": {**run.metrics["fd_scenes"], "value": None}}
    damaged = replace(run, record=replace(run.record, metrics=emptied))
    curve = replace(curve, runs=(curve.runs[0], damaged, *curve.runs[2:]))
    assert curve.with_metrics(["scenes_clip_score"]).weights == (1, 1.5, 2.5, 4, 8)
    assert curve.with_metrics(["fd_scenes", "scenes_clip_score"]).weights == (1, 2.5, 4, 8)
