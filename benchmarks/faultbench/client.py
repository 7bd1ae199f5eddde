"""A client under test: a function, and what else its module has for the bench."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

# Where a module has no ERRORS: what the usual libraries document for networks and files, and for bad values.
USUAL_ERRORS = (OSError, ValueError)
# Calls without rows of one result, each ``(url, token, folder) -> value``.
CALLS = ("list_jobs", "job", "wait", "login", "sync", "read_job", "read_lake", "read_output", "verify")


@dataclass(frozen=True)
class Client:
    """What is asked of a client.

    Attributes
    ----------
    read
        ``(url, token, limit) -> DataFrame``.
    export
        ``(url, token, limit, path)`` writes Parquet, or None.
    run
        ``(url, token)`` runs the workflow, or None.
    calls
        What else there is of `CALLS`, by name.
    errors
        The exceptions that the client documents.
    advice
        Gets what an error tells its reader to do; or None where the client promises no such thing.
    differs
        Why it is right where it differs from a record: reasons by the fault's name.
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
        """Whether it has such a call."""
        return mode in self.calls or getattr(self, mode, None) is not None


def load(spec: str) -> Client:
    """Get the client at ``module`` or ``module:function``."""
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
