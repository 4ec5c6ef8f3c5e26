"""`Prompt` and `PromptSet`: what a model is asked to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drawbench_eval.files import digest


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One prompt. The empty text is legal: it asks for an image of nothing in particular.

    `scoring_text` is what scorers read where it differs from `text`, as with misspelled prompts. `facts` is
    the JSON form of `drawbench_eval.scenes.facts.Facts` for prompts of the embedded world.
    """

    id: str
    text: str
    category: str = ""
    scoring_text: str | None = None
    facts: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError(f"prompt {self.text!r}: its id is empty; every prompt needs one of its own")

    @property
    def text_to_score(self) -> str:
        """The text that scorers read."""
        return self.text if self.scoring_text is None else self.scoring_text


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Prompts in a fixed order, found by their ids. Texts may repeat, ids may not."""

    name: str
    prompts: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        if not self.prompts:
            raise ValueError(f"prompt set {self.name}: it holds no prompts; give at least one")
        seen: set[str] = set()
        for position, prompt in enumerate(self.prompts, start=1):
            if prompt.id in seen:
                raise ValueError(
                    f"prompt set {self.name}: id {prompt.id!r} appears again at prompt {position}"
                )
            seen.add(prompt.id)

    @property
    def sha256(self) -> str:
        """Hash of ids, texts, categories and scoring texts, in order; the set's name is not part of it."""
        return digest([[p.id, p.text, p.category, p.scoring_text] for p in self.prompts])

    @property
    def facts_sha256(self) -> str:
        """Hash of ids and facts, in order: what an oracle judges by and a reference is rendered from."""
        return digest([[p.id, p.facts] for p in self.prompts])
