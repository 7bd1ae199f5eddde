"""`explorer_frames` as documented, with the deadline of faultbench."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from explorer_frames import (
    Explorer,
    ExplorerFramesError,
    read_lake as lake_frame,
    read_output as output_frame,
    verify_file,
)
from faultbench import DEADLINE, JOB, TASK, WORKFLOW

NAME = "explorer_frames"
ERRORS = (ExplorerFramesError,)


@lru_cache(100)
def explorer(url, token):
    return Explorer(url, token=token, deadline=DEADLINE)


def read(url, token, limit):
    return explorer(url, token).read_sample_result(JOB, TASK, limit)


def read_once(url, token, limit):
    """Read without retries, for thousands of truncated responses."""
    return Explorer(url, token=token, deadline=DEADLINE, retries=0).read_sample_result(JOB, TASK, limit)


def export(url, token, limit, path):
    explorer(url, token).export_sample_result(JOB, TASK, path, limit, allow_incomplete=True)


def run(url, token):
    explorer(url, token).run_workflow(WORKFLOW)


def list_jobs(url, token, folder):
    jobs = explorer(url, token).list_jobs(WORKFLOW, limit=None)
    return tuple(zip(jobs["job_id"], jobs["status"], strict=True))


def job(url, token, folder):
    found = explorer(url, token).job(JOB)
    return found.job_id, found.status, tuple((task.task_id, task.name, task.status) for task in found.tasks)


def wait(url, token, folder):
    return explorer(url, token).job(JOB).wait(timeout=DEADLINE / 2, poll=0.05, progress=False).status


def login(url, token, folder):
    """Log in with the secret as the password, and list jobs."""
    with Explorer(url, user="root", password=token, graphd="127.0.0.1:9669", deadline=DEADLINE) as session:
        jobs = session.list_jobs(WORKFLOW, limit=None)
    return tuple(zip(jobs["job_id"], jobs["status"], strict=True))


def sync(url, token, folder):
    lake = Path(folder) / "lake"
    explorer(url, token).sync_workflow(WORKFLOW, lake, workers=3, server_name="bench", progress=False)
    return read_lake(url, token, folder)


def read_job(url, token, folder):
    """Read all results of a job with three workers."""
    results = explorer(url, token).job(JOB).read(workers=3)
    return tuple(map(_rows, results.values()))


def read_lake(url, token, folder):
    return _rows(lake_frame(Path(folder) / "lake", "PageRank"))


def read_output(url, token, folder):
    return _rows(output_frame(Path(folder) / "output", schema="pagerank"))


def verify(url, token, folder):
    [result] = (Path(folder) / "lake" / "PageRank").iterdir()
    return verify_file(result).rows


def advice(error):
    return error.hint


def _rows(frame):
    return tuple(frame.iloc[:, :2].itertuples(index=False, name=None))
