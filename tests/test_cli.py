"""The commands, called in this process: what they write, what they say, and how they end."""

from __future__ import annotations

import ast
import csv
import functools
import io
import json
import os
import re
import subprocess
import sys
import typing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from cases import each
from column_types import COLUMN_TYPES
from commandline import commands, main
from limits import HANG

import explorer_frames
from explorer_frames import Explorer, __version__, _schemas, errors, verify_file
from explorer_frames._files.formats import Format
from explorer_frames._jobs.status import WORDS
from explorer_frames._storage.publish import Mode
from explorer_frames.cli import _exit, _options, _results, _show
from explorer_frames.cli._app import COMMANDS, app
from explorer_frames.sandbox import Graph, Sandbox

TASKS = {
    "analytics_pagerank_1": ("PageRank", {}),
    "analytics_louvain_1": ("Louvain", {}),
    "analytics_sssp_1": ("SSSP", {"root": "Valjean"}),
    "analytics_path_1": ("ShortestPath", {"src": "Myriel", "dst": "Gavroche,Javert"}),
}
HARM = "Evil\x1b[2J [red]name[/]\ttab"
ODD = [["a\x1b[31mX", "[bold]b[/]", 'Zoë, "q"\nline', "007", "\u202egnp"], ["0.5", "nan", "inf", "-inf", "1e-300"]]


@pytest.fixture(scope="module")
def ran(sandbox):
    """A job that has run, with its workflow's id in `name`."""
    workflow = sandbox.workflows.get("cli") or sandbox.add_workflow("cli", Graph.les_miserables(), TASKS)
    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        return explorer.run_workflow(workflow).wait(progress=False)


@pytest.fixture(scope="module")
def failing(sandbox):
    """A workflow that has a task which fails."""
    return sandbox.workflows.get("fails") or sandbox.add_workflow(
        "fails", Graph.karate(), {"a_1": ("PageRank", {}), "fail_1": ("Fail", {})}
    )


@pytest.fixture(autouse=True)
def _environment(sandbox, monkeypatch):
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def odd(sandbox):
    return sandbox.add_result(ODD, name=HARM)


# --- jobs


def test_jobs_are_listed_newest_first_with_all_of_their_filters(cli, ran):
    done = cli("jobs", "--workflow-id", ran.workflow_id, "--status", "success", "--created-after", "1h", "--limit", 1)
    assert (done.code, done.err) == (0, "")
    heading, row = done.rows
    assert heading == ["job_id", "status", "name", "create_time", "duration", "workflow_id", "workflow_name"]
    assert [row[0], row[1], row[5], row[6]] == [ran.job_id, "success", ran.workflow_id, "cli"]
    assert datetime.fromisoformat(row[3]) == ran.create_time
    assert cli("jobs", "--name", "no such name").rows == [heading]
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert cli("jobs", "--created-after", later).rows == [heading]


def test_jobs_as_json_have_the_same_keys_whether_there_are_any(cli, ran):
    done = cli("jobs", "--json", "--workflow-id", ran.workflow_id)
    assert done.err == ""
    assert ran.job_id in [job["job_id"] for job in done.json["jobs"]]
    assert list(done.json["jobs"][0]) == [
        *("job_id", "name", "workflow_id", "workflow_name", "status", "create_time", "begin_time", "end_time")
    ]
    assert cli("jobs", "--json", "--name", "no such name").json == {"jobs": []}


def test_unfinished_job_has_null_times(cli, sandbox):
    (job,) = sandbox.add_jobs(1)
    sandbox.set_status(job, 1)
    try:
        listed = {one["job_id"]: one for one in cli("jobs", "--json").json["jobs"]}
        assert listed[str(job)]["status"] == "running"
        assert cli("show", job).code == 0
    finally:
        sandbox.set_status(job, None)


def test_show_has_the_job_and_its_tasks(cli, ran):
    shown = cli("show", ran.job_id)
    facts, _, tasks = shown.out.partition("\n\n")
    assert f"job_id\t{ran.job_id}\n" in facts
    assert [line.split("\t")[:3] for line in tasks.splitlines()] == [
        ["task_name", "task_id", "status"],
        *([task.name, task.task_id, "success"] for task in ran.tasks),
    ]
    document = cli("show", ran.job_id, "--json").json
    assert document["tasks"][1] | {"seconds": 0} == {
        "task_id": ran.tasks[1].task_id,
        "name": "Louvain",
        "status": "success",
        "begin_time": ran.tasks[1].begin_time.isoformat(timespec="milliseconds"),
        "end_time": ran.tasks[1].end_time.isoformat(timespec="milliseconds"),
        "seconds": 0,
        "job_id": ran.job_id,
        "workflow_id": ran.workflow_id,
    }
    assert document["workflow_id"] == ran.workflow_id


def test_run_gives_the_id_to_scripts_and_the_end_to_people(cli, ran):
    started = cli("run", ran.workflow_id)
    assert started.code == 0
    assert started.err == ""
    waited = cli("run", ran.workflow_id, "--wait", "--timeout", HANG)
    assert waited.code == 0
    assert int(waited.out) > int(started.out)
    assert f"Job {waited.out.strip()}: success" in waited.err
    ended = cli("run", ran.workflow_id, "--wait", "--json")
    assert (ended.json["status"], ended.err) == ("success", "")


def test_run_passes_its_input_on_as_text_or_as_json(cli, ran, sandbox):
    job = cli("run", ran.workflow_id, "--wait", "--input", "analytics_sssp_1.root=Javert", "--json").json["job_id"]
    distances = dict(cli("read", job, "SSSP", "--limit", "all").rows[1:])
    assert distances["Javert"] in ("0", "0.0")
    given = ["a.x=1", "a.y:=1", "a.z:=[true]", "b.k=v=w", "b.e="]
    from explorer_frames.cli._jobs import read_input

    assert read_input(given) == {"a": {"x": "1", "y": 1, "z": [True]}, "b": {"k": "v=w", "e": ""}}


@pytest.mark.parametrize("text", ["ROOT=1", "a.ROOT", "=1", "a.=1", ".b=1", "a.b:=nope"])
def test_invalid_input_is_rejected_before_any_request(cli, ran, sandbox, text):
    before = len(sandbox.requests)
    done = cli("run", ran.workflow_id, "--input", text)
    assert done.code == 2
    assert done.is_short
    assert len(sandbox.requests) == before


def test_failed_job_has_a_specific_exit_code(cli, failing):
    done = cli("run", failing, "--wait")
    assert done.code == 4
    assert done.is_short
    assert "failed (failed tasks: Fail)" in done.err
    assert int(done.out) > 0, "the id is there, whatever becomes of the job"
    described = cli("run", failing, "--wait", "--json")
    assert described.code == 4
    assert described.json["status"] == "failed"


def test_a_job_that_takes_too_long_ends_so_too_and_can_be_cancelled(cli, monkeypatch):
    with Sandbox(task_seconds=9 * HANG) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        done = cli(
            "run", server.add_workflow("slow", Graph.karate(), {"a": ("PageRank", {})}), "--wait", "--timeout", 0.3
        )
        assert done.code == 4
        assert done.is_short
        job = done.out.strip()
        assert f"job {job} did not end within 0.3 s; status: " in done.err
        advice = f"Wait for it with explorer-frames wait {job}, or cancel it with explorer-frames cancel {job}."
        assert advice in done.err
        again = cli("wait", job, "--timeout", 0.1, "--json")
        [message] = again.messages
        assert (again.code, again.json["job_id"]) == (4, job)
        assert message["error"]["hint"] == f"Job {job} continues on the server. {advice}"
        cancelled = cli("cancel", job, "--json")
        assert cancelled.code == 0
        assert cancelled.json["status"] in ("stopping", "interrupted")
        assert cli("cancel", job).code == 0, "again"


