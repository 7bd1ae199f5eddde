"""Jobs: find, run, wait, read all, cancel; against the sandbox, and against servers that misbehave."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote_plus

import numpy as np
import pandas as pd
import pytest
from faults.judge import leaks, logs
from faults.rawserver import End, RawServer, answer, envelope, wait_until
from limits import HANG, PROCESS, Clock
from platforms import needs_fork

import explorer_frames
from explorer_frames import Explorer, Job, errors
from explorer_frames._arguments import checked_input
from explorer_frames._jobs.job import job_of
from explorer_frames._jobs.listing import PAGE_SIZE
from explorer_frames._jobs.status import moment, status_word
from explorer_frames._jobs.task import outcome
from explorer_frames._jobs.wait import job_error
from explorer_frames.errors import (
    BadRequestError,
    ConfigError,
    ConnectionFailedError,
    DecodeError,
    EnvelopeError,
    JobError,
    NotFoundError,
    TransportError,
    UnsafeToRetryError,
)
from explorer_frames.sandbox import Graph, Sandbox

PAIR = Graph.from_edges([("a", "b"), ("b", "c")])


def client(server: Sandbox, **options: object) -> Explorer:
    return Explorer(server.url, user=server.user, password=server.password, graphd=server.graphd, **options)


def connects(server: Sandbox) -> int:
    return sum(path.endswith("/connect") and status == 200 for _, path, status in server.requests)


def posts(server: RawServer) -> int:
    return sum(request.startswith(b"POST ") for request in server.requests)


def wrapped(data: object, code: int = 0) -> bytes:
    return answer(json.dumps({"code": code, "data": data, "message": "ok"}).encode())


# --- records


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (0, "preparing"),
        (1, "running"),
        (2, "success"),
        (3, "failed"),
        (4, "interrupted"),
        (5, "stopping"),
        (77, "unknown(77)"),
        (-1, "unknown(-1)"),
        (None, "unknown(None)"),
        (True, "unknown(True)"),
        ("x" * 99, "unknown(" + "x" * 17 + "...)"),
    ],
)
def test_status_is_a_word(code, word):
    assert status_word(code) == word


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1657590815000, datetime(2022, 7, 12, 1, 53, 35, tzinfo=UTC)),
        (1657590815001, datetime(2022, 7, 12, 1, 53, 35, 1000, tzinfo=UTC)),
        (-1000, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),  # before what Windows converts, and after it
        (32535216000000, datetime(3001, 1, 1, tzinfo=UTC)),
        ("2022-07-12T10:33:35+08:00", datetime(2022, 7, 12, 2, 33, 35, tzinfo=UTC)),
        ("2022-07-12T02:33:35Z", datetime(2022, 7, 12, 2, 33, 35, tzinfo=UTC)),
        ("2022-07-12T10:33:35.123456789+08:00", datetime(2022, 7, 12, 2, 33, 35, 123456, tzinfo=UTC)),
        (None, None),
        (0, None),
        ("", None),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_times_are_aware_and_in_utc(value, expected):
    assert moment(value) == expected
    assert expected is None or moment(value).tzinfo is UTC


@pytest.mark.parametrize(
    "value", ["2022-07-12T10:33:35", "yesterday", 10**30, -(10**15), float("inf"), float("nan"), [], {}]
)
def test_ambiguous_time_is_rejected(value):
    with pytest.raises(EnvelopeError, match="invalid time"):
        moment(value)


def test_records_are_frozen_and_readable(sandbox):
    with client(sandbox) as explorer:
        job = explorer.run_workflow(sandbox.workflows["karate"]).wait(progress=False)
        with pytest.raises(FrozenInstanceError):
            job.status = "failed"
        assert repr(job).startswith(f"<Job {job.job_id} ")
        assert f"{len(job.tasks)} success" in repr(job)
        assert job == job.refresh()
        assert hash(job)
        assert timedelta(0) <= job.duration < timedelta(minutes=1)
        assert all(task.begin_time.tzinfo is UTC and task.duration is not None for task in job.tasks)
        assert job.workflow_id == str(sandbox.workflows["karate"])
        task = job["PageRank"]
        assert repr(task) == f"<Task PageRank {task.task_id}: {outcome(task)}>"
        assert repr(task) in repr(job.tasks).splitlines()[job.tasks.index(task)]
        assert f"<td style='text-align:left'>{task.task_id}</td>" in job.tasks._repr_html_()


def test_a_duration_below_a_second_is_not_shown_as_zero(twins):
    begin = datetime(2026, 11, 30, tzinfo=UTC)
    shown = [outcome(replace(twins[1], begin_time=begin, end_time=begin + timedelta(seconds=n))) for n in (0, 1, 1.5)]
    assert shown == ["success in under 1 s", "success in 1 s", "success in 1.5 s"]


def test_the_card_of_a_job_escapes_everything():
    evil = "<script>alert('x')</script>"
    data = {"id": 1, "name": evil, "status": evil, "tasks": [{"id": evil, "name": evil, "status": 2}]}
    with RawServer(lambda number, request: wrapped(data)) as server:
        card = Explorer(server.url, token="t")._api and Explorer(server.url, token="t").job(1)._repr_html_()
    assert "<script>" not in card
    assert card.count("&lt;script&gt;") >= 3


@pytest.mark.parametrize("tasks", [{}, "x", [1], [None], 7])
def test_a_job_of_another_shape_is_refused(tasks):
    with (
        RawServer(lambda number, request: wrapped({"id": 1, "status": 2, "tasks": tasks})) as server,
        pytest.raises(DecodeError, match="tasks must be a list of objects"),
    ):
        Explorer(server.url, token="t").job(1)


# --- finding


def test_an_empty_list_has_the_columns_and_dtypes_of_a_full_one():
    with Sandbox() as server, client(server) as explorer:
        empty = explorer.list_jobs()
        server.add_jobs(3)
        full = explorer.list_jobs()
        assert list(empty.columns) == list(full.columns)
        assert (empty.dtypes == full.dtypes).all()
        assert len(full) == 3
        for column in ("create_time", "begin_time", "end_time"):
            assert str(full[column].dtype) == "datetime64[ms, UTC]"


def test_lists_are_filtered_ordered_and_limited():
    with Sandbox() as server, client(server) as explorer:
        server.add_jobs(25)
        failed = server.add_jobs(2, status=3)
        everything = explorer.list_jobs(limit=None)
        assert len(everything) == 27
        assert everything["create_time"].is_monotonic_decreasing
        assert explorer.list_jobs(order="asc", limit=None)["job_id"].tolist() == everything["job_id"].tolist()[::-1]
        assert len(explorer.list_jobs(limit=7)) == 7
        assert sorted(explorer.list_jobs(status="failed")["job_id"]) == sorted(map(str, failed))
        assert sorted(explorer.list_jobs(status=3)["job_id"]) == sorted(map(str, failed))
        middle = everything["create_time"].iloc[13].to_pydatetime()
        newer = explorer.list_jobs(created_after=middle + timedelta(milliseconds=1), limit=None)
        older = explorer.list_jobs(created_before=middle, limit=None)
        assert len(newer) + len(older) == 27
        elsewhere = middle.astimezone(timezone(timedelta(hours=8)))
        assert explorer.list_jobs(created_before=elsewhere, limit=None).equals(older)
        workflow = everything["workflow_id"].iloc[0]
        assert len(explorer.list_jobs(workflow, limit=None)) == 27
        assert explorer.list_jobs(server.workflows["karate"]).empty


@pytest.mark.parametrize(
    "options",
    [
        {"status": "done"},
        {"order": "newest"},
        *(
            {"created_after": text}
            for text in ("yesterday evening", "now", "today", "Nov 30", "12/11/2026", "10:00", "")
        ),
        {"status": True},
        {"created_after": 1_764_000_000},
        {"created_before": float("nan")},
        {"created_before": "NaT"},
        {"limit": 0},
        {"limit": True},
        {"name": b"x"},
        {"status": 1.5},
        {"workflow_id": "../x"},
    ],
)
def test_invalid_job_list_query_is_rejected_before_the_request(options):
    with RawServer(lambda number, request: b"") as server:
        with pytest.raises(ConfigError):
            Explorer(server.url, token="t").list_jobs(**options)
        assert server.connections == 0


def page(items: list[int], total: int | None, size: int | None = None) -> bytes:
    data = {"items": [{"id": number, "status": 2, "createTime": 1000 * number} for number in items]}
    if total is not None:
        data["total"] = total
    if size is not None:
        data["PageSize"] = size
    return wrapped(data)


def test_jobs_created_during_paging_cause_no_duplicates_or_gaps():
    def serve(number: int, request: bytes) -> bytes:
        jobs = list(range(3000 + 10 * number, 0, -1))  # ten more on top, with every page
        at = PAGE_SIZE * number
        return page(jobs[at : at + PAGE_SIZE], len(jobs), PAGE_SIZE)

    with RawServer(serve) as server:
        ids = Explorer(server.url, token="t").list_jobs(limit=None)["job_id"].tolist()
    assert len(set(ids)) == len(ids)
    assert set(map(str, range(1, 3001))) <= set(ids)


def test_a_server_that_caps_its_pages_loses_no_job():
    def serve(number: int, request: bytes) -> bytes:
        at = 100 * number
        return page(list(range(1, 451))[at : at + 100], 450, 100)

    with RawServer(serve) as server:
        assert len(Explorer(server.url, token="t").list_jobs(limit=None)) == 450


def test_pages_that_end_before_their_total_are_an_error():
    with (
        RawServer(lambda number, request: page([1, 2] if number == 0 else [], 5)) as server,
        pytest.raises(EnvelopeError, match="ended after 2 of 5 jobs"),
    ):
        Explorer(server.url, token="t").list_jobs(limit=None)


# --- running


def test_a_workflow_runs_and_is_waited_for():
    with Sandbox(task_seconds=0.05) as server, client(server) as explorer:
        workflow = server.add_workflow("w", PAIR, {"analytics_pagerank_1": ("PageRank", {})})
        seen = []
        job = explorer.run_workflow(workflow).wait(timeout=HANG, progress=lambda job: seen.append(job.status))
        assert job.status == "success"
        assert seen[-1] == "success"
        assert set(seen) <= {"preparing", "running", "success"}


@pytest.mark.parametrize("id_type", ["string", "number"])
def test_a_new_jobs_id_may_be_text_or_a_number(id_type):
    with Sandbox(id_type=id_type) as server, client(server) as explorer:
        workflow = server.add_workflow("w", PAIR, {"t": ("PageRank", {})})
        job = explorer.run_workflow(workflow, {"t": {"iterations": 5}})
        assert isinstance(job.job_id, str)
        assert job.wait(progress=False).status == "success"


@pytest.mark.parametrize("progress", [None, True])
def test_a_wait_needs_no_standard_error(monkeypatch, progress):
    """Python's `sys.stderr` is None where there is no console, as in pythonw and in some services."""
    with Sandbox() as server, client(server) as explorer:
        job = explorer.job(server.add_jobs(1)[0])
        monkeypatch.setattr("sys.stderr", None)
        assert job.wait(progress=progress).status == "success"


