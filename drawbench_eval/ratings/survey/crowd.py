"""The survey for a crowdsourcing site: one CSV a question, a row a trial, and the pictures it names.

Every cell is safe for spreadsheets. Sites put cells into their templates as they are, so the question and the
caption are there as HTML too, where a prompt's markup is text.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image

from drawbench_eval.csv_text import csv_text
from drawbench_eval.files import atomic_path, digest, write_text
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.ratings.spreadsheet import escape
from drawbench_eval.ratings.survey.images import image_path
from drawbench_eval.ratings.survey.montage import montage
from drawbench_eval.ratings.survey.trials import Batch, Survey, Trial

PAIRWISE_COLUMNS = (
    *("batch_id", "trial", "question", "text", "text_html", "caption", "caption_html"),
    *("model_a", "model_b", "displayed_left", "left_images", "right_images", "montage"),
)
POINTWISE_COLUMNS = (
    *("batch_id", "trial", "question", "text", "text_html", "caption", "caption_html"),
    *("model", "image"),
)


@dataclass(frozen=True, kw_only=True)
class CrowdSettings:
    """`pictures`: montages of both sets, the single image files, or None for no files for such a site.

    `url_prefix` stands before every file name: where the pictures will be found.
    """

    pictures: Literal["montages", "files"] | None
    url_prefix: str


def write_crowd(
    survey: Survey, folder: Path, images: Path, settings: CrowdSettings, *, quality: int
) -> tuple[Path, ...]:
    """Writes `QUESTION.csv` for each question, and pictures under `folder/images`; gives the CSV files."""
    pictures = folder / "images"
    names = dict(_write_pictures(survey, pictures, images, settings, quality=quality))
    by_question: dict[str, list[Batch]] = {}
    for batch in survey.batches:
        by_question.setdefault(batch.wording.name, []).append(batch)
    written = []
    for name, batches in by_question.items():
        pairwise = batches[0].wording.form == "pairwise"
        rows = [_row(batch, trial, names, settings) for batch in batches for trial in batch.trials]
        columns = PAIRWISE_COLUMNS if pairwise else POINTWISE_COLUMNS
        cells = ([escape(row[column]) for column in columns] for row in rows)
        path = folder / f"{name}.csv"
        write_text(path, csv_text(columns, cells))
        written.append(path)
    return tuple(written)


def _row(
    batch: Batch, trial: Trial, montages: Mapping[str, str], settings: CrowdSettings
) -> Mapping[str, str]:
    caption = trial.prompt.text if trial.wording.reads_caption else ""
    text = trial.wording.asked(caption)

    def urls(sides: Sequence[int]) -> str:
        shown = (image for side in sides for image in trial.displayed[side].images)
        return " ".join(f"{settings.url_prefix}images/{image.code}.jpg" for image in shown)

    row = {
        "batch_id": batch.id,
        "trial": trial.code,
        "question": trial.wording.question,
        "text": text,
        "text_html": html.escape(text),
        "caption": caption,
        "caption_html": html.escape(caption),
    }
    if len(trial.sides) == 1:
        return {**row, "model": f"{trial.code}-a", "image": urls([0])}
    files = settings.pictures == "files"
    name = montages.get(_arrangement(trial))
    return {
        **row,
        "model_a": f"{trial.code}-a",
        "model_b": f"{trial.code}-b",
        "displayed_left": str(trial.left),
        "left_images": urls([0]) if files else "",
        "right_images": urls([1]) if files else "",
        "montage": f"{settings.url_prefix}images/{name}.jpg" if name else "",
    }


def _arrangement(trial: Trial) -> str:
    """The code of a montage: of the same sets on the same sides there is one."""
    return digest([[image.code for image in side.images] for side in trial.displayed])[:12]


def _write_pictures(
    survey: Survey, pictures: Path, images: Path, settings: CrowdSettings, *, quality: int
) -> Iterable[tuple[str, str]]:
    trials = list(survey.trials)
    alone = [trial for trial in trials if len(trial.sides) == 1 or settings.pictures == "files"]
    shown = {image.code: image for trial in alone for side in trial.sides for image in side.images}
    for image in shown.values():
        data = image_path(images, image).read_bytes()
        with atomic_path(image_path(pictures, image)) as temporary:
            temporary.write_bytes(data)
    if settings.pictures == "files":
        return []
    arranged = {_arrangement(trial): trial for trial in trials if len(trial.sides) == 2}

    def write(item: tuple[str, Trial]) -> tuple[str, str]:
        code, trial = item
        with atomic_path(pictures / f"{code}.jpg") as temporary:
            temporary.write_bytes(_montage(trial, images, quality))
        return code, code

    return load_ahead(write, arranged.items())


def _montage(trial: Trial, images: Path, quality: int) -> bytes:
    opened = [[Image.open(image_path(images, image)) for image in side.images] for side in trial.displayed]
    cell = max(max(picture.size) for side in opened for picture in side)
    buffer = BytesIO()
    montage(opened, trial.wording.sides, cell=cell).save(
        buffer, format="JPEG", quality=quality, subsampling="4:4:4", optimize=True
    )
    return buffer.getvalue()
