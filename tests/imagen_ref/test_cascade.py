import gc
import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tiny_encoders import make_encoder

import imagen_ref
from imagen_ref.cascade import Cascade
from imagen_ref.cascade_files import cascade_files
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage, StageConfig, save_stage
from imagen_ref.text.embedding import TextEmbedding, TextEncoder, null_embedding
from imagen_ref.text.folder import FolderEncoder
from imagen_ref.text.load import load_encoder
from imagen_ref.text.t5 import T5Encoder

PROMPTS = ["a red circle", "two squares", "", "cross", "a red circle", "ring", "a star below a ring", "a"]
SEEDS = [3, 1, 4, 1, 5, 92, 6, 5]
SETTINGS = {
    "base": SamplerSettings(guidance_weight=3.0, sampler="ddpm", num_steps=4),
    "sr16": SamplerSettings(guidance_weight=1.0, num_steps=3, aug_level=0.2),
}


@pytest.fixture(scope="module")
def cascade(encoder: TextEncoder, base: Stage, sr: Stage) -> Cascade:
    return Cascade(encoder, [base, sr])


@pytest.fixture(scope="module")
def whole(cascade: Cascade) -> NDArray[np.uint8]:
    return cascade.sample(PROMPTS, seeds=SEEDS, settings=SETTINGS, batch_size=8)


