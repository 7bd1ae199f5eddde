"""The network at its worst: every way an answer can fail to come is one typed error, in time, without a secret."""

from __future__ import annotations

import gc
import gzip
import http.client
import multiprocessing
import pickle
import re
import socket
import ssl
import sys
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import pytest
import requests
import trustme
import truststore
import urllib3
from cases import each
from faults.bodies import CODES, STATUSES, coded
from faults.rawserver import End, RawServer, answer, envelope, wait_until
from faults.records import GOLDEN, GOOD
from faults.wires import (
    BODY,
    CHUNKED,
    CLOSE,
    CUTS,
    DRIPS,
    FRAMINGS,
    GZIP,
    HANGS,
    ODD,
    REFUSED,
    WHOLE,
    endless,
    reset,
)
from limits import GROWING, HANG, Clock
from platforms import WINDOWS, needs_fork
from served import served

from explorer_frames import Explorer
from explorer_frames._http.exchange import Deadline
from explorer_frames._http.failures import translated
from explorer_frames._http.retries import Retries
from explorer_frames.errors import (
    ApiError,
    BadRequestError,
    ColumnTypeError,
    ConfigError,
    ConnectionFailedError,
    DecodeError,
    EnvelopeError,
    ExplorerFramesError,
    ForbiddenError,
    LicenseError,
    NotFoundError,
    RequestTimeoutError,
    ServerError,
    SessionExpiredError,
    TransportError,
    TruncatedBodyError,
    UnauthorizedError,
    UnencryptedWarning,
)
from explorer_frames.sandbox import Sandbox

TOKEN = "c4naryT0ken"
ROWS = list(GOLDEN)


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch):
    """Tries follow one another at once; what a server asks to wait is still waited."""
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)


@pytest.fixture
def sleeps(monkeypatch):
    """Every sleep before another try, in place of sleeping."""
    slept = []
    monkeypatch.setattr("explorer_frames._threads.time.sleep", slept.append)
    return slept


@pytest.fixture
def sleeps_only(monkeypatch, sleeps):
    """Record sleeps as `sleeps` does, with a clock for deadlines that only these sleeps advance."""
    clock = Clock(running=False)
    monkeypatch.setattr("explorer_frames._http.exchange.time", clock)
    monkeypatch.setattr(
        "explorer_frames._threads.time.sleep", lambda seconds: (sleeps.append(seconds), clock.advance(seconds))
    )
    return sleeps


def read(explorer: Explorer, limit: int | None = None) -> list[tuple[str, float]]:
    return [tuple(row.values()) for row in explorer.read_sample_result_arrow(1, "a", limit, schema=None).to_pylist()]


def failure(script, *, sent=0, limit=None, **options) -> tuple[ExplorerFramesError, RawServer]:
    """The one error that a script leads to, which may show and hold neither the token nor anything of requests.

    Wait for `sent` requests: a busy server may read a request after the client has timed out.
    """
    with served(script, token=TOKEN, **options) as (server, explorer):
        with pytest.raises(ExplorerFramesError) as caught:
            read(explorer, limit)
        checked(caught.value)
        wait_until(lambda: len(server.requests) >= sent)
        return caught.value, server


def checked(error: ExplorerFramesError) -> None:
    assert error.where.startswith("job 1, task a")
    assert error.hint
    assert TOKEN not in "".join(traceback.format_exception(error))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename != __file__:
            assert TOKEN not in repr(frame.f_locals), frame
    assert TOKEN.encode() not in pickle.dumps(error)
    while error is not None:
        assert type(error).__module__.startswith("explorer_frames")
        assert error.__cause__ is None
        error = error.__context__


# --- no connection, no answer


def test_a_refused_connection_is_tried_again_and_typed():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Explorer(url, token=TOKEN) as explorer, pytest.raises(ConnectionFailedError, match="refused") as caught:
        read(explorer)
    assert "3 attempts" in caught.value.where
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.unsent
    checked(caught.value)


def test_a_host_that_does_not_exist_is_typed():
    with (
        Explorer("http://nonexistent.invalid", token=TOKEN, retries=0) as explorer,
        pytest.raises(ConnectionFailedError, match=r"(?i)name|getaddrinfo") as caught,
    ):
        read(explorer)
    assert caught.value.unsent
    checked(caught.value)


@pytest.mark.parametrize("host", ["*.example", ".example", "a..b", "x" * 70 + ".example"])
def test_invalid_host_raises_typed_error_without_retry(host):
    with Explorer(f"http://{host}", token=TOKEN) as explorer, pytest.raises(TransportError, match="failed") as caught:
        read(explorer)
    assert "attempts" not in caught.value.where
    checked(caught.value)


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_server_that_hangs_meets_the_timeout_each_time_it_is_tried(hang):
    error, server = failure(lambda *_: hang(), timeout=0.1, retries=1, sent=2)
    assert type(error) is RequestTimeoutError
    assert isinstance(error, TimeoutError)
    assert "within the timeout" in error.what
    assert "timeout=" in error.hint
    assert len(server.requests) == 2
    assert not error.unsent


@pytest.mark.parametrize("slow", (HANGS | DRIPS).values(), ids=HANGS | DRIPS)
def test_deadline_applies_to_slow_responses(slow):
    for deadline in GROWING:
        begun = time.monotonic()
        error, server = failure(lambda *_: slow(), deadline=deadline)
        assert time.monotonic() - begun < deadline + HANG / 2
        assert type(error) is RequestTimeoutError
        assert f"deadline of {deadline:g} s" in error.what
        assert "deadline=" in error.hint
        if server.requests:
            break
    assert len(server.requests) == 1


