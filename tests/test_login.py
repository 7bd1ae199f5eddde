"""Login as servers are deployed: both encodings, balancers with cookies, one session for each user."""

from __future__ import annotations

import pickle
import re
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
from faults.rawserver import RawServer, answer, envelope
from served import served

from explorer_frames import Explorer
from explorer_frames._http.cookies import Cookies
from explorer_frames._http.retries import renewal_pause
from explorer_frames.errors import (
    ApiError,
    ConfigError,
    ExplorerFramesError,
    ServerError,
    SessionExpiredError,
    UnauthorizedError,
)
from explorer_frames.sandbox import Sandbox

PASSWORD = "c4naryPassw0rd"
LOGIN = {"user": "root", "password": PASSWORD, "graphd": "10.0.0.1:9669"}
GRANTED = b'{"code":0,"data":{"success":true},"message":"Success"}'
JSON = "WyJyb290IiwiYzRuYXJ5UGFzc3cwcmQiXQ=="
COLON = "cm9vdDpjNG5hcnlQYXNzdzByZA=="
ENVIRONMENT = "EXPLORER_FRAMES_AUTH_ENCODING"


def is_login(request: bytes) -> bool:
    return request.startswith(b"POST /api-open/v1/connect ")


def granted(number: int, *cookies: str) -> bytes:
    lines = (f"explorer_token=token{number}; Path=/; Max-Age=259200; HttpOnly", *cookies)
    return answer(GRANTED, headers="".join(f"Set-Cookie: {line}\r\n" for line in lines))


def refusal(code: int, status: str = "200 OK") -> bytes:
    return answer(b'{"code":%d,"message":"no"}' % code, status)


def cookie_of(request: bytes) -> str:
    return next((line[8:] for line in request.decode().split("\r\n") if line.startswith("Cookie: ")), "")


@pytest.fixture
def _no_pause(monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)


# --- encodings


def encodings_of(requests: list[bytes]) -> list[str]:
    named = {JSON.encode(): "json", COLON.encode(): "colon"}
    bearers = [re.search(rb"Authorization: Bearer (\S+)", request) for request in requests]
    return [named[found[1]] for found in bearers if found]


def server_for(encoding: str, refused: bytes):
    def script(number, request):
        if not is_login(request):
            return answer(envelope()) if cookie_of(request) else refusal(40104000)
        return granted(number) if encodings_of([request]) == [encoding] else refused

    return script


REFUSALS = [
    refusal(40104000),
    refusal(40104000, "401 Unauthorized"),
    refusal(40104001),
    answer(b"<html>", "401 Unauthorized"),
    answer(b"", "401 Unauthorized"),
]


@pytest.mark.parametrize("refused", REFUSALS)
def test_auto_tries_json_then_colon_once_and_remembers_which_one_worked(refused):
    with served(server_for("colon", refused), **LOGIN) as (server, explorer):
        explorer.read_sample_result(1, "a", schema=None)
        assert encodings_of(server.requests) == ["json", "colon"]
        explorer._api._auth._token = None  # as if it had ended
        explorer.read_sample_result(1, "a", schema=None)
        assert encodings_of(server.requests) == ["json", "colon", "colon"]


def test_auto_on_a_server_that_takes_json_logs_in_once():
    with served(server_for("json", refusal(40104000)), **LOGIN) as (server, explorer):
        explorer.read_sample_result(1, "a", schema=None)
        assert encodings_of(server.requests) == ["json"]


def test_auto_follows_a_server_whose_version_changes():
    version = ["colon"]

    def script(number, request):
        return server_for(version[0], refusal(40104000))(number, request)

    with served(script, **LOGIN) as (server, explorer):
        for version[0] in ("colon", "json", "json"):
            explorer._api._auth._token = None
            explorer.read_sample_result(1, "a", schema=None)
        assert encodings_of(server.requests) == ["json", "colon", "colon", "json", "json"]


