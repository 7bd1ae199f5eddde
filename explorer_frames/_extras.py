"""Packages that only some uses need: named with the extra that brings them, where they are missing."""

from __future__ import annotations

import re
from importlib import import_module, metadata
from typing import Any

from explorer_frames._errors import escaped
from explorer_frames._signals import failures
from explorer_frames.errors import ConfigError


def install_hint(extra: str) -> str:
    """Return how to install the packages of an extra, which works before this project is on a package index."""
    packages = " ".join(f"'{package}'" for package in _requirements().get(extra, ()))
    return f"install the extra '{extra}'" + (f": pip install {packages}" if packages else " of explorer-frames")


def extra_of(module: str | None) -> str | None:
    """Return the smallest extra for users that has a package, or None."""
    pattern = re.compile(rf"{re.escape(module or '')}\b", re.IGNORECASE)
    candidates = [
        (len(packages), extra)
        for extra, packages in _requirements().items()
        if module and extra != "test" and any(map(pattern.match, packages))
    ]
    return min(candidates)[1] if candidates else None


def _requirements() -> dict[str, list[str]]:
    """Return the packages of each extra, from the metadata of the installed distribution."""
    try:
        lines = metadata.requires("explorer-frames") or []
    except metadata.PackageNotFoundError:  # imported from an archive, as Spark's workers do
        lines = []
    packages: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        if found := re.search(r"extra == ['\"]([\w-]+)['\"]", marker):
            packages.setdefault(found[1], []).append(requirement.strip())
    return packages


class require:  # noqa: N801 (used as a function)
    """Name the extra to install when an import inside the ``with`` block fails."""

    def __init__(self, module: str, *, extra: str) -> None:
        self._module = module
        self._extra = extra

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ModuleNotFoundError):
            error.msg = f"{self._module} needs the package {error.name}; {install_hint(self._extra)}"
            error.args = (error.msg,)
            error.__traceback__ = None  # of which the user's import would be shown last


def package(name: str, extra: str) -> Any:
    """Import what an extra brings along.

    Raises
    ------
    ConfigError
        It is not installed, or it is and what it needs itself is not there.
    """
    root = name.partition(".")[0]
    try:
        return import_module(name)
    except failures(ImportError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (name, root):
            what, hint = f"{root} is not installed", install_hint(extra)
        else:
            what = f"cannot import {root}: {escaped(error)}"
            hint = f"Run `import {name}` to see the error, or reinstall the package with its dependencies."
    raise ConfigError(what, hint=hint)
