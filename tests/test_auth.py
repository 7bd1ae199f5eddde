"""Login and renewal: what is sent, what is believed, and how seldom."""

from __future__ import annotations

import base64
import inspect
import json
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from cases import each
from faults.rawserver import answer, envelope, wait_until
from limits import HANG, Clock
from served import served

from explorer_frames import Explorer
from explorer_frames._http.auth import Auth, Token, bearer, token_from
from explorer_frames._http.config import Credentials, Secret
from explorer_frames._http.exchange import Deadline
from explorer_frames.errors import (
    ConfigError,
    EnvelopeError,
    ExplorerFramesError,
    NotFoundError,
    RequestTimeoutError,
    ServerError,
    SessionExpiredError,
    UnauthorizedError,
)
from explorer_frames.sandbox import Sandbox

PASSWORD = "c4naryPassw0rd"
LOGIN = {"user": "root", "password": PASSWORD, "graphd": "10.0.0.1:9669"}
ONCE = {"retries": 0, "timeout": HANG, "deadline": 2 * HANG}


def is_login(request: bytes) -> bool:
    return request.startswith(b"POST /api-open/v1/connect ")


def granted(number: int, attributes: str = "Path=/; Max-Age=259200; HttpOnly") -> bytes:
    body = b'{"code":0,"data":{"success":true},"message":"Success"}'
    return answer(body, headers=f"Set-Cookie: explorer_token=token{number}; {attributes}\r\n")


def no(code: int, status: str = "200 OK") -> bytes:
    return answer(f'{{"code":{code},"message":"no"}}'.encode(), status)


def cookie_of(request: bytes) -> str:
    return next(line[8:] for line in request.decode().split("\r\n") if line.startswith("Cookie: "))


# --- what is sent


@pytest.mark.parametrize(("encoding", "encoded"), [("json", "WyJyb290IiwiMTIzIl0="), ("colon", "cm9vdDoxMjM=")])
def test_the_bearer_is_as_published(encoding, encoded):
    assert bearer("root", "123", encoding) == encoded


@pytest.mark.parametrize("password", ["пароль", "密码", "😀", 'a"b\\c', "a:b", " a ", "=+/", "é" * 500])
@pytest.mark.parametrize("encoding", ["json", "colon"])
def test_passwords_are_sent_unchanged(password, encoding):
    with Sandbox(user="jürgen", password=password, auth_encoding=encoding) as server:
        job, task = server.add_result([["a"], ["1"]])
        with Explorer(
            server.url, user="jürgen", password=password, graphd=server.graphd, auth_encoding=encoding, **ONCE
        ) as explorer:
            assert explorer.read_sample_result(job, task, schema=None)["id"].tolist() == ["a"]
    text = base64.b64decode(bearer("jürgen", password, encoding)).decode()
    assert text == (
        json.dumps(["jürgen", password], separators=(",", ":"), ensure_ascii=False)
        if encoding == "json"
        else f"jürgen:{password}"
    )


def test_a_login_is_the_published_request():
    def script(number, request):
        return granted(number) if is_login(request) else answer(envelope())

    login = {"user": "root", "password": "123", "graphd": "10.0.0.1:9669"}
    with served(script, **login) as (server, explorer):
        explorer.read_sample_result(1, "a", schema=None)
    head, body = server.requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /api-open/v1/connect HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer WyJyb290IiwiMTIzIl0=" in head
    assert b"Cookie" not in head
    assert json.loads(body) == {"address": "10.0.0.1", "port": 9669}
    assert cookie_of(server.requests[1]) == "explorer_token=token0"
    assert b"Authorization" not in server.requests[1]


