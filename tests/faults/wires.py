"""Faults in the transfer of responses, with the valid outcomes."""

from __future__ import annotations

import gzip
import itertools
import zlib
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from faults import JOB, settings
from faults.rawserver import End, answer, envelope
from faults.records import GOLDEN, GOOD, RAISES, Exchange, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CLOSE = "Connection: close\r\n"  # prevents the next request from using a connection that is about to close
LAST_CHUNK = b"0\r\n\r\n"
GZIP = "Content-Encoding: gzip\r\n" + CLOSE
WHOLE = tuple((f"n{number}", 1.5) for number in range(100))
BODY = envelope("[" + ",".join(f'["{name}","{score}"]' for name, score in WHOLE) + "]")
EVIL = answer(envelope('[["evil","1"]]'))


def chunked(body: bytes, size: int, extension: bytes = b"", *, end: bytes = LAST_CHUNK) -> bytes:
    """Return a body in chunks, without a head."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces) + end


_ODD_REFUSED = {
    "chunked and a length": "RFC 9112, 6.3: it ought to be handled as an error",
    "the same length twice": "RFC 9110, 8.6: a recipient may take it or refuse it",
}

_LAX = "the values are those the server meant, and the closing brace shows that all of them came"
_REFUSED_LAX = {
    "deflate": "not asked for, but HTTP knows it, its checksum is right, and the values are those the server meant",
    "gzip twice": "not asked for, but HTTP knows it, its checksum is right, and the values are those the server meant",
    "gzip twice, two headers": "not asked for, but HTTP knows it, its checksum is right, and the values are those the server meant",
    "300 headers": "how many headers are too many is nowhere written",
    "a header of 70,000 bytes": "how long a header may be is nowhere written",
    "length one long": _LAX,
    "br": "the encoding is named wrongly; " + _LAX,
    "zstd": "the encoding is named wrongly; " + _LAX,
    "control characters in the encoding": "the encoding is unknown; " + _LAX,
}
# Invalid lengths, which are rejected as documented in reliability.md. A more lenient client may accept them.
JUNK_LENGTHS = ("abc", "below zero", "hexadecimal", "with a point", "empty")


def drip(data: bytes, pause: float = 0.02) -> Iterator[bytes | float]:
    for byte in data:
        yield bytes([byte])
        yield pause


def endless(head: bytes, piece: bytes, pause: float = 0.02) -> Iterator[bytes | float]:
    yield head
    while True:
        yield piece
        yield pause


HANGS_FOR = 600.0  # seconds; a client without a timeout is still waiting when it is judged
WAITS = {
    "503, come again tomorrow": answer(b"", "503 X", "Retry-After: 86400\r\n" + CLOSE),
    "429, come again tomorrow": answer(b"", "429 X", "Retry-After: 86400\r\n" + CLOSE),
    "503, come again in a million years": answer(b"", "503 X", "Retry-After: " + "9" * 400 + "\r\n" + CLOSE),
}


def reset(part: bytes) -> Iterator[bytes | float | End]:
    """Send a part, and reset the connection."""
    yield part
    yield 0.05  # lets the part arrive before the reset
    yield End.RESET


class Wires:
    """All faults in the transfer of one body.

    The body is a complete envelope whose last member is ``"message"``. `headers` are added to each response.
    """

    def __init__(self, body: bytes, headers: str = "") -> None:
        self.body = body
        self.headers = headers
        self.zipped = gzip.compress(body, mtime=0)
        self.head = f"HTTP/1.1 200 OK\r\n{headers}".encode()
        self.chunked_head = self.head + b"Transfer-Encoding: chunked\r\n\r\n"
        self.chunked = self._in_chunks(body, len(body))
        self.framings = {
            "length": self._answer(body),
            "chunked": self.chunked,
            "closed": self.head + b"\r\n" + body,
            "gzip, length": self._answer(self.zipped, headers=GZIP),
            "gzip, closed": self.head + b"Content-Encoding: gzip\r\n\r\n" + self.zipped,
        }

    def _answer(self, body: bytes, status: str = "200 OK", headers: str = "", *, length: int | None = None) -> bytes:
        return answer(body, status, headers + self.headers, length=length)

    def _in_chunks(self, body: bytes, size: int, extension: bytes = b"", *, end: bytes = LAST_CHUNK) -> bytes:
        return self.chunked_head + chunked(body, size, extension, end=end)

    @property
    def odd(self) -> dict[str, bytes]:
        """Unusual but valid responses."""
        return {
            **self.framings,
            "chunks of one byte": self._in_chunks(self.body, 1),
            "chunks with extensions": self._in_chunks(self.body, 7, b";name=value"),
            "chunks with a trailer": self.chunked[:-2] + b"Trailer: x\r\n\r\n",
            "chunk size with zeros": self.chunked.replace(b"\r\n\r\n", b"\r\n\r\n0000", 1),
            "chunked and a length": self.chunked.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n", 1),
            "the same length twice": self._answer(self.body, headers=f"Content-Length: {len(self.body)}\r\n"),
            "GZIP in capitals": self._answer(self.zipped, headers="Content-Encoding: GZIP\r\n"),
            "gzip, chunked": self._in_chunks(self.zipped, 50).replace(
                b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1
            ),
            "gzip of two members": self._answer(
                gzip.compress(self.body[:99]) + gzip.compress(self.body[99:]), headers=GZIP
            ),
            "identity": self._answer(self.body, headers="Content-Encoding: identity\r\n"),
            "HTTP/1.0": self.head.replace(b"/1.1", b"/1.0") + b"\r\n" + self.body,
            "no reason": self._answer(self.body, "200 "),
            "header names in small letters": self._answer(self.body).replace(b"Content-Length", b"content-length"),
            "another charset in the header": self._answer(self.body).replace(
                b"application/json", b"text/plain; charset=gb18030"
            ),
            "no content type": self._answer(self.body).replace(b"Content-Type: application/json\r\n", b""),
            "HTML as content type": self._answer(self.body).replace(b"application/json", b"text/html"),
            "80 headers": self._answer(self.body, headers="".join(f"X-{number}: y\r\n" for number in range(80))),
            "100 before": b"HTTP/1.1 100 Continue\r\n\r\n" + self._answer(self.body),
            "103 before": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + self._answer(self.body),
            "102 five times before": b"HTTP/1.1 102 Processing\r\n\r\n" * 5 + self._answer(self.body),
        }

    @property
    def refused(self) -> dict[str, bytes]:
        """Invalid responses, some of which a more lenient client may accept."""
        return {
            "two lengths": self._answer(self.body, headers=f"Content-Length: {len(self.body) + 5}\r\n"),
            "length of 5": self._answer(self.body, length=5),
            "length one short": self._answer(self.body, length=len(self.body) - 1),
            "length one long": self._answer(self.body, length=len(self.body) + 1),
            "length of 0": self._answer(self.body, length=0),
            "chunk size that is no number": self.chunked_head + b"zz\r\n" + self.body,
            "chunk size below zero": self.chunked_head + b"-5\r\n" + self.body,
            "chunk larger than said": self.chunked_head + b"5\r\n" + self.body + b"\r\n0\r\n\r\n",
            "chunked in name only": self.chunked_head + self.body,
            "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
            "TLS": b"\x16\x03\x01\x02\x00\x01",
            "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/9.9": b"HTTP/9.9 200 OK\r\n\r\n",
            "no line end in 70,000 bytes": b"x" * 70_000,
            "300 headers": self.head + b"X: y\r\n" * 300 + b"\r\n" + self.body,
            "a header of 70,000 bytes": self.head + b"X: " + b"y" * 70_000 + b"\r\n\r\n" + self.body,
            "br": self._answer(self.body, headers="Content-Encoding: br\r\n"),
            "deflate": self._answer(zlib.compress(self.body), headers="Content-Encoding: deflate\r\n"),
            "zstd": self._answer(self.body, headers="Content-Encoding: zstd\r\n"),
            "gzip twice": self._answer(gzip.compress(self.zipped), headers="Content-Encoding: gzip, gzip\r\n"),
            "gzip twice, two headers": self._answer(gzip.compress(self.zipped), headers=GZIP * 2),
            "control characters in the encoding": self._answer(self.body, headers="Content-Encoding: x\x1b[31m\r\n"),
            "a page of HTML": self._answer(b"<!DOCTYPE html><html>Login</html>"),
            "no body": self._answer(b""),
            "204": self._answer(b"", "204 No Content"),
            "no body, closed": b"HTTP/1.1 200 OK\r\n\r\n",
            "only interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3,
        }  # fmt: skip

    @property
    def cuts(self) -> dict[str, bytes]:
        """Truncated responses."""
        return {
            "empty reply": b"",
            "in the status line": b"HTTP/1.1",
            "length": self._answer(self.body)[:-20],
            "before the body": self._answer(self.body)[: -len(self.body)],
            "in a chunk": self.chunked[:-40],
            "between chunks": self._in_chunks(self.body[: len(self.body) // 2], 50, end=b""),
            "closed, at a row's end": self.framings["closed"][: -len(self.body) + (self.body.find(b"],") + 1 or 40)],
            "closed, behind the rows": self.framings["closed"][: -len(self.body) + self.body.index(b'},"message"')],
            "gzip, length": self._answer(self.zipped, headers=GZIP)[:-20],
            "gzip, closed": self.framings["gzip, closed"][:-30],
            "gzip, broken": self._answer(self.zipped[:40] + b"\xff" * 40 + self.zipped[80:], headers=GZIP),
            "gzip, wrong checksum": self._answer(self.zipped[:-8] + b"\0" * 8, headers=GZIP),
            "gzip, in name only": self._answer(self.body, headers=GZIP),
        }

    @property
    def cut_behind(self) -> dict[str, bytes]:
        """Responses that are truncated or damaged after a complete envelope."""
        return {
            "last chunk missing": self._in_chunks(self.body, 100, end=b""),
            "gzip without its checksum": self.framings["gzip, closed"][:-8],
            "gzip with junk behind": self._answer(self.zipped + b"junk", headers=GZIP),
        }

    @property
    def hangs(self) -> dict[str, Callable[[], Iterable[bytes | float]]]:
        """Responses that stop at some point."""
        return {
            "accepted, then nothing": lambda: [HANGS_FOR],
            "in the status line": lambda: [b"HTTP/1.1 2", HANGS_FOR],
            "in the headers": lambda: [b"HTTP/1.1 200 OK\r\nContent-", HANGS_FOR],
            "before the body": lambda: [self._answer(self.body)[: -len(self.body)], HANGS_FOR],
            "in the body": lambda: [self._answer(self.body)[:-1], HANGS_FOR],
            "in a chunk": lambda: [self.chunked_head + b"40\r\n{", HANGS_FOR],
        }

    @property
    def drips(self) -> dict[str, Callable[[], Iterable[bytes | float]]]:
        """Responses that are sent very slowly."""
        return {
            "headers": lambda: endless(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
            "interim answers": lambda: endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
            "interim answers without a pause": lambda: itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
            "body": lambda: drip(self._answer(self.body), 30 / len(self.body)),
            "white space": lambda: endless(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
            "chunks": lambda: endless(self.chunked_head, b"1\r\n \r\n"),
            "gzip": lambda: endless(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{")[:10], b""
            ),
            "an error's body": lambda: endless(b"HTTP/1.1 500 No\r\n\r\n", b"x"),
            "a redirect's body": lambda: endless(b"HTTP/1.1 500 No\r\nLocation: /x\r\n\r\n", b"x"),
        }

    @property
    def ever_more(self) -> dict[str, Callable[[], Iterable[bytes | float]]]:
        """Responses without an end."""
        return {
            "chunk extension": lambda: endless(self.chunked_head + b"5;", b"x" * 100),
            "trailers": lambda: endless(self.chunked_head + b"0\r\n", b"X: y\r\n"),
            "rows, for a limit of 100": lambda: endless(
                b'HTTP/1.1 200 OK\r\n\r\n{"code":0,"data":{"items":[["a","1"]', b',["a","1"]'
            ),
            "white space behind the envelope": lambda: endless(self.head + b"\r\n" + self.body, b" "),
        }

    def faults(self, rows: Any) -> Iterator[Fault]:
        """Yield the faults; `rows` is the content of the body."""
        for name, wire in self.odd.items():
            why = _ODD_REFUSED.get(name, "")
            yield Fault(name=name, group="odd", wire=wire, rows=rows, also=(RAISES,) if why else (), why=why)
        for name, wire in self.refused.items():
            why = _REFUSED_LAX.get(name, "")
            yield Fault(name=name, group="wrong", wire=wire, also=(rows,) if why else (), why=why)
        size = str(len(self.body)).encode()
        for name, length in zip(JUNK_LENGTHS, (b"abc", b"-5", b"0x100", size + b".0", b""), strict=True):
            wire = self._answer(self.body).replace(size, length, 1)
            why = "RFC 9112, 6.3, wants it discarded, as reliability.md does; but " + _LAX
            yield Fault(name=f"length {name}", group="wrong", wire=wire, also=(rows,), why=why)
        for name, wire in self.cuts.items():
            yield Fault(name=f"cut: {name}", group="cut", wire=wire)
        for name, wire in self.cut_behind.items():
            yield Fault(name=name, group="cut", wire=wire, also=(rows,), why=_LAX)
        for name, part in {
            "at once": b"",
            "in the headers": self._answer(self.body)[:20],
            "in the body": self._answer(self.body)[:-20],
            "closed": self.framings["closed"][:-20],
        }.items():
            yield Fault(name=f"reset {name}", group="cut", wire=lambda _, part=part: reset(part))
        yield from self._slow(rows)

    def _slow(self, rows: Any) -> Iterator[Fault]:
        for group, wires in (("hang", self.hangs), ("drip", self.drips), ("endless", self.ever_more)):
            for name, make in wires.items():
                yield Fault(name=f"{group}: {name}", group=group, wire=lambda _, make=make: make())
        for name, wire in WAITS.items():
            yield Fault(name=name, group="hang", wire=wire)
        whole = self._answer(self.body)
        in_time = {
            "in two pieces": [whole[:-50], 0.1, whole[-50:]],
            "in ten pieces": [part for at in range(0, len(whole), 120) for part in (whole[at : at + 120], 0.02)],
            "after half a second": [0.5, whole],
        }
        for name, wire in in_time.items():
            yield Fault(name=f"slow, {name}", group="odd", wire=lambda _, wire=wire: wire, rows=rows)


_ROWS = Wires(BODY)
CHUNKED, FRAMINGS, ODD, REFUSED = _ROWS.chunked, _ROWS.framings, _ROWS.odd, _ROWS.refused
CUTS, HANGS, DRIPS = _ROWS.cuts, _ROWS.hangs, _ROWS.drips


@cache
def bombs() -> dict[str, bytes]:
    """Small responses that decompress to a large size."""
    filler = 64 * gzip.compress(b" " * 2**24)  # 1 GiB
    cell = (
        gzip.compress(b'{"code":0,"data":{"items":[["') + 64 * gzip.compress(b"x" * 2**24) + gzip.compress(b'","1"]]}}')
    )
    rows = gzip.compress(b'{"code":0,"data":{"items":[["a","1"]') + 64 * gzip.compress(b',["a","1"]' * 1_677_721)
    empty = gzip.compress(b'{"code":0,"data":{"items":[[]') + 16 * gzip.compress(b",[]" * 5_592_405)
    white = gzip.compress(b'{"code":0,"data":{"items":[["a","1"]]}') + filler + gzip.compress(b"}")
    twice = gzip.compress(filler)
    return {
        "1 GiB of white space before": answer(filler + gzip.compress(b"{}"), headers=GZIP),
        "1 GiB of white space behind": answer(white, headers=GZIP),
        "1 GiB in one cell": answer(cell, headers=GZIP),
        "1 GiB of rows for a limit of 100": answer(rows, headers=GZIP),
        "268 MB of empty rows": answer(empty, headers=GZIP),
        "1 GiB, gzip twice": answer(twice, headers="Content-Encoding: gzip, gzip\r\n"),
        "1 GiB under an error": answer(filler, "500 X", GZIP),
        "nested a million deep": answer(
            b'{"code":0,"data":{"items":[["a","1"]]},"x":' + b"[" * 10**6 + b"]" * 10**6 + b"}"
        ),
        "rows nested a million deep": answer(b'{"code":0,"data":{"items":' + b"[" * 10**6 + b"]" * 10**6 + b"}}"),
        "a number of a million digits": answer(b'{"code":0,"x":' + b"1" * 10**6 + b',"data":{"items":[["a","1"]]}}'),
        "a score of 10,000,000 digits": answer(b'{"code":0,"data":{"items":[["a","' + b"1" * 10**7 + b'"]]}}'),
        "three million empty rows": answer(envelope("[" + ",".join(["[]"] * 3_000_000) + "]")),
    }


BOMBS = (
    "1 GiB of white space before", "1 GiB of white space behind", "1 GiB in one cell", "1 GiB of rows for a limit of 100", "268 MB of empty rows",
    "1 GiB, gzip twice", "1 GiB under an error", "nested a million deep", "rows nested a million deep", "a number of a million digits",
    "a score of 10,000,000 digits", "three million empty rows",
)  # fmt: skip
_BOMBS_LAX = {"1 GiB of white space behind": ((("a", 1.0),), "valid JSON: who has the memory and the time may read it"),
              "nested a million deep": ((("a", 1.0),), "valid JSON, beside the rows; a parser may have no limit of depth"),
              "a number of a million digits": ((("a", 1.0),), "valid JSON, beside the rows; a parser may have no limit of digits")}  # fmt: skip


def faults() -> Iterator[Fault]:
    yield from _ROWS.faults(WHOLE)
    for name in BOMBS:
        rows, why = _BOMBS_LAX.get(name, (None, ""))
        also = () if rows is None else (rows,)
        yield Fault(name=name, group="bomb", wire=lambda _, name=name: bombs()[name], also=also, why=why)
    yield Fault(
        name="three million empty rows, and none too many",
        group="bomb",
        wire=lambda _: bombs()["three million empty rows"],
        limit=10**7,
    )
    yield from redirects()
    yield from (replace(fault, modes=("read",)) if fault.calls > 1 else fault for fault in _kept())
    yield from _disks()
    yield Fault(name="https to a server without TLS", group="tls", wire=GOOD, secure=True)


_REDIRECTED = rf"(?!GET \S*/jobs/{JOB}$)"  # also matches the redirected requests


def redirects() -> Iterator[Fault]:
    """Yield redirects to places that must not receive the token."""
    for status in (301, 302, 303, 307, 308):
        places = {
            "another port": lambda x: f"{x.other}/elsewhere",
            "another host": lambda x: f"{x.other.replace('127.0.0.1', 'localhost')}/elsewhere",
            "another scheme": lambda x: x.here.replace("http:", "https:"),
            "a login page": lambda _: "/login",
        }
        for name, place in places.items():
            yield Fault(name=f"{status} to {name}", group="redirect", at=_REDIRECTED, wire=_moved(status, place))
    yield Fault(name="300", group="redirect", at=_REDIRECTED, wire=answer(BODY, "300 X", CLOSE))
    yield Fault(name="304", group="redirect", at=_REDIRECTED, wire=answer(b"", "304 X", CLOSE))
    yield Fault(name="to itself, for ever", group="redirect", at=_REDIRECTED, wire=_moved(302, lambda x: x.here))
    for name, location in {
        "nowhere": "",
        "half a URL": "http://[::1",
        "a file": "file:///etc/passwd",
        "no host": "http://",
        "bytes": "http://\xff\xfe/",
        "5,000 letters": "x" * 5000,
    }.items():
        yield Fault(
            name=f"302 to {name}",
            group="redirect",
            at=_REDIRECTED,
            wire=_moved(302, lambda _, location=location: location),
        )


def _moved(status: int, place):
    return lambda exchange: answer(b"moved", f"{status} Moved", f"Location: {place(exchange)}\r\n{CLOSE}")


def _kept() -> Iterator[Fault]:
    """Yield faults on a reused connection, where a call could receive an earlier response."""

    def kept(first: bytes, pause: float = 0.0):
        return lambda x: [*([first, pause] if not x.number else []), GOOD, End.KEEP]

    def behind(x: Exchange):
        return [GOOD + EVIL, End.KEEP] if not x.number else GOOD

    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    yield Fault(name="bytes behind an answer", group="kept", wire=behind, rows=GOLDEN, calls=2)
    yield Fault(name="an interim answer, then a pause", group="kept", wire=kept(early, 0.05), rows=GOLDEN, calls=2)
    yield Fault(
        name="an error whose body is longer than said",
        group="kept",
        wire=lambda x: GOOD if x.number else [answer(EVIL, "404 X", length=0), End.KEEP],
        rows=GOLDEN,
        calls=2,
    )
    yield Fault(
        name="closed between calls",
        group="kept",
        wire=lambda x: GOOD if x.number else [GOOD, End.CLOSE],
        rows=GOLDEN,
        calls=2,
    )
    yield Fault(
        name="an empty reply, then an answer",
        group="kept",
        wire=lambda x: answer(envelope(), headers=CLOSE) if x.number else b"",
        rows=GOLDEN,
        also=(RAISES,),
        why="who does not try again may refuse",
    )
    yield Fault(
        name="half an answer, then another",
        group="kept",
        wire=lambda x: answer(BODY, headers=CLOSE) if x.number else answer(BODY)[:-500],
        rows=WHOLE,
        also=(RAISES,),
        why="who does not try again may refuse",
    )


def _disks() -> Iterator[Fault]:
    rows = tuple((f"player{number * 2654435761 % 2**32}", number / 7) for number in range(20_000))
    wire = answer(envelope("[" + ",".join(f'["{name}","{score}"]' for name, score in rows) + "]"))
    for size in (0, 4096, 65536):
        yield Fault(
            name=f"disk full at {size} bytes",
            group="disk",
            wire=wire,
            modes=("export",),
            setting=settings.disk(size),
            limit=20_001,
        )


def cuts(step: int = 1) -> Iterator[Fault]:
    """Yield one response, truncated at every byte, in five framings."""
    for framing, whole in FRAMINGS.items():
        for at in range(0, len(whole), step):
            yield Fault(
                name=f"{framing}, cut at {at}",
                group="cuts",
                modes=("read",),
                wire=whole[:at],
                also=(WHOLE,),
                why="an error, or all rows: what comes behind the closing brace proves nothing more",
            )


# --- submitted jobs, which must not be created twice

MADE = answer(b'{"code":0,"data":{"id":"107"},"message":"Success"}', headers=CLOSE)
SUBMITS = {
    "accepted": lambda: MADE,
    "hangs up": lambda: b"",
    "cuts the head": lambda: b"HTTP/1.1 200 OK\r\nContent-Le",
    "cuts the body": lambda: answer(b'{"code":0,"da', length=100),
    "resets": lambda: reset(b""),
    "resets in the body": lambda: reset(MADE[:-5]),
    "says nothing": lambda: [HANGS_FOR],
    "drips": lambda: drip(MADE, 0.1),
    "500": lambda: answer(b'{"code":50004000}', "500 X", CLOSE),
    "502": lambda: answer(b"<html>", "502 X", CLOSE),
    "503": lambda: answer(b"busy", "503 X", "Retry-After: 0\r\n" + CLOSE),
    "503 without Retry-After": lambda: answer(b"busy", "503 X", CLOSE),
    "504": lambda: answer(b"<html>", "504 X", CLOSE),
    "code 50004000": lambda: answer(b'{"code":50004000,"message":"timeout"}', headers=CLOSE),
    "code 50004002": lambda: answer(b'{"code":50004002}', headers=CLOSE),
    "HTML": lambda: answer(b"<html>", headers=CLOSE),
    "no id": lambda: answer(b'{"code":0,"data":{}}', headers=CLOSE),
    "id null": lambda: answer(b'{"code":0,"data":{"id":null}}', headers=CLOSE),
    "junk": lambda: b"\x00\x01\x02\r\n\r\n",
    "no JSON": lambda: answer(b'{"code":0,"data":{"id":107}', headers=CLOSE),
}


def submits() -> Iterator[Fault]:
    for name, make in SUBMITS.items():
        yield Fault(name=f"submit: {name}", group="submit", modes=("run",), wire=lambda _, make=make: make())
    for status in (302, 307, 308):
        wire = _moved(status, lambda x: f"{x.other}/elsewhere")
        yield Fault(name=f"submit: {status} to another port", group="submit", modes=("run",), wire=wire)
