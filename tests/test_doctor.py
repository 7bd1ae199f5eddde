"""The doctor, before servers and stores that have each thing that can be wrong."""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import sys
import threading
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest
import trustme
from cases import each
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from faults.rawserver import RawServer, answer, envelope
from limits import HANG

from explorer_frames import Explorer
from explorer_frames._doctor import finding, server, target
from explorer_frames._doctor.examination import VARIABLES, Setup, examine
from explorer_frames.errors import ConfigError, ExplorerFramesError
from explorer_frames.sandbox import Graph, Sandbox

pytest_plugins = ["storage"]

ORDER = ["versions", "configuration", *server.CHECKS]
LOGIN = {"EXPLORER_FRAMES_TOKEN": "", "EXPLORER_FRAMES_USER": "root", "EXPLORER_FRAMES_GRAPHD": "g:9669"}
CANARY = "c4naryPassw0rd"


@pytest.fixture
def diagnose(cli, monkeypatch):
    """Call `doctor --json` with an environment; gives its exit code and its findings by name."""

    def call(environment, *arguments):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        done = cli("doctor", "--json", *arguments)
        assert done.err == ""
        assert CANARY not in done.out
        found = {}
        for one in done.json["findings"]:
            before = found.get(one["name"])
            found[one["name"]] = one | {"hint": f"{before['what']} {before['hint']} {one['hint']}"} if before else one
        states = [one["state"] for one in done.json["findings"]]
        assert done.json["problems"] == states.count("problem")
        assert done.json["warnings"] == states.count("warning")
        assert done.code == (1 if "problem" in states else 0)
        for one in found.values():
            assert one["hint"] or one["state"] not in ("problem", "warning"), one
        return {name: (one["state"], f"{one['what']}; {one['hint']}") for name, one in found.items()}

    return call


@pytest.fixture(scope="module")
def scored():
    """A sandbox with a job that has rows."""
    with Sandbox() as server:
        workflow = server.add_workflow("w", Graph.les_miserables(), {"a": ("HyperANF", {}), "b": ("PageRank", {})})
        with Explorer(server.url, token=server.token) as explorer:
            explorer.run_workflow(workflow).wait(progress=False)
        yield server


def states(found):
    return {name: state for name, (state, _) in found.items()}


# --- all well


def test_doctor_reports_no_problems(diagnose, scored):
    jobs = len(scored.requests)
    found = diagnose(scored.environment)
    assert list(found) == ORDER
    assert set(states(found).values()) == {"ok"}
    assert "for 3 days" in found["login"][1]
    assert "limit=10000 and limit=100000 returned 77 rows" in found["limit"][1], "not the task with a single row"
    assert not [one for one in scored.requests[jobs:] if one.method == "POST" and "workflows" in one.path]


def test_a_given_task_and_a_given_limit(diagnose, scored):
    job, task = scored.add_result([[str(number) for number in range(5_100)], ["1"] * 5_100], name="Ranks")
    for given in (task, "Ranks"):
        found = diagnose(scored.environment, "--job-id", job, "--task-id", given, "--limit", 50)
        state, text = found["limit"]
        assert state == "ok"
        assert text.startswith("limit=50 returned 50 rows")
        assert f"[job {job}, task {task}]" in text
    assert diagnose(scored.environment, "--job-id", job, "--task-id", "nope")["limit"][0] == "problem"


def test_without_any_job_the_limit_is_not_known(diagnose):
    with Sandbox() as server:
        found = diagnose(server.environment)
    assert found["limit"][0] == "skipped"
    assert found["jobs"] == ("ok", "the server has no jobs; None")


# --- configuration


def test_missing_settings_are_reported(diagnose):
    found = diagnose({})
    assert found["configuration"][0] == "problem"
    assert "Pass --url http://host:7002" in found["configuration"][1]
    assert "Set EXPLORER_FRAMES_TOKEN" in found["configuration"][1], "each error has its own hint"
    assert {found[name][0] for name in server.CHECKS} == {"skipped"}


