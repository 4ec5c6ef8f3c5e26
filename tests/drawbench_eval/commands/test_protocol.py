import json
from pathlib import Path

from command_line import Run

from drawbench_eval.commands.protocol import presets

Small = tuple[str, ...]


def test_every_preset_is_listed_with_its_source_and_assumptions(run: Run) -> None:
    shown = run("protocol")
    assert shown.code == 0, shown.err
    for name in presets():
        assert f"\n{name}: " in f"\n{shown.out}"
    assert "assumed: val2014, not val2017" in shown.out
    assert {"imagen2022", "parti", "clean-fid", "pytorch-fid", "torch-fidelity", "torchmetrics"} <= {
        *presets()
    }


def test_presets_differ_in_the_resize_and_say_so(run: Run) -> None:
    shown = run("protocol", "compare=[clean-fid,pytorch-fid]")
    assert shown.code == 0, shown.err
    assert shown.out == (
        "settings: 1 keys differ\n  metrics.fid.resize: clean in clean-fid, torch in pytorch-fid\n"
    )
    same = run("protocol", "compare=[parti,parti]")
    assert same.out.startswith("settings: the same protocol\n")
    imagen = run("protocol", "compare=[imagen2022,torch-fidelity]")
    assert "  samples.size: 256 in imagen2022, null in torch-fidelity\n" in imagen.out
    assert "assumed of imagen2022: val2014, not val2017" in imagen.out


def test_a_preset_is_shown_with_every_setting_that_enters_a_protocol(run: Run) -> None:
    shown = run("protocol", "show=clipscore")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("settings  ")
    for line in (
        "clip.model = ViT-B-32",
        "metrics.clip_score.prefix = A photo depicts ",
        "samples.size = null",
    ):
        assert f"\n  {line}\n" in shown.out


def test_two_runs_are_compared_by_what_was_recorded(run: Run, small: Small, tmp_path: Path) -> None:
    for override in ("seed=0", "num_images_per_prompt=2"):
        assert run("evaluate", *small, override).code == 0
    a, b = (
        json.loads(path.read_text())["run_id"] for path in sorted(tmp_path.glob("results/runs/*/run.json"))
    )
    shown = run("protocol", f"compare=[{a},{b}]")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("scenes_accuracy: 1 keys differ\n  n_requested: ")
    one = run("protocol", f"show={a}")
    assert one.out.startswith("scenes_accuracy  ")
    assert "  guidance_kind = " in one.out


def test_what_is_neither_preset_nor_run_is_named(run: Run) -> None:
    wrong = run("protocol", "show=clean-fidd")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "clean-fidd: neither a preset nor a run under results/runs; did you mean clean-fid?" in wrong.err
    three = run("protocol", "compare=[a,b,c]")
    assert "compare: 3 names; write two" in three.err
