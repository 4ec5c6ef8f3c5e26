"""What every metric must hold, whichever it is: a new metric needs one line in METRICS."""

import copy
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from every_metric import METRICS, PICTURES, Maker
from fakes import fed, images, merged, prompt_of

from drawbench_eval.metrics.registry import known_metrics
from drawbench_eval.protocol import compare

# Means over the reference's images, not over samples: no column, and an interval from the reference alone.
OVER_THE_REFERENCE = ("recall", "coverage")
NO_COLUMN = (*OVER_THE_REFERENCE, "fid_infinity")


@pytest.fixture(params=list(METRICS))
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setattr("drawbench_eval.features.scenes.SIDE", 8)
    return METRICS[request.param](tmp_path)


def test_shards_merge_to_what_one_process_computes_row_by_row(make: Maker) -> None:
    whole = fed(make(), PICTURES).compute()
    for cuts in ([1], [7, 8, 20], [29]):
        together = merged(make, PICTURES, cuts).compute()
        assert together.value.value == pytest.approx(whole.value.value, rel=1e-9)
        assert together.value.ci95 == pytest.approx(whole.value.ci95, rel=1e-9)
        assert together.value[2:] == whole.value[2:]
        assert list(together.columns) == list(whole.columns)
        for name, column in whole.columns.items():
            np.testing.assert_allclose(together.columns[name], column, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("chunk", [1, 7])
def test_the_size_of_updates_changes_nothing(make: Maker, chunk: int) -> None:
    whole, pieces = fed(make(), PICTURES).compute(), fed(make(), PICTURES, chunk).compute()
    assert pieces.value.value == pytest.approx(whole.value.value, rel=1e-9)
    assert pieces.value[2:] == whole.value[2:]


def test_no_metric_is_left_out() -> None:
    assert {name.removesuffix(" kept") for name in METRICS} == set(known_metrics())


def test_two_ranks_give_what_one_process_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).with_name("metrics_in_ranks.py")
    commands = [[sys.executable, "-W", "error", str(script), str(tmp_path), str(rank)] for rank in range(2)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (
        subprocess.Popen(commands[0], env=environment, stderr=subprocess.PIPE, text=True) as zeroth,
        subprocess.Popen(commands[1], env=environment, stderr=subprocess.PIPE, text=True) as first,
    ):
        for rank in (zeroth, first):
            assert (rank.communicate(timeout=120)[1], rank.returncode) == ("", 0)
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    monkeypatch.setattr("drawbench_eval.features.scenes.SIDE", 8)
    for name, made in METRICS.items():
        value, columns = fed(made(tmp_path)(), PICTURES).compute()
        said = value.to_json()
        for found, its_columns in (rank[name] for rank in ranks):
            assert found["value"] == pytest.approx(said["value"], rel=1e-9), name
            assert found["ci95"] == pytest.approx(said["ci95"], rel=1e-9), name
            assert found | {"value": None, "ci95": None} == said | {"value": None, "ci95": None}, name
            assert list(its_columns) == list(columns), name
            for column, values in columns.items():
                np.testing.assert_allclose(its_columns[column], values, rtol=1e-6, atol=1e-8, err_msg=name)


def test_a_merge_after_a_compute_is_seen(make: Maker) -> None:
    first, second = fed(make(), PICTURES[:12]), make()
    second.update(PICTURES[12:], [prompt_of(i) for i in range(12, len(PICTURES))])
    early = first.compute()
    first.merge_state(second)
    assert first.compute().value.n == 29
    assert first.compute().value.value != early.value.value


def test_missing_images_are_unscored_counted_and_stay_in_the_columns(make: Maker) -> None:
    result = fed(make(), PICTURES).compute()
    assert result.value.n == 29
    assert result.value.num_unscored == 1
    for name, column in result.columns.items():
        assert column.shape == (30,), name
        assert np.isnan(column[28]), name
    if make().name not in NO_COLUMN:
        assert not np.isnan(np.delete(result.columns[make().name], 28)).any()
    without = make()
    keep = [i for i in range(30) if i != 28]
    without.update([PICTURES[i] for i in keep], [prompt_of(i) for i in keep])
    assert without.compute().value.value == pytest.approx(result.value.value, rel=1e-12)
    assert without.compute().value.num_unscored == 0
    # A run that lost an image is not the same protocol as one that asked for fewer: n requested differs.
    assert without.protocol().id != result.value.protocol


def test_the_interval_holds_the_value_and_needs_two_prompts(make: Maker) -> None:
    value = fed(make(), PICTURES).compute().value
    assert value.ci95[0] < value.value <= value.ci95[1]
    single = make()
    single.update(images(1, 5), [prompt_of(0)] * 5)
    lonely = single.compute().value
    # Five images of one prompt are too few to extrapolate.
    assert math.isfinite(lonely.value) == (make().name != "fid_infinity")
    assert lonely.n == 5
    if make().name not in OVER_THE_REFERENCE:
        assert all(map(math.isnan, lonely.ci95))
        assert lonely.to_json()["ci95"] == [None, None]


def test_nothing_scored_is_undefined_and_says_so(make: Maker) -> None:
    metric = make()
    metric.update([None, None], [prompt_of(0), prompt_of(1)])
    value = metric.compute().value
    assert math.isnan(value.value)
    assert (value.n, value.num_unscored) == (0, 2)
    assert json.loads(json.dumps(value.to_json(), allow_nan=False))["value"] is None


def test_the_protocol_changes_with_conditions_and_prompts_but_not_with_the_images(
    make: Maker, tmp_path: Path
) -> None:
    metric = fed(make(), PICTURES)
    assert metric.compute().value.protocol == metric.protocol().id
    other_images = fed(make(), [None, *images(5, 29)])
    assert other_images.protocol().id == metric.protocol().id
    guided = fed(METRICS[make().name](tmp_path, guidance_kind="cfg")(), PICTURES)
    assert compare(guided.protocol(), metric.protocol()) == ["guidance_kind"]
    assert compare(fed(make(), PICTURES[:9]).protocol(), metric.protocol()) == ["n_requested"]


def test_a_reset_metric_is_as_new_and_a_copy_is_its_own(make: Maker) -> None:
    metric = fed(make(), PICTURES)
    value = metric.compute().value
    copied = copy.deepcopy(metric)
    metric.reset()
    fed(metric, PICTURES)
    assert metric.compute().value == value
    assert copied.compute().value == value


def test_images_and_prompts_come_in_pairs(make: Maker) -> None:
    with pytest.raises(ValueError, match="2 images for 1 prompts"):
        make().update(images(0, 2), [prompt_of(0)])
