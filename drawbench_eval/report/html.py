"""The report as one HTML file that needs nothing else: figures are in it, and it reaches for no network."""

import base64
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from drawbench_eval.report.blocks import Report


def to_html(report: Report) -> str:
    """The page. All text is escaped: a prompt with markup in it is shown as it was written."""
    # The template lies in the package; S701 is about environments without autoescape, which this is not.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = (files("drawbench_eval.report") / "templates" / "report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(report=report, data_uri=data_uri) + "\n"


def data_uri(svg: str) -> str:
    """The picture as a data URI. As an image it brings its own name space: ids of two figures cannot
    clash.
    """
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")
