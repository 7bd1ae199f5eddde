"""The readers from end to end: real results typed, streams checked to their end, failures named and located."""

from __future__ import annotations

import json
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import requests
from faults.rawserver import answer, envelope
from limits import HANG
from served import served

import explorer_frames
from explorer_frames import Explorer, TruncatedResultWarning, _functions, _schemas, errors
from explorer_frames.errors import (
    ApiError,
    ColumnTypeError,
    ConfigError,
    ConnectionFailedError,
    DecodeError,
    EnvelopeError,
    ExplorerFramesError,
    LicenseError,
    NotFoundError,
    RowShapeError,
    ServerError,
    TruncatedBodyError,
    UnauthorizedError,
)
from explorer_frames.sandbox import Sandbox

PAIRS = [("player110", "0.150000"), ("team219", "0.452126"), ("player121", "0.262148")]


@pytest.fixture
def result(sandbox):
    return sandbox.add_result([list(column) for column in zip(*PAIRS, strict=True)])


# --- the three readers


def test_a_frame_has_typed_columns_and_says_where_it_came_from(sandbox, explorer, result):
    job, task = result
    frame = explorer.read_sample_result(job, task)
    assert frame["id"].tolist() == ["player110", "team219", "player121"]
    assert frame["score"].tolist() == [0.15, 0.452126, 0.262148]
    assert str(frame["score"].dtype) == "float64"
    told = frame.attrs["explorer_frames"]
    assert told.pop("read_at").endswith("+00:00")
    assert told.pop("content_hash").startswith("sha256:")
    assert {name: value for name, value in told.items() if value is not None} == {
        "server": sandbox.url,
        "job_id": str(job),
        "task_id": task,
        "workflow_id": told["workflow_id"],
        "task_name": "PageRank",
        "algorithm": "PageRank",
        "schema_source": "task name",
        "status": "success",
        "begin_time": told["begin_time"],
        "end_time": told["end_time"],
        "rows": 3,
        "complete": True,
        "derived": False,
        "library": f"explorer_frames {explorer_frames.__version__}",
    }


def test_a_table_and_a_stream_have_the_same_rows_and_schema_as_the_frame(explorer, result):
    table = explorer.read_sample_result_arrow(*result)
    with explorer.open_sample_result(*result) as reader:
        streamed = reader.read_all()
    assert table.schema.equals(pa.schema([pa.field("id", pa.string(), nullable=False), ("score", pa.float64())]))
    assert streamed.equals(table)
    assert explorer.read_sample_result(*result).to_dict("list") == table.to_pydict()
    ended, running = (json.loads(one.schema.metadata[b"explorer_frames"]) for one in (table, streamed))
    assert (ended["rows"], ended["complete"]) == (3, True)
    assert (running["rows"], running["complete"]) == (None, None)  # its schema is older than its last row


@pytest.mark.parametrize("options", [{}, {"gzip": True}, {"pretty": True}, {"gzip": True, "pretty": True}])
def test_compressed_and_indented_answers_read_the_same(options):
    count = 20_000
    with Sandbox(**options) as server, Explorer(server.url, token=server.token) as explorer:
        job, task = server.add_result([[f"n{n}" for n in range(count)], np.arange(count) / 7])
        table = explorer.read_sample_result_arrow(job, task, None)
        assert table["id"].to_pylist() == [f"n{n}" for n in range(count)]
        assert np.allclose(table["score"].to_numpy(), np.arange(count) / 7, atol=1e-6)


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_frame_equals_pyarrow_conversion_of_the_table(explorer, result, backend):
    mapper = {None: None, "numpy_nullable": {pa.string(): pd.StringDtype(), pa.float64(): pd.Float64Dtype()}.get}
    expected = explorer.read_sample_result_arrow(*result).to_pandas(types_mapper=mapper.get(backend, pd.ArrowDtype))
    frame = explorer.read_sample_result(*result, dtype_backend=backend)
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)
    assert frame.dtypes.tolist() == expected.dtypes.tolist()


def test_an_error_speaks_of_a_string_however_pandas_holds_it():
    own = pa.schema([pa.field("id", pa.string(), nullable=False), ("score", pa.float64())])
    with served(answer(envelope('[["a","1"],[null,"2"]]'))) as (_, explorer):
        for read in (explorer.read_sample_result, explorer.read_sample_result_arrow):
            with pytest.raises(ColumnTypeError, match="cannot convert null to string"):
                read(1, "t", schema=own)