@each("text", ["a;b", "a b", 'a"b', "a,b", "a\\b", "é", "explorer_token=x; Path=/", "a\r\nX: y", "a\nb", ""])
@each("source", [lambda text: text, lambda text: lambda: text], ids=["text", "callable"])
def test_a_token_that_no_cookie_can_carry_is_refused_before_it_is_sent(text, source):
    with served(b"", token=source(text)) as (server, explorer):
        with pytest.raises(ConfigError) as caught:
            explorer.read_sample_result(1, "a", schema=None)
        assert server.connections == 0
    assert not text or text not in str(caught.value)


# --- what is believed of Set-Cookie


@pytest.mark.parametrize(
    ("headers", "text", "life"),
    [
        (["explorer_token=eyJ.a-b_c; Path=/; Max-Age=259200; HttpOnly"], "eyJ.a-b_c", 259200 - 60),
        (["explorer_token=eyJ; Path=/; # Max-Age=259200; HttpOnly"], "eyJ", 259200 - 60),  # as published
        (["explorer_token=eyJ"], "eyJ", float("inf")),
        (["explorer_token=eyJ; Path=/; HttpOnly"], "eyJ", float("inf")),
        (["explorer_token=eyJ; max-age = 100"], "eyJ", 50),
        (['explorer_token=eyJ; Max-Age="100"'], "eyJ", 50),
        (["explorer_token=eyJ; Max-Age=0"], "eyJ", 0),
        (["explorer_token=eyJ; Max-Age=-1"], "eyJ", float("inf")),
        (["explorer_token=eyJ; Max-Age=soon"], "eyJ", float("inf")),
        (["explorer_token=eyJ; Max-Age=" + "9" * 40], "eyJ", 9999999999 - 60),
        (['explorer_token="eyJ"; Path=/'], "eyJ", float("inf")),
        (["Max-Age=100; explorer_token=eyJ"], "eyJ", 50),
        (["sid=1; Path=/", "explorer_token=eyJ; Max-Age=100", "lang=en"], "eyJ", 50),
        (["sid=1; Path=/, explorer_token=eyJ; Max-Age=100"], "eyJ", 50),
        (["explorer_token=; Max-Age=0", "explorer_token=new; Max-Age=100"], "new", 50),
        (["explorer_token=old; Max-Age=9999", "explorer_token=new; Max-Age=100"], "new", 50),
    ],
)
def test_a_token_and_its_life_are_read_tolerantly(headers, text, life):
    token = token_from(headers, clock=lambda: 1000.0)
    assert (token.text, token.ends - 1000) == (text, life)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["sid=1; Path=/"],
        ["explorer_token=; Path=/"],
        ["explorer_token"],
        ["my_explorer_token=x"],
        ["x=explorer_token=y"],
        ["Explorer_Token=x"],
        ["explorer_token=a\\b"],
        ["explorer_token=\xe9"],
        ["explorer_token=a b"],
    ],
)
def test_a_login_without_a_usable_token_is_an_envelope_error(headers):
    with pytest.raises(EnvelopeError, match="explorer_token"):
        token_from(headers)


def test_a_login_without_a_cookie_is_one_typed_error_and_one_try():
    with (
        served(answer(b'{"code":0,"data":{"success":true}}'), **LOGIN) as (server, explorer),
        pytest.raises(EnvelopeError) as caught,
    ):
        explorer.read_sample_result(1, "a", schema=None)
    assert len(server.requests) == 1
    assert "proxy" in caught.value.hint


def test_a_token_in_the_body_of_a_login_or_in_other_answers_is_not_believed():
    def script(number, request):
        if is_login(request):
            return granted(0)
        return answer(envelope(), headers="Set-Cookie: explorer_token=evil; Path=/\r\n")

    with served(script, **LOGIN) as (server, explorer):
        for _ in range(2):
            explorer.read_sample_result(1, "a", schema=None)
    assert [cookie_of(request) for request in server.requests[1:]] == ["explorer_token=token0"] * 2


# --- renewal


