import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from drawbench_eval.commands.override import override


@given(st.text(alphabet=st.sampled_from("aü /\\'\"{}()[],=#~!&;|<>?*.-_:+@%"), min_size=1))
@example("meine Bilder/größe.csv")
@example("{prompt_id}_{sample}.png")
@example("it's \\' \\")
def test_any_text_arrives_through_the_shell_and_hydra(text: str) -> None:
    (word,) = shlex.split(override("prompts.path", text))
    parsed = OverridesParser.create().parse_override(word)
    assert parsed.key_or_group == "prompts.path"
    assert parsed.value() == text


@pytest.mark.parametrize("text", ["a/b-1.csv", "owner/name", "C:/x_y.png"])
def test_plain_texts_stay_plain(text: str) -> None:
    assert override("k", text) == f"k={text}"
