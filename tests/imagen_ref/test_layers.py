import math

import pytest
import torch
from torch.nn import functional as F

from imagen_ref import layers
from imagen_ref.layers import (
    NoiseLevelEmbedding,
    ResBlock,
    TextAttention,
    group_norm,
    resample,
    split_heads,
)
from imagen_ref.schedules import CosineSchedule


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


@pytest.mark.parametrize("text_width", [0, 6])
def test_attention_without_text_or_without_its_norm(text_width: int) -> None:
    layer = TextAttention(8, head_dim=4, text_width=text_width, text_norm=False)
    with torch.no_grad():
        layer.out.weight.copy_(normal(8, 8, 1, 1, seed=3))
    x, states = normal(2, 8, 3, 3, seed=1), normal(2, 4, 6, seed=2)
    text = layer.text_keys_values(states)
    got = layer(x, text, torch.ones(2, 4, dtype=torch.bool))
    query, key, value = (
        part.flatten(2).unflatten(1, (2, 4)).transpose(2, 3)
        for part in (layer.query(layer.norm(x)), *layer.key_value(layer.norm(x)).chunk(2, dim=1))  # type: ignore[misc]
    )
    if text_width:
        assert layer.text_key_value is not None
        own = layer.text_key_value(states).chunk(2, dim=2)
        key, value = (
            torch.cat([part, heads.unflatten(2, (2, 4)).transpose(1, 2)], dim=2)
            for part, heads in zip((key, value), own, strict=True)
        )
    else:
        assert text is None
    attended = (query @ key.mT / 2).softmax(-1) @ value
    expected = x + layer.out(attended.transpose(2, 3).reshape(2, 8, 3, 3))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("at_once", [layers.SCORES_AT_ONCE, 3 * 5000])
@pytest.mark.parametrize("masked", [True, False])
def test_large_maps_in_bfloat16_attend_as_in_float32(
    monkeypatch: pytest.MonkeyPatch, masked: bool, at_once: int
) -> None:
    monkeypatch.setattr(layers, "SCORES_AT_ONCE", at_once)
    query, key, value = (normal(2, 3, n, 16, seed=n).bfloat16() for n in (500, 600, 600))
    assert query.shape[2] * key.shape[2] >= layers.LARGE_SCORES
    visible = None
    if masked:
        visible = torch.ones(2, 1, 1, 600, dtype=torch.bool)
        visible[0, ..., 580:], visible[1, ..., :50] = False, False
    exact = F.scaled_dot_product_attention(
        query.double(), key.double(), value.double(), attn_mask=visible
    ).float()
    with torch.no_grad():
        large = layers.attend(query, key, value, visible)
    assert large.dtype == torch.bfloat16
    torch.testing.assert_close(large.float(), exact, atol=0.01, rtol=0.02)
    # What needs a gradient, and what is float32 or small, is as it was.
    torch.testing.assert_close(layers.attend(query, key, value, visible), exact, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        few = layers.attend(query[:, :, :9], key, value, visible)
        full = layers.attend(query.float(), key.float(), value.float(), visible)
    torch.testing.assert_close(few, exact[:, :, :9], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(full, exact, atol=1e-5, rtol=1e-4)


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

    def test_may_have_a_convolution_in_its_other_branch(self) -> None:
        block, x = ResBlock(8, 8, emb_dim=0, conv_skip=True), normal(1, 8, 4, 4)
        assert isinstance(block.skip, torch.nn.Conv2d)
        assert torch.equal(block(x), block.skip(x))

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
