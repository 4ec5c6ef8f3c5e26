"""`drawbench-eval report summary=FOLDER`: the page of all reports, its recipes, and the targets behind it."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from command_line import Run
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from drawbench_eval.analysis.claims import CLAIMS
from drawbench_eval.analysis.level_claims import LEVEL_CLAIMS, T5_PARAMETERS, UNET_PARAMETERS
from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.recipes import recipe, recipes
from drawbench_eval.report.about import read_findings
from drawbench_eval.report.summary import Recipe, summary_markdown
from imagen_ref.stage import stage_config

ROOT = Path(__file__).parents[3]
REPORTS = ROOT / "reports"
CONF = conf_folder()


def test_the_committed_page_is_what_the_command_makes_of_the_committed_findings(tmp_path: Path) -> None:
    """Reports of one's own may lie beside those that conf/experiment makes."""
    for sweep in (one.sweep for one in recipes(CONF)):
        for file in (REPORTS / sweep).glob("*.json"):
            (tmp_path / sweep).mkdir(exist_ok=True)
            (tmp_path / sweep / file.name).symlink_to(file)
    made = summary_markdown(tmp_path, recipes(CONF))
    assert (REPORTS / "README.md").read_text(encoding="utf-8") == made, (
        "drawbench-eval report summary=reports"
    )


def changed(folder: Path, **verdicts: str) -> Path:
    """The demo's findings as a folder of reports, with other numbers for these claims."""
    target = folder / "made" / "demo"
    target.mkdir(parents=True)
    rows = json.loads((REPORTS / "demo" / "findings.json").read_text(encoding="utf-8"))
    for row in rows:
        verdict = verdicts.get(row["key"], verdicts.get("others", row["verdict"]))
        sign = {"seen": 1, "opposite": -1}.get(verdict, 0) * (row["expected"] or 1)
        row |= {"verdict": verdict, "estimate": 0.5 * sign, "ci95": [0.5 * sign - 0.1, 0.5 * sign + 0.1]}
    (target / "findings.json").write_text(json.dumps(rows))
    (target / "about.json").write_text((REPORTS / "demo" / "about.json").read_text())
    return folder / "made"


def page_of(folder: Path) -> str:
    return summary_markdown(folder, recipes(CONF))


def test_the_page_says_in_plain_words_which_mechanisms_showed(tmp_path: Path) -> None:
    page = page_of(
        changed(tmp_path, rise="seen", early_minimum="seen", turn="opposite", others="not resolved")
    )
    first = page.split("\n\n")
    assert first[1].startswith(
        "8 findings of the Imagen paper were tested in the scenes world: 2 with the same sign, 1 with the "
        "opposite one, 5 not resolved. 22 more were not tested yet."
    )
    assert "- **Showed**: guidance, under dynamic thresholding (2 same sign)." in first[2]
    assert "- **Went the other way**: dynamic thresholding (1 opposite sign, 5 not resolved)." in first[2]
    assert "a larger text encoder (3)" in first[2]
    assert "neither supports nor refutes the paper's claims" in first[3]
    assert page.index("neither supports nor refutes") < page.index("| Figure |")


def test_what_went_the_other_way_has_the_reason_that_was_tested(tmp_path: Path) -> None:
    page = page_of(changed(tmp_path, matched="opposite", turn="opposite", others="not resolved"))
    section = page.split("## Where it went the other way")[1].split("##")[0]
    assert (
        "- At matched alignment the dynamic curve lies at or below the static one. A reason that was tested: "
        "dynamic thresholding divides all pixels by their percentile, which turns the flat colours of scenes "
        "grey; static and none divide by nothing, and a smaller percentile by less. Nothing here says "
        "whether it holds. `percentile_x_guidance` has no report"
    ) in section
    assert "- No reason was tested for: Under static thresholding alignment turns down at large" in section
    committed = page_of(REPORTS).split("## Where it went the other way")[1].split("##")[0]
    assert "A reason that was tested (percentile_x_guidance): dynamic" in committed
    assert "by less. The controls speak for it. At equal guidance" in committed
    assert "The controls do not resolve it." in committed
    shutil.copytree(REPORTS / "sr_guidance", tmp_path / "one" / "sr_guidance")
    assert "went the other way" not in page_of(tmp_path / "one")


def test_a_mechanism_that_showed_and_did_not_is_called_both(tmp_path: Path) -> None:
    page = page_of(changed(tmp_path, turn="seen", matched="opposite", others="not resolved"))
    assert (
        "- **Showed in part, went the other way in part**: dynamic thresholding (1 same sign, 1 opp" in page
    )


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("seen", "**Showed**"), ("opposite", "**Went the other way**"), ("not resolved", "**Not resolved**")],
)
def test_all_of_one_kind_leave_the_other_kinds_out(tmp_path: Path, verdict: str, said: str) -> None:
    plain_words = page_of(changed(tmp_path, others=verdict)).split("\n\n")[2]
    assert f"{said}: guidance, under dynamic thresholding (2 " in plain_words
    assert [line.split(":")[0] for line in plain_words.splitlines()] == [
        f"- {said}", "- **Without a report yet**"
    ]  # fmt: skip


