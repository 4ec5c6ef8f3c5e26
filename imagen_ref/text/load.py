"""Any text encoder by folder, or by its name on the Hugging Face Hub and a revision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch

from imagen_ref.text.bert import BertEncoder
from imagen_ref.text.causal import CausalEncoder
from imagen_ref.text.clip import CLIPEncoder
from imagen_ref.text.folder import DTYPES, VOCABULARIES, FolderEncoder, model_type
from imagen_ref.text.t5 import T5Encoder

# A new family is one file beside this one, and one line here.
FAMILIES: Mapping[str, type[FolderEncoder]] = MappingProxyType(
    {encoder.family: encoder for encoder in (T5Encoder, BertEncoder, CLIPEncoder, CausalEncoder)}
)
_FILES = ("*.json", "*.safetensors", "merges.txt", *VOCABULARIES)


def load_encoder(
    source: str | Path,
    *,
    revision: str | None = None,
    max_length: int | None = None,
    precision: str = "float32",
    device: torch.device | str = "cpu",
    pad_to_multiple_of: int = 1,
    cache: Path | None = None,
    offline: bool = False,
) -> FolderEncoder:
    """A frozen text encoder of the family that its config.json names.

    Args:
        source: a Hugging Face folder, or a name on the Hub ("google/t5-v1_1-xxl"); a Path is a folder.
        revision: branch, tag or commit on the Hub; the commit that it meant is what a checkpoint records.
        max_length: tokens kept of a prompt; by default the family's usual number.
        precision: "float32" or "bfloat16"; float16 is refused, T5 overflows in it.
        device: where it runs.
        pad_to_multiple_of: see `FolderEncoder`.
        cache: folder of the Hub's files; by default the library's own.
        offline: take what lies in the cache and ask nobody.

    Raises:
        ValueError: when there is no such folder or name, no known encoder in it, or it is damaged.
    """
    folder, name, commit = Path(source), "", ""
    if isinstance(source, str) and not folder.is_dir():
        folder = _from_hub(str(source), revision, cache, offline=offline)
        name, commit = str(source), folder.name
    elif revision is not None:
        raise ValueError(f"text encoder {source}: a folder has no revision {revision!r}; leave it out")
    kind = model_type(folder)
    for encoder in FAMILIES.values():
        if kind in encoder.model_types:
            return encoder(
                folder,
                max_length=max_length,
                dtype=_dtype(precision),
                device=device,
                pad_to_multiple_of=pad_to_multiple_of,
                name=name,
                revision=commit,
            )
    known = ", ".join(kind for encoder in FAMILIES.values() for kind in encoder.model_types)
    raise ValueError(f"text encoder {source}: a {kind} model; the known ones are {known}")


def _dtype(precision: str) -> torch.dtype:
    dtypes = {**DTYPES, "float16": torch.float16}  # float16 is refused by the encoder, which knows why
    if precision not in dtypes:
        raise ValueError(f"text encoder precision: {precision!r} is not one of {', '.join(DTYPES)}")
    return dtypes[precision]


def _from_hub(name: str, revision: str | None, cache: Path | None, *, offline: bool) -> Path:
    """The folder of one commit in the Hub's cache, fetched where it is not there yet."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(
            name,
            revision=revision,
            cache_dir=cache,
            local_files_only=offline,
            allow_patterns=list(_FILES),
            ignore_patterns=["*/*"],
        )
    except HFValidationError as error:
        raise ValueError(f"text encoder {name}: no such folder, and no name on the Hub either") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        asked = f" at {revision}" if revision else ""
        where = "not in the Hub's cache" if offline else "cannot be fetched from the Hub"
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"text encoder {name}{asked}: no such folder, and {where} ({reason})") from error
    return Path(str(found))