def test_cancel_says_that_a_job_has_already_ended(cli, ran):
    done = cli("cancel", ran.job_id)
    assert done.code == 0
    assert ["status", "success"] in done.rows
    assert done.err == f"Job {ran.job_id} has already ended (status: success).\n"
    assert cli("cancel", ran.job_id, "--json").messages == [{"note": {"message": done.err.strip()}}]


def test_wait_goes_on_with_a_job_and_ends_as_the_job(cli, ran, failing):
    done = cli("wait", ran.job_id)
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith(f"Job {ran.job_id}: success")
    described = cli("wait", ran.job_id, "--json")
    assert (described.json["status"], described.err) == ("success", "")
    failed = cli("wait", cli("run", failing).out.strip())
    assert (failed.code, failed.out) == (4, "")
    assert failed.is_short


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e999", "soon"])
def test_invalid_timeouts_are_rejected_before_a_job_starts(cli, ran, sandbox, seconds):
    before = len(sandbox.requests)
    assert cli("run", ran.workflow_id, "--wait", f"--timeout={seconds}").code == 2
    assert len(sandbox.requests) == before


def test_options_that_require_wait_are_rejected_without_it(cli, ran):
    done = cli("run", ran.workflow_id, "--timeout", 3)
    assert done.code == 2
    assert "require --wait" in done.err


# --- results


def test_read_writes_all_rows_to_a_pipe_and_as_many_as_requested(cli, ran):
    for line, count in (([], 77), (["--limit", "all"], 77), (["--limit", 10], 10), (["--limit", 77], 77)):
        done = cli("read", ran.job_id, "PageRank", *line)
        assert (done.code, done.err, done.rows[0], len(done.rows)) == (0, "", ["id", "score"], count + 1)


def test_read_of_all_rows_exits_with_3_where_they_may_be_incomplete(cli, sandbox):
    rows = [[f"v{number}" for number in range(1000)], ["0.5"] * 1000]
    job, task = sandbox.add_result(rows)
    done = cli("read", job, task)
    assert (done.code, len(done.rows)) == (3, 1001)
    assert done.err.startswith("Warning: ")
    assert "incomplete: 1000 rows" in done.err
    assert "set EXPLORER_FRAMES_ROW_CAP" in done.err
    known = cli("read", job, task, "--allow-incomplete")
    assert (known.code, known.err, known.out) == (0, "", done.out)
    part = cli("read", job, task, "--limit", 1000)
    assert (part.code, part.err, part.out) == (0, "", done.out)


def test_result_at_the_server_cap_hints_at_the_full_output(cli, sandbox, monkeypatch, tmp_path):
    job, task = sandbox.add_result([["a", "b", "c"], ["1", "2", "3"]])
    monkeypatch.setenv("EXPLORER_FRAMES_ROW_CAP", "2")
    full, cap = "explorer-frames output", "larger EXPLORER_FRAMES_ROW_CAP"
    workflow = sandbox.workflows["results"]
    for line in (
        ["read", job, task, "--limit", "3"],
        ["export", job, task, tmp_path / "a.parquet"],
        ["sync", workflow, tmp_path / "lake", "--task", task],
    ):
        done = cli(*line)
        text = " ".join(done.err.split())
        assert full in text
        assert cap in text
        assert "--limit" not in text
        assert ("--allow-incomplete" in text) is (line[0] != "read")


def test_task_is_selected_by_id_or_unique_name_in_job(cli, ran, sandbox):
    task = ran.tasks[0]
    assert cli("read", ran.job_id, task.task_id).out == cli("read", ran.job_id, "PageRank").out
    none = cli("read", ran.job_id, "PageRanc")
    assert none.code == 2
    assert none.is_short
    assert "'PageRank'?" in none.err
    assert "4 tasks" in none.err
    assert "explorer-frames show JOB" in none.err
    job, first = sandbox.add_result([["a"], ["1"]], name="twin")
    _, second = sandbox.add_result([["a"], ["1"]], name="twin", job_id=job)
    both = cli("read", job, "twin")
    assert both.code == 2
    assert first in both.err
    assert second in both.err