@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_dtypes_do_not_depend_on_the_rows(sandbox, explorer, rows, backend):
    job, task = sandbox.add_result([["7"] * rows, ["1.5"] * rows])
    frame = explorer.read_sample_result(job, task, vid_type="int64", dtype_backend=backend)
    assert len(frame) == rows
    assert [str(dtype).lower().split("[")[0] for dtype in frame.dtypes] == {
        "pyarrow": ["int64", "double"],
    }.get(backend, ["int64", "float64"])


# --- schema="auto"


def expected_columns(algorithm: str, parameters: dict) -> list[str]:
    """By the documents' output tables."""
    kind = parameters.get("type"), str(parameters.get("opt", ""))
    return {
        "KCore": ["id", "core"],
        "DegreeCentrality": ["id", "degree"] if kind[0] else ["id", "both_degree", "out_degree", "in_degree"],
        "LPA": ["id", "community"],
        "WCC": ["id", "community"],
        "InfoMap": ["id", "community"],
        "Louvain": ["id", "community"] + ["modularity"] * ("is_output_modularity" in parameters),
        "SSSP": ["id", "distance"],
        "BFS": ["root", "visited"],
        "APSP": ["id1", "id2", "distance"],
        "ShortestPath": ["path"],
        "Jaccard": ["id1", "id2", "score"],
        "TriangleCount": {"1": ["count"], "2": ["id", "count"]}.get(kind[1], ["id1", "id2", "id3"]),
        "HyperANF": ["score"],
        "Tree_stat": ["width", "depth"],
    }.get(algorithm, ["id", "score"])


@pytest.mark.parametrize(("workflow", "vid_type"), [("karate", "int64"), ("lesmis", "string")])
def test_auto_types_every_task_of_a_real_job_by_its_name(workflow, vid_type):
    with Sandbox() as server, Explorer(server.url, token=server.token) as explorer, requests.Session() as session:
        base, cookies = f"{server.url}/api-open/v1", {"explorer_token": server.token}
        number = server.workflows[workflow]
        job = session.post(f"{base}/workflows/{number}/jobs", json={}, cookies=cookies, timeout=HANG).json()["data"][
            "id"
        ]
        end = time.monotonic() + HANG
        while True:
            detail = session.get(f"{base}/jobs/{job}", cookies=cookies, timeout=HANG).json()["data"]
            if detail["status"] in (2, 3, 4):
                break
            assert time.monotonic() < end
            time.sleep(0.02)
        assert detail["status"] == 2
        known = {task.id: task for task in server._jobs.job(int(job)).tasks}
        seen = set()
        for task in detail["tasks"]:
            ran = known[task["id"]]
            if ran.parameters.get("type") == "subgraph":
                continue  # as wide as the vertex kind, so only a name of its own could tell
            table = explorer.read_sample_result_arrow(job, task["id"], None, schema="auto", vid_type=vid_type)
            if _schemas.find(task["name"]) is None:  # renamed: by the number of columns
                continue
            expected = expected_columns(ran.algorithm, dict(ran.parameters))
            if ran.algorithm == "Query":
                expected = [f"column_{number + 1}" for number in range(7 + (workflow == "lesmis"))]
            assert table.column_names == expected, task["name"]
            assert table.num_rows
            told = json.loads(table.schema.metadata[b"explorer_frames"])
            assert told["algorithm"] == _schemas.find(task["name"]).name
            for field in table.schema:
                if field.name in ("id", "id1", "id2", "id3", "community", "root"):
                    assert str(field.type) == vid_type
            seen.add(ran.algorithm)
        assert len(seen) >= 18


@pytest.mark.parametrize(
    ("name", "columns", "names"),
    [
        ("Louvain", [["a"], ["b"]], ["id", "community"]),
        ("louvain_2", [["a"], ["b"]], ["id", "community"]),
        ("Louvain", [["a"], ["b"], ["0.5"]], ["id", "community", "modularity"]),
        ("my favorite scores", [["a"], ["0.5"]], ["id", "score"]),
        ("", [["a"], ["0.5"], ["c"]], ["id", "score", "community"]),
        ("PageRank", [["a"], ["0.5"], ["c"]], ["id", "score", "community"]),
        ("BFS", [], ["root", "visited"]),
    ],
)
def test_auto_uses_the_number_of_columns_for_unknown_names(sandbox, explorer, name, columns, names):
    job, task = sandbox.add_result(columns or [[], []], name)
    assert explorer.read_sample_result(job, task, schema="auto").columns.tolist() == names


def test_auto_with_a_misleading_name_is_an_error_about_a_cell_not_a_wrong_column(sandbox, explorer):
    job, task = sandbox.add_result([["a"], ["player7"]], "PageRank")
    with pytest.raises(ColumnTypeError) as caught:
        explorer.read_sample_result(job, task, schema="auto")
    assert (caught.value.row, caught.value.column, caught.value.value) == (0, "score", "player7")
    assert "schema=" in caught.value.hint


