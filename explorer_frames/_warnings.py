"""Warnings that point to the user's code, even from worker threads."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

from explorer_frames._errors import first_of
from explorer_frames._private import is_ours, package_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_CALL_US_BACK = {"explorer_frames", "contextlib", "concurrent", "threading"}

_Held: TypeAlias = tuple[str, type[Warning], str, str]  # what, category, where, hint
CallingLine: TypeAlias = tuple[str, int, str]  # file, number, module

_held: ContextVar[list[_Held] | None] = ContextVar("held_warnings", default=None)


def calling_line() -> CallingLine:
    """Return the innermost line of the call stack outside this package."""
    frame = _outside(sys._getframe(1))[0]  # noqa: SLF001 (no public API for the caller's frame)
    return frame.f_code.co_filename, frame.f_lineno, str(frame.f_globals.get("__name__"))


def warn_caller(
    what: str, category: type[Warning], where: str = "", hint: str = "", *, opened: CallingLine | None = None
) -> None:
    """Emit a warning at the user's line, or at `opened` if the call stack has no such line."""
    held = _held.get()
    if held is not None:
        held.append((what, category, where, hint))
        return
    message = what + (f" [{where}]" if where else "") + (f". {hint}" if hint else "")
    frame, depth = _outside(sys._getframe(1))  # noqa: SLF001 (Python 3.12 has skip_file_prefixes)
    if opened is not None and is_ours(frame):
        warnings.warn_explicit(message, category, *opened)
    else:
        warnings.warn(message, category, stacklevel=depth)


@contextmanager
def joined_warnings(*ignored: type[Warning]) -> Iterator[None]:
    """Collect the warnings of the block and its threads, and emit one per category.

    If the block raises an error, that error takes precedence over warnings that a filter turns into errors.
    """
    held: list[_Held] = []
    outer = _held.get()
    overruled: tuple[type[Warning], ...] = (Warning,)
    try:
        _held.set(held)
        yield
        overruled = ()
    finally:
        _held.set(outer)  # not `reset`, because the token could be lost after an interrupt
        with suppress(*overruled):
            for category in {one[1]: None for one in held if one[1] not in ignored}:
                _warn_joined([one for one in held if one[1] is category], category)


def _warn_joined(held: list[_Held], category: type[Warning]) -> None:
    ordered = sorted((what, where, hint) for what, _, where, hint in held)
    places: dict[str, list[str]] = {}
    for what, where, _ in ordered:
        places.setdefault(what, []).extend([where] if where else [])
    shown = [what + (f" [{first_of(named, '; ')}]" if named else "") for what, named in places.items()]
    warn_caller(first_of(shown, "; "), category, hint=" ".join(dict.fromkeys(hint for *_, hint in ordered if hint)))


def _outside(frame: FrameType) -> tuple[FrameType, int]:
    """Return the innermost frame outside this package, and the stack level for a warning."""
    depth = 2
    while frame.f_back is not None and package_of(frame) in _CALL_US_BACK:
        depth, frame = depth + 1, frame.f_back
    return frame, depth
