"""The verb shows what a set holds, and what it exports is read back as the same set."""

import csv
import io
import json
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from command_line import Run
from hypothesis import given
from hypothesis import strategies as st

from drawbench_eval.commands.prompt_sources import load_prompts
from drawbench_eval.commands.prompts import as_csv
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.prompts import Columns, read_prompts

T5 = Path(__file__).parents[3] / "imagen_ref" / "pretrained" / "scenes" / "t5_middle"
DATA = Path(__file__).parents[4] / "shared" / "data"

FILE = (
    "prompts=file",
    "prompts.path=prompts.csv",
    "prompts.columns.id=id",
    "prompts.columns.category=category",
)


def test_shown(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    shown = run("prompts", *FILE)
    assert shown.code == 0, shown.err
    assert "prompts: 3 prompts (x 2, y 1), sha256 " in shown.out
    # sha256sum prompts.csv
    assert (
        "source: prompts.csv, sha256 94f3806ec2d526f67dabba50a45a137ba4db5f05b48aeb3778e3b7b74243ed5a\n"
        in shown.out
    )
    assert "CLIP (ViT-L-14): 0 over 77 tokens\n" in shown.out
    assert "T5: not counted; lengths.t5=google-t5/t5-small fetches its tokenizer once, " in shown.out
    assert "T5" not in run("prompts", *FILE, "lengths.t5=null").out


def test_lengths_repeats_and_how_many_are_listed(run: Run, tmp_path: Path) -> None:
    rows = ["a,long,x", "b,short,x", "c,short,y", "d,,y"]
    text = "id,prompt,category\n" + "\n".join(rows).replace("long", "blue " * 140) + "\n"
    (tmp_path / "prompts.csv").write_text(text)
    shown = run("prompts", *FILE, "show=1", f"lengths.t5={T5}")
    assert shown.code == 0, shown.err
    assert "CLIP (ViT-L-14): 1 over 77 tokens: a (142)\n" in shown.out
    assert f"T5 ({T5}): 1 over 128 tokens: a (" in shown.out
    assert "repeated: 1 prompts have the text of an earlier one (1 texts): 'short': b, c\n" in shown.out
    assert "3 more; show=null lists all\n" in shown.out
    table = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in shown.out.splitlines() if "│" in line
    ]
    assert [row[:5] for row in table if row[0] in ("x", "y", "all")] == [
        ["x", "2", "72.5", "142", "1"],
        ["y", "2", "2.5", "3", "0"],
        ["all", "4", "3", "142", "1"],
    ]
    assert sum(row[0] in ("a", "b", "c", "d") for row in table) == 1
    assert sum(line.startswith("│ ") for line in run("prompts", *FILE, "show=null").out.splitlines()) > 5


def test_a_tokenizer_that_cannot_be_had_is_said_and_the_rest_is_shown(run: Run) -> None:
    shown = run("prompts", *FILE, "lengths.clip=null", "lengths.t5='not a folder'")
    assert shown.code == 0, shown.err
    assert "T5: not counted; not a folder cannot be loaded (" in shown.out
    assert "CLIP" not in shown.out
    assert shown.err == ""


def test_exported_and_read_back(run: Run, tmp_path: Path) -> None:
    exported = run("prompts", *FILE, "output=out/mine.csv")
    assert exported.code == 0
    command = "read back: prompts=file prompts.path=out/mine.csv prompts.columns.id=id "
    assert f"{command}prompts.columns.category=category\n" in exported.out
    columns = Columns(text="prompt", id="id", category="category")
    before = read_prompts(tmp_path / "prompts.csv", columns)
    after = read_prompts(tmp_path / "out" / "mine.csv", columns)
    assert after.sha256 == before.sha256
    assert [prompt.text for prompt in after.prompts] == ["red, round", "", "three"]


def test_the_printed_command_reads_everything_back(run: Run) -> None:
    exported = run("prompts", "prompts=scenes", "output=scenes.csv")
    assert "prompts.columns.scoring_text=scoring_text" in exported.out
    read_back = exported.out.partition("read back: ")[2].split()
    again = run("prompts", *read_back, "output=again.csv")
    assert again.code == 0, again.err
    assert Path("again.csv").read_bytes() == Path("scenes.csv").read_bytes()
    assert exported.out.partition("sha256 ")[2][:64] == again.out.partition("sha256 ")[2][:64]


