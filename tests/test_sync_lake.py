"""What a sync keeps of a lake: one schema for each task, one server, intact files, and no requests for a dead store."""

from __future__ import annotations

import errno
import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from platforms import needs_fifo, needs_symlinks
from syncing import ROWS, storage, tree

from explorer_frames import Explorer, read_lake
from explorer_frames._storage.local import LocalFile
from explorer_frames._storage.stores import StoredObject
from explorer_frames._sync.folders import TaskFolders
from explorer_frames._sync.manifest import server_name_of
from explorer_frames._sync.names import DATASET, claim_name, record_name
from explorer_frames.errors import ConfigError, DamagedFileError, FileReadError, SyncError, WriteError

pytest_plugins = ["storage"]


def add(world, name: str, *columns: list[str]) -> str:
    """Add a job with one result, and return its id."""
    return str(world.server.add_result(list(columns), name)[0])


def failures(world, url, **options) -> dict[str, Exception]:
    """Sync, and return the errors by job."""
    with pytest.raises(SyncError) as caught:
        world.sync(url, **options)
    return {one.job_id: one.error for one in caught.value.report.failed}


# --- the columns of the run


def test_each_file_has_the_columns_of_its_run(tmp_path, world):
    world.add(2, ["PageRank", "PageRank"])
    report = world.sync(tmp_path)
    frame = read_lake(tmp_path, "PageRank")
    jobs = {job: world.explorer.job(job) for job in frame["job_id"].unique()}
    assert len(jobs) == 2
    assert frame.groupby(["job_id", "task_id"]).size().tolist() == [ROWS] * 4
    for (job, task, end), _ in frame.groupby(["job_id", "task_id", "end_time"]):
        assert task in jobs[job]
        assert end.to_pydatetime() == jobs[job].end_time
    for part in report.written:
        schema = pq.read_schema(part.path)
        assert schema.names == ["id", "score", "job_id", "task_id", "end_time"]
        assert schema.types[2:] == [pa.string(), pa.string(), pa.timestamp("us", "UTC")]


@pytest.mark.parametrize("name", ["job_id", "task_id", "end_time", "Job_ID", "end_date"])
def test_result_column_named_like_a_run_column_is_rejected(tmp_path, world, name):
    world.add(1)
    own = pa.schema([("id", pa.string()), (name, pa.string())])
    for schema in (own, {"PageRank": own}):
        with pytest.raises(ConfigError, match=name) as caught:
            world.sync(tmp_path / "lake", schema=schema, partition_by="end_date")
        assert "schema=" in caught.value.hint
    assert sum(world.asked().values()) == 0
    assert not (tmp_path / "lake").exists()


def test_a_job_without_an_end_has_a_missing_end_time(tmp_path, world, monkeypatch):
    world.add(1, ["PageRank"])
    listed = world.explorer.list_jobs

    def without_end(*args, **kwargs):
        jobs = listed(*args, **kwargs)
        return jobs.assign(end_time=jobs["end_time"].where(jobs["end_time"].isna()))

    for options in ({}, {"partition_by": "end_date"}):
        url = tmp_path / "".join(options)
        with monkeypatch.context() as patch:
            patch.setattr(world.explorer, "list_jobs", without_end)
            [part] = world.sync(url / "lake", make_parents=True, **options).written
        assert ("end_date=__HIVE_DEFAULT_PARTITION__" in part.path) is bool(options)
        frame = read_lake(url / "lake", "PageRank")
        assert frame["end_time"].isna().all()
        assert len(frame) == ROWS
        (url / "lake" / record_name(part.job_id)).unlink()
        assert [one.path for one in world.sync(url / "lake", make_parents=True, **options).skipped] == [part.path], (
            "the end is known now"
        )


# --- one schema for each task


def test_result_with_other_columns_fails_and_others_are_written(store, world):
    first = add(world, "Query", ["a"], ["b"])
    second = add(world, "Query", ["a"], ["b"], ["c"])
    third = add(world, "Query", ["d"], ["e"])
    url, options = store.url("lake"), storage(store)
    for _ in range(2):
        errors = failures(world, url, workers=1, **options)
        assert list(errors) == [second]
        error = errors[second]
        assert type(error) is WriteError
        for said in ("column_3: string", "'Query'", "(column_1: string, column_2: string, job_id: string"):
            assert said in error.what
        assert "schema=" in error.hint
    assert sorted(read_lake(url, "Query", **options)["job_id"]) == sorted([first, third])


