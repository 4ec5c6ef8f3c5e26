"""`drawbench-eval prompts`: shows a prompt set, or exports it as CSV."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.settings import build

if TYPE_CHECKING:
    from drawbench_eval.prompt import PromptSet


@dataclass(frozen=True, kw_only=True)
class PromptsSettings:
    """`output` is the CSV file to write; null shows the set instead."""

    prompts: Mapping[str, Any]
    output: Path | None


def main() -> None:
    """The verb."""
    hydra_app("prompts", prompts)


def prompts(config: DictConfig) -> None:
    """Show or export the prompt set of `config`."""
    from drawbench_eval.commands.planning import PromptSettings, load_prompts
    from drawbench_eval.files import write_text

    settings = build(PromptsSettings, plain(config))
    loaded = load_prompts(build(PromptSettings, settings.prompts, "prompts"))
    if loaded is None:
        raise ValueError("prompts: none has nothing to show; choose a prompt set, such as prompts=scenes")
    if settings.output is None:
        _show(loaded)
        return
    write_text(settings.output, as_csv(loaded))
    print(f"{settings.output}: {len(loaded.prompts)} prompts of {loaded.name}, sha256 {loaded.sha256}")


def as_csv(loaded: "PromptSet") -> str:
    """The set as CSV with the columns id, prompt, category; `prompts=file` reads it back."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "prompt", "category"))
    writer.writerows((prompt.id, prompt.text, prompt.category) for prompt in loaded.prompts)
    return text.getvalue()


def _show(loaded: "PromptSet") -> None:
    table = Table("id", "category", "prompt")
    for prompt in loaded.prompts:
        table.add_row(prompt.id, prompt.category, prompt.text)
    console = Console()
    console.print(table)
    counts = Counter(prompt.category for prompt in loaded.prompts)
    said = ", ".join(f"{name or 'no category'} {count}" for name, count in counts.items())
    console.print(f"{loaded.name}: {len(loaded.prompts)} prompts ({said}), sha256 {loaded.sha256}")
