"""The results of a workflow's last runs as one frame."""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa
import pytest
from faults.rawserver import answer
from served import served

from explorer_frames import Explorer, history, write_parquet
from explorer_frames.errors import (
    ColumnTypeError,
    ConfigError,
    HistoryGapWarning,
    JobError,
    NotFoundError,
    TruncatedBodyError,
)
from explorer_frames.sandbox import Sandbox

RUN = ["job_id", "end_time", "task_name", "task_id"]


class World:
    """A server with a workflow of finished jobs, oldest first."""

    def __init__(self, server):
        self.server, self.jobs = server, []
        server._added = None  # what is added from here on is of a new workflow

    def add(self, **results):
        """Add a job whose tasks have these rows, by name."""
        (job,) = self.server.add_jobs(1)
        self.jobs.append(str(job))
        for name, rows in results.items():
            self.server.add_result([list(column) for column in zip(*rows, strict=True)], name, job_id=job)
        return job

    @property
    def workflow(self):
        return self.server.workflows["results"]

    def history(self, *args, **options):
        with Explorer(self.server.url, token=self.server.token, retries=0) as explorer:
            return history(self.workflow, *args, explorer=explorer, **options)

    def read(self):
        """How many requests there were, by kind; counted from the last call of this."""
        kinds = {"list": r"/workflows/\d+/jobs", "job": r"/jobs/\d+$", "result": r"/sample_result"}
        paths = [one.path for one in self.server.requests]
        return {kind: sum(bool(re.search(pattern, path)) for path in paths) for kind, pattern in kinds.items()}


@pytest.fixture
def world():
    with Sandbox() as server:
        yield World(server)


def test_the_last_runs_come_oldest_first_as_one_frame(world):
    for number in range(4):
        world.add(PageRank=[("x", f"0.{number}"), ("y", "0.5")], Louvain=[("x", "x"), ("y", "x")])
    frame = world.history(3, task="PageRank")
    assert frame.columns.tolist() == [*RUN, "id", "score"]
    assert frame["job_id"].tolist() == [job for job in world.jobs[1:] for _ in range(2)]
    assert frame["id"].tolist() == ["x", "y"] * 3
    assert frame["score"].tolist() == [0.1, 0.5, 0.2, 0.5, 0.3, 0.5]
    assert set(frame["task_name"]) == {"PageRank"}
    assert frame["task_id"].nunique() == 3
    assert str(frame["end_time"].dtype) == "datetime64[ms, UTC]"
    assert frame["end_time"].is_monotonic_increasing
    assert world.read() == {"list": 1, "job": 3, "result": 3}
    known = frame.attrs["explorer_frames"]
    assert (known["workflow_id"], known["task_name"], known["rows"]) == (str(world.workflow), "PageRank", 6)
    assert known["complete"] is True
    assert world.history(None, task="PageRank")["job_id"].nunique() == 4
    assert write_parquet(frame, "memory://history.parquet").complete


