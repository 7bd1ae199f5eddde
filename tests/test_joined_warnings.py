"""Warnings of calls that read several results in threads: one for all of them, at the caller's line."""

from __future__ import annotations

import warnings

import pytest
from cases import each

from explorer_frames import Explorer, read_lake
from explorer_frames._warnings import joined_warnings, warn_caller
from explorer_frames.errors import (
    ConfigError,
    JobError,
    SchemaWarning,
    SyncError,
    TransportError,
    TruncatedResultWarning,
)
from explorer_frames.sandbox import Graph, Sandbox

NAMES = ["BFS", "Louvain", "PageRank", "SSSP", "WCC"]
TASKS = {name: (name, {"root": 1} if name in ("BFS", "SSSP") else {}) for name in NAMES}


@pytest.fixture(scope="module")
def server():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def explorer(server):
    with Explorer(server.url, token=server.token) as explorer:
        yield explorer


@pytest.fixture(scope="module")
def workflow(server, explorer):
    workflow = server.add_workflow("w", Graph.from_edges([(1, 2), (2, 3), (3, 4)]), TASKS)
    for _ in range(2):
        explorer.run_workflow(workflow).wait()
    return workflow


@pytest.fixture(scope="module")
def job(explorer, workflow):
    return explorer.job(explorer.list_jobs(workflow, limit=1)["job_id"][0])


def caught(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert {warning.filename for warning in found} <= {__file__}
    return [str(warning.message) for warning in found]


@each("workers", [1, 4])
def test_a_job_warns_once_and_names_the_tasks(job, workers):
    [told] = caught(lambda: job.read(1, workers=workers))
    places = "; ".join(f"job {job.job_id}, task {name}" for name in NAMES[:3])
    assert told.count("incomplete") == told.count("limit=1 ") == 1
    assert f"[{places} and 2 more]" in told
    assert "limit=None" in told


def call_that_warns_and_raises(error):
    with joined_warnings():
        warn_caller("odd", SchemaWarning, "task a")
        raise error("stop")


@each("error", [KeyboardInterrupt, ConfigError])
@each("action", ["always", "error"])
def test_failed_call_still_emits_warnings(error, action):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter(action)
        with pytest.raises(error):
            call_that_warns_and_raises(error)
    assert [str(warning.message) for warning in found] == ["odd [task a]"] * (action == "always")


def test_the_warnings_of_a_job_can_be_ignored_or_made_errors(job):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(job.read(1)) == NAMES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TruncatedResultWarning, match="2 more"):
            job.read(1)
        assert list(job.read(5)) == NAMES
    assert len(caught(lambda: job.read(1))) == 1


def test_a_history_and_a_sync_warn_once(server, workflow, tmp_path):
    with Explorer(server.url, token=server.token) as explorer:
        jobs = [server.add_result([[str(n) for n in range(1000)]] * 2, "mine")[0] for _ in range(2)]
    results = server.workflows["results"]
    with Explorer(server.url, token=server.token) as explorer:
        [told] = caught(lambda: explorer.history(results))
        assert all(f"job {job}, " in told for job in jobs)
    for job in jobs:
        server.add_result([["a"], ["b"]], "words", job_id=job)
    with Explorer(server.url, token=server.token, row_cap=2000) as explorer:
        [told] = caught(lambda: explorer.sync_workflow(results, tmp_path / "lake", tasks=["words"]))
        assert told.endswith("]. Pass schema= to choose the columns.")
        assert all(f"job {job}, " in told for job in jobs)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(SchemaWarning):
                explorer.sync_workflow(results, tmp_path / "other", tasks=["words"])
        assert len(read_lake(tmp_path / "other", "words")) == 2


def test_joined_warning_distinguishes_the_results(server):
    job, _ = server.add_result([[str(n) for n in range(1000)]] * 2, "first")
    server.add_result([[str(n) for n in range(5000)]] * 2, "second", job_id=job)
    with Explorer(server.url, token=server.token) as explorer:
        [told] = caught(lambda: explorer.job(job).read(workers=1))
    assert told.index("incomplete: 1000 rows") < told.index("[job ") < told.index("incomplete: 5000 rows")
    assert told.count("row_cap=") == 1


def test_warnings_without_a_place_or_a_hint_have_none_when_they_are_joined():
    def warn():
        with joined_warnings():
            warn_caller("one", UserWarning)
            with joined_warnings():
                warn_caller("two", UserWarning, "job 1", "Retry.")

    assert caught(warn) == ["one; two [job 1]. Retry."]


def test_a_stream_that_another_thread_writes_warns_at_the_callers_line(job, explorer, tmp_path):
    pytest.importorskip("deltalake")
    from explorer_frames import write_delta

    def write():
        with explorer.open_sample_result(job, "WCC", 1) as reader:
            write_delta(reader, tmp_path / "table", mode="append")

    with warnings.catch_warnings(action="error"), pytest.raises(TruncatedResultWarning):
        write()
    assert not (tmp_path / "table" / "_delta_log").exists()

    [told] = caught(write)
    assert "task WCC]" in told


# --- what to do


def test_capped_result_hints_at_reading_the_full_output(server, tmp_path):
    job, task = server.add_result([[str(n) for n in range(1000)]] * 2, "PageRank")
    results = server.workflows["results"]

    def refused(call, error):
        with pytest.raises(error) as found, warnings.catch_warnings(action="ignore"):
            call()
        return found.value.hint

    with Explorer(server.url, token=server.token, row_cap=1000) as explorer:
        for limit in (None, 1000, 5000):
            with pytest.warns(TruncatedResultWarning, match=r"Task\.read_output.*row_cap=") as found:
                explorer.read_sample_result(job, task, limit)
            assert "limit=None" not in str(found[0].message)
        with pytest.warns(TruncatedResultWarning, match="limit=None"):
            explorer.read_sample_result(job, task, 10)
        hint = refused(lambda: explorer.export_sample_result(job, task, tmp_path / "a.parquet"), Exception)
        assert all(one in hint for one in ("Task.read_output", "row_cap=", "allow_incomplete=True"))
        hint = refused(lambda: explorer.sync_workflow(results, tmp_path, tasks=["PageRank"]), SyncError)
        assert all(one in hint for one in ("Task.read_output", "row_cap=", "allow_incomplete=True", "Then sync again"))


def test_errors_of_several_results_have_hints(server, job):
    with Explorer(server.url, token=server.token, max_bytes=2000) as explorer:
        number, _ = server.add_result([[str(n) for n in range(1000)]] * 2, "PageRank")
        small = explorer.job(number)
        with pytest.raises(JobError) as found:
            small.read()
        [hint] = [line for line in found.value.hint.splitlines() if "limit=" in line]
        assert "Task.read_output" in hint
        with pytest.raises(TransportError, match="max_bytes"):
            small.tasks[0].read()


@each(
    ("call", "name", "value"),
    [
        (lambda job: job.read("5"), "limit", "'5'"),
        (lambda job: job.read(0), "limit", "0"),
        (lambda job: job.read(workers=-1), "workers", "-1"),
        (lambda job: job.wait(timeout="5"), "timeout", "'5'"),
        (lambda job: job.read(dtype_backend=5), "dtype_backend", "5"),
    ],
)
def test_only_text_is_quoted(job, call, name, value):
    with pytest.raises(ConfigError) as found:
        call(job)
    assert found.value.what.startswith(f"{name} must be ")
    assert found.value.what.endswith(f", got {value}")
