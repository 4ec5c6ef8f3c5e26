"""Names that people really give their images, over the prompts of real suites and lists."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from drawbench_eval.generators.check import check_set
from drawbench_eval.generators.folder import FolderSettings, import_folder
from drawbench_eval.generators.lookup import finder
from drawbench_eval.generators.patterns import parse_pattern
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.prompts import DRAWBENCH, PARTI, CocoSelection, coco_prompts, read_table, suite_prompts

DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data"),
]


def drawbench() -> PromptSet:
    return suite_prompts(DRAWBENCH, read_table(DATA / "drawbench" / "drawbench.csv"))


def parti() -> PromptSet:
    return suite_prompts(PARTI, read_table(DATA / "prompts" / "PartiPrompts.tsv"))


def coco_list(name: str) -> PromptSet:
    return coco_prompts(DATA / "coco30k" / name, CocoSelection(selection="list"))


def coco_captions() -> PromptSet:
    chosen = CocoSelection(selection="captions", size=10_000)
    return coco_prompts(DATA / "coco" / "captions_val2017.json", chosen)


BOOMB0OM, UCE = "boomb0om_30k.odeval_LF.csv", "uce_coco_30k.csv"


def as_file(text: str) -> str:
    """A prompt as a script would write it into a name of one file."""
    return text.replace("/", "_").replace("\n", " ")


@pytest.mark.parametrize(
    ("prompts", "count", "pattern", "name"),
    [
        (
            drawbench,
            200,
            "{prompt:.100}_{sample:06d}.png",
            lambda i, p: f"{as_file(p.text[:100])}_000003.png",
        ),
        (drawbench, 200, "{index:05d}.jpg", lambda i, p: f"{i:05d}.jpg"),
        (parti, 1632, "{prompt}_{sample:06d}.png", lambda i, p: f"{as_file(p.text)}_000000.png"),
        (
            lambda: coco_list(BOOMB0OM),
            30_000,
            "{coco_id:012d}.jpg",
            lambda i, p: f"{int(p.image_id):012d}.jpg",
        ),
        (lambda: coco_list(BOOMB0OM), 30_000, "{coco_id}.png", lambda i, p: f"{p.image_id}.png"),
        (lambda: coco_list(BOOMB0OM), 30_000, "{index:05d}.jpg", lambda i, p: f"{i:05d}.jpg"),
        (lambda: coco_list(UCE), 30_000, "{index}_{sample}.png", lambda i, p: f"{i}_0.png"),
        (coco_captions, 10_000, "{caption_id}.png", lambda i, p: f"{p.caption_id}.png"),
        (
            coco_captions,
            10_000,
            "{caption_id}-COCO_val2014_{coco_id:012d}.jpg",
            lambda i, p: f"{p.caption_id}-COCO_val2014_{int(p.image_id):012d}.jpg",
        ),
    ],
)
def test_every_prompt_is_told_by_its_name(
    prompts: Callable[[], PromptSet], count: int, pattern: str, name: Callable[[int, Prompt], str]
) -> None:
    loaded, parsed = prompts(), parse_pattern(pattern)
    assert len(loaded.prompts) == count
    find = finder(parsed, loaded)
    for index, prompt in enumerate(loaded.prompts):
        groups = parsed.read(name(index, prompt))
        assert groups is not None
        assert find(groups, name(index, prompt)) is prompt


def test_repeated_captions_are_not_told_by_their_text() -> None:
    parsed = parse_pattern("{prompt}.png")
    prompts = coco_list(UCE)
    texts = [prompt.text for prompt in prompts.prompts]
    repeated = next(text for text in texts if texts.count(text) > 1 and "/" not in text)
    find = finder(parsed, prompts)
    with pytest.raises(ValueError, match="cannot tell the prompts"):
        find({"prompt": repeated}, f"{repeated}.png")


def test_drawbench_as_folders_of_categories(tmp_path: Path) -> None:
    prompts = drawbench()
    counted: dict[str, int] = {}
    for number, prompt in enumerate(prompts.prompts):
        index = counted.setdefault(prompt.category, 0)
        counted[prompt.category] += 1
        folder = tmp_path / "my samples" / prompt.category / str(index)
        folder.mkdir(parents=True)
        for sample in range(2):
            Image.new("RGB", (2, 1), (number, sample, 0)).save(folder / f"{sample}.png")
    settings = FolderSettings(path=tmp_path / "my samples", pattern="{category}/{index}/{sample}.png")
    found = import_folder(settings, prompts).samples.samples
    assert [sample.prompt_id for sample in found] == [p.id for p in prompts.prompts for _ in range(2)]
    for number, sample in enumerate(found):
        with Image.open(tmp_path / "my samples" / sample.path) as image:
            assert image.getpixel((0, 0)) == (number // 2, number % 2, 0)


def test_ten_thousand_jpeg_files_of_an_archive() -> None:
    archive = DATA / "images" / "cifar10_test_10000.tar.gz"
    settings = FolderSettings(path=archive, pattern="test/{prompt_id}/{sample:04d}.jpg")
    found = check_set(import_folder(settings, None), advance=lambda _: None)
    assert found.shortfall is None
    assert found.per_prompt == {1000: 10}
    assert (found.formats, found.sizes) == ({"JPEG": 10_000}, {"32x32": 10_000})
