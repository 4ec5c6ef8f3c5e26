import numpy as np
import pytest
from PIL import Image

from drawbench_eval.ratings.survey.montage import GAP, GROUND, MARGIN, montage

CELL = 64


def colours(number: int, *, offset: int) -> list[tuple[int, int, int]]:
    return [(offset + 8 * index, 250 - 8 * index, 128) for index in range(number)]


def flat(some: list[tuple[int, int, int]], size: tuple[int, int] = (CELL, CELL)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour) for colour in some]


def test_eight_against_eight() -> None:
    left, right = colours(8, offset=0), colours(8, offset=100)
    picture = montage([flat(left), flat(right)], ["Set A", "Set B"], cell=CELL)
    width = 4 * CELL + 3 * GAP
    top = picture.height - MARGIN - (2 * CELL + GAP)
    assert picture.width == 2 * width + 4 * MARGIN
    for start, some in ((MARGIN, left), (MARGIN + width + 2 * MARGIN, right)):
        for index, colour in enumerate(some):
            row, column = divmod(index, 4)
            x, y = start + column * (CELL + GAP), top + row * (CELL + GAP)
            cell = np.asarray(picture.crop((x, y, x + CELL, y + CELL)))
            assert (cell == colour).all()
    # Above each set stands its label, and the two differ.
    labels = [
        np.asarray(picture.crop((x, MARGIN, x + width, top - MARGIN))) for x in (MARGIN, width + 3 * MARGIN)
    ]
    assert all((label < 128).any() for label in labels)
    assert (labels[0] != labels[1]).any()


def test_images_of_other_shapes_are_fitted_and_not_stretched() -> None:
    wide, small = Image.new("RGB", (128, 32), (200, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 200))
    picture = montage([[wide], [small]], ["A", "B"], cell=CELL)
    top = picture.height - MARGIN - CELL
    pixels = np.asarray(picture)[top : top + CELL, MARGIN : MARGIN + CELL]
    red = (pixels == (200, 0, 0)).all(axis=-1)
    assert (red.sum(), red[24:40].all()) == (16 * 64, True)
    assert (pixels[~red] == GROUND).all()
    assert (np.asarray(picture)[top : top + CELL, -MARGIN - CELL : -MARGIN] == (0, 0, 200)).all()


@pytest.mark.parametrize(("number", "rows"), [(1, 1), (4, 1), (5, 2), (9, 3)])
def test_rows_of_four(number: int, rows: int) -> None:
    one = montage([flat(colours(number, offset=0))] * 2, ["A", "B"], cell=CELL)
    base = montage([flat(colours(1, offset=0))] * 2, ["A", "B"], cell=CELL)
    assert one.height - base.height == (rows - 1) * (CELL + GAP)
    assert one.width - base.width == 2 * (min(number, 4) - 1) * (CELL + GAP)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ValueError, match="a set of images is empty"):
        montage([flat(colours(1, offset=0)), []], ["A", "B"], cell=CELL)
