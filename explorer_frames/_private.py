"""Removal of internal frames and local variables from tracebacks.

Local variables may contain secrets. Sentry, rich and ``pytest --showlocals`` show the variables of each frame.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import FrameType, FunctionType, TracebackType
from typing import Any, TypeVar

from explorer_frames._signals import is_from_handler

_C = TypeVar("_C", bound="Callable[..., Any]")
_E = TypeVar("_E", bound=BaseException)
_T = TypeVar("_T")

_LOG = logging.getLogger("explorer_frames")
_OURS = "explorer_frames"
_INSTALLED = {"site-packages", "dist-packages"}
_OWN = 2  # frames of a public function and its wrapper
_NOTE = "Set EXPLORER_FRAMES_DEBUG=1 to see the full traceback."


def private(public: _C) -> _C:
    """Remove internal frames from the tracebacks of a public function or class.

    Frames of the user's functions are kept. Errors are unchanged if the caller is in this package.
    """
    if not isinstance(public, type):
        return _guarded(public)
    for name, member in [*vars(public).items()]:
        if name.startswith("_") and not name.startswith("__"):
            continue
        if isinstance(member, FunctionType):
            setattr(public, name, _guarded(member))
        elif isinstance(member, property) and member.fget is not None:
            setattr(public, name, member.getter(_guarded(member.fget)))
    return public


def shortened(error: _E, handled: BaseException | None = None) -> _E:
    """Reduce the traceback of an error to the user's frames, and return the error.

    The local variables of internal frames are cleared. After an interrupt, which may occur in a storage driver, the
    variables of other packages are also cleared. `handled` is an error that the caller is handling. It is not changed.
    """
    if _LOG.isEnabledFor(logging.DEBUG):
        _LOG.debug("%s", "".join(traceback.format_exception(error)).rstrip())
    whole = is_debugging()
    interrupted = False
    seen = {id(handled), id(None)}
    chain: list[Any] = [error]
    while chain:
        link = chain.pop()
        if id(link) in seen:  # an explicit cause may form a cycle
            continue
        seen.add(id(link))
        chain += [link.__context__, link.__cause__]
        interrupted |= not isinstance(link, Exception) or is_from_handler(link)
        frames = [frame for frame, _ in traceback.walk_tb(link.__traceback__)]
        for frame in frames:
            if is_ours(frame) or (interrupted and not _is_users(frame)):
                with suppress(RuntimeError):  # running frames cannot be cleared
                    frame.clear()
        if whole:
            continue
        is_typed = type(link).__module__ == "explorer_frames.errors"
        raised_by_us = is_typed and bool(frames) and is_ours(frames[-1])
        link.__traceback__ = users_traceback(link.__traceback__, with_packages=not raised_by_us)
        if raised_by_us and link.__context__ is not handled:
            link.__cause__ = None  # this also hides the context
        is_bug = isinstance(link, Exception) and not isinstance(link, Warning) and not is_typed
        if link is error and is_bug and len(frames) > _OWN and not _is_users(frames[-1]):
            error.add_note(_NOTE)
    return error


def _guarded(function: _C) -> _C:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if is_ours(sys._getframe().f_back):  # noqa: SLF001 (no public API for the caller's frame)
            return function(*args, **kwargs)
        handled = sys.exc_info()[1]  # the exception that the caller is handling
        try:
            return function(*args, **kwargs)
        except StopIteration:
            raise
        except BaseException as error:
            del args, kwargs
            shortened(error, handled)
            raise  # `raise error` would add this frame to the traceback
        finally:
            del handled  # avoids a reference cycle with this frame

    return guarded  # type: ignore[return-value]  # functools.wraps changes the static type


@private
class PrivateContext(AbstractContextManager[_T]):
    """Public context manager that wraps an internal one."""

    def __init__(self, manager: AbstractContextManager[_T]) -> None:
        self._manager = manager

    def __enter__(self) -> _T:
        return self._manager.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._manager.__exit__(kind, error, trace)


def is_debugging() -> bool:
    """Return whether tracebacks keep all frames (``EXPLORER_FRAMES_DEBUG=1``)."""
    return os.environ.get("EXPLORER_FRAMES_DEBUG", "0") not in ("", "0")


def users_traceback(whole: TracebackType | None, *, with_packages: bool = False) -> TracebackType | None:
    """Return a traceback of the user's frames, and optionally of other packages' frames."""
    entries = []
    while whole is not None:
        entries.append(whole)
        whole = whole.tb_next
    kept = None
    for entry in reversed(entries):
        if _is_users(entry.tb_frame) or (with_packages and not is_ours(entry.tb_frame)):
            line = -1 if entry.tb_lineno is None else entry.tb_lineno  # some instructions belong to no line
            kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, line)
    return kept


def _is_users(frame: FrameType) -> bool:
    """Return whether a frame belongs to the user's code."""
    installed = not _INSTALLED.isdisjoint(Path(frame.f_globals.get("__file__") or "").parts)
    return not (installed or is_ours(frame) or package_of(frame) in sys.stdlib_module_names)


def is_ours(frame: FrameType | None) -> bool:
    """Return whether a frame belongs to this package; None is a caller outside Python."""
    return frame is not None and package_of(frame) == _OURS


def package_of(frame: FrameType) -> str:
    """Return the top-level package of a frame's code."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]
