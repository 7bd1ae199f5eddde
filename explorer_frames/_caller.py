"""Warnings that point at the line of the caller's, however deep we are."""

from __future__ import annotations

import sys
import warnings


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is neither ours nor of what calls us back for ourselves."""
    depth, frame = 2, sys._getframe(1)  # noqa: SLF001 (the way to point at the caller's line until Python 3.12)
    while frame.f_back is not None and not _is_callers(frame.f_globals.get("__name__", "")):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)


def _is_callers(module: str) -> bool:
    return module.partition(".")[0] not in ("explorer_frames", "contextlib", "concurrent", "threading")