def test_a_token_is_renewed_before_its_life_ends_and_not_earlier(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("explorer_frames._http.auth.time.monotonic", lambda: now[0])
    logins = []

    def login(_deadline):
        logins.append(now[0])
        return token_from([f"explorer_token=token{len(logins)}; Max-Age=1000"], clock=lambda: now[0])

    auth = Auth(Credentials(user="u"), login)
    for at in (0, 1, 939, 940, 1879, 1880):
        now[0] = float(at)
        auth.token(Deadline(60))
    assert logins == [0, 940, 1880]


def test_token_is_renewed_before_its_max_age(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("explorer_frames._http.auth.time", clock)
    monkeypatch.setattr(token_from, "__defaults__", (clock.monotonic, None))
    monkeypatch.setattr("explorer_frames.sandbox._sessions.time", clock)
    with Sandbox(token_life=10 * HANG) as server:
        job, task = server.add_result([["a"], ["1"]])
        with Explorer(server.url, user=server.user, password=server.password, graphd=server.graphd) as explorer:
            for _ in range(31):  # three full token lives and the first read of a fourth
                explorer.read_sample_result(job, task, schema=None)
                clock.advance(HANG)
        methods = [request.method for request in server.requests]
        assert methods.count("POST") == 4
        assert methods.count("GET") == 31, "none was refused and replayed"


@pytest.mark.parametrize("code", [40104000, 40104001])
@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "403 Forbidden", "500 Internal Server Error"])
def test_a_refused_token_is_renewed_once_and_the_call_replayed_once(code, status):
    def script(number, request):
        if is_login(request):
            return granted(number)
        return answer(envelope()) if b"token2" in request else no(code, status)

    with served(script, **LOGIN) as (server, explorer):
        assert len(explorer.read_sample_result(1, "a", schema=None)) == 2
        kinds = ["login" if is_login(request) else cookie_of(request)[15:] for request in server.requests]
        assert kinds == ["login", "token0", "login", "token2"]
        explorer.read_sample_result(1, "a", schema=None)
        assert len(server.requests) == 5


@pytest.mark.parametrize(("code", "cls"), [(40104000, UnauthorizedError), (40104001, SessionExpiredError)])
def test_rejection_of_every_new_session_is_raised(code, cls, monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)

    def script(number, request):
        return granted(number) if is_login(request) else no(code)

    with (
        served(script, **LOGIN) as (server, explorer),
        pytest.raises(ExplorerFramesError) as caught,
    ):
        explorer.read_sample_result(1, "a", schema=None)
    assert type(caught.value) is cls
    assert [is_login(request) for request in server.requests] == [True, False] * 11


def test_error_of_the_replayed_request_is_raised():
    def script(number, request):
        if is_login(request):
            return granted(number)
        return no(40104001) if number == 1 else no(40404000)

    with (
        served(script, **LOGIN) as (server, explorer),
        pytest.raises(NotFoundError),
    ):
        explorer.read_sample_result(1, "a", schema=None)
    assert len(server.requests) == 4


@pytest.mark.parametrize("token", ["static", lambda: "static"])
@pytest.mark.parametrize("code", [40104000, 40104001])
def test_a_refused_static_token_is_not_replayed(token, code):
    with served(no(code), token=token) as (server, explorer), pytest.raises(UnauthorizedError) as caught:
        explorer.read_sample_result(1, "a", schema=None)
    assert len(server.requests) == 1
    assert "token" in caught.value.hint
    assert "static" not in str(caught.value)


def test_token_callable_is_called_again_after_rejection():
    tokens = iter(["first", "second"])
    with served(
        lambda number, _request: answer(envelope()) if number else no(40104001),
        token=lambda: next(tokens),
    ) as (server, explorer):
        explorer.read_sample_result(1, "a", schema=None)
        explorer.read_sample_result(1, "a", schema=None)
    assert [cookie_of(request)[15:] for request in server.requests] == ["first", "second", "second"]


