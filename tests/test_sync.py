"""Syncs of a workflow's results: against the sandbox and real stores, raced, killed, and broken at every step."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import random
import re
import shutil
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import requests
from faults.rawserver import RawServer, answer, envelope
from fsspec.implementations.memory import MemoryFileSystem
from limits import HANG
from platforms import needs_forkserver, with_slashes
from sync_child import sync_in_child
from syncing import ROWS, World, meaning, storage, tree

from explorer_frames import Explorer, SyncReport, __version__, read_provenance, sync_workflow
from explorer_frames._results.reading import ResultReader
from explorer_frames._storage.folder import Folder
from explorer_frames._storage.stores import StoredObject
from explorer_frames._sync.manifest import RUNS_SCHEMA
from explorer_frames._sync.names import DATASET, claim_name, record_name
from explorer_frames._sync.sync import _Sync
from explorer_frames.errors import (
    ColumnTypeError,
    ConfigError,
    ExplorerFramesError,
    IncompleteResultError,
    NotFoundError,
    SessionExpiredError,
    SyncError,
    TargetExistsError,
    UnsupportedFormatError,
    WriteError,
)
from explorer_frames.sandbox import Sandbox

pytest_plugins = ["storage"]


# --- what lands


def test_second_sync_sends_one_request_and_writes_nothing(store, world):
    world.add(3)
    url = store.url("lake")
    report = world.sync(url, **storage(store))
    assert world.asked() == {"list": 1, "job": 3, "result": 6}
    assert (report.jobs, len(report.written), report.skipped, report.failed) == (3, 6, (), ())
    assert (report.rows, report.pending) == (6 * ROWS, 0)
    files = tree(url, store.options)
    parts = {name for name in files if name.endswith(".parquet") and not name.startswith("_runs/")}
    assert parts == {with_slashes(part.path).split("/lake/")[1] for part in report.written}
    own = {DATASET, *map(claim_name, ("PageRank", "Louvain")), *(record_name(str(job)) for job in world.jobs)}
    assert set(files) - own == parts
    assert all(re.fullmatch(r"(PageRank|Louvain)/\d+-[0-9a-f]{16}[.]parquet", name) for name in parts)
    assert sum(len(files[name]) for name in parts) == report.bytes

    again = world.sync(url, **storage(store))
    assert world.asked() == {"list": 1, "job": 0, "result": 0}
    assert (again.written, again.failed, again.rows, again.bytes) == ((), (), 0, 0)
    assert again.skipped == report.written
    assert tree(url, store.options) == files


def test_sync_sends_one_s3_request_for_each_result_and_job(s3_store, s3_requests, world):
    world.add(3)
    url = s3_store.url("lake")
    world.sync(url, **storage(s3_store))
    results, jobs, folders = 6, 3, 2
    requests = Counter(s3_requests())
    assert requests["PUT"] == results + jobs + folders + 2  # the settings of the lake, which are created twice
    assert requests.total() - requests["PUT"] == 6  # the bucket, the files, the settings of the lake
    world.sync(url, **storage(s3_store))
    assert "PUT" not in s3_requests()


def test_sync_looks_up_each_result_if_the_store_may_ignore_conditional_puts(s3_store, s3_requests, world, monkeypatch):
    put = StoredObject.put

    def failing_once(self, path, *, create):
        if self.path.endswith(DATASET) and self.kind():
            raise PermissionError("a transient refusal")
        put(self, path, create=create)

    monkeypatch.setattr(StoredObject, "put", failing_once)
    world.add(3)
    assert len(world.sync(s3_store.url("lake"), **storage(s3_store)).written) == 6
    requests = Counter(s3_requests())
    assert requests.total() - requests["PUT"] == 6 + 6 + 2  # the results, as in the test above, and `kind`


def test_sync_creates_parent_folders_only_with_make_parents(tmp_path, world):
    lake = tmp_path / "a" / "b" / "lake"
    with pytest.raises(WriteError, match="folder does not exist"):
        world.add(1).sync(lake)
    assert not lake.parent.parent.exists()
    assert world.asked() == {"list": 0, "job": 0, "result": 0}
    assert len(world.sync(lake, make_parents=True).written) == 2
    assert len(world.sync(tmp_path / "other").written) == 2


def test_a_second_run_makes_no_call_that_changes_anything(tmp_path, world, monkeypatch):
    world.add(2).sync(tmp_path / "lake")
    for name in ("link", "replace", "makedirs", "mkdir", "unlink", "rename"):
        monkeypatch.setattr(os, name, lambda *args, name=name, **kwargs: pytest.fail(name))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "lake").rglob("*")}
    assert len(world.sync(tmp_path / "lake").skipped) == 4
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "lake").rglob("*")} == before


def test_run_records_list_the_existing_parts(tmp_path, world):
    world.add(1)
    report = world.sync(tmp_path)
    assert json.loads((tmp_path / DATASET).read_text(encoding="utf-8")) == {
        "layout": 1,
        "server_name": world.server.url.removeprefix("http://"),
        "workflow_id": str(world.workflow),
        "format": "parquet",
        "vid_type": "string",
        "partition_by": [],
        "library": f"explorer_frames {__version__}",
    }
    table = pq.read_table(tmp_path / record_name(str(world.jobs[0])))
    assert table.schema.equals(RUNS_SCHEMA)
    job = world.explorer.job(world.jobs[0])
    for row, task in zip(table.to_pylist(), job, strict=True):
        file = tmp_path / row["path"]
        stored = pq.ParquetFile(file)
        known = read_provenance(file)
        assert {name: row[name] for name in ("job_id", "workflow_id", "create_time", "begin_time", "end_time")} == {
            "job_id": job.job_id,
            "workflow_id": str(world.workflow),
            "create_time": job.create_time,
            "begin_time": job.begin_time,
            "end_time": job.end_time,
        }
        assert (row["task_id"], row["task_name"], row["status"]) == (task.task_id, task.name, "success")
        assert row["rows"] == stored.metadata.num_rows == ROWS
        assert row["bytes"] == file.stat().st_size
        assert (row["complete"], row["content_hash"]) == (True, known.content_hash)
        assert (known.job_id, known.task_id) == (row["job_id"], row["task_id"])
    assert {row["path"] for row in table.to_pylist()} == {
        with_slashes(Path(one.path).relative_to(tmp_path)) for one in report.written
    }


def test_tasks_are_selected_by_name_or_id(store, world):
    world.add(2)
    url = store.url("lake")
    first = world.sync(url, tasks=["PageRank"], **storage(store))
    assert {part.task_name for part in first.written} == {"PageRank"}
    world.asked()
    louvain = world.explorer.job(world.jobs[0]).tasks[1].task_id
    world.asked()
    one = world.sync(url, tasks=[louvain], **storage(store))
    assert [part.task_id for part in one.written] == [louvain]
    assert world.asked() == {"list": 1, "job": 0, "result": 1}
    rest = world.sync(url, **storage(store))
    assert (len(rest.written), len(rest.skipped)) == (1, 3)
    assert world.asked() == {"list": 1, "job": 0, "result": 1}
    whole = tree(url, store.options)
    assert world.sync(store.url("other"), **storage(store)).rows == 4 * ROWS
    assert meaning(whole) == meaning(tree(store.url("other"), store.options))


def test_only_successful_tasks_of_successful_jobs_are_taken(tmp_path, world):
    world.add(3)
    ids = [task.task_id for task in world.explorer.job(world.jobs[0]).tasks]
    world.server.set_status(world.jobs[0], 3, ids[0])
    world.server.set_status(world.jobs[1], 3)
    report = world.sync(tmp_path)
    assert report.jobs == 2
    assert {(int(part.job_id), part.task_name) for part in report.written} == {
        (world.jobs[0], "Louvain"),
        (world.jobs[2], "PageRank"),
        (world.jobs[2], "Louvain"),
    }


def test_new_jobs_are_added_and_since_leaves_out_old_ones(tmp_path, world):
    world.add(2).sync(tmp_path)
    world.asked()
    world.add(1)
    report = world.sync(tmp_path)
    assert {int(part.job_id) for part in report.written} == {world.jobs[2]}
    assert world.asked() == {"list": 1, "job": 1, "result": 2}
    created = world.explorer.list_jobs(world.workflow)["create_time"].max().to_pydatetime()
    assert world.sync(tmp_path / "new", created_after=created).jobs == 1
    late = world.sync(tmp_path / "later", created_after=created + timedelta(days=1), tasks=["PageRank"])
    assert (late.jobs, late.written) == (0, ())
    assert not (tmp_path / "later").exists()


def test_jobs_without_tasks_and_empty_results_are_done_with_too(tmp_path, world):
    world.server.add_jobs(2)
    job, _ = world.server.add_result([[], []], "PageRank")
    assert [(int(part.job_id), part.rows) for part in world.sync(tmp_path).written] == [(job, 0)]
    world.asked()
    assert len(world.sync(tmp_path).skipped) == 1
    assert world.asked() == {"list": 1, "job": 0, "result": 0}


def test_tasks_with_the_same_name_are_both_written(tmp_path, world):
    world.add(1, ["PageRank", "PageRank"])
    assert len({part.path for part in world.sync(tmp_path).written}) == 2


@pytest.mark.parametrize("layout", ["parquet", "feather"])
def test_both_formats_are_found_again_without_their_records(tmp_path, world, layout):
    world.add(2).sync(tmp_path, format=layout)
    files = tree(tmp_path)
    for job in world.jobs:
        (tmp_path / record_name(str(job))).unlink()
    world.asked()
    report = world.sync(tmp_path, format=layout)
    assert world.asked() == {"list": 1, "job": 2, "result": 0}
    assert (report.written, len(report.skipped), sum(part.rows for part in report.skipped)) == ((), 4, 4 * ROWS)
    assert tree(tmp_path) == files


def damaged(content: bytes) -> dict[str, bytes]:
    table = pq.read_table(pa.BufferReader(content))
    sink = pa.BufferOutputStream()
    pq.write_table(table.set_column(0, "job_id", pa.array(["4711"] * len(table))), sink)
    middle = len(content) // 3
    return {
        "empty": b"",
        "JSON": b"{}",
        "cut off": content[:-9],
        "altered": content[:middle] + bytes(one ^ 255 for one in content[middle : middle + 9]) + content[middle + 9 :],
        "a result": b"PAR1" + content[4:],
        "of another job": bytes(sink.getvalue()),
    }


def test_damaged_record_is_rebuilt_from_the_files(tmp_path, world):
    world.add(1).sync(tmp_path)
    files = tree(tmp_path)
    name = record_name(str(world.jobs[0]))
    for kind, content in damaged(files[name]).items():
        (tmp_path / name).write_bytes(content)
        world.asked()
        assert len(world.sync(tmp_path).skipped) == 2
        assert world.asked()["result"] == 0
        assert kind == "a result" or tree(tmp_path) == files, kind


def test_a_part_that_was_deleted_is_written_again(tmp_path, world):
    world.add(2)
    lost = world.sync(tmp_path).written[1]
    before = meaning(tree(tmp_path))
    Path(lost.path).unlink()
    world.asked()
    report = world.sync(tmp_path)
    assert [part.path for part in report.written] == [lost.path]
    assert world.asked() == {"list": 1, "job": 0, "result": 1}
    assert meaning(tree(tmp_path)) == before


def test_foreign_file_with_the_name_of_a_part_is_not_replaced(tmp_path, world):
    world.add(1)
    part = world.sync(tmp_path).written[0]
    other = next(path for path in tmp_path.rglob("*.parquet") if str(path) != part.path)
    for content in (b"PAR1 and no more", other.read_bytes()):
        Path(part.path).write_bytes(content)
        with pytest.raises(SyncError) as caught:
            world.sync(tmp_path)
        assert type(caught.value.report.failed[0].error) is WriteError
        assert part.path in str(caught.value.report.failed[0].error)
        assert Path(part.path).read_bytes() == content


def test_schemas_by_task_name(tmp_path, world):
    world.add(1)
    own = pa.schema([("who", pa.string()), ("rank", pa.float32())])
    report = world.sync(tmp_path, schema={"PageRank": own})
    run = ["job_id", "task_id", "end_time"]
    columns = {part.task_name: pq.ParquetFile(part.path).schema_arrow.names for part in report.written}
    assert columns == {"PageRank": ["who", "rank", *run], "Louvain": ["id", "community", *run]}
    with pytest.raises(ConfigError, match="no job has a task 'Pagerank'"):
        world.sync(tmp_path, schema={"Pagerank": own})


@pytest.mark.parametrize("jobs", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_many_jobs_in_one_call(tmp_path, world, jobs):
    world.add(jobs, ["PageRank"])
    report = world.sync(tmp_path)
    assert (report.jobs, len(report.written), report.rows) == (jobs, jobs, jobs * ROWS)
    assert world.asked() == {"list": 1, "job": jobs, "result": jobs}
    assert [int(part.job_id) for part in report.written] == world.jobs
    assert len(world.sync(tmp_path).skipped) == jobs
    assert world.asked() == {"list": 1, "job": 0, "result": 0}
    assert ds.dataset(tmp_path / "PageRank").count_rows() == jobs * ROWS


# --- whose folder it is


@pytest.mark.parametrize(
    "other",
    [{"format": "feather"}, {"vid_type": "int64"}, {"workflow": True}, {"server": True}, {"partition_by": "job_id"}],
)
def test_lake_of_another_workflow_is_rejected_before_any_write(tmp_path, world, other):
    world.add(1).sync(tmp_path)
    files = tree(tmp_path)
    world.asked()
    workflow = world.server.workflows["karate"] if "workflow" in other else world.workflow
    options = {name: value for name, value in other.items() if isinstance(value, str)}
    with Sandbox() as second, Explorer(second.url, token=second.token) as elsewhere:
        explorer = elsewhere if "server" in other else world.explorer
        with pytest.raises(ConfigError, match="lake with different settings") as caught:
            explorer.sync_workflow(workflow, tmp_path, **options)
    assert "ass another path" in caught.value.hint
    assert sum(world.asked().values()) == 0
    assert tree(tmp_path) == files


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"layout": 2}'])
def test_lake_folder_without_owner_record_is_rejected(tmp_path, world, content):
    world.add(1).sync(tmp_path)
    (tmp_path / DATASET).unlink()
    if content is not None:
        (tmp_path / DATASET).write_bytes(content)
    world.asked()
    with pytest.raises(ConfigError, match=r"_manifest/dataset.json"):
        world.sync(tmp_path)
    assert sum(world.asked().values()) == 0


def test_concurrent_first_sync_detects_the_other_owner(tmp_path, world, monkeypatch):
    world.add(1)
    put, calls = Folder.put, []

    def another_first(self, name, content, mode):
        if not calls:
            calls.append(name)
            put(self, name, content.replace(b'"workflow_id": "', b'"workflow_id": "9'), "create")
        return put(self, name, content, mode)

    monkeypatch.setattr(Folder, "put", another_first)
    with pytest.raises(ConfigError, match="workflow_id is '9"):
        world.sync(tmp_path)
    assert list(tree(tmp_path)) == [DATASET]


# --- bad input


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"format": "csv"}, UnsupportedFormatError, "csv"),
        ({"format": None}, UnsupportedFormatError, "None"),
        ({"workers": 0}, ConfigError, "workers"),
        ({"workers": True}, ConfigError, "workers"),
        ({"workers": 2.0}, ConfigError, "workers"),
        ({"created_after": "soon"}, ConfigError, "created_after must be a datetime or an ISO 8601 string"),
        ({"created_after": 2026}, ConfigError, "created_after"),
        ({"limit": 0}, ConfigError, "limit"),
        ({"vid_type": "int"}, ConfigError, "vid_type"),
        ({"schema": "no such"}, ConfigError, "no such"),
        ({"schema": {"PageRank": 7}}, ConfigError, "schema"),
        ({"tasks": "PageRank"}, ConfigError, "tasks"),
        ({"tasks": []}, ConfigError, "tasks"),
        ({"tasks": [1]}, ConfigError, "tasks"),
        ({"progress": 1.5}, ConfigError, "progress"),
        ({"partition_by": "score"}, ConfigError, "partition_by"),
        ({"partition_by": []}, ConfigError, "partition_by"),
        ({"partition_by": ["job_id", "job_id"]}, ConfigError, "partition_by"),
        ({"partition_by": 7}, ConfigError, "partition_by"),
        ({"server_name": ""}, ConfigError, "server_name"),
        ({"server_name": 7}, ConfigError, "server_name"),
        ({"server_name": "http://explorer:port"}, ConfigError, "server_name"),
        ({"verify": "yes"}, ConfigError, "verify"),
        ({"workflow_id": "../1"}, ConfigError, "workflow_id"),
        ({"path": "nowhere://x/y"}, ConfigError, "invalid URL or storage_options"),
        ({"path": "oss://x/y"}, ConfigError, "driver"),
        ({"path": "https://x/y"}, ConfigError, "read-only"),
        ({"path": "simplecache::s3://x/y"}, ConfigError, "chained"),
        ({"path": ""}, ConfigError, "not a valid path or URL"),
        ({"path": None}, ConfigError, "not a valid path or URL"),
        ({"path": b"x"}, ConfigError, "not a valid path or URL"),
        ({"path": "memory://x", "storage_options": [1]}, ConfigError, "storage_options"),
    ],
)
def test_refused_before_any_work(tmp_path, monkeypatch, world, options, error, said):  # noqa: PLR0917
    monkeypatch.chdir(tmp_path)
    given = {"workflow_id": 1, "path": "lake"} | options
    with pytest.raises(error, match=said) as caught:
        sync_workflow(**given, explorer=world.explorer)
    assert isinstance(caught.value, ExplorerFramesError)
    assert sum(world.asked().values()) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(store, world):
    store.put("lake", b"a file")
    world.add(1)
    with pytest.raises(ExplorerFramesError, match="is a file") as caught:
        world.sync(store.url("lake"), **storage(store))
    assert store.url("lake").rpartition("/")[2] in caught.value.where
    assert sum(world.asked().values()) == 0
    assert store.read("lake") == b"a file"


def test_unwritable_store_raises_before_any_result_is_read(s3_store, world, monkeypatch):
    import s3fs

    world.add(2)
    options = s3_store.options | {"skip_instance_cache": True}
    with pytest.raises(WriteError) as caught:
        world.sync(f"s3://no-such-bucket-{os.getpid()}/lake", storage_options=options)
    assert "canary" not in str(caught.value)
    assert "bucket" in str(caught.value)

    async def denied(self, *args, **kwargs):
        raise PermissionError("canary-s3cret")

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", denied)
    with pytest.raises(WriteError, match="PermissionError") as caught:
        world.sync(s3_store.url("lake"), storage_options=options)
    assert "canary" not in str(caught.value)
    assert world.asked()["result"] == 0


def test_a_name_that_no_job_has_is_refused_with_similar_names(tmp_path, world):
    world.add(2)
    with pytest.raises(ConfigError, match="'pagerank'") as caught:
        world.sync(tmp_path / "lake", tasks=["pagerank", "Louvain"])
    assert "'PageRank'?" in caught.value.hint
    assert "2 tasks" in caught.value.hint
    assert not (tmp_path / "lake").exists()


def test_an_unknown_workflow_is_refused(tmp_path, world):
    with pytest.raises(NotFoundError):
        world.explorer.sync_workflow(4711, tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


# --- what fails


def test_failed_results_are_reported_and_others_are_written(store, world):
    world.add(2, ["PageRank"])
    job, task = world.server.add_result([["a", "b"], ["0.5", "player7"]], "PageRank")
    with pytest.raises(SyncError) as caught:
        world.sync(store.url("lake"), **storage(store))
    error, report = caught.value, caught.value.report
    assert (len(report.written), report.rows, report.pending) == (2, 2 * ROWS, 0)
    assert [(one.job_id, one.task_id, one.task_name) for one in report.failed] == [(str(job), task, "PageRank")]
    assert type(report.failed[0].error) is ColumnTypeError
    for said in (f"job {job}", "PageRank", "ColumnTypeError", "written: 2, skipped: 0", "sync again"):
        assert said in str(error)
    assert error.__context__ is None
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.report.written == report.written
    assert str(copy.report.failed[0].error) == str(report.failed[0].error)
    files = tree(store.url("lake"), store.options)
    assert record_name(str(job)) not in files
    world.asked()
    with pytest.raises(SyncError):
        world.sync(store.url("lake"), **storage(store))
    assert world.asked() == {"list": 1, "job": 1, "result": 1}
    schema = {"PageRank": pa.schema([("id", pa.string()), ("score", pa.string())])}
    assert len(world.sync(store.url("text"), schema=schema, **storage(store)).written) == 3
    assert tree(store.url("lake"), store.options) == files


def test_incomplete_results_require_allow_incomplete(tmp_path, world):
    world.add(1)
    with pytest.raises(SyncError) as caught:
        world.sync(tmp_path, limit=ROWS)
    assert {type(one.error) for one in caught.value.report.failed} == {IncompleteResultError}
    assert world.sync(tmp_path, limit=ROWS, allow_incomplete=True).rows == 2 * ROWS


CLOSE = "Connection: close\r\n"


@contextmanager
def through(server: Sandbox, fault: bytes):
    """Serve what the sandbox does, but for one request: set `broken` to its number."""

    def script(count, request):
        if count == proxy.broken:
            return fault
        path = request.split(b" ", 2)[1].decode()
        real = requests.get(server.url + path, cookies={"explorer_token": server.token}, timeout=HANG)
        return answer(real.content, headers=CLOSE)

    with RawServer(script) as proxy:
        proxy.broken = -1
        yield proxy


FAULTS = {
    "hung up": b"",
    "no such thing": answer(envelope(code="40404000"), headers=CLOSE),
    "cut off": answer(envelope()[:-9], length=len(envelope())),
}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(sent, id=name, marks=[pytest.mark.slow] * (name != "cut off")) for name, sent in FAULTS.items()],
)
def test_sync_recovers_from_server_fault_at_any_request(memory_store, world, fault):
    world.add(2)
    with through(world.server, fault) as proxy, Explorer(proxy.url, token="t", retries=0) as explorer:
        explorer.sync_workflow(world.workflow, memory_store.url("whole"), progress=False)
        whole = meaning(tree(memory_store.url("whole")))
        for number in range(1 + 2 + 4):
            url = memory_store.url(f"lake{number}")
            proxy.broken = len(proxy.requests) + number
            with pytest.raises(ExplorerFramesError) as caught:
                explorer.sync_workflow(world.workflow, url, progress=False)
            if number == 0:
                assert not isinstance(caught.value, SyncError)
                assert tree(url) == {}
            else:
                report = caught.value.report
                assert len(report.failed) == 1
                assert len(report.written) == (2 if number < 3 else 3)
            asked = len(proxy.requests)
            healed = explorer.sync_workflow(world.workflow, url, progress=False)
            assert len(healed.written) + len(healed.skipped) == 4
            # the list, the job without a record, what is missing of it
            assert len(proxy.requests) - asked == (7 if number == 0 else 1 + 1 + 2 if number < 3 else 1 + 1 + 1)
            assert meaning(tree(url)) == whole


class BrokenError(OSError):
    """No driver raises it, so it is surely ours."""


@contextmanager
def breaking(places, number):
    """Make the call of that number fail, counted over all places; yields the calls that were made."""
    calls, lock = [], threading.Lock()
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in places:
            real = getattr(owner, name)

            def call(*args, real=real, name=name, **kwargs):
                with lock:
                    calls.append(name)
                    broken = len(calls) - 1 == number
                if broken:
                    raise BrokenError("no")
                return real(*args, **kwargs)

            patch.setattr(owner, name, call)
        yield calls


def refusal(world, url, **options) -> str:
    """What a sync raises, as text; empty if nothing."""
    try:
        world.sync(url, **options)
    except ExplorerFramesError as error:
        return str(error)
    return ""


PLACES = {
    "local": [(os, name) for name in ("link", "rename", "replace", "fsync", "makedirs", "scandir")],
    "memory": [
        (MemoryFileSystem, name) for name in ("put_file", "info", "mv", "cp_file", "rm_file", "find", "cat_file")
    ],
}


@pytest.mark.parametrize(
    ("kind", "step"),
    [("memory", 5), *(pytest.param(kind, 1, marks=pytest.mark.slow) for kind in ("local", "memory"))],
)
def test_sync_recovers_from_storage_fault_at_any_call(kind, step, tmp_path, memory_store, world):
    world.add(1, ["PageRank"])
    base = str(tmp_path) if kind == "local" else memory_store.base
    world.sync(f"{base}/whole")
    whole = meaning(tree(f"{base}/whole"))
    number, failed = 0, 0
    while True:
        url = f"{base}/{number}"
        with breaking(PLACES[kind], number) as calls:
            said = refusal(world, url, workers=1)
        assert not said or "BrokenError" in said
        failed += bool(said)
        # Nothing that has its name is less than whole.
        assert all(content == whole[name] for name, content in meaning(tree(url)).items() if not name.endswith(".tmp"))
        assert world.sync(url).failed == ()
        assert meaning(tree(url)) == whole
        if len(calls) <= number:
            break
        number += step
        assert number < 300
    assert number > 10
    assert failed > 10 / step


def test_interrupt_is_raised_and_no_further_work_starts(tmp_path, world):
    world.add(20, ["PageRank"])
    seen = []

    def interrupt(report):
        seen.append(report)
        if len(report.written) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        world.sync(tmp_path, workers=2, progress=interrupt)
    assert world.asked()["result"] < 20
    landed = len(list(tmp_path.glob("PageRank/*.parquet")))
    assert 3 <= landed < 20
    said = r": at least (\d+) of 20 missing results\. Sync again"
    assert landed - 2 <= int(re.search(said, caught.value.__notes__[0])[1]) <= landed
    assert [report.pending for report in seen] == list(range(20, 16, -1))
    assert len(world.sync(tmp_path).written) == 20 - landed


class _SignalError(Exception):
    """What a handler of signals raises."""


@pytest.mark.parametrize("ends", [KeyboardInterrupt, _SignalError])
def test_an_interrupt_before_the_first_result_says_so(tmp_path, world, monkeypatch, ends):
    world.add(1)

    def interrupted(*_, **__):
        raise ends

    monkeypatch.setattr(world.explorer, "list_jobs", interrupted)
    with pytest.raises(ends) as caught:
        world.sync(tmp_path)
    assert caught.value.__notes__[0].startswith(f"Written to {tmp_path}: no results. Sync again")


def _refuse_login(server):
    server.expire_tokens()


def _stop(server):
    server.stop()


@pytest.mark.parametrize("fault", [_refuse_login, _stop])
@pytest.mark.parametrize("written", [0, 3])
def test_a_refused_login_or_a_server_that_is_gone_ends_a_sync(tmp_path, fault, written):
    with Sandbox() as server:
        world = World(server).add(20, ["PageRank"])
        world.asked()

        def show(report):
            if len(report.written) == written:
                fault(server)

        with pytest.raises(SyncError) as caught:
            world.sync(tmp_path, workers=2, progress=show)
        report = caught.value.report
        assert 1 <= len(report.failed) <= 4, "each worker lost one response at most, and was refused once"
        assert len(report.written) + len(report.failed) + report.pending == 20
        assert f"not attempted: {report.pending}" in str(caught.value)
        assert world.asked()["result"] <= len(report.written) + 5


def test_a_login_that_is_refused_for_jobs_is_one_error(tmp_path):
    with Sandbox() as server:
        world = World(server).add(20, ["PageRank"])
        world.asked()
        listed = world.explorer.list_jobs

        def list_jobs(*arguments, **options):
            jobs = listed(*arguments, **options)
            server.expire_tokens()
            return jobs

        world.explorer.list_jobs = list_jobs
        with pytest.raises(SessionExpiredError):
            world.sync(tmp_path, workers=2)
        assert world.asked()["job"] <= 4


def test_a_bucket_that_is_removed_ends_a_sync(s3_store, world, monkeypatch):
    import s3fs

    world.add(20, ["PageRank"])
    put = s3fs.S3FileSystem._put_file
    removed = []

    async def put_file(self, path, target, *args, **kwargs):
        if removed:
            target = f"no-such-bucket-{os.getpid()}/{target}"
        await put(self, path, target, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", put_file)
    options = s3_store.options | {"skip_instance_cache": True}
    with pytest.raises(SyncError, match="bucket") as caught:
        world.sync(
            s3_store.url("lake"),
            workers=2,
            storage_options=options,
            progress=lambda report: removed.extend(report.written[3:4]),
        )
    assert len(caught.value.report.failed) <= 2
    assert caught.value.report.pending > 0


def test_no_more_exports_at_a_time_than_workers(tmp_path, world, monkeypatch):
    world.add(12, ["PageRank"])
    real, lock, now, most = ResultReader.consume, threading.Lock(), [0], [0]
    together, begun = threading.Barrier(3), []

    def counted(self, *args, **kwargs):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            begun.append(now[0])
            first = len(begun) <= together.parties
        try:
            if first:
                together.wait(HANG)
            time.sleep(0.01)  # time for a fourth export to start, if the limit were broken
            return real(self, *args, **kwargs)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(ResultReader, "consume", counted)
    world.sync(tmp_path, workers=3)
    assert most[0] == 3


# --- several processes, and their ends


@pytest.fixture(scope="module")
def processes():
    if "forkserver" not in multiprocessing.get_all_start_methods():  # Windows
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["explorer_frames", "pyarrow.parquet", "pandas", "s3fs"])
    return context


class Child:
    """A sync in another process, ready to begin."""

    def __init__(self, processes, world, folder, options=None):
        self._connection, theirs = processes.Pipe()
        arguments = (world.server.url, world.server.token, world.workflow, folder, options, theirs)
        self.process = processes.Process(target=sync_in_child, args=arguments)
        self.process.start()
        theirs.close()
        assert self._connection.poll(HANG)
        assert self._connection.recv() == "begun"

    def go(self):
        self._connection.send("go")
        return self

    def result(self):
        assert self._connection.poll(HANG)
        found = self._connection.recv()
        self._end()
        return found

    def kill(self):
        self.process.kill()  # SIGKILL, also where it has ended by now
        self._end()

    def _end(self):
        self.process.join(HANG)
        self.process.close()
        self._connection.close()


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_three_processes_at_once_write_each_result_once(request, kind, world, processes):
    store = request.getfixturevalue(f"{kind}_store")
    world.add(3)
    url = store.url("lake")
    children = [Child(processes, world, url, store.options or None) for _ in range(3)]
    reports = [child.result() for child in [child.go() for child in children]]
    written = [part for report in reports for part in report["written"]]
    assert len(written) == len(set(written)) == 6
    assert all(sorted(report["written"] + report["skipped"]) == sorted(written) for report in reports)
    raced = meaning(tree(url, store.options))
    world.sync(store.url("alone"), **storage(store))
    assert raced == meaning(tree(store.url("alone"), store.options))
    world.asked()
    assert len(world.sync(url, **storage(store)).skipped) == 6
    assert world.asked() == {"list": 1, "job": 0, "result": 0}


def killed_at_random(tmp_path, world, processes, times, kinds):
    """Kill at least `times` syncs at random moments, until `kinds` different numbers of files were left."""
    world.add(4)
    world.sync(tmp_path / "whole")
    whole = meaning(tree(tmp_path / "whole"))
    child, begun = Child(processes, world, str(tmp_path / "timed")), time.monotonic()
    child.go().result()
    longest = time.monotonic() - begun
    seen, chance, number = set(), random.Random(7), 0
    while number < times or len(seen) < kinds:
        number += 1
        assert number < 20 * times
        folder = tmp_path / str(number)
        child = Child(processes, world, str(folder)).go()
        time.sleep(chance.uniform(0, longest))
        child.kill()
        left = meaning(tree(folder))
        seen.add(len(left))
        longest *= 0.95 if left == whole else 1.05 if not left else 1  # adapt to the load of the machine
        assert all(content == whole[name] for name, content in left.items())
        world.sync(folder)
        assert meaning(tree(folder)) == whole
        shutil.rmtree(folder)


@needs_forkserver
def test_killed_anywhere_and_run_again_it_ends_the_same(tmp_path, world, processes):
    killed_at_random(tmp_path, world, processes, 4, 2)


@pytest.mark.slow
@needs_forkserver
def test_killed_anywhere_80_times_and_run_again_it_ends_the_same(tmp_path, world, processes):
    killed_at_random(tmp_path, world, processes, 80, 6)


@pytest.mark.parametrize("wanted", [None, ["PageRank"]])
def test_a_record_that_another_process_published_first_is_kept_or_added_to(tmp_path, world, monkeypatch, wanted):
    world.add(1)
    put, others = Folder.put, [True]

    def another_first(self, name, content, mode):
        if name == record_name(str(world.jobs[0])) and others:
            others.clear()
            world.sync(tmp_path)
        return put(self, name, content, mode)

    monkeypatch.setattr(Folder, "put", another_first)
    report = world.sync(tmp_path, tasks=wanted)
    assert len(report.written) == (2 if wanted is None else 1)
    record = pq.read_table(tmp_path / record_name(str(world.jobs[0])))
    assert record["path"].null_count == 0
    world.asked()
    assert len(world.sync(tmp_path).skipped) == 2
    assert world.asked() == {"list": 1, "job": 0, "result": 0}


def test_result_written_by_another_process_counts_as_skipped(store, world, monkeypatch):
    world.add(1, ["PageRank"])
    real, calls = _Sync._export, []

    def another_first(self, *args, **kwargs):
        calls.append(real(self, *args, **kwargs))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(_Sync, "_export", another_first)
    report = world.sync(store.url("lake"), **storage(store))
    assert (report.written, [part.bytes for part in report.skipped]) == ((), [calls[0].bytes])


def test_file_overwritten_by_another_process_counts_as_existing(s3_store, world, monkeypatch):
    world.add(1, ["PageRank"])
    real = StoredObject.stored

    def other_size(self):
        return real(self) + ("/PageRank/" in self.path)

    with monkeypatch.context() as patch:
        patch.setattr(StoredObject, "_checks", lambda *_: {})  # as for an upload in parts
        patch.setattr(StoredObject, "stored", other_size)
        assert len(world.sync(s3_store.url("lake"), **storage(s3_store)).skipped) == 1
    assert len(world.sync(s3_store.url("lake"), **storage(s3_store)).skipped) == 1


# --- what is shown


def test_progress_is_hidden_without_a_terminal_unless_requested(tmp_path, world, capsys):
    world.add(2)
    world.sync(tmp_path / "a", progress=None)
    assert capsys.readouterr().err == ""
    world.sync(tmp_path / "b", progress=True)
    shown = capsys.readouterr().err
    assert f"workflow {world.workflow}" in shown
    assert "4/4 results" in shown
    states = []
    world.sync(tmp_path / "c", progress=states.append)
    assert [(state.pending, len(state.written)) for state in states] == [(4 - n, n) for n in range(5)]


def test_the_report_reads_well(tmp_path, world):
    world.add(2, ["PageRank"])
    job, _ = world.server.add_result([["a", "b"], ["1", "x"]], "PageRank <script>")
    with pytest.raises(SyncError) as caught:
        world.sync(tmp_path)
    report = caught.value.report
    assert repr(report).startswith(
        f"<SyncReport workflow {world.workflow} in {tmp_path}: 3 jobs, 2 results written (100 rows"
    )
    assert "1 failed" in repr(report)
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()
    assert "<td style='text-align:left'>PageRank</td><td>2</td><td>0</td><td>0</td>" in report._repr_html_()
    frame = report.to_pandas()
    assert frame["state"].tolist() == ["written", "written", "failed"]
    assert frame["rows"].sum() == 2 * ROWS
    assert frame.loc[2, "job_id"] == str(job)
    assert "cannot" in frame.loc[2, "error"] or frame.loc[2, "error"]
    empty = SyncReport("x", "1", 0).to_pandas()
    assert empty.dtypes.equals(frame.dtypes)
    with pytest.raises(AttributeError):
        report.jobs = 1


def test_no_secret_is_in_any_file(s3_store, world):
    world.add(1).sync(s3_store.url("lake"), storage_options=s3_store.options)
    everything = b"".join(tree(s3_store.url("lake"), s3_store.options).values())
    assert b"canary" not in everything
    assert world.server.token.encode() not in everything


def test_folders_of_any_name(store, world):
    name = "a b 100% gr\u00fc\u00dfe x[1]" + "*" * (not re.search(store.refused, "*"))
    world.add(1, ["PageRank"])
    assert len(world.sync(store.url(name), **storage(store)).written) == 1
    assert len(world.sync(store.url(f"{name}/"), **storage(store)).skipped) == 1
    assert {one.split("/")[0] for one in tree(store.base, store.options)} == {name}


def test_numpy_ids_and_local_urls(tmp_path, world):
    world.add(1)
    assert len(world.explorer.sync_workflow(np.int64(world.workflow), f"file://{tmp_path}/lake").written) == 2
    assert len(world.sync(tmp_path / "lake").skipped) == 2
    with pytest.raises(TargetExistsError):
        Folder(tmp_path / "lake").put(DATASET, b"", "create")
    with pytest.raises(WriteError):
        Folder(tmp_path / "lake").look("none", lambda file: file.read())


def test_unknown_task_name_is_accepted_before_tasks_are_known(tmp_path, world):
    world.add(1)
    with through(world.server, FAULTS["no such thing"]) as proxy, Explorer(proxy.url, token="t") as explorer:
        proxy.broken = 1
        with pytest.raises(SyncError) as caught:
            explorer.sync_workflow(world.workflow, tmp_path, tasks=["Nope"])
        assert [(one.task_name, type(one.error)) for one in caught.value.report.failed] == [(None, NotFoundError)]
        with pytest.raises(ConfigError, match="Nope"):
            explorer.sync_workflow(world.workflow, tmp_path, tasks=["Nope"])
    assert tree(tmp_path) == {}
