from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.metrics.scenes_clip_score import ScenesClipScore
from drawbench_eval.prompt import Prompt
from drawbench_eval.stats.clustered import clustered_mean
from tests.drawbench_eval.metrics.fakes import PROMPT_SET, Pixels

RED, BLUE = Prompt(id="r", text="red"), Prompt(id="b", text="blue")


class ColorScorer:
    """Vectors are colours: a red image and the text "red" have a cosine of 1."""

    weights_sha256 = "c1"

    def image_features(self, images: Pixels) -> NDArray[np.float32]:
        mean = images.mean(axis=(1, 2), dtype=np.float64)
        return (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)

    def text_features(self, texts: list[str]) -> NDArray[np.float32]:
        table = {"red": [1, 0, 0], "blue": [0, 0, 1], "against red": [-1, 0, 0]}
        return np.array([table[text] for text in texts], dtype=np.float32)


def paint(*rgb: int) -> Pixels:
    return np.full((64, 64, 3), rgb, dtype=np.uint8)


def score(images: list[Pixels | None], prompts: list[Prompt]) -> ScenesClipScore:
    metric = ScenesClipScore(scorer=ColorScorer(), batch_size=2, prompt_set=PROMPT_SET, conditions={})
    metric.update(images, prompts)
    return metric


def test_the_score_is_the_raw_cosine_of_each_pair() -> None:
    images = [paint(200, 0, 0), paint(0, 0, 9), paint(30, 0, 40), None, paint(0, 0, 9)]
    metric = score(images, [RED, RED, BLUE, BLUE, replace(RED, id="x", text="against red")])
    result = metric.compute()
    column = result.columns["scenes_clip_score"]
    assert column.dtype == np.float32
    np.testing.assert_allclose(column, [1, 0, 0.8, np.nan, 0], atol=1e-6)
    expected = clustered_mean(column[[0, 1, 2, 4]], ["r", "r", "b", "x"])
    assert result.value.value == pytest.approx(expected.value, rel=1e-12)
    assert result.value.ci95 == pytest.approx(expected.interval(), rel=1e-12)


def test_negative_cosines_are_kept() -> None:
    column = (
        score([paint(9, 0, 0)], [replace(RED, text="against red")]).compute().columns["scenes_clip_score"]
    )
    assert column[0] == pytest.approx(-1.0)


def test_a_misspelled_prompt_is_scored_by_its_scoring_text() -> None:
    misspelled = Prompt(id="m", text="rde", scoring_text="red")
    result = score([paint(9, 0, 0)], [misspelled]).compute()
    assert result.columns["scenes_clip_score"][0] == pytest.approx(1.0)


def test_the_protocol_names_weights_and_view() -> None:
    values = score([paint(9, 0, 0)], [RED]).protocol().values
    assert values["extractor.weights_sha256"] == "c1"
    assert values["view"] == "raw cosine"
    assert values["n_requested"] == 1
