"""`drawbench-eval ratings`: files in any layout to ratings.json, figures and canonical rows."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import Run
from simulated_ratings import pairwise_ratings, pointwise_ratings

from drawbench_eval.ratings import write_ratings
from drawbench_eval.runs.record import RunRecord, write_record

QUICK = ("num_draws=200", "figures=false")
SIZES = {"x": 3, "y": 4}


def document(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("results/ratings/*/ratings.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture
def pairwise(tmp_path: Path) -> pd.DataFrame:
    table = pairwise_ratings(sizes=SIZES, strengths={"m": 0.8, "k": 0.0, "l": -0.4}, num_raters=8, each=4)
    write_ratings(tmp_path / "pairwise.csv", table, "pairwise")
    return table


def test_everything_is_written_and_said(run: Run, pairwise: pd.DataFrame, tmp_path: Path) -> None:
    done = run("ratings", "paths=[pairwise.csv]", "quality.style=coco", "first=m", "num_draws=200")
    assert done.code == 0, done.err
    found = document(tmp_path)
    assert found["counts"] == {
        "records": len(pairwise), "rows": len(pairwise), "accepted": len(pairwise), "rejected": 0,
        "blank": 0, "controls": int(pairwise["is_control"].sum()),
    }  # fmt: skip
    assert (found["raters"]["num"], found["raters"]["num_kept"]) == (8, 6)
    assert {entry["rater_id"] for entry in found["raters"]["dropped"]} == {"rater-06", "rater-07"}
    assert found["settings"]["num_draws"] == 200
    assert {row["raters"] for row in found["results"]} == {"all", "kept"}
    (folder,) = (tmp_path / "results" / "ratings").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures", "ratings.csv", "ratings.json", "ratings.parquet",
    ]  # fmt: skip
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert {"preference-01.svg", "preference-01.png", "wins-02.png", "forest-01.svg", "raters.svg"} <= figures
    assert f"{len(pairwise)} rows: {len(pairwise)} accepted, 0 rejected" in done.out
    assert "left out by the rules: 2 raters" in done.out
    assert f"results/ratings/{folder.name}/ratings.json: all of it" in done.out
    # What was written is read back as the same ratings, and gives the same results under the same settings.
    again = run(
        "ratings",
        f"paths=[{folder}/ratings.parquet]",
        "quality.style=coco",
        "first=m",
        *QUICK,
        "output=again",
    )
    assert again.code == 0, again.err
    reread = json.loads((tmp_path / "again" / "ratings.json").read_text())
    assert reread["results"] == found["results"]


def test_the_folder_is_named_after_what_can_change_a_number(run: Run, pairwise, tmp_path: Path) -> None:
    def names() -> set[str]:
        return {path.name for path in (tmp_path / "results" / "ratings").iterdir()}

    assert run("ratings", "paths=[pairwise.csv]", *QUICK).code == 0
    (first,) = names()
    assert first.startswith("pairwise-")
    assert run("ratings", "paths=[pairwise.csv]", *QUICK, "strict=false").code == 0
    assert names() == {first}
    assert run("ratings", "paths=[pairwise.csv]", *QUICK, "seed=1", "label=study").code == 0
    assert {name.split("-")[0] for name in names()} == {"pairwise", "study"}


def test_a_file_with_rejects_is_refused_and_they_are_listed(run: Run, pairwise, tmp_path: Path) -> None:
    path = tmp_path / "pairwise.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[4] = lines[4].replace(",alignment,", ",=HYPERLINK(1),", 1)
    header = lines[0].rstrip("\n").split(",")
    cells = next(csv.reader([lines[9]]))
    cells[header.index("choice")] = "left"
    path.write_text("".join([*lines[:9], ",".join(cells) + "\n", *lines[10:]]))
    refused = run("ratings", "paths=[pairwise.csv]", *QUICK)
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "pairwise.csv line 10, column choice: 'left': unknown; it must be one of" in refused.err
    (rejects,) = tmp_path.glob("results/ratings/*/rejected.csv")
    assert f"all of them: {rejects.relative_to(tmp_path)}" in refused.err
    assert not list(tmp_path.glob("results/ratings/*/ratings.json"))
    (row,) = csv.DictReader(rejects.read_text().splitlines())
    assert (row["line"], row["column"], row["value"]) == ("10", "choice", "left")
    for allowed in (("allow.number=1",), ("allow.listed=[pairwise.csv:10]",), ("strict=false",)):
        assert run("ratings", "paths=[pairwise.csv]", *QUICK, *allowed).code == 0
    counts = document(tmp_path)["counts"]
    assert counts["rows"] == counts["accepted"] + counts["rejected"]
    assert counts["rejected"] == 1
    # The formula is a question's name: text, and text again where a spreadsheet would run it.
    assert "'=HYPERLINK(1)" in (rejects.parent / "ratings.csv").read_text()


def test_prompts_say_which_are_without_people(run: Run, pairwise, tmp_path: Path) -> None:
    ids = sorted(set(pairwise["prompt_id"]))
    texts = {identity: "a man" if identity.startswith("x") else "a cup" for identity in ids}
    (tmp_path / "p.csv").write_text("id,prompt\n" + "".join(f"{key},{text}\n" for key, text in texts.items()))
    prompts = ("prompts=file", "prompts.path=p.csv", "prompts.columns.id=id")
    assert run("ratings", "paths=[pairwise.csv]", *QUICK, *prompts).code == 0
    rows = [row for row in document(tmp_path)["results"] if row["subset"] == "no people"]
    judged = pairwise[~pairwise["is_control"] & pairwise["prompt_id"].str.startswith("y")]
    assert sum(row["n"] for row in rows if row["statistic"] == "share_a") == len(judged)
    (tmp_path / "p.csv").write_text("id,prompt\nx-00,cup\n")
    refused = run("ratings", "paths=[pairwise.csv]", *QUICK, *prompts)
    assert refused.code == 2
    assert "rated prompts, such as 'control-0-0', are not in p" in refused.err


def test_scores_of_a_run_against_the_ratings(run: Run, tmp_path: Path) -> None:
    table = pointwise_ratings({"m": (0.6, 0.2, 0.2)}, num_prompts=12)
    write_ratings(tmp_path / "pointwise.csv", table, "pointwise")
    means = table.groupby("prompt_id")["value"].mean()
    folder = tmp_path / "run"
    folder.mkdir()
    scores = pd.DataFrame({"sample_id": [f"{p}-0" for p in means.index], "prompt_id": list(means.index)})
    scores = scores.assign(category="", seed=0, good=means.to_numpy(), distance=-means.to_numpy())
    scores.to_parquet(folder / "scores.parquet")
    record = RunRecord(
        run_id="0123456789", label="m", status="complete", factors={},
        metrics={"good": {"higher_is_better": True}, "distance": {"higher_is_better": False}, "fid": {}},
        counts={}, named={}, inputs={}, environment={}, timings={}, config={},
    )  # fmt: skip
    write_record(folder, record)
    asked = ("ratings", "ratings=canonical_pointwise", "paths=[pointwise.csv]", *QUICK)
    done = run(*asked, "runs={m: run}")
    assert done.code == 0, done.err
    assert "good against alignment (all samples): kendall 1.000" in done.out
    found = {entry["metric"]: entry for entry in document(tmp_path)["metrics"]}
    assert set(found) == {"good", "distance"}
    assert found["distance"]["spearman"]["value"] == pytest.approx(1.0)
    assert found["good"]["num_prompts"] == 12
    (folder / "run.json").unlink()
    refused = run(*asked, "runs={m: run}")
    assert refused.err == "error: runs.m: run has no run.json; name the folder of a finished run\n"
    assert run(*asked, "runs={m: 3}").err == "error: runs.m: 3 is not a run's folder\n"


MISTAKES = [
    ((), "paths: a value is needed; write paths=..."),
    (("paths=[nowhere.csv]",), "nowhere.csv: "),
    (("paths=pairwise.csv",), "paths: pairwise.csv is not a list; write paths=[a,b]"),
    (("paths=[.]", "num_draws=3"), "num_draws: 3 are too few for an interval"),
    (("paths=[pairwise.csv]", "ratings=dsgg"), "ratings: dsgg is not one of canonical_pairwise"),
    (("paths=[pairwise.csv]", "ratings=dsg"), "ratings.answers[0].columns: pairwise.csv has no column"),
    (("paths=[pairwise.csv]", "ratings.columns.modle=x"), "ratings.columns.modle: no such setting; did you"),
    (("paths=[pairwise.csv]", "quality.style=strict"), "quality.style: strict is not one of drawbench, coco"),
    (("paths=[pairwise.csv]", "quality.min_agreement=3"), "quality.min_agreement: 3.0 is not a share"),
    (("paths=[pairwise.csv]", "first=nobody"), "first: nobody is none of the models"),
    (("paths=[pairwise.csv]", "families={a: [b]}"), "families: b is none of the questions in these ratings"),
    (("paths=[pairwise.csv]", "families={a: b}"), "families.a: b is not a list of questions"),
    (("paths=[pairwise.csv]", "on_par.margins={alignment: -1}"), "on_par.margins.alignment: -1 is not above"),
    (
        ("paths=[pairwise.csv]", "on_par.margins={alignment: true}"),
        "on_par.margins.alignment: True is not above",
    ),
    (("paths=[pairwise.csv]", "clusters=[prompt]"), "clusters[0]: prompt is not one of prompts, raters"),
    (("paths=[pairwise.csv]", "allow.number=-1"), "allow.number: -1 rejected rows cannot be allowed"),
    (("paths=[pairwise.csv]", "label=a/b"), "label: 'a/b' is no name for a folder"),
    (("paths=[pairwise.csv,pairwise.csv]",), "pairwise.csv: the same file as pairwise.csv"),
    (("paths=[empty]",), "paths: empty holds no .csv, .tsv, .parquet file"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES, ids=[says[:25] for _, says in MISTAKES])
def test_mistakes_are_one_line(run: Run, pairwise, tmp_path: Path, arguments, says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "prompts.csv").unlink()
    done = run("ratings", *arguments)
    assert done.code == 2
    assert done.err.startswith(f"error: {says}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_a_folder_stands_for_its_files(run: Run, pairwise, tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    for question, rows in pairwise.groupby("question"):
        write_ratings(tmp_path / "answers" / f"{question}.csv", rows, "pairwise")
    assert run("ratings", "paths=[answers]", *QUICK).code == 0
    assert [file["name"] for file in document(tmp_path)["files"]] == ["alignment.csv", "fidelity.csv"]
