"""Loaders of prompt sets: files of the user's own; the embedded world's suite lies in `scenes`."""

from drawbench_eval.prompts.table import Columns, read_prompts

__all__ = ["Columns", "read_prompts"]