def test_bad_input_fails_the_job_and_names_the_task():
    with Sandbox() as server, client(server) as explorer:
        tasks = {"good": ("PageRank", {}), "bad": ("SSSP", {"root": "nobody"})}
        workflow = server.add_workflow("w", PAIR, tasks)
        job = explorer.run_workflow(workflow)
        with pytest.raises(JobError, match=rf"job {job.job_id} failed .*SSSP.* \[trace ") as caught:
            job.wait(progress=False)
        error = caught.value
        assert "log" in error.hint
        assert error.job.status == "failed"
        assert pickle.loads(pickle.dumps(error.where)) == error.where
        with pytest.raises(JobError, match="1 of 2 results could not be read: SSSP") as caught:
            error.job.read()
        [good] = caught.value.results.values()
        assert len(good) == 3
        assert set(caught.value.errors) == {"SSSP"}


def test_failed_tasks_are_named_and_states_of_others_are_counted():
    names = [*(f"T{number}" for number in range(79)), "PageRank"]
    tasks = [{"id": f"t{number}", "name": name, "status": 2 + (number >= 50)} for number, name in enumerate(names)]
    job = job_of({"id": 1, "status": 3, "tasks": tasks}, "1", None, None)
    assert "job 1 failed (failed tasks: T50, T51, T52 and 27 more)" in str(job_error(job, "failed"))
    mixed = [task | {"status": 0 if number else 1} for number, task in enumerate(tasks)]
    for listed, said in ((mixed, "tasks: 1 running, 79 preparing"), ([], "no tasks")):
        running = job_of({"id": 1, "status": 1, "tasks": listed}, "1", None, None)
        assert str(job_error(running, "did not end")).startswith(f"job 1 did not end ({said})\nJob 1 continues")
    with pytest.raises(ConfigError, match=r"'pagernak'\n.*'PageRank'\?.* 80 tasks\..*job\.tasks"):
        job.task("pagernak")
    with pytest.raises(ConfigError, match=r"'T7x'\n.*'T7' or 'T7\d' or 'T7\d'\?.* 80 tasks\..*job\.tasks"):
        job.task("T7x")
    with pytest.raises(ConfigError, match=r" 80 tasks: 'T0', 'T1', 'T2' and 77 more\..*job\.tasks"):
        job.task("Betweenness")


