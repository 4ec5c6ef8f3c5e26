"""What raters of a survey hand in -> canonical ratings under names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
from omegaconf import OmegaConf

from drawbench_eval.commands.door import conf_folder
from drawbench_eval.commands.settings import build, suggestion
from drawbench_eval.files import ensure_folder
from drawbench_eval.ratings import Layout, read_ratings, write_ratings
from drawbench_eval.ratings.shown import SHOWN_FILE, write_shown
from drawbench_eval.ratings.survey import Key, read_key, resolve

# The layouts of what pages save, by the form of the ratings.
PAGE_LAYOUTS = {"pairwise": "survey_pairwise", "pointwise": "survey_pointwise"}


def read_back(key_path: Path, answers: Sequence[Path], *, layout: str | None, output: Path | None) -> None:
    """Write the ratings in files or folders under names, one file a form, and say whose they are.

    images.json beside them says which images raters saw.

    Raises ValueError for answers that cannot be read, and for such as the key does not know.
    """
    key = read_key(key_path)
    resolved = [
        resolve(read_ratings(paths, _layout(name)), key)
        for name, paths in _by_layout(_files(answers), layout).items()
    ]
    output = output or key_path.parent / "ratings"
    ensure_folder(output)
    write_shown(output / SHOWN_FILE, key.images)
    for one in resolved:
        path = output / f"{one.form}.csv"
        write_ratings(path, one.table, one.form)
        raters, controls = one.table["rater_id"].nunique(), int(one.table["is_control"].sum())
        print(f"{path}: {len(one.table) - controls} judgements and {controls} controls of {raters} raters")
        if one.num_saved_twice:
            print(f"  {one.num_saved_twice} answers were saved twice and count once")
        _say_batches(one.table, key)


def _say_batches(table: pd.DataFrame, key: Key) -> None:
    for batch in key.batches:
        answered = table[table["batch_id"] == batch.id].groupby("rater_id").size()
        if len(answered):
            whole = int((answered == len(batch.trials)).sum())
            print(f"  {batch.id}: {len(answered)} raters, {whole} of them answered all of it")


def _files(answers: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in answers:
        found = sorted(path.glob("*.csv")) if path.is_dir() else [path]
        if not found:
            raise ValueError(f"answers: {path} holds no .csv file; name the folder where answers were saved")
        files += found
    return files


def _by_layout(files: Sequence[Path], layout: str | None) -> Mapping[str, list[Path]]:
    """Files by their layout; pages' own tell their form by the header."""
    if layout is not None:
        return {layout: list(files)}
    found: dict[str, list[Path]] = {}
    for path in files:
        try:
            header = path.read_bytes()[:4096].split(b"\n", 1)[0]
        except OSError as error:
            raise ValueError(f"answers: {path} cannot be read ({error.strerror})") from error
        form = "pairwise" if b"model_a" in header else "pointwise"
        found.setdefault(PAGE_LAYOUTS[form], []).append(path)
    return found


def _layout(name: str) -> Layout:
    folder = conf_folder() / "ratings"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = [one.stem for one in folder.glob("*.yaml")]
        raise ValueError(f"layout: {name} is not known{suggestion(name, known)}")
    config = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    return build(Layout, cast(Mapping[str, Any], config), f"layout {name}")
