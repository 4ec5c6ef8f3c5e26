"""The real files go in through configuration alone and come out of the verb with the published figures."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import Run

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "ratings"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data"),
]

IMAGENHUB = [DATA / "imagenhub" / f"Text-To-Image_rater{rater}.tsv" for rater in (1, 2, 3)]
GENEVAL = DATA / "geneval" / "annotations_if-xl.csv"
BROKEN_LINES = [423, 424, 478, 479, 1395, 1396, 1473, 1474]


def results(run: Run, layout: str, paths: list[Path], *settings: str) -> dict[str, Any]:
    named = ",".join(map(str, paths))
    done = run("ratings", f"ratings={layout}", f"paths=[{named}]", "figures=false", "output=out", *settings)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(Path("out/ratings.json").read_text())
    return found


def one(entries: list[Mapping[str, Any]], **where: Any) -> Mapping[str, Any]:
    (found,) = [entry for entry in entries if all(entry[key] == value for key, value in where.items())]
    return found


def test_dsg(run: Run) -> None:
    path = [DATA / "dsg" / "tifa160-likert-anns.csv"]
    found = results(run, "dsg", path, "clusters=[prompts]")
    assert (found["counts"]["rows"], found["counts"]["accepted"]) == (3995, 3995)
    agreement = one(found["agreement"], model=None)
    for measure, value in (("nominal", 0.3969), ("ordinal", 0.6854), ("interval", 0.6844)):
        assert agreement[measure]["value"] == pytest.approx(value, abs=5e-4)
    assert agreement["ordinal"]["ci95"] == pytest.approx([0.656, 0.711], abs=3e-3)
    means = {
        "sd2dot1": 4.1489, "sd1dot5": 3.9900, "mini-dalle": 3.8388, "sd1dot1": 3.7381, "vq-diffusion": 3.6108,
    }  # fmt: skip
    for model, mean in means.items():
        row = one(found["results"], model=model, statistic="mean", average="micro")
        assert row["value"] == pytest.approx(mean, abs=5e-4)
        naive = (row["ci95_pooled"][1] - row["ci95_pooled"][0]) / 2 / 1.959964
        assert 1.87 < row["standard_error"] / naive < 2.00
    gap = one(found["results"], pair=["sd1dot5", "sd2dot1"], average="by prompt")
    assert -gap["value"] == pytest.approx(0.1559, abs=5e-4)
    assert gap["standard_error"] == pytest.approx(0.0593, abs=5e-4)
    alone = [
        one(found["results"], model=model, average="by prompt")["standard_error"]
        for model in ("sd1dot5", "sd2dot1")
    ]
    assert math.hypot(*alone) == pytest.approx(0.0950, abs=5e-4)
    pooled = one(found["results"], pair=["sd1dot5", "sd2dot1"], average="micro")
    assert -pooled["value"] == pytest.approx(0.1589, abs=5e-4)
    # With raters too there are five of them, and every interval says that it rests on few.
    both = results(run, "dsg", path)
    assert all(row["few_clusters"] and row["num_raters"] == 5 for row in both["results"])


PUBLISHED_KAPPA = {"DALLE": (0.37, 0.39), "DeepFloydIF": (0.53, 0.21), "SD": (0.55, 0.23)}


def test_imagenhub(run: Run) -> None:
    found = results(run, "imagenhub", IMAGENHUB, "num_draws=1000", "on_par.margins={quality: 0.1}")
    for model, published in PUBLISHED_KAPPA.items():
        for question, kappa in zip(("alignment", "quality"), published, strict=True):
            fleiss = one(found["agreement"], question=question, model=model)["fleiss"]
            assert fleiss["value"] == pytest.approx(kappa, abs=0.01)
            assert (fleiss["num_units"], fleiss["num_ratings"]) == (197, 591)
    assert found["not_offered"] == []


def test_geneval(run: Run) -> None:
    refused = run("ratings", "ratings=geneval", f"paths=[{GENEVAL}]", "output=refused")
    assert refused.code == 2
    assert "8 of 2004 rows are rejected and 0 allowed" in refused.err
    rejected = pd.read_csv("refused/rejected.csv")
    assert rejected["line"].tolist() == BROKEN_LINES
    assert set(rejected["file"]) == {str(GENEVAL)}
    found = results(run, "geneval", [GENEVAL], "allow.number=8")
    assert [found["counts"][key] for key in ("rows", "accepted", "rejected")] == [2004, 1996, 8]
    assert pd.read_csv("out/rejected.csv")["line"].tolist() == BROKEN_LINES
    row = one(found["results"], average="micro", statistic="mean")
    assert row["value"] == pytest.approx((1307 * 4 + 500 * 3 + 159 * 2 + 30) / 1996)


def test_dgm_eval(run: Run) -> None:
    path = DATA / "dgm_eval" / "per_participant_cifar10.csv"
    found = results(run, "dgm_eval", [path], "num_draws=200")
    raw = pd.read_csv(path)
    for model, rates in raw.groupby("model")["err_rt"]:
        row = one(found["results"], question="error_rate", model=model, statistic="mean")
        assert row["value"] == pytest.approx(rates.mean())
        # Each participant stands for one rate here, so that both errors are the same but for t.
        error = rates.std(ddof=1) / math.sqrt(len(rates))
        if raw.loc[raw["model"] == model, "id"].is_unique:
            assert row["standard_error"] == pytest.approx(error)


def test_evalica(run: Run) -> None:
    found = results(run, "evalica", [DATA / "evalica" / "food.csv"], "num_draws=200")
    golden = pd.read_csv(DATA / "evalica" / "food-golden.csv")
    (ranking,) = found["rankings"]
    for algorithm, view in (("newman", "strength"), ("bradley_terry", "half_win")):
        scores = golden[golden["algorithm"] == algorithm].set_index("item")["score"]
        logs = np.log(scores.reindex([model["model"] for model in ranking["models"]]).to_numpy())
        ours = [model[view] for model in ranking["models"]]
        assert ours == pytest.approx(logs - logs.mean(), abs=1e-6)
