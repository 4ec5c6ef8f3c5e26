"""`drawbench-eval survey`: sets of images to pages, answers to ratings."""

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from command_line import Run
from filled_pages import answers_of
from image_sets import image_set

PROMPTS = {"a": "amber cups", "b": "bronze kettles", "c": "copper spoons", "d": "dusty plates"}
CATEGORIES = {"a": "DALL-E", "b": "Colors", "c": "Colors", "d": "DALL-E"}
SETS = "sets={dall-e: dall-e, ours: results/runs/x}"
SMALL = ("images_per_set=2", "controls_per_batch=2", "crowd.pictures=null", "output=out")
VISOR = Path(__file__).parents[4] / "shared" / "data" / "images" / "visor"


@pytest.fixture
def folders(tmp_path: Path) -> None:
    """A set in a folder, one in a run, and photographs."""
    image_set(tmp_path / "dall-e", PROMPTS, num_images=2, categories=CATEGORIES)
    image_set(tmp_path / "results/runs/x/samples", PROMPTS, num_images=2, categories=CATEGORIES)
    image_set(tmp_path / "photos", PROMPTS, num_images=1, categories=CATEGORIES)


def test_from_sets_to_ratings(run: Run, folders: None, tmp_path: Path) -> None:
    made = run("survey", SETS, *SMALL)
    assert made.code == 0, made.err
    words = " ".join(made.out.split())
    sizes = r"of 0\.\d to 0\.\d MB"
    assert re.match(rf"out/pages: pages for raters: 2, {sizes}, with 8 judgements and 4 controls", words)
    assert "out/key.json: which code is which model; keep it from raters" in words
    assert "each rater judges all prompts" in words
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["key.json", "pages"]
    answers_of(tmp_path / "out" / "key.json", tmp_path / "answers")
    read = run("survey", "key=out/key.json", "answers=[answers]")
    assert read.code == 0, read.err
    assert read.out.startswith(
        "out/ratings/pairwise.csv: 24 judgements and 12 controls of 3 raters\n  fidelity-01-"
    )
    assert read.out.count(": 3 raters, 3 of them answered all of it\n") == 2
    table = pd.read_csv(tmp_path / "out" / "ratings" / "pairwise.csv", keep_default_na=False)
    judged = table[~table["is_control"]]
    assert Counter(zip(judged["model_a"], judged["model_b"], strict=True)) == {("dall-e", "ours"): 24}
    assert dict(zip(judged["prompt_id"], judged["category"], strict=True)) == CATEGORIES
    assert set(table[table["is_control"]]["model_b"]) == {"control"}


def test_questions_about_photographs(run: Run, folders: None, tmp_path: Path) -> None:
    asked = ("questions=[photorealism,caption]", "reference.path=photos")
    made = run("survey", SETS, *SMALL, *asked)
    assert made.code == 0, made.err
    answers_of(tmp_path / "out" / "key.json", tmp_path / "answers", raters=1)
    read = run("survey", "key=out/key.json", "answers=[answers]", "output=named")
    assert read.code == 0, read.err
    pairs = pd.read_csv(tmp_path / "named" / "pairwise.csv")
    assert set(pairs["model_b"]) == {"reference"}
    single = pd.read_csv(tmp_path / "named" / "pointwise.csv")
    assert Counter(single[~single["is_control"]]["model"]) == {"dall-e": 4, "ours": 4, "reference": 4}


def test_the_folder_is_named_after_what_is_in_it(run: Run, folders: None, tmp_path: Path) -> None:
    small = SMALL[:3]
    assert run("survey", SETS, *small).code == 0
    again = run("survey", SETS, *small)
    assert again.code == 2
    assert re.match(r"error: output: results/surveys/survey-\w{10} is there already, and", again.err)
    assert run("survey", SETS, *small, "seed=1").code == 0
    assert len(list((tmp_path / "results" / "surveys").iterdir())) == 2


def test_prompts_and_patterns(run: Run, folders: None, tmp_path: Path) -> None:
    (tmp_path / "dall-e" / "manifest.csv").unlink()
    (tmp_path / "p.csv").write_text(
        "id,prompt\n" + "".join(f"{key},{text}\n" for key, text in PROMPTS.items())
    )
    prompts = (
        "prompts=file",
        "prompts.path=p.csv",
        "prompts.columns.id=id",
        "pattern='{prompt_id}-{index}.png'",
    )
    assert run("survey", SETS, *SMALL, *prompts).code == 0
    refused = run("survey", SETS, *SMALL, "output=other")
    assert refused.code == 2
    assert refused.err.startswith(
        "error: sets.dall-e: dall-e has no manifest.csv; say how names tell prompts"
    )


