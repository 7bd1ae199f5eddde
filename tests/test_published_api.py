"""Every documented request and answer of Explorer's workflow API, word for word, in both directions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from cases import each
from served import served

from explorer_frames import _errors, _schemas, errors

LOGIN = {"user": "root", "password": "123", "graphd": "192.168.8.131:9669"}
TASK = "8c171f70fb6f9d5b5f7ed3d2c1e8a0b4"
CONNECTED = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n"
    b"Set-Cookie: explorer_token=eyJhbGciOi.eyJwYXNz.x-_1; Path=/; # Max-Age=259200; HttpOnly\r\n"
    b"Traceparent: 00-1c3f55724656829b7df762a8bbf6d4d9-0000000000000000-00\r\n"
    b"Date: Wed, 13 Jul 2022 02:26:42 GMT\r\n"
    b"Content-Length: 54\r\n\r\n"
    b'{"code":0,"data":{"success":true},"message":"Success"}'
)
SAMPLE = """{
  "code": 0,
  "data": {
    "items": [
      [
        "player110",
        "0.150000"
      ],
      [
        "team219",
        "0.452126"
      ],
      [
        "player121",
        "0.262148"
      ]
    ]
  },
  "message": "Success"
}
"""
PAIRS = [["player110", 0.15], ["team219", 0.452126], ["player121", 0.262148]]
DETAIL = {
    "id": 29987,
    "name": "workflow_q745a_20220715092236",
    "workflowId": "3992429968",
    "workflowName": "workflow_q745a",
    "status": 2,
    "runBeginTime": 1657848036000,
    "runEndTime": 1657848039000,
    "createTime": 1657848035000,
}
TASKS = [
    {
        "id": TASK,
        "name": "BFS",
        "runBeginTime": "2022-07-12T10:33:35+08:00",
        "runEndTime": "2022-07-12T10:33:37+08:00",
        "status": 2,
    }
]


def said(body: object, status: str = "200 OK") -> bytes:
    """An answer as the documents show it: indented, its length that of another layout, so left out."""
    text = body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json; charset=utf-8\r\nTraceparent: 00-9b3c-01\r\n\r\n"
    return head.encode() + text.encode()


def ok(data: object) -> bytes:
    return said({"code": 0, "data": data, "message": "Success"})


def lines(request: bytes) -> list[str]:
    return request.partition(b"\r\n\r\n")[0].decode().split("\r\n")


# --- login


@pytest.mark.parametrize(("auth_encoding", "encoded"), [("json", "WyJyb290IiwiMTIzIl0="), ("colon", "cm9vdDoxMjM=")])
def test_connect_and_sample_result_as_documented(auth_encoding, encoded):
    with served(lambda number, _: said(SAMPLE) if number else CONNECTED, **LOGIN, auth_encoding=auth_encoding) as (
        server,
        explorer,
    ):
        table = explorer.read_sample_result_arrow(29987, TASK, 5, schema=None)
    assert [list(row.values()) for row in table.to_pylist()] == PAIRS
    login, read = server.requests
    assert lines(login)[0] == "POST /api-open/v1/connect HTTP/1.1"
    assert f"Authorization: Bearer {encoded}" in lines(login)
    assert "Content-Type: application/json" in lines(login)
    assert json.loads(login.partition(b"\r\n\r\n")[2]) == {"address": "192.168.8.131", "port": 9669}
    assert lines(read)[0] == f"GET /api-open/v1/jobs/29987/tasks/{TASK}/sample_result?limit=5 HTTP/1.1"
    assert "Cookie: explorer_token=eyJhbGciOi.eyJwYXNz.x-_1" in lines(read)
    assert read.endswith(b"\r\n\r\n")


# --- sample_result


@pytest.mark.parametrize("body", [SAMPLE, SAMPLE.replace("\n", "").replace(" ", ""), SAMPLE.replace("\n", "\r\n")])
def test_the_published_result_reads_the_same_indented_and_not(body):
    with served(said(body), retries=0) as (_, explorer):
        assert [
            list(row.values()) for row in explorer.read_sample_result_arrow(1, TASK, schema=None).to_pylist()
        ] == PAIRS


@pytest.mark.parametrize("task", [TASK, "query_1", "analytics_sssp_1", "1"])
@pytest.mark.parametrize("job", [29987, "29987"])
def test_both_kinds_of_ids_go_into_the_path(job, task):
    with served(said(SAMPLE)) as (server, explorer):
        explorer.read_sample_result(job, task, 10, schema=None)
    assert lines(server.requests[0])[0].split()[1] == f"/api-open/v1/jobs/29987/tasks/{task}/sample_result?limit=10"


ROWS = {
    "pagerank": ["player110", "0.150000"],
    "kcore": ["player110", "3"],
    "degreecentrality": ["player110", "5", "3", "2"],
    "lpa": ["player110", "player101"],
    "louvain": ["player110", "player101", "0.412309"],
    "sssp": ["player110", "Infinity"],
    "bfs": ["player100", "12"],
    "apsp": ["player110", "player101", "1.477629166666667e-01"],
    "jaccard": ["player110", "player101", "0.5"],
    "trianglecount": ["player110", "player101", "player102"],
    "hyperanf": ["2.375"],
    "shortestpath": ["player110", "player101", "player102", "player103"],
    "tree_stat": ["4", "3"],
    "node2vec": ["player110", "player101", "player110", "player103"],
}


@pytest.mark.parametrize(("algorithm", "row"), ROWS.items(), ids=ROWS)
def test_each_documented_shape_reads_with_its_algorithms_name(algorithm, row):
    with served(ok({"items": [row, row]})) as (_, explorer):
        table = explorer.read_sample_result_arrow(1, TASK, schema=algorithm)
    assert table.num_rows == 2
    widths = {len(shape) for shape in _schemas.named(algorithm).shapes}
    assert table.num_columns in widths
    flat = [cell for value in table.to_pylist()[0].values() for cell in (value if isinstance(value, list) else [value])]
    assert [str(cell) if isinstance(cell, str) else cell for cell in flat] == [
        text if text.startswith("player") else float(text) for text in row
    ]


# --- job detail


# Either case of a published name, and names and values that are the user's own.
GIVEN = {
    "query_1": {"MyTag": "player", "名": "Ünïcödé \U0001f4a1", " blanks ": ""},
    "analytics_sssp_1": {"ROOT": "player100", "is_Directed": True, "eps": 1e-07, "ids": [2**63, None]},
    "analytics_bfs_1": {"ROOT": 1, "root": 2},  # whether these are one parameter is the server's matter
    "Analytics_BFS_1": {},
}


@pytest.mark.parametrize("number", [29987, "29987"])
def test_the_job_detail_names_the_tasks_for_auto(number):
    detail = ok({**DETAIL, "id": number, "tasks": TASKS})
    with served(lambda turn, _: ok({"items": [["player100", "12"]]}) if turn else detail) as (server, explorer):
        table = explorer.read_sample_result_arrow(29987, TASK, schema="auto")
    assert table.to_pylist() == [{"root": "player100", "visited": 12}]
    assert lines(server.requests[0])[0] == "GET /api-open/v1/jobs/29987 HTTP/1.1"


@pytest.mark.parametrize("number", [29987, "29987"])
def test_the_job_detail_as_documented(number):
    with served(ok({**DETAIL, "id": number, "tasks": TASKS})) as (_, explorer):
        job = explorer.job(29987)
    assert (job.job_id, job.status, job.workflow_id) == ("29987", "success", "3992429968")
    assert job.begin_time == datetime(2022, 7, 15, 1, 20, 36, tzinfo=UTC)
    (task,) = job.tasks
    assert (task.task_id, task.name, task.status) == (TASK, "BFS", "success")
    assert task.begin_time == datetime(2022, 7, 12, 2, 33, 35, tzinfo=UTC)
    assert task.duration.total_seconds() == 2


# --- the other calls


@pytest.mark.parametrize(("workflow", "path"), [(None, "jobs"), (4216617528, "workflows/4216617528/jobs")])
def test_lists_of_jobs_as_documented(workflow, path):
    job = {**DETAIL, "workflowId": "4216617528"}
    page = ok({"items": [job, {**job, "id": 29986}], "total": 2, "Page": 1, "PageSize": 10})
    with served(page) as (server, explorer):
        frame = explorer.list_jobs(workflow, status="success", created_after=datetime(2022, 7, 15, tzinfo=UTC))
    assert frame["job_id"].tolist() == ["29987", "29986"]
    assert frame["workflow_id"].tolist() == ["4216617528"] * 2
    assert frame["create_time"][0].to_pydatetime() == datetime(2022, 7, 15, 1, 20, 35, tzinfo=UTC)
    parts = urlsplit(lines(server.requests[0])[0].split()[1])
    assert parts.path == f"/api-open/v1/{path}"
    query = parse_qs(parts.query)
    assert query.keys() == {"filter", "pageSize", "page"}
    asked = json.loads(query["filter"][0])
    assert asked.keys() <= {"name", "status", "fromCreateTime", "toCreateTime", "orderByCreateTime"}
    assert (asked["status"], asked["fromCreateTime"]) == (2, 1657843200000)


@pytest.mark.parametrize("number", [29987, "29987"])
def test_adding_a_job_as_documented_with_both_kinds_of_id(number):
    def script(turn, _request):
        return ok({**DETAIL, "status": 0, "tasks": TASKS}) if turn else ok({"id": number})

    with served(script, token="eyJ") as (server, explorer):
        job = explorer.run_workflow(4216617528, GIVEN)
    assert job.job_id == "29987"
    assert job.status == "preparing"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert lines(head)[0] == "POST /api-open/v1/workflows/4216617528/jobs HTTP/1.1"
    assert "Content-Type: application/json" in lines(head)
    assert "Cookie: explorer_token=eyJ" in lines(head)
    assert json.loads(body) == {"input": GIVEN}


def test_the_command_line_sends_names_as_they_were_typed(cli, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", "t")
    typed = ["query_1.MyTag=player", "a.ROOT=1", "a.root:=2", "A.is_Directed:=true", "a.b.C=x", "query_1. blanks =名"]

    def script(turn, _request):
        return ok({**DETAIL, "status": 0, "tasks": TASKS}) if turn else ok({"id": 29987})

    with served(script) as (server, _):
        inputs = [word for text in typed for word in ("--input", text)]
        done = cli("run", 4216617528, *inputs, "--url", server.url)
    assert (done.code, done.out) == (0, "29987\n"), done.err
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2])["input"] == {
        "query_1": {"MyTag": "player", " blanks ": "名"},
        "a": {"ROOT": "1", "root": 2, "b.C": "x"},
        "A": {"is_Directed": True},
    }


def test_cancelling_a_job_as_documented():
    with served(ok({"success": True})) as (server, explorer):
        explorer.cancel_job(30600)
    assert lines(server.requests[0])[0] == "PUT /api-open/v1/jobs/30600/cancel HTTP/1.1"


# --- errors

CODES = [
    (40004000, "ErrBadRequest", errors.BadRequestError),
    (40004001, "ErrParam", errors.BadRequestError),
    (40104000, "ErrUnauthorized", errors.UnauthorizedError),
    (40104001, "ErrSession", errors.SessionExpiredError),
    (40304000, "ErrForbidden", errors.ForbiddenError),
    (40404000, "ErrNotFound", errors.NotFoundError),
    (50004000, "ErrInternalServer", errors.ServerError),
    (50004001, "ErrInternalDatabase", errors.ServerError),
    (50004002, "ErrInternalController", errors.ServerError),
    (50004003, "ErrInternalLicense", errors.LicenseError),
    (90004000, "ErrUnknown", errors.ServerError),
]


@each("data", [{}, {"data": None}, {"data": {}}, {"data": {"items": [["a", "1"]]}}])
@each(("code", "name", "cls"), CODES)
@each("mapped", [False, True])
def test_all_published_codes_with_and_without_data_under_either_status(code, name, cls, data, mapped):
    status = f"{code // 100_000 if mapped and code < 90_000_000 else 200} X"
    refusal = said({"code": code, "message": name, **data}, status)
    with served(refusal, retries=0) as (_, explorer), pytest.raises(errors.ApiError) as caught:
        explorer.read_sample_result(1, TASK, schema=None)
    assert type(caught.value) is cls
    assert (caught.value.code, caught.value.server_message, caught.value.trace_id) == (code, name, "00-9b3c-01")


def test_the_table_of_codes_here_is_the_whole_published_one():
    assert {code for code, _, _ in CODES} == set(_errors._BY_CODE)
    assert len(CODES) == 11
