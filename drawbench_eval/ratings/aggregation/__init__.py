"""Ratings in the canonical form -> rates, means, comparisons, agreement, rankings, metrics against people."""

from drawbench_eval.ratings.aggregation.collect import NotOffered, Results, rating_results
from drawbench_eval.ratings.aggregation.document import plain, results_json
from drawbench_eval.ratings.aggregation.human import ScoredRun
from drawbench_eval.ratings.aggregation.settings import OnParSettings, ResultSettings

__all__ = [
    "NotOffered",
    "OnParSettings",
    "ResultSettings",
    "Results",
    "ScoredRun",
    "plain",
    "rating_results",
    "results_json",
]
