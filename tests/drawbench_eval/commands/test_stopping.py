"""`target_ci` and `keep_samples` on the command line."""

import json
from pathlib import Path

import pytest
from command_line import Run

Small = tuple[str, ...]
MOST = "num_images_per_prompt=3"
BOTH = "metrics=[scenes_accuracy,diversity]"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("target_ci={clip_score: 0.1}", MOST), "target_ci: clip_score is not among the metrics"),
        (("target_ci={scenes_accuracy: 0}", MOST), "target_ci.scenes_accuracy: 0 is not a number above 0"),
        (("target_ci={}", MOST), "target_ci: it names no metric"),
        (("target_ci={scenes_accuracy: 0.1}",), "target_ci: num_images_per_prompt is the most"),
        (
            ("target_ci={scenes_accuracy: 0.1}", MOST, BOTH, "metrics.diversity.extractor=scenes"),
            "target_ci: diversity change with the number of images",
        ),
        (("keep_samples=some",), "keep_samples: some is not one of all, grid, none"),
        (("ranks=0",), "ranks: 0 is not at least 1"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(run: Run, small: Small, words: Small, said: str) -> None:
    others = [word for word in small if BOTH not in words or not word.startswith("metrics=")]
    result = run("evaluate", *others, *words)
    assert result.code == 2
    assert result.err.startswith(f"error: {said}")
    assert result.err.count("\n") == 1


def test_a_target_is_part_of_the_run_and_its_protocol_not_where_it_stopped(
    run: Run, small: Small, tmp_path: Path
) -> None:
    # Prompts of no facts are unscored: the interval is undefined and never narrow enough.
    for words in ((MOST,), (MOST, "target_ci={scenes_accuracy: 0.1}"), (MOST, "keep_samples=none")):
        assert run("evaluate", *small, *words).code == 0
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/run.json")]
    by_target = {record["factors"].get("target_ci.scenes_accuracy"): record for record in records}
    assert set(by_target) == {None, 0.1}
    entry = by_target[0.1]["metrics"]["scenes_accuracy"]
    assert entry["notes"][-1] == (
        "sampled until scenes_accuracy within ± 0.1: not reached with 3 images a prompt"
    )
    assert entry["protocol"]["values"]["n_requested"] == 9
    assert entry["protocol"]["values"]["target_ci"] == '{"scenes_accuracy":0.1}'
