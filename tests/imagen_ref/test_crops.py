import numpy as np
import pytest
import torch

from imagen_ref.crops import draw_places, random_crops, take_crops
from imagen_ref.resize import resize, to_float


def pictures(count: int, side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)


def test_a_crop_is_a_part_of_its_image_at_a_multiple_of_the_factor() -> None:
    # each pixel says where it lies
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    images = torch.stack([rows, columns, rows], dim=-1).to(torch.uint8).expand(200, -1, -1, -1)
    crops = random_crops(images, 16, factor=4, generator=torch.Generator().manual_seed(1))
    assert crops.shape == (200, 16, 16, 3)
    tops, lefts = crops[:, 0, 0, 0].long(), crops[:, 0, 0, 1].long()
    for crop, top, left in zip(crops, tops, lefts, strict=True):
        assert torch.equal(crop, images[0, top : top + 16, left : left + 16])
    # every place is drawn, both ends included
    assert sorted(set(tops.tolist())) == sorted(set(lefts.tolist())) == list(range(0, 49, 4))
    assert not torch.equal(tops, lefts)


def test_the_generator_alone_decides() -> None:
    images = pictures(5, 32)
    one, again, other = (
        random_crops(images, 8, factor=4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_small_version_of_a_crop_is_the_crop_of_the_small_version() -> None:
    image = pictures(1, 64)
    small = resize(to_float(image), 16)
    crop = random_crops(image, 32, factor=4, generator=torch.Generator().manual_seed(3))
    found = [
        (top, left)
        for top in range(0, 33, 4)
        for left in range(0, 33, 4)
        if torch.equal(crop[0], image[0, top : top + 32, left : left + 32])
    ]
    ((top, left),) = found
    part = small[:, :, top // 4 : top // 4 + 8, left // 4 : left // 4 + 8]
    inside = slice(1, -1)
    got = resize(to_float(crop), 8)
    torch.testing.assert_close(got[:, :, inside, inside], part[:, :, inside, inside], atol=1e-5, rtol=0)


def test_of_several_candidates_the_most_varied_is_taken() -> None:
    images = pictures(3, 32)
    places = draw_places(3, 7, torch.Generator().manual_seed(4))
    candidates = [
        take_crops(images, 8, factor=4, places=places[:, one : one + 1]) for one in range(places.shape[1])
    ]
    taken = take_crops(images, 8, factor=4, places=places)
    for row in range(3):
        crops = [candidate[row] for candidate in candidates]
        spread = [float(np.var(crop.numpy().astype(np.float64), ddof=1)) for crop in crops]
        assert torch.equal(taken[row], crops[int(np.argmax(spread))])
        assert len(set(spread)) > 1


def test_one_candidate_is_any_place() -> None:
    images = pictures(4, 32)
    one, default = (
        random_crops(images, 8, factor=4, generator=torch.Generator().manual_seed(5), **candidates)
        for candidates in ({"candidates": 1}, {})
    )
    assert torch.equal(one, default)
    # An image of one colour has no varied place; any crop of it will do.
    plain = torch.full((2, 32, 32, 3), 7, dtype=torch.uint8)
    places = draw_places(2, 5, torch.Generator().manual_seed(5))
    assert torch.equal(take_crops(plain, 8, factor=4, places=places), plain[:, :8, :8])


def test_the_whole_image_is_a_crop_too_and_a_larger_one_is_refused() -> None:
    images = pictures(2, 16)
    assert torch.equal(random_crops(images, 16, factor=4, generator=torch.Generator()), images)
    with pytest.raises(ValueError, match=r"image of 16x16 pixels: crops of 32x32 need a larger one"):
        random_crops(images, 32, factor=4, generator=torch.Generator())
