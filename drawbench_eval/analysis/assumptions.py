"""What the paper does not say, so that a default here is an assumption and is called one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_SETTINGS = {
    "num_steps": "The paper gives no number of sampling steps.",
    "sampler": "The paper names ancestral sampling and DDIM, but not which made which figure.",
    "gamma": "The stochasticity of ancestral sampling behind the figures is not stated.",
    "eta": "The stochasticity of DDIM is not stated.",
    "interpolation": "How the quantile of dynamic thresholding is interpolated is not stated.",
    "aug_level": "The level behind the figures is not stated; Appendix D.2 finds 0 best for FID.",
    "ema_decay": "The decay of the averaged weights is not stated.",
    "max_text_length": "The longest text in tokens is not stated.",
    "sr64.guidance_weight": "At which resolution, and after which super-resolution, base models were scored "
    "is not stated; here every base sample goes through one fixed super-resolution.",
}
_METRICS = {
    "scenes_clip_score": "The CLIP model behind the paper's CLIP score is not stated; this score comes from "
    "a small dual encoder of the scenes world, and its values cannot be compared with the paper's.",
    "clip_score": "The CLIP model behind the paper's CLIP score is not stated; here it is OpenAI ViT-L/14.",
    "fd_scenes": "The paper reports FID; this distance uses features of the scenes world and another "
    "reference, and its values cannot be compared with any FID.",
    "fid": "Code, resize filter, crop and split of the paper's FID are not stated; the protocol names ours.",
}


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A setting or metric that occurs, its value ("" for a metric), and what the paper leaves open."""

    name: str
    value: Any
    text: str


def assumptions(factors: Mapping[str, Any], metrics: Iterable[str]) -> tuple[Assumption, ...]:
    """The assumptions behind these settings and metrics; a setting that is null is none."""
    found = []
    for ending, text in _SETTINGS.items():
        for key, value in sorted(factors.items()):
            if value is not None and (key == ending or key.endswith(f".{ending}")):
                found.append(Assumption(name=key, value=value, text=text))
    named = set(metrics)
    found += [Assumption(name=name, value="", text=text) for name, text in _METRICS.items() if name in named]
    return tuple(found)
