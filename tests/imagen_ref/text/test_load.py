import shutil
from pathlib import Path

import pytest
import torch
from tiny_encoders import POSITIONS, make_encoder

from imagen_ref.text.load import load_encoder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache as the Hub's library leaves it: one model, its branch `main` at one commit."""
    cache = tmp_path_factory.mktemp("hub")
    model = cache / "models--somebody--bert-tiny"
    make_encoder("bert", model / "snapshots" / COMMIT)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    return cache


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_name_on_the_hub_is_recorded_with_its_commit(hub: Path, revision: str | None) -> None:
    encoder = load_encoder(
        "somebody/bert-tiny", revision=revision, max_length=POSITIONS, cache=hub, offline=True
    )
    assert encoder.identity["name"] == "somebody/bert-tiny"
    assert encoder.identity["revision"] == COMMIT
    folder = hub / "models--somebody--bert-tiny" / "snapshots" / COMMIT
    local = load_encoder(folder, max_length=POSITIONS)
    assert "revision" not in local.identity
    assert local.identity["weights_sha256"] == encoder.identity["weights_sha256"]
    assert torch.equal(local.encode(["a circle"]).states, encoder.encode(["a circle"]).states)


@pytest.mark.parametrize(
    ("source", "revision", "match"),
    [
        ("somebody/other", None, r"text encoder somebody/other: no such folder, and not in the Hub's cache"),
        ("somebody/bert-tiny", "v2", r"text encoder somebody/bert-tiny at v2: no such folder, and not in"),
        ("/no/such/folder/here", None, r"no such folder, and no name on the Hub either"),
    ],
)
def test_what_is_nowhere(hub: Path, source: str, revision: str | None, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        load_encoder(source, revision=revision, cache=hub, offline=True)
    assert "\n" not in str(caught.value)


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a folder has no revision 'main'"):
        load_encoder(tmp_path, revision="main")


def test_an_unknown_model_and_precision(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(ValueError, match=r"a vit model; the known ones are t5, mt5, bert,"):
        load_encoder(tmp_path)
    shutil.rmtree(tmp_path)
    folder = make_encoder("bert", tmp_path)
    with pytest.raises(ValueError, match=r"precision: 'half' is not one of float32, bfloat16"):
        load_encoder(folder, precision="half")
