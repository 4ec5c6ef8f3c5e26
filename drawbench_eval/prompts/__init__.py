"""Loaders of prompt sets: published suites, COCO, one's own files; the embedded world's is in `scenes`."""

from drawbench_eval.prompts.coco import CocoSelection, coco_prompts
from drawbench_eval.prompts.hub import HubDataset, hub_table
from drawbench_eval.prompts.reading import read_table
from drawbench_eval.prompts.suites import DRAWBENCH, GENEVAL, PARTI, suite_prompts
from drawbench_eval.prompts.t2i_compbench import t2i_compbench_prompts
from drawbench_eval.prompts.table import Columns, prompt_set, read_prompts

__all__ = [
    "DRAWBENCH",
    "GENEVAL",
    "PARTI",
    "CocoSelection",
    "Columns",
    "HubDataset",
    "coco_prompts",
    "hub_table",
    "prompt_set",
    "read_prompts",
    "read_table",
    "suite_prompts",
    "t2i_compbench_prompts",
]
