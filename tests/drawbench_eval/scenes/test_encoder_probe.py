"""The probe against encoders whose states are known, and the packaged encoder against the probe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from drawbench_eval.scenes.encoder_probe import PROBE, probe, read_probe, write_probe
from drawbench_eval.scenes.facts import COLORS, SHAPES
from imagen_ref.cascade_files import cascade_files
from imagen_ref.text.embedding import TextEmbedding, collate

WORDS = [*COLORS, *SHAPES, "a", "an", "left", "right", "of", "above", "below"]


class Words:
    """Encodes a word as one-hot, and the `context` words before and behind it with it."""

    def __init__(self, *, context: int) -> None:
        vocabulary = {word: index for index, word in enumerate(WORDS)}
        plain = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
        plain.pre_tokenizer = pre_tokenizers.Whitespace()
        fast: Any = PreTrainedTokenizerFast
        self.tokenizer = fast(tokenizer_object=plain)
        self._context = context

    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        return collate([self._states(prompt.split()) for prompt in prompts])

    def _states(self, words: list[str]) -> torch.Tensor:
        rows = []
        for at in range(len(words)):
            near = range(at - self._context, at + self._context + 1)
            parts = [np.eye(len(WORDS))[WORDS.index(words[k])] if 0 <= k < len(words) else None for k in near]
            rows.append(np.concatenate([np.zeros(len(WORDS)) if part is None else part for part in parts]))
        return torch.tensor(np.array(rows), dtype=torch.float32)


def test_a_word_alone_tells_nothing_and_its_neighbours_tell_their_part() -> None:
    """The colour stands one word before, the relation up to four words away; its side tells the order."""
    alone = probe(Words(context=0), num=800)
    assert alone["color"] < 0.3
    assert alone["relation"] < 0.45
    assert alone["order"] < 0.65
    assert probe(Words(context=1), num=800)["color"] == 1.0
    near = probe(Words(context=4), num=800)
    assert near == {"color": 1.0, "relation": pytest.approx(1.0, abs=0.02), "order": 1.0}


def test_the_packaged_encoder_tells_which_thing_is_what_and_where() -> None:
    """One that tells chance level (an earlier one did) leaves the base to guess left from right."""
    source = cascade_files("scenes").encoder
    told = read_probe(Path(source.source))
    assert probe(source.load()) == pytest.approx(told, abs=0.005)
    assert told["color"] > 0.95
    assert told["relation"] > 0.9
    assert told["order"] > 0.95


def test_shares_lie_beside_the_encoder(tmp_path: Path) -> None:
    assert read_probe(tmp_path) == {}
    shares = write_probe(tmp_path, Words(context=1))
    assert read_probe(tmp_path) == shares
    assert shares["color"] == 1.0
    for broken in ("[1]", '{"color": 1.0}', '{"color": "red", "relation": 1, "order": 1}', "{"):
        (tmp_path / PROBE).write_text(broken)
        with pytest.raises(ValueError, match=r"probe\.json: it is no probe of an encoder"):
            read_probe(tmp_path)