def test_late_byte_does_not_extend_the_deadline():
    begun = time.monotonic()
    error, server = failure(lambda *_: [1.1, b"HTTP/1.1 200 OK\r\n", 9 * HANG], deadline=1.2, timeout=HANG)
    assert time.monotonic() - begun < HANG / 2
    assert "deadline of 1.2 s" in error.what
    assert len(server.requests) <= 1


def test_the_deadline_also_ends_a_stream_that_is_being_read():
    rows = b",".join([b'["n","1"]'] * 50_000)
    head = b'HTTP/1.1 200 OK\r\n\r\n{"code":0,"data":{"items":[' + rows
    for deadline in GROWING:
        received = []
        with (
            served(lambda *_: endless(head, b"," + rows), deadline=deadline) as (server, explorer),
            pytest.raises(RequestTimeoutError, match="exceeded the deadline"),
            explorer.open_sample_result(1, "a", limit=None, schema=None) as reader,
        ):
            received.extend(batch.num_rows for batch in reader)
        if received:
            break
    assert received
    assert len(server.requests) == 1


# --- answers that break off


@pytest.mark.parametrize("framing", FRAMINGS)
def test_truncated_response_raises_typed_error_or_returns_whole_result(framing):
    whole, outcomes = FRAMINGS[framing], set()
    cuts = [*range(0, len(whole), 29), *range(len(whole) - 12, len(whole) + 1)]
    with served(lambda number, _: whole[: cuts[number]], retries=0) as (_, explorer):
        for cut in cuts:
            try:
                assert read(explorer) == list(WHOLE), cut
                outcomes.add("whole")
            except (ConnectionFailedError, TruncatedBodyError, DecodeError) as error:
                outcomes.add(type(error).__name__)
    assert {"whole", "ConnectionFailedError"} <= outcomes
    assert outcomes & {"TruncatedBodyError", "EnvelopeError"}


# Without a length, only the JSON tells that something is missing: that is no matter of another try.
AGAIN = {name: part for name, part in CUTS.items() if "closed" not in name}


@pytest.mark.parametrize("name", [*AGAIN, "reset"])
def test_truncated_response_is_requested_again(name):
    part = AGAIN.get(name, AGAIN["length"])
    cls = ConnectionFailedError if name in ("empty reply", "in the status line") else TruncatedBodyError
    cut_until = 2

    def script(number, _):
        if number == cut_until:
            return answer(BODY, headers=CLOSE)
        return reset(part) if name == "reset" else part

    with served(script, token=TOKEN) as (server, explorer):
        assert read(explorer) == list(WHOLE)
        assert len(server.requests) == 3
        cut_until = None
        with pytest.raises((cls, ConnectionFailedError)) as caught:
            read(explorer)
        assert len(server.requests) == 6
    # A reset of Windows takes away what had come before it, perhaps all.
    assert type(caught.value) is cls or (WINDOWS and name == "reset")
    assert "3 attempts" in caught.value.where
    checked(caught.value)


@pytest.mark.parametrize("keep", [8, 0])
def test_gzip_cut_without_a_length_is_never_a_result_that_lacks_rows(keep):
    # With all but the checksum there (8 bytes), the closed envelope is proof enough.
    cut = FRAMINGS["gzip, closed"][: -8 - 10 * (keep == 0)]
    with served(cut, retries=0) as (_, explorer):
        if keep:
            assert read(explorer) == list(WHOLE)
        else:
            with pytest.raises((TransportError, DecodeError)):
                read(explorer)


# --- answers that are odd, and right


@each("odd", ODD.values(), ids=ODD)
def test_any_correct_framing_reads_right(odd):
    with served(odd, retries=0) as (_, explorer):
        assert read(explorer) == list(WHOLE)


def test_interim_response_does_not_desynchronize_the_connection():
    def script(number, _request):
        yield b"HTTP/1.1 103 Early Hints\r\n\r\n"
        yield 0.05
        yield answer(envelope(f'[["{number}","1"]]'))

    with served(script, retries=0) as (server, explorer):
        assert [read(explorer) for _ in range(3)] == [[("0", 1.0)], [("1", 1.0)], [("2", 1.0)]]
    assert server.connections == 1


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_more_interim_responses_than_http_client_allows_are_skipped(status):
    interim = f"HTTP/1.1 {status}\r\nLink: </style.css>\r\n\r\n".encode()
    with served(150 * interim + answer(BODY), retries=0) as (_, explorer):
        assert read(explorer) == list(WHOLE)


def test_more_trailers_than_http_client_allows_are_skipped():
    trailers = b"".join(b"X-%d: y\r\n" % number for number in range(150))
    assert CHUNKED.endswith(b"0\r\n\r\n")
    with served(CHUNKED.removesuffix(b"\r\n") + trailers + b"\r\n", retries=0) as (_, explorer):
        assert read(explorer) == list(WHOLE)


def test_endless_trailers_end_at_the_deadline():
    trailers = b"X: y\r\n" * 100
    for deadline in GROWING:
        error, server = failure(lambda *_: endless(CHUNKED.removesuffix(b"\r\n"), trailers), deadline=deadline)
        assert type(error) is RequestTimeoutError
        assert f"deadline of {deadline:g} s" in error.what
        if server.requests:
            break
    assert len(server.requests) == 1


