"""Measures the scorers against graded damage: `python -m drawbench_eval.scenes.scorer_check`.

A scorer is accepted only if more damage never looks better: `fd_scenes` must rise and `scenes_clip_score`
must fall with every step of blur, noise, saturation, things dropped from the picture, and modes dropped
from the set (a share of the pictures replaced by copies of one other picture of the set).
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.scenes.degrade import degrade
from drawbench_eval.scenes.facts import Facts
from drawbench_eval.scenes.grammar import caption, sample_facts
from drawbench_eval.scenes.layout import Scene, place
from drawbench_eval.scenes.renderer import render
from drawbench_eval.scenes.scorers import ClipScorer, ImageScorer, load_clip_scorer, load_image_scorer
from drawbench_eval.stats.frechet import frechet_distance_of

SIDE = 64
STRENGTHS: Mapping[str, tuple[float, ...]] = {
    "blur": (0.0, 0.5, 1.0, 1.5),
    "noise": (0.0, 0.5, 1.0, 1.5),
    "saturation": (0.0, 0.5, 1.0, 1.5),
    "things dropped": (0.0, 0.2, 0.4, 0.6),
    "modes dropped": (0.0, 0.2, 0.4, 0.6),
}


class Response(NamedTuple):
    """What both scorers say of one kind of damage, at each of its strengths."""

    kind: str
    strengths: tuple[float, ...]
    distance: tuple[float, ...]
    similarity: tuple[float, ...]

    @property
    def monotonic(self) -> bool:
        """Whether every step of damage raised the distance and lowered the similarity."""
        return bool(np.all(np.diff(self.distance) > 0) and np.all(np.diff(self.similarity) < 0))


def measure(image_scorer: ImageScorer, clip_scorer: ClipScorer, *, num: int, seed: int) -> list[Response]:
    """The responses on `num` scenes.

    The distance is to the undamaged pictures of the same scenes: two samples of one distribution differ by
    more than slight damage does, and that difference is not what is asked about here.
    """
    rng = np.random.default_rng(seed)
    facts = [sample_facts(rng) for _ in range(num)]
    texts = clip_scorer.text_features([caption(one, rng, plain=True) for one in facts])
    scenes = [_placed(one, rng) for one in facts]
    reference = image_scorer.features(_render(scenes)).astype(np.float64)
    responses = []
    for kind, strengths in STRENGTHS.items():
        distances, similarities = [], []
        for strength in strengths:
            images = damaged(scenes, kind, strength, seed)
            features = image_scorer.features(images).astype(np.float64)
            distances.append(frechet_distance_of(features, reference))
            similarities.append(float((clip_scorer.image_features(images) * texts).sum(axis=1).mean()))
        responses.append(Response(kind, strengths, tuple(distances), tuple(similarities)))
    return responses


def damaged(scenes: list[Scene], kind: str, strength: float, seed: int) -> NDArray[np.uint8]:
    """The scenes' pictures [N, 64, 64, 3] with this much of one kind of damage, nested over strengths."""
    rng = np.random.default_rng([seed, 1])
    if kind == "things dropped":
        kept = [
            dataclasses.replace(scene, things=tuple(t for t in scene.things if rng.random() >= strength))
            for scene in scenes
        ]
        return _render(kept)
    images = _render(scenes)
    if kind == "modes dropped":
        replaced = rng.random(len(images)) < strength
        images[replaced] = images[0]
        return images
    return np.stack([degrade(image, kind, strength, rng) for image in images])


def report(responses: list[Response]) -> str:
    """The table in Markdown."""
    lines = ["| damage | strength | fd_scenes | scenes_clip_score |", "|---|---|---|---|"]
    for response in responses:
        rows = zip(response.strengths, response.distance, response.similarity, strict=True)
        lines += [f"| {response.kind} | {s:g} | {d:.3f} | {c:.3f} |" for s, d, c in rows]
    accepted = all(response.monotonic for response in responses)
    wrong = ", ".join(response.kind for response in responses if not response.monotonic)
    lines += ["", "Every step is answered rightly." if accepted else f"Not monotonic: {wrong}."]
    return "\n".join(lines)


def main() -> None:
    """Print the table; leave with 1 when a scorer is not to be accepted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=1000, help="scenes")
    parser.add_argument("--seed", type=int, default=20220523)
    parser.add_argument("--image-scorer", type=Path, default=None)
    parser.add_argument("--clip-scorer", type=Path, default=None)
    options = parser.parse_args()
    responses = measure(
        load_image_scorer(options.image_scorer),
        load_clip_scorer(options.clip_scorer),
        num=options.num,
        seed=options.seed,
    )
    print(report(responses))
    if not all(response.monotonic for response in responses):
        raise SystemExit(1)


def _placed(facts: Facts, rng: np.random.Generator) -> Scene:
    """A scene for these facts; a caption that does not fit at first gets another try."""
    for _ in range(5):
        try:
            return place(facts, rng)
        except ValueError:
            continue
    return place(facts, rng)


def _render(scenes: list[Scene]) -> NDArray[np.uint8]:
    return np.stack([render(scene, SIDE) for scene in scenes])


if __name__ == "__main__":
    main()
