import json
from pathlib import Path
from typing import Any

import pytest
import torch

from imagen_ref.training.log import TrainLog


def log(folder: Path | None, *, lag: int = 0, seen: list[int] | None = None, **others: Any) -> TrainLog:
    steps = [] if seen is None else seen
    settings: dict[str, Any] = {"first": 0, "num_steps": 9, "batch_size": 4, "lag": lag, **others}
    return TrainLog(
        folder,
        samples=lambda step: [step, 40],
        report=lambda progress: steps.append(progress.step),
        **settings,
    )


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


ONE = torch.tensor(1.0)


def test_reads_late_and_leaves_nothing_out(tmp_path: Path) -> None:
    seen: list[int] = []
    with log(tmp_path, lag=3, seen=seen) as written:
        for step in range(5):
            written.add(step, torch.tensor(0.5 * step), torch.tensor(2.0 * step))
        assert seen == [1, 2]
        written.flush()
    assert seen == [1, 2, 3, 4, 5]
    found = [(line["step"], line["loss"], line["grad_norm"]) for line in lines(tmp_path)]
    assert found == [(k + 1, 0.5 * k, 2.0 * k) for k in range(5)]


def test_a_late_broken_number_names_its_own_step(tmp_path: Path) -> None:
    for number, broken in (("loss", (torch.nan, 1.0)), ("gradient norm", (1.0, torch.inf))):
        with log(tmp_path, lag=3) as written:
            written.add(0, ONE, ONE)
            written.add(1, *map(torch.tensor, broken))
            written.add(2, ONE, ONE)
            with pytest.raises(FloatingPointError, match=rf"{number} is .* at step 1 on samples \[1, 40\]"):
                written.flush()


def test_goes_on_from_its_first_step_and_counts_the_seconds_before(tmp_path: Path) -> None:
    before = [{"step": step, "loss": 1.0, "seconds": 100.0 * step} for step in (1, 2, 3)]
    cut = "".join(json.dumps(line) + "\n" for line in before) + '{"step": 4, "lo'
    (tmp_path / "metrics.jsonl").write_text(cut)
    with log(tmp_path, first=2) as written:
        written.add(2, ONE, ONE)
    found = lines(tmp_path)
    assert [line["step"] for line in found] == [1, 2, 3]
    assert 200 < found[-1]["seconds"] < 260
    assert found[-1]["grad_norm"] == 1.0


def test_without_a_folder_it_writes_nothing_and_still_watches(tmp_path: Path) -> None:
    with log(None, tensorboard=True) as written:
        written.add(0, ONE, ONE)
        with pytest.raises(FloatingPointError):
            written.add(1, torch.tensor(torch.nan), ONE)
    assert list(tmp_path.iterdir()) == []


class TestTensorboard:
    def test_gets_the_numbers_of_every_step(self, tmp_path: Path) -> None:
        accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        with log(tmp_path, tensorboard=True) as written:
            for step in range(3):
                written.add(step, torch.tensor(0.5 * step), ONE)
        events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
        events.Reload()
        assert [(event.step, event.value) for event in events.Scalars("loss")] == [
            (k + 1, 0.5 * k) for k in range(3)
        ]
        assert {"loss", "grad_norm", "images_per_second"} <= set(events.Tags()["scalars"])

    def test_without_the_package_it_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
        monkeypatch.delitem(__import__("sys").modules, "torch.utils.tensorboard", raising=False)
        with pytest.raises(ValueError, match=r"training.tensorboard: .*drawbench-eval\[tensorboard\]"):
            log(tmp_path, tensorboard=True)
        assert not (tmp_path / "metrics.jsonl").exists()
