"""Pages of the reference made from the sources: the configuration from conf/, the API from docstrings."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
PACKAGES = ("imagen_ref", "drawbench_eval")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages to those that lie under docs/."""
    from mkdocs.structure.files import File

    pages = {"reference/configuration.md": configuration()}
    pages |= {f"reference/{package}.md": interface(package) for package in PACKAGES}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def configuration() -> str:
    """Every file of conf/, whole: its comments say what a setting does."""
    lines = [
        "# Configuration",
        "",
        "Every file of the configuration, group by group. `drawbench-eval VERB --cfg job` prints what a",
        "command would run with; an option of a group is chosen as `group=option`, a setting changed as",
        "`name.of.it=value`.",
        "",
    ]
    folders = sorted({path.parent for path in (ROOT / "conf").rglob("*.yaml")})
    for folder in folders:
        group = folder.relative_to(ROOT / "conf").as_posix()
        lines += [f"## {'the verbs' if group == '.' else group}", ""]
        for path in sorted(folder.glob("*.yaml")):
            name = path.stem if group == "." else f"{group}={path.stem}"
            lines += [f"### {name}", "", "```yaml", path.read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines)


def interface(package: str) -> str:
    """The modules of a package that have something public, in the order of their names."""
    lines = [f"# {package}", ""]
    for path in sorted((ROOT / package).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if path.name != "__init__.py" and _has_public(path) and ".commands." not in module:
            lines += [f"::: {module}", ""]
    return "\n".join(lines)


def _has_public(path: Path) -> bool:
    kinds = (ast.FunctionDef, ast.ClassDef)
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, kinds) and not node.name.startswith("_") for node in body)
