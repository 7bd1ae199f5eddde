"""Faults around calls with valid responses: signals, name lookups, resources, odd files."""

from __future__ import annotations

import queue
import random
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults import settings
from faults.jobs import DETAIL, LIST, LISTED, LOOKED
from faults.rawserver import End, answer, envelope
from faults.records import ANYTHING, GOLDEN, GOOD, RAISES, Exchange, Fault
from faults.settings import CONTENTS, ODD_FILES, STREAMS, odd_file
from faults.wires import CLOSE, HANGS_FOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MADE = answer(b'{"code":0,"data":{"id":"1"}}', headers=CLOSE)
# Return values of successful calls; None if the value is not checked.
_RIGHT = {
    "read": GOLDEN,
    "export": GOLDEN,
    "list_jobs": LISTED,
    "job": LOOKED,
    "wait": "success",
    "login": LISTED,
    "sync": GOLDEN,
    "run": None,
}
_NOTHING = "(?!)"  # matches no request
_SEED = 18


def faults() -> Iterator[Fault]:
    yield from _signals()
    yield from _names()
    yield from _low()
    yield from _files()


# --- signals


class StopRequestedError(Exception):
    """Exception of an application."""


_CLASSES = (TimeoutError, OSError, KeyError, KeyboardInterrupt, StopRequestedError, queue.Empty)
_HALF = answer(envelope(), length=10_000)
_SILENT: dict[str, list[bytes | float | End]] = {
    "before the answer": [],
    "in the status line": [b"HTTP/1.1 2"],
    "in the head": [_HALF[:40]],
    "in the body": [_HALF],
}
_TASKS = 3  # number of tasks whose results are read concurrently
_DETAIL = DETAIL.replace(
    b'"tasks":[', b'"tasks":[' + b"".join(b'{"id":"t%d","name":"x%d","status":2},' % (n, n) for n in range(1, _TASKS))
)
_HIT = {
    "read": r"GET \S*/sample_result",
    "export": r"GET \S*/sample_result",
    "list_jobs": r"GET \S*/jobs(\?|$)",
    "job": r"GET \S*/jobs/1$",
    "wait": r"GET \S*/jobs/1$",
    "login": r"POST \S*/connect$",
    "run": r"POST ",
}


def _signals() -> Iterator[Fault]:
    """Yield faults where a signal handler raises while the server does not respond."""
    for raised in _CLASSES:
        for place, parts in _SILENT.items():
            for mode, at in _HIT.items():
                yield Fault(
                    name=f"{raised.__name__} in {mode}, {place}",
                    group="signals",
                    wire=lambda _, parts=parts: [*parts, End.SIGNAL, HANGS_FOR],
                    modes=(mode,),
                    at=at,
                    signal=raised,
                )
            for mode, requests in {"read_job": 1, "sync": 2}.items():
                yield Fault(
                    name=f"{raised.__name__} in {mode}, {place}",
                    group="signals",
                    wire=partial(_all_silent, parts, requests + _TASKS - 1),
                    modes=(mode,),
                    at="GET ",
                    signal=raised,
                )
        for mode in ("read", "list_jobs", "login"):
            yield Fault(
                name=f"{raised.__name__} in {mode}, while a name is resolved",
                group="signals",
                wire=GOOD,
                modes=(mode,),
                setting=settings.resolver(settings.signaling_silence),
                signal=raised,
            )


def interrupts(lines: int) -> Iterator[Fault]:
    """Yield faults where a signal handler raises at random lines of the client."""
    chance = random.Random(_SEED)
    for raised in _CLASSES:
        for mode in _RIGHT:
            for _ in range(lines):
                part = chance.random()
                yield Fault(
                    name=f"{raised.__name__} in {mode}, at {part:.4f} of its lines",
                    group="signals at lines",
                    wire=_MADE if mode == "run" else GOOD,
                    rows=ANYTHING,
                    modes=(mode,),
                    at="POST .*/workflows" if mode == "run" else _NOTHING,
                    setting=settings.at_line(part),
                    signal=raised,
                )


def _all_silent(parts: list[Any], last: int, exchange: Exchange) -> bytes | list[Any]:
    """Respond to requests for jobs; signal when all requests for results are waiting."""
    path = exchange.request.split(b" ", 2)[1].partition(b"?")[0]
    if path.endswith(b"/jobs"):
        return answer(LIST, headers=CLOSE)
    if path.endswith(b"/jobs/1"):
        return answer(_DETAIL, headers=CLOSE)
    return [*parts, *[End.SIGNAL] * (exchange.number == last), HANGS_FOR]


# --- names, addresses, and TLS


