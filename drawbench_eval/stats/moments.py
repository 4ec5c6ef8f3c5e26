"""Count, mean and scatter of feature vectors: added up in float64, merged without cancellation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """A mean [d] and a covariance [d, d], float64, and the largest rank that the covariance can have.

    What a Frechet distance reads of a set of vectors. How many there were need not be known: their number
    comes in as that bound only.
    """

    mean: Array
    covariance: Array
    max_rank: int


@dataclass(frozen=True, kw_only=True)
class Moments:
    """n, mean [d] and M2 = sum (x - mean)(x - mean)' [d, d], all float64."""

    n: int
    mean: Array
    m2: Array

    @classmethod
    def empty(cls, dim: int) -> Moments:
        """The moments of no vectors of this size."""
        return cls(n=0, mean=np.zeros(dim), m2=np.zeros((dim, dim)))

    @classmethod
    def of(cls, vectors: ArrayLike) -> Moments:
        """The moments of the rows of [n, d]. Two passes: `X'X - n m m'` would cancel when means are large."""
        x = np.asarray(vectors, dtype=np.float64)
        if x.ndim != 2:
            raise ValueError(f"vectors: shape {x.shape}; it must be [n, d]")
        if len(x) == 0:
            return cls.empty(x.shape[1])
        mean = x.mean(axis=0)
        centred = x - mean
        return cls(n=len(x), mean=mean, m2=centred.T @ centred)

    def merge(self, other: Moments) -> Moments:
        """The moments of both sets together (Chan, Golub, LeVeque 1979): exact up to rounding."""
        n = self.n + other.n
        if n == 0:
            return self
        delta = other.mean - self.mean
        return Moments(
            n=n,
            mean=self.mean + delta * (other.n / n),
            m2=self.m2 + other.m2 + np.outer(delta, delta) * (self.n * other.n / n),
        )

    @property
    def covariance(self) -> Array:
        """M2 / (n - 1) [d, d]. Raises ValueError for fewer than two vectors, which have none."""
        if self.n < 2:
            raise ValueError(f"covariance: {self.n} vectors have none; it takes at least two")
        covariance: Array = self.m2 / (self.n - 1)
        return covariance

    @property
    def max_rank(self) -> int:
        """The largest rank that the covariance of n vectors can have: n - 1."""
        return self.n - 1

    def pack(self) -> Array:
        """One vector [1 + d + d*d], for libraries that reduce states one by one."""
        return np.concatenate([[float(self.n)], self.mean, self.m2.ravel()])

    @classmethod
    def unpack(cls, packed: Array, dim: int) -> Moments:
        """The moments that `pack` made one vector of."""
        if packed.shape != (1 + dim + dim * dim,):
            raise ValueError(
                f"packed moments: shape {packed.shape}; for d = {dim} it must be [{1 + dim + dim * dim}]"
            )
        return cls(
            n=round(float(packed[0])), mean=packed[1 : 1 + dim], m2=packed[1 + dim :].reshape(dim, dim)
        )
