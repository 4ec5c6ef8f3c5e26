"""Text encoders of random weights, one a family, as Hugging Face folders with a tokenizer of a few words."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

WORDS = ("<pad>", "</s>", "<unk>", "<s>", "a", "red", "blue", "circle", "square", "two", "and")
DIM = 16
POSITIONS = 12


def make_tokenizer(folder: Path, *, template: str, pad: bool = True) -> None:
    """A word tokenizer; `template` says what stands around a prompt, as "<s> $A </s>"."""
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [(word, WORDS.index(word)) for word in ("<s>", "</s>") if word in template]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    tokens = {"eos_token": "</s>", "unk_token": "<unk>", **({"pad_token": "<pad>"} if pad else {})}
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=tokenizer, **tokens).save_pretrained(folder)


def make_encoder(kind: str, folder: Path) -> Path:
    """The folder of one of KINDS; every matrix is random and large enough that a fault in any shows."""
    template, config, model_class = KINDS[kind]
    make_tokenizer(folder, template=template, pad=kind != "gpt2")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = model_class(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(generator=generator).mul_(0.4)
    model.save_pretrained(folder)
    return folder


def _t5(feed_forward: str) -> Any:
    return T5Config(
        vocab_size=len(WORDS),
        d_model=DIM,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        dropout_rate=0.0,
        feed_forward_proj=feed_forward,
    )


_BERT: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": DIM,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "pad_token_id": 0,
}
KINDS: dict[str, tuple[str, Any, Any]] = {
    "t5_v1_0": ("$A </s>", _t5("relu"), T5EncoderModel),
    "t5_v1_1": ("$A </s>", _t5("gated-gelu"), T5EncoderModel),
    "bert": ("<s> $A </s>", BertConfig(**_BERT, max_position_embeddings=POSITIONS), BertModel),
    "roberta": ("<s> $A </s>", RobertaConfig(**_BERT, max_position_embeddings=POSITIONS + 1), RobertaModel),
    "clip": (
        "<s> $A </s>",
        CLIPTextConfig(
            vocab_size=len(WORDS),
            hidden_size=DIM,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            max_position_embeddings=POSITIONS,
            pad_token_id=0,
            bos_token_id=3,
            eos_token_id=1,
        ),
        CLIPTextModel,
    ),
    "gpt2": (
        "$A",
        GPT2Config(vocab_size=len(WORDS), n_embd=DIM, n_layer=2, n_head=2, n_positions=POSITIONS),
        GPT2Model,
    ),
}
