"""What a sweep survives: kills at drawn moments, damage, a full disk, folders that cannot be written."""

import json
import multiprocessing
import os
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sweep_to_kill
from sweep_to_kill import PHASES, Moment, moments, same

from drawbench_eval.store import clear, entries

KILLS = 20
WORDS = (
    "evaluate",
    "-m",
    "model.guidance_weight=1,3",
    "model.num_steps=4",
    "model.sr64.num_steps=2",
    "prompts.limit=4",
    "reference.per_prompt=2",
    "batch_size=2",
    "device=cpu",
    "precision=float32",
    "sweep=killed",
)


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    os.environ["OMP_NUM_THREADS"] = "1"
    # Python before 3.13 does not hand its own path to the server's imports.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sweep_to_kill"])
    return context


class Outcome:
    """What became of one start of the sweep: exit code None where it was killed, `at` the phase then."""

    def __init__(
        self,
        server: ForkServerContext,
        results: Path,
        *extra: str,
        moment: Moment | None = None,
        lengths: Mapping[str, float] | None = None,
    ) -> None:
        place = results.parent / "phase"
        listens, says = server.Pipe(duplex=False)
        words = [*WORDS, f"results={results}", *extra]
        process = server.Process(target=sweep_to_kill.sweep, args=(words, place, moment, lengths or {}, says))
        process.start()
        says.close()
        self.code: int | None = None
        try:
            self.code, begun, self.seconds = listens.recv()
            self.begun: Counter[str] = Counter(begun)
        except EOFError:
            self.at = sweep_to_kill.phase_on_disk(place)
        process.join()
        assert process.exitcode == (0 if self.code is not None else -9)


def outcomes(results: Path) -> dict[str, tuple[dict[str, Any], dict[str, bytes], pd.DataFrame]]:
    """Run -> what is promised of its record, its images, its scores."""
    found = {}
    for folder in sorted((results / "runs").iterdir()):
        record = json.loads((folder / "run.json").read_text())
        kept = {key: record[key] for key in ("run_id", "status", "factors", "metrics", "counts", "named")}
        images = {path.name: path.read_bytes() for path in (folder / "samples").glob("[!.]*.png")}
        found[folder.name] = (kept, images, pd.read_parquet(folder / "scores.parquet"))
    return found


def assert_same(results: Path, expected: Mapping[str, Any]) -> None:
    got = outcomes(results)
    assert got.keys() == expected.keys()
    for name, (record, images, scores) in got.items():
        assert same(record, expected[name][0])
        assert images == expected[name][1]
        pd.testing.assert_frame_equal(scores, expected[name][2], rtol=1e-9, atol=0)


@pytest.fixture(scope="module")
def whole(server: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The sweep undisturbed."""
    results = tmp_path_factory.mktemp("whole") / "results"
    outcome = Outcome(server, results)
    assert outcome.code == 0
    return results, outcome


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_twenty_moments_the_sweep_ends_as_undisturbed(
    server: ForkServerContext,
    whole: tuple[Path, Outcome],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected, undisturbed = outcomes(whole[0]), whole[1]
    lengths = {phase: undisturbed.seconds[phase] / undisturbed.begun[phase] for phase in PHASES}
    results, fell, finished = tmp_path / "results", Counter[str](), 0
    for moment in moments(KILLS, undisturbed.begun, seed=7):
        # A sweep that ends before its moment comes is compared, and the next one starts from nothing.
        while (outcome := Outcome(server, results, moment=moment, lengths=lengths)).code is not None:
            assert outcome.code == 0
            assert_same(results, expected)
            shutil.rmtree(results)
            finished += 1
        fell[outcome.at] += 1
    assert Outcome(server, results).code == 0
    assert_same(results, expected)
    with capsys.disabled():
        said = ", ".join(f"{fell[phase]} in {phase}" for phase in (*PHASES, "elsewhere"))
        print(f"\n{KILLS} kills: {said}; {finished + 1} sweeps finished and were as undisturbed")
    assert sum(fell.values()) == KILLS
    assert min(fell[phase] for phase in PHASES) >= 2


@pytest.mark.slow
def test_a_stage_s_entries_that_are_gone_are_made_again_and_no_others(
    server: ForkServerContext, whole: tuple[Path, Outcome], tmp_path: Path
) -> None:
    """Counted by what is run: text encodings, batches of each stage, batches of the feature extractor."""
    before, stages = whole[1].begun, ("text", "base", "super-resolution", "features")
    results = tmp_path / "results"
    shutil.copytree(whole[0], results)

    def again(*kinds: str, extra: tuple[str, ...] = ()) -> dict[str, int]:
        shutil.rmtree(results / "runs")
        for kind in kinds:
            clear(results / "store", kind)
        outcome = Outcome(server, results, *extra)
        assert outcome.code == 0
        return {stage: outcome.begun[stage] for stage in stages if outcome.begun[stage]}

    sr, features = before["super-resolution"], before["features"]
    assert again() == {}
    assert again("stage_sr64") == {"super-resolution": sr}
    assert_same(results, outcomes(whole[0]))
    assert again("features", "reference_moments") == {"features": features}
    # Nothing asks for the text or the base before another super-resolution does.
    assert again("text", "stage_base") == {}
    other = again(extra=("model.aug_level=0.3",))
    assert other["text"], other["base"] == (before["text"], before["base"])
    assert other["super-resolution"] == sr
    assert again("stage_base", extra=("model.aug_level=0.4",))["base"] == before["base"]
    assert "text" not in again(extra=("model.aug_level=0.5",))


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damage_anywhere_in_the_store_is_found_said_and_made_good(
    server: ForkServerContext, whole: tuple[Path, Outcome], tmp_path: Path, damage: str
) -> None:
    results = tmp_path / "results"
    shutil.copytree(whole[0], results)
    shutil.rmtree(results / "runs")
    kinds = sorted({path.relative_to(results / "store").parts[0] for path in entries(results / "store")})
    assert {"text", "stage_base", "stage_sr64", "features"} <= set(kinds)
    for path in entries(results / "store"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data[:-4] if damage == "truncated" else data)
    assert Outcome(server, results).code == 0
    assert_same(results, outcomes(whole[0]))
