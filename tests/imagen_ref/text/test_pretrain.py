import json
import string
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from imagen_ref.text.pretrain import (
    NUM_SENTINELS,
    PretrainConfig,
    T5Size,
    corrupt_spans,
    pretrain_t5,
    train_tokenizer,
)
from imagen_ref.text.t5 import T5Encoder

CONFIG = PretrainConfig(
    size=T5Size(d_model=16, num_layers=1, num_heads=2, d_ff=16, num_decoder_layers=1, vocab_size=130),
    num_steps=6,
    batch_size=4,
    warmup_steps=2,
    tokenizer_sentences=50,
    checkpoint_every=2,
)
SENTINEL = 1000


class Stopped(Exception):
    pass


def sentences(seed: int) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    while True:
        color, shape = rng.choice(["red", "blue", "green"]), rng.choice(["circle", "star"])
        yield f"a {color} {shape} is {color}"


def spans(tokens: list[int]) -> dict[int, list[int]]:
    """A target read back: sentinel -> the tokens it stands for."""
    read: dict[int, list[int]] = {}
    for token in tokens:
        if token >= SENTINEL:
            assert token not in read
            read[token] = []
        else:
            read[max(read)].append(token)
    return read


class TestCorruption:
    @settings(deadline=None)
    @given(
        length=st.integers(1, 80),
        seed=st.integers(0, 2**32),
        density=st.floats(0.0, 1.0),
        mean_span=st.floats(1.0, 6.0),
    )
    def test_input_and_target_make_the_sentence(
        self, length: int, seed: int, density: float, mean_span: float
    ) -> None:
        ids = list(range(length))
        rng = np.random.default_rng(seed)
        source, target = corrupt_spans(
            ids, rng, noise_density=density, mean_span=mean_span, sentinel=SENTINEL
        )
        taken = spans(target)
        rebuilt: list[int] = []
        for token in source:
            rebuilt += taken[token] if token >= SENTINEL else [token]
        assert rebuilt == ids
        used = [token for token in source if token >= SENTINEL]
        assert used == list(range(SENTINEL, SENTINEL + len(used))) == list(taken)
        assert 1 <= len(used) <= NUM_SENTINELS
        assert all(taken.values()), "a span holds at least one token"
        assert all(a < SENTINEL or b < SENTINEL for a, b in pairwise(source)), "merged"
        num_noise = sum(map(len, taken.values()))
        assert num_noise == min(max(1, round(length * density)), max(1, length - 1))

    def test_spans_fall_everywhere_and_have_the_mean_length(self) -> None:
        hits, lengths = np.zeros(20), []
        for seed in range(600):
            _, target = corrupt_spans(
                list(range(20)),
                np.random.default_rng(seed),
                noise_density=0.3,
                mean_span=2.0,
                sentinel=SENTINEL,
            )
            for span in spans(target).values():
                hits[span] += 1
                lengths.append(len(span))
        assert np.mean(lengths) == pytest.approx(2.0)
        assert set(lengths) >= {1, 2, 3, 4}
        share = hits / 600
        assert share.mean() == pytest.approx(0.3)
        assert share.min() > 0.15
        assert share.max() < 0.45

    def test_generator_decides(self) -> None:
        def corrupt(seed: int) -> tuple[list[int], list[int]]:
            rng = np.random.default_rng(seed)
            return corrupt_spans(range(30), rng, noise_density=0.3, mean_span=2.0, sentinel=SENTINEL)

        assert corrupt(1) == corrupt(1) != corrupt(2)


class TestTokenizer:
    def test_every_printable_character_survives(self) -> None:
        stream = sentences(0)
        tokenizer = train_tokenizer((next(stream) for _ in range(50)), 160)
        for text in ("a red circle is red", string.printable.split(" ")[0].strip(), "Quiz? #42 ~ $%&"):
            encoded = tokenizer.encode(text)
            assert tokenizer.token_to_id("<unk>") not in encoded.ids
            assert encoded.ids[-1] == tokenizer.token_to_id("</s>") == 1
            assert tokenizer.decode(encoded.ids, skip_special_tokens=True) == text
        assert tokenizer.token_to_id("<pad>") == 0
        first = tokenizer.token_to_id("<extra_id_0>")
        names = [tokenizer.id_to_token(first + k) for k in range(NUM_SENTINELS)]
        assert names == [f"<extra_id_{k}>" for k in range(NUM_SENTINELS)]

    def test_frequent_words_become_one_token(self) -> None:
        stream = sentences(0)
        tokenizer = train_tokenizer((next(stream) for _ in range(50)), 160)
        assert len(tokenizer.encode("a red circle").ids) == 4


class TestPretraining:
    def test_resumes_bitwise(self, tmp_path: Path) -> None:
        pretrain_t5(CONFIG, sentences, tmp_path / "straight")

        def stop(step: int, loss: float, seconds: float) -> None:
            if step == 5:
                raise Stopped

        with pytest.raises(Stopped):
            pretrain_t5(CONFIG, sentences, tmp_path / "stopped", report=stop)
        assert torch.load(tmp_path / "stopped" / "training.pt", weights_only=True)["step"] == 4
        torch.rand(3)
        steps: list[int] = []
        pretrain_t5(CONFIG, sentences, tmp_path / "stopped", report=lambda step, *_: steps.append(step))
        assert steps == [5, 6]
        for name in ("model.safetensors", "tokenizer.json", "config.json"):
            one, other = ((tmp_path / run / name).read_bytes() for run in ("straight", "stopped"))
            assert one == other, name

    def test_saves_the_trained_encoder_and_nothing_else_of_the_model(self, tmp_path: Path) -> None:
        pretrain_t5(CONFIG, sentences, tmp_path)
        trained = torch.load(tmp_path / "training.pt", weights_only=True)["model"]
        saved = load_file(tmp_path / "model.safetensors")
        assert {name for name in trained if name.startswith("encoder.block")} <= saved.keys()
        for name, tensor in saved.items():
            assert torch.equal(tensor, trained[name].half()), name
        assert not any(name.startswith("decoder") for name in saved)
        assert json.loads((tmp_path / "pretraining.json").read_text())["num_steps"] == 6
        text = T5Encoder(tmp_path, max_length=32).encode(["a red star", "a blue circle is blue"])
        assert text.states.isfinite().all()

    def test_another_configuration_is_refused(self, tmp_path: Path) -> None:
        pretrain_t5(CONFIG, sentences, tmp_path)
        with pytest.raises(ValueError, match=r"training.pt: belongs to another configuration"):
            pretrain_t5(replace(CONFIG, seed=1), sentences, tmp_path)

    def test_loss_falls(self, tmp_path: Path) -> None:
        losses: list[float] = []
        config = replace(CONFIG, num_steps=60, batch_size=16, learning_rate=1e-2, checkpoint_every=60)
        torch.manual_seed(5)
        before = torch.get_rng_state()
        pretrain_t5(config, sentences, tmp_path, report=lambda step, loss, _: losses.append(loss))
        assert torch.equal(torch.get_rng_state(), before), "the caller's random numbers were touched"
        assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
