"""Faults in responses about jobs: lists, details and logins.

Each surface is a client call with a valid response. The faults are derived from this response, by changing its
transfer, its status and its members.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
import random
import re
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from faults import JOB, TASK, WORKFLOW
from faults.bodies import damaged, statuses
from faults.rawserver import answer, envelope
from faults.records import ANYTHING, GOLDEN, RAISES, Fault
from faults.wires import CLOSE, GZIP, HANGS_FOR, Wires, redirects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.records import Exchange

_SEED = 18
_MUTANTS = 60  # for each valid response


def _enveloped(data: Any) -> bytes:
    return json.dumps({"code": 0, "data": data, "message": "Success"}, separators=(",", ":")).encode()


_JOB = {
    "id": JOB,
    "name": "j",
    "workflowId": WORKFLOW,
    "workflowName": "w",
    "status": 2,
    "createTime": 1764489600000,
    "runBeginTime": 1764489601000,
    "runEndTime": 1764489602000,
}
_TASK = {"id": TASK, "name": "PageRank", "status": 2, "runBeginTime": 1764489601000, "runEndTime": 1764489602000}
LIST = _enveloped({"items": [_JOB], "total": 1, "page": 1, "pageSize": 1000})
DETAIL = _enveloped({**_JOB, "tasks": [_TASK]})
LOGIN = _enveloped({"username": "root", "items": []})
SESSION = "Set-Cookie: explorer_token=c4naryS3ssion; Path=/; Max-Age=3600\r\n"

LISTED = ((JOB, "success"),)
LOOKED = (JOB, "success", ((TASK, "PageRank", "success"),))


class Surface(NamedTuple):
    """Client call, the requests to disturb, a valid response, and the call's return value."""

    name: str
    mode: str
    at: str
    body: bytes
    right: Any
    headers: str = ""


_LISTS = r"GET \S*/jobs(\?|$)"
_DETAILS = rf"GET \S*/jobs/{JOB}$"
_RESULTS = r"GET \S*/sample_result"
SURFACES = (
    Surface("job lists", "list_jobs", _LISTS, LIST, LISTED),
    Surface("job details", "job", _DETAILS, DETAIL, LOOKED),
    Surface("wait", "wait", _DETAILS, DETAIL, "success"),
    Surface("login", "login", r"POST \S*/connect$", LOGIN, LISTED, SESSION),
    Surface("sync", "sync", _LISTS, LIST, GOLDEN),
    Surface("sync", "sync", _DETAILS, DETAIL, GOLDEN),
    Surface("sync", "sync", _RESULTS, envelope(), GOLDEN),
)


def faults() -> Iterator[Fault]:
    for number, surface in enumerate(SURFACES):
        plain = chain(
            Wires(surface.body, surface.headers).faults(surface.right),
            redirects(),
            statuses(surface.body, surface.right, surface.headers),
            damaged(surface.body, surface.headers),
            _mutants(surface),
            _echoes(surface),
        )
        for fault in chain(plain, _OWN.get(surface.mode, lambda: ())()):
            if fault.name.endswith("without a pause"):
                continue  # uses a whole CPU until the deadline
            yield replace(
                fault,
                name=f"{surface.mode} {number}: {fault.name}",
                group=surface.name,
                modes=(surface.mode,),
                at=f"{surface.at}|GET $",
                wire=_at_second(fault.wire) if surface.mode == "wait" else fault.wire,
            )


def _at_second(wire: Any) -> Any:
    """Apply the fault to the second request of a wait; the first finds a running job."""

    def later(exchange: Exchange) -> Any:
        if not exchange.number:
            return answer(DETAIL.replace(b'"status":2', b'"status":1'), headers=CLOSE)
        return wire(replace(exchange, number=exchange.number - 1)) if callable(wire) else wire

    return later


# --- members


_VALUES = (
    None, True, False, 0, -1, 2, 99, 0.5, -0.0, 1e308, 2**53 + 1, 2**63, 10**400, "", " ", "0", "2", "x", "\0", "\ud800", "\u202e", "x" * 70_000, "NaN",
    "2024-13-45T99:99:99Z", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00Z", "../..", [], [[]], [None], {}, {"id": {}}, [{"id": "1"}] * 3,
)  # fmt: skip


