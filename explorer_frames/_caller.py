"""Which frames are ours and which are the user's: for warnings and for tracebacks."""

from __future__ import annotations

import os
import sys
import warnings
from contextvars import ContextVar
from pathlib import Path
from types import FrameType, TracebackType
from typing import TypeAlias

_INSTALLED = {"site-packages", "dist-packages"}


HeldWarning: TypeAlias = tuple[str, type[Warning], str, str]  # what, category, where, hint
CallingLine: TypeAlias = tuple[str, int, str]  # file, number, module
# Warnings that a function higher up joins, in whatever thread they come: see `joined_warnings`.
held_warnings: ContextVar[list[HeldWarning] | None] = ContextVar("held_warnings", default=None)


def calling_line() -> CallingLine:
    """Return the innermost line that is neither ours nor of what calls us back for ourselves."""
    frame = _outside(sys._getframe(1))[0]  # noqa: SLF001 (the only way to see the caller)
    return frame.f_code.co_filename, frame.f_lineno, str(frame.f_globals.get("__name__"))


def warn_caller(
    what: str, category: type[Warning], where: str = "", hint: str = "", *, opened: CallingLine | None = None
) -> None:
    """Warn at the line of `calling_line`; in a thread without one, such as one of deltalake, at `opened`."""
    held = held_warnings.get()
    if held is not None:
        held.append((what, category, where, hint))
        return
    message = what + (f" [{where}]" if where else "") + (f". {hint}" if hint else "")
    frame, depth = _outside(sys._getframe(1))  # noqa: SLF001 (the way to point at the caller's line until Python 3.12)
    if opened is not None and is_ours(frame):
        warnings.warn_explicit(message, category, *opened)
    else:
        warnings.warn(message, category, stacklevel=depth)


def _outside(frame: FrameType) -> tuple[FrameType, int]:
    """Return the innermost frame outside of this package, and its depth."""
    depth = 2
    while frame.f_back is not None and _package(frame) in ("explorer_frames", "contextlib", "concurrent", "threading"):
        depth, frame = depth + 1, frame.f_back
    return frame, depth


def is_debugging() -> bool:
    """Whether tracebacks keep our frames: ``EXPLORER_FRAMES_DEBUG=1``."""
    return os.environ.get("EXPLORER_FRAMES_DEBUG", "0") not in ("", "0")


def is_ours(frame: FrameType | None) -> bool:
    """Whether a frame runs code of this package."""
    return frame is not None and _package(frame) == "explorer_frames"


def is_users(frame: FrameType) -> bool:
    """Whether a frame runs code of the user: not ours, not of Python, and not of an installed package."""
    installed = not _INSTALLED.isdisjoint(Path(frame.f_globals.get("__file__") or "").parts)
    return not (installed or is_ours(frame) or _package(frame) in sys.stdlib_module_names)


def users_traceback(whole: TracebackType | None, *, with_packages: bool = False) -> TracebackType | None:
    """Return a traceback with the user's frames only, or also with those of packages other than ours."""
    entries = []
    while whole is not None:
        entries.append(whole)
        whole = whole.tb_next
    kept = None
    for entry in reversed(entries):
        if is_users(entry.tb_frame) or (with_packages and not is_ours(entry.tb_frame)):
            kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]
