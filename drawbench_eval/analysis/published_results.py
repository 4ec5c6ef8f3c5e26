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


def published_fid30k() -> tuple[PublishedFid, ...]:
    """Table 1 of the paper, in its order."""
    path = files("drawbench_eval.analysis") / "published" / "fid30k.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
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
