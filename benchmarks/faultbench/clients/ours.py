"""explorer_frames, as its documentation says to use it, with the bench's deadline."""

from __future__ import annotations

from functools import lru_cache

from explorer_frames import Explorer, ExplorerFramesError
from faultbench import DEADLINE, JOB, TASK, WORKFLOW

NAME = "explorer_frames"
ERRORS = (ExplorerFramesError,)


@lru_cache(100)
def explorer(url, token):
    return Explorer(url, token=token, deadline=DEADLINE)


def read(url, token, limit):
    return explorer(url, token).read_sample_result(JOB, TASK, limit)


def read_once(url, token, limit):
    """Read without trying again, for thousands of cuts."""
    return Explorer(url, token=token, deadline=DEADLINE, retries=0).read_sample_result(JOB, TASK, limit)


def export(url, token, limit, path):
    explorer(url, token).export_sample_result(JOB, TASK, path, limit, allow_incomplete=True)


def run(url, token):
    explorer(url, token).run_workflow(WORKFLOW)


def advice(error):
    return error.hint
