"""Precision, recall, density, coverage and CMMD against naive versions from the papers' formulas."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from random_inception import textures

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.features.clip import Clip, ClipImage, ClipSettings
from drawbench_eval.metrics.cmmd import Cmmd
from drawbench_eval.metrics.features import ReferenceMetric
from drawbench_eval.metrics.neighborhood import Coverage, Density, Precision, Recall
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.references import Reference
from drawbench_eval.store import Store

pytestmark = pytest.mark.parity

K = 3
GENERATED = textures(60, sides=(64, 90), seed=5)
# Fewer, and with less contrast: the four measures are all different, none of them 0 or 1.
REFERENCE = [np.uint8(128) + (image // 3 - np.uint8(42)) for image in textures(45, sides=(64, 90), seed=6)]
PROMPTS = PromptSet(
    name="parity", prompts=tuple(Prompt(id=str(index), text="") for index in range(len(GENERATED)))
)

Vectors = NDArray[np.float64]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DirectFeatures:
    folder = tmp_path_factory.mktemp("clip")
    vision = {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 48, "vision_cfg": vision, "text_cfg": text}
    (folder / "drawbench-naive.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.save(open_clip.create_model("drawbench-naive").state_dict(), folder / "weights.pt")
    return DirectFeatures(
        ClipImage(Clip(ClipSettings(model="drawbench-naive", pretrained=str(folder / "weights.pt"))))
    )


@pytest.fixture(scope="module")
def features(source: DirectFeatures) -> tuple[Vectors, Vectors]:
    x, y = source.take(GENERATED), source.take(REFERENCE)
    return x.astype(np.float64), y.astype(np.float64)


def value(metric: type[ReferenceMetric], source: DirectFeatures, folder: Path, **own: Any) -> float:
    reference = Reference(
        name="parity",
        sha256="0",
        num_images=len(REFERENCE),
        draw=REFERENCE.__getitem__,
        store=Store(folder),
    )
    made = metric(source=source, reference=reference, prompt_set=PROMPTS, conditions={}, **own)
    made.update(GENERATED, PROMPTS.prompts)
    return made.compute().value.value


def radius(vectors: Vectors, index: int) -> float:
    """The distance to the k-th nearest other vector of the same set."""
    others = [math.dist(vectors[index], other) for at, other in enumerate(vectors) if at != index]
    return sorted(others)[K - 1]


def naive_prdc(x: Vectors, y: Vectors) -> dict[str, float]:
    """Of generated x and reference y."""
    of_x, of_y = [radius(x, i) for i in range(len(x))], [radius(y, j) for j in range(len(y))]
    in_y = [[math.dist(a, b) < of_y[j] for j, b in enumerate(y)] for a in x]
    in_x = [[math.dist(a, b) < of_x[i] for i, a in enumerate(x)] for b in y]
    return {
        "precision": sum(map(any, in_y)) / len(x),
        "recall": sum(map(any, in_x)) / len(y),
        "density": sum(map(sum, in_y)) / (K * len(x)),
        "coverage": sum(any(row[j] for row in in_y) for j in range(len(y))) / len(y),
    }


@pytest.mark.parametrize("metric", [Precision, Recall, Density, Coverage])
def test_neighbourhoods_are_those_of_the_naive_version(
    source: DirectFeatures,
    features: tuple[Vectors, Vectors],
    tmp_path: Path,
    compared: Callable[..., float],
    metric: type[ReferenceMetric],
) -> None:
    naive = naive_prdc(*features)
    assert 0.02 < naive[metric.name] < 0.98
    found = value(metric, source, tmp_path, k=K)
    assert compared(f"naive {metric.name}", metric.name, naive[metric.name], found) < 1e-12
    # A peer shipped the two swapped: the other way round is another number.
    turned = naive_prdc(*features[::-1])
    assert turned["recall"] == naive["precision"]
    assert abs(turned[metric.name] - naive[metric.name]) > 0.01


def naive_cmmd(x: Vectors, y: Vectors, *, sigma: float = 10.0) -> float:
    """1,000 times the V-statistic of directions under a Gaussian kernel."""
    a, b = ([row / math.hypot(*row) for row in side] for side in (x, y))

    def mean(left: list[Vectors], right: list[Vectors]) -> float:
        total = math.fsum(math.exp(-(math.dist(p, q) ** 2) / (2 * sigma**2)) for p in left for q in right)
        return total / (len(left) * len(right))

    return 1000 * (mean(a, a) + mean(b, b) - 2 * mean(a, b))


def test_cmmd_is_that_of_the_naive_version(
    source: DirectFeatures, features: tuple[Vectors, Vectors], tmp_path: Path, compared: Callable[..., float]
) -> None:
    """Directions are rounded to float32 before the kernel, which shows in the sixth digit."""
    naive, found = naive_cmmd(*features), value(Cmmd, source, tmp_path)
    assert naive > 0.1
    assert compared("naive cmmd", "cmmd", naive, found) < 1e-4
    # sigma enters: a gamma of 1 / sigma^2 would double the figure.
    assert naive_cmmd(*features, sigma=10 / 2**0.5) > 1.5 * naive
