"""Pixels -> pieces: the coloured regions of an image, each with its soft coverage and its colour.

The only assumption about the picture: things have a hue and stand on a neutral ground. Regions are found
in the opponent plane, (R - G) / sqrt 2 and (R + G - 2 B) / sqrt 6, which a grey shadow or shade does not
move. The exact outline of a region is then read along the direction of colour space that best tells its
inside from its surroundings (Fisher 1936): hue where shadows lie around it, lightness where hue is smeared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_EIGHT = np.ones((3, 3), dtype=bool)
# Saturation (length in the opponent plane, 0 to about 0.8) below which nothing is taken for coloured.
_FAINT = 0.07
# A region of fewer pixels is a speck that a viewer passes over.
_SPECK = 7
# Smaller regions are debris: passed over beside a thing or where pale, a fragment elsewhere.
FRAGMENT = 26
# The share of an image that must be ground for anything to stand on it.
_MIN_GROUND = 0.25
# Pixel noise (standard deviation) under which nothing can be seen.
_MOST_NOISE = 0.18
# How far around a region, in pixels, its soft edge and its surroundings reach.
_EDGE, _AROUND = 2.6, 5.0


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One region: area in pixels, soft coverage [H, W] in [0, 1], coverage by lightness alone, sRGB."""

    area: int
    coverage: Array
    by_lightness: Array
    rgb: Array


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """The pieces, the ground's colour (sRGB, [3]), and a reason where the image falls apart."""

    pieces: tuple[Piece, ...]
    ground: Array
    problem: str | None = None


