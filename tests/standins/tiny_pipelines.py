"""Pipelines of diffusers in miniature, of random weights, written to folders as the library writes them."""

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.pipelines.deepfloyd_if import IFSafetyChecker
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from tiny_t5 import make_t5
from transformers import (
    AutoTokenizer,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5EncoderModel,
)

WIDTH = 8


def make_stable_diffusion(folder: Path, *, safety_checker: bool = False, strict: bool = False) -> Path:
    """Prompts of up to 75 letters -> images of a side of 16; a `strict` checker strikes every image."""

    def build() -> Any:
        return diffusers.StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=CLIPTextModel(_clip_text()),
            tokenizer=_letters(),
            unet=_latent_unet(in_channels=4),
            scheduler=diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1),
            safety_checker=_safety_checker(strict=strict) if safety_checker else None,
            feature_extractor=_image_processor() if safety_checker else None,
            requires_safety_checker=safety_checker,
        )

    return _write(folder, build)


def make_sdxl(folder: Path) -> Path:
    """Two CLIPs; images of a side of 16."""

    def build() -> Any:
        return diffusers.StableDiffusionXLPipeline(
            vae=_vae(),
            text_encoder=CLIPTextModel(_clip_text()),
            text_encoder_2=CLIPTextModelWithProjection(_clip_text()),
            tokenizer=_letters(),
            tokenizer_2=_letters(),
            unet=_latent_unet(
                in_channels=4,
                cross_attention_dim=2 * WIDTH,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            ),
            scheduler=diffusers.EulerDiscreteScheduler(),
            add_watermarker=False,
        )

    return _write(folder, build)


def make_stable_diffusion_3(folder: Path) -> Path:
    """Two CLIPs and a T5, flow matching; images of a side of 16."""

    def build() -> Any:
        t5 = make_t5(folder / "t5", d_model=2 * WIDTH, num_layers=1)
        return diffusers.StableDiffusion3Pipeline(
            transformer=diffusers.SD3Transformer2DModel(
                sample_size=8,
                patch_size=1,
                in_channels=4,
                num_layers=1,
                attention_head_dim=WIDTH // 2,
                num_attention_heads=2,
                caption_projection_dim=WIDTH,
                joint_attention_dim=2 * WIDTH,
                pooled_projection_dim=2 * WIDTH,
                out_channels=4,
            ),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
            vae=_vae(shift_factor=0.1),
            text_encoder=CLIPTextModelWithProjection(_clip_text()),
            tokenizer=_letters(),
            text_encoder_2=CLIPTextModelWithProjection(_clip_text()),
            tokenizer_2=_letters(),
            text_encoder_3=T5EncoderModel.from_pretrained(t5),
            tokenizer_3=AutoTokenizer.from_pretrained(t5),
        )

    return _write(folder, build)


def make_flux(folder: Path, *, guidance_embeds: bool = True) -> Path:
    """FLUX.1-dev with its guidance input, or FLUX.1-schnell without; images of a side of 16."""

    def build() -> Any:
        t5 = make_t5(folder / "t5", d_model=WIDTH, num_layers=1)
        return diffusers.FluxPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
            vae=_vae(shift_factor=0.1),
            text_encoder=CLIPTextModel(_clip_text()),
            tokenizer=_letters(),
            text_encoder_2=T5EncoderModel.from_pretrained(t5),
            tokenizer_2=AutoTokenizer.from_pretrained(t5),
            transformer=diffusers.FluxTransformer2DModel(
                patch_size=1,
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=WIDTH,
                pooled_projection_dim=WIDTH,
                axes_dims_rope=(4, 4, 8),
                guidance_embeds=guidance_embeds,
            ),
        )

    return _write(folder, build)


