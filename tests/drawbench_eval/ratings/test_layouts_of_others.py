"""Layouts that nobody has seen before, written as YAML only."""

import csv
import io
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from drawbench_eval.commands.door import plain
from drawbench_eval.commands.settings import build
from drawbench_eval.ratings import Layout, read_ratings

NO_COLUMNS = """
columns:
  prompt_id: {prompt_id}
  category: {category}
  question: null
  model: {model}
  model_a: {model_a}
  model_b: {model_b}
  rater_id: {rater_id}
  is_control: {is_control}
  control_answer: {control_answer}
  sample_ids: null
  sample_ids_a: {sample_ids_a}
  sample_ids_b: {sample_ids_b}
  displayed_left: {displayed_left}
  num_trials: {num_trials}
  duration_s: {duration_s}
  batch_id: {batch_id}
  timestamp: {timestamp}
constants: {{category: null, question: {question}, model: null, model_a: null, model_b: {reference},
  rater_id: null, displayed_left: null, num_trials: null, batch_id: null}}
"""


def yaml_layout(folder: Path, body: str, **fields: str) -> Layout:
    """A layout from a YAML file, composed as the command line composes it."""
    names = [
        "prompt_id",
        "category",
        "model",
        "model_a",
        "model_b",
        "rater_id",
        "is_control",
        "control_answer",
        "sample_ids_a",
        "sample_ids_b",
        "displayed_left",
        "num_trials",
        "duration_s",
        "batch_id",
        "timestamp",
        "question",
        "reference",
    ]
    values = {name: fields.get(name, "null") for name in names}
    (folder / "ratings").mkdir()
    (folder / "ratings" / "mine.yaml").write_text(NO_COLUMNS.format(**values) + body, encoding="utf-8")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        return build(Layout, plain(compose("ratings/mine"))["ratings"], "ratings")


def test_a_crowdsourcing_batch_with_sides_swapped_and_controls(tmp_path, write) -> None:
    """Several items in a row, the answer by side, the sides swapped at random, gold items in between."""
    layout = yaml_layout(
        tmp_path,
        r"""
file: {delimiter: ",", quote: '"', encoding: utf-8, trim: true, escaped: false, decimal: ".",
  timestamps: "%d %b %Y, %H:%M"}
file_names: 'batch(?P<batch_id>\d+)\.csv'
may_be_absent: []
answers:
  - {columns: 'Answer\.choice_(?P<item>\d+)', questions: [], brackets: null, separator: null, blank: skip}
questions:
  - {name: photorealism, written: null, kind: realism, levels: null, words: [], reference: camera}
rates: null
choices: {a: [links], indifferent: [], b: [rechts], refers_to: sides, left: words,
  left_a: ["0"], left_b: ["1"]}
controls: {control: [], judgement: []}
ranking: null
repeats: reject
""",
        prompt_id="Input.prompt_<item>",
        category="Input.set_<item>",
        model_a="Input.model_<item>",
        reference="camera",
        question="photorealism",
        rater_id="WorkerId",
        control_answer="Input.gold_<item>",
        displayed_left="Input.swapped_<item>",
        sample_ids_a="'{Input.model_<item>}/{Input.prompt_<item>}.png'",
        timestamp="SubmitTime",
    )
    rows = [
        ["WorkerId", "SubmitTime"]
        + [f"Input.{name}_{i}" for i in (1, 2) for name in ("prompt", "set", "model", "swapped", "gold")]
        + ["Answer.choice_1", "Answer.choice_2"],
        [
            "w1",
            "25 Nov 2026, 10:00",
            *("p1", "Text", "imagen", "0", ""),
            *("p2", "", "noise", "1", "links"),
            *("links", "Links"),
        ],
        [
            "w2",
            "25 Nov 2026, 10:01",
            *("p1", "Text", "imagen", "1", ""),
            *("p2", "", "noise", "0", "rechts"),
            *("links", ""),
        ],
    ]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    read = read_ratings([write(text.getvalue(), "batch7.csv")], layout)
    assert (read.counts.records, read.counts.rows, read.counts.accepted, read.counts.blank) == (2, 3, 3, 1)
    columns = ["prompt_id", "category", "model_a", "model_b", "choice", "displayed_left", "rater_id"]
    assert read.table[columns].to_numpy().tolist() == [
        ["p1", "Text", "imagen", "camera", "a", "a", "w1"],
        ["p2", None, "noise", "camera", "b", "b", "w1"],
        ["p1", "Text", "imagen", "camera", "b", "b", "w2"],
    ]
    assert read.table["is_control"].tolist() == [False, True, False]
    assert read.table["control_answer"].tolist() == [None, "b", None]
    assert read.table["sample_ids_a"].tolist() == ["imagen/p1.png", "noise/p2.png", "imagen/p1.png"]
    assert set(read.table["batch_id"]) == {"7"}
    assert read.table["timestamp"].iloc[0] == "2026-11-25T10:00:00"
    assert read.files[0].unused_columns == ()


