"""Dask DataFrames: the values, dtypes and errors of pandas' readers, in other threads and other processes."""

from __future__ import annotations

import csv
import gzip
import os
import pickle
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import cloudpickle
import dask
import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs
from dask.dataframe.utils import assert_eq
from distributed import Client, KilledWorker, LocalCluster
from fsspec.config import conf
from platforms import KILL

import explorer_frames
from explorer_frames import Explorer, SchemaWarning, export_output, write_parquet
from explorer_frames.dask import read_output, read_sample_results
from explorer_frames.errors import (
    ApiError,
    ColumnTypeError,
    ConfigError,
    DecodeError,
    ExplorerFramesError,
    FileReadError,
    NotFoundError,
    RowShapeError,
    TruncatedResultWarning,
    UnauthorizedError,
)
from explorer_frames.sandbox import Sandbox

pytest_plugins = ["storage"]
BACKENDS = [None, "numpy_nullable", "pyarrow"]
CELLS = pa.schema([("cells", pa.list_(pa.string()))])
# Dask 2026.8 writes Parquet by a call that pandas 3.1 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
CANARY = "canary-5f1c0e"


@pytest.fixture(autouse=True)
def _threads():
    with dask.config.set(scheduler="threads"):
        yield


@pytest.fixture(scope="module")
def world(sandbox, tmp_path_factory):
    """Run both built-in workflows, and write each task's result as three gzip parts, with Python's own csv."""
    folder = tmp_path_factory.mktemp("outputs")
    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        names = ("karate", "lesmis")
        jobs = [explorer.run_workflow(sandbox.workflows[name]).wait(progress=False, poll=0.1) for name in names]
        tasks = [task for job in jobs for task in job.tasks]
        for task in tasks:
            cells = explorer.read_sample_result_arrow(task.job_id, task.task_id, None, schema=CELLS)[
                "cells"
            ].to_pylist()
            ends = [len(cells) * number // 3 for number in range(4)]
            write_parts(folder / task.task_id, [cells[a:b] for a, b in pairwise(ends)])
        yield sandbox, folder, tasks


def write_parts(folder: Path, parts: list[list[list[str]]]) -> Path:
    folder.mkdir(parents=True)
    for number, rows in enumerate(parts):
        with gzip.open(folder / f"part-{number:05}.csv.gz", "wt", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return folder


@pytest.fixture
def parts(tmp_path):
    """Three parts of a PageRank, plain."""
    for number in range(3):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"part-{number}.csv").write_text(f"00{number},0.5\nNA,{number}\n")
    return tmp_path / "in"


def pandas_of(frame, **options) -> pd.DataFrame:
    return frame.compute(**options).reset_index(drop=True)


def true_to_meta(frame) -> pd.DataFrame:
    """Compute each partition, see that it is as `meta` says, and return them as one."""
    parts = dask.compute(*frame.to_delayed())
    for part in parts:
        assert part.dtypes.equals(frame._meta.dtypes)
        assert type(part.index) is type(frame._meta.index)
    return pd.concat(parts, ignore_index=True)


# --- the same as pandas

OWN = pa.schema(
    [
        ("id", pa.string()),
        ("flag", pa.bool_()),
        ("day", pa.date32()),
        ("at", pa.timestamp("ms")),
        ("zoned", pa.timestamp("us", "Asia/Shanghai")),
        ("price", pa.decimal128(10, 2)),
        ("kind", pa.dictionary(pa.int8(), pa.string())),
    ]
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_of_own_types_are_those_of_pandas(world, tmp_path, backend, monkeypatch):
    server, _, _ = world
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    folder, tasks, tables = tmp_path / "own", [], []
    for number, kinds in enumerate((["red", "blue"], ["green", "red"], ["blue", "white"])):
        rows = [
            [
                f"{kind}{number}",
                "true",
                "2026-11-29",
                "2026-11-29 10:00:00.5",
                "2026-11-29T10:00:00Z",
                f"{number}.5",
                kind,
            ]
            for kind in kinds
        ]
        tables.append(rows)
        tasks.append(server.add_result(list(zip(*rows, strict=True))))
    write_parts(folder, tables)
    expected = explorer_frames.read_output(folder, schema=OWN, dtype_backend=backend)
    samples = read_sample_results(tasks, schema=OWN, dtype_backend=backend)
    for frame in (read_output(folder, schema=OWN, dtype_backend=backend), samples):
        found = pandas_of(frame)
        pd.testing.assert_frame_equal(found, expected)
        assert found["kind"].tolist() == ["red", "blue", "green", "red", "blue", "white"]
        counted = frame.groupby("kind", observed=True)["flag"].count().compute().to_dict()
        assert counted == {"red": 2, "blue": 2, "green": 1, "white": 1}


# Both graphs run the same algorithms: the fast lane reads one of them.
@pytest.mark.parametrize(
    ("backend", "graphs"),
    [(None, 1), *(pytest.param(name, 2 - bool(name), marks=pytest.mark.slow) for name in BACKENDS)],
)
def test_sample_full_output_pandas_and_dask_are_equal_for_every_task(world, backend, graphs):
    server, folder, tasks = world
    tasks = tasks if graphs == 2 else [task for task in tasks if task.job_id == tasks[0].job_id]
    with Explorer(server.url, token=server.token) as explorer:
        source = EnvironmentSource(server)
        seen = 0
        for task in tasks:
            sample = task.read(dtype_backend=backend)
            schema = explorer.read_sample_result_arrow(task.job_id, task.task_id, None, schema="auto").schema
            schema = schema.remove_metadata()
            options = {"schema": schema, "dtype_backend": backend}
            full = read_output(folder / task.task_id, **options)
            assert full.npartitions == 3
            pd.testing.assert_frame_equal(true_to_meta(full), sample)
            pd.testing.assert_frame_equal(explorer_frames.read_output(folder / task.task_id, **options), sample)
            with source:
                read = read_sample_results([(task.job_id, task.task_id)], **options)
                pd.testing.assert_frame_equal(true_to_meta(read), sample)
            seen += len(sample)
    assert len(tasks) >= 15 * graphs
    assert seen > (5000 if graphs == 2 else 500)


class EnvironmentSource:
    """The environment of a sandbox, within a `with`."""

    def __init__(self, server) -> None:
        self._variables = server.environment

    def __enter__(self) -> None:
        os.environ.update(self._variables)

    def __exit__(self, *_: object) -> None:
        for name in self._variables:
            del os.environ[name]


NASTY = ["007", "NA", "", "null", "nan", '"', ",", "a\nb", "\r\n", " x ", "é", "\ufeffx", "𝔸", "1e5", "None"]


def test_a_dask_frame_is_refused_by_writers_with_a_way_out(tmp_path):
    lazy = dask.dataframe.from_pandas(pd.DataFrame({"id": ["a"]}), npartitions=1)
    for data in (lazy, lazy["id"]):
        with pytest.raises(
            ConfigError, match=r"data must be a table, got dask \w+\nPass data\.(compute|to_frame)\(\)\."
        ):
            write_parquet(data, tmp_path / "a.parquet")
    write_parquet(lazy.compute(), tmp_path / "a.parquet")


@pytest.mark.parametrize("convert", [True, False, None])
@pytest.mark.parametrize("backend", BACKENDS)
def test_ids_are_unchanged_by_dask_string_conversion(tmp_path, backend, convert):
    rows = [[text, "0.5"] for text in NASTY]
    write_parts(tmp_path / "in", [rows, rows[::-1]])
    expected = [text.encode() for text in NASTY + NASTY[::-1]]
    with dask.config.set({"dataframe.convert-string": convert}):
        frame = read_output(tmp_path / "in", schema="pagerank", dtype_backend=backend)
        assert [text.encode() for text in frame["id"].compute()] == expected
        eager = explorer_frames.read_output(tmp_path / "in", schema="pagerank", dtype_backend=backend)
        assert frame.dtypes.equals(eager.dtypes)
        pd.testing.assert_frame_equal(true_to_meta(frame), eager)
        assert_eq(frame, eager, check_index=False)
        frame.to_parquet(tmp_path / "out")
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [text.encode() for file in files for text in pq.read_table(file)["id"].to_pylist()] == expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("convert", [True, False])
def test_lists_stay_lists_in_frames_and_parquet(tmp_path, backend, convert):
    write_parts(tmp_path / "in", [[["a", "0.5", "1"]], [["b", "2", "3"]]])
    schema = pa.schema([("id", pa.string()), ("values", pa.list_(pa.float64()))])
    with dask.config.set({"dataframe.convert-string": convert}):
        frame = read_output(tmp_path / "in", schema=schema, dtype_backend=backend)
        assert [list(vector) for vector in true_to_meta(frame)["values"]] == [[0.5, 1.0], [2.0, 3.0]]
        options = {} if backend == "pyarrow" else {"schema": schema, "write_index": False}
        frame.to_parquet(tmp_path / "out", **options)
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [row for file in files for row in pq.read_table(file)["values"].to_pylist()] == [[0.5, 1.0], [2.0, 3.0]]


@pytest.mark.parametrize(
    ("schema", "header", "texts", "columns"),
    [
        (None, None, ["", "VID,VALUE\n", "a,1,b\nc,2,d\n"], ["id", "score", "community"]),
        (None, None, ["a,1\n", ""], ["id", "score"]),
        (None, None, ["", ""], ["id", "score"]),
        ("louvain", None, ["VID,LABEL,MODULARITY\n", ""], ["id", "community", "modularity"]),
        ("louvain", None, ["a,b,0.5\n", "VID,LABEL,MODULARITY\nc,d,1\n"], ["id", "community", "modularity"]),
        ("louvain", None, ["a,b\n"], ["id", "community"]),
        ("pagerank", True, ["who,what\na,1\n", "b,2\n", "who,what\nc,3\n"], ["id", "score"]),
        ("pagerank", True, ["", "who,what\n", "who,what\nc,3\n"], ["id", "score"]),
        ("pagerank", None, ["VID,VALUE\na,1\n", "id,score\n"], ["id", "score"]),
        ("louvain", False, ["VID,LABEL\na,b\n"], ["id", "community"]),
        ("pagerank", True, [""], ["id", "score"]),
    ],
)
def test_columns_and_headers_are_decided_as_for_the_whole(tmp_path, schema, header, texts, columns):
    for number, text in enumerate(texts):
        (tmp_path / f"part-{number}").write_text(text)
    frame = read_output(tmp_path, schema=schema, header=header)
    eager = explorer_frames.read_output(tmp_path, schema=schema, header=header)
    assert list(frame.columns) == columns
    pd.testing.assert_frame_equal(pandas_of(frame), eager)


def test_only_the_listing_happens_at_once_where_the_schema_is_known(parts):
    for path in parts.iterdir():
        path.write_text("x,y,z\n")
    frame = read_output(parts, schema="pagerank")
    assert frame.npartitions == 3
    with pytest.raises(RowShapeError):
        frame.compute()
    with pytest.raises(RowShapeError):
        read_output(parts, schema="kcore").compute()
    with pytest.raises(ColumnTypeError):  # three columns: id, score, community
        read_output(parts, schema=None).compute()


def test_a_relative_path_means_the_folder_of_its_caller(parts, monkeypatch, tmp_path):
    monkeypatch.chdir(parts.parent)
    frames = [read_output(name, schema="pagerank") for name in ("in", "in/part-*", Path("in"))]
    monkeypatch.chdir("/")
    assert [len(frame) for frame in frames] == [6, 6, 6]


def test_one_partition_reads_one_part(parts):
    (parts / "part-2.csv").write_text("not,what,it\nshould be\n")
    frame = read_output(parts, schema="pagerank")
    assert frame.partitions[1]["id"].compute().tolist() == ["001", "NA"]


# --- errors


@pytest.mark.parametrize(
    ("text", "error"),
    [("a,1\nb,x\n", ColumnTypeError), ("a,1\nb\n", RowShapeError), ('a,1\nb"c,1\n', RowShapeError)],
)
def test_errors_name_the_part_and_the_line_as_for_the_whole(parts, text, error):
    (parts / "part-1.csv").write_text(text)
    with pytest.raises(error) as eager:
        explorer_frames.read_output(parts, schema="pagerank")
    with pytest.raises(error) as caught:
        read_output(parts, schema="pagerank").compute()
    assert f"[{parts / 'part-1.csv'}, line 2]" in str(caught.value)
    assert (caught.value.where, caught.value.hint) == (eager.value.where, eager.value.hint)


@pytest.mark.parametrize("row", ["b", "b,2,3", "b,x", ""])
def test_a_bad_row_that_begins_a_later_block_is_named_by_its_line(parts, row):
    lines = 2**20 // 4  # as many as fill the first block
    path = parts / "part-1.csv"
    path.write_text("a,1\n" * lines + f"{row}\n" + "a,1\n" * lines)
    with pytest.raises(DecodeError) as caught:
        read_output(parts, schema="pagerank").compute()
    assert caught.value.where == f"{path}, line {lines + 1}"
    assert not any(str(path) == str(fd.resolve()) for fd in Path("/proc/self/fd").glob("*"))


def test_wrong_number_of_columns_reports_file_and_line(parts):
    (parts / "part-1.csv").write_text("VID,VALUE\na,1,2\n")
    with pytest.raises(RowShapeError, match="3 columns, but the schema has 2") as caught:
        read_output(parts, schema="pagerank").compute()
    assert caught.value.where == f"{parts / 'part-1.csv'}, line 2"


@pytest.mark.parametrize("change", ["more", "other", "gone", "longer", "unfinished"])
@pytest.mark.parametrize("what", ["in", "in/part-*"])
def test_part_changed_since_listing_raises_an_error(parts, change, what):
    part = parts / "part-1.csv"
    os.utime(part, (1, 1))  # the clock of a file system may tick slowly
    frame = read_output(f"{parts.parent}/{what}", schema="pagerank")
    {
        "more": lambda: (parts / "part-3.csv").write_text("b,1\n"),
        "other": lambda: part.write_text(part.read_text().replace("0.5", "0.7")),
        "gone": part.unlink,
        "longer": lambda: part.write_text("b,1\n" * 9),
        "unfinished": (parts / "_temporary").mkdir,
    }[change]()
    for computed in (frame, frame.partitions[0]):
        with pytest.raises(FileReadError) as caught:
            computed.compute()
        assert str(parts) in str(caught.value)


def test_a_new_state_of_the_parts_has_new_names_in_the_graph(parts):
    os.utime(parts / "part-0.csv", (1, 1))
    before = read_output(parts, schema="pagerank")
    assert read_output(parts, schema="pagerank")._name == before._name
    (parts / "part-0.csv").write_text("009,0.5\nNA,0\n")
    assert read_output(parts, schema="pagerank")._name != before._name


@pytest.mark.parametrize(
    "options",
    [{"schema": "no such"}, {"vid_type": "int"}, {"dtype_backend": "x"}, {"header": 1}, {"quoting": "all"}],
)
def test_arguments_are_checked_before_a_graph_is_made(tmp_path, options):
    with pytest.raises(ConfigError):
        read_output(tmp_path / "none", **{"schema": None, **options})


@pytest.mark.parametrize(
    ("tasks", "options"),
    [
        ([], {}),
        (["ab"], {}),
        ([("1",)], {}),
        ([("1", "../x")], {}),
        ([("1", "a")], {"schema": "auto"}),
        ([("1", "a")], {"limit": 0}),
        ([("1", "a")], {"dtype_backend": "x"}),
        ([("1", "a")], {"schema": pa.schema([("task_id", pa.string())]), "include_ids": True}),
    ],
)
def test_arguments_of_samples_are_checked_before_a_graph_is_made(tasks, options):
    with pytest.raises(ConfigError):
        read_sample_results(tasks, **options)


def test_missing_file_raises_typed_error_immediately(tmp_path):
    with pytest.raises(FileReadError):
        read_output(tmp_path / "none", schema="pagerank")


# --- samples


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_tasks_are_one_frame_that_says_which_row_is_whose(world, backend):
    server, _, tasks = world
    ranks = [task for task in tasks if task.name == "PageRank"]
    pairs = [(task.job_id, task.task_id) for task in ranks]
    with EnvironmentSource(server):
        frame = read_sample_results(pairs, schema="pagerank", include_ids=True, dtype_backend=backend)
        assert list(frame.columns) == ["job_id", "task_id", "id", "score"]
        whole = true_to_meta(frame)
    assert list(whole.groupby(["job_id", "task_id"], sort=False).size().items()) == [
        (pair, len(task.read())) for pair, task in zip(pairs, ranks, strict=True)
    ]
    assert whole.dtypes["job_id"] == whole.dtypes["id"]


def test_schema_argument_determines_the_columns_for_all_tasks(sandbox):
    two = sandbox.add_result([["a", "c"], ["b", "d"]], "Louvain")
    three = sandbox.add_result([["a"], ["b"], ["0.5"]], "Louvain")
    none = sandbox.add_result([[], []], "Louvain")
    own = pa.schema([("id", pa.string()), ("community", pa.string())])
    with EnvironmentSource(sandbox):
        frame = read_sample_results([two, none], schema="louvain")
        assert true_to_meta(frame)["community"].tolist() == ["b", "d"]
        with pytest.raises(RowShapeError, match="3 columns") as caught:
            read_sample_results([two, three], schema=own).compute()
        assert f"job {three[0]}, task {three[1]}" in str(caught.value)
        with pytest.raises(ColumnTypeError):
            read_sample_results([two], schema=None).compute()
        with pytest.warns(TruncatedResultWarning):
            assert len(read_sample_results([two], 1, schema="louvain").compute()) == 1


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_tasks_of_different_columns_have_all_of_them(sandbox, backend):
    pagerank = sandbox.add_result([["a", "b"], ["0.5", "0.25"]])
    query = sandbox.add_result([["x"], ["1"], ["true"]], "Query")
    renamed = sandbox.add_result([["x"], ["y"]], "friends of friends")
    cores = sandbox.add_result([["a"], ["2"]], "KCore")
    with EnvironmentSource(sandbox), pytest.warns(SchemaWarning, match="all columns are read as text"):
        whole = read_sample_results([pagerank, query, renamed, cores], dtype_backend=backend, include_ids=True)
    with EnvironmentSource(sandbox):
        frame = true_to_meta(whole)
    names = ["id", "score", "column_1", "column_2", "column_3", "core"]
    assert frame.columns.tolist() == ["job_id", "task_id", *names]
    assert frame["task_id"].tolist() == [pagerank[1], pagerank[1], query[1], renamed[1], cores[1]]
    rows = frame[names].astype(object).where(frame[names].notna(), None).to_numpy().tolist()
    assert rows == [
        ["a", 0.5, None, None, None, None],
        ["b", 0.25, None, None, None, None],
        [None, None, "x", "1", "true", None],
        [None, None, "x", "y", None, None],
        ["a", None, None, None, None, 2],
    ]


def test_a_named_algorithm_has_the_columns_of_each_result(sandbox):
    three = sandbox.add_result([["a"], ["b"], ["0.5"]], "Louvain")
    with EnvironmentSource(sandbox):
        frame = true_to_meta(read_sample_results([three], schema="louvain"))
    assert frame.columns.tolist() == ["id", "community", "modularity"]


def test_an_output_whose_columns_do_not_fit_by_their_number_is_text(parts):
    (parts / "part-1.csv").write_text("VID,VALUE\na,team\n")
    with pytest.warns(SchemaWarning, match="all columns are read as text"):
        frame = read_output(parts / "part-1.csv")
    assert true_to_meta(frame).to_dict("list") == {"column_1": ["a"], "column_2": ["team"]}


def test_a_second_call_asks_the_server_again(sandbox):
    task = sandbox.add_result([["a"], ["1"]])
    first, second = (read_sample_results([task], schema="pagerank") for _ in range(2))
    assert first._name != second._name


def test_a_process_logs_in_once_for_many_tasks(monkeypatch):
    with Sandbox() as server:
        tasks = [server.add_result([["a"], ["1"]]) for _ in range(12)]
        monkeypatch.setenv("EXPLORER_FRAMES_PASSWORD", server.password)
        explorer = Explorer(server.url, user=server.user, graphd=server.graphd)
        before = logins(server)
        assert len(read_sample_results(tasks, schema="pagerank", explorer=explorer).compute(num_workers=8)) == 12
        assert logins(server) - before == 1


def logins(server) -> int:
    return sum(record.path.endswith("connect") for record in server.requests)


# --- secrets


def everything_shown(frame) -> str:
    optimized = frame.optimize()
    shown = [repr(frame), frame._repr_html_(), frame.expr.tree_repr(), optimized.expr.tree_repr(), repr(frame.expr)]
    return "\n".join([*shown, *map(repr, frame.dask.items()), *map(repr, optimized.dask.keys())])


def test_a_secret_given_as_text_is_refused_before_a_graph_is_made(sandbox):
    login = {"user": "root", "password": CANARY, "graphd": "h:9669"}
    for explorer in (Explorer(sandbox.url, token=CANARY), Explorer(sandbox.url, **login)):
        with pytest.raises(ConfigError, match="cannot pickle") as caught:
            read_sample_results([("1", "a")], explorer=explorer)
        assert "function" in caught.value.hint
        assert CANARY not in str(caught.value)
        assert caught.value.__context__ is None
    lock = threading.Lock()
    with pytest.raises(ConfigError, match="cannot be sent"):
        read_sample_results([("1", "a")], explorer=Explorer(sandbox.url, token=lambda: lock and ""))


def test_tasks_of_a_job_are_read_from_its_server(sandbox, monkeypatch):
    job_id, _ = sandbox.add_result([["7"], ["0.5"]], name="PageRank")
    sandbox.add_result([["8"], ["0.25"]], name="PageRank", job_id=job_id)
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", sandbox.token)
    monkeypatch.setenv("EXPLORER_FRAMES_URL", "http://nowhere.example")
    with Explorer(sandbox.url, vid_type="int64") as explorer:
        job = explorer.job(job_id)
        for tasks in (job, job.tasks, [(job_id, job.tasks[0].task_id), job.tasks[1]], [(job, t) for t in job]):
            assert read_sample_results(tasks).compute(scheduler="sync")["id"].tolist() == [7, 8]


@pytest.mark.parametrize("source", ["environment", "function"])
def test_no_secret_of_an_explorer_is_in_the_graph(sandbox, monkeypatch, source):
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", CANARY)
    monkeypatch.setenv("EXPLORER_FRAMES_PASSWORD", CANARY)
    token = None if source == "environment" else lambda: os.environ["EXPLORER_FRAMES_PASSWORD"]
    explorer = Explorer(sandbox.url, token=token)
    with pytest.raises(ApiError):
        explorer.read_sample_result("1", "a")  # now it has used it
    frame = read_sample_results([("1", "a")], schema="pagerank", explorer=explorer)
    for thing in (frame, frame.expr, dict(frame.dask), frame.optimize().expr):
        assert CANARY.encode() not in cloudpickle.dumps(thing)
    assert CANARY not in everything_shown(frame)
    with pytest.raises(ApiError) as caught:
        frame.compute()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("source", ["function", "fsspec", "environment"])
def test_no_secret_of_a_store_is_in_the_graph(s3_endpoint, monkeypatch, source):
    options = {"key": CANARY, "secret": CANARY, "endpoint_url": s3_endpoint}
    fs = fsspec.filesystem("s3", **options)
    fs.makedirs("dask-lake", exist_ok=True)
    for number in range(2):
        fs.pipe_file(f"dask-lake/out/part-{number}.csv", f"a{number},1\n".encode())
    s3fs.S3FileSystem.clear_instance_cache()
    given = {"endpoint_url": s3_endpoint}
    if source == "function":
        monkeypatch.setenv("VAULT", CANARY)
        given = lambda: {"key": os.environ["VAULT"], "secret": os.environ["VAULT"], "endpoint_url": s3_endpoint}  # noqa: E731
    elif source == "fsspec":
        monkeypatch.setitem(conf, "s3", {"key": CANARY, "secret": CANARY})
    else:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", CANARY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    frame = read_output("s3://dask-lake/out", schema="pagerank", storage_options=given)
    assert pandas_of(frame)["id"].tolist() == ["a0", "a1"]  # now it has used it
    for thing in (frame, frame.expr, dict(frame.dask), frame.optimize().expr, dict(frame.optimize().dask)):
        assert CANARY.encode() not in cloudpickle.dumps(thing)
    assert CANARY not in everything_shown(frame)
    fs.pipe_file("dask-lake/out/part-1.csv", b"a2,1\n")
    with pytest.raises(FileReadError) as caught:
        frame.compute()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"key": CANARY}, "key"),
        ({"anon": False, "client_kwargs": {"aws_secret_access_key": CANARY}}, "aws_secret_access_key"),
        ({"connection_string": CANARY}, "connection_string"),
        ({"ConnectionString": CANARY}, "ConnectionString"),
        ({"sas_token": CANARY, "account-key": CANARY}, "sas_token, account-key"),
        ({"nested": [{"PASSWORD": CANARY}]}, "nested"),
        ({"credential": object()}, "credential"),
        (
            {"client_kwargs": {"headers": {"X-JFrog-Art-Api": CANARY}, "jwt": CANARY, "sig": CANARY}},
            "headers, jwt, sig",
        ),
        ({"proxy": f"http://ann:{CANARY}@host:80"}, "proxy"),
        ({"endpoint_url": f"http://host/?sig={CANARY}"}, "endpoint_url"),
        ({"profile": [CANARY.encode()]}, "profile"),
    ],
)
def test_an_option_that_speaks_of_a_secret_is_refused_before_a_graph_is_made(options, named):
    with pytest.raises(ConfigError) as caught:
        read_output("s3://nowhere/out", schema=None, storage_options=options)
    assert caught.value.what.endswith(f"cannot be sent to another process: {named}")
    assert all(way in caught.value.hint for way in ("environment", "FSSPEC_", "function"))
    assert CANARY not in str(caught.value)


