import math

import pytest
import torch
from torch.nn import functional as F

from imagen_ref.layers import (
    AttentionPool,
    NoiseLevelEmbedding,
    ResBlock,
    TextAttention,
    TextConditioner,
    Whitening,
    group_norm,
    resample,
    split_heads,
)
from imagen_ref.schedules import CosineSchedule
from imagen_ref.text.embedding import TextEmbedding, null_embedding


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("channels", "groups"), [(2, 1), (8, 2), (12, 3), (96, 16), (128, 32), (1024, 32), (7, 1)]
)
def test_group_norm_has_at_least_four_channels_a_group(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups


def test_split_heads_against_a_naive_split() -> None:
    x = normal(2, 5, 2 * 3 * 4)
    key, value = split_heads(x, 2, 3)
    assert key.shape == (2, 3, 5, 4)
    for head in range(3):
        assert torch.equal(key[:, head], x[:, :, 4 * head : 4 * head + 4])
        assert torch.equal(value[:, head], x[:, :, 12 + 4 * head : 12 + 4 * head + 4])


def test_noise_level_is_read_as_the_cosine_time() -> None:
    """An identity network shows the sinusoids: cos and sin of 1000 t, times falling rates."""
    layer = NoiseLevelEmbedding(8, 8)
    layer.net = torch.nn.Identity()  # type: ignore[assignment]
    t = torch.tensor([0.1, 0.5, 0.9])
    embedded = layer(CosineSchedule(logsnr_min=-30.0, logsnr_max=30.0).logsnr(t))
    for k in range(4):
        angle = 1000 * t * 10_000 ** (-k / 4)
        torch.testing.assert_close(embedded[:, k], angle.cos(), atol=2e-3, rtol=0)
        torch.testing.assert_close(embedded[:, 4 + k], angle.sin(), atol=2e-3, rtol=0)


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


@pytest.mark.parametrize("over_self", [True, False])
def test_attention_against_a_naive_loop(over_self: bool) -> None:
    layer = TextAttention(8, head_dim=4, text_width=6, over_self=over_self)
    with torch.no_grad():
        layer.out.weight.copy_(normal(8, 8, 1, 1, seed=3))
    x, states = normal(2, 8, 3, 3, seed=1), normal(2, 4, 6, seed=2)
    visible = torch.tensor([[True, True, True, True], [True, True, False, False]])
    got = layer(x, layer.text_keys_values(states), visible)
    tokens = layer.norm(x)
    for row in range(2):
        seen = states[row][visible[row]]
        key, value = layer.text_key_value(layer.text_norm(seen)).chunk(2, dim=1)
        if layer.key_value is not None:
            own = layer.key_value(tokens)[row].flatten(1).T
            own_key, own_value = own.chunk(2, dim=1)
            key, value = torch.cat([own_key, key]), torch.cat([own_value, value])
        query = layer.query(tokens)[row].flatten(1).T
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            weights = (query[:, head] @ key[:, head].T / math.sqrt(4)).softmax(1)
            heads.append(weights @ value[:, head])
        expected = x[row] + layer.out(torch.cat(heads, 1).T.reshape(8, 3, 3))
        torch.testing.assert_close(got[row], expected, atol=1e-5, rtol=1e-5)


def test_feed_forward_follows_the_attention() -> None:
    layer = TextAttention(8, head_dim=4, text_width=6, hidden=16)
    x = normal(1, 8, 2, 2)
    context = layer.text_keys_values(normal(1, 2, 6)), torch.ones(1, 2, dtype=torch.bool)
    assert torch.equal(layer(x, *context), x)  # both of its last convolutions start at zero
    with torch.no_grad():
        layer.feed_forward[3].bias.fill_(1)  # type: ignore[index,union-attr]
    torch.testing.assert_close(layer(x, *context), x + 1)


class TestResBlock:
    def test_starts_as_the_identity(self) -> None:
        block, x = ResBlock(8, 8, emb_dim=4), normal(2, 8, 4, 4)
        assert torch.equal(block(x, normal(2, 4)), x)

    def test_embedding_scales_and_shifts_before_the_last_convolution(self) -> None:
        block, x = ResBlock(8, 8, emb_dim=4), normal(1, 8, 4, 4)
        assert block.embed is not None
        with torch.no_grad():
            block.conv_out.weight.copy_(normal(8, 8, 3, 3))
            block.embed.weight.zero_()
            block.embed.bias[:8] = 0.5
            block.embed.bias[8:] = -0.25
        h = block.norm_out(block.conv_in(F.silu(block.norm_in(x)))) * 1.5 - 0.25
        torch.testing.assert_close(block(x, normal(1, 4)), x + block.conv_out(F.silu(h)))

    @pytest.mark.parametrize(("direction", "side"), [("up", 8), ("down", 2)])
    def test_resamples_both_ways_of_the_block(self, direction: str, side: int) -> None:
        block, x = ResBlock(8, 4, emb_dim=0, resample=direction), normal(1, 8, 4, 4)
        # The last convolution is still zero: what is left is the resampled skip.
        torch.testing.assert_close(block(x), block.skip(resample(x, direction)))
        assert block(x).shape == (1, 4, side, side)


def test_resample_up_repeats_and_down_averages() -> None:
    x = normal(1, 2, 4, 4)
    assert torch.equal(resample(x, "up"), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(resample(resample(x, "up"), "down"), x)
