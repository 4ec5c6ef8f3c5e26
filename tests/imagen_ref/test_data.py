from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imagen_ref.data import AHEAD_BYTES, Batch, batch_indices, batches, made_ahead, place_in_data


def epoch_of(num_items: int, batch_size: int, seed: int, epoch: int) -> list[int]:
    steps = num_items // batch_size
    items: list[int] = []
    for step in range(epoch * steps, (epoch + 1) * steps):
        batch, said = batch_indices(num_items, batch_size, step=step, seed=seed)
        assert said == epoch
        assert len(batch) == batch_size
        items += batch
    return items


@settings(deadline=None)
@given(
    batch_size=st.integers(1, 9),
    num_batches=st.integers(1, 6),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 5),
)
def test_an_epoch_holds_every_item_exactly_once(
    batch_size: int, num_batches: int, seed: int, epoch: int
) -> None:
    items = epoch_of(batch_size * num_batches, batch_size, seed, epoch)
    assert sorted(items) == list(range(batch_size * num_batches))


def test_a_rest_smaller_than_a_batch_waits_for_another_epoch() -> None:
    epochs = [epoch_of(10, 4, 0, epoch) for epoch in range(12)]
    assert all(len(set(items)) == 8 for items in epochs)
    assert set().union(*epochs) == set(range(10))


def test_depends_on_seed_and_step_alone() -> None:
    forward = [batch_indices(20, 4, step=step, seed=3) for step in range(12)]
    backward = [batch_indices(20, 4, step=step, seed=3) for step in reversed(range(12))]
    assert forward == backward[::-1]
    assert forward != [batch_indices(20, 4, step=step, seed=4) for step in range(12)]
    # Shuffled, and anew every epoch.
    first, second = epoch_of(20, 4, 3, 0), epoch_of(20, 4, 3, 1)
    assert first != second
    assert list(range(20)) not in (first, second)


def test_rows_of_a_batch_are_that_part_of_it() -> None:
    class Numbers:
        def __len__(self) -> int:
            return 20

        def images(self, indices: Sequence[int]) -> NDArray[np.uint8]:
            return np.array([[[[index] * 3]] for index in indices], dtype=np.uint8)

        def captions(self, indices: Sequence[int], epoch: int) -> list[str]:
            return [f"{index} in {epoch}" for index in indices]

    def made(rows: slice) -> list[Batch]:
        steps = range(3, 7)
        return list(batches(Numbers(), 8, steps=steps, seed=1, num_workers=0, pinned=False, rows=rows))

    whole, part = made(slice(None)), made(slice(2, 5))
    assert [batch.indices for batch in whole] == [
        batch_indices(20, 8, step=k, seed=1)[0] for k in range(3, 7)
    ]
    for one, other in zip(whole, part, strict=True):
        assert other.indices == one.indices[2:5]
        assert other.captions == one.captions[2:5]
        assert other.images.flatten(1)[:, 0].tolist() == other.indices


def test_what_is_made_ahead_is_bounded_by_bytes() -> None:
    small, paper = 256 * 64 * 64 * 3, 2048 * 1024 * 1024 * 3
    assert made_ahead(8, batch_bytes=small) == (8, 4)
    # 200 GB in eight workers, and an eighth of the rows on each of eight GPUs.
    assert made_ahead(8, batch_bytes=paper) == (1, 1)
    assert made_ahead(8, batch_bytes=paper // 8) == (8, 1)
    assert made_ahead(8, batch_bytes=10 * AHEAD_BYTES) == (1, 1)
    for batch_bytes in range(AHEAD_BYTES // 40, AHEAD_BYTES, AHEAD_BYTES // 40):
        workers, each = made_ahead(8, batch_bytes=batch_bytes)
        assert workers * each * batch_bytes <= AHEAD_BYTES


def test_a_loader_keeps_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ones:
        def __len__(self) -> int:
            return 20

        def images(self, indices: Sequence[int]) -> NDArray[np.uint8]:
            return np.ones((len(indices), 4, 4, 3), np.uint8)

        def captions(self, indices: Sequence[int], epoch: int) -> list[str]:
            return [""] * len(indices)

    asked: list[tuple[int, int | None]] = []

    def loader(_data: object, **given: Any) -> list[Batch]:
        asked.append((given["num_workers"], given["prefetch_factor"]))
        return []

    monkeypatch.setattr("imagen_ref.data.DataLoader", loader)
    monkeypatch.setattr("imagen_ref.data.AHEAD_BYTES", 4 * 5 * 48)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    for num_workers, rows in ((0, slice(None)), (2, slice(None)), (2, slice(0, 5)), (8, slice(0, 5))):
        list(batches(Ones(), 10, steps=range(2), seed=0, num_workers=num_workers, pinned=False, rows=rows))
    assert asked == [(0, None), (2, 1), (2, 2), (4, 1)]


def test_place_in_the_data_counts_whole_batches() -> None:
    # 20 images are two batches of 8 an epoch; four images wait for another epoch.
    assert [place_in_data(20, 8, step=step) for step in range(5)] == [(0, 0), (0, 8), (1, 0), (1, 8), (2, 0)]


def test_too_few_items_are_refused() -> None:
    with pytest.raises(ValueError, match=r"training data: 3 images are fewer than one batch of 4"):
        batch_indices(3, 4, step=0, seed=0)
