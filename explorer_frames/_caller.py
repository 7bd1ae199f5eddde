"""Which frames are ours and which are the user's: for warnings and for tracebacks."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from types import FrameType, TracebackType

_INSTALLED = {"site-packages", "dist-packages"}


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is neither ours nor of what calls us back for ourselves."""
    depth, frame = 2, sys._getframe(1)  # noqa: SLF001 (the way to point at the caller's line until Python 3.12)
    while frame.f_back is not None and _package(frame) in ("explorer_frames", "contextlib", "concurrent", "threading"):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)


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
