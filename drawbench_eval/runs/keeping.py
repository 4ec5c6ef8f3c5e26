"""`keep_samples`: which images of a run stay on disk once it is scored."""

import json
from pathlib import Path
from typing import Literal, get_args

from drawbench_eval.files import write_json
from drawbench_eval.prompt import PromptSet
from drawbench_eval.samples import SET_FILE, Sample, SampleSet

Keep = Literal["all", "grid", "none"]
KEEP = get_args(Keep)


def prompts_shown(prompts: PromptSet) -> frozenset[str]:
    """The ids of the first prompt of each category: what a report's grids show."""
    first: dict[str, str] = {}
    for prompt in prompts.prompts:
        first.setdefault(prompt.category, prompt.id)
    return frozenset(first.values())


def stays(sample: Sample, keep: Keep, shown: frozenset[str]) -> bool:
    """Whether this sample's image stays: of "grid" all images of the prompts that grids show."""
    return keep == "all" or (keep == "grid" and sample.prompt_id in shown)


def share_kept(prompts: PromptSet, keep: Keep) -> float:
    """The share of the images that stays."""
    if keep == "grid":
        return len(prompts_shown(prompts)) / len(prompts.prompts)
    return float(keep == "all")


def remove_others(folder: Path, prompts: PromptSet, keep: Keep) -> None:
    """Removes the images in `folder` that do not stay; manifest and set.json go on to say what was there."""
    if keep == "all":
        return
    shown = prompts_shown(prompts)
    about = json.loads((folder / SET_FILE).read_text(encoding="utf-8"))
    # Said first: a set that is cut off here has images too many, and never one too few that nobody knows of.
    write_json(folder / SET_FILE, {**about, "keep_samples": keep})
    for sample in SampleSet.read(folder).samples:
        if sample.path and not stays(sample, keep, shown):
            (folder / sample.path).unlink(missing_ok=True)
