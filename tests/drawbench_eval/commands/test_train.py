"""`drawbench-eval train` on tiny stages: which data and settings it takes, what it says and leaves."""

import json
import os
from pathlib import Path

import captioned_images as made
import pytest
from command_line import Result, Run
from safetensors.torch import load_file
from tiny_t5 import make_t5

from imagen_ref.checkpoint import read_training
from imagen_ref.stage import Stage, read_stage_config

NETWORK = (
    "stage.network.kind=efficient_unet",
    "stage.network.channels=[8,16]",
    "stage.network.num_res_blocks=[1,1]",
    "stage.network.stem_channels=8",
    "stage.network.num_heads=2",
    "stage.network.text_dim=12",
    "stage.network.text_width=16",
    "stage.network.side=16",
    "stage.low_res_side=8",
    "stage.prediction=x0",
)
TRAINING = ("training.num_steps=2", "training.batch_size=2", "training.learning_rate=1e-3")
FOLDER = ("data.kind=folder", "data.path=photos", "data.side=16")
LEFT_OUT = "5 of 9 images are left out (2 x empty caption, "


@pytest.fixture
def train(run: Run, tmp_path: Path) -> Run:
    """Trains the stage `tiny` on the CPU with a T5 of random weights."""
    make_t5(tmp_path / "t5", d_model=12, num_layers=1)

    def train(*arguments: str) -> Result:
        common = ("kind=stage", "name=tiny", "text_encoder=t5", "device=cpu")
        return run("train", *common, *NETWORK, *TRAINING, *arguments)

    return train


def test_a_folder_with_bad_images_is_trained_on_and_what_is_left_out_is_said(
    train: Run, tmp_path: Path
) -> None:
    made.write_folder(tmp_path / "photos")
    result = train(*FOLDER, "max_length=3")
    assert result.code == 0, result.err
    assert LEFT_OUT in result.err
    assert "of the first 4 are longer than max_length=3 tokens and are cut" in result.err
    (record,) = (tmp_path / "results" / "train" / "data").glob("usable-*.json")
    assert record.name in result.err
    assert json.loads(record.read_text())["counts"] == {kind: len(names) for kind, names in made.BAD.items()}
    weights = tmp_path / "results" / "train" / "tiny" / "tiny.safetensors"
    progress = read_training(weights)
    assert (progress["step"], progress["images"]) == (2, 4)
    assert Stage.load(weights).config.low_res_side == 8