@pytest.mark.parametrize(
    "given",
    [
        [1],
        {"t": 5},
        {"t": {"x": object()}},
        {"t": {"x": float("nan")}},
        "x",
        {1: {}},
        {"t": {None: 1}},
        {"t": {1: 1, "1": 2}},
    ],
)
def test_input_that_is_not_json_is_rejected_before_any_request(given):
    with pytest.raises(ConfigError, match="invalid workflow input"):
        checked_input(given)


def test_a_job_that_outlasts_the_wait():
    with Sandbox() as server, client(server) as explorer:
        [number] = server.add_jobs(1, status=1)
        job, before = explorer.job(number), len(server.requests)
        begun = time.monotonic()
        with pytest.raises(JobError, match=r"job \d+ .* 0\.5 s; status: running") as caught:
            job.wait(timeout=0.5, progress=False)
        assert f"Wait for it with explorer.job('{number}').wait(), or cancel it with" in caught.value.hint
        assert time.monotonic() - begun < HANG / 2
        assert 1 <= len(server.requests) - before <= 8  # after 0, 0.1, 0.25, 0.475 and 0.5 s, or less often


def test_unknown_job_status_raises_an_error(monkeypatch):
    from explorer_frames._jobs import wait as _wait

    with Sandbox() as server, client(server) as explorer:
        [number] = server.add_jobs(1, status=1)
        server.set_status(number, 77)
        assert explorer.job(number).status == "unknown(77)"
        with pytest.raises(JobError, match=r"status: unknown\(77\)"):
            explorer.job(number).wait(timeout=0.3, progress=False)
        monkeypatch.setattr(_wait, "_PATIENCE", 0.3)
        with pytest.raises(JobError, match=r"status unknown\(77\) for 0\.3 s"):
            explorer.job(number).wait(progress=False, poll=0.1)


def test_failed_status_request_does_not_end_wait():
    states = {0: 1, 4: 1}

    def serve(number: int, request: bytes) -> bytes:
        if 1 <= number <= 3:
            return b""  # hangs up
        return wrapped({"id": 1, "status": states.get(number, 2), "tasks": []})

    with RawServer(serve) as server:
        explorer = Explorer(server.url, token="t", retries=0)
        assert explorer.job(1).wait(progress=False, poll=0.01).status == "success"
    with RawServer(
        lambda number, request: wrapped({"id": 1, "status": 1, "tasks": []}) if number == 0 else b""
    ) as server:
        with pytest.raises(ConnectionFailedError):
            Explorer(server.url, token="t", retries=0).job(1).wait(progress=False, poll=0.01)
        assert len(server.requests) in {1 + 5, 5}, "one look may meet the connection that the server has just closed"


