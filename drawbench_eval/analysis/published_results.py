"""Published figures that stand beside ours and are never ranked with them: each is another protocol."""

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, kw_only=True)
class PublishedFid:
    """A FID-30K on MS-COCO at 256 x 256 as the paper prints it (arXiv:2205.11487, Table 1)."""

    model: str
    trained_on: str
    fid_30k: float
    source: str
    note: str


@dataclass(frozen=True, kw_only=True)
class PublishedCurve:
    """A curve of the paper's Figure 4: CLIP score and FID-10K [points] in order of the guidance weight.

    Read off the plot, to about +-0.0005 in CLIP score and +-0.15 in FID (+-0.4 where it was read by eye). The
    paper names neither the CLIP model nor the resolution; its panels differ in training length.
    """

    panel: str
    series: str
    weights: tuple[float, ...]
    clip_score: tuple[float, ...]
    fid_10k: tuple[float, ...]


FIGURE_4 = "Saharia et al. 2022, arXiv:2205.11487, Figure 4, read off the plot"


def published_curves() -> tuple[PublishedCurve, ...]:
    """The curves of Figure 4: panel a (text encoders), b (U-Net sizes), c (thresholding)."""
    curves: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in _rows("imagen_fig4.csv"):
        curves.setdefault((row["panel"], row["series"]), []).append(row)
    return tuple(
        PublishedCurve(
            panel=panel,
            series=series,
            weights=tuple(float(row["guidance_w"]) for row in rows),
            clip_score=tuple(float(row["clip_score"]) for row in rows),
            fid_10k=tuple(float(row["fid_10k"]) for row in rows),
        )
        for (panel, series), rows in curves.items()
    )


def published_fid30k() -> tuple[PublishedFid, ...]:
    """Table 1 of the paper, in its order."""
    rows = _rows("fid30k.csv")
    return tuple(
        PublishedFid(
            model=row["model"],
            trained_on=row["trained_on"],
            fid_30k=float(row["fid_30k"]),
            source=row["source"],
            note=row["note"],
        )
        for row in rows
    )


def _rows(name: str) -> list[dict[str, str]]:
    path = files("drawbench_eval.analysis") / "published" / name
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
