"""What the parity tests share: one random Inception, folders of images, and the table at the end."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from random_inception import random_inception, textures

from drawbench_eval.files import sha256_file
from drawbench_eval.weights import WeightsFile

Compare = Callable[..., float]


class Row(NamedTuple):
    """A line of the table. `difference` is relative; for cosines absolute; for faults a pair's mean shift."""

    peer: str
    ours: str
    their_value: float
    our_value: float
    difference: float


_ROWS = pytest.StashKey[list[Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_ROWS, [])
    if rows:
        terminalreporter.section("parity")
        terminalreporter.line(f"{'peer':<48} {'ours':<22} {'theirs':>14} {'ours':>14} {'difference':>11}")
    for row in rows:
        terminalreporter.line(
            f"{row.peer:<48} {row.ours:<22} {row.their_value:>14.8g} {row.our_value:>14.8g}"
            f" {row.difference:>11.1e}"
        )


@pytest.fixture(scope="session")
def shown(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Puts a line into the table."""

    def show(*line: str | float) -> None:
        pytestconfig.stash[_ROWS].append(Row(*line))

    return show


@pytest.fixture(scope="session")
def compared(shown: Callable[..., None]) -> Compare:
    """Puts a line into the table and gives the difference: relative, or absolute for cosines."""

    def compare(peer: str, ours: str, theirs: float, our: float, *, absolute: bool = False) -> float:
        difference = abs(our - theirs) / (1.0 if absolute else abs(theirs))
        shown(peer, ours, theirs, our, difference)
        return difference

    return compare


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    path = random_inception(tmp_path_factory.mktemp("inception") / "random.pth")
    return WeightsFile(path=path, sha256=sha256_file(path), verified=False)


class Folders(NamedTuple):
    """Two folders of images that peers can read: what was generated, and the reference."""

    generated: Path
    reference: Path


def _written(folder: Path, images: Sequence[NDArray[np.uint8]]) -> Path:
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Images of ten sizes, smaller and larger than 299, square and not. The reference is brighter."""
    folder, sides = tmp_path_factory.mktemp("mixed"), (64, 96, 333, 80, 200)
    reference = [image // 2 + 120 for image in textures(16, sides=sides, seed=2)]
    return Folders(
        _written(folder / "generated", textures(16, sides=sides, seed=1)),
        _written(folder / "reference", reference),
    )


@pytest.fixture(scope="session")
def uniform(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Images of 96 x 72, which peers can take in batches."""
    folder = tmp_path_factory.mktemp("uniform")
    images = [np.ascontiguousarray(image[:, :72]) for image in textures(24, sides=(96,), seed=3)]
    return Folders(
        _written(folder / "generated", images[:12]),
        _written(folder / "reference", [image // 2 + 120 for image in images[12:]]),
    )
