"""What a study of a survey's size can find: the smallest difference between two models, as a table."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drawbench_eval.ratings.survey import Survey
    from drawbench_eval.stats.power import Detectable


@dataclass(frozen=True, kw_only=True)
class PowerSettings:
    """What the table assumes; `raters`: how many judge every prompt, a row for each."""

    raters: tuple[int, ...]
    icc_prompt: float
    icc_rater: float
    share_indifferent: float
    power: float
    alpha: float


def power_rows(
    settings: PowerSettings, nums_prompts: Sequence[int], *, may_be_indifferent: bool
) -> list["Detectable"]:
    """What so many prompts detect, prompts first. Raises ValueError for figures that no study can have."""
    from drawbench_eval.stats.power import power_table

    try:
        return [
            row
            for num_prompts in nums_prompts
            for raters in settings.raters
            for row in power_table(
                [num_prompts],
                [raters],
                ratings_per_prompt=[raters],
                icc_prompt=settings.icc_prompt,
                icc_rater=settings.icc_rater,
                share_indifferent=settings.share_indifferent if may_be_indifferent else 0.0,
                power=settings.power,
                alpha=settings.alpha,
            )
        ]
    except ValueError as error:
        raise ValueError(f"power: {error}") from error


def say_power(survey: "Survey", settings: PowerSettings) -> None:
    """Print the table for the pair with the fewest prompts: all of them, and its smallest category."""
    from rich.console import Console
    from rich.table import Table

    pairs: dict[tuple[str, ...], list[str]] = {}
    for trial in survey.trials:
        if trial.control_answer is None and len(trial.sides) == 2:
            pair = (trial.wording.shows, trial.wording.name, *(side.model for side in trial.sides))
            pairs.setdefault(pair, []).append(trial.prompt.category)
    if not pairs:
        return
    shows, *_ = fewest = min(pairs, key=lambda pair: (len(pairs[pair]), pair))
    categories = pairs[fewest]
    sizes = sorted({len(categories), min(Counter(categories).values())}, reverse=True)
    table = Table("prompts", "raters of each", "smallest difference")
    for row in power_rows(settings, sizes, may_be_indifferent=shows == "sets"):
        said = "none" if math.isnan(row.difference) else f"{100 * row.difference:.1f} points"
        table.add_row(str(row.num_prompts), str(row.num_raters), said)
    Console().print(table)
    indifferent = f"{100 * settings.share_indifferent:g} % are indifferent, " if shows == "sets" else ""
    print(
        f"Between the shares of two models, found with power {settings.power:g} at level {settings.alpha:g}. "
        f"Assumed: {indifferent}prompts make {100 * settings.icc_prompt:g} % and raters "
        f"{100 * settings.icc_rater:g} % of the variance, each rater judges all prompts"
    )