def make_deepfloyd_if(folder: Path, *, safety_checker: bool = False, strict: bool = False) -> dict[str, Path]:
    """The stages of DeepFloyd IF, to sides of 8, 16 and 32: base, sr64 and sr256 -> their folders."""
    t5 = make_t5(folder / "t5", d_model=WIDTH, num_layers=1)
    shared = {
        "scheduler": diffusers.DDPMScheduler(
            beta_schedule="squaredcos_cap_v2",
            variance_type="learned_range",
            thresholding=True,
            dynamic_thresholding_ratio=0.95,
            sample_max_value=1.5,
        ),
        "safety_checker": _if_safety_checker(strict=strict) if safety_checker else None,
        "feature_extractor": _image_processor() if safety_checker else None,
        "watermarker": None,
        "requires_safety_checker": safety_checker,
    }

    def text() -> dict[str, Any]:
        return {
            "tokenizer": AutoTokenizer.from_pretrained(t5),
            "text_encoder": T5EncoderModel.from_pretrained(t5),
        }

    def base() -> Any:
        return diffusers.IFPipeline(unet=_pixel_unet(side=8, in_channels=3), **text(), **shared)

    def sr64() -> Any:
        noising = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
        return diffusers.IFSuperResolutionPipeline(
            unet=_pixel_unet(side=16, in_channels=6, class_embed_type="timestep"),
            image_noising_scheduler=noising,
            **text(),
            **shared,
        )

    def sr256() -> Any:
        return diffusers.StableDiffusionUpscalePipeline(
            vae=_vae(scaling_factor=0.08333),
            text_encoder=CLIPTextModel(_clip_text()),
            tokenizer=_letters(),
            unet=_latent_unet(in_channels=7, num_class_embeds=1000),
            low_res_scheduler=diffusers.DDPMScheduler(),
            scheduler=diffusers.DDIMScheduler(prediction_type="v_prediction"),
        )

    stages: dict[str, Callable[[], Any]] = {"base": base, "sr64": sr64, "sr256": sr256}
    return {name: _write(folder / name, build) for name, build in stages.items()}


def _write(folder: Path, build: Callable[[], Any]) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe = build()
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            _make_random(component)
    pipe.save_pretrained(folder)
    return folder


def _make_random(module: torch.nn.Module) -> None:
    """Fills what is initialised with zeros: a fault in a layer shows only if its output counts."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                generator = torch.Generator().manual_seed(parameter.numel())
                parameter.normal_(generator=generator).mul_(0.1)


def _letters() -> CLIPTokenizer:
    tokens = ["<|startoftext|>", "<|endoftext|>", *string.ascii_lowercase]
    tokens += [f"{letter}</w>" for letter in string.ascii_lowercase]
    vocab = {token: row for row, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def _clip_text() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=64,
        hidden_size=WIDTH,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        projection_dim=WIDTH,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def _vae(**config: Any) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=16,
        **config,
    )


def _latent_unet(*, cross_attention_dim: int = WIDTH, **config: Any) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(WIDTH, WIDTH),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=cross_attention_dim,
        attention_head_dim=2,
        norm_num_groups=2,
        **config,
    )


def _pixel_unet(*, side: int, in_channels: int, **config: Any) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        sample_size=side,
        in_channels=in_channels,
        out_channels=6,
        layers_per_block=1,
        block_out_channels=(WIDTH, WIDTH),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        cross_attention_dim=32,
        encoder_hid_dim=WIDTH,
        attention_head_dim=4,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        cross_attention_norm="group_norm",
        resnet_time_scale_shift="scale_shift",
        act_fn="gelu",
        norm_num_groups=2,
        **config,
    )


def _vision() -> dict[str, Any]:
    return {
        "vision_config": {
            "hidden_size": WIDTH,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 8,
            "patch_size": 4,
            "projection_dim": WIDTH,
        },
        "projection_dim": WIDTH,
    }


def _image_processor() -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})


def _safety_checker(*, strict: bool) -> Any:
    checker = StableDiffusionSafetyChecker(CLIPConfig(**_vision()))
    # An image is struck where its cosine with a concept exceeds the concept's weight.
    checker.concept_embeds_weights.data.fill_(-2.0 if strict else 2.0)
    checker.special_care_embeds_weights.data.fill_(2.0)
    return checker


def _if_safety_checker(*, strict: bool) -> Any:
    checker = IFSafetyChecker(CLIPConfig(**_vision()))
    # Struck above 0.5.
    checker.p_head.bias.data.fill_(9.0 if strict else -9.0)
    checker.w_head.bias.data.fill_(-9.0)
    return checker
