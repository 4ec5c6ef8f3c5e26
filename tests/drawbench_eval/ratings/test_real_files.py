"""The real files, through configuration alone."""

import ast
import csv
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from drawbench_eval.ratings import Allowance, rater_quality, read_ratings, write_ratings

DATA = Path(__file__).parents[4] / "shared" / "data" / "ratings"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data"),
]

IMAGENHUB = [DATA / "imagenhub" / f"Text-To-Image_rater{rater}.tsv" for rater in (1, 2, 3)]
GENEVAL = DATA / "geneval" / "annotations_if-xl.csv"
BROKEN_LINES = [423, 424, 478, 479, 1395, 1396, 1473, 1474]


def test_dsg(layout) -> None:
    read = read_ratings([DATA / "dsg" / "tifa160-likert-anns.csv"], layout("dsg"))
    assert (read.counts.rows, read.counts.accepted, read.counts.rejected) == (3995, 3995, 0)
    means = read.table.groupby("model")["value"].mean().to_dict()
    assert means == pytest.approx(
        {
            "sd2dot1": 4.1489,
            "sd1dot5": 3.9900,
            "mini-dalle": 3.8388,
            "sd1dot1": 3.7381,
            "vq-diffusion": 3.6108,
        },
        abs=5e-5,
    )
    images = read.table.groupby(["model", "prompt_id"]).size()
    assert (len(images), read.table["rater_id"].nunique()) == (800, 5)
    raters = rater_quality(read.table)
    assert raters["num_answers"].sum() == raters["num_compared"].sum() == 3995


def test_imagenhub_from_three_rater_files(layout) -> None:
    read = read_ratings(IMAGENHUB, layout("imagenhub"))
    assert (read.counts.records, read.counts.rows, read.counts.accepted) == (591, 8274, 8274)
    naive = []
    for number, path in enumerate(IMAGENHUB, start=1):
        with path.open(newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                for model, cell in row.items():
                    if model != "uid":
                        alignment, quality = ast.literal_eval(cell)
                        for question, value in (("alignment", 100 * alignment), ("quality", quality)):
                            naive.append((row["uid"], question, model, float(value), f"rater{number}"))
    columns = ["prompt_id", "question", "model", "value", "rater_id"]
    assert list(read.table[columns].itertuples(index=False, name=None)) == naive
    judged = read.table.groupby(["prompt_id", "question", "model"])["rater_id"].nunique()
    assert len(judged) == 197 * 7 * 2
    assert (judged == 3).all()


def test_geneval_names_every_broken_line(layout) -> None:
    with pytest.raises(ValueError, match=r"line 423, .*; 8 of 2004 rows are rejected and 0 allowed"):
        read_ratings([GENEVAL], layout("geneval"))
    with pytest.raises(ValueError, match="8 of 2004 rows are rejected and 7 allowed"):
        read_ratings([GENEVAL], layout("geneval"), Allowance(number=7))
    read = read_ratings([GENEVAL], layout("geneval"), Allowance(number=8))
    assert (read.counts.records, read.counts.rows, read.counts.accepted, read.counts.rejected) == (
        2004,
        2004,
        1996,
        8,
    )
    assert read.rejects["line"].tolist() == BROKEN_LINES
    listed = tuple(f"{GENEVAL.name}:{line}" for line in BROKEN_LINES)
    assert read_ratings([GENEVAL], layout("geneval"), Allowance(listed=listed)).counts == read.counts
    assert all("cells where the header has 22" in reason for reason in read.rejects["reason"])
    assert Counter(read.table["value"]) == {4.0: 1307, 3.0: 500, 2.0: 159, 1.0: 30}
    assert read.table["rater_id"].isna().all()
    lines = GENEVAL.read_bytes().decode().replace("\r", "\n").split("\n")
    for line, sample in zip(read.places["line"], read.table["sample_ids"], strict=True):
        assert lines[line - 1].split(",")[1] == sample


def test_dgm_eval(layout) -> None:
    path = DATA / "dgm_eval" / "per_participant_cifar10.csv"
    read = read_ratings([path], layout("dgm_eval"))
    raw = pd.read_csv(path)
    assert (read.form, read.counts.records, read.counts.rows, read.counts.rejected) == (
        "proportion",
        328,
        984,
        0,
    )
    for question, rate, time in (
        ("error_rate", "err_rt", "resp_time"),
        ("error_rate_generated", "f_err_rt", "f_resp_time"),
        ("error_rate_real", "r_err_rt", "r_resp_time"),
    ):
        found = read.table[read.table["question"] == question]
        assert found["rate"].tolist() == raw[rate].tolist()
        assert found["duration_s"].tolist() == raw[time].tolist()
        assert found["rater_id"].tolist() == raw["id"].tolist()


def test_evalica(layout) -> None:
    read = read_ratings([DATA / "evalica" / "food.csv"], layout("evalica"))
    raw = pd.read_csv(DATA / "evalica" / "food.csv")
    assert (read.counts.rows, read.counts.rejected) == (30, 0)
    assert read.table["model_a"].tolist() == raw["left"].tolist()
    assert (
        read.table["choice"].tolist()
        == raw["winner"].map({"left": "a", "right": "b", "tie": "indifferent"}).tolist()
    )
    assert set(read.table["displayed_left"]) == {"a"}


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("dsg", [DATA / "dsg" / "tifa160-likert-anns.csv"]),
        ("imagenhub", IMAGENHUB),
        ("geneval", [GENEVAL]),
        ("dgm_eval", [DATA / "dgm_eval" / "per_participant_cifar10.csv"]),
        ("evalica", [DATA / "evalica" / "food.csv"]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_exports_come_back_unchanged(layout, tmp_path, name: str, paths: list[Path], suffix: str) -> None:
    read = read_ratings(paths, layout(name), Allowance(strict=False))
    path = tmp_path / f"ratings.{suffix}"
    write_ratings(path, read.table, read.form)
    again = read_ratings([path], layout(f"canonical_{read.form}"))
    pd.testing.assert_frame_equal(again.table, read.table)