def test_prepared_images_are_found_and_train_the_same_weights(train: Run, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    assert train(*FOLDER, "results=direct").code == 0
    prepared = train(*FOLDER, "results=prepared", "prepare=true")
    assert prepared.code == 0, prepared.err
    assert LEFT_OUT in prepared.err
    assert not (tmp_path / "prepared" / "train" / "tiny").exists()
    # The images themselves are not read any more, and the counts are said again.
    for name in made.GOOD:
        image = tmp_path / "photos" / name
        found = image.stat()
        image.write_bytes(bytes(found.st_size))
        os.utime(image, ns=(found.st_atime_ns, found.st_mtime_ns))
    result = train(*FOLDER, "results=prepared")
    assert result.code == 0, result.err
    assert LEFT_OUT in result.err
    assert "prepared images: " in result.err
    direct, again = (tmp_path / name / "train/tiny/tiny.safetensors" for name in ("direct", "prepared"))
    assert again.read_bytes() == direct.read_bytes()


def test_a_repaired_image_is_looked_at_again(train: Run, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    assert LEFT_OUT in train(*FOLDER, "prepare=true").err
    (tmp_path / "photos" / "cut.png").write_bytes(made.encoded("a.png"))
    result = train(*FOLDER)
    assert result.code == 0, result.err
    assert "4 of 9 images are left out" in result.err


def test_a_training_goes_on_across_a_preparation_and_not_with_other_images(
    train: Run, tmp_path: Path
) -> None:
    made.write_folder(tmp_path / "photos")
    assert train(*FOLDER).code == 0
    assert train(*FOLDER, "prepare=true").code == 0
    more = ("training.num_steps=3", "training.decay_steps=0")
    result = train(*FOLDER, *more)
    assert result.code == 0, result.err
    assert "prepared images: " in result.err
    (tmp_path / "photos" / "a.png").write_bytes(made.encoded("c.png"))
    result = train(*FOLDER, "training.num_steps=4", "training.decay_steps=0")
    assert result.code == 2
    assert "other images or captions; use those, or another folder" in result.err.splitlines()[-1]


@pytest.mark.parametrize("kind", ["webdataset", "hf"])
def test_shards_and_a_dataset_train_what_a_folder_does(kind: str, train: Run, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    if kind == "webdataset":
        made.write_shards(tmp_path / "other")
        other = ("data.columns.caption=texts",)
    else:
        made.write_dataset(tmp_path / "other")
        other = ("data.split=train",)
    assert train(*FOLDER, "results=folder").code == 0
    result = train(f"data.kind={kind}", "data.path=other", "data.side=16", "results=other_results", *other)
    assert result.code == 0, result.err
    assert LEFT_OUT in result.err
    folder, got = (tmp_path / name / "train/tiny/tiny.safetensors" for name in ("folder", "other_results"))
    assert got.read_bytes() == folder.read_bytes()


def test_a_text_cache_trains_the_same_but_for_rounding(train: Run, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    assert train(*FOLDER, "results=direct").code == 0
    result = train(*FOLDER, "results=cached", "text_cache=true")
    assert result.code == 0, result.err
    assert "5 captions to encode" in result.err
    assert list((tmp_path / "cached" / "train" / "text").rglob("*.safetensors"))
    direct, cached = (
        load_file(tmp_path / name / "train/tiny/tiny.safetensors") for name in ("direct", "cached")
    )
    for name, tensor in direct.items():
        # Two steps of Adam: no weight moves further than twice the rate.
        assert (cached[name].float() - tensor.float()).abs().max() < 4e-3


def test_a_preparation_fills_the_text_cache_too(train: Run, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    result = train(*FOLDER, "prepare=true", "text_cache=true")
    assert result.code == 0, result.err
    assert "5 captions to encode" in result.err
    assert not (tmp_path / "results/train/tiny").exists()
    result = train(*FOLDER, "text_cache=true")
    assert result.code == 0, result.err
    assert "0 captions to encode" in result.err


def test_the_encoders_precision_stands_in_the_checkpoint(train: Run, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    result = train(*FOLDER, "text_encoder_precision=bfloat16")
    assert result.code == 0, result.err
    stage = read_stage_config(tmp_path / "results/train/tiny/tiny.safetensors")
    assert stage.text_encoder["precision"] == "bfloat16"


def test_the_levels_of_an_ablation_are_trained_by_one_command(train: Run, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    result = train(*FOLDER, "-m", "name=narrow,wide", "stage.name=sr64")
    assert result.code == 0, result.err
    for name in ("narrow", "wide"):
        assert (tmp_path / "results" / "train" / name / "sr64.safetensors").is_file()


class TestSettings:
    def test_every_one_goes_without_a_plus_sign_and_with_one(self, train: Run, tmp_path: Path) -> None:
        made.write_folder(tmp_path / "photos")
        given = ("stage.crop_side=8", "training.crop_candidates=2", "training.aug_level_power=3")
        plain = train(*FOLDER, "results=plain", *given)
        plus = train(*FOLDER, "results=plus", *(f"+{one}" for one in given))
        assert (plain.code, plus.code) == (0, 0), plain.err + plus.err
        weights = [tmp_path / name / "train/tiny/tiny.safetensors" for name in ("plain", "plus")]
        assert weights[0].read_bytes() == weights[1].read_bytes()
        assert Stage.load(weights[0]).config.crop_side == 8

    def test_weights_of_whole_images_start_a_training_on_crops(self, train: Run, tmp_path: Path) -> None:
        made.write_folder(tmp_path / "photos")
        assert train(*FOLDER).code == 0
        initial = "initial=results/train/tiny/tiny.safetensors"
        result = train(*FOLDER, initial, "results=more", "+stage.crop_side=8", "+training.crop_candidates=4")
        assert result.code == 0, result.err

    def test_a_series_stays(self, train: Run, tmp_path: Path) -> None:
        made.write_folder(tmp_path / "photos")
        result = train(
            *FOLDER, "training.num_steps=4", "training.series_every=1", "training.keep_checkpoints=3"
        )
        assert result.code == 0, result.err
        found = sorted(path.name for path in (tmp_path / "results/train/tiny").glob("tiny-*.safetensors"))
        assert found == ["tiny-2.safetensors", "tiny-3.safetensors", "tiny-4.safetensors"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("training.learnin_rate=1",), "training.learnin_rate: no such setting; did you mean learning_rate?"),
        (("training.optimizer=sgd",), "training.optimizer: sgd is not one of adamw, adafactor, adam"),
        (("training.accumulate=3",), "training.accumulate: 3 does not divide batch_size=2"),
        (("training.crop_candidates=4",), "training.crop_candidates: 4 is for stages that train on crops"),
        (("stage.crop_sid=8",), "crop_sid"),
        (("data.kind=zip",), "data.kind: zip is not one of scenes, hf, webdataset, folder"),
        (("data.path=null",), "data.path: a value is needed for kind=folder"),
        (("data.split=train",), "data.split: train is for kind=hf, not folder"),
        (("data.path=nowhere",), "data.path: nowhere is not a folder"),
        (("data.side=23",), "data.path: photos has no image to train on; 9 of 9 images are left out"),
        (("prepare=true", "data.kind=scenes"), "prepare: scenes are rendered at their side already"),
        (("text_cache=true", "data.kind=scenes", "data.num=2"), "text_cache: scenes are worded anew"),
        (("text_encoder_revision=v1",), "text encoder t5: a folder has no revision 'v1'; leave it out"),
        (
            ("text_encoder_precision=float16",),
            "text_encoder_precision: float16 is not one of float32, bfloat16",
        ),
        (("training.batch_size=8",), "training data: 4 images are fewer than one batch of 8"),
    ],
)
def test_a_mistake_is_one_line(given: tuple[str, ...], message: str, train: Run, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    result = train(*FOLDER, *given)
    assert result.code == 2
    last = result.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
