"""Two sets of images as one picture: DrawBench's 8 against 8, for sites that show one image a question."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

# As on the pages: a quiet grey behind the images and room around them.
PAPER = (255, 255, 255)
GROUND = (236, 236, 233)
INK = (29, 29, 27)
GAP = 8
MARGIN = 24
COLUMNS = 4


def montage(sets: Sequence[Sequence[Image.Image]], labels: Sequence[str], *, cell: int) -> Image.Image:
    """The sets side by side under their labels, each in rows of four.

    Every image is fitted into a square of side `cell` without a change of its aspect ratio. Raises ValueError
    for an empty set.
    """
    if not sets or any(not images for images in sets):
        raise ValueError("montage: a set of images is empty; each must have at least one")
    grids = [_grid(images, cell) for images in sets]
    title = max(cell // 5, 20)
    width = sum(grid.width for grid in grids) + 2 * MARGIN * len(grids)
    height = max(grid.height for grid in grids) + 3 * MARGIN + title
    picture = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=title)
    left = MARGIN
    for index, (grid, label) in enumerate(zip(grids, labels, strict=True)):
        if index:
            draw.line((left, MARGIN, left, height - MARGIN), fill=GROUND, width=3)
            left += MARGIN
        draw.text((left + grid.width / 2, MARGIN + title / 2), label, fill=INK, font=font, anchor="mm")
        picture.paste(grid, (left, 2 * MARGIN + title))
        left += grid.width + MARGIN
    return picture


def _grid(images: Sequence[Image.Image], cell: int) -> Image.Image:
    columns = min(len(images), COLUMNS)
    rows = -(-len(images) // columns)
    size = (columns * (cell + GAP) - GAP, rows * (cell + GAP) - GAP)
    grid = Image.new("RGB", size, PAPER)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        grid.paste(_fitted(image, cell), (column * (cell + GAP), row * (cell + GAP)))
    return grid


def _fitted(image: Image.Image, cell: int) -> Image.Image:
    scale = cell / max(image.size)
    width, height = (max(round(side * scale), 1) for side in image.size)
    square = Image.new("RGB", (cell, cell), GROUND)
    fitted = (
        image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)
    )
    square.paste(fitted, ((cell - width) // 2, (cell - height) // 2))
    return square
