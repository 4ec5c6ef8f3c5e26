import numpy as np
import pytest

from drawbench_eval.report.image_rows import Images, rows_gallery
from drawbench_eval.report.style import TEXT_WIDTH, in_lines, shortened
from drawbench_eval.samples import Sample, SampleSet, save_image

LONG = "stable-diffusion with a very long and descriptive name of its checkpoint v1.5-ema-pruned-fp16"


def test_long_names_keep_both_ends_and_stay_within_their_room():
    assert shortened("short") == "short"
    assert shortened(LONG, 20) == "stable-dif…uned-fp16"
    assert shortened(LONG + "-b", 20) != shortened(LONG + "-c", 20)
    for name in (LONG, "x" * 90, LONG.replace(" ", "_"), "a b"):
        for longest in (8, 22):
            lines = in_lines(name, longest).splitlines()
            assert len(lines) <= 2
            assert max(map(len, lines)) <= longest
    assert in_lines("two words", 22) == "two words"


@pytest.mark.parametrize("num_images", [2, 4])
def test_sets_of_long_names_have_room_for_their_images(tmp_path, num_images):
    for name in (LONG, "plain"):
        samples = []
        for index in range(num_images):
            path = f"p-{index}.png"
            pixels = np.random.default_rng(index).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            digest = save_image(tmp_path / name / path, pixels)
            samples.append(
                Sample(
                    sample_id=f"p-{index}",
                    prompt_id="p",
                    prompt="a circle",
                    category="",
                    seed=index,
                    path=path,
                    sha256=digest,
                )
            )
        SampleSet.write(tmp_path / name, samples, made_by={})
    images = Images({name: tmp_path / name for name in (LONG, "plain")})
    gallery = rows_gallery("samples", images, {"p": ""}, what="set", num_prompts=1, num_images=num_images)
    ((picture, _, _),) = gallery.pictures
    assert 1.5 < picture.width <= TEXT_WIDTH / 2
    assert LONG in picture.data