def test_known_settings_are_taken(tmp_path):
    (tmp_path / "part-0").write_text("a,1\n")
    options = {
        "anon": False,
        "client_kwargs": {"region_name": "eu-west-1", "verify": False},
        "config_kwargs": {"signature_version": "s3v4"},
        "endpoint_url": "http://h:1",
    }
    assert len(read_output(str(tmp_path), schema="pagerank", storage_options=options)) == 1


@pytest.mark.parametrize(
    "url",
    [
        f"sftp://ann:{CANARY}@host/x",
        f"https://host/x.csv?X-Amz-Signature={CANARY}",
        f"https://{CANARY}@host/x.csv",
        f"abfs://box@account.dfs/x?sv=1&sig={CANARY}",
    ],
)
def test_a_url_that_holds_a_secret_is_refused_before_a_graph_is_made(url):
    with pytest.raises(ConfigError, match="a password or a query") as caught:
        read_output(url, schema=None)
    assert CANARY not in str(caught.value)


def test_secrets_of_a_path_of_universal_pathlib_are_refused_before_a_graph_is_made(tmp_path):
    upath = pytest.importorskip("upath")
    with pytest.raises(ConfigError, match="key, secret") as caught:
        read_output(upath.UPath("s3://bucket/x", key=CANARY, secret=CANARY), schema="pagerank")
    assert CANARY not in str(caught.value)


