import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from image_sets import HOSTILE
from PIL import Image

from drawbench_eval.ratings.survey import CONTROL, WORDINGS, Contestant, Written


class Parsed(HTMLParser):
    """The tags, attributes and inline sources of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.inline: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag in ("script", "style"):
            self.inline.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.inline and self.cdata_elem is not None:
            tag, attrs, text = self.inline[-1]
            self.inline[-1] = (tag, attrs, text + data)


def pages(written: Written) -> list[tuple[str, Parsed]]:
    texts = [path.read_text(encoding="utf-8") for path in sorted((written.folder / "pages").iterdir())]
    return [(text, Parsed(text)) for text in texts]


def batch_of(page: Parsed) -> dict[str, Any]:
    (text,) = [text for tag, attrs, text in page.inline if attrs.get("id") == "batch"]
    batch: dict[str, Any] = json.loads(text)
    return batch


def test_a_page_needs_nothing_else(written: Callable[..., Written]) -> None:
    survey = written("fidelity", "photorealism", "caption")
    assert len(pages(survey)) == 3
    for text, page in pages(survey):
        assert not [one for one in page.attributes if one[1] in ("src", "href", "action", "style")]
        assert not [one for one in page.attributes if one[1].startswith("on")]
        assert "link" not in page.tags
        (policy,) = [
            value
            for tag, name, value in page.attributes
            if tag == "meta" and name == "content" and value and "default-src" in value
        ]
        assert policy.startswith("default-src 'none'; img-src data:; ")
        for tag, attrs, source in page.inline:
            if attrs.get("type") != "application/json":
                digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
                assert f"{tag}-src 'sha256-{digest}'" in policy
        assert not re.search(r"https?://|fetch\(|XMLHttpRequest|import\(", text)
        for uri in batch_of(page)["images"]:
            kind, _, data = uri.partition(",")
            assert kind == "data:image/jpeg;base64"
            with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
                assert max(image.size) <= 96


def test_no_name_stands_in_a_page_or_in_a_file_s_name(written: Callable[..., Written]) -> None:
    survey = written("fidelity", "photorealism", "caption")
    names = {name for batch in survey.survey.batches for name in _secrets(batch)} - {CONTROL}
    assert {"zorgdiffusion", "quuxpainter", "reference"} <= names
    for path in (survey.folder / "pages").iterdir():
        assert path.name.endswith(".html")
        text = path.read_text(encoding="utf-8")
        # Images are pixels encoded anew; in what is left there is no name, no sample id and no prompt id.
        text = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", text) + path.name
        for name in names:
            assert name.casefold() not in text.casefold(), name
        assert "control" not in text.casefold().replace("is_control", "").replace("control_answer", "")


def _secrets(batch: Any) -> list[str]:
    sides = [side for trial in batch.trials for side in trial.sides]
    return [
        *(side.model for side in sides),
        *(image.sample.sample_id for side in sides for image in side.images),
        *(f'"{trial.prompt.id}"' for trial in batch.trials),
    ]


def test_what_a_rater_may_not_see_is_not_there(written: Callable[..., Written]) -> None:
    for _, page in pages(written("fidelity", "alignment")):
        batch = batch_of(page)
        assert set(batch) == {
            *("id", "shows", "question", "text", "caption_mark", "side_labels", "options", "columns"),
            *("blocks", "images"),
        }
        for trial in (trial for block in batch["blocks"] for trial in block):
            assert set(trial) == {"code", "caption", "left", "sides"}
            assert (trial["caption"] is None) == (batch["question"] == "fidelity")
        assert batch["text"] == WORDINGS[batch["question"]].text


def test_a_prompt_is_text(written: Callable[..., Written], hostile_sets: list[Contestant]) -> None:
    (found,) = pages(written("alignment", sets=hostile_sets))
    text, page = found
    captions = {trial["caption"] for block in batch_of(page)["blocks"] for trial in block}
    assert captions == set(HOSTILE.values())
    plain = pages(written("alignment", name="plain"))[0][1]
    assert page.tags == plain.tags
    assert "onerror" not in re.sub(r"\\u003cimg src=x onerror", "", text)


def test_the_page_holds_the_survey_s_trials(written: Callable[..., Written]) -> None:
    survey = written("fidelity")
    ((_, page),) = pages(survey)
    (batch,) = survey.survey.batches
    found = batch_of(page)
    assert found["id"] == batch.id == next((survey.folder / "pages").iterdir()).stem
    assert [[t["code"] for t in block] for block in found["blocks"]] == [
        [t.code for t in block] for block in batch.blocks
    ]
    data = {uri: number for number, uri in enumerate(found["images"])}
    assert len(data) == len(found["images"])
    trials = {trial["code"]: trial for block in found["blocks"] for trial in block}
    seen: dict[str, int] = {}
    for trial in batch.trials:
        for side, numbers in zip(trial.sides, trials[trial.code]["sides"], strict=True):
            for image, number in zip(side.images, numbers, strict=True):
                assert seen.setdefault(image.code, number) == number
    assert sorted(seen.values()) == list(range(len(data)))


def test_sizes_are_those_of_the_files(written: Callable[..., Written], tmp_path: Path) -> None:
    survey = written()
    for name, size in survey.pages.items():
        assert (survey.folder / "pages" / name).stat().st_size == size
