"""Raters with a known preference, through survey, page and key, and back: the preference is found again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from chromium import chromium

from drawbench_eval.ratings import COCO_STYLE, Layout, filter_raters, oriented, read_ratings
from drawbench_eval.ratings.aggregation import OnParSettings, ResultSettings, rating_results
from drawbench_eval.ratings.survey import Written, read_key, resolve

# Of what the raters prefer: the first model, neither, the second.
SHARES = {"fidelity": (0.60, 0.15, 0.25), "alignment": (0.30, 0.30, 0.40)}
# Of single images: yes, somewhat, no.
MEANS = {"zorgdiffusion": (0.6, 0.2, 0.2), "quuxpainter": (0.3, 0.3, 0.4), "reference": (0.9, 0.08, 0.02)}
NUM_CAREFUL, NUM_CARELESS = 40, 10

SETTINGS = ResultSettings(
    clusters=("prompts", "raters"),
    first="zorgdiffusion",
    on_par=OnParSettings(reference="reference", alignment_margin=5, margins=None),
    families=None,
    alpha=0.05,
    seed=0,
    num_draws=1000,
)


def answer(trial: Any, left: str | None, rng: np.random.Generator, *, is_careful: bool) -> str:
    """What a rater says, by what is on the screen and not by any code."""
    options = [option.answer for option in trial.wording.options]
    if not is_careful:
        return str(rng.choice(options))
    if trial.wording.form == "pointwise":
        if trial.control_answer is not None:
            return trial.control_answer
        return str(rng.choice(["100", "50", "0"], p=MEANS[trial.sides[0].model]))
    meant = trial.control_answer or str(rng.choice(["a", "indifferent", "b"], p=SHARES[trial.wording.name]))
    return meant if meant == "indifferent" else "left" if meant == left else "right"


@pytest.fixture
def handed_in(written: Callable[..., Written], tmp_path: Path) -> tuple[Written, list[Path]]:
    """A survey, and a file for each rater and page, written by the page's own program."""
    survey = written("fidelity", "alignment", "caption", controls_per_batch=4, batch_size=30)
    rng = np.random.default_rng(5)
    paths = []
    with chromium(tmp_path) as driver:
        for batch in survey.survey.batches:
            driver.get((survey.folder / "pages" / f"{batch.id}.html").as_uri())
            trials = {trial.code: trial for trial in batch.trials}
            for number in range(NUM_CAREFUL + NUM_CARELESS):
                rater = f"rater-{number}"
                shown = driver.execute_script(
                    "return trialsFor(arguments[0]).map(t => [t.code, t.left])", rater
                )
                answers = {
                    code: {
                        "answer": answer(trials[code], left, rng, is_careful=number < NUM_CAREFUL),
                        "duration_s": 2.5,
                        "timestamp": "2026-11-25T10:00:00.000Z",
                    }
                    for code, left in shown
                }
                text = driver.execute_script("return csvFor(arguments[0], arguments[1])", rater, answers)
                paths.append(tmp_path / "answers" / f"{batch.id}-{rater}.csv")
                paths[-1].parent.mkdir(exist_ok=True)
                paths[-1].write_bytes(text.encode())
    return survey, paths


def test_a_known_preference_is_found_again(
    handed_in: tuple[Written, list[Path]], layout: Callable[[str], Layout]
) -> None:
    survey, paths = handed_in
    key = read_key(survey.folder / "key.json")
    pairs = [path for path in paths if not path.name.startswith("caption")]
    imported = read_ratings(pairs, layout("survey_pairwise"))
    table = resolve(imported, key).table
    num_raters = NUM_CAREFUL + NUM_CARELESS
    assert len(table) == num_raters * 2 * (10 + 4)
    filtered = filter_raters(table, COCO_STYLE)
    # The careless are right by chance in a third of the controls, the careful in all of them.
    dropped = {int(rater.removeprefix("rater-")) for rater in filtered.dropped["rater_id"]}
    assert dropped <= set(range(NUM_CAREFUL, num_raters))
    assert len(dropped) >= NUM_CARELESS - 1
    # Through the aggregation: every share and the rate of those who prefer are inside of their intervals.
    results = rating_results(filtered, imported.questions, SETTINGS)
    for question, (a, indifferent, b) in SHARES.items():
        rows = {
            (row.statistic, row.convention): row
            for row in results.rows
            if row.question == question and row.raters == "kept" and row.category is None
        }
        known = {("share_a", None): a, ("share_indifferent", None): indifferent, ("share_b", None): b}
        known |= {("preference", "dropped"): a / (a + b), ("preference", "split"): a + indifferent / 2}
        for key, share in known.items():
            row = rows[key]
            assert row.pair == ("zorgdiffusion", "quuxpainter")
            # Nothing but chance is in these answers, so that four errors are a sure bound.
            assert row.value == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / row.n))
            assert row.ci95_clustered is not None
            assert row.ci95_clustered[0] - 0.03 < share < row.ci95_clustered[1] + 0.03
        test = next(one for one in results.comparisons if one.question == question and one.raters == "kept")
        assert (test.estimate > 0) == (a > b)
        # 35 points are found among 400 judgements of ten prompts; ten points are not.
        assert test.is_significant == (question == "fidelity")
        kept = oriented(filtered.kept[filtered.kept["question"] == question], second="quuxpainter")
        for choice, share in (("a", a), ("indifferent", indifferent), ("b", b)):
            found = (kept["choice"] == choice).mean()
            assert found == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(kept)))
        # Sides are even, though the preference is not: whoever lost them would find one half.
        lefts = (kept["displayed_left"] == "a").mean()
        assert 0.35 < lefts < 0.65

    # With everybody the careless draw the clearer preference towards a third.
    everybody = next(row for row in results.rows if row.question == "fidelity" and row.raters == "all")
    kept_alone = next(row for row in results.rows if row.question == "fidelity" and row.raters == "kept")
    assert everybody.statistic == kept_alone.statistic == "share_a"
    assert 1 / 3 < everybody.value < kept_alone.value

    # The single images.
    single = [path for path in paths if path.name.startswith("caption")]
    imported = read_ratings(single, layout("survey_pointwise"))
    table = filter_raters(resolve(imported, read_key(survey.folder / "key.json")).table, COCO_STYLE).kept
    means: pd.Series = table.groupby("model")["value"].mean()
    for model, (yes, somewhat, _) in MEANS.items():
        mean = 100 * yes + 50 * somewhat
        # At most 100 apart, so a standard deviation of 50 at most, over 400 judgements.
        assert means[model] == pytest.approx(mean, abs=4 * 50 / np.sqrt(400))
