"""Small stand-ins for the embedded world's scorers: deterministic, cheap, and sensitive to the images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.references import Reference
from drawbench_eval.store import Store

Pixels = NDArray[np.uint8]

PROMPT_SET = PromptSet(
    name="ten",
    prompts=tuple(
        Prompt(id=f"p{index}", text=f"text {index}", facts={"bright": index % 2 == 0}) for index in range(10)
    ),
)


def images(seed: int, count: int) -> list[Pixels]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, rng.integers(60, 256), (8, 8, 3), dtype=np.uint8) for _ in range(count)]


@dataclass(frozen=True)
class FakeExtractor:
    """Mean colours of the four quarters' first three: [n, 5]."""

    name: str = "fake"
    dim: int = 5
    weights: str = "w1"

    def identity(self) -> Mapping[str, str | int]:
        return {"extractor": self.name, "extractor.weights_sha256": self.weights}

    def extract(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        rows = [[*image[:4].mean(axis=(0, 1)), *image[4:].mean(axis=(0, 1))][: self.dim] for image in images]
        return np.asarray(rows, dtype=np.float32).reshape(len(images), self.dim)


class FakeClip:
    """The text side of a CLIP whose image side is `FakeExtractor`; texts of over 12 characters are cut."""

    def text_features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [[1.0, len(text) % 3, ord(text[-1]) % 4, 1.0, len(text) % 2] for text in texts]
        return np.asarray(rows, dtype=np.float32).reshape(len(texts), 5)

    def is_cut(self, text: str) -> bool:
        return len(text) > 12


def reference(folder: Path, count: int = 40, seed: int = 99) -> Reference:
    drawn = images(seed, count)
    return Reference(
        name="fake", sha256=f"ref{seed}", num_images=count, draw=drawn.__getitem__, store=Store(folder)
    )


def fed(metric: EvalMetric, pictures: Sequence[Pixels | None], chunk: int = 1000) -> EvalMetric:
    """The metric after updates of `chunk` samples; sample i belongs to prompt i // 3."""
    for rows in chunks(len(pictures), chunk):
        metric.update([pictures[i] for i in rows], [prompt_of(i) for i in rows])
    return metric


def prompt_of(index: int) -> Prompt:
    return PROMPT_SET.prompts[(index // 3) % len(PROMPT_SET.prompts)]


def chunks(count: int, size: int) -> Iterator[range]:
    for start in range(0, count, size):
        yield range(start, min(start + size, count))


def merged(
    make: Callable[[], EvalMetric], pictures: Sequence[Pixels | None], cuts: Sequence[int]
) -> EvalMetric:
    """The metric merged from shards of consecutive samples."""
    shards = []
    for start, stop in zip([0, *cuts], [*cuts, len(pictures)], strict=True):
        shard = make()
        rows = range(start, stop)
        shard.update([pictures[i] for i in rows], [prompt_of(i) for i in rows])
        shards.append(shard)
    for shard in shards[1:]:
        shards[0].merge_state(shard)
    return shards[0]
