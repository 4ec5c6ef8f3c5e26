"""Results of human ratings by their paths, as other verbs show them."""

from pathlib import Path
from typing import Any

from drawbench_eval.analysis.ratings_document import RatingsDocument, read_ratings_document


def rating_documents(key: str, paths: Any) -> tuple[RatingsDocument, ...]:
    """The ratings.json, or the folder that holds one, at one path or at each of a list; none for None.

    Raises ValueError, opening with `key`, where one cannot be read or stands twice.
    """
    listed = [] if paths is None else paths if isinstance(paths, list | tuple) else [paths]
    found: list[RatingsDocument] = []
    for path in listed:
        if not isinstance(path, str) or not path:
            raise ValueError(f"{key}: {path!r} is not a path; write {key}=results/ratings/NAME/ratings.json")
        try:
            document = read_ratings_document(Path(path))
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
        for other in found:
            if other.sha256 == document.sha256:
                raise ValueError(f"{key}: {path} and {other.path} are the same ratings; name them once")
        found.append(document)
    return tuple(found)


def rated_prompts(document: RatingsDocument) -> list[str]:
    """Ids of the prompts that raters saw, by the accepted rows beside ratings.json; none without them."""
    import pandas as pd

    rows = document.path.with_name("ratings.parquet")
    if not rows.is_file():
        return []
    return sorted(set(pd.read_parquet(rows, columns=["prompt_id"])["prompt_id"].dropna().astype(str)))
