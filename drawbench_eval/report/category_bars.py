"""Bars by category in the manner of the paper's Figure 3: alignment at a few settings, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.spots import as_csv
from drawbench_eval.report.style import GREY, TEXT_WIDTH, Drawn, curve_styles, figure_style, to_svg
from drawbench_eval.stats.clustered import Estimate, clustered_mean, share_interval

MOST_BARS = 4
_HATCHES = ("", "////", "....", "xx")


def bar_settings(data: ReportData, metric: str) -> tuple[tuple[Curve, Run], ...]:
    """At most four curves at one guidance weight: the smallest above 1 that all have, else their first.

    The weight is chosen by this rule and not by looking at the results.
    """
    scored = [curve.with_metrics([metric]) for curve in data.curves if curve.name in data.featured]
    curves = [curve for curve in scored if curve.runs][-MOST_BARS:]
    shared = sorted(set.intersection(*(set(curve.weights) for curve in curves))) if curves else []
    weight = next((one for one in shared if one > 1), shared[0] if shared else None)
    return tuple((curve, curve.runs[0] if weight is None else curve.at(weight)) for curve in curves)


def category_bars(data: ReportData, metric: str, settings: Sequence[tuple[Curve, Run]]) -> Drawn | None:
    """Mean of `metric` by category and setting with 95 % intervals clustered by prompt; None where there are
    no categories.
    """
    frames = [data.scores[run.run_id] for _, run in settings]
    categories = sorted({str(name) for frame in frames for name in frame["category"].unique()})
    if len(categories) < 2 or not settings:
        return None
    share = data.metrics[metric].unit == "share"
    rows = []
    for (curve, run), frame in zip(settings, frames, strict=True):
        for name in (*categories, "all"):
            own = frame if name == "all" else frame[frame["category"].astype(str) == name]
            own = own[own[metric].notna()]
            clusters = own["prompt_id"].to_numpy(dtype=str)
            mean = clustered_mean(own[metric].to_numpy(dtype=np.float64), clusters)
            low, high = _interval(mean, share=share)
            weight = curve.weights[curve.runs.index(run)]
            found = (mean.value, low, high, mean.n, mean.num_clusters)
            rows.append((name, curve.name, weight, run.run_id, *found))
    columns = ["category", "curve", "guidance_weight", "run_id", "value", "lo", "hi", "n", "num_prompts"]
    table = pd.DataFrame(rows, columns=columns)
    return Drawn(svg=_figure(data, table, settings, metric), width=TEXT_WIDTH, data=as_csv(table))


def _interval(mean: Estimate, *, share: bool) -> tuple[float, float]:
    if mean.num_clusters < 2:
        return math.nan, math.nan
    return share_interval(mean) if share else mean.interval()


def _figure(data: ReportData, table: pd.DataFrame, settings: Sequence[tuple[Curve, Run]], metric: str) -> str:
    categories = list(dict.fromkeys(table["category"]))
    counts = table.groupby("category")["num_prompts"].max()
    styles = curve_styles(data.curves, data.featured)
    height = 0.8 / len(settings)
    with figure_style("bars"):
        inches = 0.7 + 0.15 * len(categories) * max(2, 0.75 * len(settings))
        figure = Figure(figsize=(TEXT_WIDTH, inches), layout="constrained")
        ax = figure.subplots()
        for index, (curve, run) in enumerate(settings):
            own = table[table["run_id"] == run.run_id]
            at = np.arange(len(own)) + (index - (len(settings) - 1) / 2) * height
            value = own["value"].to_numpy()
            reach = np.nan_to_num(np.stack([value - own["lo"], own["hi"] - value])).clip(min=0)
            weight = curve.weights[curve.runs.index(run)]
            ax.barh(
                at,
                np.nan_to_num(value),
                height=0.92 * height,
                color=styles[curve.name].color,
                hatch=_HATCHES[index],
                edgecolor="white",
                linewidth=0,
                label=curve.point(weight),
            )
            ax.errorbar(value, at, xerr=reach, fmt="none", ecolor="0.15", elinewidth=0.7)
        names = [f"{name}  ({counts[name]} prompts)" for name in categories]
        ax.set_yticks(range(len(categories)), names)
        ax.set_ylim(len(categories) - 0.5, -0.5)
        ax.axhline(len(categories) - 1.5, color=GREY, linewidth=0.6)
        info = data.metrics[metric]
        if info.unit == "share":
            ax.set_xlim(0, 1)
        else:
            # Bars begin at 0: a cut axis would make much of little.
            ends = table[["lo", "hi", "value"]].to_numpy()
            ax.set_xlim(min(0.0, 1.05 * float(np.nanmin(ends))), max(0.0, 1.05 * float(np.nanmax(ends))))
        better = "higher is better" if info.higher_is_better else "lower is better"
        ax.set_xlabel("; ".join(part for part in (info.unit, better) if part))
        ax.grid(axis="y", visible=False)
        longest = max(len(curve.name) for curve, _ in settings)
        figure.legend(loc="outside upper center", ncols=max(1, min(4, 100 // (longest + 14))))
        return to_svg(figure)