def test_a_stream_is_renewed_and_replayed_too():
    def script(number, request):
        if is_login(request):
            return granted(number)
        return answer(envelope()) if b"token2" in request else no(40104001)

    with (
        served(script, **LOGIN) as (_, explorer),
        explorer.open_sample_result(1, "a", schema=None) as reader,
    ):
        assert reader.read_all().num_rows == 2


# --- refused logins


@pytest.mark.parametrize(("encoding", "other"), [("json", "colon"), ("colon", "json")])
@pytest.mark.parametrize("mapped", ["200", "mapped"])
def test_a_refused_login_is_tried_once_and_names_the_other_encoding(encoding, other, mapped):
    with Sandbox(auth_encoding=other, http_status_of_errors=mapped) as server:
        options = {"user": server.user, "password": PASSWORD, "graphd": server.graphd}
        with (
            Explorer(server.url, **options, auth_encoding=encoding) as explorer,
            pytest.raises(UnauthorizedError) as caught,
        ):
            explorer.read_sample_result(1, "a", schema=None)
        assert [request.path for request in server.requests] == ["/api-open/v1/connect"]
    assert f"auth_encoding='{other}'" in caught.value.hint


@pytest.mark.parametrize(
    "refusal", [no(40104000), no(40104000, "429 Too Many Requests"), no(40104001, "503 Service Unavailable")]
)
def test_rejected_login_is_not_retried_for_any_status(refusal):
    with served(refusal, **LOGIN, auth_encoding="json") as (server, explorer), pytest.raises(UnauthorizedError):
        explorer.read_sample_result(1, "a", schema=None)
    assert len(server.requests) == 1


# --- many threads


def waiting_for_a_login() -> int:
    """How many threads of this process wait for the login of another one."""
    stacks = [traceback.walk_stack(frame) for frame in sys._current_frames().values()]
    return sum(any(frame.f_code.co_name == "_joined" for frame, _ in stack) for stack in stacks)


@pytest.mark.parametrize("single", [False, True])
def test_expired_token_in_32_threads_causes_one_login_per_round(single):
    with Sandbox(one_token_per_user=single) as server:
        job, task = server.add_result([["a"], ["1"]])
        options = {"user": server.user, "password": server.password, "graphd": server.graphd}
        with Explorer(server.url, **options) as explorer, ThreadPoolExecutor(32) as pool:
            barrier = threading.Barrier(32)

            def read(_number):
                barrier.wait()
                return explorer.read_sample_result(job, task, schema=None)["id"].tolist()

            for round_ in range(1, 3):
                assert list(pool.map(read, range(32))) == [["a"]] * 32
                assert sum("connect" in request.path for request in server.requests) == round_
                server.expire_tokens()


def test_wrong_password_is_tried_once_for_16_waiting_threads():
    go = threading.Event()

    def script(_number, _request):
        go.wait(HANG)
        return no(40104000)

    with (
        served(script, **LOGIN, auth_encoding="json") as (server, explorer),
        ThreadPoolExecutor(16) as pool,
    ):
        for round_ in (1, 2):
            go.clear()
            calls = [pool.submit(explorer.read_sample_result, number, "a") for number in range(16)]
            wait_until(lambda: waiting_for_a_login() == 15)
            go.set()
            errors = [call.exception() for call in calls]
            assert {type(error) for error in errors} == {UnauthorizedError}
            assert len(server.requests) == round_
            for number, error in enumerate(errors):
                assert error.where == f"job {number}, task a"
                assert "auth_encoding" in error.hint


def test_ctrl_c_in_the_thread_that_logs_in_is_not_for_the_others():
    deadline, entered, go = Deadline(HANG), threading.Event(), threading.Event()
    turns = []

    def login(_deadline):
        turns.append(1)
        if len(turns) == 1:
            entered.set()
            go.wait(HANG)
            raise KeyboardInterrupt
        return Token("second")

    auth = Auth(Credentials(user="u"), login)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(auth.token, deadline)
        entered.wait(HANG)
        others = [pool.submit(auth.token, deadline) for _ in range(3)]
        wait_until(lambda: waiting_for_a_login() == 3)
        go.set()
        assert isinstance(first.exception(), KeyboardInterrupt)
        assert [other.result().text for other in others] == ["second"] * 3
    assert len(turns) == 2


