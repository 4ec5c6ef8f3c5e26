"""Pages of a survey as raters who agree would fill them."""

import csv
import json
from pathlib import Path

from drawbench_eval.ratings.schema import column_names


def answers_of(key: Path, folder: Path, *, raters: int = 3) -> None:
    """A file for each page and rater, as the page saves it: the first model wins, or the caption is right."""
    folder.mkdir()
    for batch in json.loads(key.read_text())["batches"]:
        for rater in range(raters):
            form = "pairwise" if batch["trials"][0]["model_b"] else "pointwise"
            with (folder / f"{batch['id']}-{rater}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, column_names(form), lineterminator="\n")
                writer.writeheader()
                for trial in batch["trials"]:
                    own = {"prompt_id": trial["code"], "batch_id": batch["id"], "question": batch["question"]}
                    own |= {"rater_id": f"r{rater}", "is_control": "false", "duration_s": "3"}
                    own |= {"timestamp": "2026-11-25T10:00:00Z"}
                    if form == "pairwise":
                        own |= {f"model_{side}": f"{trial['code']}-{side}" for side in "ab"}
                        writer.writerow({**own, "choice": "a", "displayed_left": "b"})
                    else:
                        writer.writerow({**own, "model": f"{trial['code']}-a", "value": "100"})
