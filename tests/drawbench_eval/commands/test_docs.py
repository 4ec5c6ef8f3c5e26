"""Every command in the pages for users is one that the command line understands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from drawbench_eval.cli import VERBS
from drawbench_eval.commands.door import conf_folder

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("prompts.md", "references.md", "models.md", "compare.md", "ratings.md", "training.md", "reports.md")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
RECIPES = {
    "I want DrawBench": "prompts.md",
    "I want COCO FID-30K": "references.md",
    "I have a folder of images": "models.md",
    "I have a model": "models.md",
    "I want to compare three models": "compare.md",
}


def commands_of(text: str) -> Iterator[list[str]]:
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


COMMANDS = [words for page in PAGES for words in commands_of((DOCS / page).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[:60])
def test_a_command_of_the_pages_composes(words: list[str]) -> None:
    program, verb, *arguments = words
    assert program == "drawbench-eval"
    assert verb in VERBS
    parser = OverridesParser.create()
    overrides = []
    for word in arguments:
        if word == "-m":
            continue
        parsed = parser.parse_override(word)
        # Of a sweep one point is tried.
        point = next(parsed.sweep_string_iterator()) if parsed.is_sweep_override() else None
        overrides.append(word if point is None else f"{parsed.get_key_element()}={point}")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        compose(verb, overrides)


@pytest.mark.parametrize(("heading", "page"), RECIPES.items())
def test_a_recipe_has_five_commands(heading: str, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    first = BLOCK.findall(section)[0]
    assert len(list(commands_of(f"```sh\n{first}```"))) == 5