@pytest.mark.parametrize("refused", REFUSALS)
def test_a_wrong_password_costs_two_logins_and_gives_one_error(refused):
    with served(lambda *_: refused, **LOGIN) as (server, explorer):
        for _ in range(2):
            with pytest.raises(UnauthorizedError) as caught:
                explorer.read_sample_result(1, "a", schema=None)
            assert "Check user, password and graphd" in caught.value.hint
            assert "json" in caught.value.hint
            assert "colon" in caught.value.hint
            assert caught.value.__context__ is None
            assert PASSWORD not in str(caught.value)
        assert encodings_of(server.requests) == ["json", "colon"] * 2


@pytest.mark.parametrize("code", [40004001, 40304000, 50004003, 40404000])
def test_only_unauthorized_makes_auto_try_the_other_encoding(code):
    with served(lambda *_: refusal(code), **LOGIN) as (server, explorer):
        with pytest.raises(ApiError):
            explorer.read_sample_result(1, "a", schema=None)
        assert encodings_of(server.requests) == ["json"]


@pytest.mark.usefixtures("_no_pause")
def test_transient_failure_does_not_retry_the_rejected_encoding():
    def script(number, request):
        if not is_login(request):
            return answer(envelope())
        return [refusal(40104000), answer(b"busy", "503 X"), granted(2)][number]

    with served(script, **LOGIN) as (server, explorer):
        explorer.read_sample_result(1, "a", schema=None)
        assert encodings_of(server.requests) == ["json", "colon", "colon"]


@pytest.mark.parametrize(("encoding", "other"), [("json", "colon"), ("colon", "json")])
@pytest.mark.parametrize("how", ["argument", "environment"])
def test_an_explicit_encoding_is_tried_alone_and_the_hint_names_the_versions(encoding, other, how, monkeypatch):
    options = {"auth_encoding": encoding} if how == "argument" else {}
    monkeypatch.setenv(ENVIRONMENT, encoding if how == "environment" else other)
    with served(server_for(other, refusal(40104000)), **LOGIN, **options) as (server, explorer):
        with pytest.raises(UnauthorizedError) as caught:
            explorer.read_sample_result(1, "a", schema=None)
        assert encodings_of(server.requests) == [encoding]
    assert f"auth_encoding={other!r}" in caught.value.hint
    assert "3.1.0" in caught.value.hint
    assert "3.2.0" in caught.value.hint
    assert "3.3" not in caught.value.hint


def test_an_invalid_encoding_of_the_environment_is_named(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "basic")
    with pytest.raises(ConfigError, match=ENVIRONMENT):
        Explorer("http://localhost", **LOGIN)
    Explorer("http://localhost", **LOGIN, auth_encoding="json")


def test_a_user_with_a_colon_is_only_sent_as_json():
    with served(lambda *_: refusal(40104000), **LOGIN | {"user": "a:b"}) as (server, explorer):
        with pytest.raises(UnauthorizedError):
            explorer.read_sample_result(1, "a", schema=None)
        assert len(server.requests) == 1


@pytest.mark.parametrize("encoding", ["json", "colon", "both"])
def test_the_command_line_reads_from_a_server_of_either_encoding(encoding, cli, monkeypatch):
    with Sandbox(auth_encoding=encoding) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        job, task = server.add_result([["a"], ["1"]])
        for options in ((), ("--auth-encoding", "auto")):
            ended = cli(*options, "read", job, task)
            assert ended.code == 0, ended.err


# --- tokens that were pasted with more than the value


