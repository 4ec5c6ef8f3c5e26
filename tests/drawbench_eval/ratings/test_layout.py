import pytest


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("dsg", {"file.delimiter": ",,"}, r"ratings\.file\.delimiter: ',,' is not one character"),
        ("dsg", {"file.quote": ","}, r"ratings\.file\.quote: ','"),
        ("dsg", {"file.encoding": "latin-99"}, r"ratings\.file\.encoding: 'latin-99' is no text encoding"),
        ("dsg", {"file.encoding": "base64"}, r"ratings\.file\.encoding: 'base64' is no text encoding"),
        ("dsg", {"file.decimal": ";"}, r"ratings\.file\.decimal: ; is not one of"),
        ("dsg", {"file_names": "("}, r"ratings\.file_names: '\(' is not a regular expression"),
        ("dsg", {"answers.0.columns": "["}, r"ratings\.answers\[0\]\.columns: '\[' is not a regular"),
        ("dsg", {"answers.0.brackets": "["}, r"ratings\.answers\[0\]\.brackets: '\[' is not two characters"),
        ("dsg", {"answers.0.separator": ","}, r"ratings\.answers\[0\]\.separator: ',' for 0 questions"),
        ("imagenhub", {"answers.0.separator": None}, r"ratings\.answers\[0\]\.separator: None for 2"),
        ("imagenhub", {"answers.0.separator": ""}, r"ratings\.answers\[0\]\.separator: '' separates nothing"),
        ("dsg", {"answers": []}, r"ratings\.answers: empty"),
        ("dsg", {"questions": []}, r"ratings\.questions: none; give questions of one form"),
        ("dsg", {"questions.0.kind": "likert"}, r"ratings\.questions\[0\]\.kind: likert is not one of"),
        ("dsg", {"questions.0.kind": "proportion"}, r"ratings\.questions\[0\]\.levels"),
        ("dsg", {"questions.0.levels": [1]}, r"ratings\.questions\[0\]\.levels: \[1\.0\]"),
        (
            "dsg",
            {"questions.0.words": [{"written": "x", "value": 7}]},
            r"words: 'x' has the value 7, which is no",
        ),
        (
            "dsg",
            {"questions.0.words": [{"written": True, "value": 1}]},
            r"words\[0\]\.written: True is not a text",
        ),
        ("dsg", {"questions.0.reference": "real"}, r"ratings\.questions\[0\]\.reference: 'real'"),
        ("imagenhub", {"questions.1.name": "Alignment"}, r"ratings\.questions: 'Alignment' stands twice"),
        ("imagenhub", {"questions.1.kind": "pairwise", "questions.1.levels": None}, "pairwise and pointwise"),
        ("dsg", {"rates": "share"}, r"ratings\.rates: share for pointwise ratings"),
        ("dgm_eval", {"rates": None}, r"ratings\.rates: None for proportion ratings"),
        ("evalica", {"choices": None}, r"ratings\.choices: pairwise choices need them"),
        ("evalica", {"choices.b": ["LEFT"]}, r"ratings\.choices\.a: 'LEFT' stands twice"),
        ("evalica", {"choices.b": []}, r"ratings\.choices\.a: \['left'\] and b: \[\]"),
        ("evalica", {"choices.refers_to": "names"}, r"ratings\.choices\.a: \['left'\] and b: \['right'\]"),
        ("dsg", {"controls": None}, r"ratings\.controls: choices and values need"),
        (
            "dsg",
            {"columns.model_a": "x"},
            r"ratings\.columns\.model_a: 'x', but these ratings have no model_a",
        ),
        ("dsg", {"constants.model_a": "x"}, r"ratings\.constants\.model_a: 'x', but these ratings have no"),
        ("dsg", {"may_be_absent": ["model"]}, r"ratings\.may_be_absent: model is not one of the fields"),
        ("dsg", {"may_be_absent": ["worker"]}, r"ratings\.may_be_absent: worker is not one of the fields"),
        (
            "dsg",
            {"ranking": {"written": "rows", "best": "lowest", "above": None, "equal": None}},
            "ratings.controls",
        ),
        (
            "evalica",
            {"ranking": {"written": "rows", "best": None, "above": None, "equal": None}},
            r"ranking\.best",
        ),
        (
            "evalica",
            {"ranking": {"written": "text", "best": None, "above": ">", "equal": ">"}},
            r"ranking\.above",
        ),
        ("dsg", {"repeats": "maybe"}, r"ratings\.repeats: maybe is not one of reject, keep"),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_key(layout, name, changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        layout(name, changes)
