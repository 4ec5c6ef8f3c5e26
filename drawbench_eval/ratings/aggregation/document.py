"""Results as plain values for ratings.json; what is undefined is null."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from drawbench_eval.ratings.aggregation.collect import Results
from drawbench_eval.ratings.aggregation.settings import ResultSettings

SCHEMA_VERSION = 1

# How each number was made: the page docs/statistics.md has the formulas.
METHODS = {
    "ci95_pooled": "every judgement independent, as the paper prints it: Wilson for one share or split "
    "rate, else normal",
    "ci95_clustered": "two-way cluster-robust by the known of prompts and raters, t with min(P, R) - 1 "
    "degrees of freedom; of shares and split rates Wilson's at the effective sample size",
    "ci95_bootstrap": "percentiles over resampled prompts, those of each category by themselves; a check "
    "that holds where raters are alike",
    "preference": "share of a; dropped: among those who preferred a side; split: indifferent counts as half",
    "micro": "all judgements pooled",
    "macro": "the plain mean over categories",
    "by prompt": "the mean of the prompts' means",
    "clustered t": "two-sided, by the clustered error",
    "sign flip": "exact up to 20 prompts: signs of the prompts' mean preferences flipped",
    "two one-sided": "both one-sided tests of the pooled difference against the margin; p is the larger",
    "p_holm": "Holm within the family; categories, and tests against a margin, are families of their own",
    "shrunken": "random-effects estimates of prompts' means, restricted maximum likelihood",
    "agreement": "Krippendorff's alpha and Fleiss's kappa, intervals bootstrapped over units",
    "rankings": "Davidson's model by maximum likelihood; half_win is Bradley-Terry with a tie as half a win "
    "for either, a second view that is shrunken where there are ties",
    "metrics": "Kendall's tau-b, Spearman's rho, pairwise accuracy with ties; intervals resample prompts",
}


def results_json(results: Results, settings: ResultSettings) -> dict[str, Any]:
    """The lists of `Results` by their names, and the settings and methods behind them."""
    return {
        "settings": plain(settings),
        "methods": METHODS,
        "results": plain(results.rows),
        "comparisons": plain(results.comparisons),
        "on_par": plain(results.on_par),
        "categories": plain(results.categories),
        "agreement": plain(results.agreement),
        "rankings": plain(results.rankings),
        "metrics": plain(results.metrics),
        "not_offered": plain(results.not_offered),
    }


def plain(value: Any) -> Any:
    """The value as JSON has it: dataclasses as objects, NaN as null, an interval with a NaN as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and any(_is_undefined(one) for one in value):
        return None
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if _is_undefined(value) else value


def _is_undefined(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
