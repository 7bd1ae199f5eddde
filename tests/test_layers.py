"""Imports point down: a module may import only from its own folder and from floors below; no folder has a circle."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import explorer_frames

PACKAGE = Path(explorer_frames.__file__).parent
FLOORS = [
    {"_version", "_signals"},
    {"_private"},
    {"errors", "_html", "_memory", "_secrets"},
    {"_errors"},
    {"_warnings"},
    {"_types"},
    {"_schemas", "_arguments", "_extras", "_provenance", "_threads"},
    {"schemas", "_decode", "_storage", "_frames", "_progress"},
    {"_http", "_files"},
    {"_tables", "_outputs"},
    {"_jobs"},
    {"_results"},
    {"_compare"},
    {"_plot"},
    {"_sync", "_doctor"},
    {"_client"},
    {"_functions"},
    {"dask", "spark"},
    {"__init__"},
    {"pytest_plugin"},
    {"cli"},
    {"__main__"},
]
# The sandbox shares no code with the client, except for how errors look.
ALSO = {"cli": {"sandbox"}, "pytest_plugin": {"sandbox"}, "sandbox": {"errors", "_private"}}
# No I/O, no clock, no environment.
PURE = {"os", "socket", "time", "requests", "urllib3", "fsspec", "pathlib", "datetime", "random", "logging"}
# Packages that a module or folder must not import.
FORBIDDEN = {
    "errors": PURE,
    "_types": PURE,
    "_schemas": PURE,
    "_arguments": PURE,
    "_decode": {*PURE, "http", "pandas"},
    "_storage": {"pyarrow", "pandas", "requests", "urllib3"},
    "_http": {"pyarrow", "pandas", "numpy", "fsspec"},
    "_files": {"requests", "urllib3", "fsspec"},
    "_plot": {"requests", "urllib3", "fsspec"},
    "_tables": {"requests", "urllib3", "fsspec"},
    "_outputs": {"requests", "urllib3"},
    "_results": {"requests", "urllib3", "fsspec"},
    "_compare": {"requests", "urllib3", "fsspec"},
    "_sync": {"requests", "urllib3", "fsspec"},
}


class _Imports(ast.NodeVisitor):
    """The names that a module imports at runtime."""

    def __init__(self, path: Path) -> None:
        self.names: set[str] = set()
        self.visit(ast.parse(path.read_text(encoding="utf-8")))

    def visit_Import(self, node: ast.Import) -> None:
        self.names |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute"
        self.names |= {f"{node.module}.{alias.name}" for alias in node.names}

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)


def _floor(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_imports_point_down():
    floors = {name: number for number, names in enumerate(FLOORS) for name in names}
    imports = {path: _Imports(path).names for path in sorted(PACKAGE.rglob("*.py"))}
    assert {_floor(path) for path in imports} == {*floors, "sandbox"}, "each module and folder has one floor"
    assert {*floors, "sandbox"} >= {*FORBIDDEN, *ALSO}
    errors = []
    circles: dict[Path, dict[str, set[str]]] = {}
    for path, names in imports.items():
        own = _floor(path)
        ours = [name.split(".")[1:3] for name in names if name.startswith("explorer_frames.")]
        # A name that is not a module is a public name.
        used = {parts[0] if parts[0] in {*floors, "sandbox"} else "__init__" for parts in ours}
        below = {name for name, number in floors.items() if own in floors and number < floors[own]}
        errors += [f"{path} imports {name}" for name in used - {own} - below - ALSO.get(own, set())]
        packages = {name.split(".")[0] for name in names}
        errors += [f"{path} imports {name}" for name in packages & FORBIDDEN.get(own, set())]
        siblings = {parts[1] for parts in ours if parts[0] == path.parent.name and len(parts) > 1}
        circles.setdefault(path.parent, {})[path.stem] = siblings
    for folder in circles.keys() - {PACKAGE}:
        try:
            TopologicalSorter(circles[folder]).prepare()
        except CycleError as error:
            errors.append(f"{folder} has a circular import: {error.args[1]}")
    assert errors == []
