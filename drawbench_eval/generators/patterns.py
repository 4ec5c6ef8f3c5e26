"""Patterns of file names, such as `{category}/{index}_{seed}.png`, and names taken apart by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

FIELDS = ("prompt_id", "caption_id", "coco_id", "prompt", "category", "index", "sample", "seed")
# Each of them tells the prompt; beside one of them, {index} is the number of the image among its own.
TELLING = ("prompt_id", "caption_id", "coco_id", "prompt")

_NUMBERS = ("caption_id", "coco_id", "index", "sample", "seed")
_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_WIDTH = re.compile(r"([0-9]+)d")
_CUT = re.compile(r"\.([0-9]+)")

Groups = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A parsed pattern: the fields in it, and the expressions that take a name apart.

    shortest, longest: fields that take as little, or as much, of a name as they can. numeric: fields that are
    numbers. cut: how many characters of the prompt a name holds; None for all.
    """

    text: str
    fields: tuple[str, ...]
    shortest: re.Pattern[str]
    longest: re.Pattern[str]
    numeric: frozenset[str]
    cut: int | None

    @property
    def repeats(self) -> tuple[str, ...]:
        """The fields that tell the images of one prompt apart."""
        told = any(field in TELLING for field in self.fields)
        return tuple(f for f in self.fields if f in ("sample", "seed") or (f == "index" and told))

    def read(self, name: str) -> Groups | None:
        """What each field is in `name`; None where the pattern does not describe it.

        Raises ValueError for a name that can be read in two ways.
        """
        match, other = self.shortest.fullmatch(name), self.longest.fullmatch(name)
        if match is None or other is None:
            return None
        for field in self.fields:
            if match[field] != other[field]:
                raise ValueError(
                    f"model.pattern: {self.text!r} reads {name!r} in two ways ({field} is "
                    f"{match[field]!r} or {other[field]!r}); part the fields by what stands in neither, or "
                    f"write numbers as {{{field}:05d}}"
                )
        return match.groupdict()


def parse_pattern(pattern: str) -> Pattern:
    """The parsed pattern; letters count in either case.

    `{index:04d}` wants four digits or more, `{prompt:.50}` the first 50 characters. Raises ValueError for a
    field or a format that does not exist, and for a field that stands twice.
    """
    literals, fields, at = [], [], 0
    numeric: set[str] = set()
    spans: dict[str, str] = {}
    cut = None
    for found in _FIELD.finditer(pattern):
        name, form = found.group(1), found.group(2)
        if name not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise ValueError(f"model.pattern: {{{name}}} in {pattern!r} is not known; known are {known}")
        if name in fields:
            raise ValueError(f"model.pattern: {pattern!r} uses a field twice ({{{name}}})")
        width, shortened = _WIDTH.fullmatch(form or ""), _CUT.fullmatch(form or "")
        if form is not None and not width and not (shortened and name == "prompt"):
            raise ValueError(
                f"model.pattern: {found.group()} in {pattern!r} is not known; "
                f"a number of at least 4 digits is {{{name}:04d}}"
            )
        if shortened:
            cut = int(shortened[1])
        if width or name in _NUMBERS:
            numeric.add(name)
        literals.append(re.escape(pattern[at : found.start()]))
        fields.append(name)
        spans[name] = rf"[0-9]{{{int(width[1]) if width else 1},}}" if name in numeric else "[^/]+"
        at = found.end()
    literals.append(re.escape(pattern[at:]))

    def expression(most: str) -> re.Pattern[str]:
        parts = [
            f"{text}(?P<{name}>{spans[name]}{most})" for text, name in zip(literals, fields, strict=False)
        ]
        return re.compile("".join([*parts, literals[-1]]), re.IGNORECASE)

    return Pattern(
        text=pattern,
        fields=tuple(fields),
        shortest=expression("?"),
        longest=expression(""),
        numeric=frozenset(numeric),
        cut=cut,
    )