def test_json_output_is_a_single_document_with_special_values_as_text(cli, odd):
    done = cli("read", *odd, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["rows"] == [
        {"id": ODD[0][0], "score": 0.5},
        {"id": ODD[0][1], "score": "NaN"},
        {"id": ODD[0][2], "score": "Infinity"},
        {"id": ODD[0][3], "score": "-Infinity"},
        {"id": ODD[0][4], "score": 1e-300},
    ]
    assert done.json["columns"] == [{"name": "id", "type": "string"}, {"name": "score", "type": "double"}]
    assert done.json["provenance"]["complete"] is True
    assert done.json["provenance"]["task_name"] == HARM
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert "Zoë" in done.out, "letters are not escaped"


def test_csv_gives_every_value_back(cli, odd, ran):
    done = cli("read", *odd, "--csv")
    assert (done.code, done.err) == (0, "")
    assert list(csv.reader(io.StringIO(done.out, newline=""))) == [
        ["id", "score"],
        *map(list, zip(ODD[0], ["0.5", "nan", "inf", "-inf", "1e-300"], strict=True)),
    ]
    paths = list(csv.reader(io.StringIO(cli("read", ran.job_id, "ShortestPath", "--csv").out)))
    assert paths[0] == ["path"]
    assert json.loads(paths[1][0])[0] == "Myriel"


@pytest.mark.parametrize("text", ["r\rs", "\r", "a\r\nb", 'q"\r', "\n", "a,\rb"])
def test_csv_quotes_a_cell_with_any_line_end(cli, sandbox, text):
    job, task = sandbox.add_result([[text, "x"], ["0.5", "1"]])
    done = cli("read", job, task, "--csv", "--limit", "all")
    assert list(csv.reader(io.StringIO(done.out, newline=""))) == [["id", "score"], [text, "0.5"], ["x", "1.0"]]
    assert done.out.startswith("id,score\n")
    assert done.out.endswith("\nx,1.0\n")


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_a_result_without_rows_has_its_columns(cli, sandbox, form):
    job, task = sandbox.add_result([[], []])
    done = cli("read", job, task, form)
    assert done.code == 0
    if form == "--json":
        assert done.json["rows"] == []
        assert [column["name"] for column in done.json["columns"]] == ["id", "score"]
    else:
        assert done.out == "id,score\n"


def test_many_rows_come_whole(cli, sandbox):
    rows = 25_000
    job, task = sandbox.add_result([[f"v{number}" for number in range(rows)], ["0.5"] * rows])
    assert cli("read", job, task, "--csv", "--limit", "all").out.splitlines()[-1] == f"v{rows - 1},0.5"
    assert len(cli("read", job, task, "--json", "--limit", "all").json["rows"]) == rows


def test_tabs_and_controls_stay_in_their_cell(cli, odd):
    done = cli("read", *odd)
    assert [len(row) for row in done.rows] == [2] * 6
    assert done.rows[1][0] == r"a\x1b[31mX"
    assert done.rows[2] == ["[bold]b[/]", "nan"]
    assert done.rows[5][0] == "\u202egnp", "a mark of direction harms no tool"
    shown = cli("show", odd[0])
    assert r"Evil\x1b[2J [red]name[/]\ttab" in shown.out


def test_ids_come_out_of_tab_separated_lines_as_they_are_and_what_is_escaped_can_be_undone(cli, sandbox):
    exact = ["a\u00a0b", "全\u3000角", "می\u200cخواهم", "क्\u200dष", "👩\u200d🔬", "\u2028", "\u00ad"]
    escaped = {
        "a\\tb": r"a\\tb",
        "a\tb": r"a\tb",
        "a\nb\rc": r"a\nb\rc",
        "\\": r"\\",
        "\x00\x1f\x7f\x9f": r"\x00\x1f\x7f\x9f",
    }
    ids = [*exact, *escaped]
    job, task = sandbox.add_result([ids, ["1"] * len(ids)])
    lines = [line.split("\t")[0] for line in cli("read", job, task, "--limit", "all").out.split("\n")[1:-1]]
    assert lines == [*exact, *escaped.values()]
    undo = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    undone = [re.sub(r"\\(x(..)|.)", lambda m: chr(int(m[2], 16)) if m[2] else undo[m[1]], line) for line in lines]
    assert undone == ids
    assert "--csv and --json print the exact values" in " ".join(cli("read", "--help").out.split())


def test_lines_for_a_pipe_are_made_of_one_batch_at_a_time(cli, sandbox, monkeypatch):
    rows = 150_000
    job, task = sandbox.add_result([["v"] * rows, ["0.5"] * rows])
    from explorer_frames.cli import _results

    asked, written = [], []
    real = _results._rows
    monkeypatch.setattr(_results, "_rows", lambda table: (asked.append(len(written)) or row for row in real(table)))
    monkeypatch.setattr(_show, "write", written.append)
    cli("read", job, task, "--limit", "all")
    assert len(asked) == rows
    assert asked[-1] >= rows - 1, "each is written before the next one is asked for"


def test_schemas_and_types_of_ids(cli, ran, sandbox):
    assert cli("read", ran.job_id, "Louvain", "--limit", 1).rows[0] == ["id", "community"]
    assert cli("read", ran.job_id, "PageRank", "--limit", 1, "--schema", "sssp").rows[0] == ["id", "distance"]
    assert cli("read", ran.job_id, "PageRank", "--limit", 1, "--schema", "none").rows[0] == ["id", "score"]
    assert cli("read", ran.job_id, "PageRank", "--limit", 1, "--schema", "v:string,w:float").rows[0] == ["v", "w"]
    job, task = sandbox.add_result([["1", "2"], ["3", "4"], ["5", "6"], ["7", "8"], ["9", "10"]])
    assert cli("read", job, task).rows[0] == [f"column_{number}" for number in range(1, 6)]
    refused = cli("read", job, task, "--schema", "pagerank")
    assert refused.code == 1
    assert refused.is_short
    offered = re.search(r"pass --schema '(\S+)'", refused.err)[1]
    assert cli("read", job, task, "--schema", offered).rows[1] == ['["1", "3", "5", "7", "9"]']
    numbers = cli("read", job, task, "--schema", "a:int64,rest:list<int64>", "--json").json
    assert numbers["rows"][0] == {"a": 1, "rest": [3, 5, 7, 9]}
    decimals = cli("read", ran.job_id, "PageRank", "--schema", "id:string,score:int64")
    hint = decimals.err.splitlines()[-1]
    assert "--schema NAME:TYPE,NAME:TYPE" in hint
    assert "double" in hint
    ids = cli("read", ran.job_id, "PageRank", "--vid-type", "int64")
    assert ids.code == 1
    assert ids.is_short


@pytest.mark.parametrize("schema", ["lovain", "id:", ":string", "id:nope", "id:string,", "id:list<list<string>>"])
def test_unknown_schemas_are_rejected(cli, ran, schema):
    done = cli("read", ran.job_id, "PageRank", "--schema", schema)
    assert done.code == 2
    assert done.is_short


@each(
    "text",
    [
        *(
            "a:timestamp",
            "a:timestamp[]",
            "a:timestamp[us",
            "a:timestamp[h]",
            "a:timestamp[us, a, b]",
            "a:timestamp[us, b]",
        ),
        *("a:decimal128", "a:decimal128(0, 0)", "a:decimal128(39, 2)", "a:decimal128(5, 6)", "a:decimal128(5, -2)"),
        *("a:dictionary<>", "a:dictionary<string", "a:dictionary<string, double>", "a:dictionary<string, int8, int8>"),
        *("a:dictionary<list<string>>", "a:list<>", "a:list<string, string>", "a:list<string>,b:string", "a:binary"),
        *("a:list<dictionary<string>>", "<a:string", "a string:", "a:string,,b:string", "a:string,a:string", "a:b:c"),
    ],
)
def test_invalid_columns_in_schema_option_are_rejected(text):
    with pytest.raises(errors.ConfigError):
        _schemas.SchemaRequest.of(_options.schema_of(text), "string")


OWN_TYPES = [
    *(pa.string(), pa.large_string(), pa.int8(), pa.uint64(), pa.float32(), pa.float64()),
    *COLUMN_TYPES,
]


@each("kind", OWN_TYPES, ids=str)
def test_columns_are_read_as_arrow_prints_them(kind):
    encoded = [pa.dictionary(index, kind) for index in (pa.int8(), pa.uint64())]
    for column in (kind, *encoded, pa.list_(kind)):
        schema = pa.schema([("first", pa.string()), ("x", column)])
        text = ",".join(f"{field.name}:{field.type}" for field in schema)
        for spelled in (text, text.replace(", ", ","), text.replace(",", ", ")):
            assert _options.schema_of(spelled) == schema


@each(
    ("text", "kind"),
    [
        ("timestamp[ms, UTC]", pa.timestamp("ms", "UTC")),
        ("timestamp[us,+08:00]", pa.timestamp("us", "+08:00")),
        ("decimal(10, 2)", pa.decimal128(10, 2)),
        ("decimal128(10)", pa.decimal128(10, 0)),
        ("dictionary<string>", pa.dictionary(pa.int32(), pa.string())),
        ("dictionary<timestamp[ms, UTC], int8>", pa.dictionary(pa.int8(), pa.timestamp("ms", "UTC"))),
        ("list<timestamp[ms, UTC]>", pa.list_(pa.timestamp("ms", "UTC"))),
        ("boolean", pa.bool_()),
        ("date", pa.date32()),
    ],
)
def test_columns_have_short_names_too(text, kind):
    assert _options.schema_of(f"id:string,x:{text}") == pa.schema([("id", pa.string()), ("x", kind)])


def test_values_of_every_type_are_written(cli, sandbox):
    columns = [
        ["true", "False"],
        ["2026-11-29", "0001-01-01"],
        ["2026-11-29T10:00:00.000001", "2026-11-29 10:00:00"],
        ["2026-11-29T10:00:00.000000001Z", "2026-11-29T10:00:00+08:00"],
        ["0.0000000100", "-99999999999999999999.5"],
        ["red", "red"],
    ]
    job, task = sandbox.add_result(columns)
    schema = "flag:bool,day:date32,at:timestamp[us],zoned:timestamp[ns, UTC],price:decimal128(38, 10),kind:dictionary<string>"
    read = ("read", job, task, "--schema", schema)
    documents = cli(*read, "--json").json
    assert documents["columns"][3] == {"name": "zoned", "type": "timestamp[ns, tz=UTC]"}
    assert documents["rows"] == [
        {
            "flag": True,
            "day": "2026-11-29",
            "at": "2026-11-29T10:00:00.000001",
            "zoned": "2026-11-29T10:00:00.000000001+00:00",
            "price": "0.0000000100",
            "kind": "red",
        },
        {
            "flag": False,
            "day": "0001-01-01",
            "at": "2026-11-29T10:00:00.000",
            "zoned": "2026-11-29T02:00:00.000+00:00",
            "price": "-99999999999999999999.5000000000",
            "kind": "red",
        },
    ]
    first = [
        "true",
        "2026-11-29",
        "2026-11-29T10:00:00.000001",
        "2026-11-29T10:00:00.000000001+00:00",
        "0.0000000100",
        "red",
    ]
    assert cli(*read).rows[1] == first
    lines = list(csv.reader(io.StringIO(cli(*read, "--csv").out)))
    assert lines[1] == [text.replace("T", " ") for text in first]
    assert lines[2][:2] == ["false", "0001-01-01"]


def test_a_cell_of_another_type_is_refused_in_the_words_of_options(cli, sandbox):
    job, task = sandbox.add_result([["a", "b"], ["true", "1"]])
    done = cli("read", job, task, "--schema", "id:string,flag:bool")
    assert done.code == 1
    assert done.is_short
    assert "row 1, column 'flag': cannot convert '1' to bool" in done.err
    assert "--schema" in done.err
    assert "pyarrow" not in done.err


def test_exports_of_own_types(cli, sandbox, tmp_path):
    job, task = sandbox.add_result([["1.50", "2"], ["red", "blue"]])
    target = tmp_path / "own.parquet"
    schema = "price:decimal128(10, 2),kind:dictionary<string, int8>"
    done = cli("export", job, task, target, "--schema", schema, "--json")
    types = [column["type"] for column in done.json["columns"]]
    assert types[0] == "decimal128(10, 2)"
    assert types[1].startswith("dictionary<values=string, indices=int")  # of 32 bits with old pyarrow
    assert pq.read_table(target)["price"].to_pylist() == [Decimal("1.50"), Decimal(2)]


def test_json_and_csv_at_once_is_refused(cli, ran):
    done = cli("read", ran.job_id, "PageRank", "--json", "--csv")
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "many", "٣", "2147483648", "99999999999"])
def test_invalid_limits_are_rejected(cli, ran, limit):
    done = cli("read", ran.job_id, "PageRank", f"--limit={limit}")
    assert done.code == 2
    assert "'all'" in done.err