def _mutants(surface: Surface) -> Iterator[Fault]:
    """Yield responses with random changes, after which a call may return or raise."""
    chance = random.Random(f"{_SEED} {surface.name}")
    for number in range(_MUTANTS):
        document = json.loads(surface.body)
        for _ in range(chance.choice((1, 1, 2, 5))):
            _mutate(document, chance)
        wire = answer(json.dumps(document).encode(), headers=surface.headers + CLOSE)
        yield Fault(name=f"mutant {number}", group="", wire=wire, rows=ANYTHING)


def _mutate(document: Any, chance: random.Random) -> None:
    places = [(parent, key) for parent, key in _places(document) if key != "code"]
    if not places:
        return
    parent, key = chance.choice(places)
    how = chance.randrange(4)
    if how == 0:
        del parent[key]
    elif how == 1 and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    else:
        parent[key] = copy.deepcopy(chance.choice(_VALUES))


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(members):
        yield node, key
        yield from _places(value)


# --- secrets that a server returns


def _secret(exchange: Exchange) -> str:
    cookie = re.search(rb"explorer_token=([^;\s]+)", exchange.request)
    if cookie:
        return cookie[1].decode()
    bearer = re.search(rb"Bearer (\S+)", exchange.request)
    words = re.findall(r"\w+", base64.b64decode(bearer[1]).decode()) if bearer else ["nobody"]
    return words[-1]


def _echoes(surface: Surface) -> Iterator[Fault]:
    """Yield responses that contain the secret in each member and in each part of the head."""
    document = json.loads(surface.body)
    for number, (parent, key) in enumerate(_places(document)):
        before = parent[key]
        for name, value in {"": "SECRET", " in a text": "x SECRET y", " in a list": ["SECRET"]}.items():
            parent[key] = value
            body = json.dumps(document)
            yield _echo(
                surface,
                f"{key} {number}{name}",
                lambda secret, body=body: answer(
                    body.replace("SECRET", secret).encode(), headers=surface.headers + CLOSE
                ),
            )
        parent[key] = before
        member = f'"{key}"'
        if isinstance(key, str):
            body = json.dumps(document).replace(member, '"SECRET"', 1)
            yield _echo(
                surface,
                f"name of {key} {number}",
                lambda secret, body=body: answer(
                    body.replace("SECRET", secret).encode(), headers=surface.headers + CLOSE
                ),
            )
    for name, head in {
        "status line": "HTTP/1.1 200 SECRET\r\nContent-Length: 5\r\n\r\n",
        "version": "HTTP/SECRET 200 OK\r\n\r\n",
        "no HTTP": "SECRET\r\n\r\n",
        "line without a colon": "HTTP/1.1 200 OK\r\nSECRET\r\nContent-Length: 2\r\n\r\n{}",
        "folded line": "HTTP/1.1 200 OK\r\nX: y\r\n SECRET\r\nContent-Length: 2\r\n\r\n{}",
        "location": "HTTP/1.1 302 X\r\nLocation: http://SECRET.example/SECRET?SECRET\r\nContent-Length: 0\r\n\r\n",
        "user information": "HTTP/1.1 302 X\r\nLocation: http://u:SECRET@a.example/\r\nContent-Length: 0\r\n\r\n",
        "length": "HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n{}",
        "chunk size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n",
        "framing": "HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\n{}",
        "encoding": "HTTP/1.1 200 OK\r\nContent-Encoding: SECRET\r\n\r\n{}",
        "trace": "HTTP/1.1 500 X\r\nTraceparent: SECRET\r\nContent-Length: 13\r\n\r\n" + '{"code":50000}',
        "time to wait": "HTTP/1.1 503 X\r\nRetry-After: SECRET\r\nContent-Length: 0\r\n\r\n",
        "cookie": "HTTP/1.1 200 OK\r\nSet-Cookie: SECRET\r\nContent-Length: 2\r\n\r\n{}",
        "message": 'HTTP/1.1 400 X\r\n\r\n{"code":40004000,"message":"no SECRET"}',
        "code": 'HTTP/1.1 400 X\r\n\r\n{"code":"SECRET","message":"no"}',
        "page": "HTTP/1.1 502 X\r\n\r\n<html>SECRET</html>",
        "challenge": "HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm=SECRET\r\n\r\nSECRET",
    }.items():
        yield _echo(surface, name, lambda secret, head=head: head.replace("SECRET", secret).encode())


