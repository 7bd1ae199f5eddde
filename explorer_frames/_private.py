"""Errors leave us without our local variables: tools that show those of a traceback would show secrets."""

from __future__ import annotations

import functools
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_P = ParamSpec("_P")
_T = TypeVar("_T")


def private(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Have what `function` raises come out with its whole traceback, whose frames have forgotten their variables.

    URLs, options and headers have secrets in them, and Sentry, rich and ``pytest --showlocals`` show them. Frames that
    are not ours keep theirs, but not after an interrupt, which may come in the middle of ``requests``.
    """

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _forget(error)
            raise

    return guarded


def _forget(error: BaseException) -> None:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and not any(cause is one for one in chain):  # who sets causes can make a circle
        chain.append(cause)
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if _is_ours(frame) or not isinstance(error, Exception):
                with suppress(RuntimeError):  # it is still running, as ours above is
                    frame.clear()
        cause = cause.__cause__ or cause.__context__


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "explorer_frames"
