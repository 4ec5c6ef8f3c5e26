"""The metrics by name: which measure alignment, which are distances, and what to call them."""

from dataclasses import dataclass

ALIGNMENT = ("scenes_clip_score", "scenes_accuracy", "clip_score")
"""Per-sample measures of agreement between image and prompt; higher is better."""

DISTANCE = ("fd_scenes", "fid", "fd_dinov2", "fd_clip")
"""Frechet distances, whose per-sample column holds influence values; lower is better."""

INFLUENCES = (*DISTANCE, "kid", "cmmd")
"""Metrics whose per-sample column holds influence values: the value is not their mean."""


_APART = (
    "how far these images as a set lie from the reference, in the features of {network}; 0 is no difference"
)
_MATCH = "how well an image fits its prompt: the cosine of both as {network} sees them"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a metric is named in figures and sentences, and what it means to one who has never met it.

    A number from the scenes world is never called FID.
    """

    name: str
    title: str
    short: str
    meaning: str = ""


_MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            name="fd_scenes",
            title="Fréchet distance, scenes features",
            short="Fréchet distance",
            meaning=_APART.format(network="a small network trained on the scenes world"),
        ),
        Measure(name="fid", title="FID", short="FID", meaning=_APART.format(network="Inception-v3")),
        Measure(
            name="fd_dinov2",
            title="Fréchet distance, DINOv2 features",
            short="FD-DINOv2",
            meaning=_APART.format(network="DINOv2"),
        ),
        Measure(
            name="fd_clip",
            title="Fréchet distance, CLIP features",
            short="FD-CLIP",
            meaning=_APART.format(network="CLIP"),
        ),
        Measure(
            name="scenes_clip_score",
            title="Scenes CLIP score",
            short="scenes CLIP score",
            meaning=_MATCH.format(network="a small network of the scenes world"),
        ),
        Measure(
            name="scenes_accuracy",
            title="Accuracy by the oracle",
            short="oracle accuracy",
            meaning="the share of images in which everything is right that the caption says",
        ),
        Measure(
            name="clip_score",
            title="CLIP score",
            short="CLIP score",
            meaning=_MATCH.format(network="CLIP"),
        ),
        Measure(name="kid", title="KID", short="KID", meaning=_APART.format(network="Inception-v3")),
        Measure(name="cmmd", title="CMMD", short="CMMD", meaning=_APART.format(network="CLIP")),
        Measure(
            name="fid_infinity",
            title="FID, extrapolated",
            short="FID-infinity",
            meaning="FID as it would be with endlessly many images",
        ),
        Measure(
            name="precision",
            title="Precision",
            short="precision",
            meaning="the share of these images that lie among the reference: how many could be of it",
        ),
        Measure(
            name="recall",
            title="Recall",
            short="recall",
            meaning="the share of the reference that lies among these images: how much of it is reached",
        ),
        Measure(
            name="density",
            title="Density",
            short="density",
            meaning="how thickly the reference lies around these images; about 1 where both are alike",
        ),
        Measure(
            name="coverage",
            title="Coverage",
            short="coverage",
            meaning="the share of the reference with one of these images near it",
        ),
        Measure(
            name="diversity",
            title="Diversity",
            short="diversity",
            meaning="how much the images of one prompt differ from each other, in the features of a network",
        ),
    )
}


def measure(name: str) -> Measure:
    """The measure called `name`; an unknown metric goes by its own name."""
    return _MEASURES.get(name, Measure(name=name, title=name, short=name))


def present(names: tuple[str, ...], available: object) -> tuple[str, ...]:
    """Those of `names` that are in `available` (anything with `in`), in the order of `names`."""
    return tuple(name for name in names if name in available)  # type: ignore[operator]