class TestSample:
    @pytest.mark.parametrize("batch_size", [1, 3, 8])
    def test_neither_batch_size_nor_order_matters(
        self, cascade: Cascade, whole: NDArray[np.uint8], batch_size: int
    ) -> None:
        order = [5, 2, 7, 0, 3, 6, 1, 4]
        images = cascade.sample(
            [PROMPTS[row] for row in order],
            seeds=[SEEDS[row] for row in order],
            settings=SETTINGS,
            batch_size=batch_size,
        )
        difference = np.abs(images.astype(int) - whole[order])
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 1e-3
        assert whole.std(axis=(1, 2)).min() > 5

    def test_eight_bits_between_the_stages(self, cascade: Cascade, whole: NDArray[np.uint8]) -> None:
        """Stopping after the base and going on from its images is the same as running through."""
        small = cascade.sample(PROMPTS, seeds=SEEDS, settings=SETTINGS, batch_size=8, last="base")
        assert (small.dtype, small.shape) == (np.uint8, (8, 8, 8, 3))
        large = cascade.sample(
            PROMPTS, seeds=SEEDS, settings=SETTINGS, batch_size=8, low_res=small, first="sr16"
        )
        assert np.array_equal(large, whole)

    def test_several_super_resolutions_of_one_base_image(self, cascade: Cascade) -> None:
        prompts, one = ["a red circle"] * 4, [9] * 4
        images = cascade.sample(prompts, seeds=SEEDS[:4], base_seeds=one, settings=SETTINGS, batch_size=3)
        small = cascade.sample(prompts, seeds=one, settings=SETTINGS, batch_size=3, last="base")
        assert np.ptp(small.astype(int), axis=0).max() <= 1
        large = cascade.sample(
            prompts, seeds=SEEDS[:4], settings=SETTINGS, batch_size=3, low_res=small, first="sr16"
        )
        assert np.array_equal(images, large)
        assert np.array_equal(images[1], images[3]), "seeds 1 and 1"
        assert not np.array_equal(images[0], images[1])

    def test_reports_what_is_finished(self, cascade: Cascade) -> None:
        finished: list[int] = []
        images = cascade.sample(
            PROMPTS[:5], seeds=SEEDS[:5], settings=SETTINGS, batch_size=2, on_images=finished.append
        )
        assert finished == [2, 2, 1]
        assert images.shape == (5, 16, 16, 3)

    def test_empty_prompt_is_the_null_embedding(self, cascade: Cascade, whole: NDArray[np.uint8]) -> None:
        base, sr = cascade.stages
        null, seed = null_embedding(1, cascade.encoder.dim), [SEEDS[2]]
        image = sr.sample(null, seed, SETTINGS["sr16"], low_res=base.sample(null, seed, SETTINGS["base"]))
        assert np.abs(image[0].astype(int) - whole[2]).max() <= 1

    def test_mistakes_are_named(self, cascade: Cascade) -> None:
        def sample(**changes: object) -> None:
            arguments: dict[str, object] = {"seeds": SEEDS, "settings": SETTINGS, **changes}
            cascade.sample(PROMPTS, **arguments)  # type: ignore[arg-type]

        with pytest.raises(ValueError, match=r"seeds: 2 for 8 prompts"):
            sample(seeds=[1, 2])
        with pytest.raises(ValueError, match=r"base_seeds: 2 for 8 prompts"):
            sample(base_seeds=[1, 2])
        with pytest.raises(ValueError, match=r"base_seeds: the base is not run where first=sr16"):
            sample(first="sr16", low_res=np.zeros((8, 8, 8, 3), np.uint8), base_seeds=SEEDS)
        with pytest.raises(ValueError, match=r"settings: sr64 is not one of the stages base, sr16"):
            sample(settings={"sr64": SETTINGS["base"]})
        with pytest.raises(ValueError, match=r"stage: sr64 is not one of base, sr16"):
            sample(last="sr64")
        with pytest.raises(ValueError, match=r"stages: sr16 comes after base; the order is base, sr16"):
            sample(first="sr16", last="base")
        with pytest.raises(ValueError, match=r"starts from 8x8 images, got none"):
            sample(first="sr16")
        with pytest.raises(ValueError, match=r"low_res: 3 images for 8 prompts"):
            sample(first="sr16", low_res=np.zeros((3, 8, 8, 3), np.uint8))
        with pytest.raises(ValueError, match=r"low_res: stage base starts from noise; write first=NAME"):
            sample(low_res=np.zeros((8, 8, 8, 3), np.uint8))
        with pytest.raises(ValueError, match=r"threshold='soft' does not exist"):
            sample(threshold="soft")
        with pytest.raises(ValueError, match=r"guidance_weight: it means the base, .*settings={'sr16': Samp"):
            sample(first="sr16", low_res=np.zeros((8, 8, 8, 3), np.uint8), guidance_weight=2.0)

    def test_short_names_mean_the_base_and_what_is_not_named_is_as_usual(self, cascade: Cascade) -> None:
        def sample(**settings: object) -> NDArray[np.uint8]:
            return cascade.sample(PROMPTS[:2], seeds=SEEDS[:2], **settings)  # type: ignore[arg-type]

        usual = {"base": SamplerSettings(), "sr16": SamplerSettings()}
        assert np.array_equal(sample(), sample(settings=usual))
        changed = usual | {"base": SamplerSettings(guidance_weight=3.0, threshold="static")}
        short = sample(guidance_weight=3.0, threshold="static")
        assert np.array_equal(short, sample(settings=changed))
        assert not np.array_equal(short, sample())
        four = {"base": SamplerSettings(num_steps=4, guidance_weight=7.0)}
        mixed = sample(guidance_weight=3.0, settings=four)
        assert np.array_equal(
            mixed, sample(settings={"base": SamplerSettings(num_steps=4, guidance_weight=3.0)})
        )

    @pytest.mark.parametrize("cut", ["base", "sr16"])
    def test_goes_on_bitwise_from_saved_files(
        self,
        encoder: TextEncoder,
        base: Stage,
        sr: Stage,
        make_stage: Callable[[StageConfig], Stage],
        tmp_path: Path,
        cut: str,
    ) -> None:
        """Three stages, stopped after either of the first two and started from its PNG files."""
        third = replace(sr.config, name="sr32", low_res_side=16, network=replace(sr.config.network, side=32))
        cascade = Cascade(encoder, [base, sr, make_stage(third)])
        settings = SETTINGS | {"sr32": SamplerSettings(num_steps=2, guidance_weight=2.0, aug_level=0.3)}
        prompts, seeds = PROMPTS[:4], SEEDS[:4]
        through = cascade.sample(prompts, seeds=seeds, settings=settings)
        assert through.shape == (4, 32, 32, 3)
        stopped = cascade.sample(prompts, seeds=seeds, settings=settings, last=cut)
        for row, image in enumerate(stopped):
            Image.fromarray(image).save(tmp_path / f"{row}.png")
        saved = np.stack([np.asarray(Image.open(tmp_path / f"{row}.png")) for row in range(4)])
        after = "sr16" if cut == "base" else "sr32"
        resumed = cascade.sample(prompts, seeds=seeds, settings=settings, low_res=saved, first=after)
        assert np.array_equal(resumed, through)
        other = cascade.sample(prompts, seeds=seeds, settings=settings, low_res=saved[::-1], first=after)
        assert not np.array_equal(other, through)

    def test_a_single_image_straight_from_pillow(self, cascade: Cascade, tmp_path: Path) -> None:
        """Such an array cannot be written to, which torch warns of."""
        Image.new("RGB", (8, 8), (200, 30, 90)).save(tmp_path / "one.png")
        with Image.open(tmp_path / "one.png") as file:
            images = np.asarray(file)[None]
        assert not images.flags.writeable
        assert cascade.sample(["a"], seeds=[1], low_res=images, first="sr16").shape == (1, 16, 16, 3)


