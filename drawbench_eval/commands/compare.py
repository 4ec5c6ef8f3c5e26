"""`drawbench-eval compare`: several runs or folders of images on the same prompts -> one leaderboard."""

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.settings import build
from drawbench_eval.files import digest

if TYPE_CHECKING:
    from drawbench_eval.analysis.contestants import Contestant
    from drawbench_eval.analysis.leaderboard import Leaderboard
    from drawbench_eval.analysis.ratings_document import RatingsDocument

_NAME = re.compile(r"\S(.{0,38}\S)?")


@dataclass(frozen=True, kw_only=True)
class GridSettings:
    """How many prompts are shown side by side, and how many images of each."""

    prompts: int = 8
    images: int = 4

    def __post_init__(self) -> None:
        for name in ("prompts", "images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not at least 1")


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """The `compare` group. sets: name -> a run or a folder, or a mapping with `path` and model settings.

    ratings: a path of a ratings.json, a list of them, or None.
    """

    sets: Mapping[str, Any] | None
    baseline: str | None = None
    families: Mapping[str, Any] | None = None
    equivalence: Mapping[str, Any] | None = None
    order_by: str | None = None
    alpha: float = 0.05
    power: float = 0.8
    grid: GridSettings = field(default_factory=GridSettings)
    published: bool = True
    ratings: Any = None

    def __post_init__(self) -> None:
        if not self.sets or len(self.sets) < 2:
            raise ValueError(
                "sets: two or more are needed; write 'compare.sets={ours: RUN_OR_FOLDER, theirs: FOLDER}'"
            )
        for name in self.sets:
            if not _NAME.fullmatch(str(name)):
                raise ValueError(f"sets: {name!r} cannot be a name; take 1 to 40 characters")


def main() -> None:
    """The verb."""
    hydra_app("compare", compare)


def compare(config: DictConfig) -> None:
    """Evaluate the folders of `config` that are not runs, compare all, and write the page."""
    values = plain(config)
    settings = build(CompareSettings, values.pop("compare"), "compare")
    title, output = values.pop("title"), values.pop("output")
    # Of some experiments: only what other settings refer to.
    values.pop("folder", None)
    assert settings.sets is not None
    sets = {str(name): _model(str(name), one, values) for name, one in settings.sets.items()}
    if values["check_only"]:
        _check(sets, values)
        return
    from drawbench_eval.analysis.contestants import make_field
    from drawbench_eval.analysis.leaderboard import CompareChoices, make_leaderboard
    from drawbench_eval.commands.planning import writable
    from drawbench_eval.report.compare_write import write_comparison

    try:
        choices = CompareChoices(
            baseline=settings.baseline,
            families=settings.families or {},
            equivalence=settings.equivalence or {},
            order_by=settings.order_by,
            alpha=settings.alpha,
            power=settings.power,
        )
    except ValueError as error:
        raise ValueError(f"compare.{error}") from error
    ratings = _ratings(settings.ratings, sets)
    contestants = [_contestant(name, one, values) for name, one in sets.items()]
    board = make_leaderboard(make_field(contestants), choices)
    _require_rated(board.field.categories, ratings)
    ratings = _held_against(contestants, ratings)
    label = values["label"] or "compare"
    name = f"{label}-{_hash(board, ratings)}"
    folder = Path(output) if output else Path(values["results"]) / "compare" / name
    writable("output", folder)
    written = write_comparison(
        board,
        folder,
        title=title,
        num_prompts=settings.grid.prompts,
        num_images=settings.grid.images,
        published=settings.published,
        ratings=ratings,
    )
    for path in written[:3]:
        print(path)


def _ratings(paths: Any, names: Collection[str]) -> "tuple[RatingsDocument, ...]":
    """What ratings say of the sets of these names. Raises ValueError where they are of other models."""
    from drawbench_eval.commands.ratings_read import rating_documents

    found = []
    for document in rating_documents("compare.ratings", paths):
        if not set(document.models()) & set(names):
            raise ValueError(
                f"compare.ratings: {document.path} is about {', '.join(document.models())}; none of them is "
                f"one of the sets {', '.join(names)}: name the sets as the raters' models are called"
            )
        found.append(document.about(names))
    return tuple(found)


