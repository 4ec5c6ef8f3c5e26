"""A few small images with captions, good and bad, as a folder, shards and a saved dataset."""

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

GOOD = ("a.png", "b.jpg", "c.png", "sub/d.png")
CAPTIONS = {
    "a.png": ["a red, round thing"],
    "b.jpg": ["first of b", "", "second of b"],
    "c.png": ["  spaces around  "],
    "sub/d.png": ["d"],
    "cut.png": ["cut short"],
    "silent.png": ["  "],
    "tiny.png": ["tiny"],
    "gone.png": ["not there"],
}
# Kind of problem -> images.
BAD = {
    "unreadable": ["cut.png"],
    "empty caption": ["silent.png", "b.jpg"],
    "too small": ["tiny.png"],
    "missing": ["gone.png"],
    "no caption": ["unsaid.png"],
}
SIDE = 16


def pixels(name: str) -> np.ndarray:
    """What is drawn under a name: 24 high, 20 wide."""
    shape = (8, 30, 3) if name == "tiny.png" else (24, 20, 3)
    return np.random.default_rng(list(name.encode())).integers(0, 256, shape, dtype=np.uint8)


def encoded(name: str) -> bytes:
    """The file's bytes; those of cut.png end too early."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(name)).save(buffer, format="JPEG" if name.endswith("jpg") else "PNG")
    content = buffer.getvalue()
    return content[: len(content) // 2] if name == "cut.png" else content


def write_folder(folder: Path) -> Path:
    """Images, and captions.csv with one row a caption; unsaid.png has none, gone.png is only in the table."""
    for name in [*CAPTIONS, "unsaid.png"]:
        if name != "gone.png":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(encoded(name))
    with (folder / "captions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "caption"])
        writer.writerows((name, text) for name, texts in CAPTIONS.items() for text in texts)
    return folder


def write_shards(folder: Path) -> Path:
    """The same as two webdataset shards; captions in .txt, or several in .json."""
    folder.mkdir(parents=True)
    names = list(CAPTIONS)
    for number, members in enumerate((names[:4], [*names[4:], "unsaid.png"])):
        with tarfile.open(folder / f"{number}.tar", "w") as archive:
            for name in members:
                stem, _, ending = name.rpartition(".")
                files = {} if name == "gone.png" else {ending: encoded(name)}
                files["json"] = json.dumps({"width": 20, "texts": CAPTIONS.get(name)}).encode()
                if name in CAPTIONS:
                    files["txt"] = CAPTIONS[name][0].encode()
                for each, content in files.items():
                    member = tarfile.TarInfo(f"{stem}.{each}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return folder


def write_dataset(folder: Path) -> Path:
    """The same as a saved dataset of the splits train and test."""
    import datasets

    names = [*CAPTIONS, "unsaid.png"]
    cells = [None if name == "gone.png" else {"bytes": encoded(name), "path": None} for name in names]
    columns = {"picture": cells, "captions": [CAPTIONS.get(name, []) for name in names], "name": names}
    features = datasets.Features(
        picture=datasets.Image(),
        captions=datasets.List(datasets.Value("string")),
        name=datasets.Value("string"),
    )
    rows = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict(train=rows, test=rows.select([0])).save_to_disk(str(folder))
    return folder