@pytest.mark.parametrize(
    "token",
    [
        "explorer_token=s3cr3tvalue",
        "Explorer_Token=s3cr3tvalue",
        "explorer_token: s3cr3tvalue",
        "explorer_token=s3cr3tvalue; Path=/",
        "Bearer s3cr3tvalue",
        "bearer s3cr3tvalue",
        "Cookie: explorer_token=s3cr3tvalue",
        "Cookie:explorer_token=s3cr3tvalue",
        "Set-Cookie: explorer_token=s3cr3tvalue; Path=/",
        "Authorization: Bearer s3cr3tvalue",
        "'s3cr3tvalue'",
        '"s3cr3tvalue"',
        " s3cr3tvalue",
        "s3cr3tvalue ",
        "a=b; explorer_token=s3cr3tvalue",
    ],
)
@pytest.mark.parametrize("source", ["argument", "function", "environment"])
def test_a_token_with_more_than_its_value_is_refused_before_it_is_sent(token, source, monkeypatch):
    options = {"argument": {"token": token}, "function": {"token": lambda: token}, "environment": {}}[source]
    if not options:
        monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", token)
    with RawServer(lambda *_: answer(envelope())) as server, Explorer(server.url, **options) as explorer:
        with pytest.raises(ConfigError) as caught:
            explorer.read_sample_result(1, "a", schema=None)
        assert server.connections == 0
    assert "explorer_token" in caught.value.what
    assert "Remove" in caught.value.hint
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("token", ["eyJ.a-b_c", "YWJj==", "bearerless", "cookie-1", "it's"])
def test_a_bare_token_is_sent_as_it_is(token):
    with served(answer(envelope()), token=token) as (server, explorer):
        explorer.read_sample_result(1, "a", schema=None)
        assert cookie_of(server.requests[0]) == f"explorer_token={token}"


# --- cookies of the login

URL = "http://h.example/prefix/api-open/v1/connect"


