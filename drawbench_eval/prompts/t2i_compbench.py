"""T2I-CompBench (Huang et al. 2023, arXiv:2307.06350): a folder of text files, a category each."""

from fnmatch import fnmatch
from pathlib import Path

from drawbench_eval.files import digest
from drawbench_eval.prompt import Prompt, PromptSet, PromptSource
from drawbench_eval.prompts.ids import text_ids
from drawbench_eval.prompts.reading import ONLY_COLUMN, read_table

# The official folder has a category's training, validation and other files beside one another.
_VALIDATION = "*_val.txt"
_ANY = "*.txt"


def t2i_compbench_prompts(folder: Path, *, files: str | None = None) -> PromptSet:
    """A prompt a line of the text files in `folder`, by file name; the category is the name without `.txt`.

    `files` is a pattern of names; null takes `*_val.txt`, as the benchmark is evaluated, or where there is
    none of those `*.txt`. Raises ValueError where no file fits, and for a file without prompts.
    """
    if not folder.is_dir():
        raise ValueError(f"prompts.path: {folder} is not a folder; T2I-CompBench is a folder of text files")
    every = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".txt")
    validation = any(fnmatch(path.name, _VALIDATION) for path in every)
    pattern = files or (_VALIDATION if validation else _ANY)
    chosen = [path for path in every if fnmatch(path.name, pattern)]
    if not chosen:
        raise ValueError(f"prompts.files: {pattern} describes no text file in {folder}")
    texts, categories, contents, remarks = [], [], [], []
    for path in chosen:
        table = read_table(path)
        if not table.rows:
            raise ValueError(f"{path}: holds no prompts; give at least one line")
        texts += [row.text(ONLY_COLUMN) for row in table.rows]
        categories += [path.stem] * len(table.rows)
        contents.append([path.name, table.sha256])
        remarks += [f"{path.name}: {remark}" for remark in table.remarks]
    if len(chosen) < len(every):
        beside = len(every) - len(chosen)
        remarks.append(f"{beside} of {len(every)} text files are not {pattern} and were not read")
    prompts = tuple(
        Prompt(id=identity, text=text, category=category)
        for identity, text, category in zip(text_ids(texts, categories), texts, categories, strict=True)
    )
    source = PromptSource(
        location=str(folder), sha256=digest(contents), choices={"files": pattern}, remarks=tuple(remarks)
    )
    return PromptSet(name="t2i_compbench", prompts=prompts, source=source)