def test_connection_is_checked_without_credentials(diagnose, scored):
    found = diagnose({"EXPLORER_FRAMES_URL": scored.url, "EXPLORER_FRAMES_USER": "root"})
    assert found["configuration"][0] == "problem"
    assert "requires password and graphd" in found["configuration"][1]
    assert found["http"][0] == "ok"
    assert found["login"][0] == "problem"
    assert found["jobs"][0] == "skipped"


def test_every_variable_of_the_package_is_known():
    package = Path(target.__file__).parents[1]
    named = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r"EXPLORER_FRAMES_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
    }
    assert named - VARIABLES == set()


def test_unknown_environment_variable_is_reported_without_secrets(diagnose, scored):
    found = diagnose({**scored.environment, "EXPLORER_FRAMES_PASWORD": CANARY})
    assert found["configuration"][0] == "warning"
    assert "Did you mean 'EXPLORER_FRAMES_PASSWORD'" in found["configuration"][1]


# --- the way there


def test_unresolvable_host_name_is_reported(diagnose, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = diagnose(
        LOGIN | {"EXPLORER_FRAMES_URL": "http://explorer.invalid:7002", "EXPLORER_FRAMES_PASSWORD": CANARY}
    )
    state, text = found["address"]
    assert state == "problem"
    assert [word for word in ("explorer.invalid", "service not known", "--url", "DNS") if word not in text] == []
    assert found["connection"][0] == found["limit"][0] == "skipped"


def test_closed_port(diagnose):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        found = diagnose(LOGIN | {"EXPLORER_FRAMES_URL": url, "EXPLORER_FRAMES_PASSWORD": CANARY})
    assert found["address"][0] == "ok"
    assert found["connection"][0] == "problem"
    assert "refused" in found["connection"][1]


def test_other_addresses_are_tried_without_ipv6(diagnose, scored, monkeypatch):
    def both(host, port, **_):
        return [
            *((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 9, 0, 0)) for _ in range(5)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)),
        ]

    class Socket(socket.socket):
        def __init__(self, family=socket.AF_INET, *arguments, **options):
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *arguments, **options)

    monkeypatch.setattr(server.socket, "getaddrinfo", both)
    monkeypatch.setattr(server.socket, "socket", Socket)
    monkeypatch.setattr(server, "CHECKS", ("address", "connection"))
    assert diagnose(scored.environment)["connection"][0] == "ok"
    monkeypatch.setattr(server.socket, "getaddrinfo", lambda *_, **__: both("", 0)[:5])
    found = diagnose(scored.environment)
    assert found["connection"][0] == "problem"
    assert "Address family not supported" in found["connection"][1]


def test_https_to_plain_http_server(diagnose, scored):
    found = diagnose({**scored.environment, "EXPLORER_FRAMES_URL": scored.url.replace("http:", "https:")})
    assert found["connection"][0] == "ok"
    assert found["encryption"][0] == "problem"
    assert "TLS connection failed" in found["encryption"][1]
    assert found["http"][0] == "skipped"


class _Greeting(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"code":40104000,"message":"no"}')

    def log_message(self, *_):
        pass