def _fails():
    raise ValueError(CANARY)


@pytest.mark.parametrize(
    ("given", "said"),
    [(_fails, "raised ValueError"), (lambda: 5, "return a mapping, got int"), (5, "function, got int")],
)
def test_options_function_without_options_raises_typed_error(parts, given, said):
    with pytest.raises(ConfigError, match=said) as caught:
        read_output(parts, schema="pagerank", storage_options=given)
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


# --- other processes, whose start takes as long as all other tests of this module


@pytest.fixture(scope="module")
def cluster(sandbox):
    """Two processes that know the sandbox by their environment, as this one does not."""
    environment = {
        **sandbox.environment,
        "VAULT": sandbox.token,
        "STORE_LOGIN": "worker-s3cret",
        "PYTHONPATH": str(Path(explorer_frames.__file__).parents[1]),
    }
    settings = {"distributed.scheduler.allowed-failures": 1, "distributed.comm.timeouts.connect": "120s"}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", env=environment
        ) as workers,
        Client(workers) as client,
    ):
        yield client


@pytest.mark.slow
def test_other_processes_read_the_same_with_secrets_of_their_own(cluster, world):
    _, folder, tasks = world
    some = [task for task in tasks if task.name == "PageRank"]
    frame = read_sample_results([(task.job_id, task.task_id) for task in some], schema="pagerank")
    expected = pd.concat([task.read() for task in some], ignore_index=True)
    pd.testing.assert_frame_equal(pandas_of(frame, scheduler=cluster), expected)
    server = some[0]._explorer
    sourced = Explorer(server._settings.url, token=lambda: os.environ["VAULT"])
    frame = read_sample_results([(some[0].job_id, some[0].task_id)], schema="pagerank", explorer=sourced)
    pd.testing.assert_frame_equal(pandas_of(frame, scheduler=cluster), some[0].read())
    for task in some:
        frame = read_output(folder / task.task_id, schema="pagerank")
        eager = explorer_frames.read_output(folder / task.task_id, schema="pagerank")
        pd.testing.assert_frame_equal(pandas_of(frame, scheduler=cluster), eager)
        totals = frame.groupby("id")["score"].sum().compute(scheduler=cluster)
        pd.testing.assert_series_equal(totals.sort_index(), eager.groupby("id")["score"].sum().sort_index())


