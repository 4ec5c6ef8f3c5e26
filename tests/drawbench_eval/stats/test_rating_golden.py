"""Published and independently computed figures of real ratings (../shared/data/ratings)."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drawbench_eval.stats.agreement import agreement, count_ratings, count_table
from drawbench_eval.stats.clustered import clustered_mean
from drawbench_eval.stats.power import intraclass
from drawbench_eval.stats.ranking import rank_models
from drawbench_eval.stats.rates import mean_rate
from drawbench_eval.stats.twoway import equal_weights, two_way_difference, two_way_mean

RATINGS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "ratings"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not RATINGS.exists(), reason="needs ../shared/data"),
]

DSG_MEANS = {
    "sd2dot1": 4.1489,
    "sd1dot5": 3.9900,
    "mini-dalle": 3.8388,
    "sd1dot1": 3.7381,
    "vq-diffusion": 3.6108,
}


@pytest.fixture(scope="module")
def dsg() -> pd.DataFrame:
    frame = pd.read_csv(RATINGS / "dsg" / "tifa160-likert-anns.csv")
    return frame.assign(unit=frame["t2i_model"] + "/" + frame["item_id"])


def test_dsg_alpha_and_its_interval_over_units(dsg: pd.DataFrame) -> None:
    found = {one.measure: one for one in agreement(count_ratings(dsg["answer"], dsg["unit"]), seed=0)}
    assert found["nominal"].value == pytest.approx(0.3969, abs=5e-4)
    assert found["ordinal"].value == pytest.approx(0.6854, abs=5e-4)
    assert found["interval"].value == pytest.approx(0.6844, abs=5e-4)
    assert found["ordinal"].ci95 == pytest.approx((0.656, 0.711), abs=3e-3)
    assert found["ordinal"].num_units == 800
    assert found["ordinal"].num_ratings == 3995


@pytest.mark.parametrize(("model", "mean"), DSG_MEANS.items())
def test_dsg_means_and_what_clusters_add_to_their_errors(dsg: pd.DataFrame, model: str, mean: float) -> None:
    rows = dsg[dsg["t2i_model"] == model]
    values = rows["answer"].to_numpy(dtype=float)
    rate = mean_rate(values, rows["item_id"], rows["worker_id"], seed=0)
    assert rate.value == pytest.approx(mean, abs=5e-4)
    naive = values.std(ddof=1) / math.sqrt(len(values))
    assert 1.87 < clustered_mean(values, rows["item_id"]).standard_error / naive < 2.00
    assert rate.clustered is not None
    assert rate.clustered.few_clusters
    assert (rate.clustered.num_prompts, rate.clustered.num_raters) == (160, 5)


def test_dsg_difference_of_two_models(dsg: pd.DataFrame) -> None:
    a, b = (dsg[dsg["t2i_model"] == model] for model in ("sd2dot1", "sd1dot5"))
    values, prompts = (a["answer"], b["answer"]), (a["item_id"], b["item_id"])
    paired = two_way_difference(*values, prompts, None, by_prompt=True).estimate
    assert paired.value == pytest.approx(0.1559, abs=5e-4)
    assert paired.standard_error == pytest.approx(0.0593, abs=5e-4)
    alone = [
        two_way_mean(side, prompt, None, weights=equal_weights(prompt)).estimate.standard_error
        for side, prompt in zip(values, prompts, strict=True)
    ]
    assert math.hypot(*alone) == pytest.approx(0.0950, abs=5e-4)
    assert two_way_difference(*values, prompts, None).estimate.value == pytest.approx(0.1589, abs=5e-4)


def test_dsg_judgements_of_an_image_are_alike(dsg: pd.DataFrame) -> None:
    found = intraclass(dsg["answer"], dsg["unit"], dsg["worker_id"])
    # Both are shares of variance that units explain; alpha takes raters' own levels as disagreement.
    assert found.prompt == pytest.approx(0.6844, abs=0.02)


PUBLISHED_KAPPA = {
    "DALLE": (0.37, 0.39),
    "DeepFloydIF": (0.53, 0.21),
    "SD": (0.55, 0.23),
}


@pytest.mark.parametrize(("model", "published"), PUBLISHED_KAPPA.items())
def test_imagenhub_kappa(model: str, published: tuple[float, float]) -> None:
    raters = [pd.read_csv(RATINGS / "imagenhub" / f"Text-To-Image_rater{i}.tsv", sep="\t") for i in (1, 2, 3)]
    cells = np.array([[json.loads(cell) for cell in rater[model]] for rater in raters])
    assert cells.shape == (3, 197, 2)
    for part, kappa in enumerate(published):
        (found,) = agreement(count_table(cells[:, :, part].T), ("fleiss",), seed=0)
        assert found.value == pytest.approx(kappa, abs=0.01)
        assert found.ci95[0] < found.value < found.ci95[1]


def test_food_strengths_are_evalicas_golden_ones() -> None:
    votes = pd.read_csv(RATINGS / "evalica" / "food.csv")
    golden = pd.read_csv(RATINGS / "evalica" / "food-golden.csv")
    choices = votes["winner"].map({"left": 1, "tie": 0, "right": -1})
    found = rank_models(votes["left"], votes["right"], choices, np.arange(len(votes)))
    # Newman's model of ties is Davidson's with another name for the parameter.
    for algorithm, strengths in (("newman", found.strengths), ("bradley_terry", found.half_win)):
        scores = golden[golden["algorithm"] == algorithm].set_index("item")["score"]
        logs = np.log(scores.reindex(list(found.models)).to_numpy())
        assert strengths == pytest.approx(logs - logs.mean(), abs=1e-6)
    counted = golden[golden["algorithm"] == "counting"].sort_values("score", ascending=False)
    assert [found.models[k] for k in np.argsort(found.rank)][:3] == counted["item"].tolist()[:3]
