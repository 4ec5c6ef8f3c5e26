"""Reports from Python, without the command line: `Report.from_runs("results").save("report.pdf")`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from drawbench_eval.analysis.ablation import AblationPlan
from drawbench_eval.files import atomic_path, write_text
from drawbench_eval.report.bundle import opened, write_bundle
from drawbench_eval.report.data import Axes, ReportData, load_sweep
from drawbench_eval.report.document import to_pdf
from drawbench_eval.report.html import to_html
from drawbench_eval.report.sections import build_report
from drawbench_eval.report.tables import points_frame
from drawbench_eval.report.tiles import make_tiles
from drawbench_eval.report.write import write_report


@dataclass(frozen=True, kw_only=True)
class Report:
    """What finished runs say: `data` has runs, curves, fronts, differences and ablations as values."""

    data: ReportData
    results: Path

    @classmethod
    def from_runs(
        cls,
        results: str | Path,
        sweep: str | None = None,
        *,
        title: str | None = None,
        allow_mixed: bool = False,
        axes: Axes | None = None,
        ablation: AblationPlan | None = None,
    ) -> Report:
        """The report on a sweep, or on all runs, of a results folder. Raises ValueError as `load_sweep`.

        A bundle is read as a results folder; its images are not in it, and it cannot be bundled again.
        """
        path = Path(results)
        options: dict[str, Any] = {
            "title": title,
            "allow_mixed": allow_mixed,
            "axes": axes or Axes(),
            "ablation": ablation,
        }
        if not path.is_file():
            return cls(data=load_sweep(path, sweep, **options), results=path)
        with opened(path) as (folder, own):
            return cls(data=load_sweep(folder, sweep or own, **options), results=path)

    @property
    def frame(self) -> pd.DataFrame:
        """A row a run: status, settings, every metric with interval and n, the fronts it is on."""
        return points_frame(self.data)

    def save(self, path: str | Path) -> Path:
        """Writes `.pdf` or `.html` alone, `.zip` as evidence bundle, and everything where there is no suffix.

        Raises ValueError for another suffix.
        """
        path = Path(path)
        if path.suffix == ".pdf":
            content = to_pdf(build_report(self.data))
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
        elif path.suffix == ".html":
            write_text(path, to_html(build_report(self.data), tiles=make_tiles(self.data)))
        elif path.suffix == ".zip":
            if self.results.is_file():
                raise ValueError(f"{path}: {self.results} is a bundle already; copy it")
            write_bundle(self.data, self.results, path)
        elif path.suffix == "":
            write_report(self.data, path)
        else:
            raise ValueError(
                f"{path}: cannot write {path.suffix}; write .pdf, .html, .zip or a folder's name"
            )
        return path
