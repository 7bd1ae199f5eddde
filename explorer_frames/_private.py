"""Errors leave us without our local variables: tools that show those of a traceback would show secrets."""

from __future__ import annotations

import functools
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from explorer_frames._signals import is_from_handler

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_P = ParamSpec("_P")
_T = TypeVar("_T")


def private(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Have what `function` raises come out with its whole traceback, whose frames have forgotten their variables.

    URLs, options and headers have secrets in them, and Sentry, rich and ``pytest --showlocals`` show them. Frames that
    are not ours keep theirs, but not after an interrupt, which may come in the middle of a storage driver. The
    caller's own frames are never touched.
    """

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        handled = sys.exc_info()[1]  # by the caller, whose frames it has
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _forget(error, handled)
            raise
        finally:
            del handled  # this frame is in the traceback of what it may be the context of

    return guarded


def _forget(error: BaseException, handled: BaseException | None) -> None:
    chain = [handled]
    interrupted = False
    cause: BaseException | None = error
    while cause is not None and not any(cause is one for one in chain):  # who sets causes can make a circle
        chain.append(cause)
        interrupted |= not isinstance(cause, Exception) or is_from_handler(cause)
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if interrupted or _is_ours(frame):
                with suppress(RuntimeError):  # it is still running, as ours above is
                    frame.clear()
        cause = cause.__cause__ or cause.__context__


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "explorer_frames"