def detail_then_rows(tasks: str):
    def script(_number, request):
        detail = f'{{"code":0,"data":{{"id":1,"tasks":{tasks}}}}}'.encode()
        return answer(envelope() if b"sample_result" in request else detail)

    return script


@pytest.mark.parametrize("tasks", ["[]", '[{"id":"other","name":"BFS"}]'])
def test_auto_reads_a_task_that_its_job_does_not_name_by_its_columns(tasks):
    with served(detail_then_rows(tasks)) as (_, explorer):
        assert explorer.read_sample_result(1, "a", schema="auto").columns.tolist() == ["id", "score"]


@pytest.mark.parametrize("tasks", ['"x"', '{"a":1}', "[5]"])
def test_auto_refuses_a_job_that_is_not_as_documented(tasks):
    with served(detail_then_rows(tasks)) as (_, explorer):
        assert type(outcome(explorer, schema="auto")) is EnvelopeError


def test_a_final_job_is_looked_up_once_and_only_for_a_name(sandbox, explorer, result):
    before = len(sandbox.requests)
    own = pa.schema([("a", pa.string()), ("b", pa.string())])
    for schema in (None, own, "auto", "pagerank", "auto", "query"):
        explorer.read_sample_result(*result, schema=schema)
    is_read = ["sample_result" in request.path for request in sandbox.requests[before:]]
    assert is_read == [True, True, False, True, True, True, True]


# --- streams


