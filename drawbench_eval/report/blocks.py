"""What a report is built of, whatever it is printed with: sections of blocks, all of them plain text and
numbers.

The templates know one layout for each `kind`. Text is text: nothing in it is ever markup.
"""

from dataclasses import dataclass
from typing import ClassVar

from drawbench_eval.report.tables import Table


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Running text; `muted` for remarks, `leads` where it stays with what follows it."""

    kind: ClassVar[str] = "paragraph"
    text: str
    muted: bool = False
    leads: bool = False


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list; each item has a lead in bold ("" for none) and its text; `muted` for small print."""

    kind: ClassVar[str] = "bullets"
    items: tuple[tuple[str, str], ...]
    muted: bool = False


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A point of a figure that answers to the pointer: where it is, as shares of width and height from the
    upper left, what is said of it, and the run whose samples a click shows ("" for none).
    """

    x: float
    y: float
    text: str
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure: `name` of its SVG, width in inches, caption, and what it shows in words for those who
    cannot see it; `data`: the numbers in it as CSV ("" where a table has them); `spots`: its points.
    """

    kind: ClassVar[str] = "picture"
    name: str
    svg: str
    width: float
    number: int = 0
    caption: str
    alt: str
    data: str = ""
    spots: tuple[Spot, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Several pictures under one number, each with a title (the prompt) and a small note; `groups`: a
    category for each, to choose by ("" for none).
    """

    kind: ClassVar[str] = "gallery"
    number: int = 0
    caption: str
    pictures: tuple[tuple[Picture, str, str], ...]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DataTable:
    """A numbered table; `name`: of its LaTeX file, "" for none; `printed`: the shorter one that stands on
    paper, where this one is too long for it.
    """

    kind: ClassVar[str] = "table"
    number: int = 0
    caption: str
    table: Table
    name: str = ""
    printed: Table | None = None


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Claims in rows, measures in columns; a cell is a verdict, or "" where the claim is not about the
    measure.
    """

    kind: ClassVar[str] = "verdicts"
    measures: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One claim with what was found: verdict, sentence, how much of what (n and method), and a remark."""

    kind: ClassVar[str] = "evidence"
    claim: str
    source: str
    found: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Names and values in two columns, in fixed-width type."""

    kind: ClassVar[str] = "pairs"
    title: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Lines for a shell."""

    kind: ClassVar[str] = "commands"
    lines: tuple[str, ...]


Block = Paragraph | Bullets | Picture | Gallery | DataTable | Verdicts | Evidence | Pairs | Commands


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part; `new_page` where it should not begin at the foot of a page."""

    title: str
    blocks: tuple[Block, ...]
    new_page: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole: title, a line under it, the answer in a few sentences, and the sections."""

    title: str
    subtitle: str
    answer: tuple[str, ...]
    sections: tuple[Section, ...]

    def pictures(self) -> tuple[Picture, ...]:
        """All pictures in order."""
        found: list[Picture] = []
        for block in (block for section in self.sections for block in section.blocks):
            if isinstance(block, Picture):
                found.append(block)
            elif isinstance(block, Gallery):
                found += [picture for picture, _, _ in block.pictures]
        return tuple(found)
