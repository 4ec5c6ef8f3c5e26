import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from drawbench_eval.references.npz import read_npz
from drawbench_eval.stats.frechet import frechet_distance, frechet_distance_of, influence_function
from drawbench_eval.stats.moments import Moments

Array = NDArray[np.float64]


def features(seed: int, n: int, d: int = 6, rank: int | None = None) -> Array:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=(n, rank or d)) @ rng.normal(size=(rank or d, d)) + rng.normal(size=d))


def saved(path: Path, x: Array, dtype: Any = np.float64, **more: Any) -> Path:
    """As pytorch-fid and EDM write it."""
    np.savez(path, mu=x.mean(axis=0).astype(dtype), sigma=np.cov(x, rowvar=False).astype(dtype), **more)
    return path


@pytest.mark.parametrize(("n", "rank"), [(100, 6), (5, 6), (100, 3)])
def test_the_distance_is_the_one_from_the_vectors(tmp_path: Path, n: int, rank: int) -> None:
    x, y = features(1, 50), features(2, n, rank=rank)
    read, _ = read_npz(saved(tmp_path / "a.npz", y))
    a, b = Moments.of(x), Moments.of(y)
    assert read.max_rank == min(n - 1, rank)
    assert frechet_distance(a, read) == pytest.approx(frechet_distance_of(x, y), rel=1e-9)
    np.testing.assert_allclose(influence_function(a, read)(x), influence_function(a, b)(x), rtol=1e-6)
    # And the one that scipy's root gives.
    if n > rank == 6:
        root = scipy.linalg.sqrtm(a.covariance @ np.cov(y, rowvar=False)).real
        spread = np.trace(a.covariance) + np.trace(np.cov(y, rowvar=False))
        expected = np.square(a.mean - y.mean(axis=0)).sum() + spread - 2 * np.trace(root)
        assert frechet_distance(a, read) == pytest.approx(expected, rel=1e-9)


def test_rounding_beyond_the_rank_adds_nothing(tmp_path: Path) -> None:
    x, y = features(1, 900, d=300), features(2, 900, d=300, rank=2)
    read, _ = read_npz(saved(tmp_path / "a.npz", y, np.float32))
    assert read.max_rank == 2
    a, b = Moments.of(x), Moments.of(y)
    exact = frechet_distance(a, b)
    assert frechet_distance(a, read) == pytest.approx(exact, rel=1e-6)


def test_float32_files_are_read(tmp_path: Path) -> None:
    x, y = features(1, 50), features(2, 100)
    read, _ = read_npz(saved(tmp_path / "a.npz", y, np.float32))
    assert read.covariance.dtype == np.float64
    expected = frechet_distance(Moments.of(x), Moments.of(y))
    assert frechet_distance(Moments.of(x), read) == pytest.approx(expected, rel=1e-5)


def test_the_hash_is_of_mean_and_covariance_alone(tmp_path: Path) -> None:
    y = features(2, 100)
    _, base = read_npz(saved(tmp_path / "a.npz", y))
    # ADM's files hold more, and what is not asked for is not read: this would have to be unpickled.
    _, more = read_npz(saved(tmp_path / "b.npz", y, mu_s=np.zeros(3), arr_0=np.array([{}], dtype=object)))
    np.savez_compressed(tmp_path / "c.npz", sigma=np.cov(y, rowvar=False), mu=y.mean(axis=0))
    _, compressed = read_npz(tmp_path / "c.npz")
    assert base == more == compressed
    _, other = read_npz(saved(tmp_path / "d.npz", y + 1))
    _, rounded = read_npz(saved(tmp_path / "e.npz", y, np.float32))
    assert len({base, other, rounded}) == 3


def good() -> dict[str, Any]:
    y = features(2, 100)
    return {"mu": y.mean(axis=0), "sigma": np.cov(y, rowvar=False)}


def changed(name: str, at: tuple[int, ...], value: float) -> dict[str, Any]:
    arrays = good()
    arrays[name][at] = value
    return arrays


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"m": good()["mu"], "s": good()["sigma"]}, "without mu and sigma; it holds m, s"),
        ({"mu": good()["mu"]}, "without sigma; it holds mu"),
        ({**good(), "mu": good()["mu"][:5]}, r"mu \[5\] and sigma \[6, 6\]; they must be \[d\] and \[d, d\]"),
        ({**good(), "mu": good()["mu"][None]}, r"mu \[1, 6\] and sigma \[6, 6\]"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, r"mu \[0\] and sigma \[0, 0\]"),
        (changed("mu", (2,), np.nan), "1 of 6 numbers in mu are not finite"),
        (changed("sigma", (2, 3), np.inf), "1 of 36 numbers in sigma are not finite"),
        (changed("sigma", (2, 3), 9.0), r"sigma is not symmetric, .*: 9 at \[2, 3\], "),
        (
            {**good(), "sigma": good()["sigma"] - 5 * np.eye(6)},
            "sigma has the eigenvalue -.* no negative ones",
        ),
        ({**good(), "sigma": -good()["sigma"]}, "sigma has the eigenvalue -"),
        ({**good(), "mu": np.arange(6)}, "mu is of int64; it must be float32 or float64"),
        ({**good(), "sigma": good()["sigma"].astype(np.float16)}, "sigma is of float16"),
        ({**good(), "sigma": good()["sigma"].astype(complex)}, "sigma is of complex128"),
        (
            {**good(), "mu": np.array([{}] * 6, dtype=object)},
            "mu cannot be read .*Object arrays cannot be loaded",
        ),
    ],
)
def test_what_is_no_mean_and_covariance_is_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        read_npz(tmp_path / "a.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'a.npz'}: ")
    assert "\n" not in str(caught.value)


class Trap:
    """Runs when it is unpickled."""

    sprung = False

    def __reduce__(self) -> Any:
        return Trap._spring, ()

    @staticmethod
    def _spring() -> None:
        Trap.sprung = True


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", mu=np.array([Trap()], dtype=object), sigma=np.eye(1))
    (tmp_path / "b.npz").write_bytes(pickle.dumps({"fid": Trap()}))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(ValueError, match=r"cannot be read|not a readable \.npz"):
            read_npz(tmp_path / name)
    assert not Trap.sprung


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.npz", features(2, 100)).read_bytes()
    array = io.BytesIO()
    np.save(array, np.eye(3))
    member = io.BytesIO()
    with zipfile.ZipFile(member, "w") as archive:
        archive.writestr("mu.npy", b"no array")
        archive.writestr("sigma.npy", b"")
    flipped = bytearray(whole)
    flipped[200] ^= 1
    contents = {
        b"": "not a readable .npz",
        whole[:300]: "not a readable .npz",
        bytes(flipped): "mu cannot be read .*CRC",
        array.getvalue(): "a single array; it must be an .npz",
        member.getvalue(): "mu is no array",
    }
    for content, message in contents.items():
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_npz(tmp_path / "a.npz")
