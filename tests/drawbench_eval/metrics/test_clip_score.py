import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.metrics.clip_score import CLIPSCORE_PREFIX, ClipScore
from drawbench_eval.prompt import Prompt
from drawbench_eval.protocol import compare
from drawbench_eval.stats.clustered import clustered_mean
from tests.drawbench_eval.metrics.fakes import (
    PROMPT_SET,
    FakeClip,
    FakeExtractor,
    Pixels,
    fed,
    images,
    prompt_of,
)


class Against(FakeClip):
    """Odd prompts point away from every image."""

    def text_features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        signs = np.array([-1 if ord(text[-1]) % 2 else 1 for text in texts], dtype=np.float32)
        return super().text_features(texts) * signs.reshape(-1, 1)


def make(clip: FakeClip | None = None, **changed: Any) -> ClipScore:
    return ClipScore(
        clip=clip or FakeClip(),  # type: ignore[arg-type]
        source=DirectFeatures(FakeExtractor()),
        prompt_set=PROMPT_SET,
        conditions={},
        **changed,
    )


def cosine(image: Pixels, text: str, clip: FakeClip | None = None) -> float:
    a = FakeExtractor().extract([image])[0].astype(float)
    b = (clip or FakeClip()).text_features([text])[0].astype(float)
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


PICTURES = images(1, 30)
PROMPTS = [prompt_of(i) for i in range(30)]


@pytest.mark.parametrize("prefix", ["", CLIPSCORE_PREFIX])
@pytest.mark.parametrize("view", ["cosine", "x100", "clipscore_w2.5"])
def test_views_are_taken_pair_by_pair_and_the_column_is_the_raw_cosine(view: str, prefix: str) -> None:
    value, columns = fed(make(Against(), view=view, prefix=prefix), PICTURES).compute()
    raw = np.array(
        [
            cosine(image, prefix + prompt.text, Against())
            for image, prompt in zip(PICTURES, PROMPTS, strict=True)
        ]
    )
    assert (raw < 0).sum() > 5
    column = columns["clip_score"]
    assert column.dtype == np.float32
    np.testing.assert_allclose(column, raw, atol=1e-6)
    pairs = {"cosine": raw, "x100": 100 * raw, "clipscore_w2.5": 2.5 * np.maximum(raw, 0)}[view]
    expected = clustered_mean(pairs, [prompt.id for prompt in PROMPTS])
    assert value.value == pytest.approx(expected.value, rel=1e-5)
    assert value.ci95 == pytest.approx(expected.interval(), rel=1e-5)
    assert (value.n, value.num_unscored, value.higher_is_better) == (30, 0, True)


def test_negative_cosines_are_dropped_before_the_mean_and_not_after() -> None:
    value = fed(make(Against(), view="clipscore_w2.5"), PICTURES).compute().value
    raw = fed(make(Against()), PICTURES).compute().columns["clip_score"]
    assert value.value > 2.5 * max(float(raw.mean()), 0.0) + 0.1


def test_the_prefix_is_hessels_and_changes_the_score() -> None:
    assert CLIPSCORE_PREFIX == "A photo depicts "
    plain, prefixed = make(), make(prefix=CLIPSCORE_PREFIX)
    raw = fed(plain, PICTURES).compute().columns["clip_score"]
    assert np.abs(raw - fed(prefixed, PICTURES).compute().columns["clip_score"]).max() > 0.01
    assert compare(plain.protocol(), prefixed.protocol()) == ["prefix"]


def test_cut_prompts_are_counted_once_and_listed_row_by_row() -> None:
    long = Prompt(id="long", text="a text of more than twelve characters")
    longer = Prompt(id="longer", text="another text that is far too long")
    metric = make()
    metric.update(
        [*PICTURES[:5], None], [PROMPTS[0], long, long, PROMPTS[3], longer, Prompt(id="lost", text="x" * 13)]
    )
    value, columns = metric.compute()
    np.testing.assert_array_equal(columns["clip_score.cut"], [0, 1, 1, 0, 1, math.nan])
    np.testing.assert_array_equal(np.isnan(columns["clip_score"]), [False] * 5 + [True])
    assert (value.n, value.num_unscored) == (5, 1)
    (note,) = value.notes
    # Three prompts are too long, that of the image that is not there among them.
    assert note.startswith("3 prompts are longer than CLIP reads and were cut, keeping the end token")
    assert metric.protocol().values["truncation"] == "end token kept"


def test_without_long_prompts_nothing_is_said_and_the_prefix_counts_as_length() -> None:
    value, columns = fed(make(), PICTURES).compute()
    assert value.notes == ()
    np.testing.assert_array_equal(columns["clip_score.cut"], np.zeros(30))
    value, columns = fed(make(prefix=CLIPSCORE_PREFIX), PICTURES).compute()
    assert value.notes[0].startswith("10 prompts ")
    np.testing.assert_array_equal(columns["clip_score.cut"], np.ones(30))


@pytest.mark.parametrize("chunk", [1, 4, 30])
def test_a_rows_score_does_not_depend_on_its_batch(chunk: int) -> None:
    together = fed(make(), PICTURES).compute()
    apart = fed(make(), PICTURES, chunk=chunk).compute()
    np.testing.assert_array_equal(together.columns["clip_score"], apart.columns["clip_score"])
    # Nor on which rows are beside it: a longer text, a missing image, another order.
    for index in (0, 7, 29):
        metric = make()
        beside = Prompt(id="beside", text="a text of more than twelve characters")
        metric.update([None, PICTURES[3], PICTURES[index]], [PROMPTS[0], beside, PROMPTS[index]])
        alone = metric.compute().columns
        assert alone["clip_score"][2] == together.columns["clip_score"][index]
        assert alone["clip_score.cut"][2] == 0


def test_equal_texts_are_read_once_and_each_image_is_scored_by_its_own() -> None:
    class Counting(FakeClip):
        seen: list[str]

        def text_features(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.seen = list(texts)
            return super().text_features(texts)

    clip = Counting()
    metric = make(clip)
    prompts = [
        Prompt(id="a", text="one"),
        Prompt(id="b", text="three"),
        Prompt(id="c", text="one"),
        Prompt(id="d", text="seven"),
    ]
    metric.update(PICTURES[:4], prompts)
    assert clip.seen == ["one", "three", "seven"]
    expected = [cosine(PICTURES[i], prompts[i].text) for i in range(4)]
    np.testing.assert_allclose(metric.compute().columns["clip_score"], expected, atol=1e-6)


def test_a_misspelled_prompt_is_scored_by_its_scoring_text() -> None:
    metric = make()
    metric.update(PICTURES[:1], [replace(PROMPTS[0], text="txet 9", scoring_text="text 2")])
    assert metric.compute().columns["clip_score"][0] == pytest.approx(cosine(PICTURES[0], "text 2"), abs=1e-6)


def test_nothing_scored_is_undefined_and_says_so() -> None:
    metric = make()
    metric.update([None, None], PROMPTS[:2])
    value = metric.compute().value
    assert math.isnan(value.value)
    assert (value.n, value.num_unscored) == (0, 2)
    assert value.notes == ("undefined: no image was scored",)


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(ValueError, match=r"view: x10 is not one of cosine, x100, clipscore_w2\.5"):
        make(view="x10")


def test_the_unit_is_that_of_the_view() -> None:
    assert fed(make(), PICTURES).compute().value.unit == "cosine"
    assert fed(make(view="x100"), PICTURES).compute().value.unit == "100 x cosine"
    assert fed(make(view="clipscore_w2.5"), PICTURES).compute().value.unit == "2.5 x cosine"
