"""tr((S1 S2)^(1/2)) at d = 2048: ours against `scipy.linalg.sqrtm`, on one machine in one process.

    python benchmarks/frechet_trace.py [--write]

Values are held to each other within 1e-8 relative. A matrix root of a singular product is inexact (its zero
eigenvalues keep half of their digits), so where channels are dead ours is held to the root of the live ones.
Where eigenvalues would cost digits ours takes singular values, which take longer: the last row.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from tables import machine, show, table

from drawbench_eval.stats.frechet import nuclear_trace_root, trace_root
from drawbench_eval.stats.moments import Moments

Array = NDArray[np.float64]

TOLERANCE = 1e-8


class Case(NamedTuple):
    """One pair of covariances, timed; `exact` is what both are held to."""

    name: str
    ours: float
    theirs: float
    exact: float
    ours_s: float
    theirs_s: float


def main() -> None:
    """Prints the table, and keeps it with --write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--dim", type=int, default=2048, help="d (default 2048)")
    parser.add_argument("--dead", type=int, default=64, help="how many channels are dead (default 64)")
    parser.add_argument("--write", action="store_true", help="keep the table in benchmarks/results")
    options = parser.parse_args()
    d, dead = options.dim, options.dead
    rng = np.random.default_rng(0)
    x, y = features(rng, 3 * d, d), features(rng, 2 * d, d)
    cases = [full_rank(x, y), dead_channels(x, y, dead), few_vectors(x[: d // 2], y)]
    cases.append(steep(features(rng, 3 * d, d, fall=1e-5), features(rng, 2 * d, d, fall=1e-5)))
    for case in cases:
        assert abs(case.ours / case.exact - 1) <= TOLERANCE, case
    show("frechet_trace", _title(d), machine(), _table(cases), write=options.write)


def features(rng: np.random.Generator, n: int, d: int, *, fall: float = 1e-2) -> Array:
    """Correlated vectors [n, d] whose deviations fall by a factor of 100, as features of images do."""
    mix = np.linalg.qr(rng.normal(size=(d, d)))[0] * np.geomspace(1.0, fall, d)[:, None]
    return np.asarray(rng.normal(size=(n, d)) @ mix + rng.normal(size=d))


def full_rank(x: Array, y: Array) -> Case:
    """More vectors than dimensions: both are held to the root from eigenvectors."""
    a, b = Moments.of(x), Moments.of(y)
    case = _timed("full rank", a, b, exact=eigen_trace_root(a.covariance, b.covariance))
    assert abs(case.theirs / case.exact - 1) <= TOLERANCE, case
    return case


def dead_channels(x: Array, y: Array, dead: int) -> Case:
    """Some channels of 0, as real networks have them: held to the root of the others."""
    live = x.shape[1] - dead
    x, y = x.copy(), y.copy()
    x[:, live:] = y[:, live:] = 0.0
    a, b = Moments.of(x), Moments.of(y)
    exact = eigen_trace_root(a.covariance[:live, :live], b.covariance[:live, :live])
    return _timed(f"{dead} dead channels", a, b, exact=exact)


def few_vectors(x: Array, y: Array) -> Case:
    """Fewer vectors than dimensions: held to the singular values of the features."""
    a, b = Moments.of(x), Moments.of(y)
    return _timed(f"n = {a.n}, below d", a, b, exact=nuclear_trace_root(x - a.mean, y - b.mean))


def steep(x: Array, y: Array) -> Case:
    """Deviations over five orders of magnitude: held to the singular values of the features' QR factors."""
    a, b = Moments.of(x), Moments.of(y)
    r, s = (np.linalg.qr(z - m.mean, mode="r") / np.sqrt(m.n - 1) for z, m in ((x, a), (y, b)))
    exact = float(np.linalg.svd(r @ s.T, compute_uv=False).sum())
    return _timed("deviations from 1 to 1e-5", a, b, exact=exact)


def eigen_trace_root(s1: Array, s2: Array) -> float:
    """tr((R S2 R)^(1/2)) with R = S1^(1/2), both roots from eigenvalues and eigenvectors."""
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(root @ s2 @ root), 0.0, None)).sum())


def _timed(name: str, a: Moments, b: Moments, *, exact: float) -> Case:
    """Ours the best of three, theirs once: it takes long enough to be steady."""
    ours, ours_s = min((_seconds(lambda: trace_root(a, b)) for _ in range(3)), key=lambda found: found[1])
    s1, s2 = a.covariance, b.covariance
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy about singular matrices
        theirs, theirs_s = _seconds(lambda: float(np.trace(scipy.linalg.sqrtm(s1 @ s2)).real))
    return Case(name, ours, theirs, exact, ours_s, theirs_s)


def _seconds(call: Callable[[], float]) -> tuple[float, float]:
    started = time.process_time()
    value = call()
    return value, time.process_time() - started


def _title(d: int) -> str:
    return (
        f"# Trace of the root of S1 S2, d = {d}\n\n"
        "`python benchmarks/frechet_trace.py --write`: seconds of CPU time from two covariances to\n"
        "tr((S1 S2)^(1/2)), float64. Ours is within 1e-8 of the exact value in every row (asserted)."
    )


def _table(cases: list[Case]) -> str:
    header = ["covariances", "ours, s", "scipy sqrtm, s", "ratio", "value", "ours off by", "scipy off by"]
    return table(
        header,
        [
            [
                case.name,
                f"{case.ours_s:.2f}",
                f"{case.theirs_s:.2f}",
                f"**{case.theirs_s / case.ours_s:.1f}x**",
                f"{case.exact:.10g}",
                f"{abs(case.ours / case.exact - 1):.1e}",
                f"{abs(case.theirs / case.exact - 1):.1e}",
            ]
            for case in cases
        ],
    )


if __name__ == "__main__":
    main()
