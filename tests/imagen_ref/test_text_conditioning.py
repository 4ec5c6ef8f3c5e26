import math

import pytest
import torch

from imagen_ref.text.embedding import TextEmbedding, null_embedding
from imagen_ref.text_conditioning import (
    AttentionPool,
    MeanPool,
    TextConditioner,
    Whitening,
    check_text_conditioning,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_pool_is_attention_over_the_visible_tokens_alone() -> None:
    pool = AttentionPool(8, 5, num_heads=2)
    states, visible = normal(2, 6, 8), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    expected = []
    for row, length in ((0, 6), (1, 4)):
        key, value = pool.key_value(states[row, :length]).chunk(2, dim=1)
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            weights = (key[:, head] @ pool.query[head] / math.sqrt(4)).softmax(0)
            heads.append(weights @ value[:, head])
        expected.append(pool.out(torch.cat(heads)))
    torch.testing.assert_close(pool(states, visible), torch.stack(expected))


def collapsed_states() -> torch.Tensor:
    """States [4000, 6] around a mean far from 0, with variances over five orders of magnitude, rotated."""
    axes = torch.linalg.qr(normal(6, 6, seed=1))[0]
    return normal(4000, 6) * torch.logspace(1, -1.5, 6) @ axes.T + 5


class TestWhitening:
    def test_states_come_out_uncorrelated_with_variance_one(self) -> None:
        layer, states = Whitening(6), collapsed_states()
        layer.fit(states, floor=0.0)
        out = layer(states)
        torch.testing.assert_close(out.mean(0), torch.zeros(6), atol=2e-4, rtol=0)
        torch.testing.assert_close(torch.cov(out.T), torch.eye(6), atol=2e-3, rtol=0)

    def test_directions_below_the_floor_stay_small(self) -> None:
        layer, states = Whitening(6), collapsed_states()
        layer.fit(states, floor=1e-3)
        kept, _ = torch.linalg.eigvalsh(torch.cov(layer(states).T)).sort(descending=True)
        variances, _ = torch.linalg.eigvalsh(torch.cov(states.T)).sort(descending=True)
        expected = variances / (variances + 1e-3 * variances[0])
        torch.testing.assert_close(kept, expected, atol=1e-3, rtol=1e-2)
        assert kept[-1] < 0.05

    def test_is_the_identity_until_it_is_fitted(self) -> None:
        states = normal(2, 3, 6)
        assert torch.equal(Whitening(6)(states), states)

    def test_is_exact_under_autocast(self) -> None:
        layer, states = Whitening(6), collapsed_states()
        layer.fit(states)
        exact = layer(states)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(layer(states), exact)

    def test_is_saved_with_the_network_and_is_not_learned(self) -> None:
        layer = Whitening(6)
        assert list(layer.parameters()) == []
        assert set(layer.state_dict()) == {"mean", "matrix"}


class TestTextConditioner:
    def test_null_token_stands_first_and_is_always_visible(self) -> None:
        layer = TextConditioner(6, 8, 10)
        text = TextEmbedding(states=normal(2, 3, 6), mask=torch.tensor([[True] * 3, [False] * 3]))
        states, visible, pooled = layer(text)
        assert states.shape == (2, 4, 8)
        assert pooled.shape == (2, 10)
        assert visible.tolist() == [[True] * 4, [True, False, False, False]]
        torch.testing.assert_close(states[1, 0], layer.token_norm(layer.null))

    def test_no_text_has_one_meaning(self) -> None:
        layer = TextConditioner(6, 8, 10)
        one, five = (layer(null_embedding(1, 6, length=length))[2] for length in (1, 5))
        torch.testing.assert_close(one, five)
        some = layer(TextEmbedding(states=normal(1, 1, 6), mask=torch.ones(1, 1, dtype=torch.bool)))[2]
        assert not torch.allclose(one, some, atol=1e-2)

    def test_whitening_comes_before_the_layer_norm(self) -> None:
        layer = TextConditioner(6, 8, 10, whiten=True)
        plain = TextConditioner(6, 8, 10)
        plain.load_state_dict({k: v for k, v in layer.state_dict().items() if "whitening" not in k})
        assert layer.whitening is not None
        layer.whitening.fit(collapsed_states())
        states, mask = normal(2, 3, 6), torch.ones(2, 3, dtype=torch.bool)
        white = TextEmbedding(states=layer.whitening(states), mask=mask)
        for got, expected in zip(layer(TextEmbedding(states=states, mask=mask)), plain(white), strict=True):
            assert torch.equal(got, expected)

    def test_another_width_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"states are 7 wide, this network was built for 6"):
            TextConditioner(6, 8, 10)(null_embedding(1, 7))

    def test_without_the_layer_norms_states_are_projected_and_no_more(self) -> None:
        layer = TextConditioner(6, 8, 10, norm=False)
        states, mask = normal(2, 3, 6), torch.ones(2, 3, dtype=torch.bool)
        got, _, _ = layer(TextEmbedding(states=states, mask=mask))
        torch.testing.assert_close(got[:, 1:], layer.project(states))
        assert torch.equal(got[0, 0], layer.null)
        assert not [name for name, _ in layer.named_parameters() if "norm" in name]

    def test_mean_pooling_takes_the_mean_of_the_projected_tokens(self) -> None:
        layer = TextConditioner(6, 8, 10, mean=True)
        mask = torch.tensor([[True, True, False], [False] * 3])
        states, _, pooled = layer(TextEmbedding(states=normal(2, 3, 6), mask=mask))
        assert isinstance(layer.pool, MeanPool)
        torch.testing.assert_close(pooled[0], layer.pool.out(states[0, 1:3].mean(0)))
        torch.testing.assert_close(pooled[1], layer.pool.out(states[1, 0]))


def test_an_unknown_conditioning_is_named() -> None:
    with pytest.raises(ValueError, match=r"text_conditioning='film' does not exist: write one of cross_att"):
        check_text_conditioning("film")
