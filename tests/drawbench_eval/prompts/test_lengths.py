import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from drawbench_eval.prompts.lengths import Lengths, cached_t5, clip_lengths, t5_lengths

ROOT = Path(__file__).parents[3]
T5 = ROOT / "imagen_ref" / "pretrained" / "scenes" / "t5_middle"
DRAWBENCH = ROOT.parent / "shared" / "data" / "drawbench" / "drawbench.csv"


def test_clip_counts_start_and_end() -> None:
    found = clip_lengths(["", "a cat", "word " * 75, "word " * 76], "ViT-B-32")
    assert found.counts == (2, 4, 77, 78)
    assert (found.limit, found.over) == (77, [3])


def test_clip_architectures_without_a_tokenizer_of_their_own() -> None:
    with pytest.raises(ValueError, match=r"lengths\.clip: ViT-X is not an architecture of open_clip"):
        clip_lengths(["a"], "ViT-X")
    with pytest.raises(ValueError, match=r"lengths\.clip: ViT-B-16-SigLIP brings no tokenizer along"):
        clip_lengths(["a"], "ViT-B-16-SigLIP")


def test_t5_counts_the_end() -> None:
    import tokenizers

    texts = ["a red circle", "", "a blue square " * 60]
    reference = tokenizers.Tokenizer.from_file(str(T5 / "tokenizer.json"))
    expected = tuple(len(reference.encode(text).ids) for text in texts)
    assert expected[1] == 1
    found = t5_lengths(texts, str(T5), limit=128)
    assert found == Lengths(encoder="T5", tokenizer=str(T5), limit=128, counts=expected)
    assert found.over == [2]


def test_a_tokenizer_that_was_fetched_before_is_taken_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert cached_t5() is None
    kept = tmp_path / "models--google-t5--t5-small"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("c0ffee")
    shutil.copytree(T5, kept / "snapshots" / "c0ffee", ignore=shutil.ignore_patterns("*.safetensors"))
    name = cached_t5()
    assert name == "google-t5/t5-small"
    found = t5_lengths(["a red circle"], name, limit=128, fetch=False)
    assert found.counts == t5_lengths(["a red circle"], str(T5), limit=128).counts


def test_a_t5_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none here cannot be loaded \(.+\)$"):
        t5_lengths(["a"], str(tmp_path / "none here"), limit=128)


@pytest.mark.shared_data
@pytest.mark.skipif(not DRAWBENCH.exists(), reason="needs ../shared/data")
def test_two_of_drawbench_s_misspellings_are_too_long_for_clip() -> None:
    with DRAWBENCH.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = clip_lengths([row["Prompts"] for row in rows], "ViT-L-14")
    assert Counter(rows[index]["Category"] for index in found.over) == {"Misspellings": 2}
