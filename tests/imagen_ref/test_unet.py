import pytest
import torch

from imagen_ref.layers import TextAttention
from imagen_ref.text.embedding import null_embedding
from imagen_ref.unet import UNet, UNetConfig


def config(**changes: object) -> UNetConfig:
    values: dict[str, object] = {
        "side": 16,
        "channels": 8,
        "channel_mult": (1, 2, 3),
        "num_res_blocks": 2,
        "attention_sides": (8,),
        "head_dim": 4,
        "text_dim": 6,
        "text_width": 8,
    }
    return UNetConfig(**(values | changes))  # type: ignore[arg-type]


def meta(made: UNetConfig) -> UNet:
    with torch.device("meta"):
        return UNet(made)


@pytest.mark.parametrize(
    ("sides", "num"),
    # num_res_blocks on the way down, one more on the way up, and the middle always.
    [((), 1), ((8,), 1 + 2 + 3), ((16,), 1 + 2 + 3), ((4,), 1 + 2 + 3), ((16, 8, 4), 1 + 3 * 5)],
)
def test_attention_stands_at_the_sides_asked_for(sides: tuple[int, ...], num: int) -> None:
    network = meta(config(attention_sides=sides))
    assert sum(isinstance(module, TextAttention) for module in network.modules()) == num


def test_widths_and_heads_follow_the_configuration() -> None:
    network = meta(config(attention_sides=(16, 8, 4)))
    layers = [module for module in network.modules() if isinstance(module, TextAttention)]
    widths = [layer.query.out_channels for layer in layers]
    assert widths == [8] * 2 + [16] * 2 + [24] * 2 + [24] * 3 + [16] * 3 + [8] * 3 + [24]
    assert [layer.num_heads for layer in layers] == [width // 4 for width in widths]


def test_low_resolution_image_doubles_the_input_channels() -> None:
    assert meta(config()).conv_in.in_channels == 3
    assert meta(config(low_res=True)).conv_in.in_channels == 6
    assert meta(config()).aug_level is None


def test_every_skip_is_consumed_at_its_side() -> None:
    """Any side that halves often enough goes through; a lost or extra skip would not fit."""
    network = UNet(config(num_res_blocks=1, channel_mult=(1, 2, 3, 4)))
    z = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert network(z, torch.zeros(1), network.condition(null_embedding(1, 6))).shape == z.shape


def test_a_noise_skip_adds_the_noise_to_be_expected_to_alpha_times_the_output() -> None:
    torch.manual_seed(0)
    plain, skipping = UNet(config()), UNet(config(noise_skip=True))
    with torch.no_grad():
        plain.conv_out.bias.fill_(0.3)  # type: ignore[union-attr]
    skipping.load_state_dict(plain.state_dict())
    z = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    logsnr = torch.tensor([-6.0, 0.0, 8.0])
    null = null_embedding(3, 6)
    sigma = (1 / (1 + logsnr.exp())).sqrt().view(-1, 1, 1, 1)
    alpha = (1 - sigma**2).sqrt()
    expected = sigma * z + alpha * plain(z, logsnr, plain.condition(null))
    torch.testing.assert_close(skipping(z, logsnr, skipping.condition(null)), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert skipping(z, logsnr, skipping.condition(null)).dtype == torch.float32
