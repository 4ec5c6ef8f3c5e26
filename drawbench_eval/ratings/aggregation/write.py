"""ratings.json and what lies beside it: the accepted rows in canonical form, and the rejected ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from drawbench_eval.files import write_json
from drawbench_eval.ratings.aggregation.collect import Results
from drawbench_eval.ratings.aggregation.document import SCHEMA_VERSION, plain, results_json
from drawbench_eval.ratings.aggregation.settings import ResultSettings
from drawbench_eval.ratings.importing import Counts, ImportedRatings
from drawbench_eval.ratings.quality import FilteredRatings, QualityRules, rater_quality
from drawbench_eval.ratings.schema import is_known, write_ratings
from drawbench_eval.ratings.shown import SHOWN_FILE, ShownImages, write_shown


def rating_document(
    imported: ImportedRatings,
    filtered: FilteredRatings,
    rules: QualityRules,
    results: Results,
    settings: ResultSettings,
    images: Mapping[str, Any] | None = None,
    *,
    name: str,
) -> dict[str, Any]:
    """The whole of ratings.json: what was read, who rated, and what follows.

    `images`: what is known of the very images that raters saw, None for nothing.
    """
    table = imported.table
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "form": imported.form,
        "questions": {question: plain(one) for question, one in imported.questions.items()},
        "counts": {**_counts(imported.counts), "controls": len(table) - len(filtered.everybody)},
        "files": [
            {
                "name": file.path.name,
                "sha256": file.sha256,
                "counts": _counts(file.counts),
                "unused_columns": list(file.unused_columns),
            }
            for file in imported.files
        ],
        "images": images,
        "raters": _raters(table, filtered, rules),
        **results_json(results, settings),
    }


def write_document(
    folder: Path, document: dict[str, Any], imported: ImportedRatings, shown: ShownImages | None = None
) -> None:
    """Writes ratings.csv, ratings.parquet, images.json if raters' images are known, and, last, ratings.json.

    Each appears whole or not at all; an older images.json goes.
    """
    for suffix in ("csv", "parquet"):
        write_ratings(folder / f"ratings.{suffix}", imported.table, imported.form)
    if shown is None:
        (folder / SHOWN_FILE).unlink(missing_ok=True)
    else:
        write_shown(folder / SHOWN_FILE, shown)
    write_json(folder / "ratings.json", document)


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "records": counts.records,
        "rows": counts.rows,
        "accepted": counts.accepted,
        "rejected": counts.rejected,
        "blank": counts.blank,
    }


def _raters(table: pd.DataFrame, filtered: FilteredRatings, rules: QualityRules) -> dict[str, Any]:
    """Who rated and how; `num` is None and `quality` empty where it cannot be known."""
    known = is_known(table, "rater_id")
    quality: list[dict[str, Any]] = []
    if known and "rate" not in table:
        frame = rater_quality(table).reset_index()
        quality = [_record(row) for row in frame.to_dict("records")]
    return {
        "num": int(table["rater_id"].nunique()) if known else None,
        "num_kept": int(filtered.kept["rater_id"].nunique()) if known else None,
        "rules": plain(rules),
        "quality": quality,
        "dropped": [_record(row) for row in filtered.dropped.to_dict("records")],
    }


def _record(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): plain(value.item() if hasattr(value, "item") else value) for key, value in row.items()}
