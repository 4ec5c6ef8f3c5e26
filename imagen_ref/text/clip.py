"""A frozen CLIP text tower (Radford et al. 2021; Imagen, section 2.1 and appendix F.1)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from imagen_ref.text.folder import FolderEncoder


class CLIPEncoder(FolderEncoder):
    """The states of the penultimate layer, as the paper takes them, the end token included.

    The folder may hold a whole CLIP or its text tower. The tower's last LayerNorm is not applied (an
    assumption: the paper does not say); the network has its own LayerNorm on text.
    """

    family: ClassVar[str] = "clip"
    model_types: ClassVar[tuple[str, ...]] = ("clip", "clip_text_model")
    usual_length: ClassVar[int] = 77

    @property
    def dim(self) -> int:
        """Width of the states."""
        return int(self._tower.hidden_size)

    @property
    def _tower(self) -> Any:
        return self._config.text_config if self._config.model_type == "clip" else self._config

    def _num_positions(self) -> int:
        return int(self._tower.max_position_embeddings)

    def _model_class(self) -> Any:
        from transformers import CLIPTextModel

        return CLIPTextModel

    def _states(self, model: Any, ids: Tensor, mask: Tensor) -> Tensor:
        layers = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        states: Tensor = layers[-2]
        return states
