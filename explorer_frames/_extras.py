"""Packages that only some uses need: named with the extra that brings them, where they are missing."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from explorer_frames.errors import ConfigError, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator


def install_command(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'explorer-frames[{extra}]'"


@contextmanager
def require(module: str, *, extra: str) -> Iterator[None]:
    """Name the extra to install when an import inside the ``with`` block fails.

    Raises
    ------
    ModuleNotFoundError
        A package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        text = f"{module} needs the package {error.name}: {install_command(extra)}"
        raise ModuleNotFoundError(text, name=error.name) from None


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
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (name, root):
            what, hint = f"{root} is not installed", install_command(extra)
        else:
            what = f"{root} is installed and cannot be imported: {escaped(error)}"
            hint = f"Try `import {name}` by itself; installed anew, with what it needs, it may work."
    raise ConfigError(what, hint=hint)
