"""`Prompt` and `PromptSet`: what a model is asked to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drawbench_eval.files import digest
from drawbench_eval.protocol import Scalar


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One prompt. The empty text is legal: it asks for an image of nothing in particular.

    `scoring_text` is what scorers read where it differs from `text`, as with misspelled prompts. `facts` is
    the JSON form of `drawbench_eval.scenes.facts.Facts` for prompts of the embedded world.

    `image_id` and `caption_id` are of the photograph that the prompt captions and of the caption itself, as
    COCO numbers them, without leading zeros. `metadata` is what else the source says of the prompt, under its
    own names: what the suite's own scorer needs, the seed that a list gives a row.
    """

    id: str
    text: str
    category: str = ""
    scoring_text: str | None = None
    facts: Mapping[str, Any] | None = None
    image_id: str | None = None
    caption_id: str | None = None
    metadata: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError(f"prompt {self.text!r}: its id is empty; every prompt needs one of its own")

    @property
    def text_to_score(self) -> str:
        """The text that scorers read."""
        return self.text if self.scoring_text is None else self.scoring_text


@dataclass(frozen=True, kw_only=True)
class PromptSource:
    """Where a set was read and how it was chosen: recorded with every run, and no part of its identity.

    location: a path, or a dataset's name on the Hub. sha256: of the content that was read. choices: each
    choice of protocol by name. remarks: what a reader should know of the source, a line each.
    """

    location: str
    sha256: str
    choices: Mapping[str, Scalar] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Prompts in a fixed order, found by their ids. Texts may repeat, ids may not."""

    name: str
    prompts: tuple[Prompt, ...]
    source: PromptSource | None = None

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
        """Hash of ids, texts, categories and scoring texts, in any order; the name is no part of it."""
        return digest([[p.id, p.text, p.category, p.scoring_text] for p in self._by_id])

    @property
    def facts_sha256(self) -> str:
        """Hash of ids and facts, in any order: what an oracle judges by and a reference is rendered from."""
        return digest([[p.id, p.facts] for p in self._by_id])

    @property
    def provenance(self) -> dict[str, Any]:
        """What a run record says of its prompts: name, hash, source and choices of protocol."""
        about: dict[str, Any] = {"name": self.name, "sha256": self.sha256}
        if self.source is not None:
            about["source"] = self.source.location
            about["source_sha256"] = self.source.sha256
            about["choices"] = dict(self.source.choices)
            about["remarks"] = list(self.source.remarks)
        return about

    @property
    def _by_id(self) -> list[Prompt]:
        # The order of a copy's rows changes no image and no score: seeds and samples go by id.
        return sorted(self.prompts, key=lambda prompt: prompt.id)