def test_https_with_a_certificate_that_is_trusted_and_with_one_that_is_not(diagnose, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("localhost", 0), _Greeting) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        environment = {"EXPLORER_FRAMES_URL": f"https://localhost:{server.server_port}", "EXPLORER_FRAMES_TOKEN": "t"}
        try:
            untrusted = diagnose(environment)
            trusted = diagnose(environment | {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")})
        finally:
            server.shutdown()
            thread.join()
    assert untrusted["encryption"][0] == "problem"
    assert "Set --ca-bundle to a PEM file" in untrusted["encryption"][1]
    assert trusted["encryption"][0] == trusted["http"][0] == "ok"


@each(
    ("status", "headers", "said"),
    [
        ("502 Bad Gateway", "", ["a gateway returned HTTP status 502", "Check that Explorer is running"]),
        ("503 No", "Retry-After: 30\r\n", ["HTTP status 503", "wait of 30 s"]),
        ("504 No", "", ["HTTP status 504"]),
        ("401 No", "", ["HTTP status 401", "requires its own login"]),
        ("403 No", "", ["HTTP status 403", "refused the request"]),
        ("404 No", "", ["HTTP status 404", "Check the path in --url"]),
    ],
)
def test_a_gateway_that_answers_in_place_of_explorer(diagnose, status, headers, said):
    with RawServer(lambda *_: answer(b"<html>", status, headers)) as raw:
        found = diagnose({"EXPLORER_FRAMES_URL": raw.url, "EXPLORER_FRAMES_TOKEN": "t"})
    assert found["http"][0] == "problem"
    assert all(text in found["http"][1] for text in said), found["http"]
    assert found["login"][0] == "skipped"


def test_a_wrong_prefix_is_found_before_the_login(diagnose, scored):
    found = diagnose({**scored.environment, "EXPLORER_FRAMES_URL": f"{scored.url}/wrong"})
    assert found["http"][0] == "problem"
    assert f"Pass --url {scored.url}. Explorer responded at this URL." in found["http"][1]
    assert "not from the Explorer API (code 40404000)" in found["http"][1]
    assert found["login"][0] == "skipped"
    missing = lambda *_: answer(b'{"code":40404000,"message":"no"}', "404 No")  # noqa: E731
    with RawServer(missing) as raw:
        found = diagnose({"EXPLORER_FRAMES_URL": f"{raw.url}/wrong"})
    assert "A gateway may require a prefix" in found["http"][1]


@each("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_named(diagnose, monkeypatch, scheme):
    with RawServer(lambda *_: answer(b"<html>", "407 No")) as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://ann:{CANARY}@127.0.0.1:{proxy.port}")
        found = diagnose({"EXPLORER_FRAMES_URL": f"{scheme}://explorer.invalid", "EXPLORER_FRAMES_TOKEN": "t"})
    assert found["http"][0] == "problem"
    assert f"the proxy 127.0.0.1:{proxy.port} requires credentials (HTTP 407)" in found["http"][1]
    assert f"Set {scheme.upper()}_PROXY to http://user:password@host:port" in found["http"][1]


@each("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "EXPLORER_FRAMES_CA_BUNDLE", "EXPLORER_FRAMES_CLIENT_CERT"])
def test_a_certificate_file_that_is_missing_is_named(diagnose, monkeypatch, name, tmp_path):
    if name == "SSL_CERT_FILE" and sys.platform in ("darwin", "win32"):
        return
    with tls(trustme.CA()) as url, monkeypatch.context() as patch:
        patch.setenv(name, str(tmp_path / "nope.pem"))
        found = diagnose({"EXPLORER_FRAMES_URL": url, "EXPLORER_FRAMES_TOKEN": "t"})
    check = "configuration" if name.startswith("EXPLORER") else "encryption"
    assert found[check][0] == "problem"
    assert name in found[check][1]
    assert "nope.pem" in found[check][1]


@contextmanager
def tls(authority, name="localhost", client_authority=None):
    """A server that answers over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        client_authority.configure_trust(context)
    server = ThreadingHTTPServer(("localhost", 0), _Greeting)
    server.handle_error = lambda *_: None  # a handshake that fails
    with server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_each_certificate_error_has_a_specific_message(diagnose, tmp_path, monkeypatch):
    authority, other = trustme.CA(), trustme.CA()
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "mine", "other")}
    authority.cert_pem.write_to_path(files["ca"])
    authority.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(files["mine"])
    other.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(files["other"])
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", "t")
    mine = ("--client-cert", files["mine"])

    def said(url, *options):
        return diagnose({"EXPLORER_FRAMES_URL": url}, "--ca-bundle", files["ca"], *options)["encryption"]

    with tls(authority, "other.example") as url:
        assert "--url" in said(url)[1]
    with tls(other) as url:
        with warnings.catch_warnings(action="ignore"):  # urllib3 warns, too
            found = Explorer(url, token="t", verify=False).doctor()["encryption"]
        assert found.state == "warning"
        assert "verify=False" in found.what
        assert "--ca-bundle" in said(url)[1]
    key = load_pem_private_key(authority.issue_cert("me@example.org").private_key_pem.bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    files["encrypted"] = tmp_path / "encrypted.pem"
    _, begin, rest = files["mine"].read_bytes().partition(b"-----BEGIN CERTIFICATE")
    files["encrypted"].write_bytes(begin + rest + encrypted)
    with tls(authority, client_authority=authority) as url:
        for client_cert in (str(files["encrypted"]), (str(files["mine"]), str(files["encrypted"]))):
            with pytest.raises(ConfigError, match="the key is encrypted"):
                Explorer(url, token="t", ca_bundle=files["ca"], client_cert=client_cert).list_jobs(1)
        assert "--client-cert" in said(url)[1]
        assert "The server rejected the client certificate" in said(url, "--client-cert", files["other"])[1]
        state, text = said(url, *mine)
        assert state == "ok"
        assert "ca_bundle" in text
        untrusted = diagnose({"EXPLORER_FRAMES_URL": url}, *mine)["encryption"]
        assert "--ca-bundle" in untrusted[1]
        monkeypatch.setenv("SSL_CERT_FILE", str(files["ca"]))
        if sys.platform not in ("darwin", "win32"):
            state, text = diagnose({"EXPLORER_FRAMES_URL": url}, *mine)["encryption"]
            assert state == "ok"
            assert "operating system" in text


def test_a_proxy_is_left_to_look_up_names(diagnose, scored, monkeypatch):
    monkeypatch.setenv("http_proxy", scored.url)  # it serves no other host
    monkeypatch.setenv("no_proxy", "")
    found = diagnose({**scored.environment, "EXPLORER_FRAMES_URL": "http://explorer.invalid:7002"})
    assert found["address"][0] == found["connection"][0] == "skipped"
    assert found["encryption"][0] == "warning", "in clear text, beyond this machine"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free.getsockname()[1]}")
        found = diagnose({**scored.environment, "EXPLORER_FRAMES_URL": "https://explorer.invalid:7002"})
    assert found["encryption"][0] == "skipped", "nobody has seen a certificate"
    assert found["http"][0] == "problem"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer(b"<html>hello</html>"), "not valid JSON"),
        (answer(b"<html>no</html>", "404 Not Found"), "HTTP status 404"),
        (answer(b"{}"), ""),
        (answer(b"", "302 Found", "Location: http://elsewhere/\r\n"), "redirects"),
        (b"nonsense\r\n\r\n", "invalid HTTP"),
        (b"", "closed the connection"),
    ],
)
def test_response_of_another_server_is_detected(diagnose, said, why):
    with RawServer(lambda *_: said) as raw:
        found = diagnose(LOGIN | {"EXPLORER_FRAMES_URL": raw.url, "EXPLORER_FRAMES_PASSWORD": CANARY})
        assert not [request for request in raw.requests if b"Bearer" in request], "it gets no password"
    assert found["http"][0] == "problem"
    assert why in found["http"][1]
    assert found["login"][0] == "skipped"


@pytest.mark.parametrize(("days", "side"), [(2, "ahead of"), (-2, "behind")])
def test_a_clock_that_is_wrong(diagnose, days, side):
    date = format_datetime(datetime.now(UTC) + timedelta(days=days), usegmt=True)
    said = answer(b'{"code":40104000,"message":"no"}', headers=f"Date: {date}\r\n")
    with RawServer(lambda *_: said) as raw:
        found = diagnose({"EXPLORER_FRAMES_URL": raw.url, "EXPLORER_FRAMES_TOKEN": "t"})
    assert found["clock"][0] == "warning"
    assert side in found["clock"][1]


# --- who we are


def test_the_encoding_that_works_is_shown(diagnose):
    with Sandbox(auth_encoding="colon") as server:
        found = diagnose(server.environment)
        assert [one.path for one in server.requests].count("/api-open/v1/connect") == 4, "two for the rest"
        assert found["login"][0] == found["jobs"][0] == "ok"
        assert "with the encoding colon" in found["login"][1]
        found = diagnose(server.environment, "--auth-encoding", "json")
        assert found["login"][0] == "problem"
        assert "--auth-encoding colon" in found["login"][1]
        assert "3.1.0" in found["login"][1]
        assert set(states(diagnose(server.environment, "--auth-encoding", "colon")).values()) <= {"ok", "skipped"}


def test_a_wrong_password_is_tried_in_both_encodings_and_no_more(diagnose):
    with Sandbox() as server:
        found = diagnose({**server.environment, "EXPLORER_FRAMES_PASSWORD": CANARY})
        assert [one.path for one in server.requests].count("/api-open/v1/connect") == 2
    assert found["login"][0] == "problem"
    assert "(encodings tried: json, colon)" in found["login"][1]


def test_wrong_graphd_and_wrong_password_have_different_errors(diagnose, scored):
    found = diagnose({**scored.environment, "EXPLORER_FRAMES_GRAPHD": "elsewhere:9669"})
    assert found["login"][0] == "problem"
    assert "Check graphd" in found["login"][1]


def test_a_token_that_is_good_and_one_that_has_ended(diagnose):
    with Sandbox() as server:
        environment = {"EXPLORER_FRAMES_URL": server.url, "EXPLORER_FRAMES_TOKEN": server.token}
        assert diagnose(environment)["login"][0] == "ok"
        server.expire_tokens()
        found = diagnose(environment)
    assert found["login"][0] == "problem"
    assert "Get a new token" in found["login"][1]


@pytest.mark.parametrize("date", ["Mon, 01 Jan 0001 00:00:00 GMT", "0001-01-01T00:00:00Z", "", "yesterday"])
def test_the_zero_time_is_not_a_date_to_compare_clocks_with(diagnose, date):
    said = answer(b'{"code":40104000,"message":"no"}', headers=f"Date: {date}\r\n")
    with RawServer(lambda *_: said) as raw:
        found = diagnose({"EXPLORER_FRAMES_URL": raw.url, "EXPLORER_FRAMES_TOKEN": "t"})
    assert found["clock"][0] == "skipped"


def test_a_license_that_has_ended(diagnose):
    def script(_, request):
        if b"Cookie" not in request:
            return answer(b'{"code":40104000,"message":"no"}')
        return answer(b'{"code":50004003,"message":"ErrInternalLicense"}')

    with RawServer(script) as raw:
        found = diagnose({"EXPLORER_FRAMES_URL": raw.url, "EXPLORER_FRAMES_TOKEN": CANARY})
    assert found["license"][0] == "problem"
    assert "Renew" in found["license"][1]


# --- limit


def test_round_number_cap_emits_a_warning(diagnose):
    with Sandbox(limit_cap=1000) as server:
        server.add_result([[str(number) for number in range(2000)], ["1"] * 2000])
        found = diagnose(server.environment | {"EXPLORER_FRAMES_ROW_CAP": "500"})  # which does not count here
    assert found["limit"][0] == "warning"
    assert "limit=10000 and limit=100000 returned 1,000 rows" in found["limit"][1]


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (lambda limit: min(limit // 2, 900), "problem"),  # more for a larger one, though less than asked for
        (lambda limit: limit + 1, "problem"),  # does not keep to it
        (lambda limit: min(limit, 777), "ok"),
        (lambda limit: limit, "ok"),
    ],
)
def test_server_that_ignores_the_limit(diagnose, rows, state):
    def script(_, request):
        if b"Cookie" not in request:
            return answer(b'{"code":40104000,"message":"no"}')
        if b"sample_result" in request:
            limit = int(request.split(b"limit=")[1].split(b" ")[0])
            return answer(envelope("[" + ",".join(['["a","1"]'] * rows(limit)) + "]"))
        if b"jobs/1 " in request:
            return answer(b'{"code":0,"data":{"id":1,"status":2,"tasks":[{"id":"t","name":"T","status":2}]}}')
        return answer(envelope("[]", "0").replace(b"items", b'total":0,"items'))

    with RawServer(script) as raw:
        environment = {"EXPLORER_FRAMES_URL": raw.url, "EXPLORER_FRAMES_TOKEN": "t"}
        found = diagnose(environment, "--job-id", "1", "--task-id", "t", "--limit", "1000")
        limits = [int(limit) for request in raw.requests for limit in re.findall(rb"limit=(\d+)", request)]
    assert found["limit"][0] == state
    assert {*limits} <= {1, 100, 1000}, "no limit is larger than --limit"


# --- a place to write to


def test_a_folder_that_can_be_written_to_and_is_left_as_it_was(diagnose, scored, tmp_path):
    memory = fsspec.filesystem("memory")
    before = memory.find("/")
    (tmp_path / "kept").mkdir()
    kept = tmp_path / "kept"
    for url in (tmp_path, kept, kept / "x.parquet", tmp_path / "new", f"{tmp_path}/", "memory://doctor"):
        found = diagnose(scored.environment, url)
        assert found["driver"][0] == found["target"][0] == "ok"
    # A sync creates its folder, and nothing else creates any.
    for url in (
        tmp_path / "new" / "deep",
        tmp_path / "new" / "x.parquet",
        "memory://doctor/new",
        "memory://no/x.feather",
    ):
        found = diagnose(scored.environment, url)
        assert found["target"][0] == "problem"
        assert "the folder does not exist" in found["target"][1]
    assert [path.name for path in tmp_path.rglob("*")] == ["kept"]
    assert memory.find("/") == before


def test_a_bucket(diagnose, scored, s3_bucket, s3_options, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_STORAGE_OPTIONS", json.dumps(s3_options))
    found = diagnose(scored.environment, f"{s3_bucket}/doctor/here")
    assert found["driver"][0] == found["target"][0] == "ok"
    assert "s3fs" in found["driver"][1]
    fs = fsspec.filesystem("s3", **s3_options)
    fs.invalidate_cache()
    assert {*fs.find("frames/doctor")} <= {"frames/doctor"}  # SeaweedFS removes an empty folder later
    missing = diagnose(scored.environment, "s3://misspelled/here")
    assert missing["target"][0] == "problem"
    assert "Create the bucket" in missing["target"][1]


def test_file_in_place_of_a_folder_is_reported(diagnose, scored, tmp_path):
    (tmp_path / "file").write_text("kept")
    found = diagnose(scored.environment, tmp_path / "file" / "folder")
    assert found["target"][0] == "problem"
    assert "not a folder" in found["target"][1]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_driver_that_is_not_installed_or_not_known(diagnose, scored, monkeypatch):
    assert diagnose(scored.environment, "nope://x/y")["driver"][0] == "problem"

    def missing(scheme):
        raise ImportError(f"Install {scheme}fs")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    found = diagnose(scored.environment, "s3://bucket/folder")
    assert found["driver"][0] == "problem"
    assert "install the extra 's3': pip install 's3fs" in found["driver"][1]
    assert found["target"][0] == "skipped"


def test_missing_delete_permission_is_a_warning(diagnose, scored, monkeypatch, tmp_path):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(target.Target, "remove", lambda self: self.attempt("remove", refuse))
    found = diagnose(scored.environment, tmp_path)
    assert found["target"][0] == "warning"
    (left,) = tmp_path.iterdir()
    assert left.name in found["target"][1]


def test_options_for_the_store_are_not_shown(diagnose, scored):
    found = diagnose(scored.environment, "s3://bucket/folder", "--storage-option", f"nope={CANARY}")
    assert found["target"][0] == "problem"


# --- it always ends


def test_a_check_that_does_not_end_is_a_problem():
    release, ended = threading.Event(), []

    def check():
        release.wait(HANG)
        ended.append("too late")

    found = finding.found("slow", 0.1, check)
    assert ended == []
    release.set()
    assert (found.state, found.what) == ("problem", "no result within 0.1 s")


def test_unexpected_error_of_a_check_is_reported():
    def refuses():
        raise ExplorerFramesError("no", where="here", hint="do")

    assert finding.found("x", HANG, refuses) == finding.Finding("x", "problem", "no [here]", "do")

    def breaks():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        finding.found("x", HANG, breaks)


def test_silent_server_ends_with_timeout(monkeypatch):
    monkeypatch.setattr(server, "QUICK", {"timeout": (0.2, 0.2), "deadline": HANG, "retries": 0})
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", "t")
    with RawServer(lambda *_: [9 * HANG]) as raw:
        found, secure = (
            {one.name: one for one in examine(Setup.of({"url": url}), None)}
            for url in (raw.url, raw.url.replace("http:", "https:"))
        )
    assert found["http"].state == "problem"
    assert "no data within the timeout" in found["http"].what
    assert secure["encryption"].state == "skipped", "no TLS handshake took place"
    assert secure["http"].state == "problem"


def test_deadline_replaces_the_default_deadline(diagnose, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", "t")
    monkeypatch.setattr(server, "_SLACK", HANG)
    with RawServer(lambda *_: [9 * HANG]) as raw:
        found = diagnose({"EXPLORER_FRAMES_URL": raw.url}, "--deadline", "0.3")
        assert found["http"][0] == "problem"
        assert "0.3 s" in found["http"][1]
        bad = diagnose({"EXPLORER_FRAMES_URL": raw.url}, "--deadline", "-1")
    assert bad["configuration"][0] == "problem"
    assert "deadline must be" in bad["configuration"][1]


def test_few_results_are_read_to_find_one_with_rows(diagnose):
    with Sandbox() as many:
        for _ in range(4):
            job, _ = many.add_result([["a"], ["1"]])
            for _ in range(4):
                many.add_result([["a"], ["1"]], job_id=job)
        assert diagnose(many.environment)["limit"][0] == "ok"
        reads = [one for one in many.requests if "sample_result" in one.path]
    assert len(reads) <= server._TRIED + 3


def test_doctor_yields_findings_as_they_are_available(scored, monkeypatch):
    for name, value in scored.environment.items():
        monkeypatch.setenv(name, value)
    before = len(scored.requests)
    findings = examine(Setup.of({}), None)
    assert [next(findings).name, next(findings).name] == ["versions", "configuration"]
    assert len(scored.requests) == before
    assert next(findings).name == "address"


# --- in Python


def test_the_diagnosis_of_an_explorer(scored, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_ROW_CAP", "5")  # does not count, as on the command line
    with Explorer(scored.url, user=scored.user, password=scored.password, graphd=scored.graphd) as explorer:
        diagnosis = explorer.doctor(path=tmp_path)
        assert [finding.name for finding in diagnosis] == [*ORDER, "driver", "target"]
        assert diagnosis.ok
        assert {finding.state for finding in diagnosis.findings} == {"ok"}
        assert diagnosis["configuration"].what == f"Explorer {scored.url} as root"
        assert diagnosis.to_dict()["findings"][0]["name"] == "versions"
        with pytest.raises(KeyError, match="nope"):
            diagnosis["nope"]
        job_id, _ = scored.add_result([[f"v{number}" for number in range(50)], ["1"] * 50])
        job = explorer.job(job_id)
        task = job.tasks[0]
        for given in ((job, task.name), (job.job_id, task.name), (job, task), (task,), (job.job_id, task.task_id)):
            what = explorer.doctor(*given, limit=20)["limit"].what
            assert what.startswith("limit=20 returned 20 rows")
            assert f"[job {job.job_id}, " in what
        for wrong in ({"job_id": 1}, {"task_id": "t"}, {"job_id": "../x", "task_id": "t"}, {"limit": 0}):
            with pytest.raises(ConfigError):
                explorer.doctor(**wrong)


def test_the_problems_of_an_explorer_are_shown_and_not_raised():
    with RawServer(lambda *_: answer(b"<html>", "502 <No>")) as raw, Explorer(raw.url, token=CANARY) as explorer:
        diagnosis = explorer.doctor()
    assert not diagnosis.ok
    (problem,) = diagnosis.problems
    assert (problem.name, problem.state) == ("http", "problem")
    text, page = repr(diagnosis), diagnosis._repr_html_()
    assert text.splitlines()[0] == f"<Diagnosis of {raw.url}: 1 problem, no warnings>"
    assert "problem  http           a gateway returned HTTP status 502" in text
    assert "                        Check that Explorer is running" in text
    assert "<td style='text-align:left'>problem</td>" in page
    assert CANARY not in text + page + str(diagnosis.to_dict())