def test_a_stream_is_read_no_faster_than_it_is_used():
    row, piece = b'["player110","0.150000"]', 2**20
    block = b",".join([row] * (piece // len(row)))
    pieces, sent = 48, 0

    def script(_number, _request):
        nonlocal sent
        yield b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"code":0,"data":{"items":['
        for number in range(pieces):
            yield b"," * (number > 0) + block
            sent = number + 1
        yield b']},"message":"Success"}'

    rows, ahead = 0, 0
    with served(script) as (_, explorer), explorer.open_sample_result(1, "a", None, schema=None) as reader:
        for batch in reader:
            rows += batch.num_rows
            ahead = max(ahead, sent - rows * len(row) // piece)
            assert batch.nbytes < 8 * piece
    assert rows == pieces * (piece // len(row))
    assert ahead < pieces // 2  # what the kernel's buffers hold, and a few pieces


TAILS = {
    "an error code": (b'],"more":1},"message":"no","code":50004000}', ServerError),
    "a code that is no number": (b']},"code":"0"}', EnvelopeError),
    "no code": (b"]}}", EnvelopeError),
    "not closed": (b"]}", EnvelopeError),
    "a row cut": (b',["c","3', EnvelopeError),
    "junk behind": (b']},"code":0}x', EnvelopeError),
    "a key twice": (b'],"items":[]},"code":0}', EnvelopeError),
    "a row of another shape": (b',["c"]]},"code":0}', RowShapeError),
    "a cell of another type": (b',["c","x"]]},"code":0}', ColumnTypeError),
}


@pytest.mark.parametrize(("tail", "cls"), TAILS.values(), ids=TAILS)
def test_a_stream_ends_in_an_error_where_its_tail_is_bad(tail, cls):
    rows = b",".join([b'["a","1.5"]'] * 300_000)
    body = b'{"data":{"items":[' + rows + tail
    with (
        served(answer(body)) as (server, explorer),
        explorer.open_sample_result(1, "a", None, schema=None) as reader,
    ):
        assert reader.read_next_batch().num_rows
        for _ in range(2):  # asked again, it has not ended well either
            with pytest.raises(ExplorerFramesError) as caught:
                reader.read_all()
        assert len(server.requests) == 1  # what was handed over cannot be taken back
    assert type(caught.value) is cls
    assert caught.value.where.startswith("job 1, task a")
    assert caught.value.where.count("job 1") == 1


def test_a_stream_that_breaks_off_ends_in_an_error_not_in_its_end():
    rows = b",".join([b'["a","1.5"]'] * 300_000)
    whole = answer(b'{"code":0,"data":{"items":[' + rows + b"]}}")
    with (
        served(whole[:-100]) as (_, explorer),
        explorer.open_sample_result(1, "a", None, schema=None) as reader,
        pytest.raises(TruncatedBodyError) as caught,
    ):
        reader.read_all()
    assert caught.value.where.startswith("job 1, task a")


def test_stream_is_retried_before_the_first_batch():
    with served(lambda number, _: answer(envelope()) if number else b"") as (server, explorer):
        with explorer.open_sample_result(1, "a", schema=None) as reader:
            assert reader.read_all().num_rows == 2
        assert len(server.requests) == 2


def test_more_rows_than_requested_are_rejected_by_all_readers():
    with served(answer(envelope()), retries=0) as (_, explorer):
        for read in (explorer.read_sample_result, explorer.read_sample_result_arrow):
            with pytest.raises(EnvelopeError, match="more rows than limit=1"):
                read(1, "a", 1, schema=None)
        with (
            pytest.raises(EnvelopeError, match="more rows"),
            explorer.open_sample_result(1, "a", 1, schema=None) as reader,
        ):
            reader.read_all()


def test_leaving_a_stream_early_or_by_an_exception_closes_it(explorer, result):
    with pytest.raises(ZeroDivisionError), explorer.open_sample_result(*result):
        raise ZeroDivisionError
    with explorer.open_sample_result(*result):
        pass
    assert len(explorer.read_sample_result(*result)) == 3


# --- results that may have been cut off


def caught_warnings(call) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return caught


def drained(opened) -> pa.Table:
    with opened as reader:
        return reader.read_all()


READERS = {
    "method": lambda explorer, *args: explorer.read_sample_result(*args, schema=None),
    "method, Arrow": lambda explorer, *args: explorer.read_sample_result_arrow(*args, schema=None),
    "method, stream": lambda explorer, *args: drained(explorer.open_sample_result(*args, schema=None)),
    "function": lambda explorer, *args: explorer_frames.read_sample_result(*args, explorer=explorer, schema=None),
    "function, Arrow": lambda explorer, *args: explorer_frames.read_sample_result_arrow(
        *args, explorer=explorer, schema=None
    ),
    "function, stream": lambda explorer, *args: drained(
        explorer_frames.open_sample_result(*args, explorer=explorer, schema=None)
    ),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_exactly_limit_rows_warn_at_the_callers_line(explorer, result, read):
    (warning,) = caught_warnings(lambda: read(explorer, *result, 3))
    assert warning.category is TruncatedResultWarning
    assert warning.filename == __file__
    assert f"job {result[0]}, task {result[1]}" in str(warning.message)
    assert "limit=None" in str(warning.message)
    for limit in (4, None):
        assert caught_warnings(lambda limit=limit: read(explorer, *result, limit)) == []


def test_possibly_truncated_result_is_marked_in_attrs(explorer, result):
    with pytest.warns(TruncatedResultWarning):
        frame = explorer.read_sample_result(*result, 3)
    assert frame.attrs["explorer_frames"]["complete"] is False


def test_no_limit_asks_for_the_most_and_reads_all(sandbox, explorer):
    job, task = sandbox.add_result([[f"n{n}" for n in range(5001)], ["1"] * 5001])
    frame = explorer.read_sample_result(job, task)
    assert len(frame) == 5001
    assert frame.attrs["explorer_frames"]["complete"] is True
    assert sandbox.requests[-1].path.endswith("limit=2147483647")


# --- the functions and their shared Explorer


@pytest.fixture
def environment(sandbox, monkeypatch):
    monkeypatch.setattr(_functions, "_shared", {})
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    for explorer in _functions._shared.values():
        explorer.close()


def test_functions_share_one_explorer_and_one_login(environment, sandbox, result):
    before = len(sandbox.requests)
    explorer_frames.read_sample_result(*result)
    shared = _functions._explorer()
    explorer_frames.read_sample_result_arrow(*result)
    drained(explorer_frames.open_sample_result(*result))
    assert _functions._explorer() is shared
    assert [request.method for request in sandbox.requests[before:]] == ["POST", "GET", "GET", "GET", "GET"]


def test_threads_that_call_functions_first_share_one_explorer(environment):
    """On a server with one session per user, two would end each other's sessions."""
    together = threading.Barrier(2, timeout=HANG)

    class Slow(Explorer):
        def __init__(self) -> None:
            super().__init__()
            together.wait()

    environment.setattr(_functions, "Explorer", Slow)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: _functions._explorer(), range(2))
    assert first is second


def test_functions_make_a_new_explorer_when_the_environment_changes(environment, sandbox, result):
    explorer_frames.read_sample_result(*result)
    first = _functions._explorer()
    environment.setenv("UNRELATED", "x")
    assert _functions._explorer() is first
    with Sandbox() as other:
        environment.setenv("EXPLORER_FRAMES_URL", other.url)
        with pytest.raises(NotFoundError):
            explorer_frames.read_sample_result(*result)
        assert _functions._explorer() is not first
    environment.delenv("EXPLORER_FRAMES_URL")
    with pytest.raises(ConfigError, match="EXPLORER_FRAMES_URL"):
        explorer_frames.read_sample_result(*result)
    first.close()


def test_an_explorer_that_is_passed_is_used_and_needs_no_environment(explorer, result):
    assert len(explorer_frames.read_sample_result(*result, explorer=explorer)) == 3


# --- what goes wrong


def outcome(explorer: Explorer, job: object = 1, task: str = "a", **options) -> ExplorerFramesError:
    with pytest.raises(ExplorerFramesError) as caught:
        explorer.read_sample_result(job, task, **options)
    error = caught.value
    assert error.what
    assert error.where.startswith(f"job {job}, task {task}")
    assert error.hint
    assert str(error) == f"{error.what} [{error.where}]\n{error.hint}"
    return error


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "502 Bad Gateway", "401 Unauthorized"])
def test_an_html_page_is_one_typed_error_that_names_html_or_a_gateway(status):
    page = answer(b"<!DOCTYPE html><html><title>Login</title></html>", status, "Connection: close\r\n")
    with served(page, retries=0) as (_, explorer):
        error = outcome(explorer)
    classes = {"200": EnvelopeError, "404": NotFoundError, "502": ServerError, "401": UnauthorizedError}
    assert type(error) is classes[status[:3]]
    assert ("HTML" if status == "200 OK" else "gateway") in error.hint


def test_a_server_that_is_down_is_one_typed_error():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Explorer(url, token="t", retries=0) as explorer:
        assert type(outcome(explorer)) is ConnectionFailedError


@pytest.mark.parametrize("code", [40404000, 50004003, 40304000])
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Internal Server Error"])
def test_error_code_determines_the_error_for_any_status(code, status):
    said = answer(b'{"code":%d,"message":"no \\u001b[31m"}' % code, status, "Traceparent: 00-abc-01\r\n")
    with served(said, retries=0) as (_, explorer):
        error = outcome(explorer, schema=None)
    assert isinstance(error, ApiError)
    assert (error.code, error.http_status, error.trace_id) == (code, int(status[:3]), "00-abc-01")
    assert error.server_message == r"no \x1b[31m"
    assert "00-abc-01" in error.where
    assert isinstance(error, LicenseError) == (code == 50004003)


@pytest.mark.parametrize("mapped", ["200", "mapped"])
def test_the_sandbox_knows_no_such_job_or_task(mapped):
    with Sandbox(http_status_of_errors=mapped) as server, Explorer(server.url, token=server.token) as explorer:
        job, _ = server.add_result([["a"], ["1"]])
        for wrong in ((999_999, "a"), (job, "nothing")):
            for schema in (None, "auto"):
                if schema is None or wrong[0] != job:
                    assert type(outcome(explorer, *wrong, schema=schema)) is NotFoundError


@pytest.mark.parametrize(
    ("items", "cls", "row"),
    [
        ('[["a","1"],["b"]]', RowShapeError, 1),
        ('[["a","player7"]]', ColumnTypeError, 0),
        ('[["a","1"],[null,"2"]]', ColumnTypeError, 1),
        ('[["a"],["b","c"]]', RowShapeError, 1),
        ("[[]]", RowShapeError, 0),
        ("null", EnvelopeError, None),
        ("{}", EnvelopeError, None),
    ],
)
def test_invalid_cell_is_located_without_a_retry(items, cls, row):
    with served(answer(envelope(items))) as (server, explorer):
        error = outcome(explorer, schema=None)
    assert type(error) is cls
    assert isinstance(error, DecodeError)
    assert getattr(error, "row", None) == row
    assert len(server.requests) == 1


def test_reading_with_auto_has_one_deadline_for_both_of_its_calls():
    def script(_number, request):
        yield 0.6
        yield answer(envelope() if b"sample_result" in request else b'{"code":0,"data":{"id":1,"tasks":[]}}')

    with served(script, retries=0, deadline=1) as (_, explorer):
        assert "deadline of 1 s" in outcome(explorer, schema="auto").what


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("memory://x/a.foo", {}, errors.UnsupportedFormatError),
        ("memory://x/a.parquet", {"mode": "append"}, errors.ConfigError),
        ("memory://x/a.parquet", {"compression": "zip"}, errors.ConfigError),
        ("https://host/a.parquet", {}, errors.ConfigError),
    ],
)
def test_unwritable_export_is_rejected_before_any_request(url, options, expected):
    with pytest.raises(expected):
        Explorer("http://127.0.0.1:9", token="t", retries=0).export_sample_result(1, "a", url, **options)
