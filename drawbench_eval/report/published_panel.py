"""The paper's own curves on a panel of their own: another metric, or another protocol, than the runs'."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from drawbench_eval.analysis.claim import ENCODER
from drawbench_eval.analysis.collect import TRAINING, varying
from drawbench_eval.analysis.curves import THRESHOLD
from drawbench_eval.analysis.level_claims import UNET_PARAMETERS
from drawbench_eval.analysis.published_results import FIGURE_4, PublishedCurve, published_curves
from drawbench_eval.report.blocks import Picture, Section
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.panels import set_title, values
from drawbench_eval.report.spots import as_csv
from drawbench_eval.report.style import STYLES, TEXT_WIDTH, Drawn, figure_style, mode_style, to_svg

PANELS = {"a": "size of the text encoder", "b": "size of the U-Net", "c": "thresholding"}


def published_section(data: ReportData) -> Section:
    """The panels of Figure 4 that vary what the runs vary; empty where the runs sweep no guidance."""
    if not any(len(curve.weights) > 1 for curve in data.curves):
        return Section(title="Published results", blocks=())
    panels = _panels(data)
    same = _same_metrics(data)
    drawn = published_figure(data, panels)
    beside = (
        "The runs of this report are drawn in black: they have the same metrics, but the paper names neither "
        "its CLIP model nor the details of its FID, so even these are other protocols."
        if same
        else "They stand on a panel of their own: the metrics of this report are others, and only the shapes "
        "of curves can be compared."
    )
    several = (
        "Panels differ in training length and are not comparable with one another. "
        if len(panels) > 1
        else ""
    )
    caption = (
        f"The paper's curves ({FIGURE_4}, to about ±0.0005 in CLIP score and ±0.15 in FID); numbers "
        f"are guidance weights. {several}{beside}"
    )
    picture = Picture(
        name="published",
        svg=drawn.svg,
        width=drawn.width,
        caption=caption,
        alt="FID-10K against CLIP score in the paper; figures/published.csv has the numbers.",
        data=drawn.data,
    )
    return Section(title="Published results", blocks=(picture,))


def _panels(data: ReportData) -> tuple[str, ...]:
    """Of thresholding where that varies, of text encoders or sizes of the U-Net where these do, else all."""
    varied = varying(data.complete)
    sizes = {run.factors.get(TRAINING) for run in data.complete} & {*UNET_PARAMETERS}
    about = {"a": ENCODER in varied, "b": bool(sizes), "c": THRESHOLD in varied}
    return tuple(panel for panel, is_about in about.items() if is_about) or tuple(PANELS)


def _same_metrics(data: ReportData) -> bool:
    return data.distance == "fid" and "clip_score" in data.alignments


def published_figure(data: ReportData, panels: tuple[str, ...]) -> Drawn:
    """The panels beside each other; of each curve the smallest and the largest weight are written."""
    curves = published_curves()
    width = TEXT_WIDTH if len(panels) > 1 else 0.6 * TEXT_WIDTH
    with figure_style("published"):
        figure = Figure(figsize=(width, 2.6), layout="constrained")
        axes = np.atleast_1d(np.asarray(figure.subplots(1, len(panels))))
        for index, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
            for number, curve in enumerate(curve for curve in curves if curve.panel == panel):
                style = mode_style(curve.series) or STYLES[number]
                ax.plot(
                    curve.clip_score,
                    curve.fid_10k,
                    linestyle=style.line,
                    marker=style.marker,
                    markersize=2.6,
                    color=style.color,
                    label=curve.series,
                )
                for end in (0, -1):
                    ax.annotate(
                        f"{curve.weights[end]:g}",
                        (curve.clip_score[end], curve.fid_10k[end]),
                        xytext=(4, 2),
                        textcoords="offset points",
                        color=style.color,
                        fontsize=6,
                    )
            for own in data.curves if _same_metrics(data) else ():
                label = "these runs" if own is data.curves[0] else None
                ax.plot(values(own, "clip_score")[0], values(own, "fid")[0], "k-", linewidth=0.8, label=label)
            ax.margins(x=0.08)
            ax.set_xlabel("CLIP score (cosine; higher is better)")
            if index == 0:
                ax.set_ylabel("FID-10K (lower is better)")
            ax.locator_params(axis="x", nbins=5)
            ax.legend(loc="upper left", handlelength=2.4)
            set_title(ax, index, PANELS[panel], alone=len(panels) == 1)
        return Drawn(svg=to_svg(figure), width=width, data=_csv(curves, panels))


def _csv(curves: tuple[PublishedCurve, ...], panels: tuple[str, ...]) -> str:
    rows = [
        (curve.panel, curve.series, *values)
        for curve in curves
        if curve.panel in panels
        for values in zip(curve.weights, curve.clip_score, curve.fid_10k, strict=True)
    ]
    return as_csv(pd.DataFrame(rows, columns=["panel", "series", "guidance_weight", "clip_score", "fid_10k"]))
