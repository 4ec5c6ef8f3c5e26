import pytest
import torch

from imagen_ref.guidance import guide


@pytest.mark.parametrize(("w", "expected"), [(0.0, 10.0), (1.0, 2.0), (1.35, -0.8), (3.0, -14.0)])
def test_every_channel_is_guided(w: float, expected: float) -> None:
    cond, uncond = torch.full((2, 6, 4, 4), 2.0), torch.full((2, 6, 4, 4), 10.0)
    torch.testing.assert_close(guide(cond, uncond, w), torch.full((2, 6, 4, 4), expected))


def test_weight_one_is_off_whatever_the_other_half_says() -> None:
    cond = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(guide(cond, torch.full_like(cond, torch.nan), 1.0), cond)


def test_halves_of_different_shape_are_refused() -> None:
    with pytest.raises(AssertionError):
        guide(torch.zeros(2, 6, 4, 4), torch.zeros(2, 1, 4, 4), 2.0)
