"""Answers that contradict their request or the API's documents are refused; code 0 keeps the id of a started job."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from cases import each
from faults.rawserver import answer
from served import served

from explorer_frames._decode import strict_json
from explorer_frames._jobs.listing import PAGE_SIZE
from explorer_frames._jobs.status import moment
from explorer_frames._provenance import provenance_of
from explorer_frames.errors import EnvelopeError, ServerError, SyncError, UnauthorizedError, UnsafeToRetryError

LOGIN = {"user": "root", "password": "123", "graphd": "h:9669"}
CONNECTED = answer(b'{"code":0,"data":{"success":true}}', headers="Set-Cookie: explorer_token=new; Path=/\r\n")
CLOSE = "Connection: close\r\n"
ROWS = {"items": [["a", "0.5"]]}


def said(data: object, status: int = 200, code: object = 0) -> bytes:
    return answer(json.dumps({"code": code, "data": data, "message": "m"}).encode(), f"{status} X", CLOSE)


def item(number: object, **members: object) -> dict[str, object]:
    return {"id": number, "workflowId": "7", "status": 2, "createTime": 1_000, **members}


def page(items: object, total: object) -> dict[str, object]:
    return {"items": items, "total": total, "Page": 1, "PageSize": 1000}


def detail(number: object = 5, **members: object) -> dict[str, object]:
    tasks = [{"id": "t", "name": "PageRank", "status": 2}]
    return {"id": number, "workflowId": "7", "status": 2, "tasks": tasks, **members}


def path_of(request: bytes) -> str:
    return request.split()[1].decode()


def posts(server) -> int:
    """How often a workflow was run."""
    return sum(request.startswith(b"POST ") and b"/jobs " in request for request in server.requests)


# --- status and code

SUCCESSES = [200, 201, 202, 203, 207, 226, 299, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504, 599]


def any_call(status: int):
    """A server that answers every call with code 0 under `status`."""

    def script(_number, request):
        path = path_of(request)
        if path.endswith("/connect"):
            return CONNECTED.replace(b"200 OK", b"%d X" % status)
        if "sample_result" in path:
            return said(ROWS, status)
        if request.startswith(b"POST"):
            return said({"id": 5}, status)
        if request.startswith(b"PUT"):
            return said({"success": True}, status)
        return said(page([item(5)], 1) if "/jobs?" in path else detail(), status)

    return script


@pytest.mark.parametrize(
    "status", [pytest.param(one, marks=[pytest.mark.slow] * (one not in {200, 203, 401, 500})) for one in SUCCESSES]
)
def test_code_0_is_success_for_every_status(status, tmp_path):
    with served(any_call(status), **LOGIN, retries=0) as (server, explorer):
        assert explorer.run_workflow(7).status == "success"
        assert explorer.list_jobs(7)["job_id"].tolist() == ["5"]
        assert explorer.job(5).cancel().job_id == "5"
        assert explorer.read_sample_result(5, "t").values.tolist() == [["a", 0.5]]
        with explorer.open_sample_result(5, "t", schema="auto") as reader:
            assert reader.read_all().num_rows == 1
        assert explorer.export_sample_result(5, "t", tmp_path / "a.parquet").rows == 1
        assert len(explorer.history(7)) == 1
        assert len(explorer.sync_workflow(7, tmp_path / "lake", progress=False).written) == 1
    assert sum(b"/connect " in request for request in server.requests) == 1, "no renewal"
    assert posts(server) == 1


@pytest.mark.parametrize("status", [204, 205, 206])
def test_an_answer_that_is_not_whole_is_refused(status):
    with served(any_call(status), retries=0) as (_, explorer):
        for call in (
            lambda: explorer.list_jobs(7),
            lambda: explorer.job(5),
            lambda: explorer.read_sample_result(5, "t"),
            lambda: explorer.read_sample_result(5, "t", schema="auto"),
            lambda: explorer.cancel_job(5),
        ):
            with pytest.raises(EnvelopeError):
                call()


@pytest.mark.parametrize("status", [200, 201, 204, 401, 500])
def test_an_empty_body_is_not_an_envelope(status):
    with served(answer(b"", f"{status} X", CLOSE), retries=0) as (server, explorer):
        expected = {401: UnauthorizedError, 500: ServerError}.get(status, EnvelopeError)
        with pytest.raises(expected):
            explorer.list_jobs(7)
        with pytest.raises(UnauthorizedError if status == 401 else UnsafeToRetryError):
            explorer.run_workflow(7)
    assert posts(server) == 1


@pytest.mark.parametrize("look", [200, None, *(pytest.param(look, marks=pytest.mark.slow) for look in (401, 500))])
@each("status, number", [(status, number) for status in (*SUCCESSES, 205, 206) for number in (107, "107")])
def test_a_started_job_keeps_its_id_and_is_posted_once(status, number, look):
    def script(turn, request):
        if b"/connect " in request:
            return CONNECTED.replace(b"=new", b"=new%d" % turn)
        if request.startswith(b"POST"):
            return said({"id": number}, status)
        return said(detail(107), look) if look else b""

    with served(script, **LOGIN, retries=0) as (server, explorer):
        assert explorer.run_workflow(7).job_id == "107"
    assert posts(server) == 1


CONTRADICTIONS = {
    "no data": b'{"code":0,"message":"no"}',
    "data null": b'{"code":0,"data":null}',
    "data without an id": b'{"code":0,"data":{}}',
    "data in an array": b'{"code":0,"data":[{"id":107}]}',
    "code as text": b'{"code":"0","data":{"id":107}}',
    "code 0.0": b'{"code":0.0,"data":{"id":107}}',
    "code null": b'{"code":null,"data":{"id":107}}',
    "no code": b'{"data":{"id":107}}',
    "code twice": b'{"code":0,"code":0,"data":{"id":107}}',
    "cut off": b'{"code":0,"data":{"id":10',
}


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 500])
@each("body", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_an_envelope_without_an_error_code_is_never_posted_again(status, body):
    contradiction = answer(body, f"{status} X", CLOSE)
    with (
        served(with_new_tokens(contradiction, contradiction), **LOGIN, retries=2) as (server, explorer),
        pytest.raises(UnsafeToRetryError, match=r"list_jobs\('7'\)"),
    ):
        explorer.run_workflow(7)
    assert posts(server) == 1


def test_an_error_after_a_post_contains_the_id_of_the_response():
    for code in ("0", 0.0, None, 50004000):
        with (
            served(said({"id": 107}, 401, code), retries=0) as (server, explorer),
            pytest.raises(UnsafeToRetryError, match="contains the id 107"),
        ):
            explorer.run_workflow(7)
        assert posts(server) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirected_post_is_not_repeated(status):
    moved = said({"id": 107}, status).replace(CLOSE.encode(), f"{CLOSE}Location: /login\r\n".encode())
    with (
        served(moved, retries=2) as (server, explorer),
        pytest.raises(UnsafeToRetryError, match=r"list_jobs\('7'\)"),
    ):
        explorer.run_workflow(7)
    assert len(server.requests) == 1


def with_new_tokens(first: bytes, then: bytes):
    """A server that gives each login a token of its own, and answers the first run of a workflow and the others."""
    runs = []

    def script(number, request):
        if b"/connect " in request:
            return CONNECTED.replace(b"=new", b"=new%d" % number)
        if not request.startswith(b"POST"):
            return said(detail(107))
        runs.append(number)
        return first if len(runs) == 1 else then

    return script


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("body", [b'{"code":40104001}', b'{"code":40104000,"data":{"id":107}}'])
def test_a_post_refused_by_its_code_is_repeated_after_a_login(status, body):
    refused = answer(body, f"{status} X", CLOSE)
    with served(with_new_tokens(refused, said({"id": 107})), **LOGIN, retries=0) as (server, explorer):
        assert explorer.run_workflow(7).job_id == "107"
    assert posts(server) == 2


@pytest.mark.parametrize("body", [b"<html>401</html>", b"", b'{"error":"login required"}'])
def test_a_post_refused_by_a_gateway_without_an_envelope_is_repeated_after_a_login(body):
    refused = answer(body, "401 X", CLOSE)
    with served(with_new_tokens(refused, said({"id": 107}, 401)), **LOGIN, retries=0) as (server, explorer):
        assert explorer.run_workflow(7).job_id == "107"
    assert posts(server) == 2


# --- lists

NOT_A_LIST = {
    "nothing": {},
    "a result": ROWS,
    "an empty result": {"items": []},
    "a job": detail(),
    "a new job": {"id": 107},
    "a login": {"success": True},
    **{f"items {json.dumps(items)}": page(items, 0) for items in ({}, 0, False, None, "", "x", 1.5, {"a": 1})},
    **{
        f"items {json.dumps(items)}": page(items, len(items))
        for items in ([None], [[]], [5], ["5"], [{}], [item(None)], [item("")], [item(True)], [item(1.5)], [item([5])])
    },
    "no items": {"total": 0},
    **{f"total {json.dumps(total)}": page([item(5)], total) for total in (0, -1, None, "1", 1.0, True, [1], {})},
    "total missing": {"items": [item(5)]},
    "total below": page([item(5), item(6), item(7)], 2),
    "a job twice": page([item(5), item(5)], 2),
    "a job twice, as text and as a number": page([item(5), item("5")], 2),
    "another workflow": page([item(5, workflowId="8")], 1),
    "another workflow later": page([item(5), item(6, workflowId=8)], 2),
    "no workflow": page([{"id": 5, "status": 2}], 1),
    **{
        f"workflow {json.dumps(workflow)}": page([item(5, workflowId=workflow)], 1)
        for workflow in (None, "", True, 7.5, [7], "70", "-7")
    },
    "no status": page([{"id": 5, "workflowId": "7"}], 1),
    **{
        f"status {json.dumps(status)}": page([item(5, status=status)], 1)
        for status in (0, 1, 3, None, "2", "success", True, 2.5, [2])
    },
}  # fmt: skip


@each("data", NOT_A_LIST.values(), ids=NOT_A_LIST)
def test_wrong_job_list_is_rejected_and_nothing_is_written(data, tmp_path):
    def script(_number, request):
        path = path_of(request)
        return said(data if "/jobs?" in path else ROWS if "sample_result" in path else detail())

    with served(script, retries=0) as (server, explorer):
        for limit in (100, 1, None):
            with pytest.raises(EnvelopeError, match="list of jobs"):
                explorer.list_jobs(7, status="success", limit=limit)
        with pytest.raises(EnvelopeError):
            explorer.sync_workflow(7, tmp_path / "lake", progress=False)
        with pytest.raises(EnvelopeError):
            explorer.history(7)
    assert not (tmp_path / "lake").exists()
    assert all("/jobs?" in path_of(request) for request in server.requests)


@each("workflow, told, number", product([7, "7"], [7, "7"], [5, "5", 0, 2**53 + 1]))
def test_ids_in_a_list_may_be_text_or_numbers(workflow, told, number):
    with served(said(page([item(number, workflowId=told)], 1))) as (_, explorer):
        frame = explorer.list_jobs(workflow, status=2)
    assert frame["job_id"].tolist() == [str(number)]
    assert frame["workflow_id"].tolist() == ["7"]


def test_fields_without_a_filter_are_not_checked():
    items = [{"id": 5, "status": 9}, {"id": 6, "workflowId": "8"}, {"id": 7, "workflowId": "9", "status": 3}]
    with served(said(page(items, 3))) as (_, explorer):
        assert explorer.list_jobs()["job_id"].tolist() == ["5", "6", "7"]


def test_an_empty_list_is_an_empty_frame():
    with served(said(page([], 0))) as (server, explorer):
        assert explorer.list_jobs(7, status="success", limit=None).empty
    assert len(server.requests) == 1


# --- pages


def numbered(pages):
    """Serve pages by their number: ids and total of each."""

    def script(_number, request):
        number = int(re.search(r"[?&]page=(\d+)", path_of(request))[1])
        ids, total = pages[min(number, len(pages)) - 1]
        return said({"items": list(map(item, ids)), "total": total, "Page": number, "PageSize": 3})

    return script


INCONSISTENT = {
    "the same page for ever": [([1, 2, 3], 9)],
    "the same page for ever, of a list that grows": [([1, 2, 3], 9), ([1, 2, 3], 12)],
    "two pages in turn": [([1, 2, 3], 12), ([4, 5, 6], 12), ([1, 2, 3], 12)],
    "one job twice": [([1, 2, 3], 6), ([3, 4, 5], 6)],
    "one job more often than jobs were added": [([1, 2, 3], 7), ([2, 3, 4], 8), ([5, 6], 8)],
    "a page that is empty too early": [([1, 2, 3], 6), ([], 6)],
    "a total that shrinks": [([1, 2, 3], 6), ([4, 5], 5)],
    "more jobs than the total": [([1, 2, 3], 5), ([4, 5, 6], 5)],
    "a job twice on the second page": [([1, 2, 3], 6), ([4, 4, 5], 6)],
}


@each("pages, order, limit", product(INCONSISTENT.values(), ["asc", "desc"], [None, 9]))
def test_pages_that_contradict_each_other_are_refused(pages, order, limit):
    with served(numbered(pages), retries=0) as (server, explorer), pytest.raises(EnvelopeError):
        explorer.list_jobs(limit=limit, order=order)
    assert len(server.requests) <= len(pages) + 1


@each("pages", INCONSISTENT.values(), ids=INCONSISTENT)
def test_sync_writes_nothing_if_job_pages_conflict(pages, tmp_path):
    with served(numbered(pages), retries=0) as (_, explorer):
        with pytest.raises(EnvelopeError):
            explorer.sync_workflow(7, tmp_path / "lake", progress=False)
        with pytest.raises(EnvelopeError):
            explorer.history(7, None)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("added", range(3))
def test_jobs_that_are_added_meanwhile_push_others_to_the_next_page(added):
    """Newest first: each page is read when `added` jobs more are there."""

    def script(number, _request):
        jobs = list(range(9 + added * number, 0, -1))
        at = 3 * number
        return said({"items": list(map(item, jobs[at : at + 3])), "total": len(jobs), "PageSize": 3})

    with served(script) as (_, explorer):
        ids = explorer.list_jobs(limit=None)["job_id"].tolist()
    assert ids == [str(number) for number in range(9, 0, -1)]


def test_a_server_that_repeats_its_size_but_returns_more_is_read_with_that_size():
    jobs = list(range(2 * PAGE_SIZE + 5))

    def script(_number, request):
        query = dict(part.split("=") for part in path_of(request).split("?")[1].split("&"))
        size, number = int(query["pageSize"]), int(query["page"])
        items = jobs[size * (number - 1) : size * number]
        return said({"items": list(map(item, items)), "total": len(jobs), "Page": number, "PageSize": 10})

    with served(script) as (server, explorer):
        assert explorer.list_jobs(limit=None)["job_id"].tolist() == list(map(str, jobs))
    assert len(server.requests) == 3


# --- job detail

TASK = {"id": "t", "name": "PageRank", "status": 2}
NOT_THE_JOB = {
    "nothing": {},
    "a list": page([item(5)], 1),
    "a result": ROWS,
    "a new job": {"id": 5},
    **{
        f"id {json.dumps(number)}": detail(number)
        for number in (6, "6", 50, "5x", " 5", "", None, True, 5.0, [5], {}, -5)
    },
    "no id": {"status": 2, "tasks": [TASK]},
    "no tasks": {"id": 5, "status": 2},
    **{
        f"tasks {json.dumps(tasks)}": detail(tasks=tasks)
        for tasks in (None, {}, 0, False, "", "x", {"t": TASK}, [None], [5], ["t"], [[TASK]])
    },
    "a task without an id": detail(tasks=[{"name": "PageRank", "status": 2}]),
    **{
        f"task id {json.dumps(number)}": detail(tasks=[TASK, {**TASK, "id": number}])
        for number in (None, "", True, False, 1.5, [], {}, "t")
    },
    "two tasks with one id, as text and as a number": detail(tasks=[{**TASK, "id": 1}, {**TASK, "id": "1"}]),
}  # fmt: skip


@each("data", NOT_THE_JOB.values(), ids=NOT_THE_JOB)
def test_wrong_job_detail_is_rejected_and_nothing_is_written(data, tmp_path):
    def script(_number, request):
        path = path_of(request)
        return said(page([item(5)], 1) if "/jobs?" in path else ROWS if "sample_result" in path else data)

    with served(script, retries=0) as (server, explorer):
        with pytest.raises(EnvelopeError, match="job 5"):
            explorer.job(5)
        with pytest.raises(EnvelopeError, match="job 5"):
            explorer.read_sample_result(5, "t", schema="auto")
        with pytest.raises(EnvelopeError):
            explorer.export_sample_result(5, "t", tmp_path / "a.parquet")
        with pytest.raises(EnvelopeError):
            explorer.history(7)
        with pytest.raises(SyncError) as caught:
            explorer.sync_workflow(7, tmp_path / f"lake{server.port}", progress=False)
    assert [type(failure.error) for failure in caught.value.report.failed] == [EnvelopeError]
    assert list(tmp_path.rglob("*.parquet")) == []
    assert not any(b"sample_result" in request for request in server.requests)


@pytest.mark.parametrize("workflow", ["8", 8, ""])
def test_a_listed_job_whose_detail_has_another_workflow_is_refused(workflow, tmp_path):
    def script(_number, request):
        return said(page([item(5)], 1) if "/jobs?" in path_of(request) else detail(workflowId=workflow))

    with served(script, retries=0) as (_, explorer):
        with pytest.raises(EnvelopeError, match="job of workflow 7"):
            explorer.history(7)
        with pytest.raises(SyncError):
            explorer.sync_workflow(7, tmp_path / "lake", progress=False)
    assert list(tmp_path.rglob("*.parquet")) == []


@each("asked, told, task", product([5, "5", "05"], [5, "5"], ["t", 8, "8c171f70fb6f"]))
def test_ids_in_a_detail_may_be_text_or_numbers(asked, told, task):
    with served(said(detail(told, tasks=[{**TASK, "id": task}]))) as (_, explorer):
        job = explorer.job(asked)
    assert [one.task_id for one in job.tasks] == [str(task)]


def test_a_job_that_is_prepared_may_have_no_task_yet():
    with served(said(detail(status=0, tasks=[]))) as (_, explorer):
        assert explorer.job(5).tasks == ()


# --- Go's zero time

ZERO = [
    -62_135_596_800_000,
    -62_135_596_800_000.0,
    -62_135_625_600_000,
    -62_135_567_999_999,
    -62_135_596_800,
    -62_135_596_800_000_000,
    -6_795_364_578_871_345_152,
    "-62135596800000",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00.000Z",
    "0001-01-01T00:00:00.000000000Z",
    "0001-01-01T00:00:00+00:00",
    "0001-01-01T00:00:00+08:00",
    "0001-01-01T08:00:00+08:00",
    "0001-01-01T08:05:43+08:05",
    "0001-01-01T08:05:43+08:05:43",
    "0000-12-31T19:03:58-04:56",
    "0000-12-31T16:00:00-08:00",
    "0001-01-01 00:00:00 +0000 UTC",
    "0001-01-01 08:05:43 +0805 LMT",
    "0001-01-01 00:00:00",
    "0001-01-01T00:00:00",
    "0001-01-01",
    "0001/01/01 00:00:00",
    "00010101T000000Z",
    "0000-00-00 00:00:00",
    "0000-00-00T00:00:00Z",
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "Mon Jan  1 00:00:00 0001",
    "Mon Jan  1 00:00:00 UTC 0001",
    "01 Jan 0001 00:00:00",
    " 0001-01-01T00:00:00Z ",
    "",
    " ",
    "0",
    0,
    0.0,
    None,
]


@each("zero", ZERO)
def test_zero_times_are_read_as_missing(zero):
    times = {"createTime": zero, "runBeginTime": zero, "runEndTime": zero}
    tasks = [{**TASK, **times}]

    def script(_number, request):
        path = path_of(request)
        if "sample_result" in path:
            return said(ROWS)
        return said(page([item(5, **times), item(6)], 2) if "/jobs?" in path else detail(tasks=tasks, **times))

    assert moment(zero) is None
    with served(script) as (_, explorer):
        listed = explorer.list_jobs(7)
        assert listed["create_time"].tolist()[1] == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
        for name in ("create_time", "begin_time", "end_time"):
            assert listed[name].isna()[0]
            assert str(listed[name].dtype) == "datetime64[ms, UTC]"
        job = explorer.job(5)
        assert (job.create_time, job.begin_time, job.end_time, job.duration) == (None,) * 4
        assert (job.tasks[0].begin_time, job.tasks[0].end_time, job.tasks[0].duration) == (None,) * 3
        read = explorer.read_sample_result(5, "t", schema="auto")
        assert read.attrs["explorer_frames"]["begin_time"] is None
        assert read.attrs["explorer_frames"]["end_time"] is None


@each("zero", [one for one in ZERO if isinstance(one, str)])
def test_the_zero_time_is_missing_in_a_stored_provenance(zero):
    found = provenance_of({"begin_time": zero, "end_time": zero, "read_at": "2026-11-29T00:00:00Z"})
    assert (found.begin_time, found.end_time) == (None, None)
    assert found.read_at == datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0002-01-02T00:00:00+00:00", datetime(2, 1, 2, tzinfo=UTC)),
        ("2001-01-01T00:00:00Z", datetime(2001, 1, 1, tzinfo=UTC)),
        ("1000-01-01T00:00:00Z", datetime(1000, 1, 1, tzinfo=UTC)),
        ("2022-07-12T10:33:35.0001+08:00", datetime(2022, 7, 12, 2, 33, 35, 100, tzinfo=UTC)),
        (1, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1)),
        (-1, datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=1)),
    ],
)
def test_other_times_are_not_missing(value, expected):
    assert moment(value) == expected


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59-01:00", "0002-13-01", "001-01-01", True, False, [], {}, "x 01"])
def test_a_time_beyond_the_calendar_is_an_error_of_ours(value):
    with pytest.raises(EnvelopeError, match="invalid time"):
        moment(value)
    with served(said(page([item(5, runEndTime=value)], 1))) as (_, explorer), pytest.raises(EnvelopeError):
        explorer.list_jobs(7)


# --- answers with more values than a deadline leaves time to parse


@pytest.mark.parametrize("values", [b"[],", b'{"a":[]},'])
@pytest.mark.parametrize(
    "around",
    [
        (b'{"code":0,"extra":[', b'1],"data":{"items":[["a","0.5"]]}}'),
        (b'{"code":0,"data":{"items":[["a","0.5"]],"extra":[', b"1]}}"),
        (b'{"code":0,"data":{"items":[["a","0.5"]]},"extra":[', b"1]}"),
    ],
    ids=["before", "in data", "behind"],
)
def test_a_result_with_too_many_values_besides_the_rows_is_refused(values, around, monkeypatch):
    monkeypatch.setattr(strict_json, "_MOST_VALUES", 10_000)
    body = values.join([around[0], *[b""] * 10_001, around[1]])
    with served(answer(body)) as (_, explorer), pytest.raises(EnvelopeError, match=r"values|not rows"):
        explorer.read_sample_result(1, "a", schema=None)


def test_a_job_with_too_many_values_is_refused():
    body = b'{"code":0,"data":{"id":1,"status":2,"tasks":[' + b"{}," * 1_000_000 + b"{}]}}"
    with served(answer(body)) as (_, explorer), pytest.raises(EnvelopeError, match="values"):
        explorer.job(1)
