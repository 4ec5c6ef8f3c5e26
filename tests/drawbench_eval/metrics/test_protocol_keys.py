"""What makes two numbers unlike, one change at a time: the protocol differs in the keys that say it alone."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import reference
from tiny_clip import NAME, make_clip

from drawbench_eval.features.clip import ClipSettings
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.registry import MetricContext, make_metric
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Protocol, compare
from drawbench_eval.store import Store
from drawbench_eval.weights import WeightsSettings

PREPARED = Preparation(size=256, crop="center", filter="bicubic", codec="jpeg", quality=95)
PROMPTS = PromptSet(name="a", prompts=(Prompt(id="1", text="a cat"), Prompt(id="2", text="a dog")))
REWORDED = PromptSet(name="a", prompts=(Prompt(id="1", text="a cat"), Prompt(id="2", text="two dogs")))

# Metric, what is changed, and the keys that must say so. The rest of a number's protocol is as it was.
CASES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("fid", {"settings": {"resize": "tf1"}}, {"extractor.resize"}),
    ("fid", {"inception": "other.pth"}, {"extractor.weights_sha256"}),
    ("fid", {"samples": replace(PREPARED, size=128)}, {"samples.size"}),
    ("fid", {"samples": replace(PREPARED, crop="squash")}, {"samples.crop"}),
    ("fid", {"samples": replace(PREPARED, filter="lanczos")}, {"samples.filter"}),
    ("fid", {"samples": replace(PREPARED, codec="none")}, {"samples.codec"}),
    ("fid", {"samples": replace(PREPARED, quality=75)}, {"samples.codec"}),
    ("fid", {"prepare": replace(PREPARED, size=128)}, {"reference.size"}),
    ("fid", {"prepare": replace(PREPARED, crop="squash")}, {"reference.crop"}),
    ("fid", {"prepare": replace(PREPARED, filter="lanczos")}, {"reference.filter"}),
    ("fid", {"prepare": replace(PREPARED, quality=75)}, {"reference.codec"}),
    ("fid", {"reference": {"seed": 5}}, {"reference.sha256"}),
    ("fid", {"reference": {"count": 7}}, {"reference.n_requested"}),
    ("fid", {"prompt_set": REWORDED}, {"prompts_sha256"}),
    ("fid", {"prompts": PROMPTS.prompts[:1]}, {"n_requested"}),
    ("fid", {"conditions": {"guidance_kind": "distilled"}}, {"guidance_kind"}),
    ("fid", {"conditions": {"selection": "same_samples"}}, {"selection"}),
    ("fid_infinity", {"settings": {"seed": 3}}, {"fit.seed"}),
    ("precision", {"settings": {"k": 3}}, {"k"}),
    ("clip_score", {"settings": {"prefix": "A photo depicts "}}, {"prefix"}),
    ("clip_score", {"settings": {"view": "x100"}}, {"view"}),
    ("clip_score", {"clip": {"pretrained": "other.pt"}}, {"extractor.weights_sha256"}),
    ("clip_score", {"clip": {"activation": "quickgelu"}}, {"extractor.activation"}),
    ("clip_score", {"samples": replace(PREPARED, crop="squash")}, {"samples.crop"}),
    ("cmmd", {"clip": {"activation": "quickgelu"}}, {"extractor.activation"}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("keys")
    make_clip(made / "clip")
    (made / "clip.pt").write_bytes((made / "clip" / "clip.pt").read_bytes())
    for name in ("random.pth", "other.pth", "other.pt"):
        (made / name).write_bytes(name.encode())
    return made


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of no image there is no text to encode."""
    nothing = np.zeros((0, 16), dtype=np.float32)
    monkeypatch.setattr("drawbench_eval.features.clip.Clip.text_features", lambda self, texts: nothing)


def protocol_of(
    folder: Path,
    metric: str,
    *,
    settings: Mapping[str, Any] | None = None,
    inception: str = "random.pth",
    clip: Mapping[str, str] | None = None,
    samples: Preparation = PREPARED,
    prepare: Preparation = PREPARED,
    reference: Mapping[str, int] | None = None,
    prompt_set: PromptSet = PROMPTS,
    prompts: tuple[Prompt, ...] | None = None,
    conditions: Mapping[str, str] | None = None,
) -> Protocol:
    chosen = {"model": NAME, "pretrained": "clip.pt", "activation": "gelu", **(clip or {})}
    context = MetricContext(
        prompt_set=prompt_set,
        reference=replace(_reference(folder, **(reference or {})), preparation=prepare),
        store=Store(folder / "store"),
        batch_size=8,
        weights=WeightsSettings(inception=folder / inception, allow_unverified=True),
        clip=ClipSettings(**{**chosen, "pretrained": str(folder / chosen["pretrained"])}),
        conditions={
            "guidance_kind": "cfg",
            "selection": "fixed",
            **samples.identity("samples"),
            **(conditions or {}),
        },
    )
    made = make_metric(metric, settings or {}, context=context)
    asked = prompt_set.prompts if prompts is None else prompts
    # Images that are not there need no network; they are requested all the same.
    made.update([None] * len(asked), asked)
    return made.protocol()


_reference = reference


@pytest.mark.parametrize(("metric", "change", "keys"), CASES, ids=lambda value: str(value)[:50])
def test_one_change_is_said_by_its_own_keys(
    folder: Path, metric: str, change: dict[str, Any], keys: set[str]
) -> None:
    plain, changed = protocol_of(folder, metric), protocol_of(folder, metric, **change)
    assert set(compare(plain, changed)) == keys
    assert plain.id != changed.id
    assert protocol_of(folder, metric).id == plain.id


def test_a_protocol_has_every_part_that_makes_numbers_comparable(folder: Path) -> None:
    prepared = ("size", "crop", "filter", "codec")
    common = {"metric", "version", "n_requested", "prompts_sha256", "guidance_kind", "selection", "precision"}
    common |= {f"samples.{part}" for part in prepared}
    extractor = {"extractor", "extractor.weights_sha256", "extractor.precision"}
    of_reference = {
        f"reference.{part}" for part in ("sha256", "n_requested", "size", "crop", "filter", "codec")
    }
    fid = protocol_of(folder, "fid")
    assert common | extractor | of_reference | {"extractor.resize"} <= set(fid.values)
    assert fid.values["extractor.weights"] == "unverified"
    assert "TF32" in str(fid.values["extractor.precision"])
    clip_parts = {"extractor.library", "extractor.model", "extractor.pretrained", "extractor.activation"}
    clip = set(protocol_of(folder, "clip_score").values)
    assert common | extractor | clip_parts | {"view", "prefix", "truncation"} <= clip
