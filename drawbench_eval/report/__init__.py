"""Reports from finished runs: PDF, HTML, figures and tables."""

from drawbench_eval.report.data import ReportData, load_sweep
from drawbench_eval.report.write import write_report

__all__ = ["ReportData", "load_sweep", "write_report"]
