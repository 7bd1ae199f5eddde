"""What callers pass in place of a URL: paths of other packages, file systems, open buffers; and folders that are missing."""

from __future__ import annotations

import gzip
import io
import os
import socket
import sys
from pathlib import Path, PurePath

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.zip import ZipFileSystem
from platforms import needs_symlinks

from explorer_frames import compare, export_output, read_provenance, verify_file, write_feather, write_parquet
from explorer_frames._storage.folder import Folder
from explorer_frames._storage.paths import plain_path
from explorer_frames.errors import ConfigError, TargetExistsError, UnsupportedFormatError, WriteError

pytest_plugins = ["storage"]

FRAME = pd.DataFrame({"id": ["a", "b"], "score": [0.5, 0.25]})


class Unread:
    """Rows that must not be asked for."""

    def __arrow_c_stream__(self, requested_schema=None):
        def rows():
            raise AssertionError("a row was asked for")
            yield

        schema = pa.schema({"id": pa.string()})
        return pa.RecordBatchReader.from_batches(schema, rows()).__arrow_c_stream__(requested_schema)


def broken():
    """Return rows whose source fails after the first ones."""

    def batches():
        yield pa.record_batch({"x": [1]})
        raise RuntimeError("source")

    return pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), batches())


def read(file):
    return pd.read_parquet(file)


# Path-like objects


class PathLike:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


class WithScheme(PathLike):
    scheme = "s3"


class WithUrl(PathLike):
    """A path whose file on local disk is a copy, as those of cloudpathlib are."""

    def __fspath__(self):
        raise AssertionError("the copy was asked for")

    def as_uri(self):
        return self.path


class PurePathOfStore(PurePath if sys.version_info >= (3, 12) else type(PurePath())):
    """As of s3path: its text looks like a local path."""

    def as_uri(self):
        if not self.is_absolute():
            raise ValueError("no bucket")
        return f"s3:/{self}"


class OwnPath(type(Path())):
    pass


