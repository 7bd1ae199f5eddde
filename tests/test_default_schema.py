"""The default schema: the task's name, then the number of columns, then text."""

from __future__ import annotations

import json
import warnings

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cases import each
from faults.rawserver import answer, envelope
from served import served

from explorer_frames import (
    Explorer,
    SchemaWarning,
    export_output,
    open_output,
    provenance,
    read_output,
    read_output_arrow,
)
from explorer_frames._results import reading
from explorer_frames.errors import (
    ColumnTypeError,
    ConnectionFailedError,
    EnvelopeError,
    IncompleteResultError,
    RowShapeError,
    TruncatedResultWarning,
    UnauthorizedError,
)
from explorer_frames.sandbox import Sandbox

# What a caller does with one task: each returns the columns of the result, as Arrow types by their names.
READERS = {
    "frame": lambda explorer, job, task, _, **how: columns(explorer.read_sample_result(job, task, **how)),
    "table": lambda explorer, job, task, _, **how: types(explorer.read_sample_result_arrow(job, task, **how)),
    "stream": lambda explorer, job, task, _, **how: types(streamed(explorer, job, task, **how)),
    "export": lambda explorer, job, task, folder, **how: types(exported(explorer, job, task, folder, **how)),
}


def types(table):
    return {field.name: str(field.type) for field in table.schema}


def columns(frame):
    kinds = {"str": "string", "object": "string", "float64": "double", "int64": "int64"}  # object: before pandas 3
    return {name: kinds[str(dtype)] for name, dtype in frame.dtypes.items()}


def streamed(explorer, job, task, **how):
    with explorer.open_sample_result(job, task, **how) as reader:
        return reader.read_all()


def exported(explorer, job, task, folder, **how):
    explorer.export_sample_result(job, task, folder / "a.parquet", **how)
    return pq.read_table(folder / "a.parquet")


def detail(name="PageRank", status=2, job=1, task="a"):
    tasks = [{"id": task, "name": name, "status": status}]
    return json.dumps({"code": 0, "data": {"id": job, "status": status, "workflowId": "7", "tasks": tasks}}).encode()


def script(items, look, count=None):
    """Answer a read with `items`, and a look at the job with `look`."""

    def respond(_number, request):
        if count is not None:
            count.append("read" if b"sample_result" in request else "look")
        return answer(envelope(items)) if b"sample_result" in request else look

    return respond


NAMED = [
    ("Louvain", '[["1","2"],["2","2"]]', {"id": "string", "community": "string"}),
    ("WCC_1", '[["1","2","0.5"]]', {"id": "string", "community": "string", "modularity": "double"}),
    ("APSP", '[["1","2","3"]]', {"id1": "string", "id2": "string", "distance": "double"}),
    ("Query", '[["1","2"]]', {"column_1": "string", "column_2": "string"}),
    ("query_1", '[["9007199254740993",null,"true","2022-07-12"]]', {f"column_{n}": "string" for n in range(1, 5)}),
    ("Query", "[]", {"column_1": "string"}),
    ("PageRank", '[["1","2","3"]]', {"id": "string", "score": "double", "community": "string"}),
    ("PageRank", '[["1","2","3","4"]]', {f"column_{n}": "string" for n in range(1, 5)}),
    ("my own name", '[["1","2"]]', {"id": "string", "score": "double"}),
    ("my own name", '[["1"]]', {"column_1": "string"}),
    ("my own name", "[]", {"id": "string", "score": "double"}),
    ("", '[["1","2","3"]]', {"id": "string", "score": "double", "community": "string"}),
]


@pytest.mark.parametrize("reader", READERS)
@each(("name", "items", "expected"), NAMED)
def test_the_tasks_name_decides_then_the_number_of_columns(reader, name, items, expected, tmp_path):
    with served(script(items, answer(detail(name)))) as (_, explorer):
        assert READERS[reader](explorer, 1, "a", tmp_path) == expected


# --- a guess that does not fit

_ROWS = 60_000  # more than one piece of an answer
MISFITS = [  # by the number of columns these are id, score(, community), and a cell is no number
    ("friends of friends", '[["1","2"],["player1","team2"]]', 2),
    ("friends of friends", '[["1",""]]', 2),
    ("friends of friends", '[["1","2022-07-12","x"]]', 3),
    ("friends of friends", '[["1","9007199254740993"]]', 2),
    ("friends of friends", '[[null,"1"]]', 2),
]


