"""Reports from finished runs: PDF, HTML, figures, tables and the evidence behind them."""

from drawbench_eval.report.api import Report
from drawbench_eval.report.data import Axes, ReportData, load_sweep
from drawbench_eval.report.write import write_report

__all__ = ["Axes", "Report", "ReportData", "load_sweep", "write_report"]