@pytest.mark.parametrize("depth", [500, 900, 2_000, 9_000, 36_000, 60_000, 100_000])
@pytest.mark.parametrize(
    "body",
    [
        b'{"code":0,"data":{"items":%b}}',
        b'{"code":0,"data":{"items":[["a",%b]]}}',
        b'{"code":%b}',
        b'{"code":1,"message":%b}',
    ],
    ids=["items", "row", "code", "message"],
)
def test_nesting_of_any_depth_is_a_typed_error(body, depth):
    # Where the limit is depends on the version of Python, and on whether a value is parsed, encoded or shown.
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    with served(answer(body % nested), retries=0) as (_, explorer), pytest.raises(ExplorerFramesError) as caught:
        read(explorer)
    assert isinstance(caught.value, (ApiError, DecodeError))


# --- answers that are odd, and refused


REFUSED_AS = {
    **dict.fromkeys(REFUSED, ConnectionFailedError),
    **dict.fromkeys(
        (
            "two lengths",
            "br",
            "deflate",
            "zstd",
            "gzip twice",
            "gzip twice, two headers",
            "control characters in the encoding",
        ),
        TransportError,
    ),
    **dict.fromkeys(
        (
            "length one long",
            "chunk size that is no number",
            "chunk size below zero",
            "chunk larger than said",
            "chunked in name only",
        ),
        TruncatedBodyError,
    ),
    **dict.fromkeys(
        (
            "length of 5",
            "length one short",
            "length of 0",
            "a page of HTML",
            "no body",
            "204",
            "no body, closed",
        ),
        EnvelopeError,
    ),
}


@each("name", REFUSED)
def test_invalid_response_is_rejected(name):
    error, _ = failure(REFUSED[name], retries=0)
    assert type(error) is REFUSED_AS[name]
    assert str(error).isprintable() or "\n" in str(error)
    assert "\x1b" not in str(error)


def test_a_gzip_bomb_is_refused_without_being_held():
    import tracemalloc

    head, filler = gzip.compress(b'{"code":1,"x":"'), gzip.compress(b" " * 2**24)
    bomb = head + 32 * filler  # 512 MiB
    with served(answer(bomb, headers=GZIP), retries=0) as (_, explorer):
        tracemalloc.start()
        try:
            with pytest.raises(EnvelopeError, match="16 MiB"):
                read(explorer)
            assert tracemalloc.get_traced_memory()[1] < 2**28
        finally:
            tracemalloc.stop()


def test_an_answer_of_many_rows_stays_within_max_bytes():
    import tracemalloc

    row = b'["player%07d","0.150000"],'
    rows = gzip.compress(b"".join(row % number for number in range(100_000)))
    bomb = gzip.compress(b'{"code":0,"data":{"items":[') + 200 * rows  # 540 MB of good rows
    with served(answer(bomb, headers=GZIP), retries=2, max_bytes=2**25) as (server, explorer):
        tracemalloc.start()
        try:
            with pytest.raises(TransportError, match="max_bytes") as caught:
                read(explorer)
            assert tracemalloc.get_traced_memory()[1] < 2**27
        finally:
            tracemalloc.stop()
        assert "limit=" in caught.value.hint
        assert len(server.requests) == 1
    with served(GOOD, max_bytes=len(envelope())) as (_, explorer):
        assert read(explorer) == ROWS
    with served(GOOD, max_bytes=len(envelope()) - 1) as (_, explorer), pytest.raises(TransportError, match="max_bytes"):
        read(explorer)


# --- status and code

BY_CODE = {
    40104001: SessionExpiredError,
    40404000: NotFoundError,
    50004000: ServerError,
    50004003: LicenseError,
    999: ServerError,
}
BY_STATUS = {400: BadRequestError, 401: UnauthorizedError, 403: ForbiddenError, 404: NotFoundError}


def expected(status: int, code: str) -> type[ExplorerFramesError] | None:
    if 300 <= status < 400:
        return TransportError
    if status == 204:  # has no body, whatever is sent
        return EnvelopeError
    if code == "0":  # success, and 206 is a part of one
        return EnvelopeError if status == 206 else None
    if code.isdigit() and int(code):
        return BY_CODE[int(code)]
    if status >= 400:
        return BY_STATUS.get(status, ServerError)
    return EnvelopeError


@pytest.mark.parametrize("status", STATUSES)
def test_status_and_code_determine_the_error_class(status):
    bodies = [coded(code) for code in CODES]
    with served(lambda number, _: answer(bodies[number], f"{status} X", CLOSE), retries=0) as (server, explorer):
        for number, code in enumerate(CODES):
            cls = expected(status, code)
            if cls is None:
                assert read(explorer) == ROWS
                continue
            with pytest.raises(ExplorerFramesError) as caught:
                read(explorer)
            assert type(caught.value) is cls, code
            if hasattr(caught.value, "http_status"):
                assert caught.value.http_status == status
                assert getattr(caught.value, "code", None) in (None, int(code) if code.isdigit() else None)
            assert len(server.requests) == number + 1


def test_an_answer_without_rows_has_a_limit(monkeypatch):
    body = b'{"code":0,"data":{"id":1,"status":2,"tasks":[]}}'
    with served(answer(body), retries=0) as (_, explorer):
        monkeypatch.setattr("explorer_frames._http.api.MAX_HELD", len(body))
        assert explorer.job(1).tasks == ()
        monkeypatch.setattr("explorer_frames._http.api.MAX_HELD", len(body) - 1)
        with pytest.raises(EnvelopeError, match="the response is larger than"):
            explorer.job(1)


