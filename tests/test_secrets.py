"""No secret comes to light: each way a call can end, by each way in which something can be seen, for each canary."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
import pickle
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import fsspec
import pyarrow as pa
import pytest
import requests
import trustme
from canaries import (
    CANARIES,
    PASSWORD,
    PROXY_USERINFO,
    SIGNATURE,
    STORAGE_KEY,
    TOKEN,
    USER,
    USERINFO,
    Watch,
    found,
    told_by,
    told_by_error,
)
from cases import each
from faults.rawserver import RawServer, answer, envelope
from limits import HANG
from platforms import needs_proc

import explorer_frames
from explorer_frames import Explorer, _errors, errors, read_output, write_feather, write_parquet
from explorer_frames._secrets import conceal
from explorer_frames.dask import read_output as dask_output, read_sample_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

pytest_plugins = ["storage"]

LOGINS = {
    "token": {"token": TOKEN},
    "json": {"user": USER, "password": PASSWORD, "graphd": "h:9669"},
    "colon": {"user": USER, "password": PASSWORD, "graphd": "h:9669", "auth_encoding": "colon"},
}
# What each server has to be told; to any other one it is a secret like the rest.
EXPLORER = {"password", "json bearer", "colon bearer", "token"}
TABLE = pa.table({"id": ["a", "b"], "score": [1.5, 2.5]})


def s3_login(url: str) -> dict[str, Any]:
    return {"key": "name", "secret": STORAGE_KEY, "endpoint_url": url}


def last(said: bytes) -> bytes:
    """Say that the connection is closed behind this answer, lest the next request meets it half closed."""
    status, end, rest = said.partition(b"\r\n")
    return status + end + b"Connection: close\r\n" + rest if status.startswith(b"HTTP/1.1 ") else said


@dataclass
class Stage:
    """What a path can play with; it ends with all that was started."""

    folder: Path
    login: dict[str, Any]
    s3_endpoint: str
    monkeypatch: pytest.MonkeyPatch
    kept: list[Any] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)
    heard: list[tuple[RawServer, set[str]]] = field(default_factory=list)

    def serve(self, script: Any, allowed: set[str] = frozenset()) -> RawServer:
        """Start a server that may be told some of the canaries."""
        server = RawServer(script if callable(script) else lambda *_: script)
        self.stack.enter_context(server)
        self.heard.append((server, allowed))
        return server

    def explorer(self, script: Any = b"", url: str = "", **options: Any) -> Explorer:
        """Make an Explorer whose server takes every login, and answers to the rest by a script."""

        def accepting(number: int, request: bytes) -> Any:
            if request.startswith(b"POST /api-open/v1/connect "):
                return last(granted())
            said = script(number, request) if callable(script) else script
            return last(said) if isinstance(said, bytes) else said

        url = url or self.serve(accepting, EXPLORER).url
        return self.keep(
            self.stack.enter_context(Explorer(url, **{"retries": 0, "timeout": HANG, **self.login, **options}))
        )

    def keep(self, thing: Any) -> Any:
        """Have an object looked at, too."""
        self.kept.append(thing)
        return thing

    def s3(self, url: str = "") -> dict[str, Any]:
        return s3_login(url or self.s3_endpoint)

    def told(self) -> Iterator[tuple[str, str | bytes]]:
        for thing in self.kept:
            yield from ((f"{type(thing).__name__} {sink}", text) for sink, text in told_by(thing))

    def overheard(self) -> Iterator[tuple[str, list[str]]]:
        """What servers were told that they should not know."""
        for server, allowed in self.heard:
            for request in server.requests:
                yield "other hosts", sorted({*found(request)} - allowed)


@pytest.fixture(scope="module")
def bucket(s3_endpoint):
    """Make a bucket with an object in it, and return the server's address."""
    fs = fsspec.filesystem("s3", **s3_login(s3_endpoint))
    fs.makedirs("secrets", exist_ok=True)
    fs.pipe("secrets/there", b"old")
    return s3_endpoint