# --- files


def test_a_result_is_exported_inspected_and_verified(cli, ran, tmp_path):
    path = tmp_path / "scores.parquet"
    done = cli("export", ran.job_id, "PageRank", path, "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.json["rows"], done.json["complete"]) == (77, True)
    assert pq.read_metadata(path).num_rows == 77
    facts = dict(cli("inspect", path).rows)
    assert (facts["job_id"], facts["task_name"], facts["complete"]) == (ran.job_id, "PageRank", "yes")
    assert cli("inspect", path, "--json").json["content_hash"] == done.json["content_hash"]
    assert cli("verify", path).rows[0] == ["verified", "yes"]
    assert cli("verify", path, "--json").json["verified"] is True
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    found = cli("verify", path)
    assert (found.code, found.out) == (6, "")
    assert found.is_short
    [message] = cli("verify", path, "--json").messages
    assert (message["error"]["class"], message["error"]["exit_code"]) == ("DamagedFileError", 6)
    assert cli("verify", tmp_path / "none.parquet").code == 1


@pytest.fixture
def to_stdout(capsys, tmp_path, monkeypatch):
    """Run a command whose stdout is a file; return its exit code, the file and what is on stderr."""

    def call(*arguments):
        with (tmp_path / "stdout").open("w", encoding="utf-8") as out, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            with pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments])
        return ended.value.code or 0, tmp_path / "stdout", capsys.readouterr().err

    return call


@pytest.mark.parametrize("layout", ["parquet", "feather"])
def test_path_dash_writes_to_stdout_and_receipt_to_stderr(to_stdout, ran, in_folder, layout, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_STORAGE_OPTIONS", '{"anon": true}')
    code, out, err = to_stdout("export", ran.job_id, "PageRank", "-", "--format", layout)
    assert (code, verify_file(out).rows) == (0, 77)
    assert ["path\t-", f"format\t{layout}", "rows\t77"] == err.splitlines()[:3]
    assert "complete\tyes" in err
    code, out, err = to_stdout("export", ran.job_id, "PageRank", "-", "--format", layout, "--json")
    assert (code, json.loads(err)["bytes"]) == (0, out.stat().st_size)
    assert sorted(path.name for path in in_folder.iterdir()) == ["stdout"]


def test_a_full_result_goes_to_stdout_as_a_file(to_stdout, full):
    code, out, err = to_stdout("output", full, "-", "--quoting", "none", "--format", "parquet")
    assert (code, verify_file(out).rows) == (0, 2)
    assert "rows\t2\n" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "pass --format parquet or --format feather"),
        (["--format", "parquet", "--mode", "create"], "mode 'create' is not supported for buffers"),
        (["--format", "parquet", "--limit", "5"], "may be incomplete"),
    ],
)
def test_nothing_goes_to_stdout_when_an_export_fails(to_stdout, ran, options, said):
    code, out, err = to_stdout("export", ran.job_id, "PageRank", "-", *options)
    assert code in {2, 3}
    assert said in err or code == 3
    assert out.read_bytes() == b""


def test_a_terminal_gets_no_file(cli, ran, monkeypatch):
    monkeypatch.setattr(_results, "is_terminal", lambda stream: True)
    done = cli("export", ran.job_id, "PageRank", "-", "--format", "parquet")
    assert (done.code, done.out) == (2, "")
    assert "Redirect stdout, or pass a path" in " ".join(done.err.replace("\u2502", " ").split())


def test_missing_folders_and_files_in_place(cli, ran, tmp_path):
    path = tmp_path / "new" / "scores.parquet"
    done = cli("export", ran.job_id, "PageRank", path)
    assert done.code == 1
    assert done.is_short
    assert done.err.endswith("Create the folder, or pass --make-parents.\n")
    assert cli("export", ran.job_id, "PageRank", path, "--make-parents").code == 0
    inode = path.stat().st_ino
    assert cli("export", ran.job_id, "PageRank", path, "--mode", "in_place").code == 0
    assert path.stat().st_ino == inode


def test_two_results_are_compared(cli, ran, tmp_path):
    path = tmp_path / "louvain.parquet"
    cli("export", ran.job_id, "Louvain", path)
    done = cli("compare", path, ran.job_id, "--task", "Louvain")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"no change\na: job {ran.job_id}, Louvain")
    found = cli("compare", ran.job_id, ran.job_id, "--task", "PageRank", "--json").json
    assert (found["same"], found["common"], found["top_overlap"]) == (True, 77, 1.0)
    for arguments, code, said in (
        (("compare", ran.job_id, ran.job_id), 2, "--task"),
        (("compare", path, path, "--task", "Louvain"), 2, "requires a Job"),
        (("compare", path, ran.job_id, "--task", "PageRank"), 2, "--allow-unrelated to compare them anyway"),
        (("compare", path, tmp_path / "none.parquet"), 1, "file not found"),
        (("compare", path, 4711), 1, "40404000"),
    ):
        done = cli(*arguments)
        assert (done.code, done.out) == (code, "")
        assert done.is_short
        assert said in done.err


