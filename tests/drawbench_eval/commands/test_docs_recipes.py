"""The recipes of the pages, command by command, on stand-ins: few prompts, tiny images, random weights.

A command that fetches something says so in its comment; it runs here only where a stand-in is named.
"""

import json
import os
import re
import shlex
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Run
from drawbench_copy import write_drawbench
from filled_pages import answers_of
from image_sets import image_set
from PIL import Image
from tiny_clip import make_clip

pytestmark = pytest.mark.filterwarnings("ignore:QuickGELU mismatch:UserWarning")

DOCS = Path(__file__).parents[3] / "docs"
SH = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PROMPTS = {"p0": "amber cups", "p1": "bronze kettles", "p2": "copper spoons", "p3": "dusty plates"}
IDS = (42, 73, 133)


def section_of(page: str, heading: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert f"## {heading}\n" in text
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def commands_of(block: str) -> list[tuple[list[str], bool]]:
    """Words of each command, and whether its comment says that it fetches something."""
    lines = block.replace("\\\n", " ").splitlines()
    return [(shlex.split(line, comments=True), "# fetches" in line) for line in lines]


def write_prompts(folder: Path) -> None:
    pd.DataFrame({"id": list(PROMPTS), "prompt": list(PROMPTS.values())}).to_csv(
        folder / "prompts.csv", index=False
    )


def write_images(folder: Path, names: list[str], *, side: int = 64) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.name))
    for name in names:
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / name)


def numbered(count: int) -> list[str]:
    return [f"{identity}_{sample}.png" for identity in PROMPTS for sample in range(count)]


def a_folder(folder: Path) -> None:
    write_prompts(folder)
    write_images(folder / "IMAGES", numbered(2))


def a_model(folder: Path) -> None:
    section = section_of("models.md", "I have a model")
    python = re.search(r"```python\n# (elsewhere/noise.py)\n(.*?)```", section, re.DOTALL)
    assert python is not None
    (folder / "elsewhere").mkdir()
    (folder / python[1]).write_text(python[2])
    write_drawbench(folder / "drawbench.csv")


def drawbench(folder: Path) -> None:
    write_drawbench(folder / "drawbench.csv")
    for name in ("SD", "OURS"):
        image_set(folder / "results" / "runs" / name / "samples", PROMPTS, num_images=8)


def coco(folder: Path) -> None:
    captions = {
        "images": [{"id": one, "file_name": f"COCO_val2014_{one:012d}.jpg"} for one in IDS],
        "annotations": [
            {"id": 10 * one + k, "image_id": one, "caption": f"caption {k} of {one}"}
            for one in IDS
            for k in range(2)
        ],
    }
    (folder / "captions_val2014.json").write_text(json.dumps(captions))
    names = [f"COCO_val2014_{one:012d}.jpg" for one in IDS]
    write_images(folder / "val2014", names)
    with zipfile.ZipFile(folder / "val2014.zip", "w") as archive:
        for name in names:
            archive.write(folder / "val2014" / name, f"val2014/{name}")


def three_models(folder: Path) -> None:
    for name in ("stable-diffusion", "glide", "dallev2"):
        write_images(folder / "visor" / name, numbered(3))
    write_prompts(folder / "visor")
    write_images(folder / "coco_val2017_sample", [f"{number}.jpg" for number in range(12)])


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`small`: what makes a verb's commands small. `clip`: commands, from 1, that a CLIP stands in for."""

    page: str
    prepare: Callable[[Path], None]
    small: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clip: tuple[int, ...] = ()


FEW = ("prompts.limit=3",)
RECIPES = {
    "I have a folder of images": Recipe(page="models.md", prepare=a_folder, clip=(3,)),
    "I have a model": Recipe(
        page="models.md", prepare=a_model, small={"generate": FEW, "evaluate": FEW}, clip=(5,)
    ),
    "I want DrawBench": Recipe(
        page="prompts.md",
        prepare=drawbench,
        small={"survey": ("controls_per_batch=2", "crowd.pictures=null")},
    ),
    "I want COCO FID-30K": Recipe(
        page="references.md",
        prepare=coco,
        small={"prompts": ("prompts.size=3",), "reference": ("reference.num_images=3",)},
    ),
    "I want to compare three models": Recipe(
        page="compare.md", prepare=three_models, small={"compare": ("compare.grid.prompts=2",)}
    ),
}


