import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagen_ref.data import batch_indices


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


def test_too_few_items_are_refused() -> None:
    with pytest.raises(ValueError, match=r"training data: 3 images are fewer than one batch of 4"):
        batch_indices(3, 4, step=0, seed=0)