def test_signs_and_numbers_agree_in_every_row(tmp_path: Path) -> None:
    page = page_of(changed(tmp_path, turn="seen", matched="seen", rise="opposite", others="not resolved"))
    rows = {cells[2].strip(): [cell.strip() for cell in cells] for cells in table_of(page)}
    turn = rows[CLAIMS["turn"].text]
    assert turn[3] == "+"
    assert "oracle accuracy +0.50 (+0.40 to +0.60)" in turn[4]
    assert turn[7] == "**same sign**"
    matched = rows[CLAIMS["matched"].text]
    assert matched[3] == "\u2212"
    assert "by oracle accuracy: \u22120.50 (\u22120.60 to \u22120.40)" in matched[4]
    assert matched[7] == "**same sign**"
    assert rows[CLAIMS["rise"].text][7] == "**opposite sign**"
    assert rows[CLAIMS["plateau"].text][3] == "0"
    assert rows[CLAIMS["plateau"].text][7] == "**not resolved**"
    assert {row[6] for row in rows.values()} == {"1"}


def table_of(page: str) -> list[list[str]]:
    lines = page[page.index("| Figure |") :].split("\n\n")[0].splitlines()
    return [["", *line.strip("| ").split(" | ")] for line in lines[2:]]


def test_the_table_renders(tmp_path: Path) -> None:
    import markdown

    page = page_of(changed(tmp_path))
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    # The paper's findings and two controls, each under a head and a rule.
    assert [len(lines) for lines in tables] == [2 + 8, 2 + 2]
    for lines in tables:
        for line in lines:
            assert line.count("|") == lines[0].count("|")
            assert all(len(part) <= 130 for cell in line.split("|") for part in cell.split("<br>"))
    html = markdown.markdown(page, extensions=["tables", "fenced_code"])
    assert html.count("<tr>") == 1 + 8 + 1 + 2
    assert len(re.findall(r'<a href="demo/report.pdf">', html)) == 8 + 2


def test_a_claim_that_two_reports_test_is_told_once_and_listed(tmp_path: Path) -> None:
    folder = changed(tmp_path, others="seen")
    larger = folder / "guidance_x_threshold"
    larger.mkdir()
    rows = json.loads((folder / "demo" / "findings.json").read_text())
    rows = [{**row, "n": 1000, "verdict": "opposite"} for row in rows if row["key"] == "turn"]
    (larger / "findings.json").write_text(json.dumps(rows))
    about = json.loads((folder / "demo" / "about.json").read_text()) | {"sweep": "guidance_x_threshold"}
    (larger / "about.json").write_text(json.dumps(about))
    page = page_of(folder)
    (row,) = [cells for cells in table_of(page) if cells[2] == CLAIMS["turn"].text]
    assert (row[5], row[7]) == ("1000", "**opposite sign**")
    assert "[PDF](guidance_x_threshold/report.pdf)" in row[9]
    assert f"- {CLAIMS['turn'].text} \u2013 demo: 2 same sign (n = 200)." in page


def test_the_command_writes_the_page_and_refuses_what_is_none(run: Run, tmp_path: Path) -> None:
    folder = changed(tmp_path)
    done = run("report", f"summary={folder}")
    assert (done.code, done.out) == (0, f"{folder / 'README.md'}\n")
    assert (folder / "README.md").read_text(encoding="utf-8") == page_of(folder)
    for arguments, said in (
        (["summary=nowhere"], "error: summary: nowhere is no folder; name the one that holds the reports\n"),
        (
            ["summary=made", "sweep=demo"],
            "error: summary: made is a folder of reports that are there; make them first, without it\n",
        ),
    ):
        refused = run("report", *arguments)
        assert (refused.code, refused.err) == (2, said)
    (tmp_path / "empty").mkdir()
    assert "summary: empty holds no report" in run("report", "summary=empty").err
    rows = json.loads((folder / "demo" / "findings.json").read_text())
    (folder / "demo" / "findings.json").write_text(json.dumps([{"key": rows[0]["key"]}]))
    refused = run("report", f"summary={folder}")
    assert refused.code == 2
    assert "make that report again" in refused.err


def test_findings_read_back_are_those_that_were_written() -> None:
    rows = json.loads((REPORTS / "demo" / "findings.json").read_text(encoding="utf-8"))
    found = read_findings(REPORTS / "demo").findings
    for row, finding in zip(rows, found, strict=True):
        values = json.loads(json.dumps(dataclasses.asdict(finding)))
        assert values == {key: value for key, value in row.items() if key != "same_samples"}