def test_changes_are_printed_and_optionally_set_the_exit_code(cli, sandbox):
    job, _ = sandbox.add_result([["x", "y", "z"], ["0.5", "0.25", "0.25"]], name="A")
    other, _ = sandbox.add_result([["x", "y", "w"], ["0.5", "0.75", "0.1"]], name="A")
    done = cli("compare", job, other, "--task", "A")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "1 appeared, 1 vanished, 1 changed"
    assert lines[-2] == "score: 1 changed, max delta 0.5, mean delta 0.25"
    assert cli("compare", job, other, "--task", "A", "--exit-code") == (_exit.CHANGED.number, done.out, "")
    assert cli("compare", job, job, "--task", "A", "--exit-code").code == 0
    assert cli("compare", job, other, "--task", "A", "--exit-code", "--json").json["same"] is False


def test_a_part_is_compared_only_on_demand(cli, ran, tmp_path):
    path = tmp_path / "part.parquet"
    cli("export", ran.job_id, "PageRank", path, "--limit", 5, "--allow-incomplete")
    done = cli("compare", path, ran.job_id, "--task", "PageRank")
    assert (done.code, done.out) == (3, "")
    assert done.is_short
    assert cli("compare", path, ran.job_id, "--task", "PageRank", "--allow-incomplete", "--json").json["appeared"] == 72


def test_export_refuses_a_part_unless_it_is_wanted(cli, ran, tmp_path):
    path = tmp_path / "part.feather"
    done = cli("export", ran.job_id, "PageRank", path, "--limit", 5)
    assert done.code == 3
    assert not path.exists()
    assert "--allow-incomplete to export the rows anyway" in done.err
    taken = cli("export", ran.job_id, "PageRank", path, "--limit", 5, "--allow-incomplete")
    assert taken.code == 0
    assert dict(taken.rows)["complete"] == "no"
    kept = cli("export", ran.job_id, "PageRank", path, "--mode", "create")
    assert kept.code == 1
    assert "--mode overwrite" in kept.err
    assert kept.is_short


@pytest.mark.parametrize(
    ("target", "code"),
    [("there/is/a/file/x.parquet", 1), ("x.txt", 2), ("s3:/bucket/x.parquet", 2), ("nope://x/y.parquet", 2)],
)
def test_invalid_targets_are_rejected(cli, ran, in_folder, target, code):
    (in_folder / "there").write_text("a file")
    done = cli("export", ran.job_id, "PageRank", target)
    assert done.code == code
    assert done.is_short


def test_sync_writes_missing_results_and_reports_skipped_ones(cli, ran, tmp_path):
    first = cli("sync", ran.workflow_id, tmp_path / "lake", "--task", "PageRank", "--task", "SSSP", "--json")
    assert first.code == 0
    assert first.json["written"] == 2 * first.json["jobs"]
    assert {one["state"] for one in first.json["results"]} == {"written"}
    again = cli("sync", ran.workflow_id, tmp_path / "lake", "--task", "PageRank")
    jobs = first.json["jobs"]
    assert (again.code, again.out) == (0, ""), "nothing was to be done"
    counts = f"{jobs} job{'s' * (jobs > 1)}, 0 results written (0 rows, 0 bytes), {jobs} skipped, 0 failed"
    assert again.err == f"{tmp_path / 'lake'}: {counts}\n"
    more = cli("sync", ran.workflow_id, tmp_path / "lake", "--task", "Louvain")
    assert more.rows == [
        ["task_name", "written", "skipped", "failed", "rows"],
        ["Louvain", str(jobs), "0", "0", str(77 * jobs)],
    ]
    other = cli("sync", "999", tmp_path / "lake")
    assert other.code == 2
    assert other.is_short


def test_quiet_sync_prints_only_errors(cli, ran, tmp_path):
    quiet = ("sync", ran.workflow_id, tmp_path, "--task", "PageRank", "--quiet")
    assert cli(*quiet) == cli(*quiet) == (0, "", "")
    assert cli(*quiet, "--json").json["failed"] == 0
    failed = cli("sync", ran.workflow_id, tmp_path, "--quiet", "--task", "Louvain", "--vid-type", "int64")
    assert failed.code == 2
    part = cli("sync", ran.workflow_id, tmp_path / "part", "--quiet", "--limit", "5", "--task", "PageRank")
    assert (part.code, part.out) == (5, "")
    assert part.err.startswith("Error: failed to export ")


def test_an_interrupted_sync_says_how_far_it_came(cli, ran, tmp_path, monkeypatch):
    real, calls = Explorer.list_jobs, []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(Explorer, "list_jobs", interrupted)
    done = cli("sync", ran.workflow_id, tmp_path)
    assert (done.code, done.out) == (130, "")
    first, second = done.err.splitlines()
    assert first == "Error: interrupted"
    assert f"{tmp_path}: no results" in second
    assert "Sync again" in second


def test_sync_partitions_verifies_and_names_the_server(cli, ran, tmp_path):
    lake = tmp_path / "lake"
    options = [
        "--task",
        "PageRank",
        "--partition-by",
        "end_date",
        "--partition-by",
        "job_id",
        "--server-name",
        "production",
    ]
    first = cli("sync", ran.workflow_id, lake, *options, "--json")
    assert (first.code, first.json["pending"]) == (0, 0)
    paths = [Path(one["path"]) for one in first.json["results"]]
    assert all(re.match("end_date=.*/job_id=", path.relative_to(lake / "PageRank").as_posix()) for path in paths)
    renamed = cli("sync", ran.workflow_id, lake, *options[:-2])
    assert renamed.code == 2
    assert "--server-name production" in renamed.err
    paths[0].write_bytes(bytes(paths[0].stat().st_size))
    assert cli("sync", ran.workflow_id, lake, *options).code == 0
    damaged = cli("sync", ran.workflow_id, lake, *options, "--verify")
    assert damaged.code == 5
    assert "DamagedFileError" in damaged.err


def test_partly_failed_sync_has_a_specific_exit_code(cli, sandbox, tmp_path):
    workflow = sandbox.add_workflow("half", Graph.les_miserables(), TASKS)
    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        explorer.run_workflow(workflow).wait(progress=False)
    done = cli("sync", workflow, tmp_path, "--vid-type", "int64", "--json")
    assert done.code == 5
    failed = [one for one in done.json["results"] if one["state"] == "failed"]
    assert len(failed) == done.json["failed"] == 4
    error = done.messages[0]["error"]
    assert (error["class"], error["where"], error["exit_code"]) == ("SyncError", str(tmp_path), 5)
    assert error["message"].startswith(f"failed to export 4 results of workflow {workflow}: ")
    shown = cli("sync", workflow, tmp_path, "--vid-type", "int64")
    assert shown.rows[1][3] == "1"
    assert "4 results" in shown.err
    assert "sync again" in shown.err


# --- options for stores


