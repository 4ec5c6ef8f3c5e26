import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from drawbench_eval.generators.diffusers import PipelineSettings, make
from drawbench_eval.generators.pipelines import tokens
from drawbench_eval.generators.pipelines.files import PipelineFiles, find_files
from drawbench_eval.generators.pipelines.library import class_named

diffusers = pytest.importorskip("diffusers", reason="needs the extra diffusers")
pipelines = pytest.importorskip("tiny_pipelines")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipelines.make_stable_diffusion(tmp_path_factory.mktemp("pipelines") / "sd")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "sd")


def _find(path: Path | str, **changed: Any) -> PipelineFiles:
    return find_files(str(path), key="model.path", **changed)


def _refused(path: Path | str, said: str, **changed: Any) -> None:
    with pytest.raises(ValueError, match=f"^{said}") as error:
        _find(path, **changed)
    assert "\n" not in str(error.value)


def test_every_weight_that_is_read_is_hashed(folder: Path) -> None:
    files = _find(folder)
    assert files.pipeline == "StableDiffusionPipeline"
    assert files.components["scheduler"] == "PNDMScheduler"
    assert "safety_checker" not in files.components
    assert files.weights.keys() == {
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }
    assert files.weights[UNET] == hashlib.sha256((folder / UNET).read_bytes()).hexdigest()
    assert files.named_weights("base")[f"base/{UNET}"] == files.weights[UNET]
    assert {"model_index.json", "tokenizer/tokenizer.json"} <= files.configs.keys()


def test_a_file_that_changes_in_place_is_hashed_anew(folder: Path) -> None:
    before = _find(folder).weights[UNET]
    state = load_file(folder / UNET)
    save_file({**state, "conv_in.bias": state["conv_in.bias"] + 1}, folder / UNET)
    assert _find(folder).weights[UNET] != before


@pytest.mark.parametrize(
    ("names", "variant", "read"),
    [
        (["m.safetensors", "m.fp16.safetensors", "m.non_ema.safetensors"], None, ["m.safetensors"]),
        (["m.safetensors", "m.fp16.safetensors"], "fp16", ["m.fp16.safetensors"]),
        (
            ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "m.fp16.safetensors"],
            None,
            ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"],
        ),
        (
            ["m.fp16-00001-of-00002.safetensors", "m.fp16-00002-of-00002.safetensors", "m.safetensors"],
            "fp16",
            ["m.fp16-00001-of-00002.safetensors", "m.fp16-00002-of-00002.safetensors"],
        ),
        (["m-00001-of-00001.fp16.safetensors"], "fp16", ["m-00001-of-00001.fp16.safetensors"]),
    ],
)
def test_the_variant_is_read_and_else_the_plain_one(
    folder: Path, names: list[str], variant: str | None, read: list[str]
) -> None:
    weights = (folder / UNET).read_bytes()
    (folder / UNET).unlink()
    for name in names:
        (folder / "unet" / name).write_bytes(weights)
    found = [name for name in _find(folder, variant=variant).weights if name.startswith("unet/")]
    assert found == [f"unet/{name}" for name in read]


def test_a_variant_that_one_component_lacks(folder: Path) -> None:
    _refused(folder, r"model\.path: .* has no weights of variant fp16; write null", variant="fp16")
    for name in ("unet", "text_encoder"):
        (file,) = (folder / name).glob("*.safetensors")
        file.rename(file.with_suffix(".fp16.safetensors"))
    files = _find(folder, variant="fp16")
    assert set(files.weights) == {
        "text_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }
    settings = PipelineSettings(path=str(folder), variant="fp16", num_steps=1)
    assert make(settings, device="cpu", precision="float32").pipe.unet is not None


def test_weights_that_cannot_be_read_are_named(folder: Path) -> None:
    unet = folder / UNET
    whole = unet.read_bytes()
    for damage in (whole[:-50], b"", b"no weights at all"):
        unet.write_bytes(damage)
        _refused(folder, rf"model\.path: .*{UNET} is damaged or cut short")
    unet.unlink()
    (unet.parent / "a-00001-of-00002.safetensors").write_bytes(whole)
    _refused(folder, r"model\.path: .*/unet has 1 of 2 parts of its weights")
    (unet.parent / "a-00001-of-00002.safetensors").rename(unet.parent / "a.fp16.safetensors")
    _refused(folder, r"model\.path: .*/unet has no weights of variant None, only of fp16")
    (unet.parent / "a.fp16.safetensors").rename(unet.parent / "a.bin")
    _refused(folder, r"model\.path: .*/unet has pickled weights only, which are not read")


def test_no_pipeline_there(folder: Path, tmp_path: Path) -> None:
    _refused(
        tmp_path / "nowhere", r"model\.path: .* is neither a folder with model_index\.json nor a name on"
    )
    _refused(tmp_path, r"model\.path: .*model_index\.json is not there")
    index = folder / "model_index.json"
    index.write_text(index.read_text()[:100])
    _refused(folder, r"model\.path: .*model_index\.json cannot be read \(")
    index.write_text("[]")
    _refused(folder, r"model\.path: .*model_index\.json holds no JSON object")
    index.write_text(json.dumps({"_class_name": ["pipeline", "OwnPipeline"]}))
    _refused(folder, r"model\.path: .* needs code of its own .*, which is not run")


def test_a_class_that_this_version_does_not_have(folder: Path) -> None:
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace('"StableDiffusionPipeline"', '"LaterPipeline"'))
    with pytest.raises(ValueError, match=r"^model\.path: LaterPipeline is not a class of diffusers 0\."):
        make(PipelineSettings(path=str(folder)), device="cpu", precision="float32")


