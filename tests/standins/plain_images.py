"""Images of one colour each to train on, and captions that name it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COLORS = {"red": (230, 20, 20), "green": (20, 230, 20), "blue": (20, 20, 230), "white": (240, 240, 240)}


class Plains:
    """Sixteen images; the caption names the colour, in other words in every other epoch."""

    def __len__(self) -> int:
        return 16

    def images(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        colors = list(COLORS.values())
        rows = [np.full((16, 16, 3), colors[index % 4], np.uint8) for index in indices]
        return np.stack(rows)

    def captions(self, indices: Sequence[int], epoch: int) -> list[str]:
        names = list(COLORS)
        return [names[index % 4] + " plain" * (epoch % 2) for index in indices]
