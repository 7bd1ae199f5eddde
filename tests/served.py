"""A `RawServer`, and an `Explorer` that reads from it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from faults.rawserver import RawServer
from limits import HANG

from explorer_frames import Explorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def served(script: Callable[[int, bytes], Any] | bytes, **options: Any) -> Iterator[tuple[RawServer, Explorer]]:
    """Serve a script or fixed bytes; the client has long timeouts and, by default, a token."""
    credentials = {} if {"user", "token"} & set(options) else {"token": "t"}
    options = {"timeout": HANG, "deadline": 2 * HANG} | credentials | options
    with (
        RawServer((lambda *_: script) if isinstance(script, bytes) else script) as server,
        Explorer(server.url, **options) as explorer,
    ):
        yield server, explorer
