"""A CLIP of random weights, small enough for tests, that `clip.pretrained` can name."""

import json
from pathlib import Path

import open_clip
import torch

NAME = "suites-tiny"


def make_clip(folder: Path) -> tuple[str, ...]:
    """Writes the weights and gives the settings that choose them. open_clip warns of its activation."""
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    folder.mkdir()
    (folder / f"{NAME}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(NAME)
    torch.save(model.state_dict(), folder / "clip.pt")
    return (
        f"clip.model={NAME}",
        f"clip.pretrained={folder / 'clip.pt'}",
        "clip.activation=gelu",
        "weights.allow_unverified=true",
    )
