"""The metrics by name: which measure alignment, which are distances, and what to call them."""

from dataclasses import dataclass

ALIGNMENT = ("scenes_clip_score", "scenes_accuracy", "clip_score")
"""Per-sample measures of agreement between image and prompt; higher is better."""

DISTANCE = ("fd_scenes", "fid", "fd_dinov2", "fd_clip")
"""Frechet distances, whose per-sample column holds influence values; lower is better."""

INFLUENCES = (*DISTANCE, "kid", "cmmd")
"""Metrics whose per-sample column holds influence values: the value is not their mean."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a metric is named in figures and sentences. A number from the scenes world is never called FID."""

    name: str
    title: str
    short: str


_MEASURES = {
    measure.name: measure
    for measure in (
        Measure(name="fd_scenes", title="Fréchet distance, scenes features", short="Fréchet distance"),
        Measure(name="fid", title="FID", short="FID"),
        Measure(name="fd_dinov2", title="Fréchet distance, DINOv2 features", short="FD-DINOv2"),
        Measure(name="fd_clip", title="Fréchet distance, CLIP features", short="FD-CLIP"),
        Measure(name="scenes_clip_score", title="Scenes CLIP score", short="scenes CLIP score"),
        Measure(name="scenes_accuracy", title="Accuracy by the oracle", short="oracle accuracy"),
        Measure(name="clip_score", title="CLIP score", short="CLIP score"),
    )
}


def measure(name: str) -> Measure:
    """The measure called `name`; an unknown metric goes by its own name."""
    return _MEASURES.get(name, Measure(name=name, title=name, short=name))


def present(names: tuple[str, ...], available: object) -> tuple[str, ...]:
    """Those of `names` that are in `available` (anything with `in`), in the order of `names`."""
    return tuple(name for name in names if name in available)  # type: ignore[operator]
