"""Packages that only some uses need: named with the extra that brings them, where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from explorer_frames.errors import ConfigError, escaped


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
            what, hint = f"{root} is not installed", f"pip install 'explorer-frames[{extra}]'"
        else:
            what = f"{root} is installed and cannot be imported: {escaped(error)}"
            hint = f"Try `import {name}` by itself; installed anew, with what it needs, it may work."
    raise ConfigError(what, hint=hint)