@pytest.mark.parametrize("kind", [str, Path, PurePath, OwnPath, PathLike, lambda path: PathLike(f"file://{path}")])
def test_a_path_like_object_for_a_local_file_is_that_file(tmp_path, kind):
    path = kind(str(tmp_path / "a.parquet"))
    assert write_parquet(FRAME, path).path == str(tmp_path / "a.parquet")
    assert verify_file(path).rows == 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (WithUrl("s3://bucket/a.parquet"), "missing storage_options for a WithUrl"),
        (PathLike("s3://bucket/a.parquet"), "missing storage_options for a PathLike"),
        (PurePathOfStore("/bucket/a.parquet"), "missing storage_options for a PurePathOfStore"),
        (PurePathOfStore("bucket/a.parquet"), "cannot determine the URL of a PurePathOfStore"),
        (WithScheme("/cache/a.parquet"), "cannot determine the URL of a WithScheme"),
        (PathLike(b"a.parquet"), "not a valid path or URL"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_path_that_is_not_local_is_never_taken_for_a_local_one(tmp_path, monkeypatch, path, said):
    monkeypatch.chdir(tmp_path)
    for use in (lambda: write_parquet(Unread(), path), lambda: verify_file(path), lambda: Folder(path)):
        with pytest.raises(ConfigError, match=said):
            use()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_known_by_its_url_is_written_with_the_options_of_the_call(memory_store):
    path = WithUrl(memory_store.url("a.parquet"))
    assert write_parquet(FRAME, path, storage_options={}).path == memory_store.url("a.parquet")
    assert verify_file(path, storage_options={}).rows == 2


def test_a_path_of_universal_pathlib_brings_its_options_along(s3_store, tmp_path):
    UPath = pytest.importorskip("upath").UPath  # noqa: N806 (a class)
    path = UPath(s3_store.url("a.parquet"), **s3_store.options)
    assert write_parquet(FRAME, path).path == s3_store.url("a.parquet")
    assert s3_store.names() == ["a.parquet"]
    assert read_provenance(path).rows == verify_file(path).rows == 2
    assert compare(path, path).same
    assert Folder(UPath(s3_store.url("lake"), **s3_store.options)).url == s3_store.url("lake")
    for local in (UPath(tmp_path / "a.parquet"), UPath(f"file://{tmp_path.as_posix()}/b.parquet")):
        assert Path(write_parquet(FRAME, local).path).name == local.name
    with pytest.raises(UnsupportedFormatError):
        write_parquet(Unread(), UPath(s3_store.url("a.csv"), **s3_store.options))


def test_an_s3_path_of_cloudpathlib_is_written_to_s3_as_its_client_would(s3_store, tmp_path, monkeypatch):
    cloudpathlib = pytest.importorskip("cloudpathlib")
    session = pytest.importorskip("botocore.session").get_session()  # boto3 itself would limit the versions of s3fs
    monkeypatch.setattr(cloudpathlib.S3Path._cloud_meta, "dependencies_loaded", True)

    class Client(cloudpathlib.S3Client):
        def __init__(self):
            session.set_credentials(s3_store.options["key"], s3_store.options["secret"])
            self.sess = session
            url = s3_store.options["endpoint_url"]
            self.client = session.create_client("s3", endpoint_url=url, region_name="us-east-1")
            super(cloudpathlib.S3Client, self).__init__(local_cache_dir=tmp_path)

    path = cloudpathlib.S3Path(s3_store.url("a.parquet"), client=Client())
    assert write_parquet(FRAME, path).path == s3_store.url("a.parquet")
    assert s3_store.names() == ["a.parquet"]
    assert verify_file(path).rows == 2
    session.set_credentials("canary-key", "canary-s3cret-of-nobody")
    with pytest.raises(WriteError) as caught:
        write_parquet(Unread(), path)
    assert "canary" not in str(caught.value)


def test_options_of_the_call_replace_those_of_the_path():
    members = {"protocol": "s3", "storage_options": {"key": "a", "anon": False}, "__str__": lambda _: "s3://b/k"}
    path = type("Path", (), members)()
    assert plain_path(path, {"key": "b"}) == ("s3://b/k", {"key": "b", "anon": False})
    with pytest.raises(ConfigError, match="storage_options must be a mapping, got list"):
        write_parquet(Unread(), path, storage_options=["key"])


# Names


@pytest.mark.parametrize(
    "name", ["x.csv", "x.feather", "x.ARROW", "x.json", "x.xlsx", "x.orc", "x.parquet.gz", "x.txt"]
)
def test_parquet_is_not_written_under_the_name_of_another_format(tmp_path, name):
    with pytest.raises(UnsupportedFormatError, match="does not match format 'parquet'") as caught:
        write_parquet(Unread(), tmp_path / name)
    assert ".parquet, .pq" in caught.value.hint
    with pytest.raises(ConfigError, match="folder name has a file extension"):
        Folder(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_feather_is_not_written_under_the_name_of_another_format(tmp_path):
    for name in ("x.parquet", "x.pq", "x.csv"):
        with pytest.raises(UnsupportedFormatError, match="does not match format 'feather'"):
            write_feather(Unread(), tmp_path / name)


@pytest.mark.parametrize("name", ["x", "x.PQ", "x.2026-11-30", ".csv", "x.csv."])
def test_any_other_name_can_be_that_of_a_parquet_file(tmp_path, name):
    assert write_parquet(FRAME, tmp_path / name).format == "parquet"


# Missing folders


def test_missing_folders_are_refused_before_the_first_row_by_every_writer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part-0.csv").write_text("a,0.5\n")
    output = tmp_path / "part-0.csv"
    writers = {
        "write_parquet": lambda path, **how: write_parquet(Unread() if not how else FRAME, path, **how),
        "write_feather": lambda path, **how: write_feather(Unread() if not how else FRAME, f"{path}.arrow", **how),
        "export_output": lambda path, **how: export_output(output, path, schema=None, **how),
    }

    for name, write in writers.items():
        path = f"new-{name}/folder/a.parquet"
        with pytest.raises(WriteError, match=f"the folder does not exist: '.*new-{name}.folder'") as caught:
            write(path)
        assert "make_parents=True" in caught.value.hint
        assert not (tmp_path / f"new-{name}").exists()
        write(path, make_parents=True)
        assert len(list((tmp_path / f"new-{name}" / "folder").iterdir())) == 1

    with pytest.raises(ConfigError, match="make_parents must be True or False"):
        write_parquet(Unread(), "a.parquet", make_parents="yes")


def test_a_synced_folder_is_made_and_those_above_it_only_on_demand(tmp_path, memory_store):
    for base in (tmp_path.as_posix(), memory_store.base):
        Folder(f"{base}/lake").put("task=1/a", b"x", "create")
        with pytest.raises(WriteError, match="the folder does not exist"):
            Folder(f"{base}/new/lake")
        assert Folder(f"{base}/new/lake", make_parents=True).files() == {}


@needs_symlinks
def test_a_link_to_a_missing_folder_is_a_missing_folder(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(WriteError, match="the folder does not exist"):
        write_parquet(Unread(), tmp_path / "link" / "a.parquet")


# File systems


def test_a_file_system_is_written_to_by_a_path_in_it(memory_store, tmp_path):
    memory = fsspec.filesystem("memory")
    folder = memory_store.base.removeprefix("memory://")
    local = fsspec.filesystem("file")
    arrow = pa.fs.LocalFileSystem()
    cases = {
        "fsspec": (memory, f"{folder}/a.parquet", memory_store.url("a.parquet")),
        "its URL": (memory, memory_store.url("b.parquet"), memory_store.url("b.parquet")),
        "a folder": (DirFileSystem(f"/{folder}", memory), "c.parquet", memory_store.url("c.parquet")),
        "local": (local, str(tmp_path / "a.parquet"), str(tmp_path / "a.parquet")),
        "a path": (local, tmp_path / "b.parquet", str(tmp_path / "b.parquet")),
        "Arrow": (arrow, str(tmp_path / "c.parquet"), str(tmp_path / "c.parquet")),
        "a subtree": (pa.fs.SubTreeFileSystem(str(tmp_path), arrow), "d.parquet", str(tmp_path / "d.parquet")),
        "fsspec in Arrow": (
            pa.fs.PyFileSystem(pa.fs.FSSpecHandler(memory)),
            f"{folder}/d.parquet",
            memory_store.url("d.parquet"),
        ),
    }

    for filesystem, path, url in cases.values():
        receipt = write_parquet(FRAME, path, filesystem=filesystem)
        assert receipt.path.replace("memory:///", "memory://") == url
        assert verify_file(url).rows == 2
        with pytest.raises(TargetExistsError):
            write_parquet(Unread(), path, filesystem=filesystem, mode="create")
    assert memory_store.names() == [f"{name}.parquet" for name in "abcd"]


def test_a_file_system_of_pyarrow_publishes_by_a_move(s3_store):
    options = s3_store.options
    arrow = pa.fs.S3FileSystem(
        access_key=options["key"],
        secret_key=options["secret"],
        endpoint_override=options["endpoint_url"].removeprefix("http://"),
        scheme="http",
        region="us-east-1",
    )
    path = s3_store.url("new/a.parquet").removeprefix("s3://")
    for mode in ("overwrite", "in_place"):
        assert write_parquet(FRAME, path, filesystem=arrow, mode=mode).path == s3_store.url("new/a.parquet")
    assert write_parquet(FRAME, f"/{path}", filesystem=arrow).path == s3_store.url("new/a.parquet")
    assert verify_file(s3_store.url("new/a.parquet"), storage_options=options).rows == 2

    with pytest.raises(RuntimeError, match="source"):
        write_parquet(broken(), path, filesystem=arrow)
    fs, folder = s3_store.fs()
    assert [name for name in fs.find(f"{folder}/new") if not name.endswith("/")] == [f"{folder}/new/a.parquet"]


@pytest.mark.parametrize(
    ("filesystem", "path", "said"),
    [
        ("s3", "a.parquet", "must be a file system, got 's3'"),
        (os, "a.parquet", "must be a file system"),
        (lambda: ZipFileSystem(io.BytesIO(), mode="w"), "a.parquet", "cannot write to a ZipFileSystem"),
        (
            lambda: fsspec.filesystem("simplecache", target_protocol="memory"),
            "a.parquet",
            "cannot write to a SimpleCacheFileSystem",
        ),
        (
            lambda: fsspec.filesystem("memory"),
            "s3://b/a.parquet",
            "path has the scheme s3://, but filesystem is a MemoryFileSystem",
        ),
        (
            lambda: fsspec.filesystem("memory"),
            WithUrl("memory://a.parquet"),
            "the path of a file in filesystem",
        ),
        (lambda: fsspec.filesystem("memory"), "folder/", "the path of a file in filesystem"),
        (lambda: fsspec.filesystem("memory"), None, "the path of a file in filesystem"),
        (lambda: fsspec.filesystem("file"), "a\0b", "not a valid path or URL"),
        (lambda: DirFileSystem("/folder", fsspec.filesystem("file")), "../a.parquet", "may be outside the folder"),
        (
            lambda: pa.fs.SubTreeFileSystem("/folder", pa.fs.LocalFileSystem()),
            "a/../../b.parquet",
            "may be outside the folder",
        ),
    ],
)
def test_a_file_system_that_cannot_publish_is_refused_before_the_first_row(filesystem, path, said):
    with pytest.raises(ConfigError, match=said):
        write_parquet(Unread(), path, filesystem=filesystem() if type(filesystem) is type(lambda: 0) else filesystem)


def test_a_file_system_has_its_own_options(memory_store):
    with pytest.raises(ConfigError, match="storage_options and filesystem"):
        write_parquet(Unread(), "a.parquet", filesystem=fsspec.filesystem("memory"), storage_options={"anon": True})
    write_parquet(FRAME, memory_store.url("a.parquet"), filesystem=fsspec.filesystem("memory"), storage_options={})


def test_a_login_in_a_file_system_is_not_shown(s3_store):
    fs = fsspec.filesystem("s3", **{**s3_store.options, "key": "canary-nobody"}, skip_instance_cache=True)
    with pytest.raises(WriteError) as caught:
        write_parquet(Unread(), s3_store.url("a.parquet"), filesystem=fs)
    assert "canary" not in str(caught.value)


# Buffers


def test_buffer_is_written_from_its_current_position(tmp_path):
    buffer = io.BytesIO(b"head")
    buffer.seek(4)
    receipt = write_parquet(FRAME, buffer)
    assert (receipt.path, receipt.bytes) == ("<BytesIO>", len(buffer.getvalue()) - 4)
    assert buffer.getvalue().startswith(b"headPAR1")
    assert read(io.BytesIO(buffer.getvalue()[4:])).equals(FRAME)
    assert not buffer.closed
    (tmp_path / "part-0.csv").write_text("a,0.5\n")
    exported = io.BytesIO()
    export_output(tmp_path / "part-0.csv", exported, schema=None, format="feather")
    assert pd.read_feather(exported).shape == (1, 2)
    with pytest.raises(UnsupportedFormatError, match="unsupported file extension ''"):
        export_output(tmp_path / "part-0.csv", io.BytesIO(), schema=None)


class Raw(io.RawIOBase):
    """Takes a part at a time, as raw streams may."""

    def __init__(self, taken):
        super().__init__()
        self.content, self.taken = b"", taken

    def writable(self):
        return True

    def write(self, data):
        taken = self.taken(len(data))
        self.content += bytes(data[: taken or 0])
        return taken


def test_any_object_that_takes_bytes_is_a_buffer(tmp_path):
    raw = Raw(lambda size: min(size, 700))
    write_parquet(FRAME, raw)
    assert read(io.BytesIO(raw.content)).equals(FRAME)
    sink = pa.BufferOutputStream()
    write_parquet(FRAME, sink)
    assert read(pa.BufferReader(sink.getvalue())).equals(FRAME)
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        assert write_parquet(FRAME, file).rows == 2
    assert read(io.BytesIO(gzip.decompress((tmp_path / "a.gz").read_bytes()))).equals(FRAME)
    with open(tmp_path / "a.bin", "wb") as file:  # noqa: PTH123 (a buffer)
        assert write_parquet(FRAME, file).path == f"<BufferedWriter {tmp_path / 'a.bin'}>"
    assert verify_file(tmp_path / "a.bin").rows == 2
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("wb") as file:
        size = write_parquet(FRAME, file).bytes
        assert read(io.BytesIO(theirs.recv(size, socket.MSG_WAITALL))).equals(FRAME)


def closed():
    buffer = io.BytesIO()
    buffer.close()
    return buffer


@pytest.mark.parametrize(
    "buffer", [io.StringIO, closed, lambda: open(os.devnull, "w"), lambda: open(os.devnull, "rb")],  # noqa: PTH123, SIM115
    ids=["StringIO", "closed", "text", "read"],
)  # fmt: skip
def test_text_buffer_is_rejected_before_the_first_row(buffer):
    file = buffer()
    with (
        file if not file.closed else io.BytesIO(),
        pytest.raises(ConfigError, match="not writable in binary mode") as caught,
    ):
        write_parquet(Unread(), file)
    assert "sys.stdout.buffer" in caught.value.hint


class Asynchronous:
    async def write(self, data):
        raise AssertionError("nobody waits for it")


def test_async_buffer_is_rejected_before_the_first_row():
    with pytest.raises(ConfigError, match="it is asynchronous"):
        write_parquet(Unread(), Asynchronous())


def test_an_open_file_of_fsspec_is_a_buffer_although_it_is_path_like(tmp_path):
    for url in (str(tmp_path / "a"), "memory://open-file"):
        with fsspec.open(url, "wb") as file:
            file.write(b"head")
            write_parquet(FRAME, file)
        with fsspec.open(url, "rb") as file:
            assert file.read(8) == b"headPAR1"


@pytest.mark.parametrize(
    "how", [{"mode": "create"}, {"mode": "in_place"}, {"storage_options": {"anon": True}}, {"filesystem": object()}]
)
def test_options_of_files_are_refused_for_a_buffer(how):
    with pytest.raises(ConfigError):
        write_parquet(Unread(), io.BytesIO(), **how)


@pytest.mark.parametrize("taken", [lambda size: 0, lambda size: None if size else 0], ids=["nothing", "would block"])
def test_full_buffer_raises_an_error(taken):
    with pytest.raises(WriteError, match="cannot write all of the target") as caught:
        write_parquet(FRAME, Raw(taken))
    assert "incomplete" in caught.value.hint


def test_a_buffer_stays_as_it_was_when_the_rows_fail():
    buffer = io.BytesIO(b"old")
    with pytest.raises(RuntimeError, match="source"):
        write_parquet(broken(), buffer)
    assert buffer.getvalue() == b"old"


def test_exports_take_file_systems_buffers_and_missing_folders_too(explorer, sandbox, tmp_path, memory_store):
    job, task = sandbox.add_result([["x", "y"], ["0.5", "0.25"]], name="PageRank")
    memory = fsspec.filesystem("memory")
    folder = memory_store.base.removeprefix("memory://")
    (tmp_path / "part-0.csv").write_text("a,0.5\n")
    explorer.export_sample_result(job, task, f"{folder}/new/a.parquet", filesystem=memory, make_parents=True)
    explorer.job(job).task("PageRank").export(f"{folder}/b.parquet", filesystem=memory)
    export_output(tmp_path / "part-0.csv", f"{folder}/c.parquet", schema=None, target_filesystem=memory)
    rows = [verify_file(memory_store.url(f"{name}.parquet")).rows for name in ("new/a", "b", "c")]
    buffer = io.BytesIO()
    assert explorer.export_sample_result(job, task, buffer, format="parquet").path == "<BytesIO>"
    assert [*rows, len(read(buffer))] == [2, 2, 1, 2]
    requests = sandbox.requests
    with pytest.raises(WriteError, match="the folder does not exist"):
        explorer.export_sample_result(job, task, tmp_path / "new" / "a.parquet")
    assert sandbox.requests == requests
