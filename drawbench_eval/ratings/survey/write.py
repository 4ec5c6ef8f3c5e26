"""A survey on disk: all of it, or nothing."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drawbench_eval.files import ensure_folder, write_text
from drawbench_eval.ratings.survey.choose import (
    REFERENCE,
    Contestant,
    Entry,
    LeftOut,
    choose_entries,
    draw_prompts,
)
from drawbench_eval.ratings.survey.crowd import CrowdSettings, write_crowd
from drawbench_eval.ratings.survey.images import ImageSettings, image_path, write_images
from drawbench_eval.ratings.survey.key import key_of, write_key
from drawbench_eval.ratings.survey.page import page_html
from drawbench_eval.ratings.survey.plan import SurveySettings, plan_survey
from drawbench_eval.ratings.survey.trials import Shown, Survey

KEY = "key.json"
PAGES = "pages"
CROWD = "crowd"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written: the survey, its folder, each page's size in bytes, and whether there is `crowd/`."""

    survey: Survey
    folder: Path
    pages: Mapping[str, int]
    has_crowd: bool


def write_survey(
    contestants: Sequence[Contestant],
    folder: Path,
    *,
    settings: SurveySettings,
    images: ImageSettings,
    crowd: CrowdSettings,
    record: Mapping[str, Any],
) -> Written:
    """Writes `key.json`, `pages/BATCH.html`, and `crowd/` where it is wanted, into a new `folder`.

    `record`: what the survey is made of and with, as the key keeps it. The same input gives the same bytes.

    Raises ValueError where the folder is there already, and where images are missing or cannot be shown and
    `settings.incomplete` is refuse.
    """
    _refuse_existing(folder)
    names = [one.name for one in contestants if one.name != REFERENCE]
    eligible, left_out = choose_entries(contestants, seed=settings.seed)
    _refuse_incomplete(left_out, settings)
    samples = {one.name: one.samples for one in contestants}
    with TemporaryDirectory(prefix="drawbench-eval-survey-") as scratch:
        folder_of_images = Path(scratch)
        while True:
            entries = draw_prompts(eligible, settings.num_prompts, seed=settings.seed)
            survey = plan_survey(
                entries,
                names,
                settings,
                set_side=images.set_side,
                single_side=images.single_side,
                left_out=left_out,
            )
            faults = write_images(survey.images, samples, folder_of_images, quality=images.quality)
            if not faults:
                break
            dropped = _dropped(entries, survey, faults)
            _refuse_incomplete(dropped, settings)
            lost = {one.prompt_id for one in dropped}
            eligible = tuple(entry for entry in eligible if entry.prompt.id not in lost)
            left_out = (*left_out, *dropped)

        def read(shown: Shown) -> bytes:
            return image_path(folder_of_images, shown).read_bytes()

        with _new_folder(folder) as temporary:
            pages = {}
            for batch in survey.batches:
                page = page_html(batch, read)
                write_text(temporary / PAGES / f"{batch.id}.html", page)
                pages[f"{batch.id}.html"] = len(page.encode("utf-8"))
            if crowd.pictures is not None:
                write_crowd(survey, temporary / CROWD, folder_of_images, crowd, quality=images.quality)
            write_key(temporary / KEY, key_of(survey, record))
    has_crowd = crowd.pictures is not None
    return Written(survey=survey, folder=folder, pages=pages, has_crowd=has_crowd)


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise ValueError(
            f"output: {folder} is there already, and a survey that raters may have is not overwritten; "
            "name another folder or remove it"
        )


def _refuse_incomplete(left_out: Sequence[LeftOut], settings: SurveySettings) -> None:
    if left_out and settings.incomplete == "refuse":
        first = left_out[0]
        raise ValueError(
            f"sets: prompt {first.prompt_id!r} cannot be shown ({first.reason}), one of {len(left_out)}; "
            "write incomplete=leave_out to do without, or a smaller images_per_set"
        )


def _dropped(entries: Sequence[Entry], survey: Survey, faults: Mapping[str, str]) -> tuple[LeftOut, ...]:
    """The prompts with an image that cannot be shown."""
    reasons: dict[str, str] = {}
    for image in survey.images:
        if image.code in faults:
            reasons.setdefault(image.sample.prompt_id, f"{image.contestant}: {faults[image.code]}")
    return tuple(
        LeftOut(prompt_id=entry.prompt.id, reason=reasons[entry.prompt.id])
        for entry in entries
        if entry.prompt.id in reasons
    )


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder under another name beside it, renamed to `folder` when the block ends without an error."""
    ensure_folder(folder.parent)
    temporary = folder.parent / f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{folder.name}"
    try:
        ensure_folder(temporary)
        yield temporary
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