class TestEncode:
    def test_gives_what_the_encoder_gives(self, cascade: Cascade) -> None:
        got, expected = cascade.encode(PROMPTS), cascade.encoder.encode(PROMPTS)
        assert torch.equal(got.states, expected.states)
        assert torch.equal(got.mask, expected.mask)

    def test_every_different_prompt_is_encoded_once(self, encoder: TextEncoder, base: Stage) -> None:
        batches: list[Sequence[str]] = []

        class Counting(type(encoder)):  # type: ignore[misc]
            def encode(self, prompts: Sequence[str]) -> TextEmbedding:
                batches.append(prompts)
                embedding: TextEmbedding = super().encode(prompts)
                return embedding

        prompts = [f"prompt {number % 100}" for number in range(300)]
        text = Cascade(Counting(), [base]).encode(prompts)
        assert sorted(prompt for batch in batches for prompt in batch) == sorted(set(prompts))
        assert max(len(batch) for batch in batches) <= 64
        assert torch.equal(text.states, encoder.encode(prompts).states)


class TestFit:
    def test_stages_that_do_not_follow_are_refused(
        self, encoder: TextEncoder, base: Stage, sr: Stage, sr_config: StageConfig
    ) -> None:
        four = Stage(replace(sr_config, low_res_side=4), sr.network)
        with pytest.raises(ValueError, match=r"stage sr16 starts from a side of 4, stage base ends at 8"):
            Cascade(encoder, [base, four])
        with pytest.raises(ValueError, match=r"stage base starts from a side of None, stage sr16 ends at 16"):
            Cascade(encoder, [sr, base])
        with pytest.raises(ValueError, match=r"at least one stage"):
            Cascade(encoder, [])

    def test_another_encoder_of_the_same_width_is_refused(
        self, encoder: TextEncoder, other_encoder: TextEncoder, base: Stage, sr: Stage
    ) -> None:
        assert other_encoder.dim == encoder.dim
        with pytest.raises(ValueError, match=r"text encoder words-w1: stage base was trained with words-w0"):
            Cascade(other_encoder, [base, sr])
        foreign = Stage(replace(sr.config, text_encoder=other_encoder.identity), sr.network)
        with pytest.raises(ValueError, match=r"text encoder words-w0: stage sr16 was trained with words-w1"):
            Cascade(encoder, [base, foreign])

    def test_a_stage_that_was_never_trained_is_refused(self, encoder: TextEncoder, base: Stage) -> None:
        untrained = Stage(replace(base.config, text_encoder={}), base.network)
        with pytest.raises(ValueError, match=r"stage base: it was never trained, its checkpoint names no"):
            Cascade(encoder, [untrained])

    def test_another_length_of_text_is_refused(self, encoder: TextEncoder, base: Stage) -> None:
        assert encoder.max_length == 8
        longer = Stage(
            replace(base.config, text_encoder={**encoder.identity, "max_length": 16}), base.network
        )
        with pytest.raises(ValueError, match=r"it keeps 8 tokens of a prompt, stage base was .* with 16"):
            Cascade(encoder, [longer])

    def test_an_encoder_in_another_precision_is_refused(self, t5_folder: Path, base: Stage) -> None:
        full, half = (load_encoder(t5_folder, precision=name) for name in ("float32", "bfloat16"))
        for given, other in ((full, half), (half, full)):
            stage = Stage(replace(base.config, text_encoder=other.identity), base.network)
            Cascade(other, [stage])
            said, trained = (one.identity.get("precision", "float32") for one in (given, other))
            message = (
                rf"text encoder tiny: it is in {said}, stage base was trained with it in {trained}; load it "
                "with that precision"
            )
            with pytest.raises(ValueError, match=message):
                Cascade(given, [stage])

    def test_an_unknown_precision_is_refused(self, encoder: TextEncoder, base: Stage) -> None:
        with pytest.raises(ValueError, match=r"precision='float16' does not exist: write one of float32, b"):
            Cascade(encoder, [base], precision="float16")


