"""Datasets saved on disk, and the Hub's loader on a folder that stands for a repository of the Hub."""

import logging
from pathlib import Path

import datasets
import pytest

from drawbench_eval.prompts import DRAWBENCH, HubDataset, hub_table, read_table, suite_prompts

ROWS = {"prompt": ["a cat", "a dog"], "kind": [1, 0], "image": [None, None]}
FEATURES = datasets.Features(
    {
        "prompt": datasets.Value("string"),
        "kind": datasets.ClassLabel(names=["Animals", "Pets"]),
        "image": datasets.Image(),
    }
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def saved(folder: Path) -> Path:
    datasets.Dataset.from_dict(ROWS, features=FEATURES).save_to_disk(str(folder))
    return folder


def test_a_saved_dataset_has_its_labels_by_name_and_no_images(tmp_path: Path) -> None:
    table = read_table(saved(tmp_path / "set"))
    assert [row.cells for row in table.rows] == [
        {"prompt": "a cat", "kind": "Pets"},
        {"prompt": "a dog", "kind": "Animals"},
    ]
    assert table.rows[1].place == f"{tmp_path / 'set'} row 2"


def test_its_hash_is_of_its_rows(tmp_path: Path) -> None:
    one, two = read_table(saved(tmp_path / "one")), read_table(saved(tmp_path / "two"))
    assert one.sha256 == two.sha256
    other = datasets.Dataset.from_dict({**ROWS, "prompt": ["a cat", "a cow"]}, features=FEATURES)
    other.save_to_disk(str(tmp_path / "other"))
    assert read_table(tmp_path / "other").sha256 != one.sha256


def test_splits(tmp_path: Path) -> None:
    train, test = (datasets.Dataset.from_dict({"prompt": [text]}) for text in ("a", "b"))
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(str(tmp_path / "two"))
    datasets.DatasetDict({"only": test}).save_to_disk(str(tmp_path / "one"))
    assert read_table(tmp_path / "two", split="test").rows[0].cells == {"prompt": "b"}
    assert read_table(tmp_path / "one").rows[0].cells == {"prompt": "b"}
    with pytest.raises(
        ValueError, match=r"prompts\.split: .* has the splits train, test; write prompts\.split"
    ):
        read_table(tmp_path / "two")
    with pytest.raises(ValueError, match=r"prompts\.split: val is none of .* splits: train, test"):
        read_table(tmp_path / "two", split="val")
    with pytest.raises(ValueError, match=r"prompts\.split: .* has no splits"):
        read_table(saved(tmp_path / "plain"), split="test")


def test_a_folder_that_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"prompts\.path: .* cannot be loaded .*; a folder must be one that"):
        read_table(tmp_path)


def test_the_hub_s_loader_reads_a_repository_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "owner" / "drawbench"
    folder.mkdir(parents=True)
    # All two hundred, in a copy's own order.
    rows = [f"{name} {i},{name}" for name, count in DRAWBENCH.counts.items() for i in range(count)]
    (folder / "drawbench.csv").write_text("Prompts,Category\n" + "\n".join(reversed(rows)) + "\n")
    table = hub_table(HubDataset(name=str(folder)))
    assert len(table.rows) == 200
    assert suite_prompts(DRAWBENCH, table).prompts[0].text == "Text 20"
    assert len(hub_table(HubDataset(name=str(folder), split="train[:3]")).rows) == 3


def test_what_the_hub_does_not_give_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def load(*arguments: object, **settings: object) -> None:
        asked.append((arguments, settings))
        logging.getLogger("huggingface_hub.utils").warning("Retrying in 1s")
        raise ConnectionError("Couldn't reach\nthe Hub")

    monkeypatch.setattr(datasets, "load_dataset", load)
    wanted = HubDataset(name="owner/name", config="c", split="test", revision="v1")
    message = (
        r"^prompts\.hub: owner/name cannot be loaded \(ConnectionError: Couldn't reach the Hub\); "
        r"fetch it elsewhere and give prompts\.path=FILE$"
    )
    with pytest.raises(ValueError, match=message):
        hub_table(wanted)
    assert asked == [(("owner/name", "c"), {"split": "test", "revision": "v1"})]
    assert caplog.text == ""
