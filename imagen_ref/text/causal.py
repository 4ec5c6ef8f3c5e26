"""A frozen decoder-only language model as a text encoder: the GPT-2 family and its kind."""

from __future__ import annotations

from typing import Any, ClassVar

from imagen_ref.text.folder import FolderEncoder


class CausalEncoder(FolderEncoder):
    """The last hidden states: each token's sees the tokens before it and itself.

    Not in the paper, whose encoders see both ways. What the tokenizer adds at the ends stays as it is: GPT-2
    adds nothing.
    """

    family: ClassVar[str] = "causal"
    model_types: ClassVar[tuple[str, ...]] = (
        "gpt2",
        "gpt_neo",
        "gpt_neox",
        "opt",
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "gemma",
        "gemma2",
        "phi",
    )

    def _model_class(self) -> Any:
        from transformers import AutoModel

        return AutoModel
