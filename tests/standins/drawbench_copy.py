"""A copy of DrawBench's sheet with prompts of our own: the counts of the paper, categories in turn."""

from itertools import zip_longest
from pathlib import Path

import pandas as pd

from drawbench_eval.prompts import DRAWBENCH


def write_drawbench(path: Path) -> None:
    """The first eleven rows are of eleven categories."""
    columns = [
        [(f"a {category} {number}", category) for number in range(count)]
        for category, count in DRAWBENCH.counts.items()
    ]
    rows = [row for rows in zip_longest(*columns) for row in rows if row is not None]
    pd.DataFrame(rows, columns=["Prompts", "Category"]).to_csv(path, index=False)