def test_cancel_stops_a_job():
    with Sandbox(task_seconds=9 * HANG) as server, client(server) as explorer:
        workflow = server.add_workflow("w", PAIR, {"t": ("PageRank", {})})
        job = explorer.run_workflow(workflow)
        assert job.cancel().status in {"stopping", "interrupted"}
        with pytest.raises(JobError, match="was interrupted"):
            job.wait(timeout=HANG, progress=False)


@pytest.mark.parametrize("cancel", [True, False])
def test_ctrl_c_cancels_the_job_if_requested(cancel):
    with Sandbox(task_seconds=9 * HANG) as server, client(server) as explorer:
        workflow = server.add_workflow("w", PAIR, {"t": ("PageRank", {})})
        job = explorer.run_workflow(workflow)

        def interrupt(_: Job) -> None:
            error = KeyboardInterrupt()
            error.add_note("of the caller")
            raise error

        with pytest.raises(KeyboardInterrupt) as caught:
            job.wait(progress=interrupt, cancel_on_interrupt=cancel)
        stopped = job.refresh().status in {"stopping", "interrupted"}
        assert stopped is cancel
        own, note = caught.value.__notes__
        assert own == "of the caller"
        begun = f"Requested the cancellation of job {job.job_id}" if cancel else f"Job {job.job_id} continues on"
        assert note.startswith(begun)
        job.cancel()


def test_progress_is_hidden_without_a_terminal_unless_requested(capsys):
    with Sandbox() as server, client(server) as explorer:
        workflow = server.add_workflow("w", PAIR, {"t": ("PageRank", {})})
        for progress in (None, False):
            explorer.run_workflow(workflow).wait(progress=progress)
            assert capsys.readouterr() == ("", "")
        explorer.run_workflow(workflow).wait(progress=True)
        assert "success" in capsys.readouterr().err


def test_all_results_come_in_the_jobs_order(sandbox):
    with client(sandbox) as explorer:
        job = explorer.run_workflow(sandbox.workflows["lesmis"]).wait(progress=False)
        frames = job.read(workers=3)
        assert list(frames) == [task.name for task in job.tasks]
        assert list(frames["Louvain"].columns) == ["id", "community"]
        assert list(frames["PageRank"].columns) == ["id", "score"]
        assert all(frame.attrs["explorer_frames"]["complete"] for frame in frames.values())
        assert not any(
            "jobs/" in path and path.endswith(f"/{job.job_id}") for _, path, _ in sandbox.requests[-len(job.tasks) :]
        )


def test_invalid_argument_is_reported_once_for_all_tasks(sandbox, explorer):
    job, _ = sandbox.add_result([["a", "b"], ["1", "2"]])
    for wrong in ({"limit": 0}, {"schema": "nope"}, {"vid_type": "int"}, {"dtype_backend": "x"}):
        with pytest.raises(ConfigError):
            explorer.job(job).read(**wrong)


def test_a_task_reads_and_exports_itself(sandbox, tmp_path):
    with client(sandbox) as explorer:
        job = explorer.run_workflow(sandbox.workflows["karate"]).wait(progress=False)
        task = next(task for task in job.tasks if task.name == "Louvain")
        frame = task.read(vid_type="int64")
        assert frame.dtypes.astype(str).to_dict() == {"id": "int64", "community": "int64"}
        receipt = task.export(tmp_path / "louvain.parquet")
        assert receipt.rows == len(frame) == 34
        assert pd.read_parquet(tmp_path / "louvain.parquet").attrs == {} or receipt.complete
        assert receipt.complete


def test_task_is_selected_by_id_or_unique_name(sandbox, explorer):
    job_id, first = sandbox.add_result([["a"], ["1"]], "twin")
    _, second = sandbox.add_result([["a"], ["1"]], "twin", job_id=job_id)
    _, third = sandbox.add_result([["a"], ["1"]], first, job_id=job_id)  # called as another one's id is
    job = explorer.job(job_id)
    assert [job.task(one).task_id for one in (first, second, third)] == [first, second, third]
    with pytest.raises(ConfigError, match="has 2 tasks named 'twin'") as several:
        job.task("twin")
    assert first in several.value.hint
    assert third not in several.value.hint, "only those that were meant"
    with pytest.raises(ConfigError, match="has no task named 'Twin'") as none:
        job.task("Twin")
    assert re.search(r"'twin'\?.* 3 tasks\..*job\.tasks", none.value.hint)
    with pytest.raises(ConfigError, match="has no task named 'None'"):
        job.task(None)


def test_missing_job_raises_not_found_error(explorer):
    with pytest.raises(NotFoundError, match="job 999999"):
        explorer.job(999999)


# --- never twice

AMBIGUOUS = {
    "hangs up": lambda: b"",
    "cuts the head": lambda: b"HTTP/1.1 200 OK\r\nContent-Le",
    "cuts the body": lambda: answer(b'{"code":0,"da', length=100),
    "500": lambda: answer(b'{"code":50004000}', "500 Internal Server Error"),
    "503": lambda: answer(b"busy", "503 Service Unavailable", "Retry-After: 0\r\n"),
    "code under 200": lambda: wrapped(None, 50004002),
    "HTML": lambda: answer(b"<html>"),
    "no id": lambda: wrapped({}),
    "id null": lambda: wrapped({"id": None}),
    "id with a space": lambda: wrapped({"id": "a b"}),
    "redirect": lambda: answer(b"", "307 Temporary Redirect", "Location: /elsewhere\r\n"),
    "junk": lambda: b"\x00\x01\x02\r\n\r\n",
    "says nothing": lambda: [9 * HANG, b""],
}


