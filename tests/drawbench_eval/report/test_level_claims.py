"""Reports on sweeps about the paper's ablations: encoders, trainings, a super-resolution's guidance."""

import json

import pytest

from drawbench_eval.analysis.findings import Finding
from drawbench_eval.report.about import about, findings_json
from drawbench_eval.report.blocks import Picture, Verdicts
from drawbench_eval.report.data import load_sweep
from drawbench_eval.report.document import to_pdf
from drawbench_eval.report.html import to_html
from drawbench_eval.report.sections import build_report


@pytest.fixture(scope="module")
def encoders(synthetic, tmp_path_factory):
    """Of two encoders the large one aligns better at large weights."""

    def change(record, better, _):
        name = "t5_large" if better else "t5_small"
        record["factors"] |= {"model.text_encoder": name, "model.weights.base": name * 8}

    return load_sweep(synthetic.rewritten(tmp_path_factory.mktemp("encoders"), change))


@pytest.fixture(scope="module")
def levels(synthetic, tmp_path_factory):
    """Two levels of augmentation over the super-resolution's weight."""

    def change(record, better, w):
        record["factors"] |= {
            "model.guidance_weight": 3.0,
            "model.sr64.guidance_weight": w,
            "model.aug_level": 0.4 if better else 0.0,
        }

    return load_sweep(synthetic.rewritten(tmp_path_factory.mktemp("levels"), change))


@pytest.fixture(scope="module")
def trainings(synthetic, tmp_path_factory):
    """Two bases by their checkpoints."""

    def change(record, better, _):
        series = "base_large" if better else "base_small"
        record["factors"]["model.weights.base"] = series * 8
        record["inputs"]["training"] = {"stage": "base", "series": series, "step": 5000, "images": 1_280_000}

    return load_sweep(synthetic.rewritten(tmp_path_factory.mktemp("trainings"), change))


def of(data, key) -> list[Finding]:
    return [finding for finding in data.findings if finding.key == key]


def test_a_sweep_of_encoders_tests_the_claims_about_their_size(encoders):
    aligned = of(encoders, "encoder_size_alignment")
    assert [finding.metric for finding in aligned] == ["scenes_clip_score", "scenes_accuracy"]
    assert aligned[0].verdict == "seen"
    assert {f.key for f in encoders.findings if f.key.startswith(("unet", "aug", "percentile"))} == set()
    report = build_report(encoders)
    said = " ".join(report.answer)
    assert "a larger text encoder aligns better at equal guidance" in said
    assert "on guidance and thresholding" not in said
    first = next(
        block for section in report.sections for block in section.blocks if isinstance(block, Verdicts)
    )
    assert first.rows[0][0] == "A larger text encoder aligns better at equal guidance"
    assert "All runs together:" in to_html(report)
    assert to_pdf(report).startswith(b"%PDF-")
    assert findings_json(encoders)[0]["num_trainings"] == 1


def test_a_sweep_of_a_super_resolutions_weight_has_curves_over_it(levels):
    assert [(curve.name, curve.weights, curve.weight_key) for curve in levels.curves] == [
        ("aug_level 0", (1.0, 2.5, 8.0), "model.sr64.guidance_weight"),
        ("aug_level 0.4", (1.0, 2.5, 8.0), "model.sr64.guidance_weight"),
    ]
    assert levels.title == "Sr64 guidance weight and aug level"
    assert levels.fronts
    (wider, _) = of(levels, "aug_level_range")
    assert "of aug level 0.4 differs by" in wider.sentence
    assert {finding.key for finding in levels.findings} == {
        "aug_level_range",
        "aug_level_range_early",
        "aug_level_distance",
    }
    weights = next(picture for picture in build_report(levels).pictures() if picture.name == "weights")
    assert isinstance(weights, Picture)
    assert weights.caption.startswith("Each metric against the sr64 guidance weight")
    assert "of aug level 0" in of(levels, "aug_level_distance")[0].sentence


def test_one_curve_over_the_super_resolutions_weight_is_a_control(synthetic, tmp_path):
    def change(record, better, w):
        record["factors"] |= {"model.guidance_weight": 3.0, "model.sr64.guidance_weight": w}
        record["status"] = "complete" if better else "failed"

    data = load_sweep(synthetic.rewritten(tmp_path, change))
    assert {finding.key for finding in data.findings} == {"sr_rise", "sr_distance"}
    (rise, _) = of(data, "sr_rise")
    assert (rise.verdict, rise.expected) == ("differs", None)
    assert rise.sentence.startswith("Over the sr64 guidance weight the scenes CLIP score changes by +0.0")
    report = build_report(data)
    assert "2 controls, tested by" in " ".join(report.answer)
    assert "of the Imagen paper" not in " ".join(report.answer)
    assert 'class="verdict differs"' in to_html(report)
    assert to_pdf(report).startswith(b"%PDF-")


def test_trainings_are_levels_of_an_ablation(trainings):
    assert sorted(curve.name for curve in trainings.curves) == ["base_large", "base_small"]
    (ablation,) = trainings.ablations
    assert ablation.plan.factor == "model.training"
    (aligned, _) = of(trainings, "unet_size_alignment")
    assert "training base_large (0.24" in aligned.sentence
    assert "for each factor of ten in parameters" in aligned.sentence
    assert aligned.tens == pytest.approx(0.8668, abs=1e-4)


def test_what_a_report_rests_on(encoders):
    found = about(encoders)
    assert (found.sweep, found.num_planned, found.num_images) == ("", 8, 6 * 66)
    assert set(found.seconds.values()) == {13.75}
    assert len(found.seconds) == 6
    assert found.devices == ["cpu"]


def test_of_several_settings_the_first_swept_is_ablated_in_a_block_for_each_other(synthetic, tmp_path):
    def change(record, better, w):
        record["factors"] |= {
            "model.guidance_weight": 3.0,
            "model.aug_level": 0.2 if better else 0.0,
            "model.num_steps": 8 * w,
        }

    synthetic.rewritten(tmp_path, change)
    path = tmp_path / "sweeps" / "guidance_x_threshold.json"
    record = json.loads(path.read_text())
    for swept, factor in (
        (("model.aug_level", "model.num_steps"), "model.aug_level"),
        (("model.guidance_weight", "model.num_steps", "model.aug_level"), "model.num_steps"),
    ):
        path.write_text(json.dumps({**record, "swept": {key: [] for key in swept}}))
        data = load_sweep(tmp_path, "guidance_x_threshold")
        assert {one.plan.factor for one in data.ablations} == {factor}
        assert len(data.ablations) == {"model.aug_level": 3, "model.num_steps": 2}[factor]
        assert all(one.context for one in data.ablations)
    # Without a sweep nothing says which of them is meant.
    assert load_sweep(tmp_path).ablations == ()
