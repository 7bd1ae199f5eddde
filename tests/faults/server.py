"""Server that serves each fault under its own path, and records the requests of each run.

The path of a run is ``/<number of the fault>/<label>``. The requests that match the fault receive its bytes, and other
requests receive valid responses. If the path contains a process id, as in ``/<number>/<label>.<process>``, this process
receives the signals of the fault.

A second server, the "other host", returns rows for each request, and records the runs that sent it a token. A third
server keeps its connections open, and returns the requested limit as a row.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from faults import JOB
from faults.jobs import DETAIL, LIST, LOGIN, SESSION
from faults.rawserver import End, RawServer, answer, envelope
from faults.records import Exchange, Fault
from faults.wires import CLOSE, EVIL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_RUN = re.compile(r"([A-Z]+) (?:http://[^/ ]+)?/([0-9]+)/([^/ .]+)(?:[.]([0-9]+))?(\S*)")
_NOT_FOUND = answer(b'{"code":40404000,"message":"no such path"}', "404 Not Found")
_USUAL = {
    r"GET \S*/sample_result": answer(envelope(), headers=CLOSE),
    rf"GET \S*/jobs/{JOB}$": answer(DETAIL, headers=CLOSE),
    r"GET \S*/jobs(\?|$)": answer(LIST, headers=CLOSE),
    r"POST \S*/connect$": answer(LOGIN, headers=SESSION + CLOSE),
}


@dataclass
class Seen:
    """Requests of one run."""

    requests: int = 0
    posts: int = 0
    strayed: bool = False  # whether the other host received the token
    signaled: bool = False
    after: int = 0  # requests after the signal


@dataclass
class FaultServer:
    """The three servers; the other host must not receive `token`."""

    faults: Sequence[Fault]
    token: str
    port: int = 0
    seen: dict[str, Seen] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        with ExitStack() as stack:
            self._other = stack.enter_context(RawServer(self._catch))
            self._echo = stack.enter_context(RawServer(_echo))
            self._main = stack.enter_context(RawServer(self._serve, port=self.port))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    @property
    def urls(self) -> tuple[str, str]:
        """URLs of the fault server and of the echo server."""
        return self._main.url, self._echo.url

    def seen_so_far(self) -> dict[str, Seen]:
        """Return a copy of the requests by run, because threads still add to them."""
        with self._lock:
            return dict(self.seen)

    def _serve(self, _: int, request: bytes) -> bytes | Iterable[bytes | float | End]:
        found = _RUN.match(request.decode("latin-1"))
        if not found or int(found[2]) >= len(self.faults):
            return _NOT_FOUND
        method, number, label, process, path = found.groups()
        run = f"{int(number)}/{label}"
        fault = self.faults[int(number)]
        is_hit = re.match(fault.at, f"{method} {path}") is not None
        with self._lock:
            seen = self.seen.setdefault(run, Seen())
            turn = seen.requests
            seen.requests += is_hit
            seen.posts += method == "POST" and not path.endswith("/connect")
            seen.after += seen.signaled
        if not is_hit:
            return next((reply for line, reply in _USUAL.items() if re.match(line, f"{method} {path}")), _NOT_FOUND)
        exchange = Exchange(turn, request, f"{self._main.url}/{run}", f"{self._other.url}/{run}")
        wire = fault.wire(exchange) if callable(fault.wire) else fault.wire
        return wire if isinstance(wire, bytes) else self._signaling(wire, seen, int(process or 0))

    def _signaling(
        self, wire: Iterable[bytes | float | End], seen: Seen, process: int
    ) -> Iterator[bytes | float | End]:
        for part in wire:
            if part is not End.SIGNAL:
                yield part
                continue
            with self._lock:
                seen.signaled = True
            os.kill(process, signal.SIGUSR1)

    def _catch(self, _: int, request: bytes) -> bytes:
        found = _RUN.match(request.decode("latin-1"))
        if found and self.token.encode() in request:
            with self._lock:
                self.seen.setdefault(f"{int(found[2])}/{found[3]}", Seen()).strayed = True
        return EVIL


def _echo(_: int, request: bytes) -> Iterator[bytes | float]:
    """Return the requested limit as a row, so a client that gets a row of another call is detected.

    The head and the body are sent separately, so concurrent calls overlap.
    """
    found = re.match(rb"GET \S*[?&]limit=([0-9]+)", request)
    told = answer(envelope(f'[["{found[1].decode()}","0.5"]]')) if found else answer(DETAIL)
    head, end, body = told.partition(b"\r\n\r\n")
    yield 0.002
    yield head + end
    yield 0.002
    yield body
