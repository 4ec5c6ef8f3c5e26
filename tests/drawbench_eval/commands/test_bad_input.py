"""A mistake is one line that names thing, value and what is right; exit code 2; nothing is written."""

from pathlib import Path

import pytest
from command_line import Run

Small = tuple[str, ...]

# Override -> how the line starts, and after ... what it says later.
MISTAKES = [
    ("model.gidance_weight=3", "model.gidance_weight: no such setting; did you mean model.guidance_weight?"),
    ("modle=scenes", "modle: no such setting; did you mean model?"),
    (
        "+model.foo=1",
        "model.foo: no such setting; write one of base, checkpoint, last, low_res_seed, one_at_a_time",
    ),
    ("+foo=1", "foo: no such setting"),
    ("model=foo", "model: foo is not one of command, "),
    ("metrics=[fidd]", "metrics: fidd is not one of clip_score, cmmd ... scenes_accuracy, scenes_clip_score"),
    ("experiment=foo", "experiment: foo is not one of ... demo, drawbench_compare"),
    ("model.threshold=foo", "model.threshold='foo' ... one of none, static, dynamic"),
    ("model.percentile=99.5", "model.percentile=99.5 ... write 0.995"),
    ("model.sr64.percentile=99.5", "model.sr64.percentile=99.5 ... write 0.995"),
    ("model.num_steps=0", "model.num_steps=0 ... at least 1"),
    ("model.num_steps=1.5", "model.num_steps: 1.5 is not a whole number"),
    ("model.generator=foo", "model.generator: foo is not known"),
    ("model.threshold=[", "model.threshold=[: not an override"),
    (
        "prompts.path=größe.csv",
        "prompts.path=größe.csv: not an override; quote ... \"prompts.path='größe.csv'\"",
    ),
    ("seed=a", "seed: a is not a whole number"),
    ("precision=float8", "precision: float8 is not one of auto, float32, bfloat16"),
    ("device=tpu", "device: tpu is not one of auto, cpu, cuda, cuda:N"),
    ("num_images_per_prompt=0", "num_images_per_prompt: 0 is not at least 1"),
    ("prompts.path=none.csv", "prompts.path: none.csv cannot be read (No such file or directory)"),
    ("prompts.path=empty.csv", "prompts.path: empty.csv holds no prompts; give at least one row"),
    ("prompts.path=void.csv", "prompts.path: void.csv holds no prompts; give at least one row"),
    ("prompts.columns.text=txt", "prompts.columns.text: prompts.csv has no column 'txt'; it has id, prompt"),
    ("prompts.limit=0", "prompts.limit: 0 is not at least 1"),
    ("results=prompts.csv/results", "results: prompts.csv/results: cannot be made (Not a directory)"),
    ("results=prompts.csv", "results: prompts.csv: cannot be made (File exists)"),
    ("reference=scenes", "reference scenes: no prompt of prompts has facts"),
    ("prompts.split=test", "prompts.split: test is for Hugging Face datasets; prompts.csv is one file"),
    ("--foo", "--foo: no such option; write settings as KEY=VALUE"),
]


@pytest.mark.parametrize(("override", "message"), MISTAKES, ids=[override for override, _ in MISTAKES])
@pytest.mark.parametrize("multirun", [(), ("-m",)], ids=["one", "sweep"])
def test_one_line_and_nothing_written(
    run: Run, small: Small, tmp_path: Path, multirun: tuple[str, ...], override: str, message: str
) -> None:
    (tmp_path / "empty.csv").write_text("id,prompt,category\n")
    (tmp_path / "void.csv").write_text("")
    result = run("evaluate", *small, *multirun, override)
    start, _, end = message.partition(" ... ")
    assert result.err.startswith(f"error: {start}")
    assert end in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""
    assert result.code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.csv", "prompts.csv", "void.csv"]


def test_a_file_that_the_prompts_would_not_read(run: Run) -> None:
    result = run("evaluate", "+prompts.path=mine.csv")
    assert result.code == 2
    assert result.err == (
        "error: prompts.path: mine.csv is not read by prompts=scenes; "
        "file, drawbench, parti, geneval, t2i_compbench, coco30k have it\n"
    )


def test_a_value_that_is_needed(run: Run, tmp_path: Path) -> None:
    result = run("evaluate", "prompts=file")
    assert (result.code, result.err) == (
        2,
        "error: prompts.path: a value is needed; write prompts.path=FILE, or prompts.hub=NAME\n",
    )
    assert not list(tmp_path.glob("results"))


def test_the_settings_of_the_model_that_was_chosen_are_named(run: Run) -> None:
    result = run("generate", "model=deepfloyd_if", "model.path=nowhere")
    assert result.code == 2
    assert result.err.startswith("error: model.path: no such setting")
    assert "model.path or" not in result.err
    result = run("evaluate", "model=folder", "model.patern=x")
    assert result.err == "error: model.patern: no such setting; did you mean model.pattern or model.path?\n"


def test_an_experiment_without_its_folder(run: Run, tmp_path: Path) -> None:
    result = run("compare", "experiment=visor_compare")
    assert (result.code, result.err) == (2, "error: folder: a value is needed; write folder=...\n")
    assert not list(tmp_path.glob("results"))


def test_a_bad_point_is_found_before_the_first_starts(run: Run, small: Small, tmp_path: Path) -> None:
    result = run("evaluate", *small, "-m", "model.threshold=static,foo")
    assert result.code == 2
    assert result.err.startswith("error: model.threshold='foo'")
    assert result.err.count("\n") == 1
    assert not list(tmp_path.glob("results/runs"))


def test_a_sweep_name_that_is_no_file_name(run: Run, small: Small) -> None:
    result = run("evaluate", *small, "-m", "model.guidance_weight=1,2", "sweep=../x")
    assert result.code == 2
    assert result.err.startswith("error: sweep: '../x' cannot name a file")
