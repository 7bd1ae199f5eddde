"""The server of faults: each fault below a path of its own, and what it saw of each run.

A run is ``/<number of the fault>/<label>``: below it, ``.../sample_result`` and POSTs get what the fault has for them;
the job's detail is always a good one. A second server, the "other host", answers everything with rows, and remembers
who brought a token. A third keeps its connections and answers with the number that was asked for.
"""

from __future__ import annotations

import re
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from faults import JOB, TASK, WORKFLOW
from faults.rawserver import RawServer, answer, envelope
from faults.records import Exchange, Fault
from faults.wires import CLOSE, EVIL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from faults.rawserver import End

DETAIL = answer(
    f'{{"code":0,"data":{{"id":"{JOB}","name":"j","workflowId":"{WORKFLOW}","workflowName":"w","status":2,'
    f'"tasks":[{{"id":"{TASK}","name":"PageRank","status":2}}]}},"message":"Success"}}'.encode(),
    headers=CLOSE,
)
_RUN = re.compile(rb"[A-Z]+ (?:http://[^/ ]+)?/([0-9]+)/([^/ ]+)(\S*)")


@dataclass
class Seen:
    """What the servers saw of one run."""

    requests: int = 0
    posts: int = 0
    strayed: bool = False  # whether its token came to the other host


@dataclass
class FaultServer:
    """The three servers; `token` is what must not come to the other one."""

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
        """Of the faults and of the echo."""
        return self._main.url, self._echo.url

    def seen_so_far(self) -> dict[str, Seen]:
        """By run; a copy, since threads go on."""
        with self._lock:
            return dict(self.seen)

    def _serve(self, _: int, request: bytes) -> bytes | Iterable[bytes | float | End]:
        found = _RUN.match(request)
        if not found or int(found[1]) >= len(self.faults):
            return answer(b'{"code":40404000,"message":"no such path"}', "404 Not Found")
        run = f"{int(found[1])}/{found[2].decode()}"
        post = request.startswith(b"POST ")
        if not post and b"/sample_result" not in found[3] and self.faults[int(found[1])].group != "redirect":
            return DETAIL
        if not post and found[3].rstrip(b"/").endswith(b"/jobs/" + JOB.encode()):
            return DETAIL
        with self._lock:
            seen = self.seen.setdefault(run, Seen())
            number = seen.requests
            seen.requests += 1
            seen.posts += post
        exchange = Exchange(number, request, f"{self._main.url}/{run}", f"{self._other.url}/{run}")
        wire = self.faults[int(found[1])].wire
        return wire(exchange) if callable(wire) else wire

    def _catch(self, _: int, request: bytes) -> bytes:
        found = _RUN.match(request)
        if found and self.token.encode() in request:
            with self._lock:
                self.seen.setdefault(f"{int(found[1])}/{found[2].decode()}", Seen()).strayed = True
        return EVIL


def _echo(_: int, request: bytes) -> Iterator[bytes | float]:
    """Rows that tell which limit was asked for: whoever gets others got somebody else's.

    Head and body go out as two, as many servers send them: so calls overlap.
    """
    found = re.match(rb"GET \S*[?&]limit=([0-9]+)", request)
    told = answer(envelope(f'[["{found[1].decode()}","0.5"]]')) if found else DETAIL.replace(CLOSE.encode(), b"")
    head, end, body = told.partition(b"\r\n\r\n")
    yield 0.002
    yield head + end
    yield 0.002
    yield body
