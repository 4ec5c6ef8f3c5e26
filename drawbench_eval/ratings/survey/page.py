"""A batch as one HTML page that needs nothing else: images, style and program are in it, and no model's name.

It holds codes for trials and images only. What they stand for is in the survey's key, which stays at home.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from drawbench_eval.ratings.schema import column_names
from drawbench_eval.ratings.survey.trials import Batch, Shown, Trial
from drawbench_eval.ratings.survey.words import CAPTION

# In a script element these could end it or open a comment; in JSON they are only ever inside texts.
_IN_SCRIPT = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def page_html(batch: Batch, read: Callable[[Shown], bytes]) -> str:
    """The page of a batch; `read` gives an image's JPEG. Prompts are text, whatever stands in them."""
    style, program = _part("page.css"), _part("page.js")
    # S701 is about environments without autoescape, which this is not.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return (
        environment.from_string(_part("page.html.j2")).render(
            title=_TITLES[batch.wording.shows],
            style=style,
            program=program,
            style_hash=_source_hash(style),
            program_hash=_source_hash(program),
            batch=json.dumps(as_json(batch, read), ensure_ascii=False).translate(_IN_SCRIPT),
        )
        + "\n"
    )


_TITLES = {
    "sets": "Comparing sets of images",
    "images": "Comparing images",
    "one": "Images and their captions",
}


def as_json(batch: Batch, read: Callable[[Shown], bytes]) -> dict[str, Any]:
    """What the page's program reads. Each image stands there once, as a data URI."""
    wording = batch.wording
    numbers: dict[str, int] = {}
    uris: list[str] = []
    for trial in batch.trials:
        for image in (image for side in trial.sides for image in side.images):
            if image.code not in numbers:
                numbers[image.code] = len(uris)
                uris.append("data:image/jpeg;base64," + base64.b64encode(read(image)).decode("ascii"))
    return {
        "id": batch.id,
        "shows": wording.shows,
        "question": wording.question,
        "text": wording.text,
        "caption_mark": CAPTION,
        "side_labels": list(wording.sides),
        "options": [{"answer": option.answer, "label": option.label} for option in wording.options],
        "columns": list(column_names(wording.form)),
        "blocks": [[_trial_json(trial, numbers) for trial in block] for block in batch.blocks],
        "images": uris,
    }


def _trial_json(trial: Trial, numbers: dict[str, int]) -> dict[str, Any]:
    return {
        "code": trial.code,
        "caption": trial.prompt.text if trial.wording.reads_caption else None,
        "left": trial.left,
        "sides": [[numbers[image.code] for image in side.images] for side in trial.sides],
    }


def _part(name: str) -> str:
    return (files("drawbench_eval.ratings.survey") / "pages" / name).read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    """What a content security policy calls an inline style or script: nothing else in the page is run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
