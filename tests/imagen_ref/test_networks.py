"""What every network must do with text and noise level, whatever its layout."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from imagen_ref.layers import KeyValue, TextAttention, TextContext
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEmbedding, TextEncoder, null_embedding

PROMPTS = ["a red circle", "two blue squares and a star", "cross", ""]
ROUNDING = {"atol": 2e-5, "rtol": 2e-5}
VISIBLE = 1e-3


# Name -> changes of the network's configuration.
VARIANTS: dict[str, dict[str, object]] = {
    "unet": {},
    "unet_low_res": {"low_res": True},
    "unet_mean_pooling": {"text_conditioning": "mean_pooling"},
    "unet_attention_pooling": {"text_conditioning": "attention_pooling"},
    "unet_no_text_norm": {"text_norm": False},
    "efficient_unet": {},
    "efficient_unet_mean_pooling": {"text_conditioning": "mean_pooling"},
    "efficient_unet_attention_pooling": {"text_conditioning": "attention_pooling"},
    "efficient_unet_no_text_norm": {"text_norm": False, "conv_skip": True},
    "efficient_unet_text_only": {"over_self": False},
}


@pytest.fixture(params=VARIANTS)
def stage(
    request: pytest.FixtureRequest,
    base_config: StageConfig,
    sr_config: StageConfig,
    make_stage: Callable[[StageConfig], Stage],
) -> Stage:
    config = sr_config if request.param.startswith("efficient") else base_config
    network = replace(config.network, **VARIANTS[request.param])  # type: ignore[arg-type]
    if request.param == "unet_low_res":
        return make_stage(replace(config, network=network, low_res_side=4))
    return make_stage(replace(config, network=network))


@pytest.fixture
def text(encoder: TextEncoder) -> TextEmbedding:
    return encoder.encode(PROMPTS)


def inputs(
    stage: Stage, batch: int, *, alike: bool = False
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """z, logsnr, low_res, aug_logsnr; with `alike` every row is the same."""
    generator = torch.Generator().manual_seed(1)
    rows, side = (1 if alike else batch), stage.config.side
    z = torch.randn(rows, 3, side, side, generator=generator).expand(batch, -1, -1, -1)
    logsnr = torch.linspace(-2, 3, rows).expand(batch)
    if stage.config.low_res_side is None:
        return z, logsnr, None, None
    low_res = torch.randn(rows, 3, side, side, generator=generator).expand(batch, -1, -1, -1)
    return z, logsnr, low_res, torch.linspace(4, -1, rows).expand(batch)


def run(stage: Stage, text: TextEmbedding | TextContext, *, alike: bool = False) -> Tensor:
    context = stage.network.condition(text) if isinstance(text, TextEmbedding) else text
    z, logsnr, low_res, aug_logsnr = inputs(stage, len(context.pooled), alike=alike)
    out: Tensor = stage.network(z, logsnr, context, low_res, aug_logsnr)
    return out


def longer(text: TextEmbedding, by: int, *, filling: float = 0.0) -> TextEmbedding:
    states = nn.functional.pad(text.states, (0, 0, 0, by), value=filling)
    return TextEmbedding(states=states, mask=nn.functional.pad(text.mask, (0, by)))


def test_gives_an_image_and_hears_every_input(stage: Stage, text: TextEmbedding) -> None:
    context = stage.network.condition(text)
    z, logsnr, low_res, aug_logsnr = inputs(stage, len(text))
    out = stage.network(z, logsnr, context, low_res, aug_logsnr)
    assert out.shape == z.shape
    assert out.isfinite().all()
    changed = [(z + 0.1, logsnr, low_res, aug_logsnr), (z, logsnr + 1, low_res, aug_logsnr)]
    if low_res is not None and aug_logsnr is not None:
        changed += [(z, logsnr, low_res + 0.1, aug_logsnr), (z, logsnr, low_res, aug_logsnr + 1)]
    for z_, logsnr_, low_res_, aug_logsnr_ in changed:
        other = stage.network(z_, logsnr_, context, low_res_, aug_logsnr_)
        assert ((other - out).abs().amax((1, 2, 3)) > VISIBLE).all()


def test_fresh_network_gives_zeros(stage: Stage, text: TextEmbedding) -> None:
    fresh = Stage(stage.config, stage.config.make_network())
    assert (run(fresh, text) == 0).all()


def test_samples_do_not_see_each_other(stage: Stage, text: TextEmbedding) -> None:
    """All rows at once equal each row alone."""
    z, logsnr, low_res, aug_logsnr = inputs(stage, len(text))
    together = run(stage, text)
    for row in range(len(text)):
        at = slice(row, row + 1)
        context = stage.network.condition(text[at])
        alone = stage.network(
            z[at],
            logsnr[at],
            context,
            None if low_res is None else low_res[at],
            None if aug_logsnr is None else aug_logsnr[at],
        )
        torch.testing.assert_close(together[at], alone, **ROUNDING)


@pytest.mark.parametrize("filling", [0.0, 100.0])
def test_padding_the_text_changes_nothing(stage: Stage, text: TextEmbedding, filling: float) -> None:
    torch.testing.assert_close(run(stage, longer(text, 5, filling=filling)), run(stage, text), **ROUNDING)


def test_prompts_differ_and_follow_their_rows(stage: Stage, text: TextEmbedding) -> None:
    out = run(stage, text, alike=True)
    for one in range(len(PROMPTS)):
        for other in range(one):
            assert (out[one] - out[other]).abs().max() > VISIBLE
    order = [2, 0, 3, 1]
    torch.testing.assert_close(run(stage, text[order], alike=True), out[order], **ROUNDING)


class TestNull:
    def test_dropped_prompts_are_bitwise_alike_when_padded_alike(
        self, stage: Stage, text: TextEmbedding
    ) -> None:
        assert text.mask.sum(1).tolist() == [3, 6, 1, 0]
        out = run(stage, text.drop(torch.ones(4, dtype=torch.bool)), alike=True)
        for row in range(1, 4):
            assert torch.equal(out[row], out[0])

    def test_dropped_prompts_of_any_length_are_the_null_embedding(
        self, stage: Stage, encoder: TextEncoder
    ) -> None:
        null = run(stage, null_embedding(1, encoder.dim), alike=True)
        for prompt in PROMPTS:
            text = encoder.encode([prompt])
            dropped = run(stage, text.drop(torch.tensor([True])), alike=True)
            torch.testing.assert_close(dropped, null, **ROUNDING)

    def test_empty_prompt_is_the_null_embedding(self, stage: Stage, encoder: TextEncoder) -> None:
        null = run(stage, null_embedding(1, encoder.dim), alike=True)
        empty = run(stage, encoder.encode([""]), alike=True)
        assert null.isfinite().all()
        assert torch.equal(empty, null)
        assert not torch.allclose(run(stage, encoder.encode(["cross"]), alike=True), null, atol=VISIBLE)

    def test_only_the_marked_rows_are_dropped(self, stage: Stage, text: TextEmbedding) -> None:
        kept, null = run(stage, text), run(stage, text.drop(torch.ones(4, dtype=torch.bool)))
        mixed = run(stage, text.drop(torch.tensor([True, False, True, False])))
        torch.testing.assert_close(mixed[[0, 2]], null[[0, 2]], **ROUNDING)
        torch.testing.assert_close(mixed[[1, 3]], kept[[1, 3]], **ROUNDING)


def pooled_alone(stage: Stage) -> bool:
    return stage.config.network.text_conditioning != "cross_attention"


class TestTextKeys:
    def attentions(self, stage: Stage) -> list[TextAttention]:
        return [module for module in stage.network.modules() if isinstance(module, TextAttention)]

    def test_every_layer_gets_its_own(self, stage: Stage, text: TextEmbedding) -> None:
        states, _, _ = stage.network.text(text)
        given: dict[TextAttention, KeyValue] = {}

        def note(layer: nn.Module, args: tuple[Tensor, KeyValue, Tensor]) -> None:
            assert isinstance(layer, TextAttention)
            given[layer] = args[1]

        layers = self.attentions(stage)
        hooks = [layer.register_forward_pre_hook(note) for layer in layers]
        run(stage, text)
        for hook in hooks:
            hook.remove()
        assert len(layers) >= 2
        assert given.keys() == set(layers)
        for layer in layers:
            own = layer.text_keys_values(states)
            assert (own is None) == pooled_alone(stage)
            if own is not None:
                assert all(map(torch.equal, given[layer], own))

    def test_every_layer_matters(self, stage: Stage, text: TextEmbedding) -> None:
        context = stage.network.condition(text)
        out = run(stage, context)
        assert len(context.keys_values) == len(self.attentions(stage))
        for index, text_of_layer in enumerate(context.keys_values):
            if text_of_layer is None:
                assert pooled_alone(stage)
                continue
            layers = list(context.keys_values)
            layers[index] = (text_of_layer[0], -text_of_layer[1])
            other = run(stage, replace(context, keys_values=tuple(layers)))
            assert (other - out).abs().max() > VISIBLE, index

    def test_pooled_text_reaches_the_noise_level_embedding(self, stage: Stage, text: TextEmbedding) -> None:
        context = stage.network.condition(text)
        other = run(stage, replace(context, pooled=-context.pooled))
        assert (other - run(stage, context)).abs().max() > VISIBLE


def test_a_pooled_text_is_all_that_such_a_network_sees(stage: Stage, text: TextEmbedding) -> None:
    context = stage.network.condition(text)
    swapped = replace(context, pooled=stage.network.condition(text[[1, 0, 3, 2]]).pooled)
    other = run(stage, text[[1, 0, 3, 2]], alike=True)
    assert torch.allclose(run(stage, swapped, alike=True), other, atol=1e-4) == pooled_alone(stage)


def test_attention_without_anything_to_attend_to_is_refused(sr_config: StageConfig) -> None:
    with pytest.raises(ValueError, match=r"'mean_pooling' with over_self=False leaves nothing to attend to"):
        replace(sr_config.network, over_self=False, text_conditioning="mean_pooling")  # type: ignore[call-arg]


def test_every_parameter_is_used(stage: Stage, text: TextEmbedding) -> None:
    stage.network.requires_grad_(True)
    run(stage, text).square().sum().backward()  # type: ignore[no-untyped-call]
    unused = [
        name
        for name, parameter in stage.network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    stage.network.requires_grad_(False)
    assert unused == []