@pytest.mark.parametrize("heading", RECIPES)
def test_the_commands_of_a_recipe_run(run: Run, heading: str, tmp_path: Path) -> None:
    recipe = RECIPES[heading]
    recipe.prepare(tmp_path)
    commands = commands_of(SH.findall(section_of(recipe.page, heading))[0])
    assert len(commands) == 5
    num_run = 0
    for number, (words, fetches) in enumerate(commands, start=1):
        if fetches and number not in recipe.clip:
            continue
        _, verb, *rest = words
        clip = make_clip(tmp_path / f"clip-{number}") if number in recipe.clip else ()
        done = run(verb, *rest, *recipe.small.get(verb, ()), *clip)
        assert done.code == 0, (words, done.err)
        num_run += 1
    assert num_run >= 2


def test_the_program_of_the_page_makes_images(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = section_of("models.md", "I have a model")
    python = re.search(r"```python\n# (elsewhere/gen.py)\n(.*?)```", section, re.DOTALL)
    assert python is not None
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / python[1]).write_text(python[2])
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    (command,) = (
        words for block in SH.findall(section) for words, _ in commands_of(block) if "=command" in words[2]
    )
    done = run(*command[1:], *FEW)
    assert done.code == 0, done.err
    assert len(list(tmp_path.glob("results/samples/gen-*/*.png"))) == 3


def test_the_model_in_one_line_of_the_page_is_swept(run: Run, tmp_path: Path) -> None:
    section = section_of("extend.md", "A model in one line")
    python = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert python is not None
    (tmp_path / "grey.py").write_text(python[1])
    ((words, _),) = commands_of(SH.findall(section)[0])
    done = run(*words[1:], *FEW)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == "3 of 3 points complete"
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/run.json")]
    assert {record["factors"]["model.settings.shade"] for record in records} == {64, 128, 255}
    assert {record["counts"]["blank"] for record in records} == {0}


def test_the_sweep_of_the_tutorial_is_that_of_the_readme_and_its_other_commands_run(run: Run) -> None:
    blocks = SH.findall(section_of("tutorial.md", "A sweep of one's own"))
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8").replace(".venv/bin/", "")
    assert f"```sh\n{blocks[0]}```" in readme
    for words, _ in commands_of(blocks[1]):
        done = run(*words[1:])
        assert done.code == 0, done.err


def test_the_five_commands_from_survey_to_bar_chart_run(run: Run, tmp_path: Path) -> None:
    blocks = SH.findall(section_of("ratings.md", "Five commands"))
    commands = [words for block in blocks for words, _ in commands_of(block)]
    assert [words[1] for words in commands] == ["generate", "generate", "survey", "survey", "ratings"]
    small = {
        "generate": (
            "model.num_steps=1",
            "model.sr64.num_steps=1",
            "prompts.limit=2",
            "num_images_per_prompt=2",
        ),
        "survey": ("images_per_set=2", "controls_per_batch=2", "crowd.pictures=null"),
        "ratings": ("num_draws=100",),
    }
    written: dict[str, str] = {}
    for words in commands:
        _, verb, *rest = words
        key = any(word.startswith("key=") for word in rest)
        if key:
            answers_of(tmp_path / "study" / "key.json", tmp_path / "answers")
        for name, folder in written.items():
            rest = [word.replace(name.upper(), folder) for word in rest]
        done = run(verb, *rest, *(() if key else small[verb]))
        assert done.code == 0, (words, done.err)
        if verb == "generate":
            label = next(word.removeprefix("label=") for word in rest if word.startswith("label="))
            written[label] = next(
                line.split(":")[0] for line in done.err.splitlines() if f"/{label}-" in line and ":" in line
            )
    assert list(tmp_path.glob("results/ratings/pairwise-*/figures/preference-01.png"))