def test_options_for_stores_come_from_three_places(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_STORAGE_OPTIONS", '{"a": 1, "b": 1, "c": 1}')
    file = tmp_path / "options.json"
    file.write_text('{"b": 2, "c": 2, "deep": {"x": "y"}}')
    given = ["c=3", "anon=false", 'd:={"k": 1}', "e=a=b"]
    assert _options.storage_options(given, file) == {
        "a": 1,
        "b": 2,
        "c": "3",
        "anon": False,
        "deep": {"x": "y"},
        "d": {"k": 1},
        "e": "a=b",
    }
    monkeypatch.delenv("EXPLORER_FRAMES_STORAGE_OPTIONS")
    assert _options.storage_options(None, None) is None


@pytest.mark.parametrize("text", ["canary", "=canary", "key:=canary", 'key:={"a": canary'])
def test_unknown_option_is_rejected_without_its_value(cli, ran, text):
    done = cli("inspect", "s3://bucket/x.parquet", "--storage-option", text)
    assert done.code == 2
    assert done.is_short
    assert "canary" not in done.err.replace("'canary'", "" if text == "canary" else "'canary'")


@pytest.mark.parametrize("content", [None, b"[1]", b"{", b"\xff\xfe", b'{"a": NaN'])
def test_invalid_storage_options_file(cli, tmp_path, content):
    file = tmp_path / "options.json"
    if content is not None:
        file.write_bytes(content)
    done = cli("inspect", "s3://bucket/x.parquet", "--storage-options-file", file)
    assert done.code == 2
    assert done.is_short


def test_options_reach_the_driver(cli, ran):
    # A driver that gets what it does not know says so: proof that it got it, and that its value stays hidden.
    done = cli("export", ran.job_id, "PageRank", "s3://b/x.parquet", "--storage-option", "nope=canary")
    assert done.code in (1, 2)
    assert "canary" not in done.err
    assert "'nope'" in done.err


# --- who we are


def test_missing_url_is_a_usage_error(cli, monkeypatch):
    for name in ("URL", "USER", "PASSWORD", "GRAPHD"):
        monkeypatch.delenv(f"EXPLORER_FRAMES_{name}")
    done = cli("jobs")
    assert done.code == 2
    assert done.is_short
    assert done.err.startswith("Error: missing url\n")
    assert "--url" in done.err
    assert "EXPLORER_FRAMES_URL" in done.err
    without = cli("jobs", "--url", "http://127.0.0.1:9")
    assert without.code == 2
    assert without.is_short
    assert "EXPLORER_FRAMES_TOKEN" in without.err


def test_a_wrong_password_and_a_wrong_graphd(cli, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_PASSWORD", "canary")
    done = cli("jobs")
    assert done.code == 1
    assert done.is_short
    assert "canary" not in done.err
    assert "(encodings tried: json, colon)" in done.err
    monkeypatch.undo()


def test_an_expired_token(cli, sandbox, monkeypatch):
    token = sandbox.token
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", token)
    assert cli("jobs").code == 0
    sandbox.expire_tokens()
    done = cli("jobs")
    assert done.code == 1
    assert done.is_short
    assert token not in done.err


def test_connection_options_can_be_anywhere_and_override_the_environment(cli, sandbox, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("EXPLORER_FRAMES_USER", "nobody")
    monkeypatch.setenv("EXPLORER_FRAMES_GRAPHD", "nowhere:1")
    given = ["--url", sandbox.url, f"--user={sandbox.user}", "--graphd", sandbox.graphd, "--auth-encoding", "colon"]
    for line in ([*given, "jobs", "--json"], ["jobs", "--json", *given], ["jobs", *given, "--json"]):
        done = cli(*line)
        assert (done.code, done.err) == (0, "")
    assert cli("jobs", "--deadline", "0").code == 2


def test_no_option_of_a_command_is_called_as_one_of_the_connection():
    from typer.main import get_command

    from explorer_frames.cli._app import _is_ours, app

    group = get_command(app)
    ours = {name for option in group.params if _is_ours(option) for name in option.opts}
    login = {"--url", "--profile", "--user", "--graphd", "--auth-encoding"}
    tls = {"--ca-bundle", "--client-cert", "--client-key"}
    assert ours == {*login, *tls, "--deadline", "--debug", "--no-progress"}
    for command in group.commands.values():
        assert not ours & {name for option in command.params for name in option.opts}, command.name


# --- errors


def test_wrong_ids(cli, ran):
    for line in (["show", "999999"], ["read", "999999", "x"], ["cancel", "999999"], ["run", "999999"]):
        done = cli(*line)
        assert (done.code, done.out) == (1, ""), line
        assert done.is_short
    odd = cli("show", "../../x")
    assert odd.code == 2
    assert odd.is_short


def test_server_messages_are_unchanged(cli, sandbox):
    said = "limit=None and storage_options"
    job, task = sandbox.add_result([["a"], ["1"]], name=said)
    assert "format=csv" in cli("read", job, "format=csv").err.partition("\n")[0]
    refused = cli("export", job, task, "memory://words.parquet", "--limit", 1).err
    assert "Pass --limit all to request every row." in refused
    assert (
        cli("doctor", "--job-id", job, "--task-id", "vid_type=int64", "--json")
        .json["findings"][-1]["what"]
        .count("=int64")
    )


def test_debug_shows_requests_and_where_an_error_comes_from(cli, sandbox):
    done = cli("show", "999999", "--debug")
    assert done.code == 1
    assert "GET api-open/v1/jobs/999999 -> 200" in done.err
    assert "Traceback" in done.err
    assert sandbox.password not in done.err


def test_unexpected_error_is_reported_as_bug_without_secrets(cli, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("canary")

    monkeypatch.setattr(Explorer, "list_jobs", broken)
    done = cli("jobs")
    assert done.code == 1
    what, hint = done.err.splitlines()
    assert what == "Error: internal error: ZeroDivisionError"
    assert "--debug" in hint


def test_errors_are_json_with_json(cli, ran, sandbox, monkeypatch):
    done = cli("show", "999999", "--json")
    assert (done.code, done.out) == (1, "")
    [message] = done.messages
    error = message["error"]
    assert list(error) == ["class", "message", "where", "hint", "exit_code", "attributes"]
    assert (error["class"], error["exit_code"]) == ("NotFoundError", 1)
    assert error["where"].startswith("job 999999, trace ")
    assert error["hint"].startswith("Check the ids")
    attributes = error["attributes"]
    assert list(attributes) == ["code", "http_status", "retry_after", "server_message", "trace_id"]
    assert (attributes["code"], attributes["retry_after"]) == (40404000, None)
    job, task = sandbox.add_result([["a", "b"], ["0.5", "player7é\x1b"]])
    refused = cli("read", job, task, "--schema", "pagerank", "--json")
    assert refused.messages[0]["error"]["attributes"] == {
        "column": "score",
        "row": 1,
        "value": r"player7\xe9\x1b",
    }
    assert refused.err.isascii()
    monkeypatch.setattr(Explorer, "list_jobs", lambda *_, **__: 1 / 0)
    [bug] = cli("jobs", "--json").messages
    assert (bug["error"]["class"], bug["error"]["message"]) == (
        "ZeroDivisionError",
        "internal error: ZeroDivisionError",
    )

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Explorer, "list_jobs", interrupted)
    stopped = cli("jobs", "--json")
    assert stopped.messages[0]["error"] == {
        "class": "KeyboardInterrupt",
        "message": "interrupted",
        "where": None,
        "hint": None,
        "exit_code": 130,
        "attributes": {},
    }
    assert stopped.code == 130


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["jobs", "--nope"], "--nope"),
        (["nope"], "nope"),
        (["read", "1"], "TASK"),
        (["jobs", "--status", "odd"], "'--status': 'odd' is not one of 'preparing', 'running', 'success', 'failed',"),
        (["jobs", "--auth-encoding", "odd"], "'--auth-encoding': 'odd' is not one of 'auto', 'json', 'colon'"),
        (["jobs", "--url"], "Option '--url' requires an argument."),
        (["--profile"], "Option '--profile' requires an argument."),
        (["jobs", "--limit", "0"], "'0' is neither 'all' nor an integer"),
        (["read", "1", "x", "--csv"], "mutually exclusive"),
    ],
)
def test_usage_errors_are_json_with_json(cli, line, said):
    done = cli(*line, "--json")
    assert (done.code, done.out) == (2, "")
    [message] = done.messages
    error = message["error"]
    assert (error["class"], error["exit_code"], error["attributes"]) == ("UsageError", 2, {})
    assert said in error["message"]
    assert error["hint"].endswith(" --help.")