@pytest.mark.slow
def test_a_function_gives_each_process_its_options(cluster, s3_endpoint, monkeypatch):
    def options():
        return {"key": os.environ["STORE_LOGIN"], "secret": os.environ["STORE_LOGIN"], "endpoint_url": s3_endpoint}

    with pytest.raises(ConfigError, match="raised KeyError"):  # it is another one's secret
        read_output("s3://dask-vault/out", schema="pagerank", storage_options=options)
    monkeypatch.setenv("STORE_LOGIN", CANARY)
    fs = fsspec.filesystem("s3", **options())
    fs.makedirs("dask-vault", exist_ok=True)
    for number in range(2):
        fs.pipe_file(f"dask-vault/out/part-{number}.csv", f"a{number},1\n".encode())
    frame = read_output("s3://dask-vault/out", schema="pagerank", storage_options=options)
    assert pandas_of(frame, scheduler=cluster)["id"].tolist() == ["a0", "a1"]


@pytest.mark.slow
def test_errors_cross_processes_typed(cluster, parts, sandbox):
    (parts / "part-1.csv").write_text("a,1\nb,x\n")
    with pytest.raises(ColumnTypeError) as caught:
        read_output(parts, schema="pagerank").compute(scheduler=cluster)
    error = caught.value
    assert (error.row, error.column, error.value, error.where) == (1, "score", "x", f"{parts / 'part-1.csv'}, line 2")
    with pytest.raises(NotFoundError) as caught:
        read_sample_results([("999999", "nope")], schema="pagerank").compute(scheduler=cluster)
    assert (caught.value.code, caught.value.where.split(", trace")[0]) == (40404000, "job 999999, task nope")


