"""A cascade with random weights, small enough for tests, as a folder that `model.path` can name."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from imagen_ref.efficient_unet import EfficientUNetConfig
from imagen_ref.stage import StageConfig, save_stage
from imagen_ref.text.t5 import T5Encoder
from imagen_ref.unet import UNetConfig

WORDS = ("a", "red", "blue", "circle", "square", "two")


def make_cascade(folder: Path) -> Path:
    """16 -> 64 with a one-layer T5 that reads at most six tokens."""
    torch.manual_seed(0)
    encoder_folder = folder / "t5_middle"
    _make_t5(encoder_folder)
    identity = T5Encoder(encoder_folder, max_length=6).identity
    base = StageConfig(
        name="base",
        network=UNetConfig(
            side=16,
            channels=32,
            channel_mult=(1, 1),
            num_res_blocks=1,
            attention_sides=(8,),
            head_dim=32,
            text_dim=32,
            text_width=32,
        ),
        text_encoder=identity,
    )
    sr64 = StageConfig(
        name="sr64",
        network=EfficientUNetConfig(
            side=64,
            channels=(32, 32),
            num_res_blocks=(1, 1),
            stem_channels=32,
            num_heads=1,
            text_dim=32,
            text_width=32,
        ),
        low_res_side=16,
        text_encoder=identity,
    )
    for config in (base, sr64):
        state = {
            name: 0.1 * torch.randn_like(value) for name, value in config.make_network().state_dict().items()
        }
        save_stage(folder / f"{config.name}.safetensors", config, state)
    stages = {config.name: f"{config.name}.safetensors" for config in (base, sr64)}
    content = {"text_encoders": {"t5_middle": {"max_length": 6, "stages": stages}}}
    (folder / "cascade.json").write_text(json.dumps(content))
    return folder


def _make_t5(folder: Path) -> None:
    tokenizer = Tokenizer(
        models.WordLevel(
            {word: n for n, word in enumerate(("<pad>", "</s>", "<unk>", *WORDS))}, unk_token="<unk>"
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    config = T5Config(
        vocab_size=3 + len(WORDS), d_model=32, d_kv=16, d_ff=32, num_layers=1, num_heads=2, dropout_rate=0.0
    )
    T5EncoderModel(config).save_pretrained(folder)
