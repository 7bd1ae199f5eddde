"""What is told of a call that brought no answer: each kind in its exact words, over real sockets."""

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

from explorer_frames import Explorer
from explorer_frames._errors import _HINTS
from explorer_frames._http.exchange import Deadline
from explorer_frames._http.failures import translated
from explorer_frames.errors import ConfigError, ExplorerFramesError, NotFoundError, ServerError

BODY = envelope()
CLOSE = "Connection: close\r\n"  # lest the next request goes out over a connection that is about to end
PATH = "GET api-open/v1/jobs/1/tasks/a/sample_result"
PLACE = f" [job 1, task a, {PATH}]\n"
TIMEOUT = "Retry the call. If the timeout recurs, check the load of the server.\nOr pass a longer timeout=."
REACH = "Check that url= is correct and that the server is running."
SCHEME = "Check the scheme of url= (http or https). Also check that the server is running."
NO_HTTP = "Check url=. The server may require https:// or another port."
NO_PROXY = "Check that no proxy changes the server's responses."
FOLLOW = "If the target is the correct server, pass its URL as url=."
LATER = _HINTS[ServerError]
REFUSED = b'{"code":50004000}'


def moved(to: str) -> bytes:
    return answer(b"", "302 Found", f"Location: {to}\r\n")


SAID = [
    (b"", "cannot connect: the server closed the connection without a response" + PLACE + SCHEME),
    (answer(BODY)[:-9], "connection closed before the response was complete: IncompleteRead" + PLACE + "Retry the call."),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "invalid HTTP response: BadStatusLine" + PLACE + NO_HTTP),
    (answer(BODY, headers="Content-Encoding: BR \r\n"), "unsupported Content-Encoding 'br'; only gzip was requested" + PLACE + NO_PROXY),
    (answer(BODY, headers=f"Content-Encoding: {'b' * 61}\r\n"), f"unsupported Content-Encoding '{'b' * 57}...'; only gzip was requested" + PLACE + NO_PROXY),
    (moved("http://u:p@h.example:8/x?y#z"), "the server redirects to http://h.example:8 (HTTP 302); redirects are not followed" + PLACE + FOLLOW),
    (moved(f"https://{'h' * 130}/"), f"the server redirects to https://{'h' * 109}... (HTTP 302); redirects are not followed" + PLACE + FOLLOW),
    (moved("/x"), "the server redirects to another path (HTTP 302); redirects are not followed" + PLACE + FOLLOW),
    (moved("http://[::1"), "the server redirects to another path (HTTP 302); redirects are not followed" + PLACE + FOLLOW),
    (answer(b"", "302 Found"), "the server redirects to another path (HTTP 302); redirects are not followed" + PLACE + FOLLOW),
    (answer(BODY, headers="Content-Length: 1\r\n"), "the request failed: InvalidHeader" + PLACE + "Check url=."),
    (answer(REFUSED, "503 No", "Retry-After: 31\r\nTraceparent: t\r\n"), "server returned error 50004000 [job 1, task a, trace t]\nRetry after 31 s, as requested by the server."),
    (answer(REFUSED, "503 No", "Retry-After: 0\r\n"), "server returned error 50004000 [job 1, task a]\n" + LATER),
    (answer(REFUSED, "503 No", "Retry-After: 1e1\r\n"), "server returned error 50004000 [job 1, task a]\n" + LATER),
]  # fmt: skip


@pytest.fixture
def _stopped_clock(monkeypatch):
    """Stop the clock of deadlines, so that errors report exactly 0.0 s."""
    monkeypatch.setattr("explorer_frames._http.exchange.time", Clock(running=False))


