"""Mean and covariance from an `.npz` with `mu` [d], `sigma` [d, d], as pytorch-fid, EDM and U-ViT keep them.

Such files lack the number of images. A Frechet distance takes it only as a bound on the covariance's rank:
here the rank that the numbers have stands for it.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from drawbench_eval.stats.moments import Gaussian

# Relative to the largest: what rounding to float32 can do, with room. Beyond it is no covariance.
_ASYMMETRY = 1e-5
_NEGATIVE = 1e-4
_DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def read_npz(path: Path) -> tuple[Gaussian, str]:
    """The Gaussian of `mu` and `sigma`, float64, and the SHA-256 of their content; other arrays are not read.

    Nothing is unpickled. Raises ValueError, with the path, for what is no such file, for other shapes, for
    types but float32 and float64, for numbers that are not finite, and for a sigma that is no covariance:
    asymmetric, or with a negative eigenvalue.
    """
    mu, sigma = _arrays(path)
    hasher = hashlib.sha256()
    for array in (mu, sigma):
        hasher.update(f"{array.dtype.str}{array.shape}".encode())
        hasher.update(np.ascontiguousarray(array).data)
    if mu.ndim != 1 or sigma.shape != (len(mu), len(mu)) or not len(mu):
        raise ValueError(
            f"{path}: mu {list(mu.shape)} and sigma {list(sigma.shape)}; they must be [d] and [d, d]"
        )
    covariance = _symmetric(path, sigma.astype(np.float64))
    return (
        Gaussian(
            mean=mu.astype(np.float64),
            covariance=covariance,
            max_rank=_rank(path, covariance, float(np.finfo(sigma.dtype).eps)),
        ),
        hasher.hexdigest(),
    )


def _arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    # numpy leaves a damaged file open that it has opened itself.
    with path.open("rb") as content:
        try:
            file = np.load(content, allow_pickle=False)
        except _DAMAGED as error:
            raise ValueError(f"{path}: not a readable .npz ({error})") from error
        if not isinstance(file, NpzFile):
            raise ValueError(f"{path}: a single array; it must be an .npz with mu and sigma")
        missing = [name for name in ("mu", "sigma") if name not in file.files]
        if missing:
            held = ", ".join(file.files) or "nothing"
            raise ValueError(f"{path}: without {' and '.join(missing)}; it holds {held}")
        return _array(path, file, "mu"), _array(path, file, "sigma")


def _array(path: Path, file: NpzFile, name: str) -> NDArray[Any]:
    try:
        array = file[name]
    except _DAMAGED as error:
        raise ValueError(f"{path}: {name} cannot be read ({error}); it must be an array of floats") from error
    # numpy gives the bytes of a member that is not in its own format.
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: {name} is no array")
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{path}: {name} is of {array.dtype}; it must be float32 or float64")
    broken = int(np.count_nonzero(~np.isfinite(array)))
    if broken:
        raise ValueError(f"{path}: {broken} of {array.size} numbers in {name} are not finite")
    return array


def _symmetric(path: Path, sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    apart = np.abs(sigma - sigma.T)
    if apart.max() > _ASYMMETRY * np.abs(sigma).max():
        row, column = np.unravel_index(apart.argmax(), apart.shape)
        raise ValueError(
            f"{path}: sigma is not symmetric, as a covariance must be: {sigma[row, column]:g} at "
            f"[{row}, {column}], {sigma[column, row]:g} at [{column}, {row}]"
        )
    return np.asarray((sigma + sigma.T) / 2)


def _rank(path: Path, covariance: NDArray[np.float64], eps: float) -> int:
    """How many eigenvalues are above what rounding leaves: to `eps` when the file was written."""
    values = np.linalg.eigvalsh(covariance)
    if values[0] < -_NEGATIVE * max(values[-1], 0.0):
        raise ValueError(f"{path}: sigma has the eigenvalue {values[0]:g}; a covariance has no negative ones")
    computed = len(values) * np.finfo(np.float64).eps * values[-1]
    stored = eps * float(np.linalg.norm(covariance))
    return int(np.count_nonzero(values > max(computed, stored)))
