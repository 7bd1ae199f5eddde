"""Exceptions of signal handlers, told apart from those of the code that they interrupt."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def is_from_handler(error: BaseException) -> bool:
    """Whether a signal handler raised this, as `KeyboardInterrupt` or of another class such as `TimeoutError`.

    The interpreter passes the interrupted frame to a handler, which no other caller does.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return False
    if isinstance(error, KeyboardInterrupt):
        return True
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(value is frame.f_back for frame in frames if frame.f_back for value in _arguments(frame))


def _arguments(frame: FrameType) -> Iterator[Any]:
    for value in list(frame.f_locals.values()):
        if type(value) is tuple:  # of `*args`
            yield from value
        else:
            yield value
