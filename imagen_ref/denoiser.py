"""The only place where network, schedule, guidance and thresholding meet: (z, t) -> (x0, eps)."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from imagen_ref.guidance import guide
from imagen_ref.parameterization import check_prediction, eps_from_x0, to_x0
from imagen_ref.schedules import Schedule
from imagen_ref.text.embedding import TextEmbedding
from imagen_ref.thresholding import check_threshold, threshold


class Network(Protocol):
    """A denoising network; what `condition` gives is opaque here and goes back to it at every step."""

    def condition(self, text: TextEmbedding) -> Any:
        """Everything the network computes from the text alone."""
        ...

    def __call__(
        self,
        z: Tensor,
        logsnr: Tensor,
        context: Any,
        low_res: Tensor | None = None,
        aug_logsnr: Tensor | None = None,
    ) -> Tensor:
        """The prediction [B,C,H,W] for z [B,C,H,W], logsnr [B], low_res [B,C,H,W], aug_logsnr [B]."""
        ...


class Prediction(NamedTuple):
    """What a sampler sees: float32 x0 and eps [B,C,H,W] with z = alpha x0 + sigma eps."""

    x0: Tensor
    eps: Tensor


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """One call is one network forward, guided and thresholded.

    context: the conditioned text as `guided_context` makes it: B rows when guidance_weight is 1, else the
        2B rows [cond; null].
    guidance_t_min, guidance_t_max: guidance acts at times from the one to the other; outside the network is
        asked once, with the B rows of `plain_context`.
    low_res, aug_logsnr: [B,3,H,W] and [B] for a super-resolution network; both guidance halves get the same.
    autocast_dtype: the dtype the network's forward runs in, None for the dtype of its weights. Everything
        outside the forward is float32.
    """

    network: Network
    schedule: Schedule
    prediction: str
    context: Any
    guidance_weight: float
    threshold: str
    percentile: float
    interpolation: str
    low_res: Tensor | None = None
    aug_logsnr: Tensor | None = None
    autocast_dtype: torch.dtype | None = None
    guidance_t_min: float = 0.0
    guidance_t_max: float = 1.0
    plain_context: Any = None

    def __post_init__(self) -> None:
        check_prediction(self.prediction)
        check_threshold(self.threshold, self.percentile, self.interpolation)

    def __call__(self, z: Tensor, t: float) -> Prediction:
        """x0 and eps of z [B,C,H,W] at time t in (0, 1].

        Guidance acts on the network's own prediction. That *is* guidance on eps: for a given z, eps, x0 and v
        are affine functions of one another and the weights w and 1 - w sum to 1; and it needs no division
        by a small sigma. Thresholding comes after guidance, and eps is derived from the thresholded x0, so no
        sampler can see an x0 and an eps that disagree.
        """
        z = z.float()
        time = torch.tensor(t, dtype=torch.float64)
        alpha, sigma = self.schedule.alpha(time).item(), self.schedule.sigma(time).item()
        logsnr = torch.full((len(z),), self.schedule.logsnr(time).item(), device=z.device)
        if self.guidance_weight == 1:
            out = self._forward(z, logsnr, self.context, self.low_res, self.aug_logsnr)
        elif not self.guidance_t_min <= t <= self.guidance_t_max:
            assert self.plain_context is not None
            out = self._forward(z, logsnr, self.plain_context, self.low_res, self.aug_logsnr)
        else:
            low_res = None if self.low_res is None else _twice(self.low_res)
            aug_logsnr = None if self.aug_logsnr is None else _twice(self.aug_logsnr)
            cond, uncond = self._forward(_twice(z), _twice(logsnr), self.context, low_res, aug_logsnr).chunk(
                2
            )
            out = guide(cond, uncond, self.guidance_weight)
        x0 = to_x0(self.prediction, out, z, alpha, sigma)
        x0 = threshold(x0, self.threshold, self.percentile, self.interpolation)
        return Prediction(x0=x0, eps=eps_from_x0(x0, z, alpha, sigma))

    def _forward(
        self, z: Tensor, logsnr: Tensor, context: Any, low_res: Tensor | None, aug_logsnr: Tensor | None
    ) -> Tensor:
        enabled = self.autocast_dtype is not None
        with torch.autocast(z.device.type, dtype=self.autocast_dtype, enabled=enabled):
            out = self.network(z, logsnr, context, low_res=low_res, aug_logsnr=aug_logsnr)
        return out.float()


def guided_context(network: Network, text: TextEmbedding, null: TextEmbedding, guidance_weight: float) -> Any:
    """The text as `Denoiser` needs it, conditioned once for all steps.

    text [B,L,D], null [1 or B,L',D]. B rows (text alone) when guidance_weight is 1, else 2B: [text; null].
    The shorter of the two is padded with masked-out zeros; the null rows keep their own mask, so they do not
    know how long the prompts are.
    """
    if guidance_weight == 1:
        return network.condition(text)
    rows, length = len(text.states), max(text.states.shape[1], null.states.shape[1])
    null_states = _pad_tokens(null.states, length).expand(rows, -1, -1)
    null_mask = _pad_tokens(null.mask, length).expand(rows, -1)
    states = torch.cat([_pad_tokens(text.states, length), null_states])
    mask = torch.cat([_pad_tokens(text.mask, length), null_mask])
    return network.condition(TextEmbedding(states=states, mask=mask))


def _pad_tokens(values: Tensor, length: int) -> Tensor:
    """[B,L,...] to [B,length,...] with zeros (False) at the end."""
    padding = values.new_zeros(len(values), length - values.shape[1], *values.shape[2:])
    return torch.cat([values, padding], dim=1)


def _twice(values: Tensor) -> Tensor:
    return torch.cat([values, values])
