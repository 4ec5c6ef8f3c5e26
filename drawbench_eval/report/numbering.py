"""Figures and tables get their numbers last, in order; until then text refers to them by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from drawbench_eval.report.blocks import Block, Bullets, DataTable, Gallery, Paragraph, Picture, Section

_REFERENCE = re.compile("\u27e6([a-z0-9-]+)\u27e7")


def refer(name: str) -> str:
    """What stands in a text for 'Figure 3' until numbers are known; of a figure, a gallery or a table."""
    return f"\u27e6{name}\u27e7"


def numbered(sections: Iterable[Section]) -> tuple[Section, ...]:
    """The sections with figures and tables numbered, and references to them written out.

    Sections without blocks are left out. A gallery is called after its first picture's section: `samples`.
    """
    kept = [section for section in sections if section.blocks]
    names: dict[str, str] = {}
    figures = tables = 0
    counted: list[tuple[Section, list[Block]]] = []
    for section in kept:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Picture | Gallery):
                figures += 1
                name = block.name if isinstance(block, Picture) else "samples"
                names[name] = f"Figure {figures}"
                block = replace(block, number=figures)
            elif isinstance(block, DataTable):
                tables += 1
                names[block.name] = f"Table {tables}"
                block = replace(block, number=tables)
            blocks.append(block)
        counted.append((section, blocks))
    return tuple(
        replace(section, blocks=tuple(_written(block, names) for block in blocks))
        for section, blocks in counted
    )


def _written(block: Block, names: dict[str, str]) -> Block:
    def text(value: str) -> str:
        return _REFERENCE.sub(lambda found: names.get(found[1], found[1]), value)

    if isinstance(block, Picture | Gallery | DataTable):
        return replace(block, caption=text(block.caption))
    if isinstance(block, Paragraph):
        return replace(block, text=text(block.text))
    if isinstance(block, Bullets):
        return replace(block, items=tuple((lead, text(body)) for lead, body in block.items))
    return block
