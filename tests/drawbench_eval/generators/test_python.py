import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outside_model import batch, made, picture
from PIL import Image

from drawbench_eval.generators.base import Streaming
from drawbench_eval.generators.python import (
    ModelFailedError,
    PythonGenerator,
    PythonSettings,
    checked_images,
    make,
)

# Ten lines, outside the repository.
PACKAGE = """
import numpy as np
from somebodys_model.palette import SHADE

def sample(prompts, seeds, shade=0, flip=False):
    images = []
    for prompt, seed in zip(prompts, seeds):
        pixels = np.random.default_rng([seed, len(prompt)]).integers(0, 128, (6, 5, 3), dtype=np.uint8)
        images.append(pixels + np.uint8(shade + SHADE))
    return images[::-1] if flip else images
"""


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """The folder of a package `somebodys_model`, which is forgotten afterwards."""
    folder = tmp_path / "some where"
    (folder / "somebodys_model" / "draw").mkdir(parents=True)
    (folder / "somebodys_model" / "__init__.py").write_text("")
    (folder / "somebodys_model" / "palette.py").write_text("SHADE = 0\n")
    (folder / "somebodys_model" / "draw" / "__init__.py").write_text(PACKAGE)
    before = list(sys.path)
    yield folder
    sys.path[:] = before
    forget()


