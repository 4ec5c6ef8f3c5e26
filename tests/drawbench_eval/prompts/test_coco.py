"""Lists and official annotations of COCO, and the protocols of choosing from them."""

import csv
import hashlib
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Literal

import pytest

from drawbench_eval.prompt import PromptSet
from drawbench_eval.prompts import CocoSelection, coco_prompts
from drawbench_eval.prompts.coco_captions import ListColumns

DATA = Path(__file__).parents[4] / "shared" / "data"
VAL2017 = DATA / "coco" / "captions_val2017.json"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")

LIST = CocoSelection(selection="list")


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def annotations(folder: Path, *, images: int = 30, reverse: bool = False) -> Path:
    """Three captions an image, not sorted by image; every fifth image shows a man."""
    entries = [
        {
            "image_id": 100 + image,
            "id": 10_000 + 1000 * number + image,
            "caption": f"{'a man' if image % 5 == 0 else 'a cat'} {image} {number}",
        }
        for number in range(3)
        for image in range(images)
    ]
    if reverse:
        entries.reverse()
    content = {"images": [{"id": 100 + image} for image in range(images)], "annotations": entries}
    return write(folder, "captions_val2014.json", content)


def choices(prompts: PromptSet) -> dict[str, Any]:
    assert prompts.source is not None
    return dict(prompts.source.choices)


