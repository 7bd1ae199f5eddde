"""Settings: argument > environment > ConfigError, ids that lead nowhere else, secrets that stay secret."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from cases import each
from faults.rawserver import RawServer, answer, envelope
from hypothesis import example, given, strategies as st

from explorer_frames import Explorer
from explorer_frames._arguments import checked_count, checked_id
from explorer_frames._http.auth import Token
from explorer_frames._http.config import Secret
from explorer_frames.errors import ConfigError

CANARY = "c4naryS3cret"
LOGIN = {"user": "root", "password": CANARY, "graphd": "127.0.0.1:9669"}
BROKEN_BYTES = "byte-\udcff"  # what os.environ makes of bytes that are no text


def environ(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"EXPLORER_FRAMES_{name}", value)


def refused(**options) -> str:
    with pytest.raises(ConfigError) as caught:
        Explorer(**({"url": "http://host:7002", "token": CANARY} | options))
    assert CANARY not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


# --- argument > environment > ConfigError


def test_url_comes_from_the_argument_then_the_environment_then_not_at_all(monkeypatch):
    assert "EXPLORER_FRAMES_URL" in refused(url=None)
    environ(monkeypatch, URL="http://from-environment:1")
    assert Explorer(token="t")._settings.url == "http://from-environment:1"
    assert Explorer("http://argument:2", token="t")._settings.url == "http://argument:2"


ENVIRONMENTS = {
    "token": {"TOKEN": "env-token"},
    "login": {"USER": "env-user", "PASSWORD": "env-password", "GRAPHD": "env-graphd:1"},
}


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ({"token": "t"}, {}, ("t", None, None, None)),
        ({"token": "t"}, ENVIRONMENTS["token"] | ENVIRONMENTS["login"], ("t", None, None, None)),
        ({}, ENVIRONMENTS["token"] | ENVIRONMENTS["login"], ("env-token", None, None, None)),
        ({}, ENVIRONMENTS["login"], (None, "env-user", "env-password", ("env-graphd", 1))),
        ({"user": "u"}, ENVIRONMENTS["token"] | ENVIRONMENTS["login"], (None, "u", "env-password", ("env-graphd", 1))),
        ({"password": "p"}, ENVIRONMENTS["login"], (None, "env-user", "p", ("env-graphd", 1))),
        ({"graphd": "g:2"}, ENVIRONMENTS["login"], (None, "env-user", "env-password", ("g", 2))),
        ({"user": "u", "password": "p", "graphd": "[::1]:9669"}, {}, (None, "u", "p", ("::1", 9669))),
    ],
)
def test_credentials_come_from_arguments_before_the_environment(monkeypatch, arguments, variables, expected):
    environ(monkeypatch, **variables)
    found = Explorer("http://host", **arguments)._credentials
    secrets = [secret and secret.reveal() for secret in (found.token, found.password)]
    assert (secrets[0], found.user, secrets[1], found.graphd) == expected


@each(
    ("arguments", "named"),
    [
        ({"token": None}, ["TOKEN", "requires user, password and graphd"]),
        ({"token": None, "user": "u"}, ["requires password and graphd"]),
        ({"token": None, "user": "u", "password": CANARY}, ["requires graphd"]),
        ({"token": CANARY, "user": "u"}, ["mutually exclusive"]),
        ({"token": CANARY, "password": CANARY}, ["mutually exclusive"]),
        ({"token": CANARY, "graphd": "h:1"}, ["mutually exclusive"]),
        ({"token": None, **LOGIN, "graphd": "host"}, ["host:port"]),
        ({"token": None, **LOGIN, "graphd": ":9669"}, ["host:port"]),
        ({"token": None, **LOGIN, "graphd": "h:0"}, ["host:port"]),
        ({"token": None, **LOGIN, "graphd": "h:65536"}, ["host:port"]),
        ({"token": None, **LOGIN, "graphd": "h:" + "9" * 5000}, ["host:port"]),
        ({"token": None, **LOGIN, "graphd": "h:\u0663"}, ["host:port"]),
        ({"token": None, **LOGIN, "graphd": "h\r\n:1"}, ["host:port"]),
        ({"token": None, **LOGIN, "graphd": "h\udcff:1"}, ["host:port"]),
        ({"token": None, **LOGIN, "graphd": ("h", 1)}, ["host:port"]),
        ({"token": None, **LOGIN, "user": 5}, ["user"]),
        ({"token": None, **LOGIN, "user": "a\nb"}, ["user"]),
        ({"token": None, **LOGIN, "user": BROKEN_BYTES}, ["user"]),
        ({"token": None, **LOGIN, "user": "a:b", "auth_encoding": "colon"}, ["user"]),
        ({"auth_encoding": "basic"}, ["'json' or 'colon'"]),
        ({"auth_encoding": None}, ["'json' or 'colon'"]),
    ],
)
def test_invalid_credentials_are_rejected(arguments, named):
    message = refused(**arguments)
    assert all(word in message for word in named)


# --- url


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://host:7002", "http://host:7002"),
        ("http://host:7002/", "http://host:7002"),
        ("https://host/prefix", "https://host/prefix"),
        ("https://host/prefix/", "https://host/prefix"),
        ("http://host:7002/api-open/v1", "http://host:7002"),
        ("http://host:7002/api-open/v1/", "http://host:7002"),
        ("http://host:7002//api-open/v1//", "http://host:7002"),
        ("http://host/a/b/api-open/v1", "http://host/a/b"),
        ("http://host/not-api-open/v1", "http://host/not-api-open/v1"),
        ("HTTP://[::1]:7002", "http://[::1]:7002"),
    ],
)
def test_url_with_prefix_slash_and_api_path_is_reduced_to_its_base(url, base):
    assert Explorer(url, token="t")._settings.url == base


@pytest.mark.parametrize(
    "url",
    [
        "http://root:c4naryS3cret@host:7002",
        "http://c4naryS3cret@host",
        "http://:c4naryS3cret@host",
        "root:c4naryS3cret@host:7002",
        "http:/root:c4naryS3cret@host",
        "http:root:c4naryS3cret@host",
        "http:\\\\root:c4naryS3cret@host",
        "http://root:12#c4naryS3cret@host",
        "http://root:12/c4naryS3cret@host",
        "http://root:c4naryS3cret/@host",
        "http://root:c4naryS3cret",
        "http://host?token=c4naryS3cret",
        "http://host/#c4naryS3cret",
        "ftp://root:c4naryS3cret@host",
        "http://[c4naryS3cret",
    ],
)
def test_a_url_that_may_hold_a_secret_is_refused_and_not_shown(url):
    refused(url=url)


@each(
    "url",
    [
        "host:7002", "host", "//host:7002", "/path", "http://", "http:///path", "http://:7002", "ftp://host", "file:///etc/passwd",
        "javascript:x", "http://good@evil", "http://good\\@evil", "http://host\\evil", "http://ho st", " http://host", "http://host\n",
        "http://ho\tst", "http://ho\x00st", "http://ho\x7fst", "http://ho\u2028st", "http://ho\u3000st", "http://host\udcff",
        "http://host?", "http://host?a=b", "http://host/#", "http://host#f", "http://host:0", "http://host:99999", "http://host:-1",
        "http://host:x", "http://host:\u0667", "http://[::1", "http://[x]:1", 5, b"http://host", ["http://host"],
    ],
)  # fmt: skip
def test_invalid_explorer_url_is_rejected(url):
    assert "http://host:7002" in refused(url=url)


# --- times, tries, certificates


@each(
    ("name", "value"),
    [
        *[("timeout", bad) for bad in (0, -1, True, "5", float("nan"), float("inf"), 1e300, 10**400)],
        *[("timeout", bad) for bad in ((), (1,), (1, 2, 3), (0, 1), (1, "2"), [1, 2])],
        *[("deadline", bad) for bad in (0, -0.1, True, "600", float("nan"), float("inf"), 1e300, 10**400, (1, 2))],
        *[("retries", bad) for bad in (-1, 1.0, True, None, "2")],
        *[("max_bytes", bad) for bad in (0, -1, 1.5, True, "many")],
        *[("trust_env", bad) for bad in (0, None, "no")],
        *[("verify", bad) for bad in ("ca.pem", 0, 1, None, "")],
        *[("ca_bundle", bad) for bad in ("", "/no/such.pem", "\0", 5, True)],
        *[("client_cert", bad) for bad in ("", "/no/such.pem", 5, (), (__file__,), (__file__, None), (__file__,) * 3)],
        ("client_cert", (__file__, "/no/such.key")),
    ],
)
def test_invalid_settings_are_rejected_by_name(name, value):
    assert name in refused(**{name: value}) or "certificate" in refused(**{name: value})


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (None, (threading.TIMEOUT_MAX, threading.TIMEOUT_MAX)),
        ((1, None), (1.0, threading.TIMEOUT_MAX)),
        (np.int64(3), (3.0, 3.0)),
        (np.float32(0.5), (0.5, 0.5)),
    ],
)
def test_timeout_accepts_numpy_numbers_and_none(timeout, expected):
    settings = Explorer("https://host", token="t", timeout=timeout, retries=np.int8(1), deadline=np.int64(7))._settings
    assert (settings.timeout, settings.retries, settings.deadline) == (expected, 1, 7.0)


def test_a_call_without_a_timeout_is_answered(sandbox):
    job, task = sandbox.add_result([["a"], ["1"]])
    with Explorer(sandbox.url, token=sandbox.token, timeout=None, deadline=None) as explorer:
        assert len(explorer.read_sample_result(job, task)) == 1


def test_the_vid_type_of_an_explorer_is_the_default_of_its_calls(sandbox, tmp_path):
    job_id, task_id = sandbox.add_result([["7"], ["1"]], name="PageRank")
    with Explorer(sandbox.url, token=sandbox.token, vid_type="int64") as explorer:
        job = explorer.job(job_id)
        frames = [explorer.read_sample_result(job_id, task_id), job["PageRank"].read(), *job.read().values()]
        frames.append(explorer.history(sandbox.workflows["results"], last=1))
        assert [str(frame["id"].dtype).lower() for frame in frames] == ["int64"] * 4
        assert explorer.read_sample_result(job_id, task_id, vid_type="string")["id"].tolist() == ["7"]
        assert job["PageRank"].export(tmp_path / "a.parquet").schema.field("id").type == "int64"
        assert (
            pickle.loads(pickle.dumps(Explorer("http://localhost:1", token=str, vid_type="int64")))._vid_type == "int64"
        )
    assert "vid_type" in refused(vid_type="int")


@pytest.mark.parametrize("bad", [0, -1, 1.0, True, "1", None, 11])
def test_integer_arguments_accept_numpy_and_pandas_types(bad):
    assert [checked_count("n", good, most=10) for good in (1, np.int64(10))] == [1, 10]
    with pytest.raises(ConfigError, match="n must be a positive integer, got "):
        checked_count("n", bad, most=10)


def test_an_empty_ca_bundle_does_not_switch_verification_off():
    assert "certificate" in refused(ca_bundle="")
    assert Explorer("https://host", token="t")._settings.verify is True


def test_ca_bundle_and_verify_false_contradict_each_other():
    assert "mutually exclusive" in refused(ca_bundle=__file__, verify=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"timeout": 5}, {"timeout": (5.0, 5.0)}),
        ({"timeout": (1, 2.5)}, {"timeout": (1.0, 2.5)}),
        ({"timeout": np.float64(0.5)}, {"timeout": (0.5, 0.5)}),
        ({"deadline": None}, {"deadline": None}),
        ({"retries": 0}, {"retries": 0}),
        ({"ca_bundle": __file__}, {"verify": __file__}),
        ({"verify": False}, {"verify": False}),
        ({"client_cert": __file__}, {"client_cert": __file__}),
        ({"max_bytes": 2**40, "trust_env": False}, {"max_bytes": 2**40, "trust_env": False}),
        ({"client_cert": (__file__, __file__)}, {"client_cert": (__file__, __file__)}),
    ],
)
def test_settings_that_can_work_are_kept(options, expected):
    found = Explorer("http://host", token="t", **options)._settings
    assert {name: getattr(found, name) for name in expected} == expected


# --- ids and limit


@each(
    "value",
    [
        "", ".", "..", "../../x", "a/b", "a\\b", "%2e", "%2e%2e", "a%2fb", "a b", " a", "a\n", "a\r\n", "\n", "a\0b",
        "a?b=c", "a#b", "a;b", "a:b", "å", "\u0661", "名", "\udcff", "x" * 129, True, False, 1.0, float("nan"), None,
        b"a", ["a"], 10**130, np.float64(1),
    ],
)  # fmt: skip
@each("which", [0, 1])
def test_ids_that_could_lead_elsewhere_are_refused_before_any_socket(value, which):
    ids = ["1", "a"]
    ids[which] = value
    with RawServer(lambda _number, _request: b"") as server, Explorer(server.url, token="t") as explorer:
        with pytest.raises(ConfigError, match=("job_id", "task_id")[which]):
            explorer.read_sample_result(*ids)
        assert server.connections == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("8c171f70fb6f", "8c171f70fb6f"),
        ("query_1", "query_1"),
        ("a.b-c", "a.b-c"),
        ("...", "..."),
        ("x" * 128, "x" * 128),
        (27, "27"),
        (np.int64(27), "27"),
        (np.uint8(7), "7"),
        (np.str_("a"), "a"),
    ],
)
def test_ids_are_letters_digits_dots_dashes_or_any_integer(value, text):
    assert checked_id("task_id", value) == text


@given(text=st.one_of(st.text(), st.text("./%a\\", max_size=6), st.from_regex(r"\A[\w.-]{1,9}\Z")))
@example(text="..")
@example(text="a?limit=1")
def test_any_text_as_task_id_is_refused_before_any_socket_or_is_that_very_segment(text):
    reached = []

    def script(_number, request):
        reached.append(request.split(b" ")[1])
        return answer(envelope("[]"))

    with RawServer(script) as server, Explorer(server.url, token="t", retries=0) as explorer:
        try:
            explorer.read_sample_result(1, text, 10, schema=None)
        except ConfigError:
            assert server.connections == 0
        else:
            assert reached == [f"/api-open/v1/jobs/1/tasks/{text}/sample_result?limit=10".encode("ascii")]


@pytest.mark.parametrize("limit", [0, -1, True, False, 1.5, 10.0, "10", 2**31, np.float64(5), float("nan"), [5]])
def test_a_limit_that_is_no_number_of_rows_is_refused_before_any_socket(limit):
    with RawServer(lambda _number, _request: b"") as server, Explorer(server.url, token="t") as explorer:
        for read in (explorer.read_sample_result, explorer.read_sample_result_arrow):
            with pytest.raises(ConfigError, match="limit"):
                read(1, "a", limit)
        assert server.connections == 0


@pytest.mark.parametrize(
    ("limit", "sent"), [(3, b"3"), (2**31 - 1, b"2147483647"), (None, b"2147483647"), (np.int32(7), b"7")]
)
def test_limit_is_sent_unchanged_and_none_is_the_maximum(limit, sent):
    with RawServer(lambda _number, _request: answer(envelope())) as server, Explorer(server.url, token="t") as explorer:
        explorer.read_sample_result(1, "a", limit, schema=None)
    assert b"limit=" + sent + b" HTTP" in server.requests[0]


@pytest.mark.parametrize(
    "options",
    [{"vid_type": "int"}, {"vid_type": ""}, {"schema": "pagerang"}, {"schema": 5}, {"dtype_backend": "arrow"}],
)
def test_other_arguments_are_checked_before_any_socket(options):
    with RawServer(lambda _number, _request: b"") as server, Explorer(server.url, token="t") as explorer:
        with pytest.raises(ConfigError):
            explorer.read_sample_result(1, "a", **options)
        assert server.connections == 0


# --- secrets


@pytest.mark.parametrize("text", ["", "a\nb", "a\rb", "a\0b", BROKEN_BYTES, None, 5, b"bytes"])
def test_a_secret_that_is_no_usable_text_is_refused_without_showing_it(text):
    with pytest.raises(ConfigError) as caught:
        Secret("password", lambda: text).reveal()
    assert "EXPLORER_FRAMES_PASSWORD" in str(caught.value)
    assert "byte" not in str(caught.value)


def test_secret_callable_is_called_on_each_use():
    answers = iter(["one", "two"])
    secret = Secret("token", lambda: next(answers))
    assert [secret.reveal(), secret.reveal()] == ["one", "two"]


def test_secrets_from_the_environment_are_read_when_needed_not_kept(monkeypatch):
    environ(monkeypatch, URL="http://host", TOKEN="one")
    token = Explorer()._credentials.token
    environ(monkeypatch, TOKEN="two")
    assert token.reveal() == "two"
    monkeypatch.delenv("EXPLORER_FRAMES_TOKEN")
    with pytest.raises(ConfigError):
        token.reveal()


def everything_in(thing, seen) -> str:
    """What a thing and all of ours that it holds show of themselves, and of their attributes, down to the secrets."""
    if id(thing) in seen or not type(thing).__module__.startswith("explorer_frames"):
        return ""
    seen.add(id(thing))
    names = [] if isinstance(thing, Secret | Token) else [*getattr(thing, "__dict__", getattr(thing, "__slots__", ()))]
    held = [getattr(thing, name) for name in names]
    return "".join(f"{value!r} {value!s} {value}\n{everything_in(value, seen)}" for value in [thing, *held])


@pytest.mark.parametrize("options", [{"token": CANARY}, {"token": lambda: CANARY}, LOGIN])
def test_no_repr_of_an_explorer_or_of_anything_it_holds_shows_a_secret(options):
    with RawServer(_accepting) as server, Explorer(server.url, **options) as explorer:
        explorer.read_sample_result(1, "a", schema=None)
        shown = everything_in(explorer, set())
        assert "<Explorer http://127.0.0.1" in shown
        assert "<Token ****>" in shown
        assert "****" in shown.replace("<Token ****>", "")
        assert CANARY not in shown


def _accepting(_number, request):
    cookie = f"Set-Cookie: explorer_token={CANARY}; Path=/\r\n" if request.startswith(b"POST") else ""
    return answer(envelope(), headers=cookie)


def from_vault() -> str:
    return CANARY


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"token": CANARY}, "EXPLORER_FRAMES_TOKEN"), (LOGIN, "EXPLORER_FRAMES_PASSWORD")],
)
@pytest.mark.parametrize("carry", [pickle.dumps, copy.copy, copy.deepcopy])
def test_pickling_a_literal_secret_raises_with_a_hint(options, hint, carry):
    explorer = Explorer("http://host", **options)
    if carry is copy.copy:
        assert CANARY not in repr(carry(explorer))  # it stays in this process
        return
    with pytest.raises(ConfigError) as caught:
        carry(explorer)
    assert hint in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_pickled_explorer_carries_no_secret_and_works_in_a_new_process(sandbox, monkeypatch, tmp_path):
    job, task = sandbox.add_result([["a"], ["1.5"]])
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "vault.py").write_text(f"def fetch():\n    return {sandbox.token!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    cargo = b""
    for options in ({}, {"token": __import__("vault").fetch}):
        with Explorer(**options) as explorer:
            explorer.read_sample_result(job, task)
            cargo += pickle.dumps(explorer)
    assert sandbox.token.encode() not in cargo
    assert sandbox.password.encode() not in cargo
    code = (
        "import pickle, sys; sys.path.insert(0, sys.argv[3])\n"
        "for _ in range(2):\n"
        "    with pickle.load(sys.stdin.buffer) as explorer:\n"
        "        print(explorer.read_sample_result(int(sys.argv[1]), sys.argv[2])['id'].tolist())"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(job), task, str(tmp_path)]
    done = subprocess.run(command, input=cargo, capture_output=True, check=False)
    assert done.stdout.decode().splitlines() == ["['a']"] * 2, done.stderr.decode()
    sys.modules.pop("vault", None)


def test_a_function_that_fails_to_get_a_secret_is_named_and_not_quoted():
    def vault() -> str:
        raise KeyError("SEKRET")

    with pytest.raises(ConfigError, match="raised KeyError") as caught:
        Explorer("http://127.0.0.1:9", token=vault).list_jobs()
    assert "SEKRET" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("options", [{"token": 5}, {"user": "u", "password": b"x", "graphd": "h:1"}])
def test_a_secret_that_is_no_text_is_refused_at_once(options):
    with pytest.raises(ConfigError, match="must be a str or a function"):
        Explorer("http://127.0.0.1:9", **options)