def opponent(rgb: Array) -> Array:
    """The two hue axes [..., 2] of sRGB [..., 3]; neutral grey is the origin."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return np.stack([(red - green) / np.sqrt(2), (red + green - 2 * blue) / np.sqrt(6)], axis=-1)


def segment(rgb: Array) -> Segmentation:
    """The coloured regions of an image, sRGB in [0, 1], [H, W, 3]."""
    hue = opponent(rgb)
    noise = _noise(hue)
    if noise > _MOST_NOISE:
        return Segmentation(pieces=(), ground=rgb.mean(axis=(0, 1)), problem="nothing but noise")
    if noise > 0.02:
        width = min(0.5 + 4 * noise, 1.0)
        rgb = ndimage.gaussian_filter(rgb, (width, width, 0), mode="nearest")
        hue = opponent(rgb)
        noise /= 2 * np.sqrt(np.pi) * width  # what white noise keeps after this filter
    ground_mask = np.hypot(hue[..., 0], hue[..., 1]) < 0.12
    if ground_mask.mean() < _MIN_GROUND:
        return Segmentation(pieces=(), ground=np.full(3, 0.5), problem="no neutral ground to stand on")
    hue = hue - np.median(hue[ground_mask], axis=0)
    strength = np.hypot(hue[..., 0], hue[..., 1])
    rest = strength < 0.5 * _FAINT + noise
    ground = np.median(rgb[rest if rest.any() else ground_mask], axis=0)
    regions = _regions(strength > max(_FAINT, 0.14 * float(strength.max()), 3.5 * noise))
    regions = [part for region in regions for part in _tighten(region, strength)]
    regions = [part for region in regions for part in _by_hue(region, hue)]
    labels = _without_debris(regions, strength)
    pieces = tuple(_pieces(labels, hue, rgb))
    return Segmentation(pieces=pieces, ground=ground, problem=_stray(rgb, strength, ground))


def _noise(hue: Array) -> float:
    """Standard deviation of pixel noise, by the second-difference mask of Immerkaer (1996) and the median."""
    rows = hue[:-2] - 2 * hue[1:-1] + hue[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.median(np.abs(both)) / (0.6745 * 6.0))


def _regions(mask: Mask) -> list[Mask]:
    """The connected regions of a mask that are more than specks."""
    labels, num = ndimage.label(mask, structure=_EIGHT)
    sizes = np.bincount(labels.ravel())
    return [labels == index for index in range(1, num + 1) if sizes[index] >= _SPECK]


def _tighten(mask: Mask, strength: Array) -> list[Mask]:
    """A loose region cut at half the strength of its own core, where the edge of a blurred thing is."""
    own = np.sort(strength[mask])
    return _regions(mask & (strength > 0.5 * own[int(0.85 * len(own))]))


def _by_hue(mask: Mask, hue: Array) -> list[Mask]:
    """A region parted in two where it holds two clearly different hues side by side, else as it is."""
    own = hue[mask] @ np.array([1, 1j])
    unit = own / np.abs(own)
    # Two-means on the circle, started from the two sides of the mean direction.
    side = (unit * np.conj(unit.mean())).imag > 0
    apart = 0.0
    for _ in range(3):
        if side.all() or not side.any():
            return [mask]
        first, second = unit[side].mean(), unit[~side].mean()
        apart = abs(float(np.degrees(np.angle(first * np.conj(second)))))
        if apart < 25:
            return [mask]
        side = (unit * np.conj(first)).real / abs(first) > (unit * np.conj(second)).real / abs(second)
    if apart < 35 or not 0.15 < side.mean() < 0.85:
        return [mask]
    parts = []
    for chosen in (side, ~side):
        part = np.zeros_like(mask)
        part[mask] = chosen
        parts += _regions(part)
    return parts


def _without_debris(regions: list[Mask], strength: Array) -> NDArray[np.int64]:
    """The regions as a label map, less small ones that only ring a larger one or are pale beside the rest."""
    labels = np.zeros(strength.shape, dtype=np.int64)
    large = [region for region in regions if region.sum() >= FRAGMENT]
    for index, region in enumerate(large, start=1):
        labels[region] = index
    small = [region for region in regions if region.sum() < FRAGMENT]
    if large and small:
        distance = ndimage.distance_transform_edt(labels == 0)
        vivid = max(float(np.median(strength[region])) for region in large)
        small = [r for r in small if distance[r].min() > 4.0 and np.median(strength[r]) > 0.35 * vivid]
    for index, region in enumerate(small, start=len(large) + 1):
        labels[region] = index
    return labels


def _pieces(labels: NDArray[np.int64], hue: Array, rgb: Array) -> list[Piece]:
    if not labels.any():
        return []
    distance, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    owner = labels[nearest[0], nearest[1]]
    pieces = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        window = (_padded(rows, labels.shape[0]), _padded(columns, labels.shape[1]))
        away = np.where(owner[window] == index, distance[window], np.inf)
        mask = labels[window] == index
        coverage, by_lightness = np.zeros(labels.shape), np.zeros(labels.shape)
        coverage[window] = _coverage(rgb[window], away)
        by_lightness[window] = _contrast(rgb[window].mean(axis=-1), mask, away)
        own = hue[window][mask]
        length = np.hypot(own[:, 0], own[:, 1])
        vivid = length >= np.sort(length)[int(0.4 * len(length))]
        color = np.median(rgb[window][mask][vivid], axis=0)
        pieces.append(Piece(area=int(mask.sum()), coverage=coverage, by_lightness=by_lightness, rgb=color))
    return pieces


def _padded(span: slice, side: int) -> slice:
    return slice(max(0, span.start - int(_AROUND) - 1), min(side, span.stop + int(_AROUND) + 1))


def _coverage(rgb: Array, away: Array) -> Array:
    """The soft coverage of a region from each pixel's distance to it (0 inside, infinite at another's)."""
    near = away <= _EDGE
    inside, around = away == 0, (away > 1.2) & (away <= _AROUND)
    for _ in range(3):
        along = _discriminant(rgb, inside, around)
        # The first outline may be smeared; the second look takes its examples from what the first one found.
        sharper = near & (along > 0.6)
        if sharper.sum() < FRAGMENT or (sharper ^ inside).sum() < 0.06 * inside.sum():
            break
        inside, around = sharper, (away <= _AROUND) & (along < 0.3)
    return np.where(near, np.clip((along - 0.12) / 0.76, 0.0, 1.0), 0.0)


def _contrast(light: Array, mask: Mask, away: Array) -> Array:
    """The coverage that lightness alone shows: 0 at the surroundings' level, 1 at the region's core."""
    around = (away > 1.2) & (away <= _AROUND)
    low = float(np.median(light[around])) if around.any() else 0.5
    step = float(np.median(light[mask])) - low
    if abs(step) < 0.04:
        return np.zeros(light.shape)
    own = np.sort((light[mask] - low) * np.sign(step))
    along = (light - low) * np.sign(step) / max(float(own[int(0.7 * len(own))]), 0.04)
    return np.where(away <= _EDGE, np.clip((along - 0.2) / 0.6, 0.0, 1.0), 0.0)


def _discriminant(rgb: Array, inside: Mask, around: Mask) -> Array:
    """Fisher's linear discriminant of every pixel: 0 at the mean of `around`, 1 at that of `inside`."""
    first, second = rgb[inside], rgb[around if around.sum() >= 8 else ~inside]
    low = second.mean(axis=0)
    step = first.mean(axis=0) - low
    scatter = _scatter(first) + _scatter(second) + 1e-3 * np.eye(3)
    weights = np.linalg.solve(scatter, step)
    return np.asarray((rgb - low) @ weights / float(step @ weights))


def _scatter(samples: Array) -> Array:
    """The covariance of samples [n, 3]."""
    centred = samples - samples.mean(axis=0)
    return np.asarray(centred.T @ centred / len(samples))


def _stray(rgb: Array, strength: Array, ground: Array) -> str | None:
    """A reason where something without a hue, far from every coloured thing, stands out from the ground."""
    light = rgb.mean(axis=-1)
    odd = np.abs(light - ground.mean()) > 0.38
    if not odd.any():
        return None
    far = ndimage.distance_transform_edt(strength < 0.5 * _FAINT + 0.02) > 3.0
    return (
        "something without a colour" if max((m.sum() for m in _regions(odd & far)), default=0) > 20 else None
    )
