"""The fields of a file name -> the prompt that it tells, from the strictest reading to the loosest."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping

from drawbench_eval.generators.patterns import TELLING, Groups, Pattern
from drawbench_eval.prompt import Prompt, PromptSet

Way = tuple[Callable[[Prompt], "str | None"], Callable[[str], "str | None"]]


class NoPromptError(ValueError):
    """An image whose name tells none of the prompts."""


def finder(
    pattern: Pattern, prompts: PromptSet | None, *, first_index: int = 0
) -> Callable[[Groups, str], Prompt]:
    """How the fields of a name tell its prompt; without `prompts` an id in the name is the prompt.

    What the finder gives is the one prompt on which all fields agree. It raises NoPromptError where there is
    none, and ValueError where there are two.

    Raises ValueError for a pattern that does not tell a prompt of these.
    """
    telling = [field for field in TELLING if field in pattern.fields]
    if prompts is None:
        ids = [field for field in telling if field != "prompt"]
        if not ids:
            raise ValueError(
                f"model.pattern: {pattern.text!r} does not tell which prompt an image shows without prompts; "
                "it needs {prompt_id}, or choose prompts=..."
            )
        return lambda groups, _name: _named_only(ids[0], groups[ids[0]])
    if telling:
        return _by_fields(pattern, telling, prompts)
    if "index" in pattern.fields:
        return _by_position(pattern, prompts, first_index)
    raise ValueError(
        f"model.pattern: {pattern.text!r} does not tell which prompt an image shows; it needs {{prompt_id}}, "
        "{caption_id}, {coco_id}, {prompt}, or {index} (the position, within {category} if that is there)"
    )


def _named_only(field: str, value: str) -> Prompt:
    identity = value if field == "prompt_id" else str(int(value))
    return Prompt(id=identity, text="", image_id=identity if field == "coco_id" else None)


def _by_fields(pattern: Pattern, telling: list[str], prompts: PromptSet) -> Callable[[Groups, str], Prompt]:
    has_categories = any(prompt.category for prompt in prompts.prompts)
    fields = [*telling, "category"] if has_categories and "category" in pattern.fields else telling
    ways = {field: _ways(pattern, field) for field in fields}
    tables = {field: [_table(of_prompt, prompts.prompts) for of_prompt, _ in ways[field]] for field in fields}
    for field in telling:
        if not any(tables[field]):
            raise ValueError(
                f"model.pattern: {{{field}}} in {pattern.text!r} needs prompts that have one, and "
                f"{prompts.name} has none"
            )

    def candidates(field: str, value: str) -> Mapping[str, Prompt]:
        for (_, of_name), table in zip(ways[field], tables[field], strict=True):
            key = of_name(value)
            if key is not None and key in table:
                return table[key]
        return {}

    def find(groups: Groups, name: str) -> Prompt:
        left: list[Prompt] | None = None
        for field in fields:
            found = candidates(field, groups[field])
            left = list(found.values()) if left is None else [p for p in left if p.id in found]
            if not left:
                where = f"which is not among the {len(prompts.prompts)} prompts"
                if found:
                    where = "which is not that of the prompt that the rest of the name tells"
                raise NoPromptError(f"model.pattern: {name!r} names the {field} {groups[field]!r}, {where}")
        assert left, "a pattern has a telling field"
        if len(left) > 1:
            raise ValueError(
                f"model.pattern: {pattern.text!r} cannot tell the prompts {left[0].id!r} and {left[1].id!r} "
                f"apart in {name!r}; use {{prompt_id}} or {{caption_id}}"
            )
        return left[0]

    return find


def _by_position(pattern: Pattern, prompts: PromptSet, first_index: int) -> Callable[[Groups, str], Prompt]:
    within = "category" in pattern.fields
    if within and not any(prompt.category for prompt in prompts.prompts):
        raise ValueError(
            f"model.pattern: {{category}} in {pattern.text!r} needs prompts that have one, and "
            f"{prompts.name} has none"
        )
    numbered: dict[str, list[Prompt]] = {}
    loosely: dict[str, set[str]] = {}
    for prompt in prompts.prompts:
        category = prompt.category if within else ""
        numbered.setdefault(category, []).append(prompt)
        loosely.setdefault(_loose(category), set()).add(category)

    def find(groups: Groups, name: str) -> Prompt:
        category = groups["category"] if within else ""
        alike = loosely.get(_loose(category), set())
        if category not in numbered and len(alike) == 1:
            (category,) = alike
        among = numbered.get(category, [])
        position = int(groups["index"]) - first_index
        if 0 <= position < len(among):
            return among[position]
        where = f" in the category {category!r}" if within else ""
        hint = "; model.first_index=1 counts from 1" if position == len(among) > 0 and not first_index else ""
        if not among:
            hint = f"; there are {', '.join(numbered)}"
        raise NoPromptError(
            f"model.pattern: {name!r} is number {groups['index']}, counted from {first_index}, "
            f"of {len(among)} prompts{where}{hint}"
        )

    return find


def _table(
    of_prompt: Callable[[Prompt], str | None], prompts: Iterable[Prompt]
) -> dict[str, dict[str, Prompt]]:
    """Key -> the prompts that have it, by id."""
    table: dict[str, dict[str, Prompt]] = {}
    for prompt in prompts:
        key = of_prompt(prompt)
        if key:
            table.setdefault(key, {})[prompt.id] = prompt
    return table


def _ways(pattern: Pattern, field: str) -> list[Way]:
    """How a field is looked up, from the strictest to the loosest: a prompt's key, and a name's."""
    if field == "caption_id":
        return [(lambda prompt: _number(prompt.caption_id), _number)]
    if field == "coco_id":
        return [(lambda prompt: _number(prompt.image_id), _number)]
    if field == "prompt_id":
        ways: list[Way] = [(lambda prompt: prompt.id, str), (lambda prompt: _composed(prompt.id), _composed)]
        return [*ways, (lambda prompt: _number(prompt.id), _number)] if field in pattern.numeric else ways
    if field == "category":
        return [(lambda prompt: prompt.category, str), (lambda prompt: _loose(prompt.category), _loose)]
    cut = slice(pattern.cut)
    return [(lambda prompt: prompt.text[cut], str), (lambda prompt: _loose(prompt.text[cut]), _loose)]


def _number(value: str | None) -> str | None:
    """A number without its leading zeros."""
    return str(int(value)) if value and value.isascii() and value.isdigit() else None


def _composed(value: str) -> str:
    # Some file systems take an accented letter apart.
    return unicodedata.normalize("NFC", value)


def _loose(value: str) -> str:
    """Letters and digits alone: what is left of a text when people and file systems name a file by it."""
    folded = unicodedata.normalize("NFKC", value).casefold()
    return "".join(character for character in folded if character.isalnum())