def test_a_result_without_rows_never_decides_on_the_columns(tmp_path, world):
    for name in ("Query", "Louvain", "PageRank", "mine"):
        add(world, name, [], [])
    report = world.sync(tmp_path, workers=1)
    assert {part.task_name: part.path is None for part in report.written} == {
        "Query": True,
        "Louvain": True,
        "PageRank": False,
        "mine": True,
    }
    assert {part.rows for part in report.written} == {0}
    assert len(read_lake(tmp_path, "PageRank")) == 0
    assert str(read_lake(tmp_path, "PageRank")["score"].dtype) == "float64"
    world.asked()
    assert len(world.sync(tmp_path).skipped) == 4
    assert world.asked() == {"list": 1, "job": 0, "result": 0}
    add(world, "Query", ["a"], ["b"], ["c"])
    add(world, "Louvain", ["a"], ["b"], ["0.5"])
    add(world, "mine", ["a"], ["0.5"], ["b"])
    add(world, "Query", [])
    assert len(world.sync(tmp_path, workers=1).written) == 4
    assert read_lake(tmp_path, "Query").columns.tolist()[:3] == ["column_1", "column_2", "column_3"]
    assert read_lake(tmp_path, "Louvain").columns.tolist()[:3] == ["id", "community", "modularity"]
    runs = pd.read_parquet(tmp_path / "_runs")
    assert sorted(runs["rows"]) == [0, 0, 0, 0, 0, 1, 1, 1]
    assert runs["path"].isna().sum() == 3


@pytest.mark.filterwarnings("ignore::explorer_frames.errors.SchemaWarning")
def test_results_that_were_read_as_text_stay_text(tmp_path, world):
    add(world, "mine", ["a"], ["b"])
    assert len(world.sync(tmp_path / "lake").written) == 1
    add(world, "mine", ["c"], ["0.5"])
    add(world, "mine", ["d"], ["e"])
    assert len(world.sync(tmp_path / "lake").written) == 2
    frame = read_lake(tmp_path / "lake", "mine")
    assert sorted(frame["column_2"]) == ["0.5", "b", "e"]
    third = add(world, "mine", ["f"], ["g"], ["h"])
    assert list(failures(world, tmp_path / "lake")) == [third]


def test_concurrent_first_syncs_with_different_columns_conflict(memory_store, world, monkeypatch):
    jobs = [add(world, "PageRank", ["a"], ["0.5"]) for _ in range(2)]
    own = pa.schema([("who", pa.string()), ("rank", pa.float64())])
    url, claim, others = memory_store.url("lake"), TaskFolders.claim, [True]
    listed = world.explorer.list_jobs

    def another_first(self, wanted):
        if others:
            others.clear()
            with monkeypatch.context() as patch:
                patch.setattr(world.explorer, "list_jobs", lambda *args, **kwargs: listed(*args, **kwargs).tail(1))
                world.sync(url, schema=own)
        return claim(self, wanted)

    monkeypatch.setattr(TaskFolders, "claim", another_first)
    errors = failures(world, url, workers=1)
    assert list(errors) == jobs[:1]
    assert all("(who: string, rank: double" in error.what for error in errors.values())
    assert {
        pq.read_schema(pa.BufferReader(content)).names[0]
        for name, content in tree(url).items()
        if name.startswith("PageRank/")
    } == {"who"}
    assert read_lake(url, "PageRank").columns.tolist()[:2] == ["who", "rank"]


def test_a_lost_or_damaged_description_is_taken_from_a_file(tmp_path, world):
    world.add(1, ["PageRank"]).sync(tmp_path)
    before = tree(tmp_path)
    claim = claim_name("PageRank")
    for damage in (None, b"", b"{}", b'{"task_name": "PageRank", "folder": "PageRank", "schema": "AAAA"}'):
        (tmp_path / claim).unlink()
        if damage is not None:
            (tmp_path / claim).write_bytes(damage)
        world.add(1, ["PageRank"])
        own = pa.schema([("who", pa.string()), ("rank", pa.float64())])
        [error] = failures(world, tmp_path, schema=own).values()
        assert "(who: string, rank: double" in error.what
        assert len(world.sync(tmp_path).written) == 1
        assert tree(tmp_path)[claim] == before[claim]


# --- folders


def test_names_that_differ_only_in_case_have_folders_of_their_own(tmp_path, world):
    world.add(1, ["Score", "score", "SCORE"])
    folders = {part.task_name: Path(part.path).parent.name for part in world.sync(tmp_path).written}
    assert folders["Score"] == "Score"
    assert len({folder.lower() for folder in folders.values()}) == 3
    world.add(1, ["SCORE", "score"])
    again = {part.task_name: Path(part.path).parent.name for part in world.sync(tmp_path).written}
    assert again == {name: folders[name] for name in again}
    assert {name: len(read_lake(tmp_path, name)) for name in folders} == {
        "Score": ROWS,
        "score": 2 * ROWS,
        "SCORE": 2 * ROWS,
    }