@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_an_ambiguous_post_is_sent_once_and_says_how_to_look(fault):
    with RawServer(lambda number, request: AMBIGUOUS[fault]()) as server:
        timeout = 0.3 if fault == "says nothing" else HANG
        explorer = Explorer(server.url, token="t", timeout=timeout, retries=5)
        with pytest.raises(UnsafeToRetryError, match=r"list_jobs\('7'\)") as caught:
            explorer.run_workflow(7)
        wait_until(lambda: posts(server))  # a busy server may read it after the timeout
        assert posts(server) == 1
        assert "workflow 7" in str(caught.value)


@pytest.mark.parametrize("times", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_many_ambiguous_posts_make_no_duplicate(times):
    faults = list(AMBIGUOUS.values())[:-1]
    with RawServer(lambda number, request: faults[number % len(faults)]()) as server:
        explorer = Explorer(server.url, token="t", timeout=HANG, retries=3)
        for _ in range(times):
            with pytest.raises(UnsafeToRetryError):
                explorer.run_workflow(7)
        assert posts(server) == times


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (40004001, "BadRequestError"),
        (40304000, "ForbiddenError"),
        (40404000, "NotFoundError"),
        (50004003, "LicenseError"),
    ],
)
def test_rejected_post_is_sent_once_and_raises(code, expected):
    with RawServer(lambda number, request: wrapped(None, code)) as server:
        with pytest.raises(getattr(errors, expected)):
            Explorer(server.url, token="t").run_workflow(7)
        assert posts(server) == 1


def test_unsent_post_is_retried():
    with RawServer(lambda number, request: b"") as server:
        url = server.url
    with pytest.raises(ConnectionFailedError, match="2 attempts") as caught:
        Explorer(url, token="t", retries=1).run_workflow(7)
    assert caught.value.unsent


def test_a_post_refused_for_its_token_is_replayed_once():
    with Sandbox() as server, client(server) as explorer:
        workflow = server.add_workflow("w", PAIR, {"t": ("PageRank", {})})
        explorer.list_jobs()
        server.expire_tokens()
        explorer.run_workflow(workflow).wait(progress=False)
        assert len(explorer.list_jobs(workflow)) == 1


def test_started_job_keeps_its_id_after_failed_first_lookup():
    def serve(number: int, request: bytes) -> bytes:
        return wrapped({"id": 107}) if request.startswith(b"POST") else b""

    with RawServer(serve) as server:
        job = Explorer(server.url, token="t", retries=0).run_workflow(7)
    assert (job.job_id, job.status, job.workflow_id) == ("107", "preparing", "7")


# --- many at once


@pytest.mark.slow  # in the fast lane, test_auth.py has 32 threads
def test_expired_token_in_64_threads_causes_one_login():
    with Sandbox() as server, client(server) as explorer:
        job, task = server.add_result([["a"], ["1"]])
        explorer.read_sample_result(job, task)
        before = connects(server)
        start = threading.Barrier(64)

        def read(_: int) -> int:
            start.wait()
            return len(explorer.read_sample_result(job, task))

        with ThreadPoolExecutor(64) as pool:
            for number in range(50):
                server.expire_tokens()
                assert sum(pool.map(read, range(64))) == 64
                assert connects(server) == before + number + 1


