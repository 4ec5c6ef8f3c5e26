"""Every file under conf/ratings: it composes, and no field of it has a second value to fall back on."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import drawbench_eval.ratings
from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.settings import build
from drawbench_eval.ratings import Layout

FILES = sorted((conf_folder() / "ratings").glob("*.yaml"))
CONFIGS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}


def _keys(config: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield (*path, key)
            yield from _keys(value, (*path, key))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _keys(value, (*path, index))


def _dotted(path: tuple[Any, ...]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


FIELDS = [(name, path) for name, config in CONFIGS.items() for path in _keys(config)]


def test_there_are_layouts_with_many_fields() -> None:
    assert {"canonical_pairwise", "canonical_pointwise", "canonical_proportion"} < set(CONFIGS)
    assert len(FIELDS) > 60 * len(CONFIGS)


@pytest.mark.parametrize(("name", "path"), FIELDS, ids=[f"{name}{_dotted(path)}" for name, path in FIELDS])
def test_a_deleted_field_is_named(name: str, path: tuple[Any, ...]) -> None:
    config = copy.deepcopy(CONFIGS[name])
    part = config
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    message = f"ratings{_dotted(path)}: a value is needed"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build(Layout, config, "ratings")


@pytest.mark.parametrize("name", CONFIGS)
def test_an_unknown_field_is_named(name: str) -> None:
    config = copy.deepcopy(CONFIGS[name])
    config["columns"]["worker"] = "x"
    with pytest.raises(ValueError, match=r"ratings\.columns\.worker: no such setting"):
        build(Layout, config, "ratings")


@pytest.mark.parametrize("name", CONFIGS)
def test_every_layout_composes_as_a_group_of_its_own(name: str) -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = plain(compose(f"ratings/{name}", overrides=["ratings.repeats=keep"]))["ratings"]
    assert build(Layout, config, "ratings") == build(Layout, CONFIGS[name] | {"repeats": "keep"}, "ratings")


IMPORTER = ["answers", "cells", "consistency", "fields", "importing", "judgements", "layout", "orientation"]
IMPORTER += ["questions", "rankings", "rejects", "schema", "sheet", "slots", "spreadsheet"]


def test_the_importer_names_no_data_set() -> None:
    for module in IMPORTER:
        path = Path(drawbench_eval.ratings.__file__).parent / f"{module}.py"
        text = path.read_text(encoding="utf-8").lower()
        for name in ("dsg", "imagenhub", "geneval", "dgm", "evalica", "tifa", "mturk", "mechanical"):
            assert name not in text, module
