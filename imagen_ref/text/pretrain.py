"""Pretraining of a T5 on text alone by span corruption (Raffel et al. 2020, section 3.1.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor

from imagen_ref.precision import PRECISIONS
from imagen_ref.text.pretraining import optimise

NUM_SENTINELS = 24
_SPECIAL = ["<pad>", "</s>", "<unk>", *(f"<extra_id_{k}>" for k in range(NUM_SENTINELS))]


@dataclass(frozen=True, kw_only=True)
class T5Size:
    """The dimensions of a tiny T5 v1.1 (gated GELU, RMS norm, relative positions)."""

    d_model: int
    num_layers: int
    num_heads: int
    d_ff: int
    num_decoder_layers: int = 2
    vocab_size: int = 400


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """One pretraining run; the same configuration gives the same weights on the same machine.

    The optimiser is Adafactor, whose rate is relative to the size of the weights (Raffel et al. 2020, section
    3.1.2). The scale model's T5 learned no order of words in 1,800 steps of AdamW at 1e-3, and did in 2,000
    of this. Presumably embeddings and relative positions, large beside AdamW's steps, hardly moved.
    `precision` is float32, or bfloat16 for autocast: twice as fast where the processor has such instructions.
    """

    size: T5Size
    num_steps: int = 600
    batch_size: int = 64
    learning_rate: float = 1e-2
    warmup_steps: int = 50
    noise_density: float = 0.25
    mean_span: float = 2.0
    seed: int = 0
    tokenizer_sentences: int = 30_000
    checkpoint_every: int = 200
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision: {self.precision} is not one of {', '.join(PRECISIONS)}")


def train_tokenizer(sentences: Iterable[str], vocab_size: int) -> Tokenizer:
    """A byte-pair tokenizer with T5's special tokens; every printable ASCII character is in its alphabet."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=_SPECIAL,
        initial_alphabet=[chr(code) for code in range(33, 127)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes it as a Hugging Face folder has it."""
    from transformers import PreTrainedTokenizerFast

    fast: Any = PreTrainedTokenizerFast
    fast(
        tokenizer_object=tokenizer,
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=512,
    ).save_pretrained(folder)


def corrupt_spans(
    ids: Sequence[int], rng: np.random.Generator, *, noise_density: float, mean_span: float, sentinel: int
) -> tuple[list[int], list[int]]:
    """(input, target) of one sentence: random spans replaced by sentinels, the target spelling them out.

    Args:
        ids: token ids without the end token.
        rng: draws the spans.
        noise_density: share of tokens to corrupt; at least one is.
        mean_span: mean length of a span.
        sentinel: id of the first sentinel; later ones follow it.
    """
    num_noise = min(max(1, round(len(ids) * noise_density)), max(1, len(ids) - 1))
    num_spans = min(max(1, round(num_noise / mean_span)), num_noise, len(ids) - num_noise + 1, NUM_SENTINELS)
    noise = _split(num_noise, num_spans, rng, minimum=1)
    # Gaps before, between and after the spans; inner gaps hold at least one token so that spans do not merge.
    slack = len(ids) - num_noise - (num_spans - 1)
    gaps = _split(slack, num_spans + 1, rng, minimum=0)
    source: list[int] = []
    target: list[int] = []
    at = 0
    for span in range(num_spans):
        kept = gaps[span] + (1 if span else 0)
        source += [*ids[at : at + kept], sentinel + span]
        at += kept
        target += [sentinel + span, *ids[at : at + noise[span]]]
        at += noise[span]
    return [*source, *ids[at:]], target


def _split(total: int, parts: int, rng: np.random.Generator, *, minimum: int) -> list[int]:
    """`total` as a sum of `parts` numbers, each at least `minimum`, uniformly among all such sums."""
    free = total - minimum * parts
    cuts = (
        np.sort(rng.choice(free + parts - 1, size=parts - 1, replace=False))
        if parts > 1
        else np.zeros(0, int)
    )
    edges = np.concatenate([[-1], cuts, [free + parts - 1]])
    return [int(width) - 1 + minimum for width in np.diff(edges)]


def pretrain_t5(
    config: PretrainConfig,
    sentences: Callable[[int], Iterable[str]],
    folder: Path,
    *,
    report: Callable[[int, float, float], None] = lambda *_: None,
) -> Path:
    """Trains tokenizer and T5 and writes the *encoder* as a float16 Hugging Face folder.

    Args:
        config: what to train.
        sentences: seed -> an endless stream of sentences.
        folder: where the encoder goes; `folder/training.pt` carries the state for resuming.
        report: called with (step, loss, seconds since start).

    Returns:
        The folder.

    Raises:
        ValueError: when the state in the folder belongs to another configuration.
        FloatingPointError: on a loss that is not finite, naming the step.
    """
    from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    stream = iter(sentences(config.seed))
    tokenizer = train_tokenizer(
        (next(stream) for _ in range(config.tokenizer_sentences)), config.size.vocab_size
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model: Any = T5ForConditionalGeneration(_hf_config(config.size, tokenizer, T5Config))

    def loss_of(step: int) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
            loss: Tensor = model(**_batch(config, sentences, tokenizer, step)).loss
        return loss

    optimizer = torch.optim.Adafactor(model.parameters(), lr=config.learning_rate)
    optimise(model, loss_of, config, optimizer, folder / "training.pt", report=report)
    with torch.random.fork_rng(devices=[]):
        encoder: Any = T5EncoderModel(model.config)
    encoder.load_state_dict(model.state_dict(), strict=False)
    encoder.half().save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    (folder / "pretraining.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
    return folder


def _hf_config(size: T5Size, tokenizer: Tokenizer, config_class: Any) -> Any:
    return config_class(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=size.d_model,
        d_kv=size.d_model // size.num_heads,
        d_ff=size.d_ff,
        num_layers=size.num_layers,
        num_decoder_layers=size.num_decoder_layers,
        num_heads=size.num_heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )


def _batch(
    config: PretrainConfig, sentences: Callable[[int], Iterable[str]], tokenizer: Tokenizer, step: int
) -> dict[str, Tensor]:
    """The batch of one step, made from (seed, step) alone: a resumed run sees what a straight one does."""
    seed = config.seed * 1_000_003 + step + 1
    rng = np.random.default_rng(seed)
    sentinel = _SPECIAL.index("<extra_id_0>")
    stream = iter(sentences(seed))
    sources, targets = [], []
    for _ in range(config.batch_size):
        ids = tokenizer.encode(next(stream), add_special_tokens=False).ids
        source, target = corrupt_spans(
            ids, rng, noise_density=config.noise_density, mean_span=config.mean_span, sentinel=sentinel
        )
        sources.append([*source, 1])
        targets.append([*target, 1])
    input_ids = _pad(sources, 0)
    return {"input_ids": input_ids, "attention_mask": (input_ids != 0).long(), "labels": _pad(targets, -100)}


def _pad(rows: list[list[int]], value: int) -> Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])