def _names() -> Iterator[Fault]:
    wrong: dict[str, Callable[..., Any]] = {
        "silent": settings.silence,
        "no address": settings.addresses(),
        "an address that refuses": settings.addresses("127.255.255.254"),
        "200 addresses that refuse": settings.addresses(*(f"127.2.0.{number}" for number in range(1, 201))),
        "1 silent address": settings.silent(1),
        "8 silent addresses": settings.silent(8),
        "100 silent addresses": settings.silent(100),
        **{
            f"error {code}": settings.failing(getattr(socket, code)) for code in ("EAI_NONAME", "EAI_AGAIN", "EAI_FAIL")
        },
    }
    for mode, right in _RIGHT.items():
        for name, found in wrong.items():
            yield Fault(
                name=f"resolver, {mode}: {name}",
                group="resolvers",
                wire=GOOD,
                modes=(mode,),
                at=_NOTHING,
                setting=settings.resolver(found),
            )
        yield Fault(
            name=f"resolver, {mode}: an address that refuses, then the right one",
            group="resolvers",
            wire=GOOD,
            rows=right,
            modes=(mode,),
            at=_NOTHING if mode != "run" else "POST ",
            setting=settings.resolver(settings.addresses("127.255.255.254", "127.0.0.1")),
        )
        for name, parts in settings.TLS.items():
            yield Fault(
                name=f"TLS, {mode}: {name}",
                group="resolvers",
                wire=GOOD,
                modes=(mode,),
                secure=True,
                setting=settings.tls(*parts),
            )


# --- low resources


def _low() -> Iterator[Fault]:
    little = {
        "no thread can be started": settings.no_threads,
        **{f"{more} more files": settings.files(more) for more in range(9)},
        **{f"{more} MiB more memory": settings.memory(more * 2**20) for more in (1, 4, 16, 64, 256)},
        **{f"a disk of {size} bytes": settings.disk(size) for size in (0, 100, 1000)},
    }
    for name, setting in little.items():
        for mode, right in (_RIGHT | {"read_output": GOLDEN}).items():
            yield Fault(
                name=f"{name}, {mode}",
                group="low resources",
                wire=_MADE if mode == "run" else GOOD,
                rows=right,
                also=(RAISES,),
                why="an error is right where there is too little",
                modes=(mode,),
                at="POST .*/workflows" if mode == "run" else _NOTHING,
                setting=settings.prepared(_rehearse, setting),
            )


# --- files


def _write_output(call: Any) -> None:
    folder = call.folder / "output"
    folder.mkdir()
    for number, (name, score) in enumerate(GOLDEN):
        (folder / f"part-{number}.csv").write_text(f"{name},{score}\n", encoding="utf-8")


def _rehearse(call: Any) -> None:
    """Run the call once, so all modules are imported before resources are limited."""
    if call.mode == "read_output":
        _write_output(call)
    call.rehearsal("1").make()
    if call.mode != "read_output":
        call.prepare()


def _sync(call: Any) -> None:
    call.client.calls["sync"](call.url, call.token, str(call.folder))


def _in_lake(name: str) -> Callable[[Path], Path]:
    """Find a file of a lake, by its name or as the only file in a folder."""

    def place(folder: Path) -> Path:
        path = folder / "lake" / name
        return next(path.iterdir()) if path.is_dir() else path

    return place


_PLACES = {"data set": "_manifest/dataset.json", "task": "_manifest/tasks", "record": "_runs", "result": "PageRank"}


def _files() -> Iterator[Fault]:
    odd = STREAMS | ODD_FILES | {name: partial(_write, content) for name, content in CONTENTS.items()}
    for name, make in odd.items():
        group = "odd files" if name in STREAMS else "damaged files"
        part = odd_file(make, lambda folder: folder / "output" / "part-1.csv", _write_output)
        whole = name in CONTENTS or "folder" in name  # may be read or skipped
        yield Fault(
            name=f"part: {name}",
            group=group,
            wire=GOOD,
            rows=ANYTHING if whole else RAISES,
            modes=("read_output",),
            at=_NOTHING,
            setting=part,
        )
        for what, place in _PLACES.items():
            for mode in ("sync", "read_lake", "verify"):
                # A damaged file raises an error if the call needs it. Otherwise it is ignored or written again.
                needed = what == "result" and mode != "sync"
                gone = name == "folder" and mode == "read_lake"  # looks like a deleted result
                yield Fault(
                    name=f"{what} of a lake, {mode}: {name}",
                    group="manifests" if what != "result" else group,
                    wire=GOOD,
                    rows=ANYTHING if needed and gone else RAISES if needed else 2 if mode == "verify" else GOLDEN,
                    also=() if needed else (RAISES,),
                    why="" if needed else "damage may be repaired or refused",
                    modes=(mode,),
                    at=_NOTHING,
                    setting=odd_file(make, _in_lake(place), _sync),
                )


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)
