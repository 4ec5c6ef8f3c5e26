"""Which prompts are longer than a pipeline reads, by its own tokenizers; its networks are not needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from drawbench_eval.generators.pipelines.files import PipelineFiles
from drawbench_eval.generators.pipelines.library import INSTALL, one_line, quiet

# What tokenizers without a limit give as theirs is far larger.
_NO_LIMIT = 100_000
# Library -> its module.
_SENTENCEPIECE = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}


def truncated(
    files: PipelineFiles, prompts: Sequence[str], *, key: str, max_length: int | None = None
) -> list[int]:
    """The indices of prompts that at least one text encoder of the pipeline cuts.

    A CLIP reads what its tokenizer says (77 tokens); others `max_length`, where that is given. Raises
    ValueError, opening with `key`, for a tokenizer that cannot be loaded.
    """
    cut: set[int] = set()
    for name, class_name in files.components.items():
        if not name.startswith("tokenizer"):
            continue
        tokenizer = _tokenizer(files, name, class_name, key)
        limit = tokenizer.model_max_length
        if max_length is not None and "CLIP" not in class_name:
            limit = max_length
        if not prompts or limit > _NO_LIMIT:
            continue
        with quiet():
            rows = tokenizer(list(prompts))["input_ids"]
        cut.update(index for index, row in enumerate(rows) if len(row) > limit)
    return sorted(cut)


def check_tokenizers(files: PipelineFiles, *, key: str) -> None:
    """Raises ValueError, opening with `key`, for a T5 tokenizer that is there as a SentencePiece model alone
    where the libraries that read one are missing: transformers would ask for another one.
    """
    missing = [name for name, module in _SENTENCEPIECE.items() if not _is_there(module)]
    for name in files.components:
        alone = f"{name}/spiece.model" in files.configs and f"{name}/tokenizer.json" not in files.configs
        if alone and missing:
            raise ValueError(f"{key}: {files.name}: {name} needs {' and '.join(missing)}; {INSTALL}")


def max_length_of(parameters: Mapping[str, Any], call: Mapping[str, Any]) -> int | None:
    """The pipeline's max_sequence_length: as it is called, else its default, else None."""
    value = call.get("max_sequence_length", parameters.get("max_sequence_length"))
    return value if isinstance(value, int) else None


def _tokenizer(files: PipelineFiles, name: str, class_name: str, key: str) -> Any:
    transformers = importlib.import_module("transformers")
    kind = getattr(transformers, class_name, transformers.AutoTokenizer)
    try:
        with quiet():
            return kind.from_pretrained(str(files.folder / name))
    except Exception as error:
        raise ValueError(f"{key}: {files.name}: {name} cannot be loaded ({one_line(error)})") from error


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # The package that would hold it is missing.
        return False
