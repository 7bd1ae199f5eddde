"""Detect exceptions that were raised by signal handlers."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found,unused-ignore]  # missing in typeshed
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import CodeType
from typing import Any, TypeVar

_E = TypeVar("_E", bound=BaseException)


def is_from_handler(error: BaseException) -> bool:
    """Return whether a signal handler raised this exception."""
    if threading.get_ident() != threading.main_thread().ident:
        return False
    if isinstance(error, KeyboardInterrupt):
        return True
    # `signal.getsignal` is slower, because it looks up an enum member for each handler.
    handlers = {_code(handler) for number in range(1, _signal.NSIG) if callable(handler := _signal.getsignal(number))}
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(error.__traceback__))


def raised_by_handler(error: BaseException) -> BaseException | None:
    """Return the signal handler's exception in the chain of `error`, or None."""
    # Storage drivers wrap a signal handler's exception in their own exceptions.
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and not any(cause is one for one in chain) and not (chain and _is_handled(cause)):
        if is_from_handler(cause):
            return cause
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return None


def failures(*classes: type[_E]) -> tuple[type[_E], ...]:
    """Return `classes` for an ``except`` clause; empty for a signal handler's exception."""
    error = sys.exception()
    return () if error is not None and raised_by_handler(error) else classes


@contextmanager
def suppressed(*classes: type[BaseException]) -> Iterator[None]:
    """Suppress exceptions of these classes, except those of signal handlers."""
    try:
        yield
    except failures(*classes):
        pass


def _is_handled(error: BaseException) -> bool:
    """Return whether a running function is handling this exception."""
    frames = (frame for frame, _ in traceback.walk_stack(sys._getframe()))  # noqa: SLF001 (no public equivalent)
    return error.__traceback__ is not None and any(error.__traceback__.tb_frame is frame for frame in frames)


def _code(handler: Any) -> CodeType | None:
    while isinstance(handler, partial):
        handler = handler.func
    function = getattr(handler, "__func__", handler)
    code = getattr(function, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None
