"""The report as one HTML file that needs nothing else: figures are in it, and it reaches for no network."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from drawbench_eval.report.blocks import Gallery, Report
from drawbench_eval.report.tiles import Tile

# What stands for itself in an address and in an attribute.
_PLAIN = " !$()*+,-./:;=?@[]^_{|}~"


def to_html(report: Report, *, tiles: Mapping[str, Sequence[Tile]] | None = None) -> str:
    """The page. All text is escaped: a prompt with markup in it is shown as it was written.

    `tiles`: samples by run, which a click on a run's point shows.
    """
    # The template lies in the package; S701 is about environments without autoescape, which this is not.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = (files("drawbench_eval.report") / "templates" / "report.html.j2").read_text(encoding="utf-8")
    return (
        environment.from_string(source).render(
            report=report, data_uri=data_uri, embedded=embedded, points=_points(report, tiles or {})
        )
        + "\n"
    )


def data_uri(svg: str) -> str:
    """The picture as a data URI, a quarter shorter than in base64.

    As an image it brings its own name space: ids of two figures cannot clash.
    """
    return "data:image/svg+xml;charset=utf-8," + quote(svg, safe=_PLAIN)


def embedded(value: Any) -> Markup:
    """The value as JSON that can stand in a page: nothing in it closes an element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _points(report: Report, tiles: Mapping[str, Sequence[Tile]]) -> dict[str, Any]:
    """What the page's script needs: the spots of each figure, what is said of each run, and its samples."""
    pictures = report.pictures()
    galleries = [
        block for section in report.sections for block in section.blocks if isinstance(block, Gallery)
    ]
    return {
        "spots": {
            picture.name: [[spot.x, spot.y, spot.run_id] for spot in picture.spots]
            for picture in pictures
            if picture.spots
        },
        "texts": {spot.run_id: spot.text for picture in pictures for spot in picture.spots},
        "tiles": {
            run_id: [[tile.prompt, tile.category, tile.note, tile.uri] for tile in own]
            for run_id, own in tiles.items()
        },
        "categories": sorted({group for gallery in galleries for group in gallery.groups if group}),
    }
