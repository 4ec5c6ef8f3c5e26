import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.images.archives import ZipSource
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.fd_scenes import FdScenes
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import compare
from drawbench_eval.references import Reference, coco_reference, folder_reference
from drawbench_eval.store import Store
from tests.drawbench_eval.references.stand_ins import CountingExtractor, captions, folder_of, png, zip_of

DATA = Path(__file__).parents[4] / "shared" / "data"
PHOTOGRAPHS = DATA / "images" / "coco_val2017_sample"
CAPTIONS = DATA / "coco" / "captions_val2017.json"

IDS = (42, 73, 74, 133, 581929)
FILES = {f"val2014/COCO_val2014_{identity:012d}.jpg": png(identity) for identity in IDS}
SQUARE = Preparation(size=4, crop="center", filter="box")


def coco(path: Path, store: Path, matched_to: PromptSet | None = None, **changed: Any) -> Reference:
    settings = {"split": "val2014", "num_images": 5, "column": None} | changed
    preparation = settings.pop("preparation", SQUARE)
    return coco_reference(path, preparation, matched_to=matched_to, store=Store(store), **settings)


def table(columns: dict[str, Sequence[Any]]) -> datasets.Dataset:
    names = list(FILES)
    rows = {"image": [{"bytes": FILES[names[i]], "path": None} for i in columns.pop("row")], **columns}
    features = datasets.Features(
        {"image": datasets.Image(), **{name: datasets.Value("string") for name in columns}}
    )
    return datasets.Dataset.from_dict(rows, features=features)


