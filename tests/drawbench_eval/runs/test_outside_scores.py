import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drawbench_eval.runs.outside_scores import ScoresSettings, read_scores_file

SAMPLES = {"a-0": "a/0.png", "a-1": "a/1.png", "b-0": "b/0.png"}
ROWS = [("a-0", 0.5, 3.0), ("b-0", 0.25, 1.0), ("a-1", None, 2.0)]


def write(
    folder: Path, ending: str, rows: list[tuple[str, float | None, float]] = ROWS, key: str = "sample_id"
) -> Path:
    path = folder / f"scores{ending}"
    table = pd.DataFrame(rows, columns=[key, "vqa", "lpips"])
    if ending == ".parquet":
        table.to_parquet(path, index=False)
    elif ending == ".jsonl":
        path.write_text(
            "".join(json.dumps(dict(zip(table.columns, row, strict=True))) + "\n" for row in rows)
        )
    else:
        table.to_csv(path, index=False, sep="\t" if ending == ".tsv" else ",")
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_layout_joins_by_id_whatever_the_order(tmp_path: Path, ending: str) -> None:
    settings = ScoresSettings(path=write(tmp_path, ending), lower_is_better=("lpips",), made_by="a judge")
    found = read_scores_file(settings, SAMPLES, allow_incomplete=False)
    np.testing.assert_equal(found.column("vqa", list(SAMPLES)), [0.5, np.nan, 0.25])
    entry = found.entry("vqa", list(SAMPLES), ["a", "a", "b"], {"prompts_sha256": "x"})
    assert (entry["value"], entry["n"], entry["num_unscored"]) == (0.375, 2, 1)
    assert entry["higher_is_better"]
    assert entry["protocol"]["values"]["made_by"] == "a judge"
    assert not found.entry("lpips", list(SAMPLES), ["a", "a", "b"], {})["higher_is_better"]


def test_paths_are_ids_too(tmp_path: Path) -> None:
    rows = [(SAMPLES[sample_id], vqa, lpips) for sample_id, vqa, lpips in ROWS]
    path = write(tmp_path, ".csv", rows, key="path")
    found = read_scores_file(ScoresSettings(path=path), SAMPLES, allow_incomplete=False)
    assert found.values["lpips"] == {"a-0": 3.0, "b-0": 1.0, "a-1": 2.0}


def test_duplicates_are_counted_and_named(tmp_path: Path) -> None:
    path = write(tmp_path, ".csv", [*ROWS, ROWS[0], ROWS[1]])
    with pytest.raises(ValueError, match=r"sample_ids that stand more than once: 2 \(a-0, b-0\)"):
        read_scores_file(ScoresSettings(path=path), SAMPLES, allow_incomplete=True)


def test_missing_and_strange_ids_are_counted_and_named(tmp_path: Path) -> None:
    settings = ScoresSettings(path=write(tmp_path, ".csv", [ROWS[0], ("z-9", 1.0, 1.0)]))
    said = r"samples without a row 2 \(a-1, b-0\), rows of no sample 1 \(z-9\)"
    with pytest.raises(ValueError, match=said):
        read_scores_file(settings, SAMPLES, allow_incomplete=False)
    found = read_scores_file(settings, SAMPLES, allow_incomplete=True)
    entry = found.entry("vqa", list(SAMPLES), ["a", "a", "b"], {})
    assert entry["n"] == 1
    assert "a-1, b-0" in " ".join(entry["notes"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,vqa\na-0,1\n", "no column sample_id or path"),
        ("sample_id,vqa\na-0,good\n", "no column of numbers"),
        ("sample_id,vqa\na-0,inf\na-1,1\nb-0,1\n", "column vqa, sample a-0: inf is not a finite number"),
        ("", "cannot be read"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=said) as error:
        read_scores_file(ScoresSettings(path=tmp_path / "bad.csv"), SAMPLES, allow_incomplete=False)
    assert "\n" not in str(error.value)