LISTS = {
    "number.csv": 'image_id,text\n42,"a cat\non a mat"\n7,a dog\n',
    "uce.csv": "case_number,source,prompt,evaluation_seed,coco_id\n"
    '0,coco-30k,"a cat\non a mat",41,42\n1,coco-30k,a dog,63,7\n',
    "rows.json": [
        {"image_id": 42, "id": 1, "caption": "a cat\non a mat"},
        {"image_id": "7", "id": 2, "caption": "a dog"},
    ],
    "names.json": {
        "1-COCO_val2014_000000000042.jpg": "a cat\non a mat",
        "2-COCO_val2014_000000000007.jpg": "a dog",
    },
    "files.jsonl": '{"file_name": "COCO_val2014_000000000042.jpg", "caption": "a cat\\non a mat", "id": 1}\n'
    '{"file_name": "val/COCO_val2014_000000000007.jpg", "caption": "a dog", "id": 2}\n',
    "uid.csv": 'uid,caption\n42_mscoco_0,"a cat\non a mat"\n7_mscoco_4,a dog\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_every_shape_of_list_gives_the_same_prompts(tmp_path: Path, name: str) -> None:
    prompts = coco_prompts(write(tmp_path, name, LISTS[name]), LIST)
    assert [(p.id, p.image_id, p.text) for p in prompts.prompts] == [
        ("42", "42", "a cat\non a mat"),
        ("7", "7", "a dog"),
    ]
    with_captions = name in ("rows.json", "names.json", "files.jsonl")
    assert [p.caption_id for p in prompts.prompts] == (["1", "2"] if with_captions else [None, None])
    assert choices(prompts) == {
        "selection": "list",
        "caption": None,
        "level": "image",
        "subset": "original",
        "available": 2,
        "size": 2,
        "seed": None,
        "num_images": 2,
    }


def test_what_else_a_list_says_is_kept(tmp_path: Path) -> None:
    (first, _) = coco_prompts(write(tmp_path, "uce.csv", LISTS["uce.csv"]), LIST).prompts
    assert first.metadata == {"case_number": "0", "source": "coco-30k", "evaluation_seed": "41"}


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.csv", "photo,id,what,text\n42,1,a cat,x\n")
    columns = ListColumns(text="what", image_id="photo", caption_id="id")
    (prompt,) = coco_prompts(path, LIST, columns).prompts
    assert (prompt.image_id, prompt.caption_id, prompt.text) == ("42", "1", "a cat")
    with pytest.raises(
        ValueError, match=r"prompts\.columns\.image_id: .* has no column 'foto'; it has photo, id"
    ):
        coco_prompts(path, LIST, ListColumns(image_id="foto"))


def test_a_list_that_repeats_images_is_of_captions(tmp_path: Path) -> None:
    path = write(tmp_path, "l.csv", "image_id,text\n42,a cat\n7,a dog\n42,a grey cat\n42,a cat\n")
    prompts = coco_prompts(path, LIST)
    ids = [prompt.id for prompt in prompts.prompts]
    assert len(set(ids)) == 4
    assert [identity.split("-")[0] for identity in ids] == ["42", "7", "42", "42"]
    assert ids[3] == f"{ids[0]}-2"
    assert choices(prompts)["level"] == "caption"
    assert choices(prompts)["num_images"] == 2
    assert prompts.source is not None
    assert prompts.source.remarks[0].startswith("caption-level: 4 captions of 2 images")
    named = write(tmp_path, "l.json", [{"image_id": 42, "id": n, "caption": "a cat"} for n in (5, 6)])
    assert [prompt.id for prompt in coco_prompts(named, LIST).prompts] == ["5", "6"]


def test_one_caption_an_image_first_or_random(tmp_path: Path) -> None:
    path = annotations(tmp_path)

    def drawn(caption: Literal["first", "random"], seed: int = 0, size: int | None = None) -> PromptSet:
        return coco_prompts(
            path,
            CocoSelection(selection="images_one_caption_each", caption=caption, size=size, seed=seed),
        )

    first = drawn("first")
    assert sorted(prompt.id for prompt in first.prompts) == [str(100 + image) for image in range(30)]
    assert all(prompt.text.endswith(" 0") for prompt in first.prompts)
    assert all(prompt.caption_id == str(9_900 + int(prompt.id)) for prompt in first.prompts)
    assert choices(first)["level"] == "image"
    assert choices(first)["seed"] is None
    several = drawn("random")
    assert Counter(prompt.text.split()[-1] for prompt in several.prompts).keys() == {"0", "1", "2"}
    assert choices(several)["seed"] == 0
    # The smaller draw of one seed is the beginning of the larger one, and another seed draws others.
    few = drawn("random", size=10)
    assert few.prompts == several.prompts[:10]
    assert few.name == "coco10"
    assert {p.id for p in few.prompts} != {p.id for p in drawn("random", seed=1, size=10).prompts}


def test_a_random_draw_does_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    chosen = CocoSelection(selection="images_one_caption_each", caption="random", size=12, seed=3)
    here = coco_prompts(annotations(tmp_path), chosen)
    there = coco_prompts(annotations(tmp_path, reverse=True), chosen)
    assert here.prompts == there.prompts


def test_captions_are_drawn_from_all_of_them(tmp_path: Path) -> None:
    prompts = coco_prompts(annotations(tmp_path), CocoSelection(selection="captions", size=60))
    assert len({prompt.id for prompt in prompts.prompts}) == 60
    assert all(prompt.id == prompt.caption_id for prompt in prompts.prompts)
    assert choices(prompts)["level"] == "caption"
    assert choices(prompts)["available"] == 90


def test_every_image_is_drawn_equally_often(tmp_path: Path) -> None:
    path = write(tmp_path, "l.csv", "image_id,text\n" + "".join(f"{image},x\n" for image in range(1, 11)))
    drawn: Counter[str] = Counter()
    for seed in range(2000):
        chosen = CocoSelection(selection="list", size=3, seed=seed)
        drawn.update(prompt.id for prompt in coco_prompts(path, chosen).prompts)
    # Each comes 600 times, give or take a standard deviation of 20.5.
    assert all(abs(count - 600) < 5 * 20.5 for count in drawn.values())


def test_a_draw_from_a_list_keeps_the_list_s_order(tmp_path: Path) -> None:
    ids = random.Random(0).sample(range(1, 1000), 50)
    path = write(tmp_path, "l.csv", "image_id,text\n" + "".join(f"{image},x\n" for image in ids))
    drawn = [
        int(prompt.id) for prompt in coco_prompts(path, CocoSelection(selection="list", size=20)).prompts
    ]
    assert drawn == [image for image in ids if image in set(drawn)]
    assert drawn != ids[:20]


def test_no_people_are_dropped_before_the_draw(tmp_path: Path) -> None:
    chosen = CocoSelection(selection="images_one_caption_each", caption="first", subset="no_people", size=24)
    prompts = coco_prompts(annotations(tmp_path), chosen)
    assert not any("man" in prompt.text.split() for prompt in prompts.prompts)
    assert prompts.name == "coco24-no-people"
    assert choices(prompts)["available"] == 24
    assert prompts.source is not None
    assert prompts.source.remarks == ("no people: 6 of 30 captions dropped (man 6)",)
    more = CocoSelection(selection="images_one_caption_each", caption="first", subset="no_people", size=25)
    with pytest.raises(ValueError, match=r"prompts\.size: 25 is more than the 24 images without people of"):
        coco_prompts(annotations(tmp_path), more)


def test_names_say_the_size(tmp_path: Path) -> None:
    path = write(tmp_path, "l.csv", "image_id,text\n" + "".join(f"{image},x\n" for image in range(2000)))
    assert coco_prompts(path, LIST).name == "coco2k"
    assert coco_prompts(path, CocoSelection(selection="list", size=200)).name == "coco200"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"selection": "list", "size": 0}, "size: 0 is not at least 1"),
        (
            {"selection": "images_one_caption_each"},
            "caption: a value is needed; write prompts.caption=first or",
        ),
        (
            {"selection": "list", "caption": "first"},
            "caption: first is for prompts.selection=images_one_caption",
        ),
    ],
)
def test_choices_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CocoSelection(**settings)