HEADER = """# @package _global_
# drawbench-eval evaluate -m experiment=mine
# drawbench-eval report sweep=mine output=reports/mine
# after the levels: drawbench-eval train -m experiment=scenes/a,scenes/b
# drawbench-eval train -m experiment=scenes/c
#
# Shows something.
# Costs: about 1 h 45 min on a laptop-class machine (two cores), after 3.5 hours of
# training on one core or about 10 minutes on one GPU (estimated).
sweep: mine
# Costs: nothing of this counts.
"""


def test_a_recipe_is_read_off_the_comment_that_opens_an_experiment(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(HEADER)
    found = recipe(path)
    assert found == Recipe(
        sweep="mine",
        shows="Shows something.",
        commands=(
            "drawbench-eval train -m experiment=scenes/a,scenes/b",
            "drawbench-eval train -m experiment=scenes/c",
            "drawbench-eval evaluate -m experiment=mine",
            "drawbench-eval report sweep=mine output=reports/mine",
        ),
        costs="Costs about 1 h 45 min on a laptop-class machine (two cores), after 3.5 hours of training on "
        "one core or about 10 minutes on one GPU (estimated).",
        sampling_s=105 * 60,
        training_s=3.5 * 3600,
        gpu="about 10 minutes",
    )
    path.write_text(HEADER.replace(" on a laptop-class machine", ""))
    with pytest.raises(ValueError, match=r"mine\.yaml: its comment does not say what it costs"):
        recipe(path)


def test_every_experiment_that_a_report_is_made_of_says_what_it_costs() -> None:
    found = {one.sweep: one for one in recipes(CONF)}
    for name, one in found.items():
        assert one.sampling_s > 0
        assert (one.training_s > 0) == ("train" in one.commands[0].split()), name
        assert one.commands[-2:] == (
            f"drawbench-eval evaluate -m experiment={name}",
            f"drawbench-eval report sweep={name} output=reports/{name}",
        )
    assert recipe(CONF / "experiment" / "drawbench_compare.yaml") is None
    # Every claim has a sweep that can be made.
    assert {claim.sweep for claim in CLAIMS.values()} <= set(found)


def test_the_targets_make_every_report_and_train_every_level() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    lists = re.findall(r"^(\w+) := (.*)$", text, re.MULTILINE)
    found = recipes(CONF)
    trained = {one.sweep for one in found if one.training_s}
    assert set(dict(lists)["SWEEPS"].split()) == {one.sweep for one in found} - trained
    assert set(dict(lists)["TRAINED_SWEEPS"].split()) == trained
    levels = {
        level
        for one in found
        for command in one.commands
        if command.startswith("drawbench-eval train")
        for level in command.split("experiment=")[1].split(",")
    }
    listed = [word for name, words in lists if name in ("ENCODERS", "BASES", "SR64S", "SATURATED")
              for word in words.split(",") if not word.startswith("$")]  # fmt: skip
    assert sorted(listed) == sorted(levels)


def values_of(level: str) -> dict[str, object]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("train", overrides=[f"experiment=scenes/{level}"]))


@pytest.mark.parametrize("level", UNET_PARAMETERS)
def test_the_unets_have_as_many_parameters_as_the_claims_say(level: str) -> None:
    with torch.device("meta"):
        network = stage_config({"name": level, **values_of(level)["stage"]}).make_network()
    assert sum(one.numel() for one in network.parameters()) == UNET_PARAMETERS[level]


@pytest.mark.parametrize("level", T5_PARAMETERS)
def test_the_encoders_have_as_many_parameters_as_the_claims_say(level: str) -> None:
    from transformers import T5Config, T5EncoderModel

    size = values_of(level)["training"]["size"]
    del size["num_decoder_layers"]
    d_kv = size["d_model"] // size["num_heads"]
    with torch.device("meta"):
        model = T5EncoderModel(T5Config(**size, d_kv=d_kv, feed_forward_proj="gated-gelu"))
    assert sum(one.numel() for one in model.parameters()) == T5_PARAMETERS[level]


def test_levels_of_claims_are_those_of_their_sweeps() -> None:
    for claim in LEVEL_CLAIMS:
        text = (CONF / "experiment" / f"{claim.sweep}.yaml").read_text(encoding="utf-8")
        sweep = text.partition("params:")[2]
        for level in {claim.level, *claim.others}:
            named = {level, f"{float(level):.1f}"} if re.fullmatch(r"[\d.]+", level) else {level}
            assert any(re.search(rf"(?<![\w.]){re.escape(one)}(?![\w.])", sweep) for one in named), (
                claim.key,
                level,
            )