def test_a_zip_is_read_in_place_in_full(tmp_path: Path) -> None:
    reference = coco(zip_of(tmp_path / "val2014.zip", FILES), tmp_path)
    assert (reference.name, reference.num_images, reference.selection) == ("coco_val2014", 5, "full")
    assert reference.location == str(tmp_path / "val2014.zip")
    assert reference.remarks == ()
    for index, data in enumerate(FILES.values()):
        expected = SQUARE.apply(np.asarray(Image.open(io.BytesIO(data))))
        np.testing.assert_array_equal(reference.draw(index), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file_hashes", "val2014.zip"]


def test_the_prompts_photographs_whatever_their_order(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "val2014.zip", FILES)
    reference = coco(path, tmp_path, captions("581929", "42"))
    assert (reference.name, reference.num_images) == ("coco_val2014_matched", 2)
    drawn = {reference.draw(index).tobytes() for index in range(2)}
    whole = coco(path, tmp_path)
    assert drawn == {whole.draw(0).tobytes(), whole.draw(4).tobytes()}
    assert coco(path, tmp_path, captions("42", "581929")).sha256 == reference.sha256


def test_full_and_matched_are_two_protocols(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "val2014.zip", FILES)
    prompts = captions("42", "73", "74")

    def protocol(matched_to: PromptSet | None) -> Any:
        reference = coco(path, tmp_path, matched_to)
        metric = FdScenes(
            source=DirectFeatures(CountingExtractor()), reference=reference, prompt_set=prompts, conditions={}
        )
        return metric.protocol()

    full, matched = protocol(None), protocol(prompts)
    assert full.id != matched.id
    assert compare(full, matched) == ["reference.n_requested", "reference.selection", "reference.sha256"]
    # Also where the prompts caption all there is.
    every = captions(*map(str, IDS))
    assert compare(protocol(every), full) == ["reference.selection"]


def test_the_same_photographs_are_the_same_reference_wherever_they_lie(tmp_path: Path) -> None:
    zipped = zip_of(tmp_path / "val2014.zip", FILES)
    base = coco(zipped, tmp_path)
    assert folder_reference(zipped, SQUARE, store=Store(tmp_path)).identity() == base.identity()
    assert coco(folder_of(tmp_path / "plain", FILES), tmp_path).sha256 == base.sha256
    later = {f"{identity:012d}.JPG": data for identity, data in zip(IDS, FILES.values(), strict=True)}
    assert coco(folder_of(tmp_path / "as 2017, ü", later), tmp_path).sha256 == base.sha256
    short = {f"{identity}.png": data for identity, data in zip(IDS, FILES.values(), strict=True)}
    assert coco(folder_of(tmp_path / "short", short), tmp_path).sha256 == base.sha256
    rows = table({"row": range(5), "image_id": list(map(str, IDS)), "file": list(FILES)})
    rows.save_to_disk(str(tmp_path / "saved"))
    rows.to_parquet(str(tmp_path / "rows.parquet"))
    for path in (tmp_path / "saved", tmp_path / "rows.parquet"):
        for column in ("image_id", "file"):
            assert coco(path, tmp_path, column=column).identity() == base.identity()
    wanted = captions("73", "133")
    assert (
        coco(tmp_path / "rows.parquet", tmp_path, wanted, column="image_id").identity()
        == coco(zipped, tmp_path, wanted).identity()
    )


def test_a_photograph_with_many_captions_counts_once(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "val2014.zip", FILES)
    reference = coco(path, tmp_path, captions("42", "73", "42"))
    assert reference.num_images == 2
    assert reference.remarks == ("3 prompts caption 2 photographs; each counts once",)
    # A dataset has a row for each caption.
    rows = table({"row": [0, 0, 1, 2, 3, 4], "id": ["42", "42", "73", "74", "133", "581929"]})
    rows.to_parquet(str(tmp_path / "rows.parquet"))
    repeated = coco(tmp_path / "rows.parquet", tmp_path, column="id")
    assert repeated.sha256 == coco(path, tmp_path).sha256
    assert repeated.remarks == ("6 rows hold 5 photographs; the first row of each counts",)


def test_no_photograph_is_read_twice_for_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of(tmp_path / "val2014.zip", FILES)
    reads: Counter[str] = Counter()
    read = ZipSource.read

    def counted(self: ZipSource, name: str) -> bytes:
        reads[name] += 1
        return read(self, name)

    monkeypatch.setattr(ZipSource, "read", counted)
    coco(path, tmp_path, captions("42", "74"))
    assert reads == Counter(f"val2014/COCO_val2014_{identity:012d}.jpg" for identity in (42, 74))
    coco(path, tmp_path)
    reads.clear()
    coco(path, tmp_path)
    coco(path, tmp_path, captions("42", "74"))
    assert not reads


@pytest.mark.parametrize(
    ("files", "changed", "message"),
    [
        ({}, {"num_images": 40504}, "holds 5 photographs and val2014 has 40,504; .* reference.num_images=5"),
        ({"a.txt": b"x"}, {}, ""),
        (
            {"val2014/thumbnail.jpg": b"x"},
            {},
            r"1 of 6 names tell no image id, such as 'val2014/thumbnail.jpg'",
        ),
        ({"00000007.jpg": b"x"}, {}, "1 of 6 names tell no image id, such as '00000007.jpg'"),
        (
            {"train2014/COCO_train2014_000000000009.jpg": b"x"},
            {},
            "train2014/COCO_train2014_000000000009.jpg is of train2014, not of val2014",
        ),
        (
            {"thumbnails/000000000042.jpg": b"x"},
            {},
            "thumbnails/000000000042.jpg and val2014/COCO_val2014_000000000042.jpg are both image 42",
        ),
        ({}, {"column": "image_id"}, r"reference.column: .*val2014.zip: has no columns"),
        ({}, {"split": "val2015"}, "is of val2014, not of val2015"),
    ],
)
def test_what_is_not_the_split_is_refused(
    tmp_path: Path, files: dict[str, bytes], changed: dict[str, Any], message: str
) -> None:
    path = zip_of(tmp_path / "val2014.zip", {**FILES, **files})
    if not message:
        assert coco(path, tmp_path, **changed).num_images == 5
        return
    with pytest.raises(ValueError, match=message) as caught:
        coco(path, tmp_path, **changed)
    assert str(caught.value).startswith("reference.")
    assert "\n" not in str(caught.value)


def test_any_number_is_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "val2014.zip", dict(list(FILES.items())[:3]))
    assert coco(path, tmp_path, num_images=None).num_images == 3
    # What is matched need not be whole.
    assert coco(path, tmp_path, captions("42"), num_images=40504).num_images == 1


