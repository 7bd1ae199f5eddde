"""Errors leave public functions with the user's lines only, and without our local variables.

URLs, options and headers have secrets in them, and Sentry, rich and
``pytest --showlocals`` show the variables of each frame.
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
_OWN = 2  # frames: of a public function, and of its wrapper here
_NOTE = "Set EXPLORER_FRAMES_DEBUG=1 for the whole traceback."


def private(public: _C) -> _C:
    """Remove our frames from the traceback of what a public function raises, and those of packages that we call.

    For a class, this applies to its public and special methods and its properties. Frames of the user's own functions
    stay, such as a progress function. Errors that are raised to a caller in this package are not changed.
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
    """Return an error for the user, with the user's frames only.

    With ``EXPLORER_FRAMES_DEBUG=1`` all frames stay. Ours lose their variables; those of other packages lose them after
    an interrupt, which may come in the middle of a storage driver. The logger ``explorer_frames`` always gets the whole
    traceback, at level DEBUG.

    Parameters
    ----------
    error
    handled
        Error that the caller is handling, which may be the context of `error`. It is not changed.
    """
    if _LOG.isEnabledFor(logging.DEBUG):
        _LOG.debug("%s", "".join(traceback.format_exception(error)).rstrip())
    whole = is_debugging()
    interrupted = False
    seen = {id(handled), id(None)}
    chain: list[Any] = [error]
    while chain:
        link = chain.pop()
        if id(link) in seen:  # who sets causes can make a circle
            continue
        seen.add(id(link))
        chain += [link.__context__, link.__cause__]
        interrupted |= not isinstance(link, Exception) or is_from_handler(link)
        frames = [frame for frame, _ in traceback.walk_tb(link.__traceback__)]
        for frame in frames:
            if is_ours(frame) or (interrupted and not _is_users(frame)):
                with suppress(RuntimeError):  # it is still running, as the outermost one of ours is
                    frame.clear()
        if whole:
            continue
        is_typed = type(link).__module__ == "explorer_frames.errors"
        raised_by_us = is_typed and bool(frames) and is_ours(frames[-1])
        link.__traceback__ = users_traceback(link.__traceback__, with_packages=not raised_by_us)
        if raised_by_us and link.__context__ is not handled:
            link.__cause__ = None  # tracebacks then leave out the context, too: the message has what it says
        is_bug = isinstance(link, Exception) and not isinstance(link, Warning) and not is_typed
        if link is error and is_bug and len(frames) > _OWN and not _is_users(frames[-1]):
            error.add_note(_NOTE)
    return error


def _guarded(function: _C) -> _C:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if is_ours(sys._getframe().f_back):  # noqa: SLF001 (the only way to see the caller)
            return function(*args, **kwargs)
        handled = sys.exc_info()[1]  # by the caller, whose frames it has
        try:
            return function(*args, **kwargs)
        except StopIteration:
            raise
        except BaseException as error:
            del args, kwargs
            shortened(error, handled)
            raise  # without a value: with one, this frame would be in the traceback again
        finally:
            del handled  # this frame may be in its traceback

    return guarded  # type: ignore[return-value]  # functools.wraps makes another type of it


@private
class PrivateContext(AbstractContextManager[_T]):
    """A context manager for the user, around one of ours."""

    def __init__(self, manager: AbstractContextManager[_T]) -> None:
        self._manager = manager

    def __enter__(self) -> _T:
        return self._manager.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._manager.__exit__(kind, error, trace)


def is_debugging() -> bool:
    """Whether tracebacks keep our frames: ``EXPLORER_FRAMES_DEBUG=1``."""
    return os.environ.get("EXPLORER_FRAMES_DEBUG", "0") not in ("", "0")


def users_traceback(whole: TracebackType | None, *, with_packages: bool = False) -> TracebackType | None:
    """Return a traceback with the user's frames only, or also with those of packages other than ours."""
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
    """Whether a frame runs code of the user: not ours, not of Python, and not of an installed package."""
    installed = not _INSTALLED.isdisjoint(Path(frame.f_globals.get("__file__") or "").parts)
    return not (installed or is_ours(frame) or package_of(frame) in sys.stdlib_module_names)


def is_ours(frame: FrameType | None) -> bool:
    """Whether a frame runs code of this package; no frame does, as above a call from another language."""
    return frame is not None and package_of(frame) == _OURS


def package_of(frame: FrameType) -> str:
    """Return the name of the top-level package of a frame's code."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]