def _echo(surface: Surface, name: str, made: Callable[[str], bytes]) -> Fault:
    return Fault(name=f"echo: {name}", group="", wire=lambda exchange: made(_secret(exchange)), rows=ANYTHING)


# --- specific lists and details


def _page(exchange: Exchange) -> tuple[int, int]:
    number = re.search(rb"[?&]page=([0-9]+)", exchange.request)
    size = re.search(rb"[?&]pageSize=([0-9]+)", exchange.request)
    return int(number[1]) if number else 1, int(size[1]) if size else 10


def _paged(total: Callable[[int], int], items: Callable[[int, int], list[Any]]) -> Callable[[Exchange], bytes]:
    def wire(exchange: Exchange) -> bytes:
        number, size = _page(exchange)
        return answer(_enveloped({"items": items(number, size), "total": total(number)}), headers=CLOSE)

    return wire


def _jobs(*ids: object) -> list[dict[str, Any]]:
    return [{**_JOB, "id": one} for one in ids]


def _numbered(number: int, size: int, most: int = 10**9) -> list[dict[str, Any]]:
    return _jobs(*map(str, range((number - 1) * size, min(number * size, most))))


def _lists() -> Iterator[Fault]:
    pages = {
        "no jobs": (lambda _: 0, lambda *_: [], ()),
        "ids as numbers": (lambda _: 1, lambda *_: _jobs(int(JOB)), LISTED),
        "several pages": (lambda _: 2500, lambda page, size: _numbered(page, size, 2500), _successes(2500)),
        "a page that repeats": (lambda _: 2500, lambda _, size: _numbered(1, size), RAISES),
        "pages that overlap": (lambda _: 2500, lambda page, size: _numbered(page, size - 1), RAISES),
        "pages that end early": (lambda _: 2500, lambda page, size: _numbered(page, size, 1200), RAISES),
        "a job twice": (lambda _: 2, lambda *_: _jobs("1", "1"), RAISES),
        "a job twice, as text and as number": (lambda _: 2, lambda *_: _jobs("1", 1), RAISES),
        "more jobs than the total": (lambda _: 1, lambda *_: _jobs("1", "2", "3"), RAISES),
        "a total that shrinks": (lambda page: 2500 - page, _numbered, RAISES),
        "a total that grows for ever": (lambda page: 10**9 + page, _numbered, RAISES),
        "empty pages for ever": (lambda _: 10**9, lambda *_: [], RAISES),
        "jobs of another workflow": (lambda _: 1, lambda *_: [{**_JOB, "workflowId": "8"}], RAISES),
        "a job without an id": (lambda _: 1, lambda *_: [{"status": 2}], RAISES),
        "a time that is none": (lambda _: 1, lambda *_: [{**_JOB, "createTime": "yesterday"}], RAISES),
    }
    for name, (total, items, rows) in pages.items():
        yield Fault(name=name, group="", wire=_paged(total, items), rows=rows)
    for total in (None, True, -1, "1", 1.0, [], 2**63):
        wire = answer(_enveloped({"items": [_JOB], "total": total}), headers=CLOSE)
        yield Fault(name=f"total {total!r}", group="", wire=wire)
    yield from _heavy(b'{"code":0,"data":{"items":[', b'],"total":1}}')


def _successes(most: int) -> tuple[tuple[str, str], ...]:
    return tuple((str(number), "success") for number in range(most))


def _details() -> Iterator[Fault]:
    wrong = {
        "another job": {**_JOB, "id": "2", "tasks": [_TASK]},
        "no id": {**_JOB, "id": None, "tasks": [_TASK]},
        "no tasks": {name: value for name, value in _JOB.items() if name != "tasks"},
        "tasks null": {**_JOB, "tasks": None},
        "tasks as a text": {**_JOB, "tasks": "[]"},
        "tasks as numbers": {**_JOB, "tasks": [1]},
        "a task twice": {**_JOB, "tasks": [_TASK, _TASK]},
        "a task without an id": {**_JOB, "tasks": [{"name": "x", "status": 2}]},
        "a time that is none": {**_JOB, "createTime": "yesterday", "tasks": [_TASK]},
    }
    for name, data in wrong.items():
        # Values that the API does not specify may also be accepted, such as the tasks of a new job.
        rows = RAISES if name in ("another job", "tasks as a text", "tasks as numbers") else ANYTHING
        yield Fault(name=name, group="", wire=answer(_enveloped(data), headers=CLOSE), rows=rows)
    yield from _heavy(b'{"code":0,"data":{"id":"1","status":2,"workflowId":"7","tasks":[', b"]}}")


