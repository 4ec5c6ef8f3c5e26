"""What a text encoder's states tell of a scene: facts read off the state of one word by a linear map.

An encoder whose states do not tell which thing has which colour, or what stands where, cannot make a
generator draw it; where all encoders tell everything, an ablation of their size cannot resolve anything.
`python benchmarks/encoder_probe.py FOLDER...` prints the table; training an encoder on scenes leaves its
shares in `probe.json` beside its weights, from where runs and reports have them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.files import write_json
from drawbench_eval.scenes.facts import COLORS, OPPOSITE, RELATIONS, SHAPES, Facts, Group
from drawbench_eval.scenes.grammar import caption, is_withheld

Array = NDArray[np.float64]

NUM_CAPTIONS = 2000
CHANCE: Mapping[str, float] = {"color": 1 / 8, "relation": 1 / 4, "order": 1 / 2}
PROBE = "probe.json"
# Of the captions, those that the linear map is fitted to; the rest is read with it.
_FITTED = 0.75
_RIDGE = 1e-2


class WordEncoder(Protocol):
    """An encoder of imagen_ref.text, or anything like it."""

    @property
    def tokenizer(self) -> Any:
        """A fast tokenizer, which knows where in the text its tokens stand."""

    def encode(self, prompts: Sequence[str]) -> Any:
        """Prompts -> states [N, L, D] and mask [N, L], as imagen_ref.text.embedding has them."""


def probe(encoder: WordEncoder, *, num: int = NUM_CAPTIONS, seed: int = 0) -> dict[str, float]:
    """Shares of held-back captions ("a red circle left of a blue star") of which a fact is read rightly.

    Read is the state of the last token of a shape's word: "color" of that thing, its "relation" to the other
    one, and "order", whether it was named first. The map is ridge regression to the answers, fitted to three
    quarters of the captions. Chance is 1/8, 1/4 and 1/2.

    Args:
        encoder: whose states are read.
        num: captions, of two things of unlike shapes and colours in all relations that are not withheld.
        seed: draws them.
    """
    rng = np.random.default_rng(seed)
    facts = [_two_things(rng) for _ in range(num)]
    texts = [caption(each, rng, plain=True) for each in facts]
    states, answers = [], []
    for start in range(0, num, 256):
        part = texts[start : start + 256]
        encoded = encoder.encode(part)
        offsets = encoder.tokenizer(part, return_offsets_mapping=True)["offset_mapping"]
        for row, text in enumerate(part):
            for place in (0, 1):
                token = _last_token(offsets[row], text, str(facts[start + row].groups[place].shape))
                states.append(encoded.states[row, token].double().cpu().numpy())
                answers.append(_answers(facts[start + row], place))
    features, fitted = np.array(states), 2 * int(_FITTED * num)
    return {kind: _read(features, np.array([a[kind] for a in answers]), fitted) for kind in CHANCE}


def write_probe(folder: Path, encoder: WordEncoder) -> dict[str, float]:
    """Probes the encoder and leaves the shares in `folder`/probe.json."""
    shares = probe(encoder)
    write_json(folder / PROBE, shares)
    return shares


def read_probe(folder: Path) -> dict[str, float]:
    """The shares in `folder`/probe.json, empty without one. ValueError for a file that is none."""
    path = folder / PROBE
    if not path.is_file():
        return {}
    try:
        shares = {kind: float(json.loads(path.read_text(encoding="utf-8"))[kind]) for kind in CHANCE}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: it is no probe of an encoder ({error!r}); remove it") from error
    return shares


def _two_things(rng: np.random.Generator) -> Facts:
    while True:
        one, two = (rng.permutation(len(words))[:2] for words in (SHAPES, COLORS))
        groups = tuple(Group(shape=SHAPES[s], color=COLORS[c]) for s, c in zip(one, two, strict=True))
        relation = RELATIONS[int(rng.integers(len(RELATIONS)))]
        facts = Facts(groups=groups, relations=((0, relation, 1),))
        if not is_withheld(facts):
            return facts


def _answers(facts: Facts, place: int) -> dict[str, int]:
    relation = facts.relations[0][1]
    return {
        "color": COLORS.index(str(facts.groups[place].color)),
        "relation": RELATIONS.index(OPPOSITE[relation] if place else relation),
        "order": place,
    }


def _last_token(offsets: Sequence[tuple[int, int]], text: str, word: str) -> int:
    end = text.index(f" {word}") + 1 + len(word)
    return max(index for index, (start, stop) in enumerate(offsets) if start < stop <= end)


def _read(features: Array, answers: NDArray[np.int64], fitted: int) -> float:
    """Share of the rows behind the first `fitted` whose answer the linear map gives."""
    scaled = (features - features[:fitted].mean(axis=0)) / (features[:fitted].std(axis=0) + 1e-9)
    scaled = np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
    known, targets = scaled[:fitted], np.eye(int(answers.max()) + 1)[answers[:fitted]]
    penalty = _RIDGE * fitted * np.eye(known.shape[1])
    weights = np.linalg.solve(known.T @ known + penalty, known.T @ targets)
    return float(((scaled[fitted:] @ weights).argmax(axis=1) == answers[fitted:]).mean())