def test_all_tasks_are_united_and_whole_numbers_stay_whole(world):
    world.add(PageRank=[("x", "0.25")], KCore=[("x", "9007199254740993")], HyperANF=[("2.5",)])
    frame = world.history()
    assert frame.columns.tolist() == [*RUN, "id", "score", "core"]
    assert frame["task_name"].tolist() == ["PageRank", "KCore", "HyperANF"]
    assert frame["core"].dtype == pd.Int64Dtype()
    assert frame["core"].isna().tolist() == [True, False, True]
    assert frame["core"][1] == 2**53 + 1
    assert frame["id"].isna().tolist() == [False, False, True]
    assert frame["score"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
@pytest.mark.parametrize("vid_type", ["string", "int64"])
def test_types_are_those_of_the_readers(world, backend, vid_type):
    job = world.add(Louvain=[("7", "7"), ("8", "7")])
    frame = world.history(task="Louvain", dtype_backend=backend, vid_type=vid_type)
    with Explorer(world.server.url, token=world.server.token) as explorer:
        own = explorer.job(job).tasks[0].read(dtype_backend=backend, vid_type=vid_type)
    pd.testing.assert_frame_equal(frame[["id", "community"]], own, check_flags=False)
    united = world.history(dtype_backend=backend, vid_type=vid_type)
    expected = pd.Int64Dtype() if backend is None and vid_type == "int64" else own["id"].dtype
    assert united["id"].dtype == expected


def test_without_any_job_there_are_the_columns_of_the_task(world):
    world.server.add_jobs(0)
    empty = world.history(task="Louvain 2", vid_type="int64")
    assert (len(empty), empty.columns.tolist()) == (0, [*RUN, "id", "community"])
    world.add(Louvain=[("1", "2")])
    full = world.history(task="Louvain", vid_type="int64")
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert world.history(1, task="Louvain").attrs["explorer_frames"]["complete"]


def test_jobs_without_the_task_are_skipped_with_a_warning(world):
    world.add(Louvain=[("x", "x")])
    world.add(PageRank=[("x", "0.5")])
    failed = world.add(Louvain=[("x", "x")], PageRank=[("x", "0.25")])
    with Explorer(world.server.url, token=world.server.token) as explorer:
        task = explorer.job(failed).tasks[1].task_id
    world.server.set_status(failed, 3, task)
    said = rf"workflow {world.workflow}: jobs {world.jobs[0]} \(no such task\), {world.jobs[2]} \(PageRank failed\)"
    with pytest.warns(HistoryGapWarning, match=said) as caught:
        frame = world.history(task="PageRank")
    assert caught[0].filename == __file__
    assert frame["job_id"].tolist() == [world.jobs[1]]
    assert frame.attrs["explorer_frames"]["complete"] is False
    with pytest.warns(HistoryGapWarning, match="PageRank failed"):
        assert world.history()["task_name"].tolist() == ["Louvain", "PageRank", "Louvain"]


def test_only_jobs_that_ended_well_count(world):
    world.add(PageRank=[("x", "0.5")])
    world.server.add_jobs(3, status=3)
    assert world.history(1, task="PageRank")["job_id"].tolist() == world.jobs


def test_a_task_may_be_named_by_its_id_and_one_name_may_be_of_several(world):
    job = world.add(Louvain=[("x", "x")])
    world.server.add_result([["x"], ["x"], ["0.5"]], "Louvain", job_id=job)
    both = world.history(task="Louvain")
    assert both.columns.tolist() == [*RUN, "id", "community", "modularity"]
    assert both["task_id"].nunique() == 2
    assert len(world.history(task=both["task_id"][1])) == 1


def test_a_name_that_no_job_has_is_refused(world):
    world.add(PageRank=[("x", "0.5")])
    with pytest.raises(
        ConfigError, match=rf"no job has a task 'Pagerank' \[workflow {world.workflow}\]\nDid you mean 'PageRank'"
    ):
        world.history(task="Pagerank")


def test_integers_that_are_missing_ask_for_another_backend(world):
    world.add(DegreeCentrality=[("x", "2", "1", "1")])
    world.add(DegreeCentrality=[("x", "2")])
    with pytest.raises(ColumnTypeError, match=r"both_degree.*missing"):
        world.history(task="DegreeCentrality")
    frame = world.history(task="DegreeCentrality", dtype_backend="numpy_nullable")
    assert frame["degree"].dtype == "Int64"
    assert frame["degree"].isna().tolist() == [True, False]
    assert frame["degree"].iloc[1] == 2


@pytest.mark.parametrize("task", ["PageRank", None])
def test_a_result_that_cannot_be_read_does_not_lose_the_others(world, task):
    good = world.add(PageRank=[("x", "0.5")])
    bad = world.add(PageRank=[("x", "many")])
    with pytest.raises(JobError, match=f"1 of 2 results .* job {bad}, task .*'many'") as caught:
        world.history(task=task)
    ((job, task_id), error), *others = caught.value.errors.items()
    assert (job, type(error), others) == (str(bad), ColumnTypeError, [])
    assert task_id in error.where
    (key, frame), *others = caught.value.results.items()
    assert (key[0], frame["score"].tolist(), others) == (str(good), [0.5], [])


def test_truncated_response_does_not_lose_other_results():
    def script(_turn, request):
        path = request.split()[1].decode()
        if "/workflows/" in path:
            items = '[{"id": 5, "workflowId": "1", "status": 2}, {"id": 4, "workflowId": "1", "status": 2}]'
            data = f'{{"items": {items}, "total": 2}}'
        elif "sample_result" in path:
            data = '{"items": [["x", "0.5"]]}'
        else:
            job = path.rsplit("/", 1)[1]
            data = f'{{"id": {job}, "status": 2, "tasks": [{{"id": "t", "name": "PageRank", "status": 2}}]}}'
        whole = answer(b'{"code": 0, "data": %b, "message": "ok"}' % data.encode())
        return whole[:-3] if broken in path else whole

    with served(script, retries=0) as (_, explorer):
        for broken, key in (("/5/tasks", ("5", "t")), ("/jobs/5", ("5", None))):  # noqa: B007 (by `script`)
            with pytest.raises(JobError) as caught:
                explorer.history(1)
            assert {key: type(error) for key, error in caught.value.errors.items()} == {key: TruncatedBodyError}
            assert [*caught.value.results] == [("4", "t")]


def test_missing_workflow(world):
    with Explorer(world.server.url, token=world.server.token) as explorer, pytest.raises(NotFoundError):
        explorer.history(999_999)


def test_absent_times_are_missing():
    def script(_turn, request):
        path = request.split()[1].decode()
        if "/workflows/" in path:
            data = '{"items": [{"id": 5, "workflowId": "1", "status": 2}], "total": 1}'
        elif "sample_result" in path:
            data = '{"items": [["x", "0.5"]]}'
        else:
            data = '{"id": 5, "status": 2, "tasks": [{"id": "t", "name": "PageRank", "status": 2}]}'
        return answer(b'{"code": 0, "data": %b, "message": "ok"}' % data.encode())

    with served(script) as (_, explorer):
        frame = explorer.history(1)
    assert frame["job_id"].tolist() == ["5"]
    assert frame["end_time"].isna().all()


@pytest.mark.parametrize(
    ("args", "options", "said"),
    [
        (("a b",), {}, "invalid workflow_id"),
        ((1, 0), {}, "last must be a positive integer or None, got 0"),
        ((1, "30"), {}, "must be a positive integer"),
        ((1,), {"task": 5}, "task must be a name or an id"),
        ((1,), {"schema": "pagrank"}, "unknown algorithm"),
        ((1,), {"schema": pa.schema([("task_name", pa.string())])}, "column name task_name is reserved in a history"),
        ((1,), {"vid_type": "text"}, "vid_type must be"),
        ((1,), {"dtype_backend": "numpy"}, "dtype_backend must be"),
        ((1,), {"workers": 0}, "workers must be"),
        ((1,), {"explorer": 5}, "explorer must be an Explorer"),
    ],
)
def test_invalid_arguments_are_rejected_before_any_request(args, options, said):
    with served(b"") as (server, explorer):
        with pytest.raises(ConfigError, match=said):
            history(*args, **{"explorer": explorer} | options)
        assert server.requests == []
