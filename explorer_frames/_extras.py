"""Import optional dependencies, and name the extra to install if they are missing."""

from __future__ import annotations

import re
from importlib import import_module, metadata
from typing import Any

from explorer_frames._errors import escaped
from explorer_frames._signals import failures
from explorer_frames.errors import ConfigError


def install_hint(extra: str) -> str:
    """Return a hint to install the packages of an extra."""
    # The packages are listed by name, because this project may not be on the package index.
    packages = " ".join(f"'{package}'" for package in _requirements().get(extra, ()))
    return f"install the extra '{extra}'" + (f": pip install {packages}" if packages else " of explorer-frames")


def extra_of(module: str | None) -> str | None:
    """Return the smallest extra that contains a package, except the extra `test`."""
    pattern = re.compile(rf"{re.escape(module or '')}\b", re.IGNORECASE)
    candidates = [
        (len(packages), extra)
        for extra, packages in _requirements().items()
        if module and extra != "test" and any(map(pattern.match, packages))
    ]
    return min(candidates)[1] if candidates else None


def _requirements() -> dict[str, list[str]]:
    """Return the packages of each extra from the distribution's metadata."""
    try:
        lines = metadata.requires("explorer-frames") or []
    except metadata.PackageNotFoundError:  # imported from an archive, as in Spark workers
        lines = []
    packages: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        if found := re.search(r"extra == ['\"]([\w-]+)['\"]", marker):
            packages.setdefault(found[1], []).append(requirement.strip())
    return packages


class require:  # noqa: N801 (used like a function)
    """Context manager that names the extra to install if an import in it fails."""

    def __init__(self, module: str, *, extra: str) -> None:
        self._module = module
        self._extra = extra

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ModuleNotFoundError):
            error.msg = f"{self._module} requires the package {error.name}; {install_hint(self._extra)}"
            error.args = (error.msg,)
            error.__traceback__ = None  # so that the traceback ends at the user's import


def package(name: str, extra: str) -> Any:
    """Import a package of an extra, or raise ConfigError."""
    root = name.partition(".")[0]
    try:
        return import_module(name)
    except failures(ImportError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (name, root):
            what, hint = f"{root} is not installed", install_hint(extra)
        else:
            what = f"cannot import {root}: {escaped(error)}"
            hint = f"Run `import {name}` to see the full error, or reinstall the package with its dependencies."
    raise ConfigError(what, hint=hint)
