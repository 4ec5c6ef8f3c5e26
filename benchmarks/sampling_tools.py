"""The three samplers of `sampling.py`: our base stage, diffusers' DeepFloyd IF, imagen-pytorch.

Each is a U-Net at 64x64 in the layout of the paper's base (four levels, three residual blocks, attention and
text at 32, 16 and 8, 64 channels a head), with random weights: speed does not depend on what they are. All
are given the same text states.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEmbedding
from imagen_ref.unet import UNetConfig

SIDE, TEXT_DIM, TOKENS = 64, 512, 32
PERCENTILE = 0.995
# On a CPU. 38 million parameters.
SMALL = UNetConfig(side=SIDE, channels=64, text_dim=TEXT_DIM, text_width=TEXT_DIM)
# On a GPU: the paper's smallest base, with narrower text states.
LARGE = UNetConfig(side=SIDE, channels=192, text_dim=TEXT_DIM, text_width=TEXT_DIM)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What all are asked for."""

    batch: int
    steps: int
    guidance_weight: float = 3.0
    bfloat16: bool = False


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """One of the three.

    Attributes:
        name: what the tables call it.
        flops: of one network forward for one image.
        parameters: of the network.
        sample: makes a batch of images and waits until they are there.
    """

    name: str
    flops: int
    parameters: int
    sample: Callable[[Run], Tensor]


def text_states(batch: int, device: str, dim: int = TEXT_DIM) -> TextEmbedding:
    """Random states, every token visible."""
    states = torch.randn(batch, TOKENS, dim, generator=torch.Generator().manual_seed(0)).to(device)
    return TextEmbedding(states=states, mask=torch.ones(batch, TOKENS, dtype=torch.bool, device=device))


def base_stage(network: UNetConfig, device: str) -> Stage:
    """Our base stage with random weights, laid out as `Stage.load` does."""
    config = StageConfig(name="base", network=network)
    torch.manual_seed(0)
    with torch.device(device):
        made = config.make_network()
    return Stage(config, in_channels_last(made))


def in_channels_last(network: Any) -> Any:
    """The network, frozen, in the memory format that `Stage.load` gives it."""
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def sample_ours(stage: Stage, run: Run, device: str) -> Tensor:
    """Images by `Stage.sample`."""
    settings = SamplerSettings(
        guidance_weight=run.guidance_weight, sampler="ddpm", num_steps=run.steps, percentile=PERCENTILE
    )
    text = text_states(run.batch, device, stage.config.network.text_dim)
    precision = "bfloat16" if run.bfloat16 else "float32"
    return torch.from_numpy(stage.sample(text, list(range(run.batch)), settings, precision=precision))


def ours(device: str, *, large: bool = False) -> Sampler:
    """Our base stage."""
    stage = base_stage(LARGE if large else SMALL, device)
    text = text_states(1, device, stage.config.network.text_dim)
    with torch.no_grad():
        context = stage.network.condition(text)
    z, logsnr = torch.zeros(1, 3, SIDE, SIDE, device=device), torch.zeros(1, device=device)
    return Sampler(
        name="ours",
        flops=count_flops(lambda: stage.network(z, logsnr, context)),
        parameters=count_parameters(stage.network),
        sample=lambda run: sample_ours(stage, run, device),
    )


