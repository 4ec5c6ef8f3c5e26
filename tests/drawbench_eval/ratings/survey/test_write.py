from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawbench_eval.ratings.survey import Contestant, CrowdSettings, Written
from drawbench_eval.samples import save_image

MONTAGES = CrowdSettings(pictures="montages", url_prefix="")


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(written: Callable[..., Written]) -> None:
    questions = ("fidelity", "alignment", "photorealism", "caption")
    one = files(written(*questions, crowd=MONTAGES, batch_size=7, name="one").folder)
    assert one == files(written(*questions, crowd=MONTAGES, batch_size=7, name="two").folder)
    assert {name.split("/")[0] for name in one} == {"key.json", "pages", "crowd"}
    other = files(written(*questions, crowd=MONTAGES, batch_size=7, seed=1, name="three").folder)
    assert set(other) != set(one)


def test_a_survey_is_not_overwritten(written: Callable[..., Written]) -> None:
    folder = written().folder
    before = files(folder)
    with pytest.raises(ValueError, match=r"output: .* is there already, and a survey that raters may have"):
        written(seed=1)
    assert files(folder) == before


def blank(one: Contestant, prompt_id: str, folder: Path) -> Contestant:
    """The set with every image of a prompt all black, as where a filter struck."""
    path = folder / f"{one.name}-{prompt_id}.png"
    sha256 = save_image(path, np.zeros((8, 8, 3), np.uint8))
    for sample in one.samples.samples:
        target = folder / one.name / sample.path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(
            path.read_bytes() if sample.prompt_id == prompt_id else one.samples.read_bytes(sample)
        )
    changed = tuple(
        replace(sample, sha256=sha256) if sample.prompt_id == prompt_id else sample
        for sample in one.samples.samples
    )
    return replace(one, samples=replace(one.samples, folder=folder / one.name, samples=changed))


def test_images_that_cannot_be_shown_stop_everything_or_cost_their_prompt(
    written: Callable[..., Written], contestants: list[Contestant], tmp_path: Path
) -> None:
    one, two = contestants[:2]
    sets = [one, blank(two, "p4", tmp_path)]
    with pytest.raises(
        ValueError, match=r"sets: prompt 'p4' cannot be shown \(quuxpainter: blank: .*one of 1; write"
    ):
        written(sets=sets)
    assert not (tmp_path / "survey").exists()
    assert not list(tmp_path.glob(".tmp*"))
    survey = written(sets=sets, incomplete="leave_out", num_prompts=9).survey
    assert [lost.prompt_id for lost in survey.left_out] in (["p4"], [])
    asked = {trial.prompt.id for trial in survey.trials if trial.control_answer is None}
    assert len(asked) == 9
    assert "p4" not in asked
    assert not [i for i in survey.images if i.contestant == two.name and i.sample.prompt_id == "p4"]


def test_a_set_with_too_few_images_is_named(
    written: Callable[..., Written], contestants: list[Contestant], tmp_path: Path
) -> None:
    one, two = contestants[:2]
    few = replace(two, needed=4)
    with pytest.raises(
        ValueError, match=r"'p0' cannot be shown \(quuxpainter has 3 of 4 images\), one of 10"
    ):
        written(sets=[one, few])


def test_what_breaks_half_way_leaves_nothing(
    written: Callable[..., Written], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drawbench_eval.ratings.survey.write.write_key", full)
    with pytest.raises(OSError, match="No space left"):
        written()
    assert not list(tmp_path.iterdir())