class TestLoad:
    @pytest.fixture
    def folder(self, tmp_path: Path, t5_folder: Path, base: Stage, sr: Stage) -> Path:
        (tmp_path / "t5").symlink_to(t5_folder)
        identity = T5Encoder(tmp_path / "t5", max_length=5).identity
        for stage in (base, sr):
            config = replace(stage.config, text_encoder=identity)
            save_stage(tmp_path / f"{config.name}.safetensors", config, stage.network.state_dict())
        files = {"base": "base.safetensors", "sr16": "sr16.safetensors"}
        content = {
            "text_encoders": {
                "t5": {"max_length": 5, "stages": files},
                "lost": {"max_length": 5, "stages": files},
            }
        }
        (tmp_path / "cascade.json").write_text(json.dumps(content))
        return tmp_path

    def test_folder(self, folder: Path) -> None:
        cascade = Cascade.load(folder)
        assert [stage.config.name for stage in cascade.stages] == ["base", "sr16"]
        assert cascade.encoder.max_length == 5
        images = cascade.sample(["red circle", ""], seeds=[1, 2], settings=SETTINGS)
        assert images.shape == (2, 16, 16, 3)

    def test_one_at_a_time_gives_the_same_and_holds_one(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        prompts, seeds = ["red circle", "", "two"], [1, 2, 3]
        expected = Cascade.load(folder).sample(prompts, seeds=seeds, settings=SETTINGS, batch_size=2)
        cascade = Cascade.load(folder, one_at_a_time=True)
        loaded: list[weakref.ref[Stage]] = []
        load = Stage.load

        def noted(path: Path, *, device: str = "cpu") -> Stage:
            gc.collect()
            assert isinstance(cascade.encoder, FolderEncoder)
            assert cascade.encoder._model is None
            assert all(before() is None for before in loaded)
            stage = load(path, device=device)
            loaded.append(weakref.ref(stage))
            return stage

        monkeypatch.setattr(Stage, "load", noted)
        finished: list[int] = []
        for _ in range(2):
            images = cascade.sample(
                prompts, seeds=seeds, settings=SETTINGS, batch_size=2, on_images=finished.append
            )
            assert np.array_equal(images, expected)
        assert len(loaded) == 4
        assert finished == [2, 1, 2, 1]

    @pytest.mark.parametrize("kind", ["bert", "clip", "gpt2"])
    def test_an_encoder_of_any_family_from_elsewhere(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory, kind: str
    ) -> None:
        source = make_encoder(kind, tmp_path_factory.mktemp(kind))
        content = json.loads((folder / "cascade.json").read_text())
        content["text_encoders"][kind] = {
            "source": str(source),
            "max_length": 7,
            "precision": "bfloat16",
            "stages": content["text_encoders"]["t5"]["stages"],
        }
        (folder / "cascade.json").write_text(json.dumps(content))
        # Refused, because the stages were trained with the T5.
        with pytest.raises(ValueError, match=r"stage base was trained with t5, of other weights"):
            Cascade.load(folder, text_encoder=kind)
        assert list(cascade_files(folder, text_encoder=kind).weights()) == ["base", "sr16"]

    def test_weights_by_name(self, folder: Path) -> None:
        assert cascade_files(folder).weights() == {
            "t5": folder / "t5" / "model.safetensors",
            "base": folder / "base.safetensors",
            "sr16": folder / "sr16.safetensors",
        }

    def test_a_stage_may_have_an_encoder_of_its_own(
        self, folder: Path, base: Stage, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """The base reads a BERT; the super-resolution keeps the T5 that it was trained with."""
        bert = make_encoder("bert", tmp_path_factory.mktemp("bert"))
        reader = load_encoder(bert, max_length=7)
        network = replace(base.config.network, text_dim=reader.dim)
        config = replace(base.config, network=network, text_encoder=reader.identity)
        state = {name: 0.1 * torch.ones_like(w) for name, w in config.make_network().state_dict().items()}
        save_stage(folder / "other.safetensors", config, state)
        content = json.loads((folder / "cascade.json").read_text())
        sr = {"file": "sr16.safetensors", "text_encoder": "t5"}
        stages = {"base": "other.safetensors", "sr16": sr}
        content["text_encoders"]["bert"] = {"source": str(bert), "max_length": 7, "stages": stages}
        (folder / "cascade.json").write_text(json.dumps(content))
        for one_at_a_time in (False, True):
            cascade = Cascade.load(folder, text_encoder="bert", one_at_a_time=one_at_a_time)
            assert cascade.encoder_of("base").identity["family"] == "bert"
            assert cascade.encoder_of("sr16").identity["family"] == "t5"
            assert cascade.sample(["red"], seeds=[1], settings=SETTINGS).shape == (1, 16, 16, 3)
        files = cascade_files(folder, text_encoder="bert").weights()
        assert files["sr16.encoder"] == folder / "t5" / "model.safetensors"
        # Without its own it is refused, and so is one that the file does not describe.
        stages["sr16"] = "sr16.safetensors"
        (folder / "cascade.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"stage sr16 was trained with t5, of other weights"):
            Cascade.load(folder, text_encoder="bert")
        for part, match in (
            ({**sr, "text_encoder": "gpt"}, r"stages.sr16.text_encoder: gpt is not one of t5, lost, bert"),
            ({"path": "sr16.safetensors"}, r"stages.sr16: \{'path': 'sr16.safetensors'\}; write a file, or"),
        ):
            stages["sr16"] = part  # type: ignore[assignment]
            (folder / "cascade.json").write_text(json.dumps(content))
            with pytest.raises(ValueError, match=match):
                Cascade.load(folder, text_encoder="bert")

    def test_an_encoder_without_stages_serves_other_stages_only(self, folder: Path) -> None:
        content = json.loads((folder / "cascade.json").read_text())
        content["text_encoders"]["lost"]["stages"] = {}
        (folder / "cascade.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"model.text_encoder: lost has no stages in "):
            Cascade.load(folder, text_encoder="lost")

    def test_mistakes_are_named(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"model.path: nowhere has no cascade.json; .* one of: .*scenes"):
            Cascade.load("nowhere")
        with pytest.raises(ValueError, match=r"model.text_encoder: clip is not one of t5, lost in "):
            Cascade.load(folder, text_encoder="clip")
        with pytest.raises(ValueError, match=r"text encoder .*lost: no config.json there"):
            Cascade.load(folder, text_encoder="lost")
        (folder / "sr16.safetensors").unlink()
        with pytest.raises(ValueError, match=r"checkpoint .*sr16.safetensors: there is no such file"):
            Cascade.load(folder)

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("{", r"cascade .*cascade.json: not JSON"),
            ("[]", r"cascade .*cascade.json: text_encoders is missing"),
            ('{"text_encoders": {"t5": {"stages": {}}}}', r"text_encoders.t5.max_length is missing"),
            ('{"text_encoders": {"t5": {"max_length": 5}}}', r"text_encoders.t5.stages is missing"),
        ],
    )
    def test_a_broken_description_is_named(self, tmp_path: Path, text: str, match: str) -> None:
        (tmp_path / "cascade.json").write_text(text)
        with pytest.raises(ValueError, match=match):
            Cascade.load(tmp_path)


def test_five_lines_of_python() -> None:
    """As the README writes them, with the packaged model."""
    images = imagen_ref.Cascade.load("scenes").sample(
        ["a red circle", "a blue square"], seeds=[0, 1], guidance_weight=3.0, threshold="dynamic"
    )
    assert (images.dtype, images.shape) == (np.uint8, (2, 64, 64, 3))
    # Something stands there, redder than blue, and the other way round.
    red, blue = ((image[..., 0].astype(int) - image[..., 2]) for image in images)
    assert red.max() > 40
    assert blue.min() < -40
    assert imagen_ref.Cascade is Cascade
    assert imagen_ref.SamplerSettings is SamplerSettings
    with pytest.raises(AttributeError, match=r"'imagen_ref' has no attribute 'Sampler'"):
        imagen_ref.Sampler  # type: ignore[attr-defined]  # noqa: B018


def test_precision_reaches_every_stage(
    encoder: TextEncoder, base: Stage, sr: Stage, make_stage: Callable[[StageConfig], Stage]
) -> None:
    dtypes: list[torch.dtype] = []
    stages = [make_stage(base.config), make_stage(sr.config)]
    for stage in stages:
        stage.network.conv_out.register_forward_hook(lambda module, args, out: dtypes.append(out.dtype))
    Cascade(encoder, stages, precision="bfloat16").sample(["ring"], seeds=[0], settings=SETTINGS)
    assert dtypes == [torch.bfloat16] * 7
