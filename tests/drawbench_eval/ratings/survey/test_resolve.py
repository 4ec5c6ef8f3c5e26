from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from drawbench_eval.ratings import Layout, read_ratings, write_ratings
from drawbench_eval.ratings.schema import FORMS, FormName, column_names
from drawbench_eval.ratings.survey import Key, Resolved, Written, read_key, resolve
from drawbench_eval.ratings.survey.key import write_key

MakeLayout = Callable[[str], Layout]


def page_rows(written: Written, rater: str = "kim") -> pd.DataFrame:
    """What a page saves of a rater who takes what is left, or says yes."""
    rows = []
    for batch in written.survey.batches:
        for number, trial in enumerate(batch.trials):
            row = dict.fromkeys(column_names(batch.wording.form), "")
            row |= {"prompt_id": trial.code, "question": batch.wording.question, "rater_id": rater}
            row |= {"is_control": "false", "batch_id": batch.id, "displayed_left": trial.left or ""}
            row |= {"duration_s": "1.5", "timestamp": f"2026-11-25T10:00:{number:02d}.123Z"}
            if batch.wording.form == "pairwise":
                row |= {"model_a": f"{trial.code}-a", "model_b": f"{trial.code}-b", "choice": str(trial.left)}
            else:
                row |= {"model": f"{trial.code}-a", "value": "100"}
            rows.append(row)
    return pd.DataFrame(rows)


def resolved(
    written: Written, tmp_path: Path, layout: MakeLayout, form: FormName, *tables: pd.DataFrame
) -> Resolved:
    paths = []
    for number, table in enumerate(tables):
        paths.append(tmp_path / f"answers-{number}.csv")
        table.to_csv(paths[-1], index=False)
    return resolve(read_ratings(paths, layout(f"survey_{form}")), read_key(written.folder / "key.json"))


@pytest.mark.parametrize("question", ["fidelity", "alignment", "photorealism"])
def test_pairs_get_their_names(
    written: Callable[..., Written], tmp_path: Path, layout: MakeLayout, question: str
) -> None:
    survey = written(question)
    table = resolved(survey, tmp_path, layout, "pairwise", page_rows(survey)).table
    for (_, row), trial in zip(table.iterrows(), survey.survey.trials, strict=True):
        a, b = trial.sides
        assert (row["prompt_id"], row["category"]) == (trial.prompt.id, None)
        assert (row["model_a"], row["model_b"]) == (a.model, b.model)
        assert row["sample_ids_a"].split("|") == [image.sample.sample_id for image in a.images]
        assert row["sample_ids_b"].split("|") == [image.sample.sample_id for image in b.images]
        assert (row["is_control"], row["control_answer"]) == (
            trial.control_answer is not None,
            trial.control_answer,
        )
        assert row["choice"] == row["displayed_left"] == trial.left
    assert table["is_control"].sum() == 3
    # What comes out is what `ratings` reads, realism's reference included.
    write_ratings(tmp_path / "named.csv", table, "pairwise")
    again = read_ratings([tmp_path / "named.csv"], layout("canonical_pairwise"))
    pd.testing.assert_frame_equal(again.table, table)


def test_single_images_get_their_names(
    written: Callable[..., Written], tmp_path: Path, layout: MakeLayout
) -> None:
    survey = written("caption")
    table = resolved(survey, tmp_path, layout, "pointwise", page_rows(survey)).table
    assert set(table["model"]) == {"zorgdiffusion", "quuxpainter", "reference"}
    assert table.loc[table["is_control"], "control_answer"].tolist() == [0.0] * 3
    assert table.loc[~table["is_control"], "control_answer"].isna().all()
    write_ratings(tmp_path / "named.csv", table, "pointwise")
    again = read_ratings([tmp_path / "named.csv"], layout("canonical_pointwise"))
    pd.testing.assert_frame_equal(again.table, table)


def test_what_is_saved_twice_counts_once(
    written: Callable[..., Written], tmp_path: Path, layout: MakeLayout
) -> None:
    survey = written("fidelity")
    rows = page_rows(survey)
    found = resolved(survey, tmp_path, layout, "pairwise", rows[:5], rows, page_rows(survey, "lee"))
    assert (found.num_saved_twice, len(found.table)) == (5, 2 * len(rows))
    changed = rows.assign(timestamp="2026-11-25T11:00:00Z")
    kept = resolved(survey, tmp_path, layout, "pairwise", rows, changed)
    assert (kept.num_saved_twice, len(kept.table)) == (0, 2 * len(rows))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (
            "batch_id",
            "fidelity-01-0",
            r"line 4, column batch_id: 'fidelity-01-0' is no batch of survey \w{10}; is",
        ),
        ("prompt_id", "p3", "line 4, column prompt_id: 'p3' is no trial of batch fidelity-01-"),
        (
            "model_a",
            "zorgdiffusion",
            r"column model_a: 'zorgdiffusion' is not \w{12}-a, as the page writes it",
        ),
        ("question", "quality", "column question: 'quality' is not 'fidelity', which batch"),
    ],
)
def test_what_the_key_does_not_know_is_refused_by_line(
    written: Callable[..., Written], tmp_path: Path, layout: MakeLayout, column: str, value: str, message: str
) -> None:
    survey = written("fidelity")
    rows = page_rows(survey)
    rows.loc[2, column] = value
    with pytest.raises(ValueError, match=message):
        resolved(survey, tmp_path, layout, "pairwise", rows)


def test_ratings_that_stay_under_codes_do_not_pass_for_named_ones(
    written: Callable[..., Written], tmp_path: Path, layout: MakeLayout
) -> None:
    page_rows(written("photorealism")).to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(ValueError, match="neither model is the reference"):
        read_ratings([tmp_path / "answers.csv"], layout("canonical_pairwise"))


def test_the_key_comes_back_as_it_was(written: Callable[..., Written], tmp_path: Path) -> None:
    survey = written("fidelity", "alignment", batch_size=7)
    key = read_key(survey.folder / "key.json")
    write_key(tmp_path / "again.json", key)
    assert read_key(tmp_path / "again.json") == key
    assert isinstance(key, Key)
    assert [batch.id for batch in key.batches] == [batch.id for batch in survey.survey.batches]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "key.json: cannot be read"),
        ("{", "key.json: not JSON"),
        ("{}", "key.json: schema_version is not there; name the key.json of a survey"),
        ('{"schema_version": 9}', "key.json: not a survey's key .schema_version 9; this version reads 2"),
        ('{"schema_version": 2, "batches": 3, "left_out": []}', "key.json: not a survey's key"),
        ("[]", "key.json: not a survey's key"),
    ],
)
def test_other_files_are_no_keys(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "key.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_key(path)


def test_columns_of_the_page_are_the_schema_s() -> None:
    for form in ("pairwise", "pointwise"):
        assert {"rater_id", "batch_id", "timestamp", "duration_s", "displayed_left"} <= {
            c.name for c in FORMS[form]
        }
