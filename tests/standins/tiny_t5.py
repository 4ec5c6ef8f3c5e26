"""A T5 of random weights with a tokenizer of a few words, as a Hugging Face folder."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

WORDS = ("<pad>", "</s>", "<unk>", "a", "red", "blue", "circle", "square", "two", "and")


def make_t5(folder: Path, *, d_model: int, num_layers: int) -> Path:
    """Writes it; every matrix is random and large enough that a fault in any shows."""
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    config = T5Config(
        vocab_size=len(WORDS),
        d_model=d_model,
        d_kv=d_model // 2,
        d_ff=16,
        num_layers=num_layers,
        num_heads=2,
        dropout_rate=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = T5EncoderModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel())).mul_(0.5)
    model.save_pretrained(folder)
    return folder
