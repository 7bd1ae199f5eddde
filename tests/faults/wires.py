"""What may go wrong, or only looks wrong, on the way: named, with the verdict."""

from __future__ import annotations

import gzip
import itertools
import zlib
from functools import cache
from typing import TYPE_CHECKING

from faults.rawserver import End, answer, envelope
from faults.records import GOLDEN, GOOD, RAISES, Exchange, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSE = "Connection: close\r\n"  # lest the next request goes out over a connection that is about to end
GZIP = "Content-Encoding: gzip\r\n" + CLOSE
WHOLE = tuple((f"n{number}", 1.5) for number in range(100))
BODY = envelope("[" + ",".join(f'["{name}","{score}"]' for name, score in WHOLE) + "]")
ZIPPED = gzip.compress(BODY, mtime=0)
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EVIL = answer(envelope('[["evil","1"]]'))


def chunked(body: bytes, size: int, extension: bytes = b"", *, end: bytes = b"0\r\n\r\n") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return CHUNKED_HEAD + b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces) + end


CHUNKED = chunked(BODY, len(BODY))
FRAMINGS = {
    "length": answer(BODY),
    "chunked": CHUNKED,
    "closed": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "gzip, length": answer(ZIPPED, headers=GZIP),
    "gzip, closed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + ZIPPED,
}

# --- odd, and right

ODD = {
    **FRAMINGS,
    "chunks of one byte": chunked(BODY, 1),
    "chunks with extensions": chunked(BODY, 7, b";name=value"),
    "chunks with a trailer": CHUNKED[:-2] + b"Trailer: x\r\n\r\n",
    "chunk size with zeros": CHUNKED.replace(b"\r\n\r\n", b"\r\n\r\n0000", 1),
    "chunked and a length": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n", 1),
    "the same length twice": answer(BODY, headers=f"Content-Length: {len(BODY)}\r\n"),
    "GZIP in capitals": answer(ZIPPED, headers="Content-Encoding: GZIP\r\n"),
    "gzip, chunked": chunked(ZIPPED, 50).replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1),
    "gzip of two members": answer(gzip.compress(BODY[:99]) + gzip.compress(BODY[99:]), headers=GZIP),
    "identity": answer(BODY, headers="Content-Encoding: identity\r\n"),
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "no reason": answer(BODY, "200 "),
    "header names in small letters": answer(BODY).replace(b"Content-Length", b"content-length"),
    "another charset in the header": answer(BODY).replace(b"application/json", b"text/plain; charset=gb18030"),
    "no content type": answer(BODY).replace(b"Content-Type: application/json\r\n", b""),
    "HTML as content type": answer(BODY).replace(b"application/json", b"text/html"),
    "80 headers": answer(BODY, headers="".join(f"X-{number}: y\r\n" for number in range(80))),
    "100 before": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(BODY),
    "103 before": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(BODY),
    "102 five times before": b"HTTP/1.1 102 Processing\r\n\r\n" * 5 + answer(BODY),
}
_ODD_REFUSED = {
    "chunked and a length": "RFC 9112, 6.3: it ought to be handled as an error",
    "the same length twice": "RFC 9110, 8.6: a recipient may take it or refuse it",
}

# --- odd, and refused: whether the rest of the body can be seen to be whole decides who may be laxer

REFUSED = {
    "two lengths": answer(BODY, headers=f"Content-Length: {len(BODY) + 5}\r\n"),
    "length of 5": answer(BODY, length=5),
    "length one short": answer(BODY, length=len(BODY) - 1),
    "length one long": answer(BODY, length=len(BODY) + 1),
    "length of 0": answer(BODY, length=0),
    "chunk size that is no number": CHUNKED_HEAD + b"zz\r\n" + BODY,
    "chunk size below zero": CHUNKED_HEAD + b"-5\r\n" + BODY,
    "chunk larger than said": CHUNKED_HEAD + b"5\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunked in name only": CHUNKED_HEAD + BODY,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/9.9": b"HTTP/9.9 200 OK\r\n\r\n",
    "no line end in 70,000 bytes": b"x" * 70_000,
    "300 headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n" + BODY,
    "a header of 70,000 bytes": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n" + BODY,
    "br": answer(BODY, headers="Content-Encoding: br\r\n"),
    "deflate": answer(zlib.compress(BODY), headers="Content-Encoding: deflate\r\n"),
    "zstd": answer(BODY, headers="Content-Encoding: zstd\r\n"),
    "gzip twice": answer(gzip.compress(ZIPPED), headers="Content-Encoding: gzip, gzip\r\n"),
    "gzip twice, two headers": answer(gzip.compress(ZIPPED), headers=GZIP * 2),
    "control characters in the encoding": answer(BODY, headers="Content-Encoding: x\x1b[31m\r\n"),
    "a page of HTML": answer(b"<!DOCTYPE html><html>Login</html>"),
    "no body": answer(b""),
    "204": answer(b"", "204 No Content"),
    "no body, closed": b"HTTP/1.1 200 OK\r\n\r\n",
    "only interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3,
}  # fmt: skip
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
# Like the last group, but reliability.md's "typed error" goes further than a closed envelope needs.
JUNK_LENGTHS = {"abc": "abc", "below zero": "-5", "hexadecimal": "0x100", "with a point": f"{len(BODY)}.0", "empty": ""}

