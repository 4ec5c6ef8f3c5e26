import dataclasses
import re
from collections import Counter

import pytest

from drawbench_eval.analysis.collect import read_runs
from drawbench_eval.analysis.curves import make_curves
from drawbench_eval.analysis.mechanism import find
from drawbench_eval.analysis.paired import read_scores

BOTH = ("scenes_clip_score", "scenes_accuracy")


def findings(results, *, keep=lambda run: True, alignments=BOTH, distance="fd_scenes"):
    runs = [run for run in read_runs(results) if run.status == "complete" and keep(run)]
    scores = {run.run_id: read_scores(run) for run in runs}
    return find(make_curves(runs), scores, alignments=alignments, distance=distance)


@pytest.fixture(scope="module")
def found(results):
    return findings(results)


def verdicts(found, metric="scenes_clip_score"):
    return {
        finding.key: finding.verdict
        for finding in found
        if finding.metric in (metric, "fd_scenes") and finding.expected is not None
    }


def test_a_world_that_behaves_as_the_paper_says(found):
    assert set(verdicts(found).values()) == {"seen"}
    assert len(found) == 7 * 2 + 1 + 2 * 2
    assert all(finding.n == 66 and finding.num_prompts == 33 for finding in found)


def test_estimates_are_those_of_the_formulas(results, synthetic):
    world = synthetic.World()
    found = {finding.key: finding for finding in findings(results, alignments=("scenes_clip_score",))}
    truth = {
        "rise": world.alignment("dynamic", 8) - world.alignment("dynamic", 1),
        "turn": world.alignment("static", 4) - world.alignment("static", 8),
        "plateau": world.alignment("dynamic", 4) - world.alignment("dynamic", 8),
        "none_alignment": world.alignment("none", 8) - world.alignment("dynamic", 8),
    }
    for key, value in truth.items():
        assert found[key].estimate == pytest.approx(value, abs=0.002)
    assert found["early_minimum"].estimate == 8 - 1.5
    expected = world.distance("none", 8) - world.distance("dynamic", 8)
    assert found["none_distance"].estimate == pytest.approx(expected)


def test_a_world_without_the_static_fall_says_so(synthetic, tmp_path):
    world = synthetic.World(turn=0.0, num_prompts=22)
    found = findings(
        synthetic.write_results(tmp_path, world=world, modes=("static", "dynamic")),
        alignments=("scenes_clip_score",),
    )
    got = verdicts(found)
    assert got["turn"] == "opposite"
    assert got["steeper"] == "not resolved"
    assert got["rise"] == "seen"
    assert got["none_alignment"] == got["none_distance"] == "not testable with these runs"


@pytest.mark.parametrize(
    ("keep", "testable"),
    [
        (lambda run: run.factors["model.threshold"] == "dynamic", {"rise", "early_minimum", "plateau"}),
        (
            lambda run: run.factors["model.threshold"] == "static",
            {"rise", "early_minimum", "early_minimum_static", "turn"},
        ),
        (lambda run: run.factors["model.guidance_weight"] == 1, set()),
        (lambda run: run.factors["model.guidance_weight"] == 4, {"none_alignment", "none_distance"}),
    ],
)
def test_subsets_use_what_is_there(results, keep, testable):
    found = findings(results, keep=keep, alignments=("scenes_clip_score",))
    assert {f.key for f in found if not f.verdict.startswith("not testable")} == testable
    for finding in found:
        if finding.verdict.startswith("not testable"):
            assert finding.estimate is None
            assert finding.sentence.startswith("Testing this needs ")


def test_without_distance_or_alignment(results):
    keys = {f.key for f in findings(results, distance=None) if not f.verdict.startswith("not testable")}
    assert keys == {"rise", "turn", "plateau", "steeper", "none_alignment"}
    found = findings(results, alignments=())
    assert [(f.key, f.verdict) for f in found] == [("none_distance", "seen")]


def test_sentences_are_made_from_the_numbers(found, synthetic, tmp_path):
    number = re.compile(r"[+−]\d")
    for finding in found:
        assert number.search(finding.sentence), finding.sentence
        assert "95 % interval" in finding.sentence
    other = findings(synthetic.write_results(tmp_path, world=synthetic.World(turn=0.009, num_prompts=11)))
    for one, two in zip(found, other, strict=True):
        # The two weights of early_minimum are the same in both worlds.
        assert one.sentence != two.sentence or one.key == "early_minimum"
        assert (one.claim, one.source, one.method) == (two.claim, two.source, two.method)


def test_findings_repeat_exactly_and_say_how_weights_were_chosen(found, results):
    first, second = found, findings(results)
    assert [dataclasses.asdict(f) for f in first] == [dataclasses.asdict(f) for f in second]
    selection = {finding.key: finding.selection for finding in first}
    assert selection["early_minimum"] == "same_samples"
    assert selection["rise"] == selection["turn"] == "split"
    assert selection["matched"] == "fixed"
    assert [f.same_samples for f in first if f.key == "early_minimum"] == [True, True]


def test_a_flat_alignment_has_no_best_weight(made):
    """Its best weight by chance is mostly not that of the smallest distance: no finding."""
    weights = (1, 2, 3, 4, 6, 8, 10)
    counts = Counter()
    for seed in range(40):
        points = [(float(w), 0.0, 1.0 + w) for w in weights]
        _, scores, curves = made.make_sweep({"t5": points}, seed=seed)
        found = find(curves, scores, alignments=["score"], distance="fd_scenes")
        (finding,) = [one for one in found if one.key == "early_minimum"]
        counts[finding.verdict] += 1
        # The weights alone would say so.
        counts["apart"] += finding.ci95[0] > 0
    assert counts["seen"] <= 3 < counts["apart"]
    assert counts["opposite"] == 0