def test_partitions_are_folders_and_not_columns_of_the_files(store, world):
    world.add(2, ["PageRank"])
    url, options = store.url("lake"), storage(store)
    report = world.sync(url, partition_by=["end_date", "job_id"], **options)
    for part in report.written:
        assert f"/PageRank/end_date={pd.Timestamp.now('UTC'):%Y-}" in part.path.replace(os.sep, "/")
        assert f"/job_id={part.job_id}/" in part.path.replace(os.sep, "/")
    name = next(name for name in tree(url, store.options) if name.startswith("PageRank/"))
    assert pq.read_schema(pa.BufferReader(tree(url, store.options)[name])).names == [
        "id",
        "score",
        "task_id",
        "end_time",
    ]
    assert len(world.sync(url, partition_by=["end_date", "job_id"], **options).skipped) == 2
    assert json.loads(tree(url, store.options)[DATASET])["partition_by"] == ["end_date", "job_id"]
    for other in (None, "job_id", ["job_id", "end_date"]):
        with pytest.raises(ConfigError, match="partition_by"):
            world.sync(url, partition_by=other, **options)


# --- whose lake it is


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://explorer:7002", "explorer:7002"),
        ("https://explorer:7002/", "explorer:7002"),
        ("http://Explorer", "explorer"),
        ("https://explorer:443", "explorer"),
        ("http://explorer:443", "explorer:443"),
        ("http://explorer:80/graph/", "explorer/graph"),
        ("http://ann:secret@explorer:7002", "explorer:7002"),
        ("http://[::1]:7002", "[::1]:7002"),
    ],
)
def test_a_server_is_known_by_its_url_without_scheme(url, name):
    assert server_name_of(url) == name


def test_a_server_with_another_url_is_the_same_if_its_name_is_passed(tmp_path, world):
    world.add(1).sync(tmp_path)
    name = server_name_of(world.server.url)
    with Explorer(world.server.url.replace("127.0.0.1", "localhost"), token=world.server.token) as moved:
        with pytest.raises(ConfigError, match="server_name") as caught:
            moved.sync_workflow(world.workflow, tmp_path)
        assert f"server_name='{name}'" in caught.value.hint
        for given in (name, world.server.url):
            assert len(moved.sync_workflow(world.workflow, tmp_path, server_name=given, progress=False).skipped) == 2
        world.add(1)
        assert len(moved.sync_workflow(world.workflow, tmp_path, server_name=name, progress=False).written) == 2
    assert len(world.sync(tmp_path).skipped) == 4


def test_a_name_of_a_server_that_was_passed_is_needed_again(tmp_path, world):
    world.add(1).sync(tmp_path, server_name="production")
    assert len(world.sync(tmp_path, server_name="production").skipped) == 2
    for other in (None, "test"):
        with pytest.raises(ConfigError, match="server_name is 'production'") as caught:
            world.sync(tmp_path, server_name=other)
        assert "server_name='production'" in caught.value.hint


@pytest.mark.parametrize("column", ["create_time", "begin_time"])
def test_a_job_that_is_another_run_in_the_lake_is_refused(tmp_path, world, monkeypatch, column):
    world.add(2).sync(tmp_path)
    listed = world.explorer.list_jobs

    def later(*args, **kwargs):
        jobs = listed(*args, **kwargs)
        return jobs.assign(**{column: jobs[column] + timedelta(hours=1)})

    monkeypatch.setattr(world.explorer, "list_jobs", later)
    files = tree(tmp_path)
    with pytest.raises(ConfigError, match=f"job {world.jobs[0]} .*: {column} is"):
        world.sync(tmp_path)
    assert tree(tmp_path) == files
    assert world.asked()["result"] == 4


# --- a target that fails


def failing(patch, error: OSError, calls: int) -> None:
    """Let every local file after so many fail when it is published."""
    put, count = LocalFile.put, [0]

    def broken(self, path, *, create):
        count[0] += 1
        if count[0] > calls:
            raise error
        return put(self, path, create=create)

    patch.setattr(LocalFile, "put", broken)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_full_or_unwritable_disk_ends_the_sync_at_once(tmp_path, world, monkeypatch, number):
    world.add(6, ["PageRank"])
    with monkeypatch.context() as patch:
        failing(patch, OSError(number, os.strerror(number)), 2 + 2 * 3)  # lake, task, three results with their jobs
        with pytest.raises(SyncError, match="not attempted: ") as caught:
            world.sync(tmp_path, workers=1)
    report = caught.value.report
    assert (len(report.written), len(report.failed), report.pending) == (3, 1, 2)
    assert report.failed[0].error.errno == number
    assert world.asked()["result"] == 4
    assert report.to_dict()["pending"] == 2
    assert len(world.sync(tmp_path).written) == 3


def test_failed_sync_requests_at_most_one_extra_result_per_worker(tmp_path, world, monkeypatch):
    world.add(20, ["PageRank"])
    with monkeypatch.context() as patch:
        failing(patch, OSError(errno.ENOSPC, "full"), 1)
        with pytest.raises(SyncError) as caught:
            world.sync(tmp_path, workers=4)
    report = caught.value.report
    assert len(report.failed) + report.pending == 20
    assert world.asked()["result"] == len(report.failed) <= 4


