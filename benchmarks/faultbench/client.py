"""Clients under test: a read function and optional names of its module."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

# Default for modules without ERRORS.
USUAL_ERRORS = (OSError, ValueError)
# Optional calls, ``(url, token, folder) -> value``.
CALLS = ("list_jobs", "job", "wait", "login", "sync", "read_job", "read_lake", "read_output", "verify")


@dataclass(frozen=True)
class Client:
    """Client under test.

    Attributes
    ----------
    read
        ``(url, token, limit) -> DataFrame``.
    export
        ``(url, token, limit, path)`` writes Parquet, or None.
    run
        ``(url, token)`` runs the workflow, or None.
    calls
        The functions in `CALLS` that the client has, by name.
    errors
        The exceptions that the client documents.
    advice
        Returns the hint of an error. None if the client has no hints.
    differs
        Reasons why the client is right and the expected result is wrong, by name of the fault.
    """

    name: str
    file: str
    read: Callable[[str, str, int], pd.DataFrame]
    export: Callable[[str, str, int, str], Any] | None = None
    run: Callable[[str, str], Any] | None = None
    calls: dict[str, Callable[[str, str, str], Any]] = field(default_factory=dict)
    errors: tuple[type[BaseException], ...] = USUAL_ERRORS
    advice: Callable[[BaseException], str | None] | None = None
    differs: dict[str, str] = field(default_factory=dict)

    def has(self, mode: str) -> bool:
        """Return whether the client supports a call."""
        return mode in self.calls or getattr(self, mode, None) is not None


def load(spec: str) -> Client:
    """Import the client ``module`` or ``module:function``."""
    name, _, function = spec.partition(":")
    module = importlib.import_module(name)
    return Client(
        name=getattr(module, "NAME", spec),
        file=inspect.getfile(module),
        read=getattr(module, function or "read"),
        export=getattr(module, "export", None),
        run=getattr(module, "run", None),
        calls={name: getattr(module, name) for name in CALLS if hasattr(module, name)},
        errors=tuple(getattr(module, "ERRORS", USUAL_ERRORS)),
        advice=getattr(module, "advice", None),
        differs=dict(getattr(module, "DIFFERS", {})),
    )