ONE = {"image_id": 1, "id": 2, "caption": "x"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "l.csv",
            "image,text\nfoo.jpg,x\n",
            r"l\.csv line 2: image is 'foo\.jpg'; images are named as 521669 or",
        ),
        ("l.csv", "image_id,text\n,x\n", r"l\.csv line 2: image_id is ''; images are named"),
        (
            "l.csv",
            "Prompts,Category\nx,y\n",
            r"prompts\.columns\.image_id: .* has no column of image_id, coco_id",
        ),
        (
            "l.csv",
            "image_id,Category\n1,y\n",
            r"prompts\.columns\.text: .* has no column of caption, text, prompt",
        ),
        ("l.csv", "image_id,text\n", r"prompts\.path: .*l\.csv holds no captions"),
        ("l.json", '{"1-COCO_val2014_000000000042.jpg": "a c', r"l\.json: not JSON .* the file is cut short"),
        ("l.json", [{**ONE, "image_id": None}], r"l\.json entry 1: image_id is ''; images are named"),
        ("l.json", [ONE, ONE], r"l\.json: caption id 2 appears again; ids must be of one caption each"),
        (
            "l.json",
            {"annotations": [ONE]},
            r"prompts\.selection: .* holds official annotations and no list; write",
        ),
    ],
)
def test_lists_that_are_wrong(tmp_path: Path, name: str, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coco_prompts(write(tmp_path, name, content), LIST)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"images": [], "annotations": [{"image_id": 1, "id": 2, "cap',
            r"not JSON .* the file is cut short",
        ),
        ([ONE], r"is not in the format of captions_val2014\.json"),
        ({"annotations": []}, r"holds no annotations"),
        (
            {"annotations": [{"id": 2, "caption": "x"}]},
            r"annotation 1: has no 'image_id'; it has id, caption",
        ),
        ({"annotations": [{**ONE, "id": None}]}, r"annotation 1: id is null"),
        ({"annotations": [ONE, {**ONE, "id": "x"}]}, r"annotation 2: id is 'x'; it must be a whole number"),
        ({"annotations": [ONE, 3]}, r"annotation 2: has no 'image_id'; it has nothing"),
        ({"annotations": [ONE, {**ONE, "image_id": 3}]}, r"annotation 2: id 2 appears again"),
        (
            {"images": [{"id": 5}], "annotations": [ONE]},
            r"captions are of image 1, which is not among its images",
        ),
    ],
)
def test_annotations_that_are_wrong(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path, "a.json", content)
    with pytest.raises(ValueError, match=message):
        coco_prompts(path, CocoSelection(selection="captions"))


def test_images_without_captions_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", {"images": [{"id": 1}, {"id": 5}], "annotations": [ONE]})
    source = coco_prompts(path, CocoSelection(selection="captions")).source
    assert source is not None
    assert source.remarks[0] == "1 of 2 images have no caption"


@pytest.mark.shared_data
@needs_data
@pytest.mark.parametrize(
    ("name", "text", "image", "repeated"),
    [
        ("boomb0om_30k.odeval_LF.csv", "text", "image_id", 552),
        ("uce_coco_30k.csv", "prompt", "coco_id", 505),
    ],
)
def test_published_lists(name: str, text: str, image: str, repeated: int) -> None:
    path = DATA / "coco30k" / name
    prompts = coco_prompts(path, CocoSelection(selection="list", size=30_000))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(p.image_id, p.text) for p in prompts.prompts] == [(row[image], row[text]) for row in rows]
    assert prompts.name == "coco30k"
    assert choices(prompts)["level"] == "image"
    texts = [prompt.text for prompt in prompts.prompts]
    assert len(texts) - len(set(texts)) == repeated
    assert sum("\n" in each for each in texts) == 97
    assert prompts.source is not None
    assert prompts.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.shared_data
@needs_data
def test_draws_from_the_official_annotations_against_a_naive_version() -> None:
    content = json.loads(VAL2017.read_text(encoding="utf-8"))
    assert (len(content["images"]), len(content["annotations"])) == (5000, 25014)

    def rank(purpose: str, identity: int) -> str:
        return hashlib.sha256(f"7 {purpose} {identity}".encode()).hexdigest()

    by_image = defaultdict(list)
    for entry in content["annotations"]:
        by_image[entry["image_id"]].append(entry)
    images = sorted(by_image, key=lambda image: rank("prompt", image))[:2000]
    expected = [min(by_image[image], key=lambda entry: rank("caption", entry["id"])) for image in images]
    chosen = CocoSelection(selection="images_one_caption_each", caption="random", size=2000, seed=7)
    found = coco_prompts(VAL2017, chosen).prompts
    assert [(p.id, p.caption_id, p.text) for p in found] == [
        (str(entry["image_id"]), str(entry["id"]), entry["caption"]) for entry in expected
    ]
    pairs = coco_prompts(VAL2017, CocoSelection(selection="captions", size=200, seed=7)).prompts
    every = sorted(content["annotations"], key=lambda entry: rank("prompt", entry["id"]))
    assert [p.id for p in pairs] == [str(entry["id"]) for entry in every[:200]]
