"""`drawbench-eval survey`: pages and files for raters out of sets of images; ratings out of their answers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.settings import build
from drawbench_eval.commands.survey_power import PowerSettings, power_rows, say_power
from drawbench_eval.files import digest

if TYPE_CHECKING:
    from drawbench_eval.prompt import PromptSet
    from drawbench_eval.ratings.survey import Contestant, SurveySettings, Written


@dataclass(frozen=True, kw_only=True)
class ReferenceFolder:
    """Photographs of the prompts; `path` is None where there are none."""

    path: Path | None
    pattern: str | None


@dataclass(frozen=True, kw_only=True)
class SurveyVerbSettings:
    """`sets`: make a survey of them. `key` and `answers`: give answers their names. One of the two."""

    results: Path
    sets: Mapping[str, Any] | None
    pattern: str | None
    prompts: Mapping[str, Any]
    reference: ReferenceFolder
    power: PowerSettings
    output: Path | None
    key: Path | None
    answers: tuple[Path, ...] | None
    layout: str | None

    def __post_init__(self) -> None:
        if (self.sets is None) == (self.key is None):
            raise ValueError(
                "sets: give sets to make a survey, as in 'sets={ours: FOLDER, theirs: FOLDER}', or key and "
                "answers to read one back"
            )
        if self.key is not None and not self.answers:
            raise ValueError("answers: a value is needed; write 'answers=[FOLDER]'")
        if self.key is None and self.answers is not None:
            raise ValueError("key: a value is needed; write key=SURVEY/key.json")


# Those that plan_survey, write_images and write_crowd take.
_ASKED = (
    *("questions", "images_per_set", "num_prompts", "batch_size", "controls_per_batch", "baseline"),
    *("pairs_per_prompt", "incomplete", "seed"),
)


def main() -> None:
    """The verb."""
    hydra_app("survey", survey)


def survey(config: DictConfig) -> None:
    """Make the survey of `config`, or read its answers back."""
    values = plain(config)
    own = {key: value for key, value in values.items() if key not in (*_ASKED, "images", "crowd")}
    settings = build(SurveyVerbSettings, own)
    if settings.key is not None:
        from drawbench_eval.commands.survey_answers import read_back

        read_back(settings.key, settings.answers or (), layout=settings.layout, output=settings.output)
    else:
        _make(settings, values)


def _make(settings: SurveyVerbSettings, values: Mapping[str, Any]) -> None:
    # Heavy imports happen here, so that --help and --cfg stay quick.
    from drawbench_eval.ratings.survey import (
        CrowdSettings,
        ImageSettings,
        SurveySettings,
        survey_id,
        write_survey,
    )

    asked = build(SurveySettings, {key: values[key] for key in _ASKED if key in values})
    images = build(ImageSettings, values.get("images") or {}, "images")
    crowd = build(CrowdSettings, values.get("crowd") or {}, "crowd")
    # Figures that no study can have are refused before anything is written.
    power_rows(settings.power, [2], may_be_indifferent=True)
    contestants = _contestants(settings, asked)
    record = {
        "sets": {one.name: _hash(one) for one in contestants},
        **asdict(asked),
        "images": asdict(images),
    }
    folder = settings.output or settings.results / "surveys" / f"survey-{survey_id(record)}"
    written = write_survey(contestants, folder, settings=asked, images=images, crowd=crowd, record=record)
    _say(written)
    say_power(written.survey, settings.power)


def _contestants(settings: SurveyVerbSettings, asked: "SurveySettings") -> list["Contestant"]:
    """The sets in the order in which they were named, and the reference."""
    from drawbench_eval.commands.prompt_sources import load_prompts
    from drawbench_eval.ratings.survey import CONTROL, REFERENCE, WORDINGS

    assert settings.sets is not None
    prompts = load_prompts(settings.prompts)
    wanted = {str(name): (path, settings.pattern, asked.num_shown) for name, path in settings.sets.items()}
    for name in (REFERENCE, CONTROL):
        if name in wanted:
            raise ValueError(f"sets: {name} is a name of ours; write reference.path=..., or another name")
    needs_reference = any(WORDINGS[name].shows == "images" for name in asked.questions)
    if needs_reference and settings.reference.path is None:
        raise ValueError("reference.path: photorealism needs photographs; write reference.path=FOLDER")
    if settings.reference.path is not None:
        if all(WORDINGS[name].shows == "sets" for name in asked.questions):
            raise ValueError(
                f"reference.path: {settings.reference.path} is not shown by {', '.join(asked.questions)}; "
                "add photorealism or caption to questions"
            )
        wanted[REFERENCE] = (str(settings.reference.path), settings.reference.pattern, 1)
    return [_contestant(name, *one, prompts=prompts) for name, one in wanted.items()]


def _contestant(
    name: str, path: object, pattern: str | None, needed: int, *, prompts: "PromptSet | None"
) -> "Contestant":
    from drawbench_eval.generators.folder import FolderSettings, import_folder
    from drawbench_eval.ratings.survey import REFERENCE, Contestant
    from drawbench_eval.samples import MANIFEST

    key = "reference.path" if name == REFERENCE else f"sets.{name}"
    if not isinstance(path, str) or not path or not name.strip():
        raise ValueError(f"{key}: {path!r} is not a path; write 'sets={{NAME: FOLDER, NAME: FOLDER}}'")
    folder = Path(path)
    if (folder / "samples" / MANIFEST).is_file():
        folder = folder / "samples"
    has_manifest = (folder / MANIFEST).is_file()
    if folder.exists() and not has_manifest and pattern is None:
        raise ValueError(
            f"{key}: {folder} has no {MANIFEST}; say how names tell prompts, as in "
            "\"pattern='{prompt_id}_{index}.png'\""
        )
    try:
        found = import_folder(FolderSettings(path=folder, pattern=None if has_manifest else pattern), prompts)
    except ValueError as error:
        said = str(error).replace("model.pattern", "pattern")
        raise ValueError(f"{key}: {said}") from error
    return Contestant(name=name, samples=found.samples, prompts=found.prompts, needed=needed)


def _hash(one: "Contestant") -> str:
    """Of which sample shows what, by content, and of the prompts' texts."""
    samples = [[sample.sample_id, sample.prompt_id, sample.sha256] for sample in one.samples.samples]
    return digest([samples, one.prompts.sha256])


def _say(written: "Written") -> None:
    survey = written.survey
    num_controls = sum(batch.num_controls for batch in survey.batches)
    num_judged = sum(len(batch.trials) for batch in survey.batches) - num_controls
    sizes = sorted(written.pages.values())
    print(
        f"{written.folder / 'pages'}: pages for raters: {len(sizes)}, of {sizes[0] / 1e6:.1f} to "
        f"{sizes[-1] / 1e6:.1f} MB, with {num_judged} judgements and {num_controls} controls in all"
    )
    if written.has_crowd:
        print(f"{written.folder / 'crowd'}: the same for a crowdsourcing site")
    print(f"{written.folder / 'key.json'}: which code is which model; keep it from raters")
    for one in survey.left_out:
        print(f"left out: prompt {one.prompt_id}: {one.reason}")