@pytest.mark.parametrize("reader", READERS)
@each(("name", "items", "width"), MISFITS)
def test_columns_that_do_not_fit_by_their_number_are_read_as_text(reader, name, items, width, tmp_path):
    with served(script(items, answer(detail(name)))) as (_, explorer):
        with pytest.warns(SchemaWarning, match="all columns are read as text") as caught:
            found = READERS[reader](explorer, 1, "a", tmp_path)
        assert found == {f"column_{number}": "string" for number in range(1, width + 1)}
        assert len(caught) == 1
        if reader == "frame":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame = explorer.read_sample_result(1, "a")
            assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == json.loads(items)
            known = provenance(frame)
            assert (known.algorithm, known.schema_source) == (None, "text fallback")


@pytest.mark.parametrize("reader", [name for name in READERS if name != "stream"])
def test_text_fallback_works_for_any_row(reader, tmp_path):
    rows = [["v", "1"]] * _ROWS + [["v", "x"]]
    with (
        served(script(json.dumps(rows), answer(detail("friends")))) as (_, explorer),
        pytest.warns(SchemaWarning, match=f"row {_ROWS}, column 'score': cannot convert 'x'"),
    ):
        assert READERS[reader](explorer, 1, "a", tmp_path) == {"column_1": "string", "column_2": "string"}


def test_a_stream_that_has_begun_with_numbers_ends_in_an_error():
    rows = [["v", "1"]] * _ROWS + [["v", "x"]]
    with served(script(json.dumps(rows), answer(detail("friends")))) as (_, explorer):
        with (
            pytest.raises(ColumnTypeError, match=f"row {_ROWS}") as caught,
            explorer.open_sample_result(1, "a") as reader,
        ):
            reader.read_all()
        assert "schema='query'" in caught.value.hint


@each(("name", "items"), [("PageRank", '[["1","x"]]'), ("SSSP 2", '[["1","x"]]'), ("PageRank", '[["1","x","2"]]')])
def test_a_cell_that_does_not_fit_a_named_algorithm_is_an_error(name, items):
    with (
        served(script(items, answer(detail(name)))) as (_, explorer),
        pytest.raises(ColumnTypeError, match="'x'"),
    ):
        explorer.read_sample_result(1, "a")


def test_by_count_only_is_strict():
    with (
        served(script('[["1","x"]]', answer(detail("friends")))) as (_, explorer),
        pytest.raises(ColumnTypeError),
    ):
        explorer.read_sample_result(1, "a", schema=None)


RAGGED = [["a", "b"], ["a", "b", "c"], ["a"]]


@pytest.mark.parametrize("reader", [name for name in READERS if name != "frame"])
@each("rows", [RAGGED, [["a"], *RAGGED], [["a", "b", "c", "d"], *RAGGED], [["a", "1"], *RAGGED]])
def test_rows_of_different_lengths_are_read_as_lists(reader, rows, tmp_path):
    with served(script(json.dumps(rows), answer(detail("my walk")))) as (_, explorer):
        with pytest.warns(SchemaWarning, match="do not match .row") as caught:
            found = READERS[reader](explorer, 1, "a", tmp_path)
        assert ([*found], len(caught)) == (["cells"], 1)
        assert found["cells"].startswith("list<")
        with pytest.warns(SchemaWarning):
            assert explorer.read_sample_result_arrow(1, "a")["cells"].to_pylist() == rows


# --- the lookup


def test_a_final_job_is_looked_up_once():
    count = []
    with served(script("[]", answer(detail()), count)) as (_, explorer):
        for task in ("a", "b", "a"):
            explorer.read_sample_result(1, task)
    assert count == ["look", "read", "read", "read"]


@each("status", [0, 1, 5, 9])
def test_a_job_that_is_not_final_is_looked_up_again(status):
    count = []
    with served(script('[["a","1"]]', answer(detail(status=status)), count)) as (_, explorer):
        for _ in range(2):
            with pytest.warns(TruncatedResultWarning, match="the task's status is"):
                explorer.read_sample_result(1, "a")
    assert count == ["look", "read"] * 2


def test_the_number_of_remembered_jobs_is_bounded(monkeypatch):
    monkeypatch.setattr(reading, "_KEPT_JOBS", 2)
    count = []

    def respond(_number, request):
        job = int(request.split(b"/jobs/")[1].split(b"/")[0].split(b" ")[0])
        return script("[]", answer(detail(job=job)), count)(_number, request)

    with served(respond) as (_, explorer):
        for job in (1, 2, 1, 3, 1, 3, 2):
            explorer.read_sample_result(job, "a")
    assert count == ["look", "read"] * 2 + ["read"] + ["look", "read"] * 2 + ["read"] + ["look", "read"]


