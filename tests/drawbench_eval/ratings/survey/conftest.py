"""Surveys of small made-up sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from image_sets import HOSTILE, image_set

from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.ratings.survey import (
    REFERENCE,
    Contestant,
    CrowdSettings,
    ImageSettings,
    SurveySettings,
    Written,
    write_survey,
)
from drawbench_eval.ratings.survey.choose import Entry, choose_entries

# No two words in common, so that each can be a control of each.
WORDS = ("amber", "bridge", "candle", "dragon", "engine", "forest", "guitar", "harbour", "island", "jacket")
PROMPTS = {f"p{index}": f"{word} over {word}side" for index, word in enumerate(WORDS)}
MODELS = ("zorgdiffusion", "quuxpainter")

SETTINGS = SurveySettings(
    questions=("fidelity", "alignment"),
    images_per_set=2,
    num_prompts=None,
    batch_size=50,
    controls_per_batch=3,
    baseline=None,
    pairs_per_prompt=None,
    incomplete="refuse",
    seed=0,
)
IMAGES = ImageSettings(set_side=64, single_side=96, quality=90)
CROWD = CrowdSettings(pictures=None, url_prefix="")


def contestant(folder: Path, prompts: Mapping[str, str], *, needed: int, **how: Any) -> Contestant:
    samples = image_set(folder, prompts, num_images=how.pop("num_images", needed), **how)
    texts = tuple(
        Prompt(id=identity, text=text, category=(how.get("categories") or {}).get(identity, ""))
        for identity, text in prompts.items()
    )
    return Contestant(
        name=folder.name, samples=samples, prompts=PromptSet(name="test", prompts=texts), needed=needed
    )


@pytest.fixture(scope="session")
def contestants(tmp_path_factory: pytest.TempPathFactory) -> list[Contestant]:
    """Two models with three images of each of ten prompts, of which two are needed, and the reference."""
    folder = tmp_path_factory.mktemp("sets")
    models = [contestant(folder / name, PROMPTS, needed=2, num_images=3) for name in MODELS]
    return [*models, contestant(folder / REFERENCE, PROMPTS, needed=1)]


@pytest.fixture(scope="session")
def entries(contestants: list[Contestant]) -> tuple[Entry, ...]:
    return choose_entries(contestants, seed=0)[0]


@pytest.fixture
def written(tmp_path: Path, contestants: list[Contestant]) -> Callable[..., Written]:
    """Writes a survey of the two models, and the reference if it is asked for."""

    def write(
        *questions: str,
        sets: Sequence[Contestant] | None = None,
        crowd: CrowdSettings = CROWD,
        name: str = "survey",
        **changes: Any,
    ) -> Written:
        settings = replace(SETTINGS, **({"questions": questions} if questions else {}), **changes)
        shown = list(contestants) if sets is None else list(sets)
        if sets is None and not {"photorealism", "caption"} & set(settings.questions):
            shown = shown[:2]
        return write_survey(
            shown,
            tmp_path / name,
            settings=settings,
            images=IMAGES,
            crowd=crowd,
            record={"seed": settings.seed},
        )

    return write


@pytest.fixture
def hostile_sets(tmp_path: Path) -> list[Contestant]:
    return [contestant(tmp_path / "hostile" / name, HOSTILE, needed=2) for name in MODELS]


@pytest.fixture
def eight_sets(tmp_path: Path) -> list[Contestant]:
    """DrawBench's 8 against 8, of three prompts."""
    some = dict(list(PROMPTS.items())[:3])
    return [contestant(tmp_path / "eight" / name, some, needed=8, size=(32, 32)) for name in MODELS]