def test_a_bucket_that_is_gone_or_a_login_that_is_refused_ends_the_sync_at_once(s3_store, world, monkeypatch):
    world.add(10, ["PageRank"])
    put, count = StoredObject.put, [0]

    def broken(self, path, *, create):
        count[0] += 1
        if count[0] > 5:
            self.path = f"no-such-bucket-{os.getpid()}/x"
        return put(self, path, create=create)

    with monkeypatch.context() as patch:
        patch.setattr(StoredObject, "put", broken)
        with pytest.raises(SyncError) as caught:
            world.sync(s3_store.url("lake"), workers=1, **storage(s3_store))
    report = caught.value.report
    assert (len(report.written), len(report.failed), report.pending) == (1, 1, 8)
    assert world.asked()["result"] == 2
    assert len(world.sync(s3_store.url("lake"), **storage(s3_store)).written) == 9


def test_a_folder_that_is_a_file_fails_alone(tmp_path, world):
    world.add(2)
    tmp_path.joinpath("PageRank").write_bytes(b"a file")
    errors = failures(world, tmp_path, workers=1)
    assert len(errors) == 2
    assert len(read_lake(tmp_path, "Louvain")) == 2 * ROWS


# --- verifying


def test_verify_reports_files_that_are_not_as_they_were_written(store, world):
    world.add(2)
    url, options = store.url("lake"), storage(store)
    parts = world.sync(url, **options).written
    world.asked()
    assert world.sync(url, verify=True, **options).skipped == parts
    files = tree(url, store.options)
    names = [name for name in files if name.startswith(("PageRank/", "Louvain/"))]
    zeros, flipped = names[:2]
    damage = {
        zeros: bytes(len(files[zeros])),
        flipped: files[flipped][:99] + bytes([files[flipped][99] ^ 1]) + files[flipped][100:],
    }
    fs, path = store.fs()
    for name, content in damage.items():
        fs.pipe_file(f"{path}/lake/{name}", content)
    assert len(world.sync(url, **options).skipped) == 4, "the sizes are right"
    for _ in range(2):
        with pytest.raises(SyncError) as caught:
            world.sync(url, verify=True, **options)
        report = caught.value.report
        assert (len(report.skipped), report.written) == (2, ())
        assert {type(one.error) for one in report.failed} == {DamagedFileError}
        assert all(one.error.hint.startswith("Move the file out") for one in report.failed)
    assert {**files, **damage} == tree(url, store.options)
    assert world.asked()["result"] == 0
    for name in damage:
        fs.rm_file(f"{path}/lake/{name}")
    assert len(world.sync(url, verify=True, **options).written) == 2


def test_verify_notices_an_intact_file_in_the_place_of_another(tmp_path, world):
    world.add(1, ["PageRank"])
    [part] = world.sync(tmp_path / "lake").written
    [twin] = world.sync(tmp_path / "twin", schema=pa.schema([("ab", pa.string()), ("cdefg", pa.float64())])).written
    record = tmp_path / "lake" / record_name(part.job_id)
    shutil.copy(twin.path, part.path)
    table = pq.read_table(record)
    size = pa.array([Path(part.path).stat().st_size])
    pq.write_table(table.set_column(table.column_names.index("bytes"), "bytes", size), record)
    assert len(world.sync(tmp_path / "lake").skipped) == 1
    [error] = failures(world, tmp_path / "lake", verify=True).values()
    assert "content hash mismatch" in error.what


@needs_symlinks
def test_a_result_whose_link_is_broken_is_an_error_of_ours(tmp_path, world):
    [part] = world.add(1, ["PageRank"]).sync(tmp_path / "lake").written
    Path(part.path).unlink()
    Path(part.path).symlink_to("nowhere")
    with pytest.raises(FileReadError):
        read_lake(tmp_path / "lake", "PageRank")


@needs_fifo
@pytest.mark.parametrize("name", ["_manifest/dataset.json", "_manifest/tasks/", "_runs/", "PageRank/"])
def test_a_pipe_in_the_place_of_a_file_is_an_error_and_no_wait(tmp_path, world, name):
    lake = tmp_path / "lake"
    world.add(1, ["PageRank"]).sync(lake)
    place = lake / name if name.endswith(".json") else next((lake / name).iterdir())
    place.unlink()
    os.mkfifo(place)
    with pytest.raises((WriteError, SyncError), match="pipe"):
        world.sync(lake, verify=True)
    if name == "_runs/":
        assert len(read_lake(lake, "PageRank")) == ROWS
    else:
        with pytest.raises(FileReadError, match="pipe"):
            read_lake(lake, "PageRank")
