"""What one step learns from, and that micro-batches and forgotten activations leave its gradient alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagen_ref.data import Batch
from imagen_ref.loss import predict
from imagen_ref.resize import resize, to_float, to_uint8
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEncoder
from imagen_ref.train import Ranks, TrainConfig, train_stage
from imagen_ref.training.activations import checkpoint_activations
from imagen_ref.training.step import Learner, train_step

CONFIG = TrainConfig(
    num_steps=1, batch_size=6, learning_rate=1e-3, warmup_steps=0, text_dropout=0.3, grad_clip=1e9
)
CAPTIONS = ["red", "a green circle", "blue", "two white rings", "a star below", ""]


def pictures(count: int = 6, side: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)


class Spy:
    """`predict`, noting what it was given."""

    def __init__(self) -> None:
        self.z: list[Tensor] = []
        self.low_res: list[Tensor] = []

    def __call__(self, network: Any, z: Tensor, *others: Any) -> Tensor:
        self.z.append(z.detach())
        self.low_res.append(others[3])
        return predict(network, z, *others)


def gradients(
    stage: Stage,
    config: TrainConfig,
    encoder: TextEncoder,
    *,
    images: Tensor | None = None,
    spy: Callable[..., Tensor] = predict,
    ranks: Ranks | None = None,
) -> dict[str, Tensor]:
    """Of one step, by name of the weight."""
    network = stage.network
    network.requires_grad_(True).train()
    learner = Learner(
        stage=stage.config,
        config=config,
        encoder=encoder,
        network=network,
        predict=spy,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.0),
        ranks=ranks or Ranks(),
    )
    batch = Batch(
        indices=list(range(6)), images=pictures() if images is None else images, captions=list(CAPTIONS)
    )
    train_step(learner, batch, 3)
    found = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    assert len(found) == len(list(network.parameters()))
    return {name: gradient.clone() for name, gradient in found.items()}


MakeStage = Callable[[StageConfig], Stage]


@pytest.mark.parametrize("kind", ["base", "sr"])
@pytest.mark.parametrize("accumulate", [2, 3, 6])
def test_micro_batches_have_the_gradient_of_one_batch(
    kind: str,
    accumulate: int,
    base_config: StageConfig,
    sr_config: StageConfig,
    make_stage: MakeStage,
    encoder: TextEncoder,
) -> None:
    config = base_config if kind == "base" else sr_config
    spy = Spy()
    whole = gradients(make_stage(config), CONFIG, encoder)
    parts = gradients(make_stage(config), replace(CONFIG, accumulate=accumulate), encoder, spy=spy)
    assert [len(z) for z in spy.z] == [6 // accumulate] * accumulate
    for name, gradient in whole.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(parts[name], gradient, atol=1e-4 * scale + 1e-8, rtol=1e-3)
    # One part alone has another gradient: the comparison can fail.
    changed = pictures()
    changed[-1] = 0
    other = gradients(make_stage(config), CONFIG, encoder, images=changed)
    assert not torch.allclose(other["conv_out.weight"], whole["conv_out.weight"], rtol=1e-3)


@pytest.mark.parametrize("kind", ["base", "sr"])
def test_forgotten_activations_leave_the_gradients_as_they_are(
    kind: str,
    base_config: StageConfig,
    sr_config: StageConfig,
    make_stage: MakeStage,
    encoder: TextEncoder,
) -> None:
    config = base_config if kind == "base" else sr_config
    kept = gradients(make_stage(config), CONFIG, encoder)
    stage = make_stage(config)
    names = list(stage.network.state_dict())
    calls: list[int] = []
    block = next(module for module in stage.network.modules() if type(module).__name__ == "ResBlock")
    block.register_forward_hook(lambda *_: None)
    original = block.norm_in.forward
    block.norm_in.forward = lambda x: (calls.append(1), original(x))[1]  # type: ignore[assignment, union-attr, misc, operator]
    checkpoint_activations(stage.network)
    forgotten = gradients(stage, CONFIG, encoder)
    assert len(calls) == 2, "the block ran twice, in the forward and in the backward pass"
    assert list(stage.network.state_dict()) == names
    for name, gradient in kept.items():
        assert torch.equal(forgotten[name], gradient), name


class TestCrops:
    def images(self) -> Tensor:
        return pictures(6, 32)

    def stage(self, sr_config: StageConfig, make_stage: MakeStage) -> Stage:
        whole = replace(sr_config, network=replace(sr_config.network, side=32), low_res_side=16)
        return make_stage(replace(whole, crop_side=8))

    def test_a_stage_with_a_crop_side_learns_from_crops_of_it(
        self, sr_config: StageConfig, make_stage: MakeStage, encoder: TextEncoder
    ) -> None:
        spy, stage = Spy(), self.stage(sr_config, make_stage)
        gradients(stage, CONFIG, encoder, images=self.images(), spy=spy)
        assert spy.z[0].shape == (6, 3, 8, 8)
        assert spy.low_res[0].shape == (6, 3, 8, 8)

    def test_images_of_another_side_are_resized_to_the_stage_first(
        self, sr_config: StageConfig, make_stage: MakeStage, encoder: TextEncoder
    ) -> None:
        large = pictures(6, 64)
        seen = []
        for images in (large, to_uint8(resize(to_float(large), 32)), large[:, :32, :32]):
            spy = Spy()
            gradients(self.stage(sr_config, make_stage), CONFIG, encoder, images=images, spy=spy)
            seen.append(spy.z[0])
        assert torch.equal(seen[0], seen[1])
        assert not torch.allclose(seen[0], seen[2], atol=1e-2)

    def test_the_most_varied_candidate_is_taken(
        self, sr_config: StageConfig, make_stage: MakeStage, encoder: TextEncoder
    ) -> None:
        """One pixel of 32x32 is bright; of 200 places one holds it nearly surely, of one nearly never."""
        images = torch.zeros(6, 32, 32, 3, dtype=torch.uint8)
        images[:, 5, 7] = 255
        stage = self.stage(sr_config, make_stage)
        bright = []
        for candidates in (1, 200):
            spy = Spy()
            config = replace(CONFIG, crop_candidates=candidates)
            gradients(stage, config, encoder, images=images, spy=spy)
            # The same noise with all-black images, taken away.
            dark = Spy()
            gradients(stage, config, encoder, images=torch.zeros_like(images), spy=dark)
            bright.append(int(((spy.z[0] - dark.z[0]).flatten(1).abs().amax(1) > 1e-6).sum()))
        assert bright[0] < 6
        assert bright[1] == 6


class TestRows:
    def test_each_rank_learns_from_its_rows_of_the_whole_batchs_noise(
        self, base_config: StageConfig, make_stage: MakeStage, encoder: TextEncoder, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr(Ranks, "mean", lambda _self, values: values)
        whole = Spy()
        gradients(make_stage(base_config), CONFIG, encoder, spy=whole)
        for rank in range(3):
            spy, rows = Spy(), slice(2 * rank, 2 * rank + 2)
            network = make_stage(base_config).network.requires_grad_(True)
            learner = Learner(
                stage=base_config,
                config=CONFIG,
                encoder=encoder,
                network=network,
                predict=spy,
                optimizer=torch.optim.SGD(network.parameters(), lr=0.0),
                ranks=Ranks(rank=rank, size=3),
            )
            batch = Batch(indices=[], images=pictures()[rows], captions=CAPTIONS[rows])
            train_step(learner, batch, 3)
            torch.testing.assert_close(spy.z[0], whole.z[0][rows])

    def test_a_batch_that_cannot_be_shared_is_refused(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match=r"training.batch_size: 6 cannot be shared by 4 processes"):
            train_stage(base_config, CONFIG, _None(), encoder, tmp_path, ranks=Ranks(size=4))
        config = replace(CONFIG, accumulate=2)
        with pytest.raises(ValueError, match=r"training.accumulate: 2 does not divide the 3 images"):
            train_stage(base_config, config, _None(), encoder, tmp_path, ranks=Ranks(size=2))


class _None:
    def __len__(self) -> int:
        return 99

    def images(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        raise AssertionError

    def captions(self, indices: Sequence[int], epoch: int) -> list[str]:
        raise AssertionError


def test_bfloat16_autocast_reaches_the_network_and_keeps_float32_weights(
    base_config: StageConfig, make_stage: MakeStage, encoder: TextEncoder
) -> None:
    dtypes: list[torch.dtype] = []

    def spying(network: Any, *inputs: Any) -> Tensor:
        out = predict(network, *inputs)
        dtypes.append(out.dtype)
        return out

    exact = gradients(make_stage(base_config), CONFIG, encoder)
    rough = gradients(make_stage(base_config), replace(CONFIG, precision="bfloat16"), encoder, spy=spying)
    assert dtypes == [torch.bfloat16]
    assert all(gradient.dtype == torch.float32 for gradient in rough.values())
    a, b = (torch.cat([g.flatten() for g in found.values()]) for found in (exact, rough))
    assert not torch.equal(a, b)
    assert torch.nn.functional.cosine_similarity(a, b, dim=0) > 0.99
