"""Removal of internal frames and local variables from tracebacks.

URLs, options and headers contain secrets. Sentry, rich and ``pytest --showlocals`` show the local variables of each
frame.
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
_NOTE = "Set EXPLORER_FRAMES_DEBUG=1 for the whole traceback."


def private(public: _C) -> _C:
    """Remove internal frames from the tracebacks of a public function or class.

    Internal frames are those of this package and its dependencies. Frames of the user's own functions, such as a
    progress function, are kept. For a class, this applies to its public and special methods and its properties. Errors
    raised to a caller within this package are unchanged.
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

    With ``EXPLORER_FRAMES_DEBUG=1`` all frames are kept. The local variables of this package's frames are cleared, and
    after an interrupt, which may occur inside a storage driver, also those of other packages. The whole traceback is
    always logged to ``explorer_frames`` at level DEBUG.

    Parameters
    ----------
    error
    handled
        Error that the caller is handling, which may be the context of `error`. It is unchanged.
    """
    if _LOG.isEnabledFor(logging.DEBUG):
        _LOG.debug("%s", "".join(traceback.format_exception(error)).rstrip())
    whole = is_debugging()
    interrupted = False
    seen = {id(handled), id(None)}
    chain: list[Any] = [error]
    while chain:
        link = chain.pop()
        if id(link) in seen:  # a cause that was set explicitly may form a cycle
            continue
        seen.add(id(link))
        chain += [link.__context__, link.__cause__]
        interrupted |= not isinstance(link, Exception) or is_from_handler(link)
        frames = [frame for frame, _ in traceback.walk_tb(link.__traceback__)]
        for frame in frames:
            if is_ours(frame) or (interrupted and not _is_users(frame)):
                with suppress(RuntimeError):  # raised for running frames, such as the outermost one of this package
                    frame.clear()
        if whole:
            continue
        is_typed = type(link).__module__ == "explorer_frames.errors"
        raised_by_us = is_typed and bool(frames) and is_ours(frames[-1])
        link.__traceback__ = users_traceback(link.__traceback__, with_packages=not raised_by_us)
        if raised_by_us and link.__context__ is not handled:
            link.__cause__ = None  # this also hides the context, which the message already describes
        is_bug = isinstance(link, Exception) and not isinstance(link, Warning) and not is_typed
        if link is error and is_bug and len(frames) > _OWN and not _is_users(frames[-1]):
            error.add_note(_NOTE)
    return error


def _guarded(function: _C) -> _C:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if is_ours(sys._getframe().f_back):  # noqa: SLF001 (the only way to get the caller's frame)
            return function(*args, **kwargs)
        handled = sys.exc_info()[1]  # the exception that the caller is handling, with the caller's frames
        try:
            return function(*args, **kwargs)
        except StopIteration:
            raise
        except BaseException as error:
            del args, kwargs
            shortened(error, handled)
            raise  # not `raise error`, which would add this frame to the traceback again
        finally:
            del handled  # avoids a reference cycle, as its traceback may contain this frame

    return guarded  # type: ignore[return-value]  # functools.wraps changes the type


@private
class PrivateContext(AbstractContextManager[_T]):
    """Context manager for the user that wraps an internal one."""

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
    """Return a traceback with the user's frames, and optionally other packages'."""
    entries = []
    while whole is not None:
        entries.append(whole)
        whole = whole.tb_next
    kept = None
    for entry in reversed(entries):
        if _is_users(entry.tb_frame) or (with_packages and not is_ours(entry.tb_frame)):
            kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _is_users(frame: FrameType) -> bool:
    """Return whether a frame is the user's, not Python's or an installed package's."""
    installed = not _INSTALLED.isdisjoint(Path(frame.f_globals.get("__file__") or "").parts)
    return not (installed or is_ours(frame) or package_of(frame) in sys.stdlib_module_names)


def is_ours(frame: FrameType | None) -> bool:
    """Return whether a frame is of this package; None is a caller not in Python."""
    return frame is not None and package_of(frame) == _OURS


def package_of(frame: FrameType) -> str:
    """Return the top-level package of a frame's code."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]
