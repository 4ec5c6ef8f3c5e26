from drawbench_eval.ratings.survey.words import WORDINGS


def test_the_paper_s_words() -> None:
    asked = {name: wording.text for name, wording in WORDINGS.items()}
    assert asked == {
        "fidelity": "Which set of images is of higher quality?",
        "alignment": "Which set of images better represents the text caption: {caption}?",
        "photorealism": "Which image is more photorealistic (looks more real)?",
        "caption": "Does the caption accurately describe the above image?",
    }


def test_the_paper_s_answers() -> None:
    answers = {name: [option.answer for option in wording.options] for name, wording in WORDINGS.items()}
    assert answers["fidelity"] == answers["alignment"] == ["left", "indifferent", "right"]
    assert answers["photorealism"] == ["left", "right"]
    assert [(option.label, option.answer) for option in WORDINGS["caption"].options] == [
        ("Yes", "100"),
        ("Somewhat", "50"),
        ("No", "0"),
    ]


def test_a_caption_is_put_in_once_and_only_where_it_is_asked_about() -> None:
    assert WORDINGS["alignment"].asked("a {caption}").endswith("the text caption: a {caption}?")
    assert [name for name, wording in WORDINGS.items() if wording.reads_caption] == ["alignment", "caption"]
