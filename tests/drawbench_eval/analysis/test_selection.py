from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbench_eval.analysis.collect import Run, metric_infos
from drawbench_eval.analysis.selection import best_of_same_samples, choose
from drawbench_eval.protocol import Protocol
from drawbench_eval.runs.record import RunRecord

VALUES = {"guidance_kind": "cfg", "selection": "fixed"}


def _run(
    seed: int, weight: float, distance: float | None, alignment: float = 0.5, mode: str = "static"
) -> Run:
    def entry(value: float, *, higher: bool) -> dict[str, Any]:
        protocol = Protocol(name="x", values=VALUES)
        return {
            "value": value,
            "ci95": [value - 1, value + 1],
            "n": 4,
            "num_unscored": 0,
            "unit": "",
            "higher_is_better": higher,
            "protocol": {"id": protocol.id, "name": "x", "values": VALUES},
        }

    run_id = f"{mode}-{seed}-{weight}"
    record = RunRecord(
        run_id=run_id,
        label=run_id,
        status="complete",
        factors={"seed": seed, "model.guidance_weight": weight, "model.threshold": mode},
        metrics={"fid": entry(distance, higher=False), "clip_score": entry(alignment, higher=True)},
        counts={},
        named={},
        inputs={},
        environment={},
        timings={},
        config={},
    )
    return Run(run_id=run_id, label=run_id, status="complete", folder=Path(run_id), record=record)


RUNS = (
    _run(0, 1.0, 30, 0.1),
    _run(0, 2.0, 20, 0.2),
    _run(0, 4.0, 25, 0.3),
    _run(1, 1.0, 21, 0.1),
    _run(1, 2.0, 24, 0.2),
    _run(1, 4.0, 26, 0.28),
)


def test_one_seed_chooses_and_the_other_is_reported() -> None:
    chosen = {one.metric: one for one in choose(RUNS, metric_infos(RUNS))}
    # By seed 1 alone w = 1 were better: what is reported is what seed 0 chose.
    assert (chosen["fid"].weight, chosen["fid"].reported.run_id) == (2.0, "static-1-2.0")
    assert (chosen["clip_score"].weight, chosen["clip_score"].reported.run_id) == (4.0, "static-1-4.0")
    split = Protocol(name="fid", values={**VALUES, "selection": "split"})
    assert chosen["fid"].protocol_id == split.id != Protocol(name="fid", values=VALUES).id


def test_each_curve_chooses_for_itself() -> None:
    others = tuple(_run(seed, weight, weight, mode="none") for seed in (0, 1) for weight in (1.0, 2.0))
    chosen = choose((*RUNS, *others), metric_infos(RUNS))
    assert {(one.curve, one.weight) for one in chosen if one.metric == "fid"} == {
        ("static", 2.0),
        ("none", 1.0),
    }


def test_the_best_of_the_same_samples_is_known_where_there_is_a_choice() -> None:
    assert best_of_same_samples(RUNS, metric_infos(RUNS)) == {
        "fid": "static-0-2.0",
        "clip_score": "static-0-4.0",
    }
    assert best_of_same_samples(RUNS[:1], metric_infos(RUNS)) == {}


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (RUNS[:3], "split chooses on one seed and reports on another, and the runs have 1; add seed=0,1"),
        (RUNS[:4], r"w = 2 was chosen by fid, and the other seed has no such run; run .*guidance_weight=2"),
    ],
)
def test_what_cannot_be_split_is_one_line(runs: tuple[Run, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose(runs, metric_infos(runs))


def test_what_the_same_samples_chose_is_too_good_and_what_others_chose_is_not() -> None:
    """Ten equal settings, 400 times: the minimum lies below the truth, the split value does not."""
    rng = np.random.default_rng(0)
    same, split = [], []
    for _ in range(400):
        draws = rng.normal(20, 1, (2, 10))
        runs = [_run(seed, w, draws[seed, w]) for seed in (0, 1) for w in range(10)]
        same.append(draws[0].min())
        one = next(choice for choice in choose(runs, metric_infos(runs)) if choice.metric == "fid")
        split.append(one.reported.metrics["fid"]["value"])
    assert np.mean(same) < 20 - 1.4
    assert abs(np.mean(split) - 20) < 3 / np.sqrt(400)
