"""`drawbench-eval ratings`: files of human ratings -> rates, comparisons, agreement, rankings, figures."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.settings import build

if TYPE_CHECKING:
    from drawbench_eval.ratings import ImportedRatings, Layout, QualityRules
    from drawbench_eval.ratings.aggregation import ResultSettings, ScoredRun

_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class AllowSettings:
    """Rejected rows that may pass: so many, and those of places such as answers.csv:17."""

    number: int
    listed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class QualitySettings:
    """The paper's rule, on (coco) or off (drawbench), and limits of ours."""

    style: Literal["drawbench", "coco"]
    max_same_answer_share: float | None
    max_one_side_share: float | None
    min_agreement: float | None
    min_median_duration_s: float | None
    min_answers: int

    @property
    def rules(self) -> "QualityRules":
        """The limits of all rules."""
        from drawbench_eval.ratings import COCO_STYLE, DRAWBENCH_STYLE

        limits = {name: value for name, value in asdict(self).items() if name != "style"}
        try:
            return replace(COCO_STYLE if self.style == "coco" else DRAWBENCH_STYLE, **limits)
        except ValueError as error:
            raise ValueError(f"quality.{error}") from error


@dataclass(frozen=True, kw_only=True)
class RatingsVerbSettings:
    """What is read, what is refused, and where results go; the rest are `ResultSettings` and the layout."""

    results: Path
    paths: tuple[Path, ...]
    label: str | None
    output: Path | None
    strict: bool
    allow: AllowSettings
    quality: QualitySettings
    runs: Mapping[str, Any] | None
    images: tuple[Path, ...] | None
    figures: bool
    prompts: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.label is not None and (not self.label.strip() or "/" in self.label):
            raise ValueError(f"label: {self.label!r} is no name for a folder")


_OF_RESULTS = ("clusters", "first", "on_par", "families", "alpha", "seed", "num_draws")


def main() -> None:
    """The verb."""
    hydra_app("ratings", ratings)


def ratings(config: DictConfig) -> None:
    """Read the ratings that `config` names, write what they say, and print the main of it."""
    # Heavy imports happen here, so that --help and --cfg stay quick.
    from drawbench_eval.commands.ratings_images import images_of_runs, shown_beside
    from drawbench_eval.ratings import Allowance, Layout, filter_raters, read_ratings, refuse, write_rejects
    from drawbench_eval.ratings.aggregation import ResultSettings, rating_results
    from drawbench_eval.ratings.aggregation.write import rating_document, write_document

    values = plain(config)
    own = {key: value for key, value in values.items() if key not in (*_OF_RESULTS, "ratings")}
    settings = build(RatingsVerbSettings, own)
    asked = build(ResultSettings, {key: values[key] for key in _OF_RESULTS if key in values})
    layout = build(Layout, values["ratings"], "ratings")
    try:
        allowance = Allowance(
            strict=settings.strict, number=settings.allow.number, listed=settings.allow.listed
        )
    except ValueError as error:
        raise ValueError(f"allow.{error}") from error
    rules = settings.quality.rules
    runs = _runs(settings.runs)

    files = _files(settings.paths)
    shown = shown_beside(files, settings.images)
    imported = read_ratings(files, layout, Allowance(strict=False))
    images = images_of_runs(shown, settings.runs, imported.table)
    without_people = _without_people(settings.prompts, imported)
    folder = settings.output or settings.results / "ratings" / _name(
        settings, imported, layout, asked, runs, without_people
    )
    if len(imported.rejects):
        write_rejects(folder / "rejected.csv", imported.rejects)
        try:
            refuse(imported.rejects, imported.counts.rows, allowance)
        except ValueError as error:
            raise ValueError(f"{error}; all of them: {folder / 'rejected.csv'}") from error
    filtered = filter_raters(imported.table, rules)
    results = rating_results(filtered, imported.questions, asked, without_people=without_people, runs=runs)
    document = rating_document(imported, filtered, rules, results, asked, images, name=folder.name)
    write_document(folder, document, imported, shown)
    if settings.figures:
        from drawbench_eval.report.ratings_figures import ratings_figures, write_figures

        write_figures(folder / "figures", ratings_figures(document))

    from drawbench_eval.commands.ratings_shown import say

    say(document, folder)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(one for one in path.iterdir() if one.suffix.lower() in _SUFFIXES)
            if not found:
                raise ValueError(f"paths: {path} holds no {', '.join(_SUFFIXES)} file")
            files += found
        else:
            files.append(path)
    return files


def _runs(runs: Mapping[str, Any] | None) -> "dict[str, ScoredRun] | None":
    if runs is None:
        return None
    from drawbench_eval.commands.ratings_runs import scored_runs

    return scored_runs(runs)


def _without_people(prompts: Mapping[str, Any], imported: "ImportedRatings") -> set[str] | None:
    """Ids of the rated prompts without people; None without prompts."""
    from drawbench_eval.commands.prompt_sources import load_prompts
    from drawbench_eval.prompts.people import words_for_people

    loaded = load_prompts(prompts)
    if loaded is None:
        return None
    known = {prompt.id: prompt.text for prompt in loaded.prompts}
    rated = sorted(set(imported.table["prompt_id"].dropna()))
    unknown = [identity for identity in rated if identity not in known]
    if unknown or not rated:
        which = f"{len(unknown)} of {len(rated)} rated prompts, such as {unknown[0]!r}" if rated else "none"
        raise ValueError(f"prompts: {which}, are not in {loaded.name}; name the set that raters saw")
    return {identity for identity in rated if not words_for_people(known[identity])}


def _name(
    settings: RatingsVerbSettings,
    imported: "ImportedRatings",
    layout: "Layout",
    asked: "ResultSettings",
    runs: "Mapping[str, ScoredRun] | None",
    without_people: Collection[str] | None,
) -> str:
    """`<label>-<hash10>`, the hash of all that can change a number."""
    from drawbench_eval.files import digest, sha256_bytes
    from drawbench_eval.ratings.aggregation import plain as plain_values

    identity = [
        [[file.path.name, file.sha256] for file in imported.files],
        plain_values(layout),
        plain_values(asked),
        asdict(settings.quality),
        None if without_people is None else sorted(without_people),
        None
        if runs is None
        else {
            model: [sha256_bytes(run.scores.to_csv(index=False).encode()), dict(run.higher_is_better)]
            for model, run in runs.items()
        },
    ]
    return f"{settings.label or imported.files[0].path.stem}-{digest(identity)[:10]}"