def test_a_response_without_content_has_no_encoding():
    said = b"HTTP/1.1 204 No Content\r\nContent-Encoding: br\r\n\r\n"
    with served(lambda *_: said, retries=0) as (_, explorer), pytest.raises(EnvelopeError):
        read(explorer)


def test_each_request_is_logged_with_its_status(caplog):
    caplog.set_level("DEBUG", "explorer_frames")
    with served(lambda *_: answer(coded("0"), "200 OK", CLOSE)) as (_, explorer):
        read(explorer)
    messages = [record.getMessage() for record in caplog.records if record.name == "explorer_frames"]
    assert re.fullmatch(r"GET api-open/v1/jobs/.*/sample_result -> 200 in [0-9.]+ s", messages[-1])


# --- what is tried again


def test_pauses_before_retries_double_up_to_twenty_seconds(monkeypatch):
    bounds = []
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *given: bounds.append(given) or 0.0)
    with served(refusal(None, 503), retries=7) as (_, explorer), pytest.raises(ServerError):
        read(explorer)
    assert bounds == [(0, most) for most in (1.0, 2.0, 4.0, 8.0, 16.0, 20, 20, 20)]


def test_a_hundred_calls_in_a_row_are_retried_once():
    retries = Retries(1, None)
    assert [retries._take() for _ in range(101)] == [True] * 100 + [False]


def refusal(code: int | None, status: int = 200, headers: str = "") -> bytes:
    body = b"<html>" if code is None else b'{"code":%d,"message":"no"}' % code
    return answer(body, f"{status} X", headers + CLOSE)


@pytest.mark.parametrize(
    ("sent", "tries"),
    [
        *[(refusal(None, status), 3) for status in (429, 502, 503, 504)],
        *[(refusal(0, status), 3) for status in (429, 502, 503, 504)],
        *[(refusal(code), 3) for code in (50004000, 50004001, 50004002)],
        *[(refusal(code, 500), 3) for code in (50004000, 50004001, 50004002)],
        *[(refusal(code), 1) for code in (40004000, 40004001, 40104000, 40104001, 40304000, 40404000, 50004003)],
        *[(refusal(code, 503), 1) for code in (40004000, 40104000, 40304000, 40404000, 50004003)],
        *[(refusal(code, 429), 1) for code in (40004000, 40104001, 50004003)],
        *[(refusal(None, status), 1) for status in (400, 401, 403, 404, 405, 500, 501)],
        (answer(b"<html>", headers=CLOSE), 1),
        (answer(envelope('[["a"],["b","1"]]'), headers=CLOSE), 1),
        (answer(envelope('[["a","x"]]'), headers=CLOSE), 1),
        (answer(b"", "302 Found", "Location: /\r\n"), 1),
        (answer(BODY, headers="Content-Encoding: br\r\n"), 1),
        (answer(BODY, headers="Content-Length: 1\r\n"), 1),
    ],
)
def test_only_transient_errors_are_retried(sent, tries):
    error, server = failure(sent, limit=10)
    assert len(server.requests) == tries
    assert ("3 attempts" in error.where) == (tries == 3)


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_number_of_retries_is_as_requested(retries):
    _, server = failure(refusal(50004000), retries=retries)
    assert len(server.requests) == retries + 1


@pytest.mark.parametrize("bad", [refusal(None, 503), refusal(50004000), b"", answer(BODY)[:-9]])
def test_the_first_success_ends_the_tries_and_is_the_right_data(bad):
    with served(lambda number, _: GOOD if number else bad) as (server, explorer):
        assert read(explorer) == ROWS
        assert len(server.requests) == 2


def test_backoff_doubles_with_full_jitter(monkeypatch, sleeps):
    drawn = []
    monkeypatch.setattr(
        "explorer_frames._http.retries.random.uniform", lambda low, high: drawn.append((low, high)) or high
    )
    failure(refusal(50004000), retries=7, deadline=1000)
    assert drawn[:7] == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (0, 20), (0, 20)]
    assert sleeps == [1, 2, 4, 8, 16, 20, 20]


@pytest.mark.parametrize(
    "sent", [refusal(None, 503, "Retry-After: 7\r\n"), refusal(50004000, 200, "Retry-After: 7\r\n")]
)
def test_retry_after_is_waited(sent, sleeps):
    with served(lambda number, _: GOOD if number else sent) as (_, explorer):
        assert read(explorer) == ROWS
    assert sleeps == [7]


@pytest.mark.parametrize(("asked", "deadline"), [("31", 600), ("86400", None), ("9" * 400, 600), ("7", 5)])
def test_a_retry_after_that_is_too_long_ends_the_call_at_once_and_is_named(asked, deadline, sleeps):
    error, server = failure(refusal(None, 503, f"Retry-After: {asked}\r\n"), deadline=deadline)
    assert sleeps == []
    assert len(server.requests) == 1
    assert f"{float(asked):g} s" in error.hint


@pytest.mark.parametrize("asked", ["", "soon", "-5", "1.5", "\xb2"])
def test_invalid_retry_after_is_ignored(asked, sleeps):
    _, server = failure(refusal(None, 503, f"Retry-After: {asked}\r\n"))
    assert sleeps == [0, 0]
    assert len(server.requests) == 3


