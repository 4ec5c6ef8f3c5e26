"""How pipelines take their guidance, in our terms: w of eps_u + w (eps_c - eps_u), where 1 is none.

Two things are called guidance. Classifier-free guidance mixes two predictions with w (Ho & Salimans 2021;
Imagen, section 2.2), under names and conventions that differ between pipelines. A distilled network takes a
number as an input and predicts once: that number is not w, and the two share no axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["cfg", "distilled", "none"]

# Read in diffusers 0.42.1, and run in the tests for SD, SD 3 and IF: guidance_scale is w, on above 1.
USUAL = (
    "AuraFlowPipeline",
    "ChromaPipeline",
    "CogView3PlusPipeline",
    "CogView4Pipeline",
    "HiDreamImagePipeline",
    "HunyuanDiTPipeline",
    "IFPipeline",
    "KolorsPipeline",
    "PixArtAlphaPipeline",
    "PixArtSigmaPipeline",
    "SanaPipeline",
    "StableDiffusionPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionXLPipeline",
)
# eps_c + g (eps_c - eps_u), on above 0: g = w - 1.
FROM_ZERO = ("Krea2Pipeline", "ZImagePipeline")
# Always an input of the network.
DISTILLED = {
    "Flux2Pipeline": "guidance_scale",
    "LatentConsistencyModelPipeline": "guidance_scale",
    "SanaSprintPipeline": "guidance_scale",
}


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """The guidance of one run: its kind, its value in our terms, and the argument that carries it.

    value: w for cfg; the network's input for distilled; None for none. argument: None where the pipeline
    takes none. offset: what is taken off w to give the argument.
    """

    kind: Kind
    value: float | None
    argument: str | None
    offset: float = 0.0

    @property
    def arguments(self) -> dict[str, float]:
        """What the pipeline is called with. Without guidance w is 1, which every convention turns off at."""
        if self.argument is None:
            return {}
        value = 1.0 if self.value is None else self.value
        return {self.argument: value - self.offset}

    @property
    def guided(self) -> bool:
        """Whether the network runs twice a step."""
        return self.kind == "cfg" and self.value != 1

    def identity(self, prefix: str) -> dict[str, Any]:
        """The kind, and the value under the name of its own axis."""
        names = {"cfg": "guidance_weight", "distilled": "distilled_guidance"}
        value = {f"{prefix}.{names[self.kind]}": self.value} if self.kind in names else {}
        return {f"{prefix}.guidance_kind": self.kind, **value}


def check_weight(weight: float, *, key: str) -> float:
    """`weight` as w of a pipeline. Raises ValueError under 1, where pipelines silently take 1."""
    if not 1 <= weight < math.inf:
        raise ValueError(f"{key}: {weight:g} is not at least 1, which is none; pipelines guide above it only")
    return weight


def choose_guidance(
    pipeline: str,
    parameters: Mapping[str, Any],
    configs: Mapping[str, Mapping[str, Any]],
    *,
    kind: Kind | None,
    argument: str | None,
    weight: float | None,
    distilled: float | None,
) -> Guidance:
    """The guidance of a pipeline, from what the user wrote and what the pipeline is.

    pipeline: its class. parameters: the arguments of its call -> their defaults. configs: component (`unet`,
    `transformer`) -> its configuration. kind, argument: as the user wrote them; None takes what the pipeline
    is known for. weight, distilled: w, and the network's input; None takes the pipeline's own default.

    Raises ValueError for a pipeline whose convention is neither known nor stated, a kind that the pipeline is
    not of, and a value that its kind does not read.
    """
    own = _known(pipeline, configs)
    if argument is not None:
        if argument not in parameters:
            raise ValueError(f"model.guidance_argument: {pipeline} is not called with {argument}")
        own = Guidance(kind=kind or "cfg", value=None, argument=argument)
    elif own is None:
        if kind != "none" or any("guidance" in name or "cfg" in name for name in parameters):
            raise ValueError(
                f"model.guidance_argument: how {pipeline} takes its guidance is not known here; write the "
                "argument of its call, such as guidance_scale, and model.guidance_kind=cfg (where it is w of "
                "eps_u + w (eps_c - eps_u)), distilled or none"
            )
        own = Guidance(kind="none", value=None, argument=None)
    kind = kind or own.kind
    if kind != own.kind and not (kind == "none" and own.kind == "cfg"):
        raise ValueError(
            f"model.guidance_kind: {kind} is stated, and the guidance of {pipeline} is {own.kind}"
        )
    for name, value, reader in (
        ("guidance_weight", weight, "cfg"),
        ("distilled_guidance", distilled, "distilled"),
    ):
        if value is not None and kind != reader:
            raise ValueError(f"model.{name}: {value:g} is not read by guidance of kind {kind}; write null")
    chosen: float | None = None
    if kind != "none":
        chosen = weight if kind == "cfg" else distilled
        default = parameters.get(own.argument or "")
        if chosen is None and isinstance(default, int | float):
            chosen = default + own.offset
        if chosen is None:
            raise ValueError(
                f"model.{'guidance_weight' if kind == 'cfg' else 'distilled_guidance'}: a value is needed"
            )
    if kind == "cfg" and chosen is not None:
        check_weight(chosen, key="model.guidance_weight")
    return Guidance(kind=kind, value=chosen, argument=own.argument, offset=own.offset)


def _known(pipeline: str, configs: Mapping[str, Mapping[str, Any]]) -> Guidance | None:
    """Kind, argument and offset of a pipeline that is known here; None of any other."""
    if pipeline == "FluxPipeline":
        # FLUX.1-dev takes it as an input; FLUX.1-schnell ignores the argument.
        has_input = bool(configs.get("transformer", {}).get("guidance_embeds"))
        return Guidance(
            kind="distilled" if has_input else "none",
            value=None,
            argument="guidance_scale" if has_input else None,
        )
    if pipeline in DISTILLED:
        return Guidance(kind="distilled", value=None, argument=DISTILLED[pipeline])
    if pipeline in FROM_ZERO:
        return Guidance(kind="cfg", value=None, argument="guidance_scale", offset=1.0)
    if pipeline in USUAL:
        # A latent consistency model in the pipeline of its teacher takes it as an input.
        has_input = configs.get("unet", {}).get("time_cond_proj_dim") is not None
        return Guidance(kind="distilled" if has_input else "cfg", value=None, argument="guidance_scale")
    return None