# --- cut off

CUTS = {
    "empty reply": b"",
    "in the status line": b"HTTP/1.1",
    "length": answer(BODY)[:-20],
    "before the body": answer(BODY)[: -len(BODY)],
    "in a chunk": CHUNKED[:-40],
    "between chunks": chunked(BODY[:500], 100, end=b""),
    "closed, at a row's end": FRAMINGS["closed"][: -len(BODY) + BODY.index(b'],["n20"') + 1],
    "closed, behind the rows": FRAMINGS["closed"][: -len(BODY) + BODY.index(b'},"message"')],
    "gzip, length": answer(ZIPPED, headers=GZIP)[:-20],
    "gzip, closed": FRAMINGS["gzip, closed"][:-30],
    "gzip, broken": answer(ZIPPED[:40] + b"\xff" * 40 + ZIPPED[80:], headers=GZIP),
    "gzip, wrong checksum": answer(ZIPPED[:-8] + b"\0" * 8, headers=GZIP),
    "gzip, in name only": answer(BODY, headers=GZIP),
}
# With the envelope closed, these miss only what comes behind it.
CUT_BEHIND = {
    "last chunk missing": chunked(BODY, 100, end=b""),
    "gzip without its checksum": FRAMINGS["gzip, closed"][:-8],
    "gzip with junk behind": answer(ZIPPED + b"junk", headers=GZIP),
}

# --- slow


def drip(data: bytes, pause: float = 0.02) -> Iterator[bytes | float]:
    for byte in data:
        yield bytes([byte])
        yield pause


def endless(head: bytes, piece: bytes, pause: float = 0.02) -> Iterator[bytes | float]:
    yield head
    while True:
        yield piece
        yield pause