def told(script, **options) -> ExplorerFramesError:
    with served(script, **options) as (_, explorer), pytest.raises(ExplorerFramesError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    return caught.value


def unplaced(error: ExplorerFramesError) -> str:
    """Its words without the port of the server, where no answer has begun."""
    return re.sub(r" of 127\.0\.0\.1:\d+", "", str(error))


@pytest.mark.parametrize(("sent", "said"), SAID)
def test_unusable_response_is_reported(sent, said):
    assert unplaced(told(sent, retries=0)) == said


@pytest.mark.usefixtures("_stopped_clock")
def test_number_of_attempts_is_reported(monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    error = told(answer(REFUSED, headers=CLOSE), retries=2)
    assert str(error) == f"server returned error 50004000 [job 1, task a, 3 attempts in 0.0 s]\n{LATER}"


def test_an_answer_that_is_larger_than_allowed():
    error = told(answer(BODY), max_bytes=len(BODY) - 1, retries=0)
    what = f"the response is larger than max_bytes ({len(BODY) - 1} bytes)"
    hint = "Pass limit= to request fewer rows, or read the full result with Task.read_output."
    assert str(error) == f"{what}{PLACE}{hint}\nOr pass a larger max_bytes=."
    with served(answer(BODY), max_bytes=len(BODY)) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", None, schema=None)) == 2


@pytest.mark.usefixtures("_stopped_clock")
def test_permanent_error_ends_retries(monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    answers = [answer(REFUSED, headers=CLOSE), answer(b'{"code":40404000}', headers=CLOSE), answer(BODY)]
    hint = _HINTS[NotFoundError]
    said = str(told(lambda number, _: answers[number], retries=2))
    assert said == f"server returned error 40404000 [job 1, task a, 2 attempts in 0.0 s]\n{hint}"


def test_the_longest_wait_is_waited(monkeypatch):
    slept = []
    monkeypatch.setattr("explorer_frames._threads.time.sleep", slept.append)
    answers = [answer(REFUSED, headers=f"Retry-After: 30\r\n{CLOSE}"), answer(BODY)]
    with served(lambda number, _: answers[number], deadline=600) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", None, schema=None)) == 2
    assert slept == [30]


@pytest.mark.parametrize(
    ("script", "options", "said"),
    [
        ([9.0], {"timeout": 0.05}, f"no data within the timeout{PLACE}{TIMEOUT}"),
        ([answer(BODY)[:-9], 9.0], {"timeout": 0.05}, f"no data within the timeout{PLACE}{TIMEOUT}"),
        ([9.0], {"timeout": 0.05, "deadline": 60}, f"no data within the timeout{PLACE}{TIMEOUT}"),
        ([9.0], {"deadline": 0.2}, f"the call exceeded the deadline of 0.2 s{PLACE}Pass a longer deadline=."),
        ([answer(BODY)[:-9], 9.0], {"deadline": 0.25}, f"the call exceeded the deadline of 0.25 s{PLACE}Pass a longer deadline=."),
    ],
)  # fmt: skip
def test_exceeded_time_limit_is_reported(script, options, said):
    error = told(lambda *_: script, retries=0, **options)
    assert (unplaced(error), error.final, error.unsent) == (said, "deadline" in said, False)


def test_server_that_does_not_accept_connections():
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # more than wait to be accepted
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        explorer = stack.enter_context(Explorer(url, token="t", retries=0, timeout=0.1))
        with pytest.raises(TimeoutError) as caught:
            explorer.read_sample_result(1, "a", None, schema=None)
    assert unplaced(caught.value) == f"cannot connect within the timeout{PLACE}{TIMEOUT}"
    assert caught.value.unsent


def test_unreachable_server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Explorer(f"http://127.0.0.1:{port}", token="t", retries=0) as explorer, pytest.raises(OSError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    place = PLACE.replace(PATH, f"{PATH} of 127.0.0.1:{port}")
    assert str(caught.value) == f"cannot connect: Connection refused{place}{REACH}"
    assert caught.value.unsent


def test_unreachable_proxy(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("HTTP_PROXY", f"http://ann:s3cretpw@{host}/")
    with Explorer("http://h.example", token="t", retries=0) as explorer, pytest.raises(OSError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    hint = "Check HTTP_PROXY, or add the server's host to NO_PROXY."
    assert (
        str(caught.value).replace(" of h.example", "")
        == f"cannot connect to the proxy {host}: Connection refused{PLACE}{hint}"
    )


def test_a_path_that_would_change():
    with Explorer("http://127.0.0.1:1/a/../b", token="t") as explorer, pytest.raises(ConfigError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    assert "changed the path" in caught.value.what
    assert "'..'" in caught.value.hint


@pytest.mark.parametrize("begun", [False, True])
def test_tls_that_fails(begun):
    error = translated(ssl.SSLError(1, "wrong version"), Deadline(60), "GET x", begun=begun)
    hint = "If the server does not use TLS, pass an http:// URL. Otherwise, check the port."
    assert str(error) == f"TLS connection failed: wrong version [GET x]\n{hint}"
    assert error.final == (not begun)  # once begun, the next try may be luckier


def test_unexpected_os_error_is_reported():
    error = translated(ConnectionResetError(104, "Connection reset by peer"), Deadline(60), "GET x")
    assert str(error) == f"cannot connect: Connection reset by peer [GET x]\n{SCHEME}"


def test_errors_that_hold_each_other_are_looked_at_once():
    error = requests.ConnectionError()
    error.args = (TimeoutError(), error)
    assert str(translated(error, Deadline(60), "GET x")) == f"no data within the timeout [GET x]\n{TIMEOUT}"


def test_invalid_host_is_rejected():
    with Explorer("http://a..b", token="t") as explorer, pytest.raises(ExplorerFramesError) as caught:
        explorer.read_sample_result(1, "a", None, schema=None)
    place = PLACE.replace(PATH, f"{PATH} of a..b")
    assert str(caught.value) == f"the request failed: LocationParseError{place}Check url=."
