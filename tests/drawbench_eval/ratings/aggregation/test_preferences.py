"""Choices to rates, held to loops over the rows."""

from collections import Counter
from typing import Any

import pandas as pd
import pytest
from simulated_ratings import pairwise_ratings

from drawbench_eval.ratings.aggregation import Results
from drawbench_eval.stats.rates import share_rate

SIZES = {"x": 3, "y": 6, "z": 2}


def small(**changes: Any) -> pd.DataFrame:
    known = {"sizes": SIZES, "strengths": {"m": 0.8, "k": 0.0}, "num_raters": 6, "each": 4}
    return pairwise_ratings(**{**known, **changes})


def value(results: Results, statistic: str, **where: Any) -> float:
    wanted = {
        "question": "alignment", "category": None, "convention": None, "average": "micro", "subset": "all",
        "raters": "all", **where,
    }  # fmt: skip
    (row,) = [
        row
        for row in results.rows
        if row.statistic == statistic and all(getattr(row, key) == one for key, one in wanted.items())
    ]
    return row.value


def naive(table: pd.DataFrame, first: str, category: str | None = None) -> Counter[str]:
    """How often `first` won, lost or neither, by a loop."""
    counts: Counter[str] = Counter()
    for row in table.to_dict("records"):
        if row["is_control"] or row["question"] != "alignment":
            continue
        if category is not None and row["category"] != category:
            continue
        if row["choice"] == "indifferent":
            counts["indifferent"] += 1
        else:
            counts["won" if row[f"model_{row['choice']}"] == first else "lost"] += 1
    return counts


def shares(counts: Counter[str]) -> dict[tuple[str, str | None], float]:
    n = counts.total()
    return {
        ("share_a", None): counts["won"] / n,
        ("share_indifferent", None): counts["indifferent"] / n,
        ("share_b", None): counts["lost"] / n,
        ("preference", "dropped"): counts["won"] / (n - counts["indifferent"]),
        ("preference", "split"): (counts["won"] + counts["indifferent"] / 2) / n,
    }


@pytest.mark.parametrize("first", ["k", "m"])
def test_shares_by_category_micro_and_macro(results_of, first: str) -> None:
    table = small()
    results = results_of(table, first=first)
    assert {row.pair for row in results.rows} == {(first, "m" if first == "k" else "k")}
    by_category = {category: shares(naive(table, first, category)) for category in SIZES}
    for key, found in shares(naive(table, first)).items():
        statistic, convention = key
        assert value(results, statistic, convention=convention) == pytest.approx(found)
        for category, own in by_category.items():
            assert value(results, statistic, convention=convention, category=category) == pytest.approx(
                own[key]
            )
        macro = sum(own[key] for own in by_category.values()) / len(SIZES)
        assert value(results, statistic, convention=convention, average="macro") == pytest.approx(macro)


def test_intervals_are_those_of_prompts_and_raters(results_of) -> None:
    table = small()
    judged = table[~table["is_control"] & (table["question"] == "alignment")]
    (row,) = [
        row
        for row in results_of(table, first="m").rows
        if row.statistic == "share_a" and row.question == "alignment" and row.average == "micro"
        and row.category is None
    ]  # fmt: skip
    chosen = [row[f"model_{row['choice']}"] == "m" if row["choice"] != "indifferent" else False
              for row in judged.to_dict("records")]  # fmt: skip
    expected = share_rate(chosen, judged["prompt_id"], judged["rater_id"], seed=0, num_draws=200)
    assert row.ci95_pooled == pytest.approx(expected.ci95_pooled)
    assert row.ci95_clustered == pytest.approx(expected.ci95_clustered)
    assert row.ci95_bootstrap == pytest.approx(expected.ci95_bootstrap)
    assert (row.num_prompts, row.num_raters, row.few_clusters) == (11, 6, True)


def test_errors_allow_for_what_is_asked_and_known(results_of) -> None:
    table = small()
    by_prompt = results_of(table, clusters=("prompts",)).rows[0]
    assert (by_prompt.num_prompts, by_prompt.num_raters) == (11, None)
    unknown = table.assign(prompt_id=None, rater_id=None)
    unknown = unknown[~unknown["is_control"]]
    row = results_of(unknown).rows[0]
    assert row.ci95_clustered is None
    assert row.ci95_pooled is not None


def test_realism_is_the_share_that_took_the_image_for_the_real_one(results_of) -> None:
    table = small(strengths={"m": 0.0, "reference": 0.4}, questions=("photorealism",))
    table = table[(table["choice"] != "indifferent") & ~table["is_control"]]
    # Half of the rows the other way round: the same comparison.
    swapped = table.rename(columns={"model_a": "model_b", "model_b": "model_a"})[table.columns].iloc[::2]
    swapped = swapped.assign(choice=swapped["choice"].map({"a": "b", "b": "a"}))
    both = pd.concat([table.iloc[1::2], swapped])
    results = results_of(both, "realism")
    won = sum(row["choice"] == "a" for row in table.to_dict("records"))
    assert value(results, "preference_rate", question="photorealism") == pytest.approx(won / len(table))
    assert {(row.model, row.pair) for row in results.rows} == {("m", None)}


def test_prompts_without_people_stand_beside_the_others(results_of) -> None:
    table = small()
    ids = {"x-00", "y-03"}
    results = results_of(table, without_people=ids, first="m")
    chosen = table[table["prompt_id"].isin(ids)]
    expected = shares(naive(chosen, "m"))
    assert value(results, "preference", convention="split", subset="no people") == pytest.approx(
        expected["preference", "split"]
    )
    assert not [row for row in results.rows if row.subset == "no people" and row.category is not None]
    assert [one.what for one in results_of(table, without_people={"none"}).not_offered] == ["no people"] * 2


def test_categories_are_counted_and_shrunken(results_of) -> None:
    table = small()
    (one,) = [one for one in results_of(table, first="m").categories if one.question == "alignment"]
    counts = [naive(table, "m", category) for category in SIZES]
    assert one.wins is not None
    assert one.wins.a == sum(count["won"] > count["lost"] for count in counts)
    assert one.wins.a + one.wins.b + one.wins.even == 3
    assert one.shrunken is not None
    for category in one.shrunken.categories:
        assert abs(category.shrunken - one.shrunken.mean) <= abs(category.mean - one.shrunken.mean) + 1e-12