def test_back_off_does_not_exceed_the_deadline(monkeypatch, sleeps_only):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda _low, high: high)
    _, server = failure(refusal(50004000), retries=9, deadline=3.5)
    assert sleeps_only == [1, 2]  # 4 s would go past it
    assert len(server.requests) == 3


def test_permanently_failing_server_exhausts_the_retry_budget(sleeps):
    calls, broken = 120, [True]
    with served(lambda *_: refusal(50004000) if broken else GOOD) as (server, explorer):
        for _ in range(calls):
            with pytest.raises(ServerError) as caught:
                read(explorer)
        assert len(server.requests) == calls + 100  # a hundred retries, and no more
        assert "Check the server" in caught.value.hint
        assert "attempts" not in (caught.value.where or "")
        broken.clear()
        for _ in range(10):  # two retries are earned
            read(explorer)
        broken.append(True)
        for tries in (3, 1):
            before = len(server.requests)
            with pytest.raises(ServerError):
                read(explorer)
            assert len(server.requests) - before == tries


def test_successful_retry_is_not_charged_to_the_budget(sleeps):
    with served(lambda number, _: GOOD if number % 2 else refusal(50004000)) as (server, explorer):
        for _ in range(110):  # failures in a row would use up all retries after 50 calls
            assert read(explorer) == ROWS
        assert len(server.requests) == 220


# --- redirects, cookies, .netrc, proxies


@each("status", [300, 301, 302, 303, 304, 307, 308, 399])
@each("target", ["other port", "other host", "same server", "https"])
def test_redirects_are_not_followed_and_do_not_leak_the_token(status, target):
    with RawServer(lambda *_: GOOD) as other:
        places = {
            "other port": f"{other.url}/api-open/v1/x",
            "other host": f"http://localhost:{other.port}/?a=b",
            "same server": "/login",
            "https": f"https://127.0.0.1:{other.port}/",
        }
        error, server = failure(answer(b"moved", f"{status} Moved", f"Location: {places[target]}\r\n"))
        assert type(error) is TransportError
        assert error.http_status == status
        assert "redirects" in error.what
        assert "?a=b" not in str(error)
        if target != "same server":
            assert f":{other.port} (HTTP " in error.what
        assert len(server.requests) == 1
        assert other.connections == 0


@pytest.mark.parametrize(
    "location", ["http://[::1", "http://\xff\xfe/", "http://h:x/", "//", "http://", "x" * 5000, "\x1b[31m", None]
)
def test_a_redirect_to_nonsense_is_the_same_typed_error(location):
    header = "" if location is None else f"Location: {location}\r\n"
    error, _ = failure(answer(b"", "302 Found", header))
    assert type(error) is TransportError
    assert "\x1b" not in str(error)
    assert len(str(error)) < 500


def test_the_login_is_not_carried_to_where_a_redirect_points():
    with RawServer(lambda *_: GOOD) as other:
        moved = answer(b"", "307 Temporary Redirect", f"Location: {other.url}\r\n")
        with (
            served(moved, user="root", password=TOKEN, graphd="h:1") as (server, explorer),
            pytest.raises(TransportError, match="redirects"),
        ):
            read(explorer)
        assert len(server.requests) == 1
        assert other.connections == 0


@pytest.mark.parametrize("prefix", ["/a/../b", "/./a", "/%7Ea", "/\xe9"])
def test_a_path_that_would_change_on_its_way_out_is_not_sent(prefix):
    with RawServer(lambda *_: GOOD) as server, Explorer(server.url + prefix, token=TOKEN) as explorer:
        with pytest.raises(ConfigError, match="path") as caught:
            read(explorer)
        assert server.connections == 0
    checked(caught.value)


def header(request: bytes, name: str) -> list[str]:
    lines = [line.partition(": ") for line in request.decode("latin-1").split("\r\n")]
    return [value for key, _, value in lines if key.lower() == name.lower()]


def test_each_request_has_one_cookie_and_gzip_only_whatever_the_server_sets():
    cookies = "Set-Cookie: explorer_token=evil; Path=/\r\nSet-Cookie: sid=1; Path=/\r\n"
    with served(answer(envelope(), headers=cookies), token=TOKEN) as (server, explorer):
        for _ in range(3):
            read(explorer)
    for request in server.requests:
        assert header(request, "Cookie") == [f"explorer_token={TOKEN}"]
        assert header(request, "Accept-Encoding") == ["gzip"]
        assert header(request, "Accept") == ["application/json"]
        assert header(request, "Authorization") == []