def test_a_form_s_wide_sheet_with_words_and_decimal_commas(tmp_path, write) -> None:
    """A row a rater, a column a question whose heading says what was shown; semicolons, decimal commas."""
    layout = yaml_layout(
        tmp_path,
        r"""
file: {delimiter: ";", quote: '"', encoding: cp1252, trim: true, escaped: false, decimal: ",",
  timestamps: null}
file_names: null
may_be_absent: []
answers:
  - columns: 'Passt Bild (?P<model>\w+) zu "(?P<prompt_id>.+)"\?'
    questions: []
    brackets: null
    separator: null
    blank: skip
questions:
  - name: alignment
    written: Passt
    kind: alignment
    levels: null
    words: [{written: "ja", value: 100}, {written: "etwas", value: 50}, {written: "nein", value: 0}]
    reference: null
rates: null
choices: null
controls: {control: [], judgement: []}
ranking: null
repeats: reject
""",
        rater_id="'{Name}-{Gruppe}'",
        duration_s="Dauer",
        question="Passt",
    )
    text = (
        'Name;Gruppe;Dauer;"Passt Bild A zu ""ein Käfer""?";"Passt Bild B zu ""ein Käfer""?"\n'
        "Jörg;1;12,5;ja;Etwas\nJörg;2;9;;NEIN\n"
    )
    read = read_ratings([write(text.encode("cp1252"))], layout)
    columns = ["rater_id", "prompt_id", "model", "question", "value", "duration_s"]
    assert read.table[columns].to_numpy().tolist() == [
        ["Jörg-1", "ein Käfer", "A", "alignment", 100.0, 12.5],
        ["Jörg-1", "ein Käfer", "B", "alignment", 50.0, 12.5],
        ["Jörg-2", "ein Käfer", "B", "alignment", 0.0, 9.0],
    ]
    assert read.counts.blank == 1


def test_counts_of_each_participant(tmp_path, write) -> None:
    layout = yaml_layout(
        tmp_path,
        r"""
file: {delimiter: "\t", quote: '"', encoding: utf-8, trim: true, escaped: false, decimal: ".",
  timestamps: null}
file_names: null
may_be_absent: []
answers:
  - {columns: fooled, questions: [], brackets: null, separator: null, blank: reject}
questions:
  - {name: null, written: null, kind: proportion, levels: null, words: [], reference: null}
rates: count
choices: null
controls: null
ranking: null
repeats: reject
""",
        model="system",
        rater_id="who",
        num_trials="shown",
        question="fooled",
    )
    read = read_ratings([write("who\tsystem\tfooled\tshown\nx\tm\t3\t4\ny\tm\t0\t5\n", "c.tsv")], layout)
    assert read.form == "proportion"
    assert read.table[["rater_id", "rate", "num_trials"]].to_numpy().tolist() == [
        ["x", 0.75, 4],
        ["y", 0.0, 5],
    ]
    with pytest.raises(ValueError, match="column fooled: '6': more than there were trials"):
        read_ratings([write("who\tsystem\tfooled\tshown\nx\tm\t3\t4\ny\tm\t6\t5\n", "c.tsv")], layout)
    with pytest.raises(ValueError, match="column shown: '': empty, but a count needs its number of trials"):
        read_ratings([write("who\tsystem\tfooled\tshown\nx\tm\t3\t4\ny\tm\t1\t\n", "c.tsv")], layout)


def test_the_winner_s_name_and_the_left_one_s_name(tmp_path, write) -> None:
    layout = yaml_layout(
        tmp_path,
        r"""
file: {delimiter: ",", quote: null, encoding: utf-8, trim: true, escaped: false, decimal: ".",
  timestamps: null}
file_names: null
may_be_absent: []
answers:
  - {columns: '(?P<prompt_id>p\d)', questions: [], brackets: null, separator: null, blank: reject}
questions:
  - {name: null, written: null, kind: pairwise, levels: null, words: [], reference: null}
rates: null
choices: {a: [], indifferent: [same], b: [], refers_to: names, left: names, left_a: [], left_b: []}
controls: {control: ["1"], judgement: ["0"]}
ranking: null
repeats: reject
""",
        model_a="x",
        model_b="y",
        rater_id="r",
        displayed_left="left",
        is_control="gold",
        control_answer="should",
        question="better",
    )
    text = "r,x,y,left,gold,should,p1,p2\n1,A,B,B,0,,A,same\n2,A,B,,1,B,B,A\n"
    read = read_ratings([write(text)], layout)
    assert read.table[["prompt_id", "choice", "displayed_left", "control_answer"]].to_numpy().tolist() == [
        ["p1", "a", "b", None],
        ["p2", "indifferent", "b", None],
        ["p1", "b", None, "b"],
        ["p2", "a", None, "b"],
    ]
    with pytest.raises(
        ValueError, match="column p2: 'C': unknown; it must be one of 'model_a', 'model_b', 'same'"
    ):
        read_ratings([write("r,x,y,left,gold,should,p1,p2\n1,A,B,B,0,,A,C\n")], layout)
    with pytest.raises(ValueError, match="column left: 'C': neither of the two models"):
        read_ratings([write("r,x,y,left,gold,should,p1,p2\n1,A,B,C,0,,A,A\n")], layout)
