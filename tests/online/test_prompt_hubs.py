"""Prompt sets from the Hub, and T5's tokenizer: for a machine with internet, by `make verify-online`."""

import pytest

from drawbench_eval.prompts import DRAWBENCH, PARTI, HubDataset, hub_table, suite_prompts
from drawbench_eval.prompts.lengths import t5_lengths
from drawbench_eval.prompts.suites import Suite

pytestmark = [
    pytest.mark.network,
    # What a hub warns of (rate limits, tokens) is no fault of ours.
    pytest.mark.filterwarnings("default"),
]


@pytest.mark.parametrize(
    ("suite", "name"), [(DRAWBENCH, "sayakpaul/drawbench"), (PARTI, "nateraw/parti-prompts")]
)
def test_the_hub_s_copies_hold_the_whole_suite(suite: Suite, name: str) -> None:
    prompts = suite_prompts(suite, hub_table(HubDataset(name=name)))
    assert len(prompts.prompts) == sum(suite.counts.values())


def test_t5_s_tokenizer_counts() -> None:
    found = t5_lengths(["", "A red colored car."], "google-t5/t5-small", limit=128)
    assert found.counts[0] == 1
    assert 5 <= found.counts[1] <= 8