def diffusers_if(device: str, *, large: bool = False) -> Sampler:
    """IFPipeline with a UNet2DConditionModel of IF's blocks and its DDPM scheduler."""
    from diffusers import UNet2DConditionModel

    channels = LARGE.channels if large else SMALL.channels
    torch.manual_seed(0)
    with torch.device(device):
        network: Any = UNet2DConditionModel(
            sample_size=SIDE,
            out_channels=6,
            in_channels=3,
            attention_head_dim=64,
            block_out_channels=tuple(channels * mult for mult in (1, 2, 3, 4)),
            layers_per_block=3,
            cross_attention_dim=512,
            encoder_hid_dim=TEXT_DIM,
            encoder_hid_dim_type="text_proj",
            down_block_types=("ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=(*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
            resnet_time_scale_shift="scale_shift",
            cross_attention_norm="group_norm",
            addition_embed_type="text",
            addition_embed_type_num_heads=8,
        )
    network.requires_grad_(False).eval()
    pipelines = {False: _if_pipeline(network), True: _if_pipeline(copy.deepcopy(network).bfloat16())}

    def sample(run: Run) -> Tensor:
        states = text_states(run.batch, device).states
        states = states.bfloat16() if run.bfloat16 else states
        images: Tensor = pipelines[run.bfloat16](
            prompt_embeds=states,
            negative_prompt_embeds=torch.zeros_like(states),
            num_inference_steps=run.steps,
            guidance_scale=run.guidance_weight,
            output_type="pt",
        ).images
        return images.cpu()

    z, states = torch.zeros(1, 3, SIDE, SIDE, device=device), text_states(1, device).states
    return Sampler(
        name="diffusers",
        flops=count_flops(lambda: network(z, 0, encoder_hidden_states=states)),
        parameters=count_parameters(network),
        sample=sample,
    )


def _if_pipeline(network: Any) -> Any:
    from diffusers import DDPMScheduler, IFPipeline

    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        thresholding=True,
        dynamic_thresholding_ratio=PERCENTILE,
        sample_max_value=100.0,
    )
    others = ("tokenizer", "text_encoder", "safety_checker", "feature_extractor", "watermarker")
    pipeline: Any = IFPipeline(
        unet=network, scheduler=scheduler, **dict.fromkeys(others), requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def imagen_pytorch(device: str, *, large: bool = False) -> Sampler:
    """The package's Imagen with one Unet, whose residual blocks per level bring its FLOPs to the others'."""
    import transformers

    # While it is imported it asks the Hub for the width of a T5.
    known = transformers.T5Config(d_model=768)
    with (
        mock.patch.object(transformers.T5Config, "from_pretrained", return_value=known),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        from imagen_pytorch import Imagen, Unet

    channels, blocks = (LARGE.channels, (7, 4, 4, 4)) if large else (SMALL.channels, (6, 3, 2, 2))
    attends = (False, True, True, True)
    torch.manual_seed(0)
    network = Unet(
        dim=channels,
        text_embed_dim=TEXT_DIM,
        cond_dim=512,
        dim_mults=(1, 2, 3, 4),
        num_resnet_blocks=blocks,
        layer_attns=attends,
        layer_cross_attns=attends,
        attn_dim_head=64,
        attn_heads=8,
    )
    models: dict[int, Any] = {}

    def model(steps: int) -> Any:
        # The number of steps belongs to the model there.
        if steps not in models:
            models.clear()
            models[steps] = Imagen(
                unets=(network,),
                image_sizes=(SIDE,),
                timesteps=steps,
                text_embed_dim=TEXT_DIM,
                dynamic_thresholding_percentile=PERCENTILE,
            ).to(device)
        return models[steps]

    def sample(run: Run) -> Tensor:
        text = text_states(run.batch, device)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=run.bfloat16):
            images: Tensor = model(run.steps).sample(
                text_embeds=text.states,
                text_masks=text.mask,
                cond_scale=run.guidance_weight,
                use_tqdm=False,
                device=device,
            )
        return images.cpu()

    inner = model(1).unets[0].requires_grad_(False).eval()
    text = text_states(1, device)
    z, level = torch.zeros(1, 3, SIDE, SIDE, device=device), torch.zeros(1, device=device)
    return Sampler(
        name="imagen-pytorch",
        flops=count_flops(
            lambda: inner(z, level, text_embeds=text.states, text_mask=text.mask, cond_drop_prob=0.0)
        ),
        parameters=count_parameters(inner),
        sample=sample,
    )


SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "ours": ours,
    "diffusers": diffusers_if,
    "imagen-pytorch": imagen_pytorch,
}


def clock(device: str) -> Callable[[], float]:
    """Seconds: the process's own where one thread of a CPU computes, so that other work counts little."""
    return time.process_time if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter


def count_flops(forward: Callable[[], object]) -> int:
    """Multiplications and additions of convolutions, matrix products and attention."""
    # The counter does not know the CPU's fused attention; as matrix products it counts the same everywhere.
    plain = sdpa_kernel(SDPBackend.MATH)
    with plain, FlopCounterMode(display=False) as counter, torch.no_grad():
        forward()
    return counter.get_total_flops()


def count_parameters(network: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in network.parameters())