@pytest.mark.parametrize("one_token_per_user", [True, False])
def test_a_token_is_renewed_before_it_ends(one_token_per_user, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("explorer_frames._http.auth.time", clock)
    with Sandbox(one_token_per_user=one_token_per_user, token_life=10 * HANG) as server, client(server) as explorer:
        explorer.list_jobs()
        clock.advance(9 * HANG)
        explorer.list_jobs()
        assert connects(server) == 1
        clock.advance(HANG)  # only on the client: the server still accepts the token
        explorer.list_jobs()
        assert connects(server) == 2
        assert sum("/jobs?" in path for _, path, _ in server.requests) == 3, "no call was refused and replayed"


def _read_many(explorer: Explorer, tasks: list[tuple[str, str]], number: int, turns: int = 1) -> int:
    wrong = 0
    for turn in range(turns):
        index = (number * 31 + turn) % len(tasks)
        frame = explorer.read_sample_result(*tasks[index], limit=10)
        wrong += frame["id"].tolist() != [f"task{index}"]
    return wrong


@needs_fork
@pytest.mark.parametrize("turns", [4, pytest.param(150, marks=pytest.mark.slow)])
def test_eight_forked_processes_cross_no_answer(turns):
    with Sandbox() as server, client(server) as explorer:
        tasks = [server.add_result([[f"task{index}"], ["1"]]) for index in range(16)]
        assert _read_many(explorer, tasks[:1], 0) == 0  # a warm connection and a token to inherit
        context = multiprocessing.get_context("fork")
        results = context.SimpleQueue()

        def work(number: int) -> None:
            results.put(_read_many(explorer, tasks, number, turns))

        workers = [context.Process(target=work, args=(number,)) for number in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(PROCESS)
        assert [worker.exitcode for worker in workers] == [0] * 8
        assert [results.get() for _ in workers] == [0] * 8


def test_jobs_pickle_when_their_explorer_does(sandbox, monkeypatch):
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    with Explorer() as explorer:
        job = explorer.run_workflow(sandbox.workflows["karate"]).wait(progress=False)
        copy = pickle.loads(pickle.dumps(job))
        assert copy == job
        assert sandbox.password.encode() not in pickle.dumps(job)
        assert copy.refresh().status == "success"
    with client(sandbox) as explorer, pytest.raises(ConfigError, match="cannot pickle"):
        pickle.dumps(explorer.job(job.job_id))


def test_the_whole_list_of_jobs_takes_few_requests():
    with Sandbox() as server, client(server) as explorer:
        server.add_jobs(10_000)
        before = len(server.requests)
        assert len(explorer.list_jobs(limit=None)) == 10_000
        assert len(server.requests) - before <= 10 + 1


def test_envelope_helper_matches_the_server():
    assert json.loads(envelope())["code"] == 0


@pytest.mark.parametrize("second", [b"", answer(b"<html>"), wrapped(None, 50004000)])
def test_started_job_keeps_its_id_after_failed_lookup(second):
    with RawServer(lambda number, request: wrapped({"id": "107"}) if request.startswith(b"POST") else second) as server:
        assert Explorer(server.url, token="t", retries=0).run_workflow(7).job_id == "107"


def test_jobs_deleted_while_paging_are_an_error():
    def serve(number: int, request: bytes) -> bytes:
        return page([4, 3], 4, 2) if number == 0 else page([1], 3, 2)

    with RawServer(serve) as server, pytest.raises(EnvelopeError, match="deleted while they were listed"):
        Explorer(server.url, token="t").list_jobs(limit=None)


def test_an_interrupt_is_an_interrupt_even_where_the_cancel_is_refused():
    def serve(number: int, request: bytes) -> bytes:
        return wrapped(None, 40004000) if request.startswith(b"PUT") else wrapped({"id": 1, "status": 1, "tasks": []})

    def interrupt(_: Job) -> None:
        raise KeyboardInterrupt

    with RawServer(serve) as server, pytest.raises(KeyboardInterrupt) as caught:
        Explorer(server.url, token="t").job(1).wait(progress=interrupt, cancel_on_interrupt=True)
    assert re.match(r"Cannot cancel job 1: .*40004000.*\. Job 1 continues on", caught.value.__notes__[0])


@pytest.mark.parametrize("ends", [KeyboardInterrupt, TimeoutError, ZeroDivisionError])
def test_interrupted_wait_describes_how_to_continue(ends):
    state = {"status": 1}

    def end(_: Job) -> None:
        raise ends

    with RawServer(lambda *_: wrapped({"id": 7, "tasks": []} | state)) as server:
        job = Explorer(server.url, token="t").job(7)
        with pytest.raises(ends) as caught:
            job.wait(progress=end)
        assert "Job 7 continues" in caught.value.__notes__[0]
        assert "explorer.job('7')" in caught.value.__notes__[0]
        state["status"] = 2
        with pytest.raises(ends) as caught:
            job.wait(progress=end)
        assert not hasattr(caught.value, "__notes__"), "it has ended"
    with pytest.raises(TransportError) as caught:
        job.wait(poll=0.001)
    assert "Job 7 continues" in caught.value.__notes__[0]


@pytest.mark.parametrize("accepted", [False, True])
def test_an_interrupted_run_says_where_its_job_is(accepted):
    def serve(number: int, request: bytes) -> bytes:
        if accepted and request.startswith(b"POST"):
            return wrapped({"id": "7"})
        signal.raise_signal(signal.SIGINT)
        return wrapped({"id": "7", "status": 1, "tasks": []})

    with RawServer(serve) as server, pytest.raises(KeyboardInterrupt) as caught:
        Explorer(server.url, token="t").run_workflow(5)
    [note] = caught.value.__notes__
    assert note.startswith("Job 7 continues" if accepted else "The job may have been started. Check list_jobs('5')")


def test_errors_of_jobs_pickle_even_with_a_secret_given_as_text(sandbox):
    with client(sandbox) as explorer:
        job = explorer.run_workflow(sandbox.workflows["karate"]).wait(progress=False)
        copy = pickle.loads(pickle.dumps(job_error(job, "it is so")))
    assert "it is so" in str(copy)
    assert copy.job is None


def test_a_page_of_html_does_not_end_a_wait():
    def serve(number: int, request: bytes) -> bytes:
        return (
            answer(b"<html>")
            if number in {1, 2}
            else wrapped({"id": 1, "status": 1 if number == 0 else 2, "tasks": []})
        )

    with RawServer(serve) as server:
        assert Explorer(server.url, token="t").job(1).wait(progress=False, poll=0.01).status == "success"


@pytest.mark.parametrize("workers", [0, -1, True, 1.5])
def test_invalid_workers_are_rejected(workers, sandbox):
    with client(sandbox) as explorer:
        job = explorer.run_workflow(sandbox.workflows["karate"])
        with pytest.raises(ConfigError, match="workers"):
            job.read(workers=workers)
        job.wait(progress=False)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": float("nan")},
        {"timeout": 0},
        {"timeout": "5"},
        {"poll": 0},
        {"poll": -1},
        {"poll": "5"},
        {"progress": "yes"},
    ],
)
def test_invalid_wait_timeout_or_poll_is_rejected(options, sandbox):
    with client(sandbox) as explorer:
        job = explorer.run_workflow(sandbox.workflows["karate"])
        with pytest.raises(ConfigError):
            job.wait(**options)
        job.wait(progress=False)


