"""`drawbench-eval report`: runs -> PDF, HTML, figures, tables."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.settings import build


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """sweep: None for all runs of the results folder. output: None for reports/<sweep>."""

    sweep: str | None
    results: Path
    output: Path | None
    title: str | None
    allow_mixed: bool

    @property
    def folder(self) -> Path:
        """Where the report is written."""
        return self.output or Path("reports") / (self.sweep or "all")


def main() -> None:
    """The verb."""
    hydra_app("report", report)


def report(config: DictConfig) -> None:
    """Write the report of the sweep, or of all runs, that `config` names."""
    from drawbench_eval.commands.planning import writable
    from drawbench_eval.report import load_sweep, write_report

    settings = build(ReportSettings, plain(config))
    data = load_sweep(
        settings.results, settings.sweep, title=settings.title, allow_mixed=settings.allow_mixed
    )
    writable("output", settings.folder)
    for path in write_report(data, settings.folder):
        if path.suffix in (".pdf", ".html"):
            print(path)
    if data.incomplete:
        print(f"{len(data.complete)} of {len(data.runs)} runs are complete; the report names the others")