@pytest.mark.parametrize(
    ("headers", "url", "sent"),
    [
        (["SERVERID=s2; path=/"], URL, "SERVERID=s2"),
        (["SERVERID=s2"], URL, "SERVERID=s2"),
        (["SERVERID=s2; Path="], URL, "SERVERID=s2"),
        (["SERVERID=s2; path=nonsense"], URL, "SERVERID=s2"),
        (["SERVERID=s2; PATH=/prefix"], URL, "SERVERID=s2"),
        (["SERVERID=s2; path=/prefix/"], URL, "SERVERID=s2"),
        (["SERVERID=s2; path=/pre"], URL, ""),
        (["SERVERID=s2; path=/elsewhere"], URL, ""),
        (["SERVERID=s2; path=/prefix/api-open/v1/connect"], "http://h.example/prefix/api-open/v1/jobs", ""),
        (["SERVERID=s2; Secure"], URL, ""),
        (["SERVERID=s2; secure; path=/"], URL.replace("http:", "https:"), "SERVERID=s2"),
        (["SERVERID=s2; Max-Age=0"], URL, ""),
        (["SERVERID=s2; Max-Age=-1"], URL, ""),
        (["SERVERID=s2; Max-Age=100"], URL, "SERVERID=s2"),
        (['SERVERID=s2; Max-Age="100"'], URL, "SERVERID=s2"),
        (["SERVERID=s2; Max-Age=soon"], URL, "SERVERID=s2"),
        (["SERVERID=s2; # Max-Age=0"], URL, ""),
        (["SERVERID=s2; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], URL, ""),
        (["SERVERID=s2; expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"], URL, ""),
        (["SERVERID=s2; Expires=Wed, 21 Oct 2099 07:28:00 GMT"], URL, "SERVERID=s2"),
        (["SERVERID=s2; Expires=never"], URL, "SERVERID=s2"),
        (["SERVERID=s2; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], URL, "SERVERID=s2"),
        (["SERVERID=s2; Domain=h.example"], URL, "SERVERID=s2"),
        (["SERVERID=s2; Domain=.Example"], URL, "SERVERID=s2"),
        (["SERVERID=s2; Domain="], URL, "SERVERID=s2"),
        (["SERVERID=s2; Domain=evil.example"], URL, ""),
        (["SERVERID=s2; Domain=ample"], URL, ""),
        (["SERVERID=s2; Domain=0.0.1"], "http://127.0.0.1/x", ""),
        (["SERVERID=s2; Domain=127.0.0.1"], "http://127.0.0.1/x", "SERVERID=s2"),
        (["a=1; path=/", "b=2; path=/prefix"], URL, "b=2; a=1"),
        (["a=1; path=/", "a=2; path=/"], URL, "a=2"),
        (["a=1; path=/", "a=2; path=/prefix"], URL, "a=2; a=1"),
        (["a=1; path=/", "a=2; path=/elsewhere"], URL, "a=1"),
        (["a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; path=/, b=2; path=/"], URL, "a=1; b=2"),
        (["explorer_token=t; Path=/, SERVERID=s2; path=/"], URL, "SERVERID=s2"),
        (["explorer_token=t; Path=/"], URL, ""),
        (["a=; path=/"], URL, "a="),
        (['a="q u"; path=/', "b=\xe9", "c d=1", "=1", "e", "", ";", "f=1\x002"], URL, ""),
        (['a="quoted"'], URL, 'a="quoted"'),
        (["a=b=c"], URL, "a=b=c"),
    ],
)
def test_cookies_go_back_as_their_attributes_allow(headers, url, sent):
    login = url.rpartition("/")[0] + "/connect" if "127" not in url else url
    assert Cookies(login, headers, without="explorer_token").header(url) == (f"; {sent}" if sent else "")


def test_cookie_expires_after_max_age(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("explorer_frames._http.cookies.time.monotonic", lambda: now[0])
    cookies = Cookies(URL, ["a=1; Max-Age=100"], without="")
    for now[0], sent in ((1099.0, "; a=1"), (1100.0, "")):
        assert cookies.header(URL) == sent


@pytest.mark.parametrize(
    ("later", "sent"),
    [
        (["SERVERID=s3; path=/"], "; SERVERID=s3"),
        (["SERVERID=s3"], "; SERVERID=s3"),
        (["SERVERID=gone; Max-Age=0; path=/"], ""),
        ([f"SERVERID=gone; Expires={formatdate(0, usegmt=True)}"], ""),
        (["OTHER=1; path=/"], "; SERVERID=s2"),
        (["explorer_token=evil; path=/"], "; SERVERID=s2"),
        (["SERVERID=s3; Domain=evil.example"], "; SERVERID=s2"),
        (["serverid=s3"], "; SERVERID=s2"),
        ([], "; SERVERID=s2"),
    ],
)
def test_a_later_response_renews_a_cookie_that_the_login_set(later, sent):
    cookies = Cookies(URL, ["SERVERID=s2; path=/"], without="explorer_token")
    cookies.renew(later)
    assert cookies.header(URL) == sent
    cookies.renew(["SERVERID=s4; path=/"])
    assert cookies.header(URL) == "; SERVERID=s4", "also behind an end"


def test_cookies_of_the_login_go_with_every_later_call_and_follow_what_the_server_sets():
    def script(number, request):
        if is_login(request):
            return granted(number, "SERVERID=s1; path=/", "lang=en; path=/elsewhere")
        body = b'{"code":0,"data":{"id":"7","success":true}}'
        if request.startswith(b"GET"):
            body = envelope()
        return answer(body, headers=f"Set-Cookie: SERVERID=s{number + 1}; path=/\r\n")

    with served(script, **LOGIN) as (server, explorer):
        explorer.read_sample_result(1, "a", schema=None)
        explorer._api.post_once("workflows", "1", "jobs", body={}, hint="")
        explorer._api.put("jobs", "7", "cancel")
    assert cookie_of(server.requests[0]) == ""
    assert [cookie_of(request) for request in server.requests[1:]] == [
        f"explorer_token=token0; SERVERID=s{number}" for number in (1, 2, 3)
    ]


def test_a_token_that_was_passed_has_no_cookies():
    with served(answer(envelope(), headers="Set-Cookie: SERVERID=s1; path=/\r\n"), token="t") as (
        server,
        explorer,
    ):
        for _ in range(2):
            explorer.read_sample_result(1, "a", schema=None)
    assert [cookie_of(request) for request in server.requests] == ["explorer_token=t"] * 2


def test_a_redirect_takes_no_cookies_along():
    with RawServer(lambda *_: answer(envelope())) as other:

        def script(number, request):
            if is_login(request):
                return granted(number, "SERVERID=s1; path=/")
            return answer(b"", "302 Found", f"Location: {other.url}/\r\n")

        with served(script, **LOGIN) as (_, explorer), pytest.raises(ExplorerFramesError):
            explorer.read_sample_result(1, "a", schema=None)
        assert other.connections == 0


def test_a_new_login_starts_without_the_cookies_of_the_old_session():
    def script(number, request):
        if is_login(request):
            return granted(number, f"SERVERID=s{number}; path=/")
        return refusal(40104001) if number == 1 else answer(envelope())

    with served(script, **LOGIN) as (server, explorer):
        explorer.read_sample_result(1, "a", schema=None)
    assert [cookie_of(request) for request in server.requests] == [
        "",
        "explorer_token=token0; SERVERID=s0",
        "",
        "explorer_token=token2; SERVERID=s2",
    ]


def test_cookies_of_the_login_are_secrets(caplog):
    secret = "c4naryC00kie"

    def script(number, request):
        if is_login(request):
            return granted(number, f"SERVERID={secret}1; path=/")
        told = cookie_of(request)
        return answer(
            f'{{"code":40404000,"message":"{told}"}}'.encode(), headers=f"Set-Cookie: SERVERID={secret}2; path=/\r\n"
        )

    caplog.set_level("DEBUG")
    with served(script, **LOGIN | {"password": str(PASSWORD).swapcase}) as (server, explorer):
        for _ in range(2):
            with pytest.raises(ExplorerFramesError) as caught:
                explorer.read_sample_result(1, "a", schema=None)
            error = caught.value
            shown = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(explorer) + caplog.text
            assert secret not in shown
            assert secret.encode() not in pickle.dumps(error)
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if frame.f_code.co_filename != __file__:
                    assert secret not in repr(frame.f_locals)
    assert secret.encode() in server.requests[-1]


# --- a balancer of two instances, sticky by a cookie


class Balancer:
    """Two instances that know only their own sessions; the cookie SERVERID decides, else they take turns."""

    def __init__(self) -> None:
        self.sessions: list[set[str]] = [set(), set()]
        self.turn = 0
        self.lock = threading.Lock()

    def __call__(self, number: int, request: bytes) -> bytes:
        with self.lock:
            chosen = re.search(rb"SERVERID=s(\d)", request)
            self.turn += 1
            instance = int(chosen[1]) if chosen else self.turn % 2
            if is_login(request):
                self.sessions[instance].add(f"token{number}")
                return granted(number, *([] if chosen else [f"SERVERID=s{instance}; path=/"]))
            token = re.search(r"explorer_token=(\w+)", cookie_of(request))
            known = token and token[1] in self.sessions[instance]
            return answer(envelope()) if known else refusal(40104000)


def test_reads_succeed_behind_load_balancer_with_sticky_cookies():
    with served(Balancer(), **LOGIN) as (server, explorer):
        for _ in range(20):
            assert len(explorer.read_sample_result(1, "a", schema=None)) == 2
    assert sum(map(is_login, server.requests)) == 1


def test_a_session_moves_with_the_instance():
    balancer = Balancer()
    with served(balancer, **LOGIN) as (server, explorer):
        for _ in range(3):
            explorer.read_sample_result(1, "a", schema=None)
            for sessions in balancer.sessions:  # both instances restart
                sessions.clear()
        assert sum(map(is_login, server.requests)) == 3


# --- one session for each user


class OneSession:
    """A server on which each login ends the session before it."""

    def __init__(self, code: int, pause: float) -> None:
        self.code, self.pause = code, pause
        self.current = ""
        self.jobs = 0
        self.lock = threading.Lock()

    def __call__(self, number: int, request: bytes):
        with self.lock:
            if is_login(request):
                self.current = f"token{number}"
                sent = granted(number)
            elif cookie_of(request) != f"explorer_token={self.current}":
                sent = refusal(self.code)
            elif request.startswith(b"POST"):
                self.jobs += 1
                sent = answer(b'{"code":0,"data":{"id":"%d"}}' % self.jobs)
            else:
                sent = answer(envelope())
        return [self.pause, sent]


@pytest.mark.parametrize(("code", "pause"), [(40104000, 0.0), (40104001, 0.01)])
def test_every_read_succeeds_with_four_clients_on_a_server_of_one_session(code, pause):
    with RawServer(OneSession(code, pause)) as server, ThreadPoolExecutor(4) as pool:

        def read(_client):
            with Explorer(server.url, **LOGIN, deadline=300) as explorer:
                return [len(explorer.read_sample_result(1, "a", schema=None)) for _ in range(15)]

        assert list(pool.map(read, range(4))) == [[2] * 15] * 4


def test_four_clients_on_a_sandbox_of_one_session():
    with Sandbox(one_token_per_user=True) as server, ThreadPoolExecutor(4) as pool:
        job, task = server.add_result([["a"], ["1"]])
        login = {"user": server.user, "password": server.password, "graphd": server.graphd}

        def read(_client):
            with Explorer(server.url, **login) as explorer:
                return [len(explorer.read_sample_result(job, task, schema=None)) for _ in range(10)]

        assert list(pool.map(read, range(4))) == [[1] * 10] * 4


def test_each_job_is_started_once_on_a_server_of_one_session():
    script = OneSession(40104001, 0.0)
    with RawServer(script) as server, ThreadPoolExecutor(4) as pool:

        def start(_client):
            with Explorer(server.url, **LOGIN, deadline=300) as explorer:
                return [explorer._api.post_once("workflows", "1", "jobs", body={}, hint="")["id"] for _ in range(5)]

        ids = [int(job) for jobs in pool.map(start, range(4)) for job in jobs]
    assert sorted(ids) == list(range(1, 21))
    assert script.jobs == 20


@pytest.mark.parametrize(("code", "cls"), [(40104000, UnauthorizedError), (40104001, SessionExpiredError)])
@pytest.mark.usefixtures("_no_pause")
def test_repeatedly_ended_session_hints_at_another_login(code, cls):
    with served(lambda number, request: granted(number) if is_login(request) else refusal(code), **LOGIN) as (
        server,
        explorer,
    ):
        with pytest.raises(ExplorerFramesError) as caught:
            explorer.read_sample_result(1, "a", schema=None)
        logins = sum(map(is_login, server.requests))
    assert type(caught.value) is cls
    assert "logs in as the same user" in caught.value.hint.lower()
    assert logins == 11
    assert "rejected 10 new sessions" in caught.value.hint


def test_pauses_before_renewals_double_up_to_ten_seconds(monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda low, high: (low, high))
    assert renewal_pause(0, 5.0) == 0.0
    assert [renewal_pause(renewals, 0.2)[1] for renewals in (1, 2, 3)] == [0.4, 0.8, 1.6]
    assert renewal_pause(1, 0.0) == (0, 0.1)
    assert renewal_pause(9, 5.0) == (0, 10.0)


def test_renewals_after_the_first_wait(monkeypatch):
    pauses = []
    monkeypatch.setattr("explorer_frames._threads.pause", pauses.append)
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda _low, _high: 0.25)

    def script(number, request):
        if is_login(request):
            return granted(number)
        return refusal(40104001) if number < 6 else answer(envelope())

    with served(script, **LOGIN) as (_, explorer):
        explorer.read_sample_result(1, "a", schema=None)
    assert pauses == [0.0, 0.25, 0.25]


def test_renewals_end_at_the_deadline(monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda _low, _high: 1e9)
    with served(lambda number, request: granted(number) if is_login(request) else refusal(40104001), **LOGIN) as (
        server,
        explorer,
    ):
        with pytest.raises(SessionExpiredError):
            explorer.read_sample_result(1, "a", schema=None)
        assert len(server.requests) == 4


def test_token_function_is_called_at_most_twice():
    tokens = iter("abcdefgh")
    with served(refusal(40104001), token=lambda: next(tokens)) as (server, explorer):
        with pytest.raises(SessionExpiredError):
            explorer.read_sample_result(1, "a", schema=None)
        assert len(server.requests) == 2


@pytest.mark.usefixtures("_no_pause")
def test_a_server_error_between_renewals_is_retried_as_any_other():
    def script(number, request):
        if is_login(request):
            return granted(number)
        return {1: refusal(40104001), 3: refusal(50004000)}.get(number) or answer(envelope())

    with served(script, **LOGIN) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", schema=None)) == 2
    with served(refusal(50004000), **LOGIN) as (_, explorer), pytest.raises(ServerError):
        explorer.read_sample_result(1, "a", schema=None)