def _require_rated(prompts: Collection[str], ratings: "Sequence[RatingsDocument]") -> None:
    """Raises ValueError where none of the prompts is one that raters saw."""
    from drawbench_eval.commands.ratings_read import rated_prompts

    for document in ratings:
        rated = rated_prompts(document)
        if rated and not set(rated) & set(prompts):
            raise ValueError(
                f"compare.ratings: {document.path}: none of the {len(rated)} rated prompts, such as "
                f"{rated[0]!r}, is one of the {len(prompts)} compared"
            )


def _held_against(
    contestants: "Sequence[Contestant]", ratings: "tuple[RatingsDocument, ...]"
) -> "tuple[RatingsDocument, ...]":
    """The ratings with what is known of their images; ValueError where raters saw others."""
    from drawbench_eval.commands.ratings_images import held_against_sets

    return held_against_sets("compare.ratings", ratings, {one.name: one.run.folder for one in contestants})


def _hash(board: "Leaderboard", ratings: "tuple[RatingsDocument, ...]") -> str:
    from drawbench_eval.runs.identity import run_id

    choices = board.choices
    return run_id(
        {
            "sets": {one.name: one.run.run_id for one in board.field.contestants},
            "families": digest({name: list(metrics) for name, metrics in choices.families.items()}),
            "equivalence": digest(dict(choices.equivalence)),
            "choices": [choices.baseline, choices.order_by, choices.alpha, choices.power],
            **({"ratings": [document.sha256 for document in ratings]} if ratings else {}),
        }
    )


def _model(name: str, one: Any, values: Mapping[str, Any]) -> Path | dict[str, Any]:
    """A run's folder, or the `model` group of a folder of images. Raises ValueError for neither."""
    from drawbench_eval.runs.identity import find_run
    from drawbench_eval.runs.record import FILE_NAME

    own = dict(one) if isinstance(one, Mapping) else {"path": one}
    unknown = [key for key in own if key not in {*values["model"], "scores"} or key == "generator"]
    if unknown:
        raise ValueError(
            f"compare.sets.{name}.{unknown[0]}: no such setting; a set has path, pattern, "
            "first_index, names, guidance_kind, scores"
        )
    path = own.get("path")
    if not isinstance(path, str) or not path:
        raise ValueError(f"compare.sets.{name}: {path!r} is not a run or a path")
    if (Path(path) / FILE_NAME).is_file():
        return Path(path)
    if not Path(path).exists():
        found = find_run(Path(values["results"]), path) if re.fullmatch(r"[0-9a-f]{4,10}", path) else None
        if found is None:
            raise ValueError(
                f"compare.sets.{name}: {path} is neither a run of {values['results']} nor a path"
            )
        return found
    return {**values["model"], **own}


def _check(sets: Mapping[str, Path | dict[str, Any]], values: Mapping[str, Any]) -> None:
    """Reports on every folder by name; ValueError at the end where one lacks something."""
    from drawbench_eval.commands.found_images import report_check

    wrong = []
    for name, model in sets.items():
        if isinstance(model, Path):
            print(f"{name}: {model} is a run already")
            continue
        print(f"{name}:")
        try:
            report_check({key: value for key, value in model.items() if key != "scores"}, values["prompts"])
        except ValueError as error:
            wrong.append(f"compare.sets.{name}: {str(error).removeprefix('model.path: ')}")
    if wrong:
        raise ValueError("; ".join(wrong))


def _contestant(name: str, model: Path | dict[str, Any], values: Mapping[str, Any]) -> "Contestant":
    from drawbench_eval.analysis.contestants import read_contestant
    from drawbench_eval.commands import planning
    from drawbench_eval.runs import runner

    if isinstance(model, Path):
        return read_contestant(name, model)
    model = dict(model)
    scores = model.pop("scores", None)
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-") or "set"
    own = {**values, "model": model, "label": slug, "sweep": None, "forecast": False, "scores": scores}
    settings = planning.evaluate_settings(own)
    try:
        plan = planning.plan_run(settings, own)
    except ValueError as error:
        said = str(error).removeprefix("model.path: ")
        raise ValueError(f"compare.sets.{name}: {said}" if "model." in str(error)[:6] else said) from error
    if runner.finished(plan) is None:
        runner.evaluate(plan)
        print(f"{name}: evaluated, {plan.folder}", file=sys.stderr, flush=True)
    return read_contestant(name, plan.folder)