def test_json_behind_a_double_dash_is_an_argument(cli, ran):
    done = cli("read", ran.job_id, "--", "--json")
    assert done.code == 2
    assert done.is_short


def test_warnings_are_json_with_json(cli, sandbox):
    job, task = sandbox.add_result([[f"v{number}" for number in range(1000)], ["0.5"] * 1000])
    done = cli("read", job, task, "--json")
    assert (done.code, len(done.json["rows"])) == (3, 1000)
    warning = done.messages[0]["warning"]
    assert warning["class"] == "TruncatedResultWarning"
    assert "incomplete: 1000 rows" in warning["message"]
    assert warning["hint"].endswith("set EXPLORER_FRAMES_ROW_CAP.")


def test_usage_errors(cli):
    for line in (
        ["jobs", "--nope"],
        ["nope"],
        ["read", "1"],
        ["jobs", "--status", "odd"],
        ["jobs", "--created-after", "odd"],
        ["jobs", "--url"],
    ):
        done = cli(*line)
        assert (done.code, done.out) == (2, ""), line
        assert done.is_short, line


def test_the_help_is_shown_for_an_empty_line(cli):
    done = cli()
    assert (done.code, done.err) == (0, "")
    assert done.out == cli("--help").out


@pytest.mark.parametrize("since", ["1y", "2026-13-01", "99999999w", ""])
def test_invalid_times_are_rejected(cli, since):
    assert cli("jobs", f"--created-after={since}").code == 2


def test_times_are_in_utc_unless_they_have_an_offset():
    assert _options._since("2026-11-25") == datetime(2026, 11, 25, tzinfo=UTC)
    assert _options._since("2026-11-25T08:30+01:00") == datetime(2026, 11, 25, 7, 30, tzinfo=UTC)


# --- what is written down once


def test_no_text_of_the_help_has_brackets_which_a_terminal_would_take_for_markup():
    group = commands(app)
    texts = [(one.name, one.help) for command in group.commands.values() for one in (command, *command.params)]
    assert [name for name, text in texts if "[" in (text or "")] == []


def test_the_help_has_no_types_of_python(cli):
    names = [function.__name__ for functions in COMMANDS.values() for function in functions]
    for line in ([], *([name] for name in names)):
        text = cli(*line, "--help").out
        assert re.findall(r"<(?:str|int|float|bool|list|path|file)\b|range>|\{[A-Z]|\[\[|INTEGER|FLOAT", text) == []
    assert "Usage: explorer-frames output [OPTIONS] SOURCE [TARGET]" in cli("output", "--help").out
    assert "--format parquet|feather" in cli("sync", "--help").out
    assert "--partition-by TEXT" in cli("sync", "--help").out


def test_the_help_has_every_code_and_every_command(cli):
    done = cli("--help")
    assert done.code == 0
    for code in _exit.CODES:
        assert re.search(rf"^ *{code.number}  {re.escape(code.meaning)}$", done.out, re.MULTILINE)
    for functions in COMMANDS.values():
        for function in functions:
            assert re.search(rf"^  {function.__name__} +\S", done.out, re.MULTILINE)
            helped = cli(function.__name__, "--help")
            assert helped.code == 0
            assert "..." not in helped.out


def test_reading_commands_have_json(cli):
    for name in (
        "jobs",
        "show",
        "run",
        "cancel",
        "read",
        "export",
        "output",
        "sync",
        "inspect",
        "verify",
        "compare",
        "doctor",
    ):
        assert "--json" in cli(name, "--help").out


def test_the_help_warns_of_secrets_on_the_command_line(cli):
    for name in ("export", "output", "sync", "inspect", "verify", "compare", "doctor"):
        text = " ".join(cli(name, "--help").out.split())
        assert "other users of this machine can see the command line" in text
    for functions in COMMANDS.values():
        for function in functions:
            assert "--password" not in cli(function.__name__, "--help").out


# --- full results


@pytest.fixture
def full(tmp_path):
    """A folder as the engine writes it, with an id that has quotes."""
    folder = tmp_path / "analytics-data" / "107" / "tasks" / "analytics_sssp_1"
    folder.mkdir(parents=True)
    (folder / "0000_0000.csv").write_text('a"b,1\nNew York,inf\n')
    (folder / "0000_0001.csv").write_text("")
    return folder


def test_a_full_result_is_written_to_stdout(cli, full):
    done = cli("output", full, "--quoting", "none")
    assert (done.code, done.err) == (0, "")
    assert done.rows == [["id", "distance"], ['a"b', "1.0"], ["New York", "inf"]]
    assert cli("output", full, "--quoting", "none", "--csv").out == 'id,distance\n"a""b",1.0\nNew York,inf\n'
    document = cli("output", full, "--quoting", "none", "--json").json
    assert [row["id"] for row in document["rows"]] == ['a"b', "New York"]
    assert document["provenance"]["complete"] is True


def test_a_full_result_is_exported_to_a_file(cli, full, tmp_path):
    target = tmp_path / "full.parquet"
    done = cli("output", full, target, "--quoting", "none", "--json")
    assert (done.code, done.json["rows"], done.json["complete"]) == (0, 2, True)
    assert pq.read_table(target).column_names == ["id", "distance"]
    assert cli("output", full, target, "--quoting", "none", "--mode", "create").code == 1
    assert "rows\t2" in cli("output", full, tmp_path / "x", "--quoting", "none", "--format", "feather").out


def test_options_of_a_full_result_reach_the_reader(cli, tmp_path):
    path = tmp_path / "0.csv"
    path.write_text("who,what\n1,2\n")
    read = functools.partial(cli, "output", path)
    assert read("--schema", "louvain", "--vid-type", "int64", "--header", "yes").rows == [
        ["id", "community"],
        ["1", "2"],
    ]
    assert len(read("--schema", "a:string,b:string", "--header", "no").rows) == 3
    assert len(read("--schema", "louvain").rows) == 3


