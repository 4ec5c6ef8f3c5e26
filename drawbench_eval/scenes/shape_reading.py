"""Coverage -> shape word: the nearest of a family of ideal figures, after shift and scale are taken out.

A form is centred at its centroid and scaled by its radius of gyration (the first and second moments of its
coverage), so that only its outline is left, then compared with the ideal figures at several blurs. A form
that is far from all of them, about as near to two, or nearest to a figure without a word has no name.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drawbench_eval.scenes.facts import LETTER_SHAPES, SHAPES
from drawbench_eval.scenes.figures import CANVAS, SPAN, figures

Array = NDArray[np.float64]

_GRID = 24  # samples across the normalised window
_REACH = 2.25  # half the window, in radii of gyration
# Relative squared error above which a form is none of the ideal ones, and how much better than every
# other word the best word must be.
_MAX_ERROR = 0.15
_MAX_RATIO = 0.75


@dataclass(frozen=True, kw_only=True)
class ShapeFit:
    """The best word for a form, with its error, the next word's and the best wordless figure's.

    `x`, `y` and `diameter` are the centre and size of its outer circle, in pixels.
    """

    shape: str
    error: float
    runner_up: str
    runner_up_error: float
    wordless: str
    wordless_error: float
    x: float
    y: float
    diameter: float

    @property
    def problem(self) -> str | None:
        """Why the form has no word, or None when it has one."""
        if self.error > _MAX_ERROR:
            return "a form that is no known shape"
        if self.error > self.wordless_error:
            return self.wordless
        if self.error > _MAX_RATIO * self.runner_up_error:
            return f"a form between {self.shape} and {self.runner_up}"
        return None


@dataclass(frozen=True, kw_only=True)
class _Templates:
    words: tuple[str, ...]
    named: NDArray[np.bool_]  # [words] whether it is a word of this world
    index: NDArray[np.int64]  # [n] word of each template, ascending
    starts: NDArray[np.int64]  # [words] its first template
    forms: Array  # [n, _GRID ** 2]
    outer: Array  # [n] outer radius in radii of gyration
    energy: Array  # [n] squared length of each form
    shift: Array  # [n, 2] from the centroid to the centre of the outer circle, in radii of gyration


def fit_shape(coverage: Array) -> ShapeFit | None:
    """The nearest ideal figure to a soft coverage [H, W] in [0, 1]; None where there is nothing."""
    moments = _moments(coverage)
    if moments is None:
        return None
    x, y, gyration = moments
    templates = _templates()
    form = _normalised(coverage, x, y, gyration)
    errors = _errors(form[None], templates)[0]
    best, first, second, wordless = _ranked(errors, templates)
    if best[first] > 0.6 * _MAX_RATIO * best[second]:
        errors = _refined(coverage, x, y, gyration, templates)
        best, first, second, wordless = _ranked(errors, templates)
    chosen = int(np.argmin(np.where(templates.index == first, errors, np.inf)))
    return ShapeFit(
        shape=templates.words[first],
        error=float(best[first]),
        runner_up=templates.words[second],
        runner_up_error=float(best[second]),
        wordless=templates.words[wordless],
        wordless_error=float(best[wordless]),
        x=x + float(templates.shift[chosen, 0]) * gyration,
        y=y + float(templates.shift[chosen, 1]) * gyration,
        diameter=2 * float(templates.outer[chosen]) * gyration,
    )


def _ranked(errors: Array, templates: _Templates) -> tuple[Array, int, int, int]:
    """The least error of each figure; the best and second best with a word, and the best without one."""
    best = np.minimum.reduceat(errors, templates.starts)
    named = np.where(templates.named, best, np.inf)
    first, second = np.argsort(named)[:2]
    return best, int(first), int(second), int(np.argmin(np.where(templates.named, np.inf, best)))


def _refined(coverage: Array, x: float, y: float, gyration: float, templates: _Templates) -> Array:
    """Errors at the best of a few small shifts and scales, as moments of a small or ragged form are off."""
    step = 0.09
    moves = (
        (0, 0, 1.0),
        (0, 0, 0.94),
        (0, 0, 1.06),
        (step, 0, 1.0),
        (-step, 0, 1.0),
        (0, step, 1.0),
        (0, -step, 1.0),
    )
    forms = np.stack(
        [
            _normalised(coverage, x + dx * gyration, y + dy * gyration, gyration * scale)
            for dx, dy, scale in moves
        ]
    )
    return np.asarray(_errors(forms, templates).min(axis=0))


def _errors(forms: Array, ideals: _Templates) -> Array:
    """Squared distance over the mean of the two squared lengths: 0 for equal, 2 for disjoint. [n, m]."""
    cross = forms @ ideals.forms.T
    own, other = (forms**2).sum(axis=1)[:, None], ideals.energy[None]
    return np.asarray((own + other - 2 * cross) / (0.5 * (own + other)))


def _moments(coverage: Array) -> tuple[float, float, float] | None:
    """Centroid (x, y) and radius of gyration, in pixels of the array."""
    total = float(coverage.sum())
    if total <= 0:
        return None
    rows, columns = np.arange(coverage.shape[0]), np.arange(coverage.shape[1])
    along_y, along_x = coverage.sum(axis=1) / total, coverage.sum(axis=0) / total
    x, y = float(columns @ along_x), float(rows @ along_y)
    return x, y, float(np.sqrt((columns - x) ** 2 @ along_x + (rows - y) ** 2 @ along_y + 1e-12))


def _normalised(coverage: Array, x: float, y: float, gyration: float) -> Array:
    """The form on the normalised grid, flat [_GRID ** 2]."""
    step = 2 * _REACH * gyration / _GRID
    smooth = ndimage.gaussian_filter(coverage, 0.4 * step) if step > 1.0 else coverage
    offsets = (np.arange(_GRID) - (_GRID - 1) / 2) * step
    rows, columns = np.meshgrid(y + offsets, x + offsets, indexing="ij")
    return np.asarray(ndimage.map_coordinates(smooth, [rows, columns], order=1).ravel())


@functools.cache
def _templates() -> _Templates:
    named = SHAPES + LETTER_SHAPES
    drawn = sorted(figures(), key=lambda figure: figure[0])
    words = sorted({word for word, _ in drawn})
    index, forms, outer, shift = [], [], [], []
    for word, canvas in drawn:
        centre_x, centre_y, radius = _outer_circle(canvas)
        for blur in (0.05, 0.13, 0.22, 0.34) if word in SHAPES else (0.05, 0.16):
            soft = ndimage.gaussian_filter(canvas, blur * CANVAS / (2 * SPAN))
            moments = _moments(soft)
            assert moments is not None
            x, y, gyration = moments
            index.append(words.index(word))
            forms.append(_normalised(soft, x, y, gyration))
            outer.append(radius / gyration)
            shift.append(((centre_x - x) / gyration, (centre_y - y) / gyration))
    return _Templates(
        words=tuple(words),
        named=np.array([word in named for word in words]),
        index=np.array(index),
        starts=np.searchsorted(index, np.arange(len(words))),
        forms=np.array(forms),
        energy=(np.array(forms) ** 2).sum(axis=1),
        outer=np.array(outer),
        shift=np.array(shift),
    )


def _outer_circle(canvas: Array) -> tuple[float, float, float]:
    """The smallest circle around a figure, by steps towards the farthest point (Badoiu and Clarkson 2003)."""
    rows, columns = np.nonzero(canvas > 0.5)
    x, y = float(columns.mean()), float(rows.mean())
    for k in range(1, 60):
        far = int(np.argmax((columns - x) ** 2 + (rows - y) ** 2))
        x, y = x + (columns[far] - x) / (k + 1), y + (rows[far] - y) / (k + 1)
    return x, y, float(np.sqrt(((columns - x) ** 2 + (rows - y) ** 2).max())) + 0.5
