"""`drawbench-eval weights`: which weights a choice of metrics needs, where they are, and their hashes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.settings import build
from drawbench_eval.features.clip import ClipSettings
from drawbench_eval.weights import INCEPTION, WeightsSettings, present_weights


@dataclass(frozen=True, kw_only=True)
class WeightsVerbSettings:
    """metrics: those whose weights are meant. fetch: whether to download what is not there."""

    metrics: Mapping[str, Any]
    weights: WeightsSettings
    clip: ClipSettings
    fetch: bool


def main() -> None:
    """The verb."""
    hydra_app("weights", weights)


def weights(config: DictConfig) -> None:
    """List, verify and, if asked, fetch the weights that the metrics of `config` need."""
    from drawbench_eval.metrics.registry import extractor_of

    settings = build(WeightsVerbSettings, plain(config))
    needed: dict[str, list[str]] = {}
    for name, own in settings.metrics.items():
        needed.setdefault(extractor_of(name, own or {}), []).append(name)
    for extractor, names in needed.items():
        print(f"{extractor} ({', '.join(names)}): {_SAID[extractor](settings)}")


def _inception(settings: WeightsVerbSettings) -> str:
    chosen = settings.weights
    if settings.fetch:
        chosen.find(INCEPTION)
    found = present_weights(INCEPTION, path=chosen.inception, cache=chosen.folder)
    if found is None:
        missing = chosen.inception or chosen.folder / INCEPTION.file_name
        return f"{missing} is not there; fetch=true downloads {INCEPTION.url}"
    hashed = "the published hash" if found.verified else f"NOT the published {INCEPTION.sha256}..."
    return f"{found.path}, sha256 {found.sha256}, {hashed}; {INCEPTION.licence}"


def _clip(settings: WeightsVerbSettings) -> str:
    from drawbench_eval.features.clip import Clip

    chosen = settings.clip
    if not settings.fetch and not Path(chosen.pretrained).is_file():
        tag = f"{chosen.model}, tag {chosen.pretrained}"
        return f"{tag}; open_clip downloads it on first use, or with fetch=true"
    found = Clip(chosen)
    return f"{found.path}, sha256 {found.weights_sha256}, {chosen.model} with {chosen.activation}"


def _dinov2(settings: WeightsVerbSettings) -> str:
    from drawbench_eval.features.dinov2 import NAME, dinov2

    chosen = settings.weights
    if not settings.fetch and chosen.dinov2 is None:
        return f"{NAME}, downloaded from the Hub on first use, or with fetch=true"
    found = dinov2(chosen.dinov2, cache=chosen.cache, device="cpu")
    return f"{found.folder}, sha256 {found.weights_sha256}"


def _packaged(_settings: WeightsVerbSettings) -> str:
    return "in the package, or as the metric's own weights=PATH says; nothing is downloaded"


_SAID: dict[str, Callable[[WeightsVerbSettings], str]] = {
    "inception": _inception,
    "clip": _clip,
    "dinov2": _dinov2,
    "scenes": _packaged,
}
