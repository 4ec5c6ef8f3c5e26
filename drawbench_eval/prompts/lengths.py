"""How long prompts are in the tokens of CLIP and T5, with the start and end that the models add."""

from collections.abc import Sequence
from dataclasses import dataclass

from drawbench_eval.quiet import quiet

# All sizes of T5 have one vocabulary; this is the smallest.
T5 = "google-t5/t5-small"


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Tokens of each text, in order, and how many the encoder (CLIP or T5) reads."""

    encoder: str
    tokenizer: str
    limit: int
    counts: tuple[int, ...]

    @property
    def over(self) -> list[int]:
        """The positions of the texts that the encoder cuts."""
        return [index for index, count in enumerate(self.counts) if count > self.limit]


def clip_lengths(texts: Sequence[str], architecture: str) -> Lengths:
    """By the tokenizer of an open_clip architecture, which comes with open_clip; its limit is the model's.

    Raises ValueError for an architecture that is not known or brings no tokenizer along.
    """
    import open_clip

    known = open_clip.get_model_config(architecture)
    if known is None:
        raise ValueError(f"lengths.clip: {architecture} is not an architecture of open_clip")
    if "hf_tokenizer_name" in known["text_cfg"]:
        raise ValueError(
            f"lengths.clip: {architecture} brings no tokenizer along; write for example ViT-L-14"
        )
    tokenizer = open_clip.get_tokenizer(architecture)
    counts = tuple(len(tokenizer.encode(text)) + 2 for text in texts)
    return Lengths(encoder="CLIP", tokenizer=architecture, limit=int(tokenizer.context_length), counts=counts)


def cached_t5() -> str | None:
    """The name of T5's tokenizer where the Hub's cache has it; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache

    files = (try_to_load_from_cache(T5, name) for name in ("tokenizer.json", "spiece.model"))
    return T5 if any(isinstance(file, str) for file in files) else None


def t5_lengths(texts: Sequence[str], tokenizer: str, *, limit: int, fetch: bool = True) -> Lengths:
    """By the tokenizer of a folder, or of a model on the Hub, with the end token.

    fetch: False takes it from the Hub's cache and asks nobody. Raises ValueError where it cannot be had.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            loaded = AutoTokenizer.from_pretrained(
                tokenizer, trust_remote_code=False, local_files_only=not fetch
            )
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{tokenizer} cannot be loaded ({reason})") from error
    # A tokenizer warns of texts over its own limit; they are counted here.
    with quiet():
        counts = tuple(len(ids) for ids in loaded(list(texts))["input_ids"])
    return Lengths(encoder="T5", tokenizer=tokenizer, limit=limit, counts=counts)
