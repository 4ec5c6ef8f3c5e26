"""`model=folder`: the images that it names over their prompts, and whether they are all there."""

import sys
from collections.abc import Mapping
from typing import Any

from drawbench_eval.commands.prompt_sources import load_prompts
from drawbench_eval.commands.settings import build
from drawbench_eval.generators.check import check_lines, check_set, refuse_incomplete
from drawbench_eval.generators.folder import FolderSettings, import_folder, label_of
from drawbench_eval.generators.lookup import NoPromptError
from drawbench_eval.runs.plan import ImportedSamples
from drawbench_eval.runs.progress import show_progress
from drawbench_eval.store import Store

# On a terminal each line of a report names so many; into a pipe or a file it names all.
_NAMED = 20


def found_images(
    model: Mapping[str, Any], prompts: Mapping[str, Any], *, leave_strangers: bool = False
) -> ImportedSamples:
    """The samples of `model.path`, as the `model` and `prompts` groups say.

    Images that name none of the prompts are refused, or left out and counted with `leave_strangers`.
    """
    own = {key: value for key, value in model.items() if key != "generator"}
    chosen = build(FolderSettings, own, "model")
    try:
        imported = import_folder(chosen, load_prompts(prompts), leave_strangers=leave_strangers)
    except NoPromptError as error:
        raise ValueError(
            f"{error}; evaluate check_only=true names all such images, allow_incomplete=true leaves them out"
        ) from error
    except ValueError as error:
        known = str(error).startswith(("model.", "prompts."))
        raise ValueError(str(error) if known else f"model.path: {error}") from error
    return ImportedSamples(imported=imported, label=label_of(chosen.path), guidance_kind=chosen.guidance_kind)


def require_complete(samples: ImportedSamples, store: Store) -> None:
    """Raises ValueError for a set with missing or unreadable images, before anything is computed."""
    with show_progress(f"{samples.label}: checking", total=samples.num_images) as advance:
        refuse_incomplete(samples.imported, store, advance=advance)


def report_check(model: Mapping[str, Any], prompts: Mapping[str, Any]) -> None:
    """Prints what a look at every image finds. Raises ValueError where something lacks."""
    if model.get("generator") != "folder":
        raise ValueError(
            f"check_only: {model.get('generator')} makes its images; images that are there are model=folder"
        )
    samples = found_images(model, prompts, leave_strangers=True)
    with show_progress(f"{samples.label}: checking", total=samples.num_images) as advance:
        found = check_set(samples.imported, advance=advance)
    print("\n".join(check_lines(found, limit=_NAMED if sys.stdout.isatty() else None)))
    if found.shortfall:
        raise ValueError(
            f"model.path: {found.location} is {found.shortfall}; allow_incomplete=true evaluates the "
            f"{found.num_scorable} that can be scored, with every number saying so"
        )
