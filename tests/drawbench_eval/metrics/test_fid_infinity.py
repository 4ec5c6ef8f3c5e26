import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.metrics.fid import Fid
from drawbench_eval.metrics.fid_infinity import FidInfinity
from drawbench_eval.prompt import Prompt
from drawbench_eval.protocol import compare
from drawbench_eval.stats.extrapolation import frechet_infinity
from drawbench_eval.stats.frechet import frechet_distance
from drawbench_eval.stats.moments import Moments
from tests.drawbench_eval.metrics.fakes import (
    PROMPT_SET,
    FakeExtractor,
    Pixels,
    fed,
    images,
    prompt_of,
    reference,
)


def make(folder: Path, metric: type[Any] = FidInfinity, **changed: Any) -> Any:
    parts = {"source": DirectFeatures(FakeExtractor()), "reference": reference(folder)} | changed
    return metric(prompt_set=PROMPT_SET, conditions={}, **parts)


def moments(pictures: list[Pixels]) -> Moments:
    return Moments.of(FakeExtractor().extract(pictures))


def test_the_value_is_the_extrapolation_of_the_features(tmp_path: Path) -> None:
    pictures = images(1, 30)
    metric = fed(make(tmp_path, seed=3), [*pictures, None])
    value, columns = metric.compute()
    expected = frechet_infinity(
        FakeExtractor().extract(pictures), metric.cluster_keys()[:30], moments(images(99, 40)), seed=3
    )
    assert value.value == pytest.approx(expected.value, rel=1e-12)
    assert value.ci95 == pytest.approx(expected.interval(), rel=1e-12)
    assert (value.n, value.num_unscored) == (30, 1)
    assert value.higher_is_better is False
    assert dict(columns) == {}


def test_many_images_of_one_distribution_come_nearer_to_it_than_the_plain_distance(tmp_path: Path) -> None:
    near = reference(tmp_path, count=3000)
    plain, infinite = [], []
    for seed in range(8):
        pictures = images(seed, 120)
        prompts = [Prompt(id=f"own{index}", text="") for index in range(120)]
        for metric, values in ((Fid, plain), (FidInfinity, infinite)):
            measured = make(tmp_path, metric, reference=near)
            measured.update(pictures, prompts)
            values.append(measured.compute().value.value)
    assert min(plain) > 0
    assert abs(np.mean(infinite)) < 0.7 * np.mean(plain)


def test_too_few_images_or_prompts_are_undefined_and_say_so(tmp_path: Path) -> None:
    few = fed(make(tmp_path), [*images(1, 24), None, None]).compute().value
    assert math.isnan(few.value)
    assert all(map(math.isnan, few.ci95))
    assert (few.n, few.num_unscored) == (24, 2)
    assert few.notes == ("undefined at 24 images, 8 prompts; it takes 25 and 10",)
    alike = make(tmp_path)
    alike.update(images(1, 30), [prompt_of(0)] * 30)
    assert alike.compute().value.notes == ("undefined at 30 images, 1 prompts; it takes 25 and 10",)
    enough = make(tmp_path)
    enough.update(images(1, 25), [Prompt(id=f"p{i % 10}", text="") for i in range(25)])
    assert math.isfinite(enough.compute().value.value)


def test_the_plain_distance_below_the_dimension_is_exact_and_flagged(tmp_path: Path) -> None:
    few, many = images(1, 4), images(1, 5)
    value = fed(make(tmp_path, Fid), few).compute().value
    assert value.value == pytest.approx(frechet_distance(moments(few), moments(images(99, 40))), rel=1e-9)
    (note,) = value.notes
    assert note.startswith("4 scored images are fewer than 5 dimensions: exact")
    assert fed(make(tmp_path, Fid), many).compute().value.notes == ()
    small = make(tmp_path, Fid, reference=reference(tmp_path, count=3))
    (note,) = fed(small, many).compute().value.notes
    assert note.startswith("3 reference images are fewer than 5 dimensions")


def test_the_plain_distance_of_one_image_is_undefined_and_says_so(tmp_path: Path) -> None:
    value = fed(make(tmp_path, Fid), [*images(1, 1), None]).compute().value
    assert math.isnan(value.value)
    assert value.notes == ("undefined at 1 images; it takes 2",)


def test_the_fit_and_its_seed_are_part_of_the_protocol(tmp_path: Path) -> None:
    base = make(tmp_path).protocol()
    assert base.values["fit"] == "weighted line over 1/n, 8 sizes from n/2 to n, disjoint runs of prompts"
    assert compare(base, make(tmp_path, seed=1).protocol()) == ["fit.seed"]
