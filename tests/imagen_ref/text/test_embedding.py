import pytest
import torch

from imagen_ref.text.embedding import TextEmbedding, collate, null_embedding


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)))


@pytest.fixture
def rows() -> list[torch.Tensor]:
    return [normal(3, 5), normal(0, 5), normal(1, 5)]


def test_collate_pads_with_masked_zeros(rows: list[torch.Tensor]) -> None:
    text = collate(rows)
    assert text.states.shape == (3, 3, 5)
    assert text.mask.tolist() == [[True] * 3, [False] * 3, [True, False, False]]
    assert (text.states[~text.mask] == 0).all()
    for states, mask, row in zip(text.states, text.mask, rows, strict=True):
        assert torch.equal(states[mask], row)


def test_collate_of_one_prompt_without_tokens_has_one_hidden_position() -> None:
    text = collate([normal(0, 5)])
    assert text.states.shape == (1, 1, 5)
    assert not text.mask.any()


def test_rows(rows: list[torch.Tensor]) -> None:
    text = collate(rows)
    assert len(text) == 3
    for index in (slice(1, 3), [1, 2], torch.tensor([1, 2])):
        assert torch.equal(text[index].states, text.states[1:])
        assert torch.equal(text[index].mask, text.mask[1:])


def test_drop_leaves_nothing_of_a_prompt_and_all_of_the_others(rows: list[torch.Tensor]) -> None:
    text = collate(rows)
    dropped = text.drop(torch.tensor([True, False, False]))
    null = null_embedding(1, 5, length=3)
    assert torch.equal(dropped.states[:1], null.states)
    assert torch.equal(dropped.mask[:1], null.mask)
    assert torch.equal(dropped.states[1:], text.states[1:])
    assert torch.equal(dropped.mask[1:], text.mask[1:])
    assert text.mask[0].all(), "the embedding itself stays as it was"


def test_null_shows_nothing() -> None:
    null = null_embedding(2, 7, length=4)
    assert null.states.shape == (2, 4, 7)
    assert not null.states.any()
    assert not null.mask.any()


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    for states, mask in (
        (normal(2, 3, 4), torch.ones(2, 4, dtype=torch.bool)),
        (normal(3, 4), torch.ones(3, dtype=torch.bool)),
        (normal(2, 3, 4), torch.ones(2, 3)),
    ):
        with pytest.raises(AssertionError):
            TextEmbedding(states=states, mask=mask)


def test_moves_to_a_device(rows: list[torch.Tensor]) -> None:
    moved = collate(rows).to("meta")
    assert moved.states.device.type == moved.mask.device.type == "meta"