def test_netrc_is_not_read(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\ndefault login evil password evil\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    def script(number, _request):
        return answer(envelope(), headers="Set-Cookie: explorer_token=x\r\n")

    with served(script, user="root", password="123", graphd="h:1") as (server, explorer):
        read(explorer)
    assert header(server.requests[0], "Authorization") == ["Bearer WyJyb290IiwiMTIzIl0="]
    assert header(server.requests[1], "Authorization") == []


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    with RawServer(lambda *_: GOOD) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        with Explorer("http://explorer.invalid:7002", token="t", retries=0) as explorer:
            assert read(explorer) == ROWS
        assert proxy.requests[0].startswith(b"GET http://explorer.invalid:7002/api-open/v1/jobs/1/")
    with (
        Explorer("http://explorer.invalid:7002", token="t", retries=0) as explorer,
        pytest.raises(ConnectionFailedError, match="proxy"),
    ):
        read(explorer)


def test_without_the_environment_no_proxy_and_no_certificates_of_it_are_used(monkeypatch):
    with RawServer(lambda *_: GOOD) as proxy, served(GOOD, trust_env=False) as (_, explorer):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
        assert read(explorer) == ROWS
        assert proxy.requests == []


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("http://explorer:7002", True),
        ("http://10.0.0.1:7002", True),
        ("http://localhost.example.org", True),
        ("http://127.0.0.1.example.org", True),
        ("https://explorer:7002", False),
        ("http://localhost:7002", False),
        ("http://explorer.localhost", False),
        ("http://127.1.2.3:7002/prefix", False),
        ("http://[::1]:7002", False),
    ],
)
def test_plain_http_to_another_machine_is_warned_of_once(monkeypatch, url, exposed):
    monkeypatch.setattr("explorer_frames._client._warned", set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            Explorer(url, token=TOKEN)
    assert [warning.category for warning in caught] == [UnencryptedWarning] * exposed
    for warning in caught:
        assert warning.filename == __file__
        assert url in str(warning.message)
        assert TOKEN not in str(warning.message)


def test_plain_http_that_a_filter_refuses_is_refused_each_time(monkeypatch):
    monkeypatch.setattr("explorer_frames._client._warned", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(UnencryptedWarning):
                Explorer("http://explorer:7002", token=TOKEN)


# --- connections


def test_connection_is_reused():
    no_such_job = answer(b'{"code":40404000}', "404 Not Found")
    with served(lambda number, _: [GOOD, no_such_job, CHUNKED, GOOD][number]) as (
        server,
        explorer,
    ):
        read(explorer)
        with pytest.raises(NotFoundError):
            read(explorer)
        assert read(explorer) == list(WHOLE)
        read(explorer)
        assert (server.connections, len(server.requests)) == (1, 4)


def test_next_call_does_not_read_an_abandoned_response():
    rows = str([[f"x{number}", "1"] for number in range(200_000)]).replace("'", '"')
    with served(lambda number, _: GOOD if number else answer(envelope(rows))) as (server, explorer):
        with explorer.open_sample_result(1, "a", limit=None, schema=None) as reader:
            reader.read_next_batch()
        assert read(explorer) == ROWS
        assert server.connections == 2


def test_a_stream_that_failed_is_forgotten_with_its_connection():
    def consume(explorer):
        with explorer.open_sample_result(1, "a", schema=None) as reader:
            reader.read_all()

    def held():
        gc.collect()
        return sum(type(thing) is urllib3.HTTPResponse for thing in gc.get_objects())

    before = held()
    with served(answer(envelope('[["a","1"],["b","x"]]'))) as (_, explorer):
        for _ in range(3):
            with pytest.raises(ColumnTypeError):
                consume(explorer)
    assert held() == before


def test_trailing_bytes_are_not_read_as_the_next_response():
    evil = answer(envelope('[["evil","1"]]'))
    with served(lambda number, _: answer(envelope(), headers="") + evil * (number == 0)) as (
        _,
        explorer,
    ):
        assert [read(explorer) for _ in range(3)] == [ROWS] * 3


def test_a_server_that_closes_idle_connections_is_survived():
    with served(lambda *_: [GOOD, End.CLOSE], retries=5) as (server, explorer):
        for _ in range(5):
            assert read(explorer) == ROWS
        assert len(server.requests) == server.connections == 5


def test_an_explorer_reads_on_after_close():
    with served(GOOD) as (server, explorer):
        read(explorer)
        explorer.close()
        explorer.close()
        assert read(explorer) == ROWS
        assert server.connections == 2


def own_name(_number, request):
    return answer(envelope(f'[["{request.split(b"/")[6].decode()}","1"]]'))


def read_own(explorer: Explorer, name: str) -> bool:
    return explorer.read_sample_result(1, name, schema=None)["id"].tolist() == [name]


@pytest.mark.parametrize(("threads", "calls"), [(16, 64), pytest.param(32, 3200, marks=pytest.mark.slow)])
def test_threads_get_their_own_answers(threads, calls):
    with served(own_name) as (server, explorer), ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(lambda number: read_own(explorer, f"t{number}"), range(calls)))
        assert server.connections <= threads


def _read_in_child(explorer, number, outcomes):
    outcomes.put(all(read_own(explorer, f"c{number}-{turn}") for turn in range(20)))


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_children_of_a_warm_explorer_use_connections_of_their_own_and_answers_never_cross():
    context = multiprocessing.get_context("fork")
    with served(own_name) as (server, explorer):
        assert read_own(explorer, "warm")
        outcomes = context.Queue()
        children = [context.Process(target=_read_in_child, args=(explorer, number, outcomes)) for number in range(3)]
        for child in children:
            child.start()
        assert all(read_own(explorer, f"p-{turn}") for turn in range(20))
        assert [outcomes.get(timeout=HANG) for _ in children] == [True] * 3
        for child in children:
            child.join(HANG)
        outcomes.close()
        outcomes.join_thread()
        assert server.connections == 4


# --- translation

LAYERS = {
    f"{module.__name__}.{name}": cls
    for module in (requests.exceptions, urllib3.exceptions, http.client)
    for name, cls in vars(module).items()
    if isinstance(cls, type) and issubclass(cls, Exception) and not issubclass(cls, Warning)
}


@each("name", LAYERS)
def test_every_error_of_the_layers_below_becomes_a_transport_error(name):
    below = LAYERS[name].__new__(LAYERS[name])
    for begun in (False, True):
        error = translated(below, Deadline(60), "GET x", begun=begun)
        assert isinstance(error, TransportError)
        assert (error.what, error.where, error.hint) == (error.what, "GET x", error.hint)
        assert error.hint
        assert vars(error).keys() <= {"what", "where", "hint", "final", "unsent", "http_status"}


@pytest.mark.parametrize(
    "name", ["requests.exceptions.InvalidURL", "requests.exceptions.InvalidHeader", "requests.exceptions.MissingSchema"]
)
def test_an_error_that_cannot_pass_is_no_connection_error_though_requests_makes_it_an_oserror(name):
    assert type(translated(LAYERS[name](), Deadline(60), "GET x")) is TransportError


# --- TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_bundle(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@dataclass
class TlsServer(RawServer):
    certificate: trustme.LeafCert | None = None
    client_authority: trustme.CA | None = None

    def _serve(self, connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.configure_cert(context)
        if self.client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            self.client_authority.configure_trust(context)
        try:
            secure = context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        super()._serve(secure)

    @property
    def url(self):
        return f"https://localhost:{self.port}"


def tls_failure(server, url=None, **options) -> ConnectionFailedError:
    with Explorer(url or server.url, token=TOKEN, **options) as explorer:
        with pytest.raises(ConnectionFailedError) as caught:
            read(explorer)
        checked(caught.value)
        assert not server.requests
        return caught.value


def test_private_ca_is_trusted_only_with_ca_bundle(authority, ca_bundle, monkeypatch):
    with TlsServer(lambda *_: GOOD, certificate=authority.issue_cert("localhost")) as server:
        error = tls_failure(server)
        assert "ca_bundle=" in error.hint
        assert "certificate" in error.what
        assert "attempts" not in error.where
        assert error.unsent
        with Explorer(server.url, token="t", ca_bundle=ca_bundle, retries=0) as explorer:
            assert read(explorer) == ROWS
        other = ca_bundle.with_name("other.pem")
        trustme.CA().cert_pem.write_to_path(other)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
        with Explorer(server.url, token="t", ca_bundle=ca_bundle, retries=0) as explorer:
            assert read(explorer) == ROWS


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["unknown CA", "other host", "no TLS"])
def test_a_proxy_without_a_valid_certificate_is_named(authority, ca_bundle, monkeypatch, scheme, kind):
    name = "other.example" if kind == "other host" else "localhost"
    issuer = trustme.CA() if kind == "unknown CA" else authority
    script = lambda *_: GOOD  # noqa: E731
    with TlsProxy(script, certificate=issuer.issue_cert(name)) as proxy, RawServer(script) as plain:
        host = f"localhost:{plain.port if kind == 'no TLS' else proxy.port}"
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"https://ann:s3cretpw@{host}")
        options = {"token": "t", "ca_bundle": ca_bundle, "retries": 0}
        with Explorer(f"{scheme}://explorer.invalid", **options) as explorer, pytest.raises(TransportError) as caught:
            read(explorer)
    assert caught.value.what.startswith(f"TLS connection failed for the proxy {host}: ")
    assert f"set {scheme.upper()}_PROXY to http://host:port" in caught.value.hint
    assert "s3cretpw" not in str(caught.value)