MISTAKES = [
    ((), "sets: give sets to make a survey, as in 'sets={ours: FOLDER, theirs: FOLDER}', or key and"),
    (("sets={a: dall-e}",), "sets: a; a comparison needs two or more"),
    (("sets={a: dall-e, reference: photos}",), "sets: reference is a name of ours"),
    (("sets={a: dall-e, b: nowhere}",), "sets.b: nowhere: not found; give a folder or an archive of images"),
    (("sets={a: dall-e, b: [x]}",), "sets.b: ['x'] is not a path"),
    ((SETS, "questions=[quality]"), "questions[0]: quality is not one of fidelity, alignment, photorealism"),
    ((SETS, "questions=[photorealism]"), "reference.path: photorealism needs photographs"),
    ((SETS, "reference.path=photos"), "reference.path: photos is not shown by fidelity, alignment; add"),
    (
        (SETS, "images_per_set=3"),
        "sets: prompt 'a' cannot be shown (dall-e has 2 of 3 images; ours has 2 of 3",
    ),
    ((SETS, "images.quality=0"), "images.quality: 0 is not 1 to 100"),
    ((SETS, "crowd.pictures=x"), "crowd.pictures: x is not one of montages, files"),
    ((SETS, "num_prompts=9"), "num_prompts: 9 are asked for and 4 can be shown"),
    ((SETS, "baseline=x"), "baseline: x is none of the sets dall-e, ours"),
    ((SETS, "power.icc_prompt=2"), "power: icc_prompt 2, icc_rater 0.05"),
    ((SETS, "output=photos"), "output: photos is there already"),
    ((SETS, "~seed"), "seed: a value is needed"),
    (("key=key.json",), "answers: a value is needed; write 'answers=[FOLDER]'"),
    ((SETS, "key=key.json", "answers=[photos]"), "sets: give sets to make a survey"),
    (("answers=[photos]", SETS), "key: a value is needed; write key=SURVEY/key.json"),
    (("key=nowhere.json", "answers=[photos]"), "nowhere.json: cannot be read (No such file or directory)"),
]


@pytest.mark.parametrize(("overrides", "message"), MISTAKES, ids=[str(one[0][-1:]) for one in MISTAKES])
def test_a_mistake_is_one_line_and_nothing_is_written(
    run: Run, folders: None, tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    small = (
        ("images_per_set=2", "controls_per_batch=2", "output=out") if "output=photos" not in overrides else ()
    )
    own = [one for one in small if one.split("=")[0] not in " ".join(overrides)]
    result = run("survey", *own, *overrides)
    assert result.code == 2, result.out
    assert result.err.startswith(f"error: {message}")
    assert result.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_answers_that_do_not_belong_are_refused(run: Run, folders: None, tmp_path: Path) -> None:
    assert run("survey", SETS, *SMALL).code == 0
    answers_of(tmp_path / "out" / "key.json", tmp_path / "answers", raters=1)
    (tmp_path / "none").mkdir()
    empty = run("survey", "key=out/key.json", "answers=[none]")
    assert empty.err == "error: answers: none holds no .csv file; name the folder where answers were saved\n"
    unknown = run("survey", "key=out/key.json", "answers=[answers]", "layout=survey_mturq")
    assert (
        unknown.err
        == "error: layout: survey_mturq is not known; did you mean survey_mturk or survey_mturk_one?\n"
    )
    (path,) = (tmp_path / "answers").glob("fidelity*")
    path.write_text(path.read_text().replace(",a,r0", ",left,r0", 1))
    wrong = run("survey", "key=out/key.json", "answers=[answers]")
    assert wrong.code == 2
    assert (
        f"{path.relative_to(tmp_path)} line 2, column choice: 'left': unknown; it must be one of" in wrong.err
    )
    assert not (tmp_path / "out" / "ratings").exists()


@pytest.mark.shared_data
@pytest.mark.skipif(not VISOR.exists(), reason="needs ../shared/data")
def test_real_images_of_three_models(run: Run, tmp_path: Path) -> None:
    sets = ", ".join(f"{name}: {VISOR / name}" for name in ("stable-diffusion", "glide", "dallev2"))
    prompts = ("prompts=file", f"prompts.path={VISOR / 'prompts.csv'}", "prompts.columns.id=id")
    asked = (
        f"sets={{{sets}}}",
        "pattern='{prompt_id}_{index}.png'",
        *prompts,
        "images_per_set=4",
        "output=out",
    )
    refused = run("survey", *asked)
    assert refused.code == 2
    assert "every pixel is the same" in refused.err
    made = run("survey", *asked, "incomplete=leave_out", "pairs_per_prompt=1", "crowd.pictures=null")
    assert made.code == 0, made.err
    key = json.loads((tmp_path / "out" / "key.json").read_text())
    left_out = {one["prompt_id"] for one in key["left_out"]}
    trials = [
        trial for batch in key["batches"] for trial in batch["trials"] if trial["control_answer"] is None
    ]
    assert len(trials) == 2 * (100 - len(left_out))
    counts = Counter((trial["model_a"], trial["model_b"]) for trial in trials)
    assert len(counts) == 3
    assert max(counts.values()) - min(counts.values()) <= 2
    for path in (tmp_path / "out" / "pages").iterdir():
        text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", path.read_text(encoding="utf-8"))
        assert not re.search("stable-diffusion|glide|dalle", text + path.name)
        # 50 comparisons of 4 against 4, and 5 controls.
        assert 1e6 < path.stat().st_size < 8e6
