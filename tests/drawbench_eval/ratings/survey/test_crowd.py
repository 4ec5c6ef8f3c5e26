import csv
import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from image_sets import HOSTILE
from PIL import Image

from drawbench_eval.ratings import Layout, read_ratings
from drawbench_eval.ratings.survey import Contestant, CrowdSettings, Written, read_key, resolve
from drawbench_eval.ratings.survey.crowd import PAIRWISE_COLUMNS, POINTWISE_COLUMNS

MONTAGES = CrowdSettings(pictures="montages", url_prefix="https://example.org/s/")
FILES = CrowdSettings(pictures="files", url_prefix="")


def rows(written: Written, name: str) -> list[dict[str, str]]:
    text = (written.folder / "crowd" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_for_each_trial_and_a_picture_for_each_row(written: Callable[..., Written]) -> None:
    survey = written("fidelity", "alignment", "caption", crowd=MONTAGES, batch_size=6)
    trials = {(batch.id, t.code): t for batch in survey.survey.batches for t in batch.trials}
    found = {}
    for name, columns in (("fidelity", PAIRWISE_COLUMNS), ("caption", POINTWISE_COLUMNS)):
        assert tuple(rows(survey, name)[0]) == columns
    for name in ("fidelity", "alignment", "caption"):
        for row in rows(survey, name):
            trial = found[row["batch_id"], row["trial"]] = trials[row["batch_id"], row["trial"]]
            assert row["text"] == trial.wording.asked(trial.prompt.text)
            picture = row["image"] if name == "caption" else row["montage"]
            assert picture.startswith("https://example.org/s/images/")
            path = survey.folder / "crowd" / picture.removeprefix("https://example.org/s/")
            with Image.open(path) as image:
                assert image.format == "JPEG"
                if name != "caption":
                    assert image.width > 4 * 40
    assert found == trials
    used = {path.name for path in (survey.folder / "crowd" / "images").iterdir()}
    named = {
        Path(row.get("image") or row["montage"]).name
        for name in ("fidelity", "alignment", "caption")
        for row in rows(survey, name)
    }
    assert used == named


def test_files_stand_in_the_order_of_the_sides(written: Callable[..., Written]) -> None:
    survey = written("fidelity", crowd=FILES)
    trials = {trial.code: trial for trial in survey.survey.trials}
    lefts = set()
    for row in rows(survey, "fidelity"):
        trial = trials[row["trial"]]
        lefts.add(row["displayed_left"])
        by_side = dict(zip("ab", trial.sides, strict=True))
        for column, side in (
            ("left_images", row["displayed_left"]),
            ("right_images", "ab".replace(row["displayed_left"], "")),
        ):
            names = [f"images/{image.code}.jpg" for image in by_side[side].images]
            assert row[column].split(" ") == names
            assert all((survey.folder / "crowd" / name).is_file() for name in names)
    assert lefts == {"a", "b"}


def test_nothing_names_a_model_and_nothing_can_be_run(
    written: Callable[..., Written], hostile_sets: list[Contestant]
) -> None:
    survey = written("alignment", sets=hostile_sets, crowd=FILES)
    found = rows(survey, "alignment")
    text = (survey.folder / "crowd" / "alignment.csv").read_text(encoding="utf-8")
    assert "zorgdiffusion" not in text
    assert "quuxpainter" not in text
    cells = [cell for row in found for cell in row.values()]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert "'" + HOSTILE["formula"] in cells
    html = {row["caption_html"] for row in found} | {row["text_html"] for row in found}
    assert not any("<" in cell for cell in html)
    assert any("&lt;/script&gt;" in cell for cell in html)


def test_without_a_site_there_is_no_folder(written: Callable[..., Written]) -> None:
    assert not (written("fidelity").folder / "crowd").exists()


@pytest.mark.parametrize(
    ("question", "layout_name", "answers"),
    [
        ("alignment", "survey_mturk", {"left": "left", "indifferent": "indifferent", "right": "right"}),
        ("photorealism", "survey_mturk", {"left": "left", "right": "right"}),
        ("caption", "survey_mturk_one", {"100": "yes", "50": "somewhat", "0": "no"}),
    ],
)
def test_what_a_site_gives_back_is_read_through_configuration(
    written: Callable[..., Written], tmp_path: Path, layout: Callable[[str], Layout], question: str,
    layout_name: str, answers: dict[str, str],
) -> None:  # fmt: skip
    survey = written(question, crowd=MONTAGES)
    asked = rows(survey, question)
    said = [list(answers)[index % len(answers)] for index in range(len(asked))]
    results = pd.DataFrame(asked).add_prefix("Input.")
    results.insert(0, "WorkerId", "W1")
    results.insert(1, "WorkTimeInSeconds", "12")
    results["Answer.choice"] = [answers[answer] for answer in said]
    results.to_csv(tmp_path / "results.csv", index=False)
    imported = read_ratings([tmp_path / "results.csv"], layout(layout_name))
    table = resolve(imported, read_key(survey.folder / "key.json")).table
    trials = {trial.code: trial for trial in survey.survey.trials}
    for row, answer, (_, judged) in zip(asked, said, table.iterrows(), strict=True):
        trial = trials[row["trial"]]
        assert judged["prompt_id"] == trial.prompt.id
        assert judged["duration_s"] == 12
        if question == "caption":
            assert (judged["model"], judged["value"]) == (trial.sides[0].model, float(answer))
        else:
            chosen = {"a": judged["model_a"], "b": judged["model_b"]}.get(judged["choice"], "indifferent")
            shown = dict(zip(("left", "right"), trial.displayed, strict=True))
            assert chosen == (shown[answer].model if answer in shown else "indifferent")
