"""Errors for requests without a usable response: class, attributes and key facts of each message."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import ExitStack

import pytest
import requests
from faults.rawserver import answer, envelope
from limits import Clock
from served import served
from texts import missing

from explorer_frames import Explorer
from explorer_frames._errors import _HINTS
from explorer_frames._http.exchange import Deadline
from explorer_frames._http.failures import translated
from explorer_frames.errors import (
    ConfigError,
    ConnectionFailedError,
    ExplorerFramesError,
    NotFoundError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    TruncatedBodyError,
)

BODY = envelope()
CLOSE = "Connection: close\r\n"  # lest the next request goes out over a connection that is about to end
PATH = "GET api-open/v1/jobs/1/tasks/a/sample_result"
WHERE = f"job 1, task a, {PATH}"
REFUSED = b'{"code":50004000}'


def moved(to: str) -> bytes:
    return answer(b"", "302 Found", f"Location: {to}\r\n")


REDIRECT = {"http_status": 302}
UNUSABLE = [
    (b"", ConnectionFailedError, {"unsent": False}, ["cannot connect", "without a response", "scheme of url="]),
    (answer(BODY)[:-9], TruncatedBodyError, {"unsent": False}, ["closed before", "IncompleteRead", "Retry"]),
    (b"SSH-2.0-OpenSSH_9.6\r\n", ConnectionFailedError, {"unsent": False}, ["BadStatusLine", "url=", "https://"]),
    (answer(BODY, headers="Content-Encoding: BR \r\n"), TransportError, {}, ["Content-Encoding 'br'", "gzip", "proxy"]),
    (answer(BODY, headers=f"Content-Encoding: {'b' * 61}\r\n"), TransportError, {}, [f"Content-Encoding '{'b' * 57}...'", "gzip", "proxy"]),
    (moved("http://u:p@h.example:8/x?y#z"), TransportError, REDIRECT, ["to http://h.example:8 (HTTP 302)", "not followed", "url="]),
    (moved(f"https://{'h' * 130}/"), TransportError, REDIRECT, [f"to https://{'h' * 109}... (HTTP 302)", "not followed", "url="]),
    (moved("/x"), TransportError, REDIRECT, ["another path", "HTTP 302", "not followed", "url="]),
    (moved("http://[::1"), TransportError, REDIRECT, ["another path", "HTTP 302", "not followed", "url="]),
    (answer(b"", "302 Found"), TransportError, REDIRECT, ["another path", "HTTP 302", "not followed", "url="]),
    (answer(BODY, headers="Content-Length: 1\r\n"), TransportError, {"unsent": False}, ["InvalidHeader", "url="]),
]  # fmt: skip
RETRY_AFTER = [("31", 31.0, "Retry after 31 s"), ("0", 0.0, _HINTS[ServerError]), ("1e1", None, _HINTS[ServerError])]


@pytest.fixture
def _stopped_clock(monkeypatch):
    """Stop the clock of deadlines, so that errors report exactly 0.0 s."""
    monkeypatch.setattr("explorer_frames._http.exchange.time", Clock(running=False))


def told(script, **options) -> ExplorerFramesError:
    with served(script, **options) as (_, explorer), pytest.raises(ExplorerFramesError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    return caught.value


def place(error: ExplorerFramesError) -> str:
    """Return where an error occurred. Without a response, errors also name the host, which is removed here."""
    return re.sub(r" of 127\.0\.0\.1:\d+$", "", error.where)


def attributes(error: ExplorerFramesError) -> dict[str, object]:
    """Return the attributes of an error, except those that its text contains."""
    return {name: value for name, value in vars(error).items() if name not in ("what", "where", "hint")}


@pytest.mark.parametrize(("sent", "kind", "details", "words"), UNUSABLE)
def test_unusable_response_is_reported(sent, kind, details, words):
    error = told(sent, retries=0)
    assert (type(error), attributes(error), place(error)) == (kind, details, WHERE)
    assert missing(error, *words) == []
    assert len(missing(error, "u:p", "/x", "?y", "#z")) == 4, "a redirect is shown without password, path and query"


@pytest.mark.parametrize(("header", "seconds", "hint"), RETRY_AFTER)
def test_retry_after_of_an_error_is_reported(header, seconds, hint):
    error = told(answer(REFUSED, "503 No", f"Retry-After: {header}\r\nTraceparent: t\r\n"), retries=0)
    assert (type(error), error.code, error.http_status) == (ServerError, 50004000, 503)
    assert (error.trace_id, error.retry_after) == ("t", seconds)
    assert error.where == "job 1, task a, trace t"
    assert error.hint.startswith(hint)
    assert missing(error, "50004000") == []


@pytest.mark.usefixtures("_stopped_clock")
def test_number_of_attempts_is_reported(monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    error = told(answer(REFUSED, headers=CLOSE), retries=2)
    assert (type(error), error.code, error.hint) == (ServerError, 50004000, _HINTS[ServerError])
    assert error.where == "job 1, task a, 3 attempts in 0.0 s"


def test_response_larger_than_max_bytes():
    error = told(answer(BODY), max_bytes=len(BODY) - 1, retries=0)
    assert (type(error), place(error)) == (TransportError, WHERE)
    assert missing(error, f"max_bytes ({len(BODY) - 1} bytes)", "limit=", "Task.read_output", "max_bytes=") == []
    with served(answer(BODY), max_bytes=len(BODY)) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", None, schema=None)) == 2


@pytest.mark.usefixtures("_stopped_clock")
def test_permanent_error_ends_retries(monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    answers = [answer(REFUSED, headers=CLOSE), answer(b'{"code":40404000}', headers=CLOSE), answer(BODY)]
    error = told(lambda number, _: answers[number], retries=2)
    assert (type(error), error.code, error.hint) == (NotFoundError, 40404000, _HINTS[NotFoundError])
    assert error.where == "job 1, task a, 2 attempts in 0.0 s"


def test_the_longest_wait_is_waited(monkeypatch):
    slept = []
    monkeypatch.setattr("explorer_frames._threads.time.sleep", slept.append)
    answers = [answer(REFUSED, headers=f"Retry-After: 30\r\n{CLOSE}"), answer(BODY)]
    with served(lambda number, _: answers[number], deadline=600) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", None, schema=None)) == 2
    assert slept == [30]


@pytest.mark.parametrize(
    ("script", "options", "words"),
    [
        ([9.0], {"timeout": 0.05}, ["no data", "timeout="]),
        ([answer(BODY)[:-9], 9.0], {"timeout": 0.05}, ["no data", "timeout="]),
        ([9.0], {"timeout": 0.05, "deadline": 60}, ["no data", "timeout="]),
        ([9.0], {"deadline": 0.2}, ["deadline of 0.2 s", "deadline="]),
        ([answer(BODY)[:-9], 9.0], {"deadline": 0.25}, ["deadline of 0.25 s", "deadline="]),
    ],
)
def test_exceeded_time_limit_is_reported(script, options, words):
    error = told(lambda *_: script, retries=0, **options)
    assert (type(error), place(error)) == (RequestTimeoutError, WHERE)
    assert (error.final, error.unsent) == (words[1] == "deadline=", False)
    assert missing(error, *words) == []
    assert len(missing(error, "timeout=", "deadline=")) == 1, "only the limit that was exceeded"


def test_server_that_does_not_accept_connections():
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # more than wait to be accepted
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        explorer = stack.enter_context(Explorer(url, token="t", retries=0, timeout=0.1))
        with pytest.raises(RequestTimeoutError) as caught:
            explorer.read_sample_result(1, "a", None, schema=None)
    assert caught.value.unsent
    assert place(caught.value) == WHERE
    assert missing(caught.value, "cannot connect", "timeout=") == []


def test_unreachable_server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Explorer(f"http://127.0.0.1:{port}", token="t", retries=0) as explorer, pytest.raises(OSError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    assert type(caught.value) is ConnectionFailedError
    assert caught.value.unsent
    assert caught.value.where == f"{WHERE} of 127.0.0.1:{port}"
    assert missing(caught.value, "cannot connect", "Connection refused", "url=") == []


def test_unreachable_proxy(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("HTTP_PROXY", f"http://ann:s3cretpw@{host}/")
    with Explorer("http://h.example", token="t", retries=0) as explorer, pytest.raises(OSError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    assert type(caught.value) is ConnectionFailedError
    assert caught.value.where == f"{WHERE} of h.example"
    assert missing(caught.value, f"proxy {host}", "Connection refused", "HTTP_PROXY", "NO_PROXY") == []
    assert "s3cret" not in str(caught.value)


def test_a_path_that_would_change():
    with Explorer("http://127.0.0.1:1/a/../b", token="t") as explorer, pytest.raises(ConfigError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    assert "changed the path" in caught.value.what
    assert "'..'" in caught.value.hint


@pytest.mark.parametrize("begun", [False, True])
def test_tls_that_fails(begun):
    error = translated(ssl.SSLError(1, "wrong version"), Deadline(60), "GET x", begun=begun)
    assert (type(error), error.where) == (ConnectionFailedError, "GET x")
    assert error.final == (not begun)  # once begun, the next try may be luckier
    assert missing(error, "TLS", "wrong version", "http://") == []


def test_unexpected_os_error_is_reported():
    error = translated(ConnectionResetError(104, "Connection reset by peer"), Deadline(60), "GET x")
    assert (type(error), error.where) == (ConnectionFailedError, "GET x")
    assert missing(error, "cannot connect", "Connection reset by peer", "url=") == []


def test_errors_that_hold_each_other_are_looked_at_once():
    error = requests.ConnectionError()
    error.args = (TimeoutError(), error)
    found = translated(error, Deadline(60), "GET x")
    assert (type(found), found.where) == (RequestTimeoutError, "GET x")
    assert missing(found, "no data", "timeout=") == []


def test_invalid_host_is_rejected():
    with Explorer("http://a..b", token="t") as explorer, pytest.raises(ExplorerFramesError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    assert type(caught.value) is TransportError
    assert caught.value.where == f"{WHERE} of a..b"
    assert missing(caught.value, "LocationParseError", "url=") == []