def test_ids_that_are_not_in_the_reference_are_counted_and_named(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "val2014.zip", FILES)
    absent = [str(identity) for identity in range(1000, 1012)]
    with pytest.raises(ValueError, match="lacks 12 of the 14 photographs") as caught:
        coco(path, tmp_path, captions("42", *absent, "73"))
    assert str(caught.value) == (
        f"reference.path: {path} lacks 12 of the 14 photographs that some-captions captions: "
        "1000, 1001, 1002, 1003, 1004, ..."
    )
    with pytest.raises(ValueError, match=r"lacks 1 of the 2 photographs that some-captions captions: 7$"):
        coco(path, tmp_path, captions("7", "42"))
    with pytest.raises(
        ValueError, match=r"2 of 3 prompts of some-captions have no image_id, such as 'caption-1'"
    ):
        coco(path, tmp_path, captions("42", None, None))


def test_a_dataset_must_name_its_ids(tmp_path: Path) -> None:
    rows = table({"row": range(5), "sentids": ["a", "b", "c", "d", "e"]})
    rows.to_parquet(str(tmp_path / "rows.parquet"))
    with pytest.raises(
        ValueError, match=r"names tell no image id, such as '00000000'.*reference.column=image_id"
    ):
        coco(tmp_path / "rows.parquet", tmp_path)
    with pytest.raises(ValueError, match=r"^reference.column: .*no column 'image_id'; it has image, sentids"):
        coco(tmp_path / "rows.parquet", tmp_path, column="image_id")
    with pytest.raises(ValueError, match="5 of 5 names tell no image id, such as 'a'"):
        coco(tmp_path / "rows.parquet", tmp_path, column="sentids")


def test_nothing_is_no_reference(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("none")
    with pytest.raises(ValueError, match=r"^reference\.path: .* holds no images"):
        coco(tmp_path, tmp_path / "store")
    with pytest.raises(ValueError, match=r"gone.zip: not found"):
        coco(tmp_path / "gone.zip", tmp_path / "store")
    half = tmp_path / "half.zip"
    half.write_bytes(zip_of(tmp_path / "whole.zip", FILES).read_bytes()[:200])
    with pytest.raises(ValueError, match=r"half.zip: not a readable zip archive"):
        coco(half, tmp_path / "store")


@pytest.mark.shared_data
@pytest.mark.skipif(not PHOTOGRAPHS.exists(), reason="needs ../shared/data")
def test_real_photographs_and_captions(tmp_path: Path) -> None:
    there = sorted(int(path.stem) for path in PHOTOGRAPHS.glob("*.jpg"))
    annotations = json.loads(CAPTIONS.read_text(encoding="utf-8"))["annotations"]
    asked = [row for row in annotations if row["image_id"] in there]
    prompts = PromptSet(
        name="captions",
        prompts=tuple(
            Prompt(id=str(row["id"]), text=row["caption"], image_id=str(row["image_id"])) for row in asked
        ),
    )
    prepared = Preparation(size=256, crop="center")
    full = coco(PHOTOGRAPHS, tmp_path, split="val2017", num_images=159, preparation=prepared)
    matched = coco(PHOTOGRAPHS, tmp_path, prompts, split="val2017", num_images=159, preparation=prepared)
    assert (full.num_images, matched.num_images) == (159, 159)
    assert full.sha256 == matched.sha256
    assert matched.remarks == (f"{len(asked)} prompts caption 159 photographs; each counts once",)
    # The photographs are of many sizes, and one file is of gray pixels.
    assert {full.draw(index).shape for index in range(159)} == {(256, 256, 3)}
    files = [Image.open(io.BytesIO(path.read_bytes())) for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]
    (gray,) = (index for index, file in enumerate(files) if file.mode == "L")
    assert (full.draw(gray) == full.draw(gray)[..., :1]).all()
    native = coco(PHOTOGRAPHS, tmp_path, split="val2017", num_images=None, preparation=Preparation())
    assert len({native.draw(index).shape for index in range(159)}) > 20
    unknown = replace(prompts, prompts=(*prompts.prompts, Prompt(id="x", text="", image_id="1")))
    with pytest.raises(ValueError, match=r"lacks 1 of the 160 photographs that captions captions: 1$"):
        coco(PHOTOGRAPHS, tmp_path, unknown, split="val2017")
    with pytest.raises(ValueError, match=r"holds 159 photographs and val2017 has 5,000"):
        coco(PHOTOGRAPHS, tmp_path, split="val2017", num_images=5000)