RENEWAL, _FIRST = inspect.getsourcelines(Auth.renew)


@pytest.mark.parametrize("line", range(len(RENEWAL)))
def test_ctrl_c_at_any_line_of_a_renewal_leaves_no_login_without_an_end(line):
    auth = Auth(Credentials(user="u"), lambda _deadline: Token("fresh"))

    def at(frame, event, _argument):
        if event == "line" and frame.f_lineno == _FIRST + line:
            raise KeyboardInterrupt
        return at if frame.f_code is Auth.renew.__code__ else None

    before = sys.gettrace()
    sys.settrace(at)
    with suppress(KeyboardInterrupt):
        auth.renew(None, Deadline(HANG))
    sys.settrace(before)
    assert auth.token(Deadline(HANG)).text == "fresh"


def test_waiting_for_the_login_of_another_thread_respects_the_deadline():
    entered, go = threading.Event(), threading.Event()

    def login(_deadline):
        entered.set()
        go.wait(HANG)
        return Token("late")

    auth = Auth(Credentials(user="u"), login)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(auth.token, Deadline(None))
        entered.wait(HANG)
        with pytest.raises(RequestTimeoutError, match=r"deadline of 0\.05 s"):
            auth.token(Deadline(0.05))
        go.set()
        assert first.result().text == "late"


def test_a_login_and_the_call_after_it_share_one_deadline(monkeypatch):
    for left in (0.5, 5.0):  # seconds for the second request; 5 if the machine is too busy to send it in 0.5
        clock = Clock()
        monkeypatch.setattr("explorer_frames._http.exchange.time", clock)

        def script(_number, request, clock=clock):
            if not is_login(request):
                return [9 * HANG]
            clock.advance(HANG)
            return granted(0)

        with served(script, **LOGIN, retries=0, timeout=9 * HANG, deadline=HANG + left) as (
            server,
            explorer,
        ):
            begun = time.monotonic()
            with pytest.raises(RequestTimeoutError, match=f"deadline of {HANG + left:g} s"):
                explorer.read_sample_result(1, "a", schema=None)
            assert time.monotonic() - begun < HANG / 2
        if len(server.requests) == 2:
            break
    assert [is_login(request) for request in server.requests] == [True, False]


def test_a_failed_login_leaves_the_explorer_usable():
    def script(number, request):
        if is_login(request):
            return no(50004003) if number == 0 else granted(number)
        return answer(envelope())

    with served(script, **LOGIN) as (_, explorer):
        with pytest.raises(ExplorerFramesError):
            explorer.read_sample_result(1, "a", schema=None)
        assert len(explorer.read_sample_result(1, "a", schema=None)) == 2


def test_error_of_secret_callable_is_reported_without_its_message():
    def broken() -> str:
        raise LookupError("the vault is sealed")

    auth = Auth(Credentials(token=Secret("token", broken)), lambda _deadline: Token("x"))
    for _ in range(2):
        with pytest.raises(ConfigError, match="raised LookupError") as caught:
            auth.token(Deadline(HANG))
        assert "sealed" not in str(caught.value)


def test_a_server_error_at_login_is_tried_again_as_any_other(monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    answers = [no(50004000), no(0, "503 Busy")]

    def script(number, request):
        if is_login(request):
            return answers[number] if number < 2 else granted(number)
        return answer(envelope())

    with served(script, **LOGIN) as (server, explorer):
        assert len(explorer.read_sample_result(1, "a", schema=None)) == 2
    with served(no(50004001), **LOGIN) as (server, explorer), pytest.raises(ServerError):
        explorer.read_sample_result(1, "a", schema=None)
    assert len(server.requests) == 3