@pytest.mark.parametrize("total", [9, 10**9])
@pytest.mark.parametrize("limit", [10, None])
def test_a_server_that_repeats_its_page_ends_in_an_error(total, limit):
    with (
        RawServer(lambda number, request: page([1, 2, 3], total)) as server,
        pytest.raises(EnvelopeError, match="repeated page"),
    ):
        Explorer(server.url, token="t").list_jobs(limit=limit)
    assert len(server.requests) == 2


@pytest.mark.parametrize("number", [None, "", True, [], 1.5])
def test_a_job_without_an_id_is_refused(number):
    with (
        RawServer(lambda _, request: wrapped({"items": [{"id": number}], "total": 1})) as server,
        pytest.raises(EnvelopeError, match="has an invalid id"),
    ):
        Explorer(server.url, token="t").list_jobs()


def test_unusual_names_and_times_are_repaired_or_rejected():
    odd = {"id": 1, "status": 2, "workflowName": "a\ud800b"}
    with RawServer(lambda _, request: wrapped({"items": [odd], "total": 1})) as server:
        assert Explorer(server.url, token="t").list_jobs()["workflow_name"].tolist() == ["a?b"]
    with RawServer(lambda _, request: wrapped({"id": 1, "status": 2, "name": "a\ud800b", "tasks": []})) as server:
        Explorer(server.url, token="t").job(1)._repr_html_().encode()
    late = {**odd, "createTime": -(10**30)}
    with RawServer(lambda _, request: wrapped({"items": [late], "total": 1})) as server, pytest.raises(EnvelopeError):
        Explorer(server.url, token="t").list_jobs()


def test_half_a_surrogate_pair_in_an_id_is_replaced():
    task = {"id": "\ud800", "name": "a", "status": 2}
    with RawServer(lambda _, request: wrapped({"id": 1, "status": 2, "tasks": [task]})) as server:
        assert Explorer(server.url, token="t").job(1).tasks[0].task_id == "?"
    with RawServer(lambda _, request: wrapped({"items": [{"id": "\ud800"}], "total": 1})) as server:
        assert Explorer(server.url, token="t").list_jobs()["job_id"].tolist() == ["?"]