def forget() -> None:
    """What a new process would not know."""
    for name in [name for name in sys.modules if name.startswith("somebodys_model")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def generator(folder: Path, **settings: Any) -> PythonGenerator:
    settings = {"target": "somebodys_model.draw:sample", "path": folder, **settings}
    return make(PythonSettings(**settings), device="cpu", precision="float32")


def test_a_function_of_somebody_else_makes_the_images(package: Path) -> None:
    model = generator(package, settings={"shade": 100})
    assert isinstance(model, Streaming)
    requests = batch(5)
    for size in (1, 2, 50):
        images = made(model, requests, batch_size=size)
        for image, request in zip(images, requests, strict=True):
            np.testing.assert_array_equal(image, picture(request.prompt, request.seed, 100))
    assert [len(finished) for finished in model.stream(requests, batch_size=2)] == [2, 2, 1]
    assert model.label == "somebodys-model.draw-sample"


def test_settings_source_and_weights_say_which_model_it_is(package: Path) -> None:
    def identity(**settings: Any) -> dict[str, Any]:
        forget()
        return dict(generator(package, **settings).identity)

    plain = identity()
    assert plain["model.target"] == "somebodys_model.draw:sample"
    assert len(plain["model.source_sha256"]) == 64
    assert identity() == plain
    assert identity(settings={"shade": 1}) == plain | {"model.settings.shade": 1}
    # Reports know the weight of guidance by this name, whatever the model.
    weighed = "def sample(prompts, seeds, guidance_weight): pass\n"
    (package / "somebodys_model" / "weighed.py").write_text(weighed)
    settings = {"guidance_weight": 3}
    named = identity(target="somebodys_model.weighed:sample", settings=settings, guidance_kind="cfg")
    assert (named["model.guidance_weight"], named["model.guidance_kind"]) == (3, "cfg")
    # Another module of the package has changed: so has the model.
    changed = identity()
    assert changed["model.source_sha256"] != plain["model.source_sha256"]
    (package / "somebodys_model" / "palette.py").write_text("SHADE = 1\n")
    assert identity()["model.source_sha256"] not in (
        changed["model.source_sha256"],
        plain["model.source_sha256"],
    )
    stated = identity(version="v1")
    assert stated["model.stated_version"] == "v1"
    assert "model.source_sha256" not in stated
    (package / "somebodys_model" / "palette.py").write_text("SHADE = 2\n")
    assert identity(version="v1") == stated
    checkpoint = package / "model.bin"
    checkpoint.write_bytes(b"1")
    first = identity(version="v1", weights=(checkpoint,))
    checkpoint.write_bytes(b"2")
    second = identity(version="v1", weights=(checkpoint,))
    assert first.keys() - stated.keys() == {"model.weights.model.bin"}
    assert first != second


def test_the_source_is_that_which_was_imported(package: Path) -> None:
    before = generator(package).identity
    (package / "somebodys_model" / "palette.py").write_text("SHADE = 9\n")
    # This process still runs the old one.
    assert generator(package).identity == before
    forget()
    assert generator(package).identity != before


def test_a_module_of_one_file_and_a_method_are_targets_too(package: Path) -> None:
    text = "class Model:\n    @staticmethod\n    def draw(prompts, seeds):\n        return [None]\n"
    (package / "somebodys_model_alone.py").write_text(text)
    one = generator(package, target="somebodys_model_alone:Model.draw")
    forget()
    (package / "neighbour.py").write_text("")
    assert generator(package, target="somebodys_model_alone:Model.draw").identity == one.identity


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "somebodys_model"}, r"^target: 'somebodys_model' is not MODULE:FUNCTION, such as"),
        ({"target": "a b:c"}, r"^target: 'a b:c' is not MODULE:FUNCTION"),
        (
            {"target": "somebodys_model_not:x"},
            r"^model\.target: somebodys_model_not cannot be imported \(No module",
        ),
        ({"target": "somebodys_model.draw:paint"}, r"^model\.target: somebodys_model\.draw has no paint$"),
        ({"target": "somebodys_model.palette:SHADE"}, r"SHADE is a int, not a function$"),
        (
            {"settings": {"shadow": 1}},
            (
                r"^model\.settings: somebodys_model\.draw:sample\(prompts, seeds, shade, flip\) cannot be "
                r"called with \(prompts, seeds, shadow\): got an unexpected keyword argument 'shadow'$"
            ),
        ),
        ({"settings": {"shade": float("inf")}}, r"^model\.settings\.shade: inf: only finite numbers"),
        ({"weights": (Path("/nowhere/a.bin"),)}, r"^model\.weights: /nowhere/a\.bin is not there$"),
        ({"path": Path("/nowhere")}, r"^path: /nowhere is not a folder to import from$"),
        (
            {"target": "math:hypot", "path": None},
            r"^model\.version: math:hypot has no source that could be hashed",
        ),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(
    package: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        generator(package, **settings)
    assert "\n" not in str(caught.value)


def test_a_namesake_from_elsewhere_is_not_taken_for_the_model(package: Path, tmp_path: Path) -> None:
    generator(package)
    (tmp_path / "other").mkdir()
    with pytest.raises(
        ValueError, match=r"other is not where somebodys_model\.draw came from \(.*; one process"
    ):
        generator(tmp_path / "other")


def test_a_function_that_raises_is_named_with_where_it_was(package: Path) -> None:
    (package / "somebodys_model" / "draw" / "__init__.py").write_text(
        "def sample(prompts, seeds):\n    raise ValueError('out of paint')\n"
    )
    message = (
        r"^somebodys_model\.draw:sample failed on 2 prompts, from p 0/ü-00 on \(ValueError: out of paint\)"
    )
    with pytest.raises(ModelFailedError, match=message) as caught:
        made(generator(package), batch(3))
    assert isinstance(caught.value.__cause__, ValueError)


ARRAYS = [picture("a", 1), picture("b", 2)]


@pytest.mark.parametrize(
    "answer",
    [
        ARRAYS,
        tuple(ARRAYS),
        np.stack(ARRAYS),
        torch.from_numpy(np.stack(ARRAYS)).permute(0, 3, 1, 2),
        [Image.fromarray(array) for array in ARRAYS],
        [Image.fromarray(ARRAYS[0]).convert("RGBA"), ARRAYS[1]],
    ],
)
def test_images_may_come_as_arrays_tensors_and_pillow_images(answer: Any) -> None:
    for image, expected in zip(checked_images(answer, 2), ARRAYS, strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: None, "a NoneType; it must give a list or an array of uint8 images"),
        (lambda: iter(ARRAYS), "a list_iterator; it must give a list"),
        (lambda: ARRAYS[:1], "1 images for 2 prompts; it must give one for each"),
        (lambda: ARRAYS[0], r"6 images for 2 prompts \(an array of shape \[6, 5, 3\]\)"),
        (
            lambda: [ARRAYS[0] / np.float32(255), ARRAYS[1]],
            "float32 as image 0; it must be uint8 RGB, 0 to 255",
        ),
        (lambda: [ARRAYS[0], ARRAYS[1].astype(np.int64)], "int64 as image 1; it must be uint8"),
        (lambda: torch.zeros(2, 3, 4, 4), "float32 as image 0; it must be uint8"),
        (lambda: [ARRAYS[0], None], "NoneType as image 1; it must be uint8"),
        (
            lambda: np.zeros((2, 6, 5), np.uint8),
            r"image 0: shape \[6, 5\]; it must be RGB \[height, width, 3\]",
        ),
        (
            lambda: np.zeros((2, 3, 6, 5), np.uint8),
            r"image 0: shape \[3, 6, 5\]; it must be RGB \[height, width",
        ),
        (lambda: [ARRAYS[0], np.zeros((0, 5, 3), np.uint8)], r"image 1: shape \[0, 5, 3\]"),
    ],
)
def test_a_wrong_answer_is_told_in_one_line(change: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_images(change(), 2)


def test_a_wrong_answer_names_the_function(package: Path) -> None:
    (package / "somebodys_model" / "few.py").write_text("def sample(prompts, seeds): return prompts[:1]\n")
    with pytest.raises(ValueError, match=r"^model\.target: somebodys_model\.few:sample gave 1 images for 2"):
        made(generator(package, target="somebodys_model.few:sample"), batch(2))
