"""Job details, looked up for the names and states of their tasks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from explorer_frames._jobs.status import FINAL, status_word
from explorer_frames._jobs.task import runs_of
from explorer_frames._provenance import Run, run_of

if TYPE_CHECKING:
    from explorer_frames._http.api import Api
    from explorer_frames._http.sessions import Deadline
    from explorer_frames._jobs.job import Job

_KEPT_JOBS = 256


class JobLookup:
    """The tasks of jobs, each looked up once when the job is final.

    Parameters
    ----------
    api
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kept: OrderedDict[str, dict[str, Run]] = OrderedDict()
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent process may have held."""
        self._lock = threading.Lock()

    def run(self, job_id: str, task_id: str, deadline: Deadline) -> Run:
        """Return what the job's detail has on a task; an empty record if the task is not in it.

        Raises
        ------
        TransportError, ApiError, EnvelopeError
        """
        with self._lock:
            runs = self._kept.get(job_id)
        if runs is None:
            data, _ = self._api.get("jobs", job_id, until=deadline)
            runs = runs_of(data, job_id)
            self._keep(job_id, status_word(data.get("status")), runs)
        return runs.get(task_id) or Run(workflow_id=next((run.workflow_id for run in runs.values()), None))

    def remember(self, job: Job) -> None:
        """Keep the tasks of a job that was looked at; forget what was kept of it before."""
        runs = {task.task_id: run_of(task) for task in job.tasks if task.status in FINAL}
        self._keep(job.job_id, job.status if len(runs) == len(job.tasks) else "", runs)

    def _keep(self, job_id: str, status: str, runs: dict[str, Run]) -> None:
        with self._lock:
            self._kept.pop(job_id, None)
            if status in FINAL and all(run.status in FINAL for run in runs.values()):
                self._kept[job_id] = runs
            while len(self._kept) > _KEPT_JOBS:
                self._kept.popitem(last=False)
