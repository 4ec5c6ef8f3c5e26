"""Simulated raters of a DrawBench-like study, in the canonical form."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from drawbench_eval.ratings.schema import FORMS

SIZES = {
    "Colors": 25,
    "Conflicting": 10,
    "Counting": 19,
    "DALL-E": 20,
    "Descriptions": 20,
    "Gary Marcus et al.": 10,
    "Misspellings": 10,
    "Positional": 20,
    "Rare Words": 7,
    "Reddit": 38,
    "Text": 21,
}
STRENGTHS = {"ours": 0.8, "latent": 0.1, "glide": -0.3, "vqgan": -0.9}


def prompts_of(sizes: dict[str, int]) -> list[tuple[str, str]]:
    """Prompt ids with their categories."""
    return [
        (f"{category.lower().split()[0]}-{number:02d}", category)
        for category, size in sizes.items()
        for number in range(size)
    ]


def pairwise_ratings(
    *,
    sizes: dict[str, int] = SIZES,
    strengths: dict[str, float] = STRENGTHS,
    pairs: Sequence[tuple[str, str]] | None = None,
    questions: Sequence[str] = ("alignment", "fidelity"),
    num_raters: int = 12,
    num_careless: int = 2,
    each: int = 5,
    num_controls: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Each pair on each prompt judged by `each` raters; careless ones choose at random, in controls too."""
    rng = np.random.default_rng(seed)
    names = list(strengths)
    pairs = pairs or [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    careless = {f"rater-{k:02d}" for k in range(num_raters - num_careless, num_raters)}
    rows = []
    for question in questions:
        for prompt, category in prompts_of(sizes):
            of_prompt = {name: 0.6 * rng.normal() for name in names}
            for a, b in pairs:
                for k in rng.permutation(num_raters)[:each]:
                    rater = f"rater-{k:02d}"
                    half = (strengths[a] + of_prompt[a] - strengths[b] - of_prompt[b]) / 2
                    weights = np.array([np.exp(half), 0.7, np.exp(-half)])
                    if rater in careless:
                        weights = np.ones(3)
                    choice = rng.choice(["a", "indifferent", "b"], p=weights / weights.sum())
                    rows.append((prompt, category, question, a, b, choice, rater, None))
        for k in range(num_raters):
            for number in range(num_controls):
                rater, right = f"rater-{k:02d}", str(rng.choice(["a", "b"]))
                choice = str(rng.choice(["a", "indifferent", "b"])) if rater in careless else right
                # A control of its own for each rater, so that the right answers never contradict each other.
                rows.append(
                    (f"control-{k}-{number}", None, question, names[0], "control", choice, rater, right)
                )
    frame = pd.DataFrame(
        rows,
        columns=[
            *("prompt_id", "category", "question", "model_a", "model_b", "choice", "rater_id"),
            "control_answer",
        ],
    )
    frame["is_control"] = frame["control_answer"].notna()
    frame["displayed_left"] = rng.choice(["a", "b"], size=len(frame))
    frame["duration_s"] = np.round(rng.lognormal(1.5, 0.4, len(frame)), 2)
    for column in ("sample_ids_a", "sample_ids_b", "batch_id", "timestamp"):
        frame[column] = None
    return _typed(frame, "pairwise")


def pointwise_ratings(
    means: dict[str, tuple[float, float, float]],
    *,
    num_prompts: int = 60,
    num_raters: int = 8,
    each: int = 4,
    question: str = "alignment",
    seed: int = 0,
) -> pd.DataFrame:
    """Yes, somewhat, no = 100, 50, 0 with each model's shares; half of the prompts in either category."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(num_prompts):
        for model, shares in means.items():
            for k in rng.permutation(num_raters)[:each]:
                value = float(rng.choice([100.0, 50.0, 0.0], p=shares))
                rows.append((f"p{index:03d}", "xy"[index % 2], question, model, value, f"rater-{k}"))
    columns = ["prompt_id", "category", "question", "model", "value", "rater_id"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["is_control"], frame["control_answer"], frame["duration_s"] = False, np.nan, np.nan
    for column in ("sample_ids", "displayed_left", "batch_id", "timestamp"):
        frame[column] = None
    return _typed(frame, "pointwise")


def _typed(frame: pd.DataFrame, form: str) -> pd.DataFrame:
    typed = {}
    for column in FORMS[form]:
        values = frame[column.name]
        typed[column.name] = (
            values.astype(object).where(values.notna(), None)
            if column.dtype == "object"
            else values.astype(column.dtype)
        )
    return pd.DataFrame(typed)
