"""Imports run downhill or along a floor, without cycles, and the few outer libraries stay in their rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Module or folder -> floor; the longest prefix counts.
FLOORS = {
    "drawbench_eval.files": 1,
    "drawbench_eval.csv_text": 1,
    "drawbench_eval.quiet": 1,
    "drawbench_eval.store": 1,
    "drawbench_eval.weights": 1,
    "drawbench_eval.protocol": 1,
    "drawbench_eval.prompt": 1,
    "drawbench_eval.stats": 1,
    "drawbench_eval.tf32": 1,
    "drawbench_eval.scenes": 2,
    "drawbench_eval.prompts": 2,
    "drawbench_eval.images": 2,
    "drawbench_eval.samples": 2,
    "drawbench_eval.captioned": 3,
    "drawbench_eval.references": 3,
    "drawbench_eval.features": 3,
    "drawbench_eval.ratings": 3,
    "drawbench_eval.metrics": 4,
    "drawbench_eval.generators": 4,
    "drawbench_eval.runs": 5,
    "drawbench_eval.score": 5,
    "drawbench_eval.analysis": 6,
    "drawbench_eval.report": 7,
    "drawbench_eval.commands": 8,
    "drawbench_eval.cli": 8,
    "imagen_ref.schedules": 1,
    "imagen_ref.parameterization": 1,
    "imagen_ref.guidance": 1,
    "imagen_ref.thresholding": 1,
    "imagen_ref.noise": 1,
    "imagen_ref.precision": 1,
    "imagen_ref.resize": 1,
    "imagen_ref.augmentation": 1,
    "imagen_ref.crops": 1,
    "imagen_ref.text": 2,
    "imagen_ref.layers": 2,
    "imagen_ref.text_conditioning": 2,
    "imagen_ref.unet": 3,
    "imagen_ref.efficient_unet": 3,
    "imagen_ref.presets": 3,
    "imagen_ref.denoiser": 3,
    "imagen_ref.samplers": 3,
    "imagen_ref.checkpoint": 1,
    "imagen_ref.stage": 4,
    "imagen_ref.cascade": 4,
    "imagen_ref.cascade_files": 4,
    "imagen_ref.loss": 5,
    "imagen_ref.data": 5,
    "imagen_ref.ema": 5,
    "imagen_ref.train": 5,
    "imagen_ref.training": 5,
}
PACKAGES = ("drawbench_eval", "imagen_ref")
MAY_IMPORT_IMAGEN_REF = ("drawbench_eval.generators.imagen", "drawbench_eval.commands.train")


def _modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _imports(name: str, *, only_at_import: bool = False) -> Iterator[str]:
    """Every module that `name` imports, inside functions too unless `only_at_import`."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for node in _nodes(tree, into_functions=not only_at_import):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            assert node.level == 0, f"{name}: relative import; write the whole name"
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in MODULES else base


def _nodes(tree: ast.AST, *, into_functions: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        yield node
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if into_functions or not (is_function or is_typing):
            yield from _nodes(node, into_functions=into_functions)


def _floor(name: str) -> int | None:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        floor = FLOORS.get(".".join(parts[:length]))
        if floor is not None:
            return floor
    return None


def _is_package_root(name: str) -> bool:
    return name in PACKAGES


@pytest.mark.parametrize("name", [name for name in MODULES if not _is_package_root(name)])
def test_every_module_has_a_floor_and_imports_nothing_above_it(name: str) -> None:
    floor = _floor(name)
    assert floor is not None, f"{name} has no floor in this table"
    for imported in _imports(name):
        if imported.split(".")[0] == name.split(".")[0] and not _is_package_root(imported):
            above = _floor(imported)
            assert above is not None, f"{name} imports {imported}, which has no floor"
            assert above <= floor, f"{name} (floor {floor}) imports {imported} (floor {above})"


@pytest.mark.parametrize("package", PACKAGES)
def test_package_roots_import_nothing(package: str) -> None:
    """At import: a root may read its public names when they are asked for."""
    assert set(_imports(package, only_at_import=True)) <= {"__future__", "typing"}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("imagen_ref")])
def test_imagen_ref_knows_nothing_of_the_evaluation(name: str) -> None:
    for imported in _imports(name):
        top = imported.split(".")[0]
        assert top not in ("drawbench_eval", "hydra", "omegaconf", "pandas", "torchmetrics"), imported
        if top in ("transformers", "tokenizers"):
            assert name.startswith("imagen_ref.text."), f"{name} imports {imported}"
        if top == "datasets":
            assert name == "imagen_ref.data", f"{name} imports {imported}"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("drawbench_eval")])
def test_hydra_and_imagen_ref_stay_in_their_rooms(name: str) -> None:
    for imported in _imports(name):
        top = imported.split(".")[0]
        if top in ("hydra", "omegaconf"):
            assert name.startswith("drawbench_eval.commands"), f"{name} imports {imported}"
        if top == "imagen_ref":
            assert name in MAY_IMPORT_IMAGEN_REF, f"{name} imports {imported}"


def test_no_cycles() -> None:
    graph = {
        name: {
            imported
            for imported in _imports(name, only_at_import=True)
            if imported in MODULES and imported != name
        }
        for name in MODULES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for imported in sorted(graph[name]):
                visit(imported, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_the_checker_sees_what_it_should() -> None:
    source = "import a\nfrom b import c\ndef f():\n    import d\nif TYPE_CHECKING:\n    import e\n"
    tree = ast.parse(source)

    def seen(into_functions: bool) -> list[str]:
        nodes = _nodes(tree, into_functions=into_functions)
        return [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]

    assert seen(True) == ["import a", "from b import c", "import d", "import e"]
    assert seen(False) == ["import a", "from b import c"]
    assert _floor("drawbench_eval.scenes.facts") == 2
    assert _floor("drawbench_eval.unknown") is None