TOKEN = "c4naryT0ken"
ECHOES = {
    "a time": wrapped({"id": 1, "status": 2, "tasks": [], "createTime": TOKEN}),
    "an id": wrapped({"id": TOKEN, "status": 2, "tasks": []}),
    "a task's id": wrapped({"id": 1, "status": 2, "tasks": [{"id": [TOKEN], "status": 2}]}),
    "a shape": wrapped({"id": 1, "status": 2, "tasks": {TOKEN: TOKEN}}),
    "a header line without a colon": answer(b"{}", headers=f"{TOKEN}\r\n"),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_token_that_a_detail_contains_is_in_no_error_and_no_log(echo):
    with (
        RawServer(lambda *_: [ECHOES[echo], End.CLOSE]) as server,
        logs() as lines,
        pytest.raises(errors.ExplorerFramesError) as caught,
    ):
        Explorer(server.url, token=TOKEN, retries=0).job(1)
    assert leaks(caught.value, TOKEN, {Path(__file__)}) == []
    assert TOKEN not in "\n".join(lines)


def test_hanging_status_request_ends_wait_with_job_error():
    script = [wrapped({"id": 1, "status": 1, "tasks": []}), [9 * HANG]]
    with RawServer(lambda number, request: script[min(number, 1)]) as server:
        job = Explorer(server.url, token="t", timeout=9 * HANG, deadline=None).job(1)
        with pytest.raises(JobError, match=r"job 1 .* 0\.3 s; status: running"):
            job.wait(timeout=0.3, progress=False)


@pytest.mark.parametrize(("timeout", "deadline", "given"), [(50, 600, 50), (50, 7, 7), (50, None, 50), (0.1, 600, 1)])
def test_status_request_timeout_is_remaining_time_but_at_least_one_second(monkeypatch, timeout, deadline, given):
    from explorer_frames._http import api, exchange

    class Deadline(exchange.Deadline):
        def __init__(self, seconds):
            super().__init__(seconds)
            seen.append(self.seconds)

    seen = []
    monkeypatch.setattr(exchange, "time", Clock(running=False))
    with RawServer(lambda *_: wrapped({"id": 1, "status": 2, "tasks": []})) as server:
        job = Explorer(server.url, token="t", deadline=deadline).job(1)
        monkeypatch.setattr(api, "Deadline", Deadline)
        job.wait(timeout=timeout, progress=False)
    assert seen == [given]


def test_records_become_plain_values(explorer, sandbox, tmp_path):
    job_id, task_id = sandbox.add_result([["a"], ["1"]], name="PageRank")
    job = explorer.job(job_id)
    known = json.loads(json.dumps(job.to_dict()))
    [task] = known.pop("tasks")
    assert (known["job_id"], known["status"], task["task_id"], task["name"]) == (
        job.job_id,
        "success",
        str(task_id),
        "PageRank",
    )
    assert datetime.fromisoformat(known["end_time"]) == job.end_time
    assert known["seconds"] == job.duration.total_seconds()
    receipt = json.loads(json.dumps(job.tasks[0].export(tmp_path / "a.parquet").to_dict()))
    assert receipt["columns"] == [{"name": "id", "type": "string"}, {"name": "score", "type": "double"}]
    assert (receipt["rows"], receipt["complete"]) == (1, True)


# --- Jobs and Tasks in place of ids


@pytest.fixture(scope="module")
def twins(sandbox):
    """A job with tasks A and B, and one with two tasks named A."""
    job, _ = sandbox.add_result([["a"], ["1"]], name="A")
    sandbox.add_result([["b"], ["2"]], name="B", job_id=job)
    same, _ = sandbox.add_result([["a"], ["1"]], name="A")
    sandbox.add_result([["b"], ["2"]], name="A", job_id=same)
    with client(sandbox) as explorer:
        yield explorer.job(job), explorer.job(same)


def test_a_job_is_a_collection_of_its_tasks(twins):
    job, same = twins
    assert ([*job], len(job), job["B"], job[job.tasks[0].task_id]) == ([*job.tasks], 2, job.tasks[1], job.tasks[0])
    assert job[job.tasks[1]] == job.tasks[1]
    assert all(one in job for one in ("A", "B", job.tasks[1].task_id, job.tasks[1]))
    assert not any(one in job for one in ("C", "", None, 0, pd.DataFrame({"a": [1, 2]}), same.tasks[0]))
    assert replace(job.tasks[0], status="running") in job
    assert [*reversed(job)] == [*job.tasks][::-1]
    assert job_of({"id": 1, "status": 0, "tasks": []}, "1", None, None)  # true also without tasks
    with pytest.raises(ConfigError, match="has no task named 'C'"):
        job["C"]
    with pytest.raises(ConfigError, match="has 2 tasks named 'A'"):
        same["A"]


def test_results_have_the_names_of_tasks_as_keys_if_these_are_unique(twins):
    job, same = twins
    assert {name: frame["id"].tolist() for name, frame in job.read().items()} == {"A": ["a"], "B": ["b"]}
    assert {name: frame["id"].tolist() for name, frame in same.read().items()} == {
        same.tasks[0].task_id: ["a"],
        same.tasks[1].task_id: ["b"],
    }


def test_job_and_task_are_accepted_in_place_of_ids(twins, tmp_path, monkeypatch):
    monkeypatch.delenv("EXPLORER_FRAMES_URL", raising=False)  # the server is that of the job
    job, same = twins
    b = job["B"]
    for ids in ((b,), (job, "B"), (job, b), (job, b.task_id), (job.job_id, b), (int(job.job_id), b)):
        frame = explorer_frames.read_sample_result(*ids)
        assert (frame["id"].tolist(), explorer_frames.provenance(frame).task_name) == (["b"], "B")
        assert explorer_frames.read_sample_result_arrow(*ids, limit=5)["id"].to_pylist() == ["b"]
        with explorer_frames.open_sample_result(*ids) as reader:
            assert reader.read_all()["id"].to_pylist() == ["b"]
    assert explorer_frames.export_sample_result(job, "B", tmp_path / "b.parquet").rows == 1
    with b.open() as reader:
        assert reader.read_all().num_rows == 1
    for ids, said in (
        ((job,), "missing task_id: .* 2 tasks\n.*'A' "),
        ((b, b.task_id), "cannot be combined"),
        ((same, b), "not to job"),
        ((9, b), "not to job 9"),
        ((job, "C"), "has no task named 'C'"),
    ):
        with pytest.raises(ConfigError, match=said):
            explorer_frames.read_sample_result(*ids)
    with pytest.raises(ConfigError, match=r"missing task_id\n.*Task"):
        job._explorer.read_sample_result(1)


def test_a_wait_takes_numbers_of_any_library(twins):
    job, _ = twins
    running = replace(job, status="running", _explorer=SimpleNamespace(_look=lambda *_: running))
    for number in (np.float32(0.25), Fraction(1, 4)):
        with pytest.raises(JobError, match=r"did not end within 0\.25 s"):
            running.wait(timeout=number, poll=number, progress=False)
    assert job.wait(timeout=np.int64(3), poll=np.int8(1), progress=False) == job


def test_calls_about_a_job_take_the_job(twins):
    job, _ = twins
    assert job._explorer.job(job) == job
    with pytest.raises(BadRequestError, match="has ended"):
        job._explorer.cancel_job(job)


@pytest.mark.parametrize(
    "since",
    [
        "2001-09-09T01:46:40Z",
        "2001-09-09 03:46:40+02:00",
        "2001-09-09T01:46:40",
        "20010909T014640Z",
        datetime(2001, 9, 9, 1, 46, 40),
        datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC),
        pd.Timestamp("2001-09-09T01:46:40"),
        np.datetime64("2001-09-09T01:46:40"),
    ],
)
def test_times_are_texts_or_datetimes_in_utc_without_an_offset(since):
    with RawServer(lambda _number, _request: page([], 0)) as server, Explorer(server.url, token="t") as explorer:
        explorer.list_jobs(created_after=since, created_before=since)
    sent = json.loads(unquote_plus(re.search(rb"filter=([^& ]+)", server.requests[0])[1].decode()))
    assert (sent["fromCreateTime"], sent["toCreateTime"]) == (10**12, 10**12)
