"""A frozen T5 encoder (Raffel et al. 2020; Imagen, section 2.1): v1.0 and v1.1, of any size."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from imagen_ref.text.folder import FolderEncoder

NO_LIMIT = 2**20


class T5Encoder(FolderEncoder):
    """The last hidden states of a T5's encoder, the end token included.

    float16 is refused: T5 overflows in it.
    """

    family: ClassVar[str] = "t5"
    model_types: ClassVar[tuple[str, ...]] = ("t5", "mt5")

    def _model_class(self) -> Any:
        from transformers import T5EncoderModel

        return T5EncoderModel

    def _num_positions(self) -> int:
        return NO_LIMIT  # its positions are relative

    def _check_dtype(self) -> None:
        if self._dtype == torch.float16:
            raise ValueError("text encoder precision: T5 overflows in float16; use bfloat16 or float32")
        super()._check_dtype()
