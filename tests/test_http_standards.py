"""HTTP as RFC 9110 and 9112 define it: dates, content codings, connection reuse, and errors of proxies and files."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import warnings
from contextlib import contextmanager, suppress
from email.utils import formatdate
from importlib.util import find_spec

import pytest
import trustme
from cases import each
from cryptography.hazmat.primitives import serialization
from faults.rawserver import RawServer, answer, envelope
from served import served

from explorer_frames import Explorer
from explorer_frames._http.environment import proxy_of
from explorer_frames._http.retries import retry_after_seconds
from explorer_frames.errors import (
    ConfigError,
    ConnectionFailedError,
    ExplorerFramesError,
    NotFoundError,
    ServerError,
    UnencryptedWarning,
)

TOKEN = "c4naryT0ken"
NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110
GOOD = answer(envelope())


# --- Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10),
        ("Sun Nov  6 08:49:47 1994", 10),
        ("sun, 06 nov 1994 08:49:47 gmt", 10),
        (" Sun, 06 Nov 1994 08:49:47 GMT ", 10),
        ("Sun, 06 Nov 1994 09:49:47 +0100", 10),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e1", None),
        ("7 s", None),
        ("7, 8", None),
        ("\xb2", None),
        ("Sun, 06 Nov 1994", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Foo 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 25:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +9999999999", None),
        (",,,", None),
        ("GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_in_any_of_three_formats(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds


def test_a_fraction_of_a_second_is_rounded_up_to_the_date():
    assert retry_after_seconds("Sun, 06 Nov 1994 08:49:47 GMT", NOW + 0.4) == 10


@pytest.fixture
def sleeps(monkeypatch):
    """Every sleep before another try, in place of sleeping, on a clock that stands still."""
    slept = []
    monkeypatch.setattr("explorer_frames._threads.time.sleep", slept.append)
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    monkeypatch.setattr("explorer_frames._http.transport.time.time", lambda: NOW)
    return slept


@pytest.mark.parametrize(
    "date", ["Sun, 06 Nov 1994 08:49:44 GMT", "Sunday, 06-Nov-94 08:49:44 GMT", "Sun Nov  6 08:49:44 1994"]
)
@pytest.mark.parametrize("status", ["503 Busy", "429 Slow Down"])
def test_a_date_in_retry_after_is_waited_for(date, status, sleeps):
    busy = answer(b"", status, f"Retry-After: {date}\r\n")
    with served(lambda number, _: GOOD if number else busy) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", 1000, schema=None)) == 2
    assert sleeps == [7]


def test_distant_retry_after_date_ends_the_call(sleeps):
    busy = answer(b"", "503 Busy", f"Retry-After: {formatdate(NOW + 3600, usegmt=True)}\r\n")
    with served(busy) as (server, explorer), pytest.raises(ServerError) as caught:
        explorer.read_sample_result(1, "a", schema=None)
    assert (len(server.requests), sleeps) == (1, [])
    assert "3600 s" in caught.value.hint


@pytest.mark.parametrize("header", ["Sun, 06 Nov 1994 08:49:30 GMT", "Sun, 06 Nov", "tomorrow"])
def test_a_date_in_the_past_or_an_invalid_one_adds_no_wait(header, sleeps):
    busy = answer(b"", "503 Busy", f"Retry-After: {header}\r\n")
    with served(lambda number, _: GOOD if number else busy) as (_, explorer):
        assert len(explorer.read_sample_result(1, "a", 1000, schema=None)) == 2
    assert sleeps == [0]


# --- Content-Encoding


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "X-GZip", " GZIP \t", "x-gzip  ", "\tx-gzip"])
@pytest.mark.parametrize("times", [1, 3])
def test_any_spelling_of_gzip_is_decompressed(coding, times):
    body = gzip.compress(envelope())
    said = answer(body, headers=f"Content-Encoding:{coding}\r\n")
    with served(said) as (server, explorer):
        for _ in range(times):
            assert explorer.read_sample_result(1, "a", 1000, schema=None)["id"].tolist() == ["a", "b"]
            assert explorer.read_sample_result_arrow(1, "a", 1000, schema=None).num_rows == 2
        assert server.connections == 1


# --- connections that are not used again

ROWS = {
    number: answer(envelope(f'[["row{number}","{number}"]]'), headers="Content-Type: application/json\r\n")
    for number in range(9)
}
EMPTY = {
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "205": b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "200, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "503": b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "404 as a page": answer(b"<html>", "404 Not Found"),
    "200 as a page": answer(b"<html>"),
    "200, blank": answer(b"  "),
    "302": answer(b"", "302 Found", "Location: /x\r\n"),
    "code missing": answer(b'{"data":{"items":[]}}'),
    "204 that announces a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 60\r\n\r\n",
    "204, chunked": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    "304 that announces a body": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 60\r\n\r\n",
}


def ids(explorer) -> list[str]:
    return explorer.read_sample_result(1, "a", 1000, schema=None)["id"].tolist()


@pytest.mark.parametrize("empty", EMPTY.values(), ids=EMPTY)
def test_connection_is_not_reused_after_an_invalid_response(empty):
    """What follows such a response late would be read as the response to the next request."""
    late = threading.Event()

    def script(number, _request):
        if number == 0:
            yield empty
            late.wait(20)
            yield ROWS[7]  # as if for the second call, whose own rows the third call would get
        else:
            yield ROWS[number]

    with served(script, retries=0) as (server, explorer):
        with pytest.raises(ExplorerFramesError):
            ids(explorer)
        late.set()
        assert [ids(explorer) for _ in range(3)] == [["row1"], ["row2"], ["row3"]]
        assert server.connections == 2


@pytest.mark.parametrize("junk", [b"\r\n", b"x", ROWS[7], ROWS[7] * 3, b"HTTP/1.1 200 OK\r\n", b"x" * 200_000])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_connection_is_not_reused_after_trailing_bytes(junk, apart, chunked):
    def whole(number):
        if not chunked:
            return ROWS[number]
        body = envelope(f'[["row{number}","{number}"]]')
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    with served(lambda number, _: [whole(number), 0.01, junk] if apart else whole(number) + junk) as (
        server,
        explorer,
    ):
        for number in range(3):
            assert ids(explorer) == [f"row{number}"]
            if apart:
                threading.Event().wait(0.2)  # until the surplus has arrived
        assert server.connections == 3


def test_connection_is_not_reused_after_ambiguous_framing():
    body = envelope()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
    both = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with served(both) as (server, explorer):
        for _ in range(2):
            assert ids(explorer) == ["a", "b"]
        assert server.connections == 2


@pytest.mark.parametrize("code", [40404000, 40004001, 50004003])
def test_connection_is_reused_after_a_complete_error_response(code):
    refusal = answer(b'{"code":%d,"message":"no"}' % code)
    with served(lambda number, _: ROWS[number] if number % 2 else refusal) as (server, explorer):
        for number in (1, 3):
            with pytest.raises(ExplorerFramesError):
                ids(explorer)
            assert ids(explorer) == [f"row{number}"]
        assert server.connections == 1


def test_a_stream_that_was_not_read_to_its_end_gives_no_bytes_to_the_next_call():
    many = ",".join(f'["v{number}","1"]' for number in range(100_000))

    with served(lambda number, _: ROWS[number] if number else answer(envelope(f"[{many}]"))) as (
        server,
        explorer,
    ):
        with explorer.open_sample_result(1, "a", None, schema=None) as reader:
            reader.read_next_batch()
        assert [ids(explorer) for _ in range(2)] == [["row1"], ["row2"]]
        assert server.connections == 2


# --- proxies and certificate files: the error names the setting


def refused(url: str, **options) -> ExplorerFramesError:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnencryptedWarning)
        with (
            pytest.raises(ExplorerFramesError) as caught,
            Explorer(url, token=TOKEN, timeout=10, deadline=30, **options) as explorer,
        ):
            explorer.read_sample_result(1, "a", schema=None)
    assert "attempts" not in caught.value.where, "it is not retried"
    assert TOKEN not in str(caught.value)
    return caught.value


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["{}_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://ann:s3cretpw@127.0.0.1:9", "PySocks"),
        ("socks5h://127.0.0.1:9", "PySocks"),
        ("socks4://127.0.0.1:9", "PySocks"),
        ("http://127.0.0.1:port", "not a valid proxy URL"),
        ("http://ann:s3cretpw@127.0.0.1:99999", "not a valid proxy URL"),
        ("ftp://127.0.0.1:9", "not a valid proxy URL"),
        ("http://", "not a valid proxy URL"),
        ("http://[::1", "not a valid proxy URL"),
        ("not a host", "not a valid proxy URL"),
    ],
)
@pytest.mark.skipif(find_spec("socks") is not None, reason="PySocks is installed")
def test_invalid_proxy_raises_config_error_with_the_variable(scheme, variable, proxy, said, monkeypatch):
    monkeypatch.setenv(variable.format(scheme), proxy)
    error = refused(f"{scheme}://explorer.invalid")
    assert type(error) is ConfigError
    assert said in error.what
    assert variable.format(scheme) in error.what
    assert variable.format(scheme) in error.hint
    assert "s3cretpw" not in str(error)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.invalid"])
def test_a_proxy_that_is_not_reached_names_its_variable(scheme, host, closed_port, monkeypatch):
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://ann:s3cretpw@{host}:{closed_port}")
    error = refused(f"{scheme}://explorer.invalid")
    assert type(error) is ConnectionFailedError
    assert "proxy" in error.what
    assert f"{scheme.upper()}_PROXY" in error.hint
    assert error.unsent
    assert "s3cretpw" not in str(error)


@pytest.mark.parametrize("body", [b"<html>", b"", b"{}", b'{"error":"proxy"}'])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_requires_credentials_names_its_variable(scheme, body, monkeypatch):
    challenge = 'Proxy-Authenticate: Basic realm="x"\r\n'
    with RawServer(lambda *_: answer(body, "407 Proxy Authentication Required", challenge)) as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://127.0.0.1:{proxy.port}")
        error = refused(f"{scheme}://explorer.invalid")
        assert len(proxy.requests) == 1
    assert type(error) is ConnectionFailedError
    assert "407" in error.what
    assert f"{scheme.upper()}_PROXY" in error.hint
    assert error.http_status == 407


@each(
    ("url", "host"),
    [
        ("http://h.example:1", "h.example:1"),
        ("https://ann:s3cret@h.example:1/", "h.example:1"),
        ("ann:s3cret@[::1]:1", "[::1]:1"),
        ("http://ann:12#s3cret@h.example", "h.example"),
        ("http://ann:p@s3/cret@h.example", "h.example"),
        ("http://h.example/?s3cret", ""),
        ("http://ann:s3cret", ""),
    ],
)
def test_the_host_of_a_proxy_has_no_credentials(url, host):
    assert proxy_of("http://explorer.invalid", {"http": url}).host == host


def test_status_407_of_explorer_does_not_mention_proxy_settings():
    with served(answer(b"<html>", "407 Proxy Authentication Required")) as (server, explorer):
        with pytest.raises(ConnectionFailedError) as caught:
            explorer.read_sample_result(1, "a", schema=None)
        assert len(server.requests) == 1
    assert caught.value.http_status == 407
    assert "proxy at this url" in caught.value.what
    assert "url=" in caught.value.hint
    assert "_PROXY" not in str(caught.value)


def test_the_code_of_an_envelope_comes_before_status_407():
    with served(answer(b'{"code":40404000,"message":"no"}', "407 X")) as (_, explorer), pytest.raises(NotFoundError):
        explorer.read_sample_result(1, "a", schema=None)


@pytest.mark.parametrize(("status", "tries"), [(403, 1), (502, 3), (503, 3)])
def test_a_tunnel_that_a_proxy_refuses_is_retried_only_where_the_status_is_transient(status, tries, monkeypatch):
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    with RawServer(lambda *_: answer(b"", f"{status} No")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with (
            Explorer("https://explorer.invalid", token=TOKEN) as explorer,
            pytest.raises(ConnectionFailedError) as caught,
        ):
            explorer.read_sample_result(1, "a", schema=None)
        assert len(proxy.requests) == tries
    assert str(status) in caught.value.what
    assert "HTTPS_PROXY" in caught.value.hint


def test_proxy_rejection_proves_that_no_job_started(monkeypatch):
    with RawServer(lambda *_: answer(b"<html>", "407 No")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        with (
            warnings.catch_warnings(action="ignore"),
            Explorer("http://explorer.invalid", token=TOKEN) as explorer,
            pytest.raises(ConnectionFailedError, match="407"),
        ):
            explorer.run_workflow(1)
        assert len(proxy.requests) == 1


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "ca_bundle"])
@pytest.mark.parametrize("kind", ["missing", "no certificate", "empty", "folder"])
def test_a_ca_bundle_that_cannot_be_loaded_is_named(name, kind, tmp_path, monkeypatch, closed_port):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    path = tmp_path / "ca.pem"
    if kind == "folder":
        path = tmp_path
    elif kind != "missing":
        path.write_text("nonsense" if kind == "no certificate" else "")
    options = {"ca_bundle": path} if name == "ca_bundle" else {}
    if not options:
        monkeypatch.setenv(name, str(path))
    if kind == "folder":  # of hashed certificates; an empty one is valid
        with trusted_server() as server:
            error = refused(f"https://localhost:{server}", **options)
        assert type(error) is ConnectionFailedError
        assert name in error.hint
        return
    if kind == "missing" and options:
        with pytest.raises(ConfigError, match=r"ca_bundle: .* does not exist"):
            Explorer("https://localhost", token=TOKEN, **options)
        return
    error = refused(f"https://localhost:{closed_port}", **options)
    assert type(error) is ConfigError
    assert name in error.what
    assert name in error.hint
    assert "ca.pem" in error.what
    assert "attempts" not in error.where


@contextmanager
def trusted_server():
    """A port where TLS answers with a certificate of an unknown CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_a_client_certificate_that_cannot_be_loaded_is_named(tmp_path, closed_port):
    mine, other = trustme.CA().issue_cert("me"), trustme.CA().issue_cert("other")
    cert, key, bad = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "bad.pem"
    mine.cert_chain_pems[0].write_to_path(cert)
    other.private_key_pem.write_to_path(key)
    bad.write_text("nonsense")
    for files in (str(bad), str(cert), (str(cert), str(bad)), (str(bad), str(key)), (str(cert), str(key))):
        error = refused(f"https://localhost:{closed_port}", client_cert=files)
        assert type(error) is ConfigError
        assert error.what.startswith("client_cert: ")
        assert "client_cert" in error.hint
    with pytest.raises(ConfigError, match=r"client_cert: .* does not exist"):
        Explorer("https://localhost", token=TOKEN, client_cert=(str(cert), str(tmp_path / "no.pem")))


def test_an_encrypted_key_is_refused_without_a_question_in_the_terminal(tmp_path, closed_port):
    mine = trustme.CA().issue_cert("me")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    mine.cert_chain_pems[0].write_to_path(cert)
    key.write_bytes(
        serialization.load_pem_private_key(mine.private_key_pem.bytes(), None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    error = refused(f"https://localhost:{closed_port}", client_cert=(str(cert), str(key)))
    assert type(error) is ConfigError
    assert "unencrypted" in error.hint


def test_trust_env_false_does_not_mention_environment_settings(tmp_path, monkeypatch, closed_port):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    with (
        Explorer(f"https://localhost:{closed_port}", token=TOKEN, trust_env=False, retries=0) as explorer,
        pytest.raises(ConnectionFailedError) as caught,
    ):
        explorer.read_sample_result(1, "a", schema=None)
    assert "PROXY" not in str(caught.value)
    assert "BUNDLE" not in str(caught.value)