def _heavy(before: bytes, behind: bytes) -> Iterator[Fault]:
    """Yield responses with millions of values where a few are expected."""
    for name, value in {"lists": b"[]", "objects": b"{}", "numbers": b"1", "texts": b'""'}.items():
        body = before + (value + b",") * (2**24 // (len(value) + 1)) + value + behind
        wire = answer(gzip.compress(body, 1, mtime=0), headers=GZIP)
        yield Fault(name=f"16 MiB of {name}", group="", wire=wire)


def _waits() -> Iterator[Fault]:
    def states(*codes: object) -> Callable[[Exchange], bytes]:
        def wire(exchange: Exchange) -> bytes:
            code = codes[min(exchange.number, len(codes) - 1)]
            return answer(_enveloped({**_JOB, "status": code, "tasks": [_TASK]}), headers=CLOSE)

        return wire

    for name, codes, rows in (
        ("runs, then succeeds", (1, 1, 2), "success"),
        ("fails", (1, 3), RAISES),
        ("is interrupted", (5, 4), RAISES),
        ("runs for ever", (1,), RAISES),
        ("has an unknown status for ever", (99,), RAISES),
        ("has no status", (None,), RAISES),
        ("has a status of text", ("2",), RAISES),
    ):
        yield Fault(name=name, group="", wire=states(*codes), rows=rows)
    for failures, rows in ((1, "success"), (10**6, RAISES)):
        busy = answer(b"busy", "502 X", CLOSE)
        good = answer(DETAIL, headers=CLOSE)
        yield Fault(
            name=f"{failures} looks that fail",
            group="",
            wire=lambda x, failures=failures, busy=busy, good=good: busy if x.number < failures else good,
            rows=rows,
            also=(RAISES,) if rows else (),
            why="who does not try again may refuse" if rows else "",
        )


def _logins() -> Iterator[Fault]:
    for name, header in {
        "no cookie": "",
        "another cookie": "Set-Cookie: other=1\r\n",
        "an empty token": "Set-Cookie: explorer_token=\r\n",
        "a token of control characters": "Set-Cookie: explorer_token=\x01\x02\r\n",
        "a token with blanks": 'Set-Cookie: explorer_token="a b"\r\n',
    }.items():
        yield Fault(name=name, group="", wire=answer(LOGIN, headers=header + CLOSE))
    for name, header in {
        "as published": "Set-Cookie: explorer_token=c4naryS3ssion, Max-Age=259200\r\n",
        "in quotes": 'Set-Cookie: explorer_token="c4naryS3ssion"; Path=/\r\n',
        "a hundred other cookies": "".join(f"Set-Cookie: c{number}=v{number}\r\n" for number in range(50)) + SESSION,
        "a life of no seconds": "Set-Cookie: explorer_token=c4naryS3ssion; Max-Age=0\r\n",
        "a life of ages": f"Set-Cookie: explorer_token=c4naryS3ssion; Max-Age={'9' * 400}\r\n",
    }.items():
        yield Fault(
            name=name,
            group="",
            wire=answer(LOGIN, headers=header + CLOSE),
            rows=LISTED,
            also=(RAISES,),
            why="the API's documents say little about the cookie",
        )
    for name, wire in {
        "never accepts": [HANGS_FOR],
        "accepts, then refuses": [answer(LOGIN, headers=SESSION + CLOSE)],
    }.items():
        yield Fault(name=name, group="", wire=lambda _, wire=wire: wire, rows=ANYTHING)


_OWN: dict[str, Callable[[], Iterator[Fault]]] = {
    "list_jobs": _lists,
    "job": _details,
    "wait": _waits,
    "login": _logins,
}
