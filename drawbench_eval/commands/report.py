"""`drawbench-eval report`: runs -> PDF, HTML, figures, tables."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omegaconf import DictConfig

from drawbench_eval.commands.door import conf_folder, hydra_app, plain
from drawbench_eval.commands.settings import build

if TYPE_CHECKING:
    from drawbench_eval.report import ReportData

BUNDLE = "evidence.zip"


@dataclass(frozen=True, kw_only=True)
class ReportedRatings:
    """paths: of a ratings.json, a list of them, or None."""

    paths: Any = None


@dataclass(frozen=True, kw_only=True)
class AblationSettings:
    """factor: None where the one factor that varies is taken. See `analysis.ablation.AblationPlan`."""

    factor: str | None = None
    baseline: Any = None
    families: Mapping[str, Any] | None = None
    training_seed: str | None = None
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if self.factor is None and (self.baseline is not None or self.families or self.training_seed):
            raise ValueError(
                "factor: null, with other settings of an ablation; write ablation.factor=SETTING"
            )
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha: {self.alpha} is not between 0 and 1")
        for name, members in (self.families or {}).items():
            if isinstance(members, str) or not isinstance(members, list | tuple):
                raise ValueError(f"families.{name}: {members} is not a list of metrics; write [A,B]")


@dataclass(frozen=True, kw_only=True)
class ParetoSettings:
    """The metrics on the axes; None takes what the runs have."""

    alignments: tuple[str, ...] | None = None
    distance: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """results: a folder, or an evidence bundle. sweep: None for all runs of the results folder. output: None
    for reports/<sweep>. summary: a folder of reports to sum up, in place of making one.
    """

    sweep: str | None
    results: Path
    output: Path | None
    title: str | None
    allow_mixed: bool
    ratings: ReportedRatings = ReportedRatings()
    pareto: ParetoSettings = ParetoSettings()
    ablation: AblationSettings = AblationSettings()
    selection: Literal["fixed", "split"] = "fixed"
    bundle: bool = False
    bundle_sha256: str | None = None
    summary: Path | None = None

    def __post_init__(self) -> None:
        if self.summary is not None and (self.sweep is not None or self.output is not None or self.bundle):
            raise ValueError(
                f"summary: {self.summary} is a folder of reports that are there; make them first, without it"
            )
        if self.selection not in ("fixed", "split"):
            raise ValueError(f"selection: {self.selection} is not one of fixed, split")

    @property
    def folder(self) -> Path:
        """Where the report is written."""
        return self.output or Path("reports") / (self.sweep or "all")


def main() -> None:
    """The verb."""
    hydra_app("report", report)


def report(config: DictConfig) -> None:
    """Write the report of the sweep, or of all runs, that `config` names; or the summary of all reports."""
    from drawbench_eval.commands.planning import writable
    from drawbench_eval.commands.ratings_images import found_in_runs
    from drawbench_eval.commands.ratings_read import rating_documents
    from drawbench_eval.report import write_report
    from drawbench_eval.report.bundle import write_bundle

    settings = build(ReportSettings, plain(config))
    if settings.summary is not None:
        print(_sum_up(settings.summary))
        return
    data = _load(settings)
    documents = rating_documents("ratings.paths", settings.ratings.paths)
    folders = {f"{run.label} ({run.run_id})": run.folder for run in data.complete}
    data = replace(data, ratings=found_in_runs(documents, folders))
    if settings.bundle and settings.results.is_file():
        raise ValueError(f"bundle: {settings.results} is a bundle already; copy it")
    writable("output", settings.folder)
    for path in write_report(data, settings.folder):
        if path.suffix in (".pdf", ".html"):
            print(path)
    if settings.bundle:
        path = settings.folder / BUNDLE
        print(f"{path} (SHA-256 {write_bundle(data, settings.results, path)})")
    if data.incomplete:
        print(f"{len(data.complete)} of {len(data.runs)} runs are complete; the report names the others")


def _sum_up(folder: Path) -> Path:
    from drawbench_eval.commands.planning import writable
    from drawbench_eval.commands.recipes import recipes
    from drawbench_eval.report.summary import write_summary

    if not folder.is_dir():
        raise ValueError(f"summary: {folder} is no folder; name the one that holds the reports")
    writable("summary", folder)
    return write_summary(folder, recipes(conf_folder()))


def _load(settings: ReportSettings) -> "ReportData":
    """The data of the results folder or of the bundle. Raises ValueError for settings that do not fit it."""
    from drawbench_eval.analysis.ablation import AblationPlan
    from drawbench_eval.report import Axes, load_sweep
    from drawbench_eval.report.bundle import opened

    plan = settings.ablation
    options: dict[str, Any] = {
        "title": settings.title,
        "allow_mixed": settings.allow_mixed,
        "selection": settings.selection,
        "axes": Axes(alignments=settings.pareto.alignments, distance=settings.pareto.distance),
        "ablation": None
        if plan.factor is None
        else AblationPlan(
            factor=plan.factor,
            baseline=plan.baseline,
            families=plan.families,
            training_seed=plan.training_seed,
            alpha=plan.alpha,
        ),
    }
    if not settings.results.is_file():
        return load_sweep(settings.results, settings.sweep, **options)
    with opened(settings.results, sha256=settings.bundle_sha256) as (folder, sweep):
        return load_sweep(folder, settings.sweep or sweep, **options)