def test_a_class_that_needs_another_library(folder: Path) -> None:
    dummy = type("SomePipeline", (), {"_backends": ["torch", "wonderful"]})
    dummy.__module__ = "diffusers.utils.dummy_objects"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusers, "SomePipeline", dummy, raising=False)
        with pytest.raises(
            ValueError, match=r"^model\.path: SomePipeline needs torch, wonderful installed; pip"
        ):
            class_named("SomePipeline", key="model.path")


def test_a_t5_tokenizer_that_cannot_be_read_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tokenizer" / "tokenizer.json").rename(folder / "tokenizer" / "spiece.model")
    monkeypatch.setattr(tokens, "_SENTENCEPIECE", {"sentencepiece": "json", "protobuf": "json.decoder"})
    make(PipelineSettings(path=str(folder)), device="cpu", precision="float32")
    monkeypatch.setattr(tokens, "_SENTENCEPIECE", {"sentencepiece": "no_module", "protobuf": "no_package.x"})
    with pytest.raises(
        ValueError, match=r"^model\.path: .*: tokenizer needs sentencepiece and protobuf; pip install 'draw"
    ):
        make(PipelineSettings(path=str(folder)), device="cpu", precision="float32")


@pytest.mark.parametrize("name", [UNET, "text_encoder/model.safetensors"])
def test_weights_that_a_file_lacks_are_not_left_random(folder: Path, name: str) -> None:
    state = load_file(folder / name)
    lacking = sorted(state)[0]
    del state[lacking]
    save_file(state, folder / name, metadata={"format": "pt"})
    generator = make(PipelineSettings(path=str(folder)), device="cpu", precision="float32")
    with pytest.raises(ValueError, match=r"^model\.path: .* lacks weights \(") as error:
        generator.pipe  # noqa: B018
    assert "\n" not in str(error.value)


def test_a_pipeline_that_cannot_be_loaded_is_said_in_one_line(folder: Path) -> None:
    config = folder / "unet" / "config.json"
    config.write_text(config.read_text().replace('"CrossAttnDownBlock2D"', '"NoSuchBlock2D"'))
    generator = make(PipelineSettings(path=str(folder)), device="cpu", precision="float32")
    with pytest.raises(
        ValueError, match=r"^model\.path: .* cannot be loaded \(ValueError: .*NoSuch"
    ) as error:
        generator.pipe  # noqa: B018
    assert "\n" not in str(error.value)


def _as_in_the_hub_s_cache(original: Path, cache: Path) -> Path:
    """The Hub's own layout: large files under their hash, and a folder of links named by the commit."""
    snapshot = shutil.copytree(original, cache / "models--someone--tiny" / "snapshots" / COMMIT)
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir()
    for file in snapshot.rglob("*.safetensors"):
        blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
        if not blob.exists():
            shutil.copy(file, blob)
        file.unlink()
        file.symlink_to(blob)
    return snapshot


def test_a_repository_is_identified_by_its_commit(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = _as_in_the_hub_s_cache(original, tmp_path)
    asked: list[tuple[str, dict[str, Any]]] = []

    def download(name: str, **asked_for: Any) -> str:
        asked.append((name, asked_for))
        return str(snapshot)

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
    settings = PipelineSettings(path="someone/tiny", revision="main", cache=tmp_path, safety_checker=False)
    generator = make(settings, device="cpu", precision="float32")
    ((name, asked_for),) = asked
    assert name == "someone/tiny"
    assert asked_for == {
        "revision": "main",
        "variant": None,
        "cache_dir": tmp_path,
        "use_safetensors": True,
        "safety_checker": None,
    }
    assert generator.identity["model.path"] == "someone/tiny"
    assert generator.identity["model.revision"] == COMMIT
    assert not any(key.startswith("model.weights") for key in generator.identity)
    hashed = hashlib.sha256((original / UNET).read_bytes()).hexdigest()
    assert generator.weights[f"someone/tiny@{COMMIT}/{UNET}"] == hashed
    assert generator.label == "tiny-w7.5"


def test_what_cannot_be_fetched_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(_name: str, **_asked_for: Any) -> str:
        try:
            raise ConnectionError("no route\n  to the Hub")
        except ConnectionError as error:
            raise OSError("Cannot load model: see the stacktrace above.") from error

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
    _refused(
        "someone/tiny",
        r"model\.path: someone/tiny cannot be fetched \(ConnectionError: no route to the Hub\); "
        r"fetch it elsewhere and give model\.path=FOLDER$",
    )