def test_a_full_result_is_found_by_job_task_and_component(cli, tmp_path):
    with Sandbox(outputs_dir=tmp_path, output_style="engine") as server, Explorer(server.url, token=server.token) as e:
        job = e.run_workflow(server.add_workflow("one", Graph.karate(), {"analytics_wcc_1": ("WCC", {})}))
        job = job.wait(progress=False)
        options = ("--url", server.url, "--job-id", job.job_id, "--task", "WCC")
        for where in ((), ("--folder", "{job_id}/tasks/{component}")):
            done = cli("output", tmp_path, *options, "--component", "analytics_wcc_1", *where)
            assert (done.code, done.rows[0], len(done.rows)) == (0, ["id", "community"], 35)
        exported = cli("output", tmp_path, tmp_path / "x.parquet", *options, "--component", "analytics_wcc_1", "--json")
        assert exported.json["rows"] == 34
        failed = cli("output", tmp_path, *options)
        assert failed.code == 1
        assert failed.is_short
        assert "tasks/analytics_wcc_1" in failed.err
        assert "--component analytics_pagerank_1" in failed.err


@pytest.mark.parametrize(
    "options",
    [
        ("--job-id", "1"),
        ("--task", "a"),
        ("--component", "analytics_sssp_1"),
        ("--folder", "{task_id}"),
        ("--csv", "--json"),
        ("x.parquet", "--csv"),
        ("--quoting", "all"),
        ("--header", "maybe"),
    ],
)
def test_options_of_a_full_result_that_exclude_each_other_are_refused(cli, full, options):
    assert cli("output", full, *options).code == 2


def test_errors_of_a_full_result_name_file_line_and_option(cli, full, tmp_path):
    failed = cli("output", full)
    assert failed.code == 1
    assert failed.is_short
    assert f"[{full / '0000_0000.csv'}, line 1]" in failed.err
    assert "--quoting none" in failed.err
    assert failed.out == ""
    assert cli("output", tmp_path / "nowhere").is_short
    assert cli("output", full.parent).is_short


def test_each_error_has_the_code_of_its_nearest_class():
    assert _exit.code_of(errors.NotFoundError("x")) == 1
    assert _exit.code_of(errors.UnsupportedFormatError("x")) == 2
    assert _exit.code_of(errors.ConfigError("x")) == 2
    assert _exit.code_of(errors.IncompleteResultError("x")) == 3
    assert _exit.code_of(errors.JobError("x")) == 4
    assert _exit.code_of(errors.SyncError("x")) == 5
    assert _exit.code_of(errors.DamagedFileError("x")) == 6
    assert _exit.code_of(errors.FileReadError("x")) == 1
    assert _exit.code_of(KeyboardInterrupt()) == 130
    assert len({code.number for code in _exit.CODES}) == len(_exit.CODES)


# No command uses these modules, or prints texts with these words.
ONLY_PYTHON = {
    *("_functions.py", "_plot", "_tables", "cli", "dask.py", "pytest_plugin.py", "sandbox", "spark.py"),
    *("dataframes.py", "foreign.py"),
}
ONLY_PYTHON_WORDS = (
    "; x=x",  # of a cookie
    "cannot be combined with a Task",
    "missing task_id",
    "Pass a DataFrame",
    "index=",
    "datetime.now(UTC)",
    "dtype_backend",
    "block of open_output",
    "pyarrow writes metadata",
    "verify=False",
    "<progress",
)


def _text(node):
    """A text as it stands in the source, x for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.FormattedValue) and node.conversion == ord("r"):
        return "'x'"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "x"


def _texts(tree):
    """All texts of a module except docstrings, the hint alone of a warning that has one."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and id(node) not in parts | docstrings):
            yield _text(node).rpartition("]. ")[2]


def test_hints_on_the_command_line_do_not_mention_python():
    folder = Path(explorer_frames.__file__).parent
    paths = [path for path in folder.rglob("*.py") if ONLY_PYTHON.isdisjoint(path.relative_to(folder).parts)]
    texts = {text for path in paths for text in _texts(ast.parse(path.read_text(encoding="utf-8"))) if " " in text}
    assert len(texts) > 500
    texts = {text for text in texts if not any(words in text for words in ONLY_PYTHON_WORDS)}
    classes = (explorer_frames.Explorer, explorer_frames.Job, explorer_frames.Task)
    names = {*explorer_frames.__all__, *(name for cls in classes for name in vars(cls))}
    calls = "|".join(name for name in names if "_" in name.strip("_"))
    python = re.compile(
        rf"(?<![\w.])[a-z_]+=(?!=)|\bpa\.|pyarrow|pathlib|\w\(|\b[A-Z]\w+\.[a-z_]+\b|\b(?<!{{)({calls})\b"
    )
    assert [text for text in texts if python.search(_exit.for_command_line(text))] == []


@each(
    ("hint", "shown"),
    [
        ("Pass limit=None, or schema='auto'.", "Pass --limit all, or --schema auto."),
        ("Pass deadline= or allow_incomplete=True.", "Pass --deadline or --allow-incomplete."),
        ('Pass folder="{job_id}/{task_id}".', "Pass --folder '{job_id}/{task_id}'."),
        ("Set row_cap=, or storage_options=.", "Set EXPLORER_FRAMES_ROW_CAP, or --storage-option."),
        ('Pass schema=pa.schema([("cells", pa.list_(pa.string()))]).', "Pass --schema 'cells:list<string>'."),
        ("Look at list_jobs('7') for it.", "Look at explorer-frames jobs --workflow-id 7 for it."),
        ("Read it with Task.read_output.", "Read it with explorer-frames output."),
        ("Retry.\nOr pass timeout=.", "Retry."),
        ("Its tasks are 'x.limit=1' and 'no_limit=1'.", "Its tasks are 'x.limit=1' and 'no_limit=1'."),
    ],
)
def test_hints_name_options_instead_of_arguments(hint, shown):
    assert _exit.for_command_line(hint) == shown


def test_hint_lists_commands_with_an_unknown_option(cli, sandbox):
    job, _ = sandbox.add_result([["a", "b"], ["x", "y"]], name="PageRank")
    done = cli("compare", job, job)
    assert done.code == 1
    assert re.search(
        r"--schema is an option of explorer-frames read and explorer-frames export and .*\.$", done.err.strip()
    )
    assert "is an option of" not in cli("read", job, "PageRank").err


def test_options_that_hints_name_are_options():
    group = typer.main.get_command(app)
    options = {option for command in group.commands.values() for found in command.params for option in found.opts}
    options |= {option for found in group.params for option in found.opts}
    named = {term.split()[0] for term in _exit._TERMS.values()}
    assert {term for term in named if term.startswith("--")} <= options


def test_words_that_are_repeated_for_speed_are_those_of_the_library():
    assert typing.get_args(_options.FormatWord) == typing.get_args(Format)
    assert typing.get_args(_options.VidWord) == typing.get_args(_schemas.VidType)
    assert typing.get_args(_options.ModeWord) == typing.get_args(Mode)
    assert list(typing.get_args(_options.StatusWord)) == list(WORDS.values())


def test_schemas_are_completed():
    assert _options._schemas("lo") == ["Louvain"]
    assert "auto" in _options._schemas("")


@pytest.mark.parametrize(("given", "pool"), [(None, "system"), ("mimalloc", "mimalloc")])
def test_arrow_takes_little_memory_for_each_worker_unless_told_otherwise(given, pool):
    script = "import sys; sys.argv[1:] = ['doctor', '--help']; import explorer_frames.cli as cli\n"
    script += "try: cli.main()\nexcept SystemExit: import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    known = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    env = known if given is None else {**known, "ARROW_DEFAULT_MEMORY_POOL": given}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == pool


def test_the_version(cli):
    assert cli("--version") == (0, f"{__version__}\n", "")
