"""Imports point down: a module may import only from floors below its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import explorer_frames

PACKAGE = Path(explorer_frames.__file__).parent
FLOORS = [
    {"_version"},
    {"errors"},
    {"schemas", "_json", "_config", "_provenance", "_sessions", "_address", "_spool", "_status", "_wait", "_parallel"},
    {"_local", "_drivers"},
    {"_stores"},
    {"_rows", "_auth", "_transport", "_frames", "_sources", "_publish", "_formats", "_data", "_digest"},
    {"_envelope", "_cells", "_parts", "_seal", "_manifest", "_sync_report", "_tables"},
    {"_decode", "_csv", "_layout", "_draft", "_lake_folder"},
    {"_write", "_inspect", "_delta", "_iceberg"},
    {"_full", "_results", "_api"},
    {"_output"},
    {"_tasks"},
    {"_jobs"},
    {"_listing", "_reading"},
    {"_sync_wanted"},
    {"_sync"},
    {"_client"},
    {"_functions"},
    {"dask"},
    {"__init__"},
    {"_demo", "spark"},
    {"cli"},
    {"__main__"},
]
PURE = {
    "errors",
    "schemas",
    "_json",
    "_rows",
    "_envelope",
    "_cells",
    "_csv",
    "_decode",
}  # no I/O, no clock, no environment
IMPURE = {"os", "socket", "time", "requests", "urllib3", "fsspec", "pathlib", "datetime", "random", "logging"}
FORBIDDEN = {
    "_transport": {"pyarrow", "pandas", "numpy"},
    "_sessions": {"pyarrow", "pandas", "numpy"},
    "_csv": {"fsspec", "pandas"},
    "_decode": {"requests", "urllib3", "http"},
    "_address": {"pyarrow", "pandas", "fsspec"},
    "_parts": {"pandas", "requests", "urllib3"},
    "_drivers": {"pyarrow", "pandas"},
    "_sources": {"pyarrow", "pandas"},
    "_local": {"pyarrow", "pandas", "fsspec"},
    "_stores": {"pyarrow", "pandas"},
    "_publish": {"pyarrow", "pandas"},
    "_lake_folder": {"pyarrow", "pandas"},
    "_manifest": {"pyarrow", "pandas", "fsspec"},
    "_sync": {"requests", "urllib3", "fsspec"},
    "_data": {"requests", "urllib3", "fsspec"},
    "_formats": {"requests", "urllib3", "fsspec"},
    "_write": {"requests", "urllib3"},
    "_tables": {"requests", "urllib3", "fsspec"},
    "_delta": {"requests", "urllib3", "fsspec"},
    "_iceberg": {"requests", "urllib3", "fsspec"},
}


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "explorer_frames." * (node.level > 0) + (node.module or "")
            module = module.rstrip(".")
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "explorer_frames" else {module}
    return names


def _inner(path: Path) -> set[str]:
    names = {name.split(".")[1] for name in _imports(path) if name.startswith("explorer_frames.")}
    known = {*set().union(*FLOORS), "sandbox"}
    return {name if name in known else "__init__" for name in names}  # what is no module is the package's own name


MODULES = sorted(PACKAGE.glob("*.py"))


def test_every_module_has_its_floor():
    assert {path.stem for path in MODULES} == set().union(*FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_arrow_points_up(path):
    floor = next(number for number, names in enumerate(FLOORS) if path.stem in names)
    below = set().union(*FLOORS[:floor])
    allowed = below | ({"sandbox"} if path.stem in {"cli", "_demo"} else set())
    assert _inner(path) <= allowed


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_do_no_io(name):
    assert not {imported.split(".")[0] for imported in _imports(PACKAGE / f"{name}.py")} & IMPURE


@pytest.mark.parametrize(("name", "forbidden"), FORBIDDEN.items())
def test_each_layer_knows_only_its_own_world(name, forbidden):
    assert not {imported.split(".")[0] for imported in _imports(PACKAGE / f"{name}.py")} & forbidden


@pytest.mark.parametrize("path", sorted((PACKAGE / "sandbox").glob("*.py")), ids=lambda path: path.stem)
def test_the_sandbox_shares_no_code_with_the_client(path):
    assert {name for name in _inner(path) if name != "sandbox"} == set()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_grows_beyond_reading(path):
    assert len(path.read_text().splitlines()) <= 400