def test_a_server_without_a_valid_certificate_behind_a_proxy_is_named(authority, ca_bundle, monkeypatch):
    script = lambda *_: GOOD  # noqa: E731
    ours, other = authority.issue_cert("localhost"), trustme.CA().issue_cert("localhost")
    with TlsProxy(script, certificate=ours) as proxy, TlsServer(script, certificate=other) as server:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with (
            Explorer(server.url, token="t", ca_bundle=ca_bundle, retries=0) as explorer,
            pytest.raises(ConnectionFailedError) as caught,
        ):
            read(explorer)
    assert "proxy" not in str(caught.value)
    assert "certificate" in caught.value.what


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the system's certificates cannot be replaced there")
def test_the_certificates_of_the_system_are_trusted_unless_there_is_a_bundle(authority, ca_bundle, monkeypatch):
    certificate = authority.issue_cert("localhost")
    script = lambda *_: GOOD  # noqa: E731
    other = ca_bundle.with_name("other.pem")
    trustme.CA().cert_pem.write_to_path(other)
    with TlsProxy(script, certificate=certificate) as proxy, TlsServer(script, certificate=certificate) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_bundle))
        for proxy_url in ("", proxy.url):
            monkeypatch.setenv("HTTPS_PROXY", proxy_url)
            with Explorer(server.url, token="t", retries=0) as explorer:
                assert read(explorer) == ROWS
        monkeypatch.setenv("HTTPS_PROXY", "")
        seen = len(server.requests)
        with Explorer(server.url, token="t", ca_bundle=other) as explorer, pytest.raises(ConnectionFailedError):
            read(explorer)
        assert len(server.requests) == seen
    assert ssl.SSLContext.__module__ == "ssl", "other users of this process are not affected"
    with TlsServer(script, certificate=authority.issue_cert("other.example")) as server:
        assert "mismatch" in tls_failure(server).what


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the system verifies certificates there")
def test_the_certificates_of_the_system_are_loaded_once_for_all_connections(
    authority, ca_bundle, monkeypatch, tmp_path
):
    authority.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(tmp_path / "mine.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_bundle))
    loaded = []

    class Context(truststore.SSLContext):
        def __init__(self, protocol):
            loaded.append(protocol)
            super().__init__(protocol)

    monkeypatch.setattr(truststore, "SSLContext", Context)
    closing = answer(envelope('[["a","1"]]'), headers="Connection: close\r\n")
    with TlsServer(lambda *_: closing, certificate=authority.issue_cert("localhost")) as server:
        with Explorer(server.url, token="t") as explorer, ThreadPoolExecutor(4) as pool:
            read(explorer)
            list(pool.map(lambda _: read(explorer), range(8)))
            assert (server.connections, len(loaded)) == (9, 1)
        with Explorer(server.url, token="t", client_cert=str(tmp_path / "mine.pem")) as explorer:
            read(explorer)
            read(explorer)
        assert len(loaded) == 3, "urllib3 loads the certificate into each"


def test_a_certificate_for_another_host_is_refused(authority, ca_bundle):
    with TlsServer(lambda *_: GOOD, certificate=authority.issue_cert("other.example")) as server:
        assert "mismatch" in tls_failure(server, ca_bundle=ca_bundle).what


def test_a_client_certificate_is_sent_where_the_server_wants_one(authority, ca_bundle, tmp_path):
    mine = authority.issue_cert("me@example.org")
    files = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(files[0])
    mine.private_key_pem.write_to_path(files[1])
    mine.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    script = lambda *_: GOOD  # noqa: E731
    with TlsServer(script, certificate=authority.issue_cert("localhost"), client_authority=authority) as server:
        for client_cert in (files, str(tmp_path / "both.pem")):
            with Explorer(server.url, token="t", ca_bundle=ca_bundle, client_cert=client_cert, retries=0) as explorer:
                assert read(explorer) == ROWS
        seen = len(server.requests)
        for _ in range(5):  # the server's reason comes behind the handshake, and may cross the request
            with (
                Explorer(server.url, token="t", ca_bundle=ca_bundle) as explorer,
                pytest.raises(ConnectionFailedError, match="requires a client certificate"),
            ):
                read(explorer)
        assert len(server.requests) == seen


def test_https_to_a_server_without_tls_says_so():
    with Sandbox() as server:
        error = tls_failure(server, server.url.replace("http:", "https:"))
        assert "http://" in error.hint


def test_http_to_a_server_with_tls_says_so(authority):
    with TlsServer(lambda *_: GOOD, certificate=authority.issue_cert("localhost")) as server:
        error = tls_failure(server, f"http://localhost:{server.port}", retries=0)
        assert "url" in error.hint


@pytest.mark.parametrize(("limit", "other"), [("timeout", "deadline"), ("deadline", "timeout")])
def test_a_tls_handshake_that_hangs_meets_its_limit(limit, other):
    for seconds in GROWING:
        with RawServer(lambda *_: [9 * HANG]) as server:
            begun = time.monotonic()
            options = {limit: seconds, other: 2 * HANG, "retries": 0}
            with (
                Explorer(server.url.replace("http:", "https:"), token=TOKEN, **options) as explorer,
                pytest.raises(RequestTimeoutError) as caught,
            ):
                read(explorer)
            assert time.monotonic() - begun < seconds + HANG / 2
            checked(caught.value)
        if server.connections:
            break
    assert server.connections == 1


@dataclass
class TlsProxy(TlsServer):
    """A proxy that is itself reached by TLS; opens tunnels to any port of this machine."""

    def _serve(self, connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.configure_cert(context)
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += secure.recv(1)
            port = int(head.split()[1].rpartition(b":")[2])
            with socket.create_connection(("127.0.0.1", port)) as target:
                secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                self._start(self._forward, target, secure)
                self._forward(secure, target)

    @staticmethod
    def _forward(source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


def test_the_deadline_ends_a_request_over_tls_inside_tls(authority, ca_bundle, monkeypatch):
    certificate = authority.issue_cert("localhost")
    script = lambda number, _: [HANG] if number else GOOD  # noqa: E731
    with TlsProxy(script, certificate=certificate) as proxy, TlsServer(script, certificate=certificate) as server:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        options = {"token": "t", "ca_bundle": ca_bundle, "retries": 0}
        with Explorer(server.url, **options, deadline=HANG) as explorer:
            assert read(explorer) == ROWS
        with Explorer(server.url, **options, deadline=1) as explorer, pytest.raises(RequestTimeoutError):
            read(explorer)


def test_a_stream_that_was_read_to_its_end_can_be_closed_after_the_deadline(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("explorer_frames._http.exchange.time", clock)
    with RawServer(lambda *_: GOOD) as server, Explorer(server.url, token="t", deadline=HANG) as explorer:
        with explorer.open_sample_result(1, "a", None, schema=None) as reader:
            assert reader.read_all().num_rows == len(ROWS)
            clock.advance(2 * HANG)
        assert read(explorer) == ROWS


def test_an_address_family_that_the_machine_lacks_does_not_hide_the_next_address(monkeypatch):
    with RawServer(lambda *_: GOOD) as server:
        missing = (99, socket.SOCK_STREAM, 6, "", ("::1", server.port))
        present = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [missing, present])
        with Explorer(f"http://explorer.example:{server.port}", token="t", retries=0, trust_env=False) as explorer:
            assert read(explorer) == ROWS


def test_wait_until_the_server_has_seen_a_request_before_it_is_cut():
    with served(lambda *_: [9 * HANG], retries=0) as (server, explorer), ThreadPoolExecutor(1) as pool:
        call = pool.submit(read, explorer)
        wait_until(lambda: server.requests)
        server.__exit__()
        assert isinstance(call.exception(HANG), ConnectionFailedError | TruncatedBodyError)
