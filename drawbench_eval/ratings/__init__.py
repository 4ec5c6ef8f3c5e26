"""Human ratings: the canonical form, importers as configuration, what is rejected and why, rater quality."""

from drawbench_eval.ratings.importing import Counts, ImportedRatings, ReadFile, read_ratings
from drawbench_eval.ratings.layout import Layout
from drawbench_eval.ratings.orientation import oriented
from drawbench_eval.ratings.quality import (
    COCO_STYLE,
    DRAWBENCH_STYLE,
    FilteredRatings,
    QualityRules,
    filter_raters,
    rater_quality,
)
from drawbench_eval.ratings.questions import Question
from drawbench_eval.ratings.rejects import Allowance, refuse, write_rejects
from drawbench_eval.ratings.schema import FORMS, check_table, is_known, write_ratings

__all__ = [
    "COCO_STYLE",
    "DRAWBENCH_STYLE",
    "FORMS",
    "Allowance",
    "Counts",
    "FilteredRatings",
    "ImportedRatings",
    "Layout",
    "QualityRules",
    "Question",
    "ReadFile",
    "check_table",
    "filter_raters",
    "is_known",
    "oriented",
    "rater_quality",
    "read_ratings",
    "refuse",
    "write_ratings",
    "write_rejects",
]
