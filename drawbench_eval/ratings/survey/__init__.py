"""Surveys: what raters are asked, as pages and for crowdsourcing sites, and what their answers stand for."""

from drawbench_eval.ratings.survey.choose import CONTROL, REFERENCE, Contestant
from drawbench_eval.ratings.survey.crowd import CrowdSettings
from drawbench_eval.ratings.survey.images import ImageSettings
from drawbench_eval.ratings.survey.key import Key, read_key, survey_id
from drawbench_eval.ratings.survey.plan import SurveySettings
from drawbench_eval.ratings.survey.resolve import Resolved, resolve
from drawbench_eval.ratings.survey.trials import Survey
from drawbench_eval.ratings.survey.words import WORDINGS
from drawbench_eval.ratings.survey.write import CROWD, KEY, PAGES, Written, write_survey

__all__ = [
    "CONTROL",
    "CROWD",
    "KEY",
    "PAGES",
    "REFERENCE",
    "WORDINGS",
    "Contestant",
    "CrowdSettings",
    "ImageSettings",
    "Key",
    "Resolved",
    "Survey",
    "SurveySettings",
    "Written",
    "read_key",
    "resolve",
    "survey_id",
    "write_survey",
]