@pytest.fixture
def stage(tmp_path, monkeypatch, bucket):
    """Plant what is planted in the environment, and have temporary files where they are looked at."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://proxy:{PROXY_USERINFO}@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("EXPLORER_FRAMES_DEBUG", "1")  # tracebacks have all frames then
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("explorer_frames._http.retries.random.uniform", lambda *_: 0.0)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    stage = Stage(tmp_path, {}, bucket, monkeypatch)
    with stage.stack:
        yield stage


# --- the paths

PATHS: dict[str, tuple[type[BaseException] | None, Callable[[Stage], Any]]] = {}
CASES: list[Any] = []


def path(
    name: str, raises: type[BaseException] | None, logins: Iterable[str] = LOGINS
) -> Callable[[Callable[[Stage], Any]], None]:
    """Add what ends in one way, with each kind of login that it may depend on: one of them in the fast lane, in turn."""

    def add(action: Callable[[Stage], Any]) -> None:
        assert name not in PATHS
        known = [*logins]
        fast = known[len(PATHS) % len(known)]
        PATHS[name] = raises, action
        CASES.extend(pytest.param(name, login, marks=[] if login == fast else pytest.mark.slow) for login in known)

    return add


def read(explorer: Explorer) -> Any:
    return explorer.read_sample_result(1, "a", None, schema=None)


def echoes(status: str, body: Callable[[str], str], headers: Callable[[str], str] = lambda _: "") -> Any:
    """A server that says back what it was told."""

    def script(_number: int, request: bytes) -> bytes:
        told = next(line for line in request.decode("latin-1").split("\r\n") if line.startswith("Cookie"))
        return answer(body(told).encode(), status, headers(told))

    return script


def silent(*_: Any) -> list[float]:
    return [9.0]


CLOSE = "Connection: close\r\n"  # lest the next request goes out over a connection that is about to end
WHOLE = answer(envelope(), headers=CLOSE)
ZIPPED = answer(gzip.compress(envelope()), headers="Content-Encoding: gzip\r\n")


def granted() -> bytes:
    return answer(b'{"code":0,"data":{}}', headers=f"Set-Cookie: explorer_token={TOKEN}; Path=/\r\n{CLOSE}")


FAULTS: dict[str, tuple[type[BaseException] | None, Any, dict[str, Any]]] = {
    "whole": (None, WHOLE, {}),
    "zipped": (None, ZIPPED, {}),
    "hangs up": (errors.ConnectionFailedError, b"", {}),
    "hangs up, three times": (errors.ConnectionFailedError, b"", {"retries": 2}),
    "no HTTP": (errors.ConnectionFailedError, b"SSH-2.0-OpenSSH\r\n\r\n", {}),
    "silent": (errors.RequestTimeoutError, silent, {"timeout": 0.1}),
    "silent, deadline": (errors.RequestTimeoutError, silent, {"deadline": 0.2}),
    "cut by length": (errors.TruncatedBodyError, answer(envelope(), length=999), {}),
    "cut in a chunk": (errors.TruncatedBodyError, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", {}),
    "cut in gzip": (errors.EnvelopeError, answer(ZIPPED.split(b"\r\n\r\n", 1)[1][:30], headers="Content-Encoding: gzip\r\n"), {}),
    "no gzip": (errors.TruncatedBodyError, answer(b"x" * 50, headers="Content-Encoding: gzip\r\n"), {}),
    "negative chunk": (errors.TruncatedBodyError, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", {}),
    "two lengths": (errors.TransportError, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", {}),
    "wrong encoding": (errors.TransportError, answer(envelope(), headers="Content-Encoding: br\r\n"), {}),
    "too large": (errors.TransportError, WHOLE, {"max_bytes": 10}),
    "empty": (errors.EnvelopeError, answer(b""), {}),
    "a page": (errors.EnvelopeError, answer(b"<html>Log in</html>"), {}),
    "no UTF-8": (errors.EnvelopeError, answer(b'{"code":0,"data":{"items":[["\xff","1"]]}}'), {}),
    "names twice": (errors.EnvelopeError, answer(b'{"code":0,"code":0,"data":{"items":[]}}'), {}),
    "no items": (errors.EnvelopeError, answer(envelope("null")), {}),
    "ragged": (errors.RowShapeError, answer(envelope('[["a","1"],["b"]]')), {}),
    "no number": (errors.ColumnTypeError, answer(envelope('[["a","x"]]')), {}),
    **{
        f"code {code}, status {status}": (cls, answer(f'{{"code":{code},"message":"no"}}'.encode(), status, CLOSE), {})
        for code, cls in [*_errors._BY_CODE.items(), (49904000, errors.ServerError)]
        for status in ("200 OK", "500 Internal Server Error")
    },
    **{
        f"status {status}": (cls, answer(b"<html>", f"{status} No"), {})
        for status, cls in [
            *_errors._BY_STATUS.items(),
            *((status, errors.ServerError) for status in (404 + 14, 429, 500, 502, 503, 504)),
        ]
    },
    "asks to wait": (errors.ServerError, answer(b"", "503 Busy", "Retry-After: 86400\r\n"), {"retries": 2}),
    "echoes in a message": (errors.ServerError, echoes("200 OK", lambda told: json.dumps({"code": 50004000, "message": told})), {}),
    "echoes far back in a message": (errors.ServerError, echoes("200 OK", lambda told: json.dumps({"code": 50004000, "message": "x" * 165 + told})), {}),
    "echoes in a page": (errors.EnvelopeError, echoes("200 OK", lambda told: f"<html>{told}"), {}),
    "echoes in a page of an error": (errors.ServerError, echoes("500 Oh", lambda told: f"<html>{told}"), {}),
    "echoes in a trace id": (errors.ServerError, echoes("200 OK", lambda _: '{"code":50004000}', lambda told: f"Traceparent: {told}\r\n"), {}),
    "echoes in a row": (errors.ColumnTypeError, echoes("200 OK", lambda told: envelope(json.dumps([["a", told]])).decode()), {}),
    "echoes in an encoding": (errors.TransportError, echoes("200 OK", lambda _: "{}", lambda told: f"Content-Encoding: {told}\r\n"), {}),
    "echoes where it redirects": (errors.TransportError, echoes("302 Found", lambda _: "", lambda told: f"Location: http://{told.split('=')[1]}.example/{told}\r\n"), {}),
}  # fmt: skip


def _add_fault(name: str, raises: Any, script: Any, options: dict[str, Any]) -> None:
    @path(f"reads, {name}", raises)
    def _(stage: Stage) -> None:
        stage.keep(read(stage.explorer(script, **options)))


for _name, (_raises, _script, _options) in FAULTS.items():
    _add_fault(_name, _raises, _script, _options)


def no(code: int) -> bytes:
    return answer(f'{{"code":{code},"message":"no"}}'.encode(), headers=CLOSE)


def at_login(name: str, raises: type[BaseException], reply: Any) -> None:
    """What a login meets; a token meets it as it reads."""

    @path(f"logs in, {name}", raises)
    def _(stage: Stage) -> None:
        server = stage.serve(reply, EXPLORER)
        read(stage.explorer(url=server.url, timeout=0.2 if reply is silent else HANG))


def said_back(_number: int, request: bytes) -> bytes:
    """Answer with what was told, decoded, in the words of a refusal."""
    head = request.decode("latin-1")
    told = re.findall("Bearer (.*)|explorer_token=(.*)", head)
    login, token = told[0]
    message = f"{login or token} is {base64.b64decode(login).decode() if login else token}"
    return answer(json.dumps({"code": 40104000, "message": message}).encode(), headers=CLOSE)


at_login("refused", errors.UnauthorizedError, no(40104000))
at_login("refused as by a new server", errors.SessionExpiredError, no(40104001))
at_login("refused with what was told", errors.UnauthorizedError, said_back)
at_login("no license", errors.LicenseError, no(50004003))
at_login("no token comes", errors.EnvelopeError, answer(b'{"code":0,"data":{}}'))
at_login("a cookie that is none", errors.EnvelopeError, answer(b'{"code":0,"data":{}}', headers="Set-Cookie: a=b\r\n"))
at_login("silent", errors.RequestTimeoutError, silent)
at_login("no answer", errors.ConnectionFailedError, b"")


@path("logs in, redirected to another host", errors.TransportError)
def _(stage: Stage) -> None:
    other = stage.serve(WHOLE)
    moved = answer(b"", "307 Temporary Redirect", f"Location: {other.url}/\r\n")
    read(stage.explorer(url=stage.serve(moved, EXPLORER).url))


@path("reads, redirected to another port", errors.TransportError)
def _(stage: Stage) -> None:
    other = stage.serve(WHOLE)
    read(stage.explorer(answer(b"", "302 Found", f"Location: {other.url}/\r\n")))


@path("reads, the session ends for good", errors.SessionExpiredError)
def _(stage: Stage) -> None:
    read(stage.explorer(no(40104001)))


# --- no connection, TLS, proxies


@path("no server", errors.ConnectionFailedError)
def _(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    read(stage.explorer(url=f"http://127.0.0.1:{port}", retries=1))


@path("no such host", errors.ConnectionFailedError)
def _(stage: Stage) -> None:
    read(stage.explorer(url="http://nonexistent.invalid", trust_env=False))


@path("a host that cannot be", errors.TransportError)
def _(stage: Stage) -> None:
    read(stage.explorer(url="http://a..b", trust_env=False))


@path("https to http", errors.ConnectionFailedError)
def _(stage: Stage) -> None:
    read(stage.explorer(url=stage.s3_endpoint.replace("http:", "https:")))


@path("a certificate of a stranger", errors.ConnectionFailedError)
def _(stage: Stage) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError), listener, context.wrap_socket(listener.accept()[0], server_side=True):
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    stage.stack.callback(thread.join)
    read(stage.explorer(url=f"https://127.0.0.1:{listener.getsockname()[1]}"))


def by_proxy(name: str, raises: type[BaseException] | None, reply: Any, url: str, allowed: set[str]) -> None:
    @path(f"by a proxy, {name}", raises)
    def _(stage: Stage) -> None:
        port = stage.serve(reply, {"proxy userinfo", *allowed}).port if reply is not None else 9
        for scheme in ("HTTP", "HTTPS"):
            stage.monkeypatch.setenv(f"{scheme}_PROXY", f"http://ann:{PROXY_USERINFO}@127.0.0.1:{port}")
        explorer = stage.explorer(url=url, timeout=0.2 if reply is silent else HANG)
        with warnings.catch_warnings(record=True):
            explorer.read_sample_result(1, "a", schema=None)


def passed_on(_number: int, request: bytes) -> bytes:
    return granted() if request.startswith(b"POST") else WHOLE


def told_back(_number: int, request: bytes) -> bytes:
    told = next(line for line in request.decode("latin-1").split("\r\n") if line.startswith("Proxy-Auth"))
    return answer(f"<html>{told}".encode(), "407 Proxy Authentication Required", CLOSE)


PLAIN, SECURE = "http://explorer.invalid:7002", "https://explorer.invalid"
by_proxy("which passes on", None, passed_on, PLAIN, EXPLORER)
by_proxy("which is down", errors.ConnectionFailedError, None, PLAIN, set())
by_proxy("which is down, TLS", errors.ConnectionFailedError, None, SECURE, set())
by_proxy("which refuses", errors.ConnectionFailedError, told_back, PLAIN, EXPLORER)
by_proxy("which refuses, TLS", errors.ConnectionFailedError, told_back, SECURE, set())
by_proxy("which is silent", errors.RequestTimeoutError, silent, PLAIN, EXPLORER)
by_proxy("which hangs up, TLS", errors.ConnectionFailedError, b"", SECURE, set())


# --- arguments


def refused(name: str, action: Callable[[Stage], Any]) -> None:
    path(f"refused, {name}", errors.ConfigError, ["token"])(action)


def fails() -> str:
    raise KeyError(TOKEN, PASSWORD)


AT_HOST = f"//ann:{USERINFO}@127.0.0.1:9"
refused("an url with userinfo", lambda stage: stage.explorer(url=f"http:{AT_HOST}"))
refused("an url with a query", lambda stage: stage.explorer(url=f"http://host/?token={SIGNATURE}"))
refused("token and login", lambda stage: Explorer("http://127.0.0.1:9", token=TOKEN, user=USER, password=PASSWORD))
refused("no user", lambda stage: Explorer("http://127.0.0.1:9", password=PASSWORD, graphd="h:1"))
refused("no graphd", lambda stage: Explorer("http://127.0.0.1:9", password=PASSWORD, user=USER, graphd="h"))
refused("no such option", lambda stage: stage.explorer(url="http://127.0.0.1:9", timeout=-1))
refused("a token in bytes", lambda stage: Explorer("http://127.0.0.1:9", token=TOKEN.encode()))
refused("a token no cookie can carry", lambda stage: read(Explorer("http://127.0.0.1:9", token=f"{TOKEN};")))
refused("a token of two lines", lambda stage: read(Explorer("http://127.0.0.1:9", token=f"{TOKEN}\n")))
refused("a function that fails", lambda stage: read(Explorer("http://127.0.0.1:9", token=fails)))
refused("a wrong id", lambda stage: stage.explorer(url="http://127.0.0.1:9").read_sample_result("../x", "a"))
refused("to be pickled", lambda stage: pickle.dumps(stage.explorer(url="http://127.0.0.1:9")))
refused("options that are none", lambda stage: write_parquet(TABLE, "s3://b/x", storage_options=[STORAGE_KEY]))
refused("no driver", lambda stage: write_parquet(TABLE, f"nosuch:{AT_HOST}/x.parquet", storage_options=stage.s3()))
refused("no driver to read", lambda stage: read_output(f"nosuch:{AT_HOST}/x", schema=None, storage_options=stage.s3()))
refused("a chained URL", lambda stage: write_parquet(TABLE, f"simplecache::ftp:{AT_HOST}/x.parquet"))
refused("a URL to write with a query", lambda stage: write_parquet(TABLE, f"s3://b/x.parquet?sig={SIGNATURE}"))
refused("to write to HTTP", lambda stage: write_parquet(TABLE, f"http:{AT_HOST}/x.parquet?sig={SIGNATURE}"))
refused(
    "a sync's folder", lambda stage: stage.explorer(url="http://127.0.0.1:9").sync_workflow(1, f"nosuch:{AT_HOST}/x")
)
refused("dask, secret options", lambda stage: dask_output("s3://b/x", schema=None, storage_options=stage.s3()))
refused("dask, userinfo", lambda stage: dask_output(f"ftp:{AT_HOST}/x", schema=None))
refused("dask, a secret given as text", lambda stage: read_sample_results([("1", "a")], explorer=stage.explorer(WHOLE)))


# --- calls about jobs


def job_of(status: int, *tasks: dict[str, Any]) -> bytes:
    data = {"id": "1", "name": "it", "workflowId": "7", "status": status, "tasks": list(tasks)}
    return answer(json.dumps({"code": 0, "data": data}).encode(), headers=CLOSE)


RAN, FAILED = ({"id": word, "name": "PageRank_1", "status": status} for word, status in (("a", 2), ("b", 3)))


@path("a job, its tasks and their results", None)
def _(stage: Stage) -> None:
    job = stage.explorer(lambda _, request: WHOLE if b"sample_result" in request else job_of(2, RAN)).job(1)
    frame = job.tasks[0].read(10)
    for thing in (job, job.tasks[0], frame, frame.attrs):
        stage.keep(thing)


@path("waits for a job that fails", errors.JobError)
def _(stage: Stage) -> None:
    stage.explorer(job_of(3, RAN, FAILED)).job(1).wait(progress=False)


@path("waits for a job that does not end", errors.JobError)
def _(stage: Stage) -> None:
    stage.explorer(job_of(1, RAN)).job(1).wait(timeout=0.05, poll=0.01, progress=True)


@path("reads all of a job, of which a part fails", errors.JobError)
def _(stage: Stage) -> None:
    second = {**RAN, "id": "b"}
    stage.explorer(lambda _, request: no(50004000) if b"sample_result" in request else job_of(2, RAN, second)).job(
        1
    ).read()


@path("runs a job, and no answer comes", errors.UnsafeToRetryError)
def _(stage: Stage) -> None:
    stage.explorer(b"").run_workflow(1, {"a": {"b": 1}})


@path("lists no jobs", errors.ForbiddenError)
def _(stage: Stage) -> None:
    stage.explorer(no(40304000)).list_jobs()


# --- files


def exporting(name: str, raises: type[BaseException] | None, target: Callable[[Stage], str], **options: Any) -> None:
    @path(f"exports, {name}", raises, ["token"])
    def _(stage: Stage) -> None:
        explorer = stage.explorer(lambda _, request: WHOLE if b"sample_result" in request else job_of(2, RAN))
        url = target(stage)
        more = {"storage_options": stage.s3()} if url.startswith("s3:") else {}
        receipt = stage.keep(explorer.export_sample_result(1, "a", url, **{**more, **options}))
        if url.startswith("s3:"):
            fsspec.filesystem("s3", **stage.s3()).get(url, str(stage.folder / "fetched"))
        elif url.startswith("memory:"):
            (stage.folder / "fetched").write_bytes(fsspec.filesystem("memory").cat(url))
        stage.keep(explorer_frames.read_provenance(receipt.path, **more))


exporting("Parquet", None, lambda stage: str(stage.folder / "x.parquet"))
exporting("Feather", None, lambda stage: str(stage.folder / "x.feather"))
exporting("to memory", None, lambda _: "memory://secrets.parquet")
exporting("to S3", None, lambda _: "s3://secrets/x.parquet")
exporting("no format", errors.UnsupportedFormatError, lambda _: "s3://secrets/x.csv")
exporting("to a missing bucket", errors.WriteError, lambda _: "s3://secrets-missing/x.parquet")
exporting(
    "over what is there", errors.TargetExistsError, lambda _: "s3://secrets/there", mode="create", format="parquet"
)
exporting("what may not be all", errors.IncompleteResultError, lambda _: "s3://secrets/x.parquet", limit=2)
exporting("to a folder of a file", errors.WriteError, lambda _: f"{__file__}/x.parquet")
exporting("to a server that is down", errors.WriteError, lambda _: f"ftp:{AT_HOST}/x.parquet")


def s3_refusal(status: str, code: str) -> Callable[[int, bytes], bytes]:
    """An S3 server that says back all that it was told."""

    def script(_number: int, request: bytes) -> bytes:
        said = request.partition(b"\r\n\r\n")[0].decode("latin-1").replace("<", "").replace("&", "")
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{said}</Message></Error>"
        return answer(body.encode(), status, CLOSE)

    return script


def refusing(status: str, code: str) -> None:
    script = s3_refusal(status, code)

    @path(f"writes, S3 says {code}", errors.WriteError, ["token"])
    def _(stage: Stage) -> None:
        write_parquet(TABLE, "s3://secrets/x.parquet", storage_options=stage.s3(stage.serve(script).url))

    @path(f"reads files, S3 says {code}", errors.FileReadError, ["token"])
    def _(stage: Stage) -> None:
        read_output("s3://secrets/x", schema=None, storage_options=stage.s3(stage.serve(script).url))


refusing("403 Forbidden", "SignatureDoesNotMatch")
refusing("403 Forbidden", "AccessDenied")
refusing("400 Bad Request", "Odd")


@path("writes with an option that nobody knows", errors.WriteError, ["token"])
def _(stage: Stage) -> None:
    write_parquet(TABLE, "s3://b/x.parquet", storage_options={"secert": STORAGE_KEY})


@path("writes, S3 is down", errors.WriteError, ["token"])
def _(stage: Stage) -> None:
    write_feather(TABLE, "s3://secrets/x.feather", storage_options=stage.s3("http://127.0.0.1:9"))


@path("writes what fails as it is read", KeyError, ["token"])
def _(stage: Stage) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield from TABLE.to_batches()
        raise KeyError("of the caller's own")

    reader = pa.RecordBatchReader.from_batches(TABLE.schema, batches())
    write_parquet(reader, "s3://secrets/x.parquet", storage_options=stage.s3())


@path("verifies a damaged file", errors.DamagedFileError, ["token"])
def _(stage: Stage) -> None:
    fs = fsspec.filesystem("s3", **stage.s3())
    write_parquet(TABLE, "s3://secrets/damaged.parquet", storage_options=stage.s3())
    content = bytearray(fs.cat("s3://secrets/damaged.parquet"))
    content[30] ^= 1
    fs.pipe("s3://secrets/damaged.parquet", bytes(content))
    explorer_frames.verify_file("s3://secrets/damaged.parquet", storage_options=stage.s3())


@path("inspects no file", errors.FileReadError, ["token"])
def _(stage: Stage) -> None:
    explorer_frames.read_provenance("s3://secrets/absent.parquet", storage_options=stage.s3())


def output(
    name: str, raises: type[BaseException] | None, content: bytes, action: Callable[..., Any] = read_output
) -> None:
    @path(f"reads files, {name}", raises, ["token"])
    def _(stage: Stage) -> None:
        options = stage.s3()
        fsspec.filesystem("s3", **options).pipe("s3://secrets/part.csv", content)
        stage.keep(action("s3://secrets/part.csv", schema="pagerank", storage_options=options))


def streamed(*args: Any, **options: Any) -> Any:
    with explorer_frames.open_output(*args, **options) as reader:
        return reader.read_all()


output("whole", None, b"a,1\n")
output("cut off", errors.FileReadError, b"a,1\nb")
output("no number", errors.ColumnTypeError, b"a,x\n")
output("streamed, no number", errors.ColumnTypeError, b"a,x\n", streamed)
output("ragged", errors.RowShapeError, b"a,1\nb\n")


def signed(name: str, raises: type[BaseException] | None, reply: Any) -> None:
    @path(f"reads a signed URL, {name}", raises, ["token"])
    def _(stage: Stage) -> None:
        server = stage.serve(reply, {"URL userinfo", "URL signature"})
        read_output(f"http://ann:{USERINFO}@127.0.0.1:{server.port}/x.csv?X-Amz-Signature={SIGNATURE}", schema=None)


signed("whole", None, answer(b"a,1\n"))
signed("not found", errors.FileReadError, answer(b"", "404 Not Found"))
signed("denied", errors.FileReadError, answer(b"", "403 Forbidden"))
signed("hangs up", errors.FileReadError, b"")
signed("cut", errors.FileReadError, answer(b"a,1\n", length=99))
signed("no number", errors.ColumnTypeError, answer(b"a,x\n"))


@path("reads a signed URL, redirected to another host", errors.FileReadError, ["token"])
def _(stage: Stage) -> None:
    other = stage.serve(answer(b"", "404 Not Found"))
    moved = answer(b"", "302 Found", f"Location: {other.url}/\r\n")
    server = stage.serve(moved, {"URL userinfo", "URL signature"})
    read_output(f"http://ann:{USERINFO}@127.0.0.1:{server.port}/x.csv?X-Amz-Signature={SIGNATURE}", schema=None)


# --- syncs


def syncing(name: str, raises: type[BaseException] | None, row: bytes, folder: Callable[[Stage], str]) -> None:
    @path(f"syncs, {name}", raises, ["token"])
    def _(stage: Stage) -> None:
        listing = {
            "code": 0,
            "data": {"items": [{"id": "1", "name": "it", "workflowId": "7", "status": 2}], "total": 1},
        }

        def script(_number: int, request: bytes) -> bytes:
            if b"sample_result" in request:
                return row
            return job_of(2, RAN) if b"/jobs/1 " in request else answer(json.dumps(listing).encode(), headers=CLOSE)

        url = folder(stage)
        more = {"storage_options": stage.s3()} if url.startswith("s3:") else {}
        stage.keep(stage.explorer(script).sync_workflow(7, url, **more))
        if url.startswith("s3:"):
            fsspec.filesystem("s3", **stage.s3()).get(url, str(stage.folder / "fetched"), recursive=True)


syncing("to disk", None, WHOLE, lambda stage: str(stage.folder / "lake"))
syncing("to S3", None, WHOLE, lambda stage: f"s3://secrets/{stage.folder.name}")
syncing("a part fails", errors.SyncError, no(50004000), lambda stage: f"s3://secrets/{stage.folder.name}")
syncing("to a missing bucket", errors.WriteError, WHOLE, lambda _: "s3://secrets-missing/lake")
syncing("to a server that is down", errors.WriteError, WHOLE, lambda _: f"ftp:{AT_HOST}/lake")


@pytest.mark.parametrize(("name", "login"), CASES)
def test_canary_does_not_appear_in_outputs(stage, name, login, record_property):
    raises, action = PATHS[name]
    stage.login = LOGINS[login]
    error: BaseException | None = None
    with Watch(stage.folder) as watch:
        try:
            action(stage)
        except Exception as raised:  # noqa: BLE001 (told apart below)
            error = raised
    assert type(error) is (raises or type(None)), repr(error)
    told = [*stage.told(), *watch.told(), *(told_by_error(error) if error else ())]
    seen = [*stage.overheard(), *((sink, found(text)) for sink, text in told)]
    leaks = [(sink, names) for sink, names in seen if names]
    record_property("secrets, paths", 1)
    record_property("secrets, looks (path x sink x canary)", len({sink for sink, _ in seen}) * len(CANARIES))
    assert not leaks


def test_every_error_of_ours_was_reached():
    classes = {
        cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.ExplorerFramesError)
    }
    assert classes - {raises for raises, _ in PATHS.values()} == ABSTRACT


# --- servers that repeat secrets, and masks


def script_that_echoes(secret: str) -> Any:
    job = {"id": "1", "name": f"n {secret}", "workflowId": "7", "status": 2}
    task = {"id": "a", "name": f"PageRank {secret}", "status": 2}
    headers = f"Traceparent: {secret}\r\n"

    def script(_number: int, request: bytes) -> bytes:
        if b"sample_result" in request:
            return answer(envelope(), headers=headers)
        if b"/jobs/1 " in request:
            return answer(json.dumps({"code": 0, "data": {**job, "tasks": [task]}}).encode(), headers=headers)
        if b"/jobs/2 " in request:
            return answer(
                json.dumps({"code": 0, "data": {**job, "id": 2, "runBeginTime": secret, "tasks": []}}).encode()
            )
        items = [{**job, "id": secret}, {**job, "id": 3, "status": secret}]
        return answer(json.dumps({"code": 0, "data": {"items": items, "total": 2}}).encode())

    return script


def test_token_in_server_messages_is_not_stored(tmp_path):
    with RawServer(script_that_echoes(TOKEN)) as server, Explorer(server.url, token=TOKEN, retries=0) as explorer:
        job = explorer.job(1)
        frame = job.tasks[0].read()
        explorer.export_sample_result(1, job.tasks[0], tmp_path / "a.parquet")
        shown = [job, job.to_dict(), job.trace_id, frame.attrs, explorer.list_jobs().to_dict()]
        shown += [explorer_frames.read_provenance(tmp_path / "a.parquet"), *tmp_path.glob("a.parquet")]
        assert not found(f"{shown}".encode() + (tmp_path / "a.parquet").read_bytes())
        assert job.tasks[0].name == "PageRank ***"
        with pytest.raises(errors.EnvelopeError, match="invalid time") as caught:
            explorer.job(2)
        assert not [sink for sink, text in told_by_error(caught.value) if found(text)]


def test_an_error_within_a_stream_repeats_no_token():
    rows = json.dumps([["a", "1"]] * 100_000 + [["b", TOKEN]])
    with (
        RawServer(lambda *_: answer(envelope(rows))) as server,
        Explorer(server.url, token=TOKEN) as explorer,
        explorer.open_sample_result(1, "a", schema="pagerank") as reader,
        pytest.raises(errors.ColumnTypeError) as caught,
    ):
        reader.read_all()
    assert "***" in str(caught.value)
    assert not [sink for sink, text in told_by(caught.value) if found(text)]


def test_lines_that_are_no_headers_are_not_logged():
    reply = answer(b'{"code":0,"data":{"items":[],"total":0}}', headers=f"{TOKEN}\r\n")
    with RawServer(lambda *_: reply) as server, Watch() as watch, Explorer(server.url, token=TOKEN) as explorer:
        explorer.list_jobs()
    assert not [(sink, text) for sink, text in watch.told() if found(text)]


@pytest.mark.parametrize("password", ["wrong", "password", "server", "connect", "job", "password123", "said"])
def test_passwords_that_are_ordinary_words_are_not_masked(password):
    message = "the user name or the password is wrong: server could not connect"
    reply = answer(json.dumps({"code": 40104000, "message": message}).encode())
    with RawServer(lambda *_: reply) as server:
        explorer = Explorer(server.url, user=USER, password=password, graphd="h:9669")
        with pytest.raises(errors.UnauthorizedError) as caught:
            explorer.list_jobs()
    assert caught.value.server_message == message
    assert "**" not in str(caught.value)


@pytest.mark.parametrize("password", ["wrong", "sesame", "pass word", "1234"])
def test_a_password_that_a_server_quotes_is_masked(password):
    def reply(_number: int, request: bytes) -> bytes:
        told = base64.b64decode(re.search(b"Bearer (.*)\r", request)[1]).decode()
        return answer(json.dumps({"code": 40104000, "message": f"no {told} and {password!r}"}).encode())

    with RawServer(reply) as server:
        explorer = Explorer(server.url, user=USER, password=password, graphd="h:9669")
        with pytest.raises(errors.UnauthorizedError) as caught:
            explorer.list_jobs()
    assert caught.value.server_message == 'no ["root","***"] and \'***\''


@pytest.mark.parametrize("password", ["p\u0141ssw\u00f6rd\u20ac", "\U0001f511:/@"])
def test_a_proxy_is_sent_any_password(stage, password):
    proxy = stage.serve(passed_on)
    stage.monkeypatch.setenv("HTTP_PROXY", f"http://ann:{quote(password, '')}@127.0.0.1:{proxy.port}")
    with Explorer("http://explorer.invalid:7002", token="t") as explorer:
        read(explorer)
    sent = re.search(b"Proxy-Authorization: Basic (.*)\r", proxy.requests[0])[1]
    assert base64.b64decode(sent).decode() == f"ann:{password}"


def test_loggers_of_drivers_are_left_as_they_are():
    before = [logging.getLogger(name).filters[:] for name in ("fsspec", "fsspec.http")]
    with RawServer(lambda *_: answer(b"a,1\n")) as server:
        read_output(f"{server.url}/x.csv", schema="pagerank")
    assert [logging.getLogger(name).filters for name in ("fsspec", "fsspec.http")] == before


def test_error_contains_the_address_to_check():
    options = {"key": "ann", "secret": "hush-hush", "client_kwargs": {"region_name": "eu-west-9"}}
    with pytest.raises(errors.WriteError, match=r"http://127\.0\.0\.1:9/lake"):
        write_parquet(TABLE, "s3://lake/a.parquet", storage_options={**options, "endpoint_url": "http://127.0.0.1:9"})


# --- that it can fail

ABSTRACT = {
    *(errors.ExplorerFramesError, errors.ApiError, errors.DecodeError),  # always one of those below them
}
LEAKS: dict[str, Callable[[Path], Any]] = {
    "log message": lambda _: logging.getLogger("any.other").debug("got %s", TOKEN),
    "log record": lambda _: logging.getLogger("any.other").debug("got it", extra={"url": TOKEN}),
    "stdout": lambda _: sys.stdout.write(TOKEN),
    "stderr": lambda _: sys.stderr.write(TOKEN),
    "warning": lambda _: warnings.warn(TOKEN, stacklevel=2),
    "file": lambda folder: (folder / "x").write_text(TOKEN),
    "temporary file": lambda folder: ((folder / "x").write_text(TOKEN), (folder / "x").unlink()),
    "process list": lambda _: None,  # see the test
}


@needs_proc
def test_watch_ignores_other_processes(tmp_path):
    # Its parent has ended, so it is no descendant of ours: like the child of another worker.
    child = [sys.executable, "-S", "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)", TOKEN]
    with subprocess.Popen(["sh", "-c", f"{shlex.join(child)} &"], stdout=subprocess.PIPE) as shell:
        orphan = int(shell.stdout.readline())  # by now it has its arguments
        shell.wait()
        try:
            with Watch(tmp_path) as watch:
                pass
        finally:
            os.kill(orphan, signal.SIGKILL)
    assert ("process list", ["token"]) not in [(kind, found(text)) for kind, text in watch.told()]


@pytest.mark.parametrize("sink", [pytest.param(sink, marks=[needs_proc] * (sink == "process list")) for sink in LEAKS])
def test_a_watch_sees_each_way_out(sink, tmp_path):
    child = None
    with Watch(tmp_path) as watch:
        LEAKS[sink](tmp_path)
        if sink == "process list":
            command = [sys.executable, "-S", "-c", "input(0)", TOKEN]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert child.stdout.read(1)  # by now it has its arguments
    if child is not None:
        child.communicate(b"\n")
    assert (sink, ["token"]) in [(kind, found(text)) for kind, text in watch.told()]


QUOTES = {
    "as it is": str,
    "percent": lambda text: quote(text, ""),
    "form": quote_plus,
    "JSON": json.dumps,
    "repr": repr,
    "repr twice": lambda text: repr(repr(text)),
    "small letters": str.lower,
    "hex": lambda text: text.encode().hex(),
    **{f"base64 behind {n}": lambda text, n=n: base64.b64encode(b"x" * n + text.encode()).decode() for n in range(4)},
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "cut off": lambda text: text[: len(text) * 3 // 4],
}


@each("name", CANARIES)
@each("quoted", QUOTES)
def test_a_canary_is_found_however_it_is_quoted(name, quoted):
    assert name in found(f"<{QUOTES[quoted](CANARIES[name].text)}>")
    assert name in found(QUOTES[quoted](CANARIES[name].text).encode())


def careless(url: str) -> Any:
    """What most would write."""
    response = requests.get(f"{url}/x", headers={"Cookie": f"explorer_token={TOKEN}"}, timeout=HANG)
    response.raise_for_status()
    return response.json()["data"]["items"]


@dataclass
class CarelessError(Exception):
    token: str


def wrapped(url: str) -> None:
    try:
        careless(url)
    except requests.RequestException as error:
        told = CarelessError(TOKEN)
        told.add_note(f"with {TOKEN}")
        raise told from error


def test_careless_client_has_violations(tmp_path):
    with RawServer(lambda *_: answer(b"", "500 Oh")) as server, Watch(tmp_path) as watch:
        try:
            wrapped(server.url)
        except CarelessError as error:
            caught = error
    told = [*watch.told(), *told_by_error(caught)]
    sinks = {sink for sink, text in told if found(text)}
    of_error = {
        f"error {sink}"
        for sink in (
            "repr",
            "str",
            "format",
            "vars",
            "fields",
            "args",
            "notes",
            "pickle",
            "cloudpickle",
            "copy",
            "deepcopy",
        )
    }
    # By `requests` alone: what http.client prints, and the request within the error. `raise ... from None` hides neither.
    assert sinks == {"stdout", "traceback", "cause pickle", "cause cloudpickle", *of_error}


def test_response_that_repeats_a_secret_is_scanned_once():
    secret = "Abc123-xyz_987654321"
    assert conceal(f'"{secret}",' * 200_000, [secret]) == '"***",' * 200_000
