"""Exceptions of signal handlers, told apart from those of the code that they interrupt."""

from __future__ import annotations

import signal
import threading
import traceback
from functools import partial
from types import CodeType
from typing import Any


def is_from_handler(error: BaseException) -> bool:
    """Whether an installed signal handler raised this: `KeyboardInterrupt`, or any class, such as `TimeoutError`."""
    if threading.get_ident() != threading.main_thread().ident:
        return False
    if isinstance(error, KeyboardInterrupt):
        return True
    handlers = {_code(signal.getsignal(number)) for number in signal.valid_signals()}
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(error.__traceback__))


def _code(handler: Any) -> CodeType | None:
    while isinstance(handler, partial):
        handler = handler.func
    function = getattr(handler, "__func__", handler)
    code = getattr(function, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None
