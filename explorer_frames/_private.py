"""Errors leave public functions with the user's lines only, and without our local variables.

URLs, options and headers have secrets in them, and Sentry, rich and ``pytest --showlocals`` show the variables of each
frame.
"""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import FunctionType, TracebackType
from typing import Any, TypeVar

from explorer_frames._caller import is_debugging, is_ours, is_users, users_traceback
from explorer_frames._signals import is_from_handler
from explorer_frames.errors import ExplorerFramesError

_C = TypeVar("_C", bound="Callable[..., Any]")
_E = TypeVar("_E", bound=BaseException)
_T = TypeVar("_T")

_LOG = logging.getLogger("explorer_frames")
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
    if not whole and _is_unexpected(error):
        error.add_note(_NOTE)
    interrupted = False
    seen = {id(handled)}
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None or id(link) in seen:  # who sets causes can make a circle
            continue
        seen.add(id(link))
        chain += [link.__context__, link.__cause__]
        interrupted |= not isinstance(link, Exception) or is_from_handler(link)
        innermost = None
        for frame, _ in traceback.walk_tb(link.__traceback__):
            innermost = frame
            if is_ours(frame) or (interrupted and not is_users(frame)):
                with suppress(RuntimeError):  # it is still running, as the outermost one of ours is
                    frame.clear()
        if not whole:
            is_our_error = isinstance(link, ExplorerFramesError) and is_ours(innermost)
            link.__traceback__ = users_traceback(link.__traceback__, with_packages=not is_our_error)
            if is_our_error and link.__context__ is not handled:
                link.__cause__ = None  # tracebacks then leave out the context, too: the message has what it says
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


def _is_unexpected(error: BaseException) -> bool:
    """Whether an error is likely a bug: raised below a public function, and not of our classes."""
    if not isinstance(error, Exception) or isinstance(error, ExplorerFramesError | Warning):
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return len(frames) > _OWN and not is_users(frames[-1])


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
