"""The page as raters use it, in a real browser: from a file, by keyboard, mouse and touch."""

import csv
import io
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from image_sets import HOSTILE

from drawbench_eval.csv_text import csv_text
from drawbench_eval.ratings import Layout, read_ratings
from drawbench_eval.ratings.spreadsheet import escape
from drawbench_eval.ratings.survey import Contestant, Written, read_key, resolve

MakeLayout = Callable[[str], Layout]
WriteSurvey = Callable[..., Written]

DESKTOP, PHONE = (1280, 720), (390, 844)
KEYS = {
    "ArrowLeft": "\ue012",
    "ArrowDown": "\ue015",
    "ArrowRight": "\ue014",
    "Backspace": "\ue003",
    "Escape": "\ue00c",
}


class Page:
    """One open page."""

    def __init__(self, driver: Any, path: Path, downloads: Path) -> None:
        self.driver, self.path, self.downloads = driver, path, downloads

    def open(self, rater: str | None = None) -> "Page":
        self.driver.get(self.path.as_uri())
        if rater is not None:
            box = self.find("#rater")
            box.clear()
            box.send_keys(rater)
        return self

    def start(self) -> "Page":
        self.find("#start-form button").click()
        return self

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str) -> None:
        for _ in range(600):
            if self.run(f"return Boolean({condition})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"{condition} did not come true; {self.errors()}")

    def press(self, key: str) -> None:
        """A key, once the images are there to be judged."""
        self.wait("isReady && !at('trial').hidden")
        self.key(key)

    def key(self, key: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(KEYS.get(key, key)).perform()

    @property
    def trial(self) -> dict[str, Any]:
        found: dict[str, Any] = self.run("return trials[position]")
        return found

    @property
    def position(self) -> str:
        return str(self.find("#position").text)

    def saved(self) -> Path:
        """The file that a click on the button saves."""
        size = len(self.run("return csvFor(rater, answers)").encode())
        before = set(self.downloads.glob("*.csv"))
        self.find("#save").click()
        for _ in range(600):
            # Chromium makes the file first and fills it later.
            for new in set(self.downloads.glob("*.csv")) - before:
                if new.stat().st_size == size:
                    return new
            time.sleep(0.05)
        raise AssertionError("nothing was saved")

    def errors(self) -> list[Any]:
        """What the console holds; a breach of the content security policy is there too."""
        found: list[Any] = self.driver.get_log("browser")
        return found


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def desktop(downloads: Path) -> Iterator[Any]:
    with chromium(downloads, size=DESKTOP) as driver:
        yield driver


@pytest.fixture(scope="module")
def phone(downloads: Path) -> Iterator[Any]:
    with chromium(downloads, size=PHONE, phone=True) as driver:
        yield driver


def first_page(survey: Written) -> Path:
    return sorted((survey.folder / "pages").iterdir())[0]


@pytest.fixture
def page(desktop: Any, downloads: Path, written: WriteSurvey) -> Callable[..., Page]:
    """A page of a new survey about some questions, in the desktop's browser."""

    def opened(*questions: str, **how: Any) -> Page:
        return Page(desktop, first_page(written(*questions, **how)), downloads)

    return opened


def table_of(path: Path, layout: MakeLayout, form: str, key: Path) -> Any:
    imported = read_ratings([path], layout(f"survey_{form}"))
    assert imported.counts.rejected == 0
    return resolve(imported, read_key(key)).table


def test_a_rater_goes_through_a_whole_batch(
    desktop: Any, downloads: Path, written: WriteSurvey, layout: MakeLayout
) -> None:
    survey = written("alignment")
    page = Page(desktop, first_page(survey), downloads).open("kim 1").start()
    trials = {trial.code: trial for trial in survey.survey.trials}
    meant = {}
    hands: list[Callable[[int], None]] = [
        lambda answer: page.press(str(answer + 1)),
        lambda answer: page.press(["ArrowLeft", "ArrowDown", "ArrowRight"][answer]),
        lambda answer: (page.wait("isReady"), page.all("#answers button")[answer].click())[0],
    ]
    for number in range(len(trials)):
        assert page.position == f"{number + 1} of {len(trials)}"
        shown = page.trial
        trial = trials[shown["code"]]
        assert page.find("#question").text == trial.wording.asked(trial.prompt.text)
        answer = number % 3
        meant[trial.code] = {0: shown["left"], 1: "indifferent", 2: "ab".replace(shown["left"], "")}[answer]
        hands[(number // 3) % 3](answer)
    page.wait("!at('end').hidden")
    assert page.find("#end-title").text == "All done. Thank you!"
    path = page.saved()
    assert path.name == f"{first_page(survey).stem}-kim_1.csv"
    assert page.find("#saved").text == f"Saved as {path.name}."
    assert page.run("return at('answers-text').value") == path.read_text(encoding="utf-8")
    table = table_of(path, layout, "pairwise", survey.folder / "key.json")
    by_prompt = {(t.prompt.id, t.control_answer): t.code for t in trials.values()}
    codes = [by_prompt[row["prompt_id"], row["control_answer"]] for _, row in table.iterrows()]
    assert dict(zip(codes, table["choice"], strict=True)) == meant
    # In the order in which they were shown.
    assert codes == [trial["code"] for trial in page.run("return trials")]
    assert set(table["rater_id"]) == {"kim 1"}
    assert table["is_control"].sum() == 3
    assert (table["duration_s"] > 0).all()
    assert table["timestamp"].is_monotonic_increasing
    assert page.errors() == []


def test_photorealism_has_two_answers(
    desktop: Any, downloads: Path, written: WriteSurvey, layout: MakeLayout
) -> None:
    survey = written("photorealism", controls_per_batch=2)
    page = Page(desktop, first_page(survey), downloads).open("lee").start()
    assert [button.text for button in page.all("#answers button")] == ["1Image A", "2Image B"]
    meant = {}
    for number in range(22):
        shown = page.trial
        if number == 0:
            page.press("3")
            page.press("ArrowDown")
            assert page.position == "1 of 22"
        meant[shown["code"]] = shown["left"] if number % 2 else "ab".replace(shown["left"], "")
        page.press("ArrowLeft" if number % 2 else "2")
    page.wait("!at('end').hidden")
    path = page.saved()
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    assert {row["prompt_id"]: row["choice"] for row in rows} == meant
    table = table_of(path, layout, "pairwise", survey.folder / "key.json")
    assert set(table["model_b"]) == {"reference"}


def test_the_question_about_one_image_stands_below_it(
    desktop: Any, downloads: Path, written: WriteSurvey, layout: MakeLayout
) -> None:
    survey = written("caption", controls_per_batch=0, num_prompts=3)
    page = Page(desktop, first_page(survey), downloads).open("lee").start()
    values = {}
    for number in range(9):
        page.wait("isReady")
        order = page.run(
            "return [...document.querySelectorAll('#trial img, #trial .caption, #question, #answers')]"
            ".map(found => [found.getBoundingClientRect().top, found.tagName, found.textContent])"
        )
        assert [tag for _, tag, _ in order] == ["IMG", "P", "H1", "DIV"]
        assert order == sorted(order)
        assert order[1][2] == page.trial["caption"]
        values[page.trial["code"]] = [100, 50, 0][number % 3]
        page.press(str(number % 3 + 1))
    page.wait("!at('end').hidden")
    path = page.saved()
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    assert {row["prompt_id"]: float(row["value"]) for row in rows} == values
    table = table_of(path, layout, "pointwise", survey.folder / "key.json")
    assert Counter(table["value"]) == {100: 3, 50: 3, 0: 3}


def test_after_closing_it_goes_on_where_it_was(page: Callable[..., Page]) -> None:
    opened = page("fidelity").open("ann").start()
    order = [trial["code"] for trial in opened.run("return trials")]
    for key in ("1", "2", "3", "1"):
        opened.press(key)
    before = opened.run("return csvFor(rater, answers)")
    opened.driver.get("about:blank")
    opened.open()
    # The last id is offered again.
    assert opened.find("#rater").get_property("value") == "ann"
    assert opened.find("#rater-state").text == "4 of 13 are answered under this id."
    assert opened.find("#start-form button").text == "Go on"
    opened.start()
    opened.wait("isReady")
    assert opened.position == "5 of 13"
    assert opened.find("#progress").get_property("value") == 4
    assert [trial["code"] for trial in opened.run("return trials")] == order
    assert opened.run("return csvFor(rater, answers)") == before
    # Somebody else begins at the beginning, and changes nothing of it.
    opened.open("bob").start()
    assert opened.position == "1 of 13"
    opened.press("2")
    opened.open("ann")
    assert opened.find("#rater-state").text == "4 of 13 are answered under this id."
    # Another batch is another matter.
    other = page("fidelity", seed=5, name="other").open("ann")
    assert other.find("#rater-state").text == ""


def test_answers_can_be_seen_again_and_changed(page: Callable[..., Page]) -> None:
    opened = page("fidelity").open("cy").start()
    first = opened.trial["code"]
    opened.press("1")
    opened.press("1")
    opened.press("Backspace")
    opened.press("Backspace")
    opened.wait("isReady")
    assert opened.position == "1 of 13"
    assert not opened.find("#back").is_enabled()
    pressed = [button.get_attribute("aria-pressed") for button in opened.all("#answers button")]
    assert pressed == ["true", "false", "false"]
    earlier = opened.run("return answers[arguments[0]].duration_s", first)
    opened.press("3")
    assert opened.position == "3 of 13"
    assert opened.run("return answers[arguments[0]].answer", first) == "right"
    assert opened.run("return answers[arguments[0]].duration_s", first) > earlier
    opened.find("#back").click()
    opened.wait("isReady")
    assert opened.position == "2 of 13"
    opened.find("#forward").click()
    opened.wait("isReady")
    assert not opened.find("#forward").is_enabled()
    opened.find("#pause").click()
    assert opened.find("#end-title").text == "2 of 13 answered"
    opened.find("#return").click()
    opened.wait("isReady")
    assert opened.position == "3 of 13"
    for _ in range(11):
        opened.press("2")
    opened.wait("!at('end').hidden")
    opened.find("#return").click()
    opened.press("2")
    assert opened.position == "2 of 13"
    assert opened.run("return csvFor(rater, answers)").count("\n") == 14


def test_a_prompt_full_of_markup_is_text(page: Callable[..., Page], hostile_sets: list[Contestant]) -> None:
    opened = page("alignment", sets=hostile_sets, controls_per_batch=0).open("dee").start()
    seen = set()
    for _ in HOSTILE:
        opened.wait("isReady")
        caption = opened.trial["caption"]
        seen.add(caption)
        assert opened.run("return at('question').textContent") == (
            f"Which set of images better represents the text caption: {caption}?"
        )
        assert opened.run("return at('question').querySelectorAll('*').length") == 1
        opened.press("1")
    assert seen == set(HOSTILE.values())
    assert opened.driver.title == "Comparing sets of images"
    assert opened.errors() == []


def test_an_image_can_be_enlarged_and_keys_do_not_answer_then(page: Callable[..., Page]) -> None:
    opened = page("fidelity").open("eve").start()
    opened.wait("isReady")
    opened.all(".grid button")[1].click()
    assert opened.find("#zoom").is_displayed()
    assert opened.find("#zoom-name").text == "Set A, image 2 of 2"
    opened.key("1")
    opened.key("ArrowRight")
    assert opened.find("#zoom-name").text == "Set A, image 1 of 2"
    opened.find("#zoom-previous").click()
    assert opened.find("#zoom-name").text == "Set A, image 2 of 2"
    assert opened.run("return at('zoom-image').getBoundingClientRect().width") > 400
    opened.key("Escape")
    assert not opened.find("#zoom").is_displayed()
    assert opened.position == "1 of 13"
    opened.press("1")
    assert opened.position == "2 of 13"


def test_held_keys_and_other_keys_answer_nothing(page: Callable[..., Page]) -> None:
    opened = page("fidelity").open("flo").start()
    opened.wait("isReady")
    for init in (
        {"key": "1", "repeat": True},
        {"key": "1", "ctrlKey": True},
        {"key": "x"},
        {"key": "4"},
        {"key": "0"},
    ):
        opened.run("document.dispatchEvent(new KeyboardEvent('keydown', arguments[0]))", init)
    assert opened.position == "1 of 13"
    opened.run("document.dispatchEvent(new KeyboardEvent('keydown', arguments[0]))", {"key": "1"})
    assert opened.position == "2 of 13"
    # Two at once: the second comes before the next images are there.
    opened.wait("isReady")
    twice = "for (let i = 0; i < 2; i++) document.dispatchEvent(new KeyboardEvent('keydown', {key: '1'}))"
    opened.run(twice)
    assert opened.position == "3 of 13"
    assert opened.run("return Object.keys(answers).length") == 2


def test_an_id_is_needed_and_one_is_offered(page: Callable[..., Page]) -> None:
    opened = page("caption").open()
    offered = opened.find("#rater").get_property("value")
    assert re.fullmatch(r"rater-[a-z0-9]{5}", offered)
    opened.open("   ").start()
    assert opened.find("#start").is_displayed()
    assert opened.find("#rater-state").text == "Please write an id first."
    opened.driver.get(f"{opened.path.as_uri()}?rater=from+the+link")
    assert opened.find("#rater").get_property("value") == "from the link"


def test_a_browser_that_keeps_nothing_is_said_to(page: Callable[..., Page]) -> None:
    opened = page("fidelity")
    blocked = opened.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {"source": "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"},
    )
    try:
        opened.open("gil").start()
        opened.press("1")
        opened.find("#pause").click()
        assert "This browser keeps nothing: save before you close the page." in opened.find("#end-text").text
        assert opened.run("return csvFor(rater, answers)").count("\n") == 2
    finally:
        opened.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", blocked)


def test_what_is_stored_and_broken_counts_as_nothing(page: Callable[..., Page]) -> None:
    opened = page("fidelity").open("hal")
    for text in ("{", "[1]", '{"x": {"answer": "left"}}', '{"x": null}', "null"):
        opened.run("localStorage.setItem(keptAs('hal'), arguments[0])", text)
        assert opened.run("return answersOf('hal')") == {}


def test_cells_are_written_as_python_writes_them(page: Callable[..., Page]) -> None:
    cells = [
        *(
            '=HYPERLINK("http://x","y")',
            "+1",
            "-2",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "'=1",
            "''=",
            "'tis",
            "",
            " x ",
        ),
        *('a,"b"\nc', "a\r\nb", "a;b", '"', "ß\U0001f98a", "\u2028", "a=1"),
    ]
    opened = page("fidelity").open()
    found = opened.run("return arguments[0].map(text => ['x', text].map(cell).join(',')).join('\\n')", cells)
    assert found + "\n" == csv_text(["x", escape(cells[0])], (["x", escape(text)] for text in cells[1:]))


def test_an_id_that_is_a_formula_leaves_as_text(
    desktop: Any, downloads: Path, written: WriteSurvey, layout: MakeLayout
) -> None:
    survey = written("fidelity")
    rater = '=HYPERLINK("http://x","y")'
    page = Page(desktop, first_page(survey), downloads).open(rater).start()
    page.press("1")
    page.find("#pause").click()
    path = page.saved()
    assert re.fullmatch(r"[A-Za-z0-9._-]+\.csv", path.name)
    assert "\"'=HYPERLINK" in path.read_text(encoding="utf-8")
    table = table_of(path, layout, "pairwise", survey.folder / "key.json")
    assert table["rater_id"].tolist() == [rater]


def test_each_rater_has_an_order_and_half_of_them_the_sides_swapped(
    desktop: Any, downloads: Path, written: WriteSurvey
) -> None:
    survey = written("fidelity", controls_per_batch=4)
    page = Page(desktop, first_page(survey), downloads).open()
    (batch,) = survey.survey.batches
    left = {trial.code: trial.left for trial in batch.trials}
    is_control = {trial.code: trial.control_answer is not None for trial in batch.trials}
    raters = [f"rater {number}" for number in range(400)]
    orders = page.run("return arguments[0].map(rater => trialsFor(rater).map(t => [t.code, t.left]))", raters)
    again = page.run("return trialsFor('rater 7').map(t => [t.code, t.left])")
    assert again == orders[7]
    swapped = 0
    for order in orders:
        assert sorted(code for code, _ in order) == sorted(left)
        changes = {side != left[code] for code, side in order}
        assert len(changes) == 1
        swapped += changes == {True}
        # Controls stay spread: one in each stretch of a block's size.
        places = [place for place, (code, _) in enumerate(order) if is_control[code]]
        assert all(later - earlier <= 2 * 4 for earlier, later in pairwise(places))
    # 200 expected, standard deviation 10.
    assert 160 < swapped < 240
    first = Counter(order[0][0] for order in orders)
    assert len(first) == 14
    # 29 of each expected, standard deviation 5.
    assert max(first.values()) < 60


@pytest.mark.parametrize("question", ["fidelity", "alignment", "photorealism", "caption"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_everything_is_in_view(
    request: pytest.FixtureRequest, downloads: Path, written: WriteSurvey, eight_sets: list[Contestant],
    question: str, device: str,
) -> None:  # fmt: skip
    survey = written(question, sets=eight_sets) if question == "fidelity" else written(question)
    page = Page(request.getfixturevalue(device), first_page(survey), downloads).open("ida")
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    page.start()
    page.wait("isReady")
    assert page.run("return [innerWidth, innerHeight]") == list(DESKTOP if device == "desktop" else PHONE)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    boxes = page.run(
        "return [...document.querySelectorAll('#trial img, #answers button, #question')].map(found => {"
        "const box = found.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; })"
    )
    assert (
        len(boxes)
        == {"fidelity": 16 + 4, "alignment": 4 + 4, "photorealism": 2 + 3, "caption": 1 + 4}[question]
    )
    width, height = DESKTOP if device == "desktop" else PHONE
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    page.all(".grid button")[0].click()
    assert page.find("#zoom").is_displayed()
    assert page.run("return at('zoom').scrollWidth <= at('zoom').clientWidth")
    assert page.run("return at('zoom').scrollHeight <= at('zoom').clientHeight")
    heights = page.run("return [...at('answers').children].map(button => button.offsetHeight)")
    assert min(heights) >= 44


def test_it_can_be_used_without_seeing_it_well(page: Callable[..., Page]) -> None:
    opened = page("alignment").open("jo")
    assert opened.run("return at('rater').labels[0].textContent") == "Your id"
    assert opened.run("return document.documentElement.lang") == "en"
    contrasts = [*opened.run(CONTRASTS)]
    opened.start()
    opened.wait("isReady")
    assert opened.run("return document.activeElement.id") == "question"
    contrasts += opened.run(CONTRASTS)
    names = opened.run("return [...document.querySelectorAll('#trial img')].map(image => image.alt)")
    assert names == [f"Set {side}, image {number} of 2" for side in "AB" for number in (1, 2)]
    roles = {name: opened.find(f"#{name}").aria_role for name in ("answers", "progress", "question")}
    assert roles == {"answers": "group", "progress": "progressbar", "question": "heading"}
    assert opened.find("#answers").accessible_name == opened.find("#question").text
    assert opened.find("#progress").accessible_name == "1 of 13"
    assert opened.all("#answers button")[0].accessible_name == "I prefer set A"
    # By the tab key alone: the third answer is reached and given.
    opened.run("document.querySelectorAll('.grid button')[3].focus()")
    for _ in range(3):
        opened.key("\ue004")
    assert opened.run("return document.activeElement.textContent") == "3I prefer set B"
    ring = "return getComputedStyle(document.activeElement).outlineWidth"
    assert opened.run(ring) == "3px"
    opened.key("\ue007")
    assert opened.position == "2 of 13"
    opened.find("#pause").click()
    assert opened.run("return document.activeElement.id") == "end-title"
    assert opened.run("return at('answers-text').labels.length") == 1
    contrasts += opened.run(CONTRASTS)
    assert len(contrasts) > 20
    assert all(ratio >= 4.5 for _, ratio in contrasts), sorted(contrasts, key=lambda one: one[1])[:3]


# Text -> contrast with what is behind it (WCAG 2.1), for all texts that are shown and not disabled.
CONTRASTS = """
const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const parts = text => text.match(/[\\d.]+/g).map(Number);
const behind = node => {
  for (let at = node; at; at = at.parentElement) {
    const colour = parts(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour.slice(0, 3);
  }
  return [255, 255, 255];
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (texts.nextNode()) {
  const node = texts.currentNode.parentElement;
  const text = texts.currentNode.textContent.trim();
  if (!text || !node.checkVisibility() || node.closest("button:disabled, script, style, noscript")) continue;
  const pair = [light(parts(getComputedStyle(node).color).slice(0, 3)), light(behind(node))];
  found.push([text, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)]);
}
return found;
"""