HANGS_FOR = 600.0  # seconds: a client without a limit of its own is still waiting when the judge looks
HANGS = {
    "accepted, then nothing": lambda: [HANGS_FOR],
    "in the status line": lambda: [b"HTTP/1.1 2", HANGS_FOR],
    "in the headers": lambda: [b"HTTP/1.1 200 OK\r\nContent-", HANGS_FOR],
    "before the body": lambda: [answer(BODY)[: -len(BODY)], HANGS_FOR],
    "in the body": lambda: [answer(BODY)[:-1], HANGS_FOR],
    "in a chunk": lambda: [CHUNKED_HEAD + b"40\r\n{", HANGS_FOR],
}
DRIPS = {
    "headers": lambda: endless(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "interim answers": lambda: endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "interim answers without a pause": lambda: itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
    "body": lambda: drip(answer(BODY)),
    "white space": lambda: endless(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "chunks": lambda: endless(CHUNKED_HEAD, b"1\r\n \r\n"),
    "gzip": lambda: endless(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{")[:10], b""),
    "an error's body": lambda: endless(b"HTTP/1.1 500 No\r\n\r\n", b"x"),
    "a redirect's body": lambda: endless(b"HTTP/1.1 500 No\r\nLocation: /x\r\n\r\n", b"x"),
}
EVER_MORE = {
    "chunk extension": lambda: endless(CHUNKED_HEAD + b"5;", b"x" * 100),
    "trailers": lambda: endless(CHUNKED_HEAD + b"0\r\n", b"X: y\r\n"),
    "rows, for a limit of 100": lambda: endless(
        b'HTTP/1.1 200 OK\r\n\r\n{"code":0,"data":{"items":[["a","1"]', b',["a","1"]'
    ),
    "white space behind the envelope": lambda: endless(b"HTTP/1.1 200 OK\r\n\r\n" + BODY, b" "),
}
WAITS = {
    "503, come again tomorrow": answer(b"", "503 X", "Retry-After: 86400\r\n" + CLOSE),
    "429, come again tomorrow": answer(b"", "429 X", "Retry-After: 86400\r\n" + CLOSE),
    "503, come again in a million years": answer(b"", "503 X", "Retry-After: " + "9" * 400 + "\r\n" + CLOSE),
}


@cache
def bombs() -> dict[str, bytes]:
    """Small answers that become large: made when they are first sent."""
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


def reset(part: bytes) -> Iterator[bytes | float | End]:
    """Send a part, and reset the connection."""
    yield part
    yield 0.05  # what was sent has arrived, or the reset would overtake it
    yield End.RESET


def faults() -> Iterator[Fault]:
    for name, wire in ODD.items():
        why = _ODD_REFUSED.get(name, "")
        yield Fault(name=name, group="odd", wire=wire, rows=WHOLE, also=(RAISES,) if why else (), why=why)
    for name, wire in REFUSED.items():
        why = _REFUSED_LAX.get(name, "")
        yield Fault(name=name, group="wrong", wire=wire, also=(WHOLE,) if why else (), why=why)
    for name, length in JUNK_LENGTHS.items():
        wire = answer(BODY).replace(str(len(BODY)).encode(), length.encode(), 1)
        why = "RFC 9112, 6.3, wants it discarded, as reliability.md does; but " + _LAX
        yield Fault(name=f"length {name}", group="wrong", wire=wire, also=(WHOLE,), why=why)
    for name, wire in CUTS.items():
        yield Fault(name=f"cut: {name}", group="cut", wire=wire)
    for name, wire in CUT_BEHIND.items():
        yield Fault(name=name, group="cut", wire=wire, also=(WHOLE,), why=_LAX)
    for name, part in {
        "at once": b"",
        "in the headers": GOOD[:20],
        "in the body": answer(BODY)[:-20],
        "closed": FRAMINGS["closed"][:-20],
    }.items():
        yield Fault(name=f"reset {name}", group="cut", wire=lambda _, part=part: reset(part))
    yield from _slow()
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
    yield from _redirects()
    yield from _kept()
    yield from _disks()
    yield Fault(name="https to a server without TLS", group="tls", wire=GOOD, secure=True)


def _slow() -> Iterator[Fault]:
    for group, wires in (("hang", HANGS), ("drip", DRIPS), ("endless", EVER_MORE)):
        for name, make in wires.items():
            yield Fault(name=f"{group}: {name}", group=group, wire=lambda _, make=make: make())
    for name, wire in WAITS.items():
        yield Fault(name=name, group="hang", wire=wire)
    in_time = {
        "in two pieces": [answer(BODY)[:500], 0.1, answer(BODY)[500:]],
        "in ten pieces": [
            part for at in range(0, len(answer(BODY)), 120) for part in (answer(BODY)[at : at + 120], 0.02)
        ],
        "after half a second": [0.5, answer(BODY)],
    }
    for name, wire in in_time.items():
        yield Fault(name=f"slow, {name}", group="odd", wire=lambda _, wire=wire: wire, rows=WHOLE)


def _redirects() -> Iterator[Fault]:
    """To where the token must not go; who is found there answers as if all were well."""
    for status in (301, 302, 303, 307, 308):
        places = {
            "another port": lambda x: f"{x.other}/elsewhere",
            "another host": lambda x: f"{x.other.replace('127.0.0.1', 'localhost')}/elsewhere",
            "another scheme": lambda x: x.here.replace("http:", "https:"),
            "a login page": lambda _: "/login",
        }
        for name, place in places.items():
            yield Fault(name=f"{status} to {name}", group="redirect", wire=_moved(status, place))
    yield Fault(name="300", group="redirect", wire=answer(BODY, "300 X", CLOSE))
    yield Fault(name="304", group="redirect", wire=answer(b"", "304 X", CLOSE))
    yield Fault(name="to itself, for ever", group="redirect", wire=_moved(302, lambda x: x.here))
    for name, location in {
        "nowhere": "",
        "half a URL": "http://[::1",
        "a file": "file:///etc/passwd",
        "no host": "http://",
        "bytes": "http://\xff\xfe/",
        "5,000 letters": "x" * 5000,
    }.items():
        yield Fault(name=f"302 to {name}", group="redirect", wire=_moved(302, lambda _, location=location: location))


def _moved(status: int, place):
    return lambda exchange: answer(b"moved", f"{status} Moved", f"Location: {place(exchange)}\r\n{CLOSE}")


def _kept() -> Iterator[Fault]:
    """Over a connection that is kept, the next call must get its own answer."""

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
        yield Fault(name=f"disk full at {size} bytes", group="disk", wire=wire, file_limit=size, limit=20_001)


def cuts(step: int = 1) -> Iterator[Fault]:
    """One answer, cut at every byte in five framings: an error, or all of it."""
    for framing, whole in FRAMINGS.items():
        for at in range(0, len(whole), step):
            yield Fault(
                name=f"{framing}, cut at {at}",
                group="cuts",
                wire=whole[:at],
                also=(WHOLE,),
                why="an error, or all rows: what comes behind the closing brace proves nothing more",
            )


# --- jobs, which must not be made twice

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
        yield Fault(name=f"submit: {name}", group="submit", wire=lambda _, make=make: make())
    for status in (302, 307, 308):
        wire = _moved(status, lambda x: f"{x.other}/elsewhere")
        yield Fault(name=f"submit: {status} to another port", group="submit", wire=wire)