def test_an_export_holds_what_only_some_prompts_have(tmp_path: Path) -> None:
    prompts = PromptSet(
        name="s",
        prompts=(
            Prompt(id="1", text='a "b",\r\nc', image_id="42", metadata={"tag": "é", "n": [1]}),
            Prompt(id="2", text="", category="x"),
        ),
    )
    (first, second) = csv.DictReader(io.StringIO(as_csv(prompts), newline=""))
    assert list(first) == ["id", "prompt", "category", "image_id", "metadata"]
    assert json.loads(first["metadata"]) == {"tag": "é", "n": [1]}
    (tmp_path / "s.csv").write_text(as_csv(prompts), encoding="utf-8", newline="")
    columns = Columns(id="id", category="category", image_id="image_id", metadata="metadata")
    assert read_prompts(tmp_path / "s.csv", columns).prompts == prompts.prompts
    assert second["metadata"] == ""


# Carriage returns alone, separators of lines that are none, quotes, and anything else.
TEXTS = st.text(
    alphabet=st.one_of(st.sampled_from("\r\n\t\",'; \u2028\x85\ufeff"), st.characters(codec="utf-8"))
)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(TEXTS, min_size=1, max_size=4))
def test_any_prompts_come_back_from_an_export(texts: list[str], scored: list[str]) -> None:
    prompts = tuple(
        Prompt(id=f"p{index}", text=text, scoring_text=scored[index % len(scored)] or None)
        for index, text in enumerate(texts)
    )
    has_scored = any(prompt.scoring_text is not None for prompt in prompts)
    columns = Columns(id="id", scoring_text="scoring_text" if has_scored else None)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "all.csv"
        path.write_text(as_csv(PromptSet(name="all", prompts=prompts)), encoding="utf-8", newline="")
        assert read_prompts(path, columns).prompts == prompts


def test_the_printed_command_reads_from_any_folder(run: Run) -> None:
    exported = run("prompts", *FILE, "output='meine Wörter, neu/a.csv'")
    words = shlex.split(exported.out.partition("read back: ")[2])
    again = run("prompts", *words, "output=again.csv")
    assert again.code == 0, again.err
    assert Path("again.csv").read_bytes() == Path("meine Wörter, neu/a.csv").read_bytes()


