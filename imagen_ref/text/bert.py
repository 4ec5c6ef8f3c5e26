"""A frozen BERT (Devlin et al. 2019; Imagen, section 2.1), or a model of its kind."""

from __future__ import annotations

from typing import Any, ClassVar

from imagen_ref.text.folder import FolderEncoder

# Their tables of positions begin with rows that no token stands at, up to the padding's id.
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")


class BertEncoder(FolderEncoder):
    """The last hidden states of a bidirectional encoder, its start and end tokens included."""

    family: ClassVar[str] = "bert"
    model_types: ClassVar[tuple[str, ...]] = ("bert", "distilbert", "electra", *OFFSET_POSITIONS)
    unread: ClassVar[tuple[str, ...]] = ("pooler.",)

    def _model_class(self) -> Any:
        from transformers import AutoModel

        return AutoModel

    def _num_positions(self) -> int:
        positions = super()._num_positions()
        if self._config.model_type in OFFSET_POSITIONS:
            positions -= int(self._config.pad_token_id) + 1
        return positions
