"""Every command in the pages for users is one that the command line understands; their Python runs."""

import io
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

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
# A marked block is only compiled.
PYTHON = re.compile(r"(?P<mark><!-- not run by a test: [^>]+ -->\n)?```python\n(?P<code>.*?)```", re.DOTALL)
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


COMMANDS = [
    words for page in sorted(DOCS.glob("*.md")) for words in commands_of(page.read_text(encoding="utf-8"))
]
# Hydra's own, which are no overrides.
FLAGS = ("-m", "--cfg", "job")


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[:60])
def test_a_command_of_the_pages_composes(words: list[str]) -> None:
    program, verb, *arguments = words
    if program == "make":
        assert f"\n{verb}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
        return
    assert program == "drawbench-eval"
    assert verb in VERBS
    parser = OverridesParser.create()
    overrides = []
    for word in arguments:
        if word in FLAGS:
            continue
        parsed = parser.parse_override(word)
        # Of a sweep one point is tried.
        point = next(parsed.sweep_string_iterator()) if parsed.is_sweep_override() else None
        overrides.append(word if point is None else f"{parsed.get_key_element()}={point}")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        compose(verb, overrides)


@pytest.mark.parametrize(
    "page", [page.name for page in sorted(DOCS.glob("*.md")) if "```python" in page.read_text()]
)
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, one namespace a page; what reads requests from its input gets none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    names: dict[str, object] = {}
    for block in PYTHON.finditer((DOCS / page).read_text(encoding="utf-8")):
        code = compile(block["code"], page, "exec")
        if not block["mark"]:
            exec(code, names)


@pytest.mark.parametrize(("heading", "page"), RECIPES.items())
def test_a_recipe_has_five_commands(heading: str, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    first = BLOCK.findall(section)[0]
    assert len(list(commands_of(f"```sh\n{first}```"))) == 5