def test_coco_says_how_it_was_chosen(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image_id,text\n42,a cat\n7,a man\n42,a dog\n")
    chosen = ("prompts=coco30k", "prompts.path=list.csv", "prompts.subset=no_people", "lengths.clip=null")
    shown = run("prompts", *chosen, "prompts.size=null")
    assert shown.code == 0, shown.err
    assert (
        "chosen: selection list, level caption, subset no_people, available 2, size 2, num_images 1"
        in shown.out
    )
    assert "no people: 1 of 3 captions dropped (man 1)" in shown.out
    assert "caption-level: 2 captions of 1 images" in shown.out
    cut = run("prompts", *chosen)
    assert cut.code == 2
    assert cut.err.startswith(
        "error: prompts.size: 30000 is more than the 2 captions without people of list.csv"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["prompts=drawbench", "prompts.path=none.csv"],
            "prompts.path: none.csv cannot be read (No such file",
        ),
        (
            ["prompts=drawbench", "prompts.path=prompts.csv"],
            "prompts.csv line 2: category 'x' is none of drawb",
        ),
        (
            ["prompts=parti", "prompts.path=empty.tsv"],
            "empty.tsv: needs one column called Prompt; its columns are n",
        ),
        (["prompts=geneval"], "prompts.path: a value is needed; write prompts.path=..."),
        (
            ["prompts=geneval", "prompts.path=null"],
            "prompts.path: a value is needed; write prompts.path=FILE, or",
        ),
        (["prompts=t2i_compbench", "prompts.path=prompts.csv"], "prompts.path: prompts.csv is not a folder"),
        (
            ["prompts=coco30k", "prompts.path=p.csv", "prompts.caption=first"],
            "prompts.caption: first is for prompts.",
        ),
        (["prompts=coco30k", "prompts.path=p.csv", "prompts.limit=0"], "prompts.limit: 0 is not at least 1"),
        (
            ["prompts=coco30k", "prompts.path=p.csv", "prompts.subset=x"],
            "prompts.subset: x is not one of original",
        ),
        (["prompts=none"], "prompts: none has nothing to show"),
        (
            ["prompts=none", "+prompts.limit=3"],
            "prompts.limit: 3 is not read by prompts=none; scenes, file, draw",
        ),
        (
            ["prompts=scenes", "+prompts.foo=3"],
            "prompts.foo: no such setting; write one of limit, source, split",
        ),
        (
            ["prompts=scenes", "prompts.source=foo"],
            "prompts.source: foo is not known; write one of coco30k, draw",
        ),
        ([*FILE, "show=-1"], "show: -1 is not at least 0"),
        ([*FILE, "lengths.clip=foo"], "lengths.clip: foo is not an architecture of open_clip"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "empty.tsv").write_text("")
    result = run("prompts", *arguments)
    assert result.err.startswith(f"error: {message}")
    assert result.err.count("\n") == 1
    assert (result.code, result.out) == (2, "")


def test_a_limit_keeps_the_first(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\ntwo\nthree\n")
    config: dict[str, Any] = {
        "source": "file",
        "path": str(tmp_path / "p.txt"),
        **dict.fromkeys(("hub", "hub_config", "split", "revision")),
        "columns": {},
        "limit": 2,
    }
    loaded = load_prompts(config)
    assert loaded is not None
    assert [prompt.text for prompt in loaded.prompts] == ["one", "two"]
    assert loaded.provenance["choices"] == {"limit": 2}
    assert load_prompts({"source": "none"}) is None


def test_a_run_records_where_its_prompts_came_from(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image_id,text\n42,a cat\n7,a man\n")
    chosen = ("prompts=coco30k", "prompts.path=list.csv", "prompts.size=1", "prompts.seed=5")
    shared = ("model.generator=double", "reference=none", "metrics=[scenes_accuracy]")
    made = run("evaluate", *shared, *chosen)
    assert made.code == 0, made.err
    (path,) = tmp_path.glob("results/runs/*/run.json")
    recorded = json.loads(path.read_text())["inputs"]["prompts"]
    assert recorded["name"] == "coco1"
    assert recorded["source"] == "list.csv"
    assert recorded["choices"]["selection"] == "list"
    assert recorded["choices"]["seed"] == 5


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("group", "path", "says"),
    [
        ("drawbench", "drawbench/drawbench.csv", "CLIP (ViT-L-14): 2 over 77 tokens: "),
        ("drawbench", "drawbench/drawbench_bom.csv", "drawbench: 200 prompts (Colors 25, Conflicting 10, "),
        ("parti", "prompts/PartiPrompts.tsv", "parti: 1632 prompts (Abstract 51, "),
        ("geneval", "prompts/geneval_evaluation_metadata.jsonl", "geneval: 553 prompts (single_object 80, "),
        ("coco30k", "coco30k/boomb0om_30k.odeval_LF.csv", "coco30k: 30000 prompts, sha256 "),
        (
            "coco30k",
            "coco30k/uce_coco_30k.csv",
            "repeated: 505 prompts have the text of an earlier one (290 ",
        ),
    ],
)
def test_published_files(run: Run, group: str, path: str, says: str) -> None:
    shown = run("prompts", f"prompts={group}", f"prompts.path={DATA / path}")
    assert shown.code == 0, shown.err
    assert says in shown.out


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (("prompts.selection=images_one_caption_each", "prompts.caption=first"), ": 5000 prompts, sha256 "),
        (("prompts.selection=captions",), ": 25014 prompts, sha256 "),
    ],
)
def test_the_official_annotations(run: Run, choice: tuple[str, ...], says: str) -> None:
    path = DATA / "coco" / "captions_val2017.json"
    shown = run("prompts", "prompts=coco30k", f"prompts.path={path}", *choice, "prompts.size=null")
    assert shown.code == 0, shown.err
    assert says in shown.out