def test_status_request_updates_the_cached_job():
    names = iter(["PageRank", "Louvain"])

    def respond(_number, request):
        return answer(envelope('[["1","2"]]') if b"sample_result" in request else detail(next(names)))

    with served(respond) as (_, explorer):
        assert "score" in explorer.read_sample_result(1, "a")
        assert explorer.job(1).tasks[0].name == "Louvain"
        assert "community" in explorer.read_sample_result(1, "a")


REFUSED = {
    "not found": answer(b'{"code":40404000,"message":"m"}'),
    "forbidden": answer(b"<html>no</html>", "403 Forbidden"),
    "internal error": answer(b'{"code":50004000,"message":"m"}', "500 Internal Server Error"),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_a_name_that_cannot_be_looked_up_leaves_the_number_of_columns(refused):
    with served(script('[["a","1"]]', REFUSED[refused]), retries=0) as (_, explorer):
        with pytest.warns(SchemaWarning, match="cannot look up the task's name") as caught:
            frame = explorer.read_sample_result(1, "a")
        assert (len(caught), columns(frame)) == (1, {"id": "string", "score": "double"})
        assert provenance(frame).schema_source == "column count"
        for schema in ("pagerank", None):
            assert columns(explorer.read_sample_result(1, "a", schema=schema)) == columns(frame)


@pytest.mark.parametrize(
    ("look", "error"),
    [
        (b"", ConnectionFailedError),
        (answer(b'{"code":40104000,"message":"m"}'), UnauthorizedError),
        (answer(detail(job=2)), EnvelopeError),
        (answer(b'{"code":0,"data":{"id":1,"tasks":null}}'), EnvelopeError),
    ],
)
def test_a_server_that_is_down_or_mixes_up_answers_is_an_error(look, error):
    with (
        served(script('[["a","1"]]', look), retries=0) as (_, explorer),
        pytest.raises(error),
    ):
        explorer.read_sample_result(1, "a")


def test_a_job_that_was_looked_at_with_unfinished_tasks_is_looked_up_again(tmp_path):
    tasks = '[{"id": "a", "name": "PageRank", "status": 2}, {"id": "b", "name": "Louvain", "status": 0}]'
    look = answer(b'{"code":0,"data":{"id":1,"status":3,"tasks":%b}}' % tasks.encode())
    with served(script('[["1","2"]]', look)) as (_, explorer):
        assert explorer.job(1).status == "failed"
        with pytest.warns(TruncatedResultWarning, match="status is preparing"):
            frame = explorer.read_sample_result(1, "b")
        assert (list(frame), provenance(frame).complete) == (["id", "community"], False)
        with pytest.raises(IncompleteResultError):
            explorer.export_sample_result(1, "b", tmp_path / "a.parquet")


def test_unfinished_task_is_not_complete_for_any_schema():
    with served(script('[["1","2"]]', answer(detail(status=1)))) as (_, explorer):
        job = explorer.job(1)
        for schema in ("auto", "pagerank", None, pa.schema([("a", pa.string()), ("b", pa.string())])):
            with pytest.warns(TruncatedResultWarning, match="status is running"):
                frame = job.tasks[0].read(schema=schema)
            assert provenance(frame).complete is False


@pytest.mark.parametrize(("first", "requests"), [(1, ["look", "look", "read"]), (2, ["look", "read"])])
def test_a_task_is_looked_up_again_only_if_it_had_not_ended(first, requests):
    looks, count = iter([detail(status=first), detail(status=2)]), []

    def respond(number, request):
        look = b"" if b"sample_result" in request else answer(next(looks))
        return script('[["1","2"]]', look, count)(number, request)

    with served(respond) as (_, explorer):
        assert provenance(explorer.job(1).tasks[0].read()).complete is True
    assert count == requests


def test_a_result_of_a_successful_task_with_limit_rows_may_be_truncated():
    said = "may be incomplete: the server returned exactly limit=1 row"
    with (
        served(script('[["1","2"]]', answer(detail()))) as (_, explorer),
        pytest.warns(TruncatedResultWarning, match=said),
    ):
        explorer.read_sample_result(1, "a", 1)


def test_a_named_algorithm_does_not_need_the_lookup():
    with served(script('[["a","1"]]', b""), retries=0) as (_, explorer):
        assert columns(explorer.read_sample_result(1, "a", schema="pagerank")) == {"id": "string", "score": "double"}


# --- contradictions


@pytest.mark.parametrize("reader", READERS)
def test_an_algorithm_that_contradicts_the_tasks_name_warns(reader, tmp_path):
    with served(script('[["1","2","3"]]', answer(detail("APSP")))) as (_, explorer):
        with pytest.warns(SchemaWarning, match=r"Louvain\b.*'APSP'"):
            found = READERS[reader](explorer, 1, "a", tmp_path, schema="louvain")
        assert list(found) == ["id", "community", "modularity"]
        READERS[reader](explorer, 1, "a", tmp_path, schema="apsp")  # without a warning
        READERS[reader](explorer, 1, "a", tmp_path, schema="query")
        READERS[reader](explorer, 1, "a", tmp_path, schema=None)


def test_the_hint_for_another_width_names_no_algorithm():
    with served(script('[["1","2","3"]]', answer(detail("APSP")))) as (_, explorer):
        with pytest.warns(SchemaWarning), pytest.raises(RowShapeError) as caught:
            explorer.read_sample_result(1, "a", schema="pagerank")
        assert caught.value.hint.startswith("Pass schema='auto'")


# --- the embedded Explorer's own workflows


@pytest.mark.slow
@pytest.mark.parametrize("workflow", ["karate", "lesmis"])
def test_every_way_to_read_has_the_same_columns(workflow, tmp_path):
    with Sandbox() as sandbox, Explorer(sandbox.url, token=sandbox.token, row_cap=10**6) as explorer:
        job = explorer.run_workflow(sandbox.workflows[workflow]).wait(progress=False)
        frames = job.read()
        report = explorer.sync_workflow(sandbox.workflows[workflow], tmp_path / "lake", progress=False)
        synced = {part.task_id: pq.read_table(part.path, partitioning=None) for part in report.written}
        assert len(frames) == len(synced) == len(job.tasks)
        for task in job.tasks:
            frame = explorer.read_sample_result(job.job_id, task.task_id)
            table = explorer.read_sample_result_arrow(job.job_id, task.task_id)
            pd.testing.assert_frame_equal(frames[task.name], frame)
            pd.testing.assert_frame_equal(task.read(), frame)
            assert synced[task.task_id].column_names == [*table.column_names, "job_id", "task_id", "end_time"]
            assert table.equals(synced[task.task_id].select(table.column_names))
            assert streamed(explorer, job.job_id, task.task_id).equals(table)
            assert exported(explorer, job.job_id, task.task_id, tmp_path).equals(table)
            assert provenance(frame).schema_source == "task name"
            assert pa.Table.from_pandas(frame, preserve_index=False).column_names == table.column_names


# --- full results


def opened_output(path):
    with open_output(path) as reader:
        return reader.read_all()


FULL = {
    "frame": lambda path, _: columns(read_output(path)),
    "table": lambda path, _: types(read_output_arrow(path)),
    "stream": lambda path, _: types(opened_output(path)),
    "export": lambda path, folder: types(pq.read_table(export_output(path, folder / "a.parquet").path)),
}


@pytest.mark.parametrize("reader", FULL)
def test_full_results_whose_columns_do_not_fit_by_their_number_are_read_as_text(reader, tmp_path):
    path = tmp_path / "part-0.csv"
    path.write_text("a,1\nb,team2\n")
    with pytest.warns(SchemaWarning, match=r"line 2"):
        assert FULL[reader](path, tmp_path) == {"column_1": "string", "column_2": "string"}
    path.write_text("a,1\n")
    assert FULL[reader](path, tmp_path) == {"id": "string", "score": "double"}


@pytest.mark.parametrize("reader", [name for name in FULL if name != "stream"])
def test_text_fallback_works_for_any_block_of_a_full_result(reader, tmp_path):
    path = tmp_path / "part-0.csv"
    path.write_text("a,1\n" * 2**19 + "b,team2\n")
    with pytest.warns(SchemaWarning, match="all columns are read as text"):
        assert FULL[reader](path, tmp_path) == {"column_1": "string", "column_2": "string"}


@pytest.mark.parametrize("reader", FULL)
def test_a_header_is_no_row_of_text(reader, tmp_path):
    path = tmp_path / "part-0.csv"
    path.write_text("VID,VALUE\na,team\n")
    with pytest.warns(SchemaWarning):
        assert FULL[reader](path, tmp_path) == {"column_1": "string", "column_2": "string"}
    if reader == "table":
        with pytest.warns(SchemaWarning):
            assert read_output_arrow(path).to_pylist() == [{"column_1": "a", "column_2": "team"}]
