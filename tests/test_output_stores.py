"""Full outputs from every kind of store: memory, S3, WebHDFS over HTTP, and what happens where one cannot be used."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from fsspec.config import conf
from platforms import with_slashes

from explorer_frames import export_output, read_output
from explorer_frames._outputs.parts import Parts
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, ExplorerFramesError, FileReadError

pytest_plugins = ["storage"]

PARTS = {
    "part-00000.csv.gz": gzip.compress(b"007,0.5\n" * 200_000, 1),
    "part-00001.csv": b"NA,1\n",
    "_SUCCESS": b"",
}


def fill(store):
    for name, content in PARTS.items():
        store.put(f"52/8c17/{name}", content)


@pytest.mark.parametrize("pattern", ["", "/", "/part-*"])
def test_a_folder_is_read_from_every_store(store, pattern):
    fill(store)
    frame = read_output(store.url(f"52/8c17{pattern}"), schema="pagerank", storage_options=store.options)
    assert frame["id"].value_counts().to_dict() == {"007": 200_000, "NA": 1}
    source, url = frame.attrs["explorer_frames"]["source"], store.url(f"52/8c17{pattern}")
    assert with_slashes(source).rstrip("/") == with_slashes(url).rstrip("/")


def test_a_result_goes_from_one_store_to_another(s3_store, memory_store):
    fill(s3_store)
    receipt = export_output(
        s3_store.url("52/8c17"), memory_store.url("a.parquet"), schema="pagerank", storage_options=s3_store.options
    )
    assert receipt.rows == 200_001
    options = {"storage_options": s3_store.options, "target_storage_options": s3_store.options}
    source, target = s3_store.url("52/8c17/part-00001.csv"), s3_store.url("out/a.feather")
    assert export_output(source, target, schema="pagerank", **options).bytes == len(s3_store.read("out/a.feather"))


def test_errors_of_a_store_name_the_part_and_no_secret(s3_store):
    s3_store.put("x/bad.csv", b"a,1\nb,x\n")
    for url, options, said in [
        (s3_store.url("x/bad.csv"), s3_store.options, "bad.csv, line 2"),
        (s3_store.url("none"), s3_store.options, "file or folder not found"),
        (s3_store.url("none/*.csv"), s3_store.options, "no CSV files"),
        ("s3://no-such-bucket/x", s3_store.options, "no-such-bucket"),
        (s3_store.url("x"), {**s3_store.options, "endpoint_url": "http://127.0.0.1:9"}, "look up"),
    ]:
        with pytest.raises(ExplorerFramesError) as caught:
            read_output(url, schema="pagerank", storage_options=options)
        error = caught.value
        assert said in str(error)
        assert "canary" not in str(error)
        assert error.__context__ is None
        assert error.__cause__ is None


def test_secrets_that_fsspec_is_configured_with_are_in_no_error(monkeypatch):
    secrets = {"key": "canary-name", "secret": "canary-5f1c0e", "endpoint_url": "http://127.0.0.1:9"}
    monkeypatch.setitem(conf, "s3", secrets)
    with pytest.raises(FileReadError) as caught:
        read_output("s3a://no-such-bucket/x", schema=None)  # the same driver by another name
    assert "http://127.0.0.1:9/no-such-bucket" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_part_that_was_replaced_in_memory_is_seen(memory_store):
    memory_store.put("a/part-0", b"a,1\n")
    parts = Parts(Store(memory_store.url("a")))
    parts.check_unchanged()
    memory_store.put("a/part-0", b"b,1\n")
    with pytest.raises(FileReadError, match="changed while they were read"):
        parts.check_unchanged()


class Chunked(BaseHTTPRequestHandler):
    """Answers without a length or ranges, in chunks of one byte, then of many: nothing can be sought in them."""

    protocol_version = "HTTP/1.1"
    content = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "GET":
            ends = [*range(6), *range(6, len(self.content), 1000), len(self.content)]
            for chunk in (self.content[a:b] for a, b in pairwise(ends) if a < b <= len(self.content)):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    do_HEAD = do_GET  # noqa: N815 (http.server's)

    def log_message(self, *_):
        pass


@pytest.fixture
def chunked():
    with ThreadingHTTPServer(("127.0.0.1", 0), Chunked) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("part.csv", b"007,0.5\n" * 3000, 3000),
        ("part", gzip.compress(b"007,0.5\n" * 3000), 3000),
        ("part.csv.gz", gzip.compress(b"007,0.5\n" * 3000), 3000),
        ("part.csv", b"", 0),
        ("part.csv", b"a,1", "truncated file"),
        ("part.csv.gz", b"", "file is empty"),
        ("part.zst", b"", "file is empty"),
    ],
)
def test_a_stream_that_cannot_seek_is_read_from_its_first_byte(chunked, name, content, rows):
    Chunked.content = content
    if isinstance(rows, int):
        frame = read_output(f"{chunked}/{name}", schema="pagerank")
        assert frame["id"].tolist() == ["007"] * rows
    else:
        with pytest.raises(FileReadError, match=rows):
            read_output(f"{chunked}/{name}", schema="pagerank")


def test_a_driver_that_is_missing_is_a_typed_error():
    with pytest.raises(ConfigError, match="invalid URL or storage_options") as caught:
        read_output("nosuch://ann:canary@host/x", schema=None)
    assert "canary" not in str(caught.value)


def test_missing_hdfs_client_has_a_hint(monkeypatch, tmp_path):
    for name in ("HADOOP_HOME", "JAVA_HOME", "ARROW_LIBHDFS_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(FileReadError, match="webhdfs") as caught:
        read_output("hdfs://ann@namenode:8020/outputs/52", schema=None)
    assert caught.value.__context__ is None


# --- WebHDFS: the few calls that reading needs, as Hadoop documents them, over a real socket


class WebHdfs(BaseHTTPRequestHandler):
    """A name node and data node in one: GETFILESTATUS, LISTSTATUS, OPEN with its redirect."""

    files: ClassVar[dict[str, bytes]] = {}
    reads = 0

    def do_GET(self):
        split = urlsplit(self.path)
        query = {key.lower(): values[0] for key, values in parse_qs(split.query).items()}
        path = split.path.removeprefix("/webhdfs/v1").rstrip("/")
        below = sorted(name for name in self.files if name.startswith(f"{path}/"))
        if path not in self.files and not below:
            return self._send(404, {"RemoteException": {"exception": "FileNotFoundException", "message": f"no {path}"}})
        if path == "/denied":
            return self._send(403, {"RemoteException": {"exception": "AccessControlException", "message": "user=ann"}})
        operation = query["op"].upper()
        if operation == "GETFILESTATUS":
            return self._send(200, {"FileStatus": self._status(path, "")})
        if operation == "LISTSTATUS":
            names = dict.fromkeys(name.removeprefix(f"{path}/").partition("/")[0] for name in below)
            return self._send(
                200, {"FileStatuses": {"FileStatus": [self._status(f"{path}/{name}", name) for name in names]}}
            )
        if "redirected" not in query:
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}{self.path}&redirected=true")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        start = int(query.get("offset", 0))
        return self._send(200, self.files[path][start : start + int(query.get("length", 2**40))])

    def _status(self, path, name):
        content = self.files.get(path)
        type(self).reads += 1  # accessTime changes with every look, which is no change of the file
        kind = {"type": "DIRECTORY", "length": 0} if content is None else {"type": "FILE", "length": len(content)}
        return {**kind, "pathSuffix": name, "modificationTime": 1, "accessTime": self.reads}

    def _send(self, status, content):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def webhdfs():
    with ThreadingHTTPServer(("127.0.0.1", 0), WebHdfs) as server:
        WebHdfs.files = {f"/outputs/52/8c17/{name}": content for name, content in PARTS.items()}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"webhdfs://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("pattern", ["", "/", "/part-*"])
def test_a_folder_is_read_over_webhdfs(webhdfs, pattern):
    frame = read_output(f"{webhdfs}/outputs/52/8c17{pattern}", schema="pagerank")
    assert frame["id"].value_counts().to_dict() == {"007": 200_000, "NA": 1}


def test_webhdfs_rejection_raises_typed_error(webhdfs):
    WebHdfs.files["/denied"] = b""
    WebHdfs.files["/outputs/52/8c17/part-00000.csv.gz"] = PARTS["part-00000.csv.gz"][:-1]
    for path, said in [
        ("/nothing", "not found"),
        ("/denied", "permission to read"),
        ("/outputs/52/8c17", "part-00000.csv.gz, after line"),
    ]:
        with pytest.raises(FileReadError) as caught:
            read_output(f"{webhdfs}{path}", schema="pagerank")
        assert said in str(caught.value)
        assert caught.value.__context__ is None
