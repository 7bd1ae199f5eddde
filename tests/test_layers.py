"""Imports point down: a module may import only from its own folder and from floors below; no folder has a circle."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import explorer_frames

PACKAGE = Path(explorer_frames.__file__).parent
FLOORS = [
    {"_version"},
    {"errors", "_html"},
    {"schemas", "_arguments", "_caller", "_extras", "_memory", "_private", "_provenance", "_threads"},
    {"_decode", "_storage", "_frames", "_fallback"},
    {"_http", "_files"},
    {"_tables", "_outputs", "_plot"},
    {"_jobs"},
    {"_results"},
    {"_compare"},
    {"_sync"},
    {"_client"},
    {"_functions"},
    {"dask", "spark"},
    {"_doctor"},
    {"__init__"},
    {"pytest_plugin"},
    {"cli"},
    {"__main__"},
]
# No I/O, no clock, no environment.
PURE = {"errors", "schemas", "_arguments", "_decode"}
IMPURE = {"os", "socket", "time", "requests", "urllib3", "fsspec", "pathlib", "datetime", "random", "logging"}
# Each layer knows only its own world.
FORBIDDEN = {
    "_decode": {"requests", "urllib3", "http", "fsspec", "pandas"},
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


@cache
def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _ours(path: Path) -> set[tuple[str, ...]]:
    """What a module imports of ours, each as (floor's name, module)."""
    known = {*set().union(*FLOORS), "sandbox"}
    found = {tuple(name.split(".")[1:3]) for name in _imports(path) if name.startswith("explorer_frames.")}
    return {parts if parts[0] in known else ("__init__",) for parts in found}  # what is no module is a public name


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if _name(path) != "sandbox")
FOLDERS = sorted({path.parent for path in MODULES if path.parent != PACKAGE})
SANDBOX = sorted((PACKAGE / "sandbox").glob("*.py"))


def _id(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def _packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in _imports(path)}


def _offenders(wrong: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out the modules that import nothing wrong: a failure lists the others."""
    return {name: imports for name, imports in wrong.items() if imports}


def test_every_module_has_its_floor():
    assert {_name(path) for path in MODULES} == set().union(*FLOORS)


def test_no_import_points_up():
    wrong = {}
    for path in MODULES:
        floor = next(number for number, names in enumerate(FLOORS) if _name(path) in names)
        embeds = {"sandbox"} if _name(path) in {"cli", "pytest_plugin"} else set()
        allowed = set().union(*FLOORS[:floor], {_name(path)}, embeds)
        wrong[_id(path)] = {parts[0] for parts in _ours(path)} - allowed
    assert _offenders(wrong) == {}


def test_no_folder_has_a_circular_import():
    circles = {}
    for folder in FOLDERS:
        arrows = {
            path.stem: {parts[1] for parts in _ours(path) if parts[0] == folder.name and len(parts) > 1}
            for path in folder.glob("*.py")
        }
        try:
            TopologicalSorter(arrows).prepare()
        except CycleError as error:
            circles[_id(folder)] = error.args[1]
    assert circles == {}


def test_pure_modules_do_no_io():
    wrong = {_id(path): _packages(path) & IMPURE for path in MODULES if _name(path) in PURE}
    assert set(map(_name, MODULES)) >= PURE
    assert _offenders(wrong) == {}


def test_each_layer_imports_only_its_own_packages():
    wrong = {_id(path): _packages(path) & FORBIDDEN[_name(path)] for path in MODULES if _name(path) in FORBIDDEN}
    assert set(map(_name, MODULES)) >= set(FORBIDDEN)
    assert _offenders(wrong) == {}


def test_the_sandbox_shares_no_code_with_the_client():
    assert SANDBOX
    assert _offenders({_id(path): {parts[0] for parts in _ours(path)} - {"sandbox"} for path in SANDBOX}) == {}