@pytest.mark.slow
def test_a_worker_that_dies_once_is_replaced_and_the_rows_are_the_same(cluster, parts, tmp_path):
    flag = tmp_path / "died"

    def die_once(frame):
        try:
            flag.touch(exist_ok=False)
        except FileExistsError:
            return frame
        os.kill(os.getpid(), KILL)
        raise AssertionError

    frame = read_output(parts, schema="pagerank")
    found = pandas_of(frame.map_partitions(die_once, meta=frame._meta), scheduler=cluster)
    assert flag.exists()
    pd.testing.assert_frame_equal(found, explorer_frames.read_output(parts, schema="pagerank"))


@pytest.mark.slow
def test_crash_of_all_workers_raises_and_publishes_nothing(cluster, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster.cluster.scheduler, "allowed_failures", 0)  # else it takes four workers
    target = tmp_path / "all.parquet"
    old = export_output(parts, target, schema="pagerank")
    frame = read_output(parts, schema="pagerank")

    def die(part):
        if "001" in part["id"].tolist():
            os.kill(os.getpid(), KILL)
        return part

    deadly = frame.map_partitions(die, meta=frame._meta)
    with pytest.raises(KilledWorker, match=r"die-|explorer_frames-"):  # what else the worker ran may be named, too
        explorer_frames.write_parquet(deadly.compute(scheduler=cluster), target)
    assert explorer_frames.verify_file(target).rows == old.rows
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["all.parquet"]
    monkeypatch.undo()
    cluster.wait_for_workers(2)
    copy = shutil.copytree(parts, tmp_path / "copy")  # a new key: Dask may have blamed the reading task of `parts`
    assert len(read_output(copy, schema="pagerank").compute(scheduler=cluster)) == 6


# --- errors, once distributed is imported: it has tblib register its reducers for exceptions


def test_rejected_login_in_16_threads_reports_each_job_separately():
    with Sandbox() as server:
        explorer = Explorer(server.url, user="root", password="wrong", graphd=server.graphd, retries=0)
        start = threading.Barrier(16)

        def read(job: int) -> ExplorerFramesError:
            start.wait()
            with pytest.raises(UnauthorizedError) as caught:
                explorer.read_sample_result(job, f"task{job}")
            return caught.value

        for _ in range(5):
            with ThreadPoolExecutor(16) as pool:
                errors = list(pool.map(read, range(16)))
            assert len({id(error.__dict__) for error in errors}) == 16
            for job, error in enumerate(errors):
                assert error.where.count("job ") == 1
                assert error.where.startswith(f"job {job}, task task{job}")


def test_every_error_pickles_once_distributed_is_imported():
    def classes(cls):
        return [cls, *(found for below in cls.__subclasses__() for found in classes(below))]

    for cls in classes(ExplorerFramesError):
        error = cls("what", where="there", hint="do", row=np.int64(3))
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is cls
        assert (str(again), again.__dict__) == (str(error), error.__dict__)
