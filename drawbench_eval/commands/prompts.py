"""`drawbench-eval prompts`: shows a prompt set, or exports it as CSV."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.override import override
from drawbench_eval.commands.settings import build
from drawbench_eval.csv_text import csv_text

if TYPE_CHECKING:
    from drawbench_eval.prompt import Prompt, PromptSet
    from drawbench_eval.prompts.lengths import Lengths

# Ids behind a count are named up to here.
_NAMED = 10
# Columns of an export that are there only where a prompt has one.
_OPTIONAL = ("scoring_text", "image_id", "caption_id", "metadata")


@dataclass(frozen=True, kw_only=True)
class LengthSettings:
    """Tokenizers to count with: an open_clip architecture; a folder or a name on the Hub. Null does not.

    t5: `auto` takes T5's where the Hub's cache has it. t5_limit: how many tokens the model reads.
    """

    clip: str | None
    t5: str | None
    t5_limit: int


@dataclass(frozen=True, kw_only=True)
class PromptsSettings:
    """`output` is the CSV file to write; null shows the set instead, and `show` prompts of it (null: all)."""

    prompts: Mapping[str, Any]
    output: Path | None
    show: int | None
    lengths: LengthSettings

    def __post_init__(self) -> None:
        if self.show is not None and self.show < 0:
            raise ValueError(f"show: {self.show} is not at least 0; write null for all")


def main() -> None:
    """The verb."""
    hydra_app("prompts", prompts)


def prompts(config: DictConfig) -> None:
    """Show or export the prompt set of `config`."""
    from drawbench_eval.commands.prompt_sources import load_prompts
    from drawbench_eval.files import write_text

    settings = build(PromptsSettings, plain(config))
    loaded = load_prompts(settings.prompts)
    if loaded is None:
        raise ValueError("prompts: none has nothing to show; choose a prompt set, such as prompts=scenes")
    if settings.output is None:
        _show(loaded, settings)
        return
    write_text(settings.output, as_csv(loaded))
    print(f"{settings.output}: {len(loaded.prompts)} prompts of {loaded.name}, sha256 {loaded.sha256}")
    columns = " ".join(
        f"prompts.columns.{name}={name}" for name in ("id", "category", *_optional_columns(loaded))
    )
    print(f"read back: prompts=file {override('prompts.path', settings.output)} {columns}")


def as_csv(loaded: "PromptSet") -> str:
    """The set as CSV, which `prompts=file` reads back: id, prompt, category, and what else its prompts have.

    Facts of the embedded world are not in it.
    """
    optional = _optional_columns(loaded)
    rows = (
        (prompt.id, prompt.text, prompt.category, *(_cell(prompt, name) for name in optional))
        for prompt in loaded.prompts
    )
    return csv_text(("id", "prompt", "category", *optional), rows)


def _optional_columns(loaded: "PromptSet") -> list[str]:
    return [name for name in _OPTIONAL if any(getattr(prompt, name) is not None for prompt in loaded.prompts)]


def _cell(prompt: "Prompt", column: str) -> str:
    value = getattr(prompt, column)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _show(loaded: "PromptSet", settings: PromptsSettings) -> None:
    counted, not_counted = _count(loaded, settings.lengths)
    shown = loaded.prompts[: settings.show]
    if shown:
        listing = Table("id", "category", "prompt")
        for prompt in shown:
            listing.add_row(prompt.id, prompt.category, prompt.text)
        Console().print(listing)
    if len(shown) < len(loaded.prompts):
        print(f"{len(loaded.prompts) - len(shown)} more; show=null lists all")
    Console().print(_by_category(loaded, counted))
    _print_source(loaded)
    for lengths in counted:
        over = [f"{loaded.prompts[index].id} ({lengths.counts[index]})" for index in lengths.over]
        print(
            f"{lengths.encoder} ({lengths.tokenizer}): {len(over)} over {lengths.limit} tokens{_named(over)}"
        )
    for line in not_counted:
        print(line)
    print(_repeats(loaded))
    categories = _categories(loaded)
    said = ", ".join(f"{name or 'no category'} {len(found)}" for name, found in categories.items())
    each = f" ({said})" if set(categories) != {""} else ""
    print(f"{loaded.name}: {len(loaded.prompts)} prompts{each}, sha256 {loaded.sha256}")


def _count(loaded: "PromptSet", wanted: LengthSettings) -> tuple[list["Lengths"], list[str]]:
    """What was counted, and a line for what was not."""
    from drawbench_eval.prompts.lengths import T5, cached_t5, clip_lengths, t5_lengths

    texts = [prompt.text for prompt in loaded.prompts]
    counted = [clip_lengths(texts, wanted.clip)] if wanted.clip is not None else []
    tokenizer = cached_t5() if wanted.t5 == "auto" else wanted.t5
    if tokenizer is None:
        how = f"lengths.t5={T5} fetches its tokenizer once, lengths.t5=FOLDER reads one"
        return counted, [] if wanted.t5 is None else [f"T5: not counted; {how}"]
    try:
        fetch = wanted.t5 != "auto"
        counted.append(t5_lengths(texts, tokenizer, limit=wanted.t5_limit, fetch=fetch))
    except ValueError as error:
        return counted, [f"T5: not counted; {error}"]
    return counted, []


def _by_category(loaded: "PromptSet", counted: Sequence["Lengths"]) -> Table:
    table = Table("category", "prompts")
    for lengths in counted:
        for heading in (f"{lengths.encoder} tokens: median", "longest", f"over {lengths.limit}"):
            table.add_column(heading, justify="right")
    categories = _categories(loaded)
    if set(categories) != {""}:
        for name, found in categories.items():
            table.add_row(name or "no category", *_cells(found, counted))
        table.add_section()
    table.add_row("all", *_cells(range(len(loaded.prompts)), counted))
    return table


def _cells(found: Sequence[int], counted: Sequence["Lengths"]) -> list[str]:
    cells = [str(len(found))]
    for lengths in counted:
        own = [lengths.counts[index] for index in found]
        over = sum(count > lengths.limit for count in own)
        cells += [f"{statistics.median(own):g}", str(max(own)), str(over)]
    return cells


def _categories(loaded: "PromptSet") -> dict[str, list[int]]:
    """Category -> the positions of its prompts."""
    found: dict[str, list[int]] = {}
    for index, prompt in enumerate(loaded.prompts):
        found.setdefault(prompt.category, []).append(index)
    return found


def _print_source(loaded: "PromptSet") -> None:
    if loaded.source is None:
        return
    print(f"source: {loaded.source.location}, sha256 {loaded.source.sha256}")
    choices = [f"{name} {value}" for name, value in loaded.source.choices.items() if value is not None]
    if choices:
        print(f"chosen: {', '.join(choices)}")
    for remark in loaded.source.remarks:
        print(remark)


def _repeats(loaded: "PromptSet") -> str:
    by_text: dict[str, list[str]] = {}
    for prompt in loaded.prompts:
        by_text.setdefault(prompt.text, []).append(prompt.id)
    repeated = [f"{text!r}: {', '.join(ids)}" for text, ids in by_text.items() if len(ids) > 1]
    count = len(loaded.prompts) - len(by_text)
    named = _named(repeated, separator="; ")
    return f"repeated: {count} prompts have the text of an earlier one ({len(repeated)} texts){named}"


def _named(names: Sequence[str], separator: str = ", ") -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f": {separator.join(names[:_NAMED])}{more}"
