"""Findings: what a check found out, made within a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from explorer_frames.errors import ExplorerFramesError

_POLL_INTERVAL = 0.2  # seconds

State: TypeAlias = Literal["ok", "warning", "problem", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found out.

    Attributes
    ----------
    name : str
        Of the check.
    state : str
        ok, warning, problem or skipped.
    what : str
        In one line, without any secret.
    todo : str or None
        What to do about it.
    """

    name: str
    state: State
    what: str
    todo: str | None = None


def ok(name: str, what: str) -> Finding:
    """All is well."""
    return Finding(name, "ok", what)


def problem(name: str, error: ExplorerFramesError) -> Finding:
    """What an error says."""
    where = f" [{error.where}]" if error.where else ""
    return Finding(name, "problem", f"{error.what}{where}", error.hint)


def found(name: str, seconds: float, check: Callable[[], Finding]) -> Finding:
    """Make a check; errors of ours, and a check that does not end in time, are problems.

    It is left alone then, in a thread of its own, which does not keep the process from ending: resolvers of names and
    drivers of stores can neither be told to hurry nor be stopped.
    """
    results: list[Finding | Exception] = []

    def work() -> None:
        try:
            results.append(check())
        except ExplorerFramesError as error:
            results.append(problem(name, error))
        except Exception as error:  # noqa: BLE001 (raised in the thread that asked)
            results.append(error)

    thread = threading.Thread(target=work, name=f"doctor-{name}", daemon=True)
    thread.start()
    end = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < end:  # Ctrl-C does not end one long wait on Windows
        thread.join(min(_POLL_INTERVAL, seconds))
    if not results:
        todo = "Try again; if it goes on, look at the load there, and at what is on the way."
        return Finding(name, "problem", f"it was given up after {seconds:g} s", todo)
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]
