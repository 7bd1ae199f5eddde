"""Waiting for a job's end: polls with back-off, and the errors that end the waiting."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from explorer_frames._arguments import is_duration
from explorer_frames._errors import escaped
from explorer_frames._jobs.status import FINAL
from explorer_frames._jobs.task import listed
from explorer_frames._progress import Done, Progress, check_progress, progress_bar
from explorer_frames._signals import is_from_handler
from explorer_frames.errors import ConfigError, EnvelopeError, JobError, ServerError, TransportError

if TYPE_CHECKING:
    from explorer_frames._jobs.job import Job

_FIRST_LOOK = 0.1  # seconds; each pause is half as long again as the one before
# How long a status that is not documented may last, and how many looks in a row may fail, before a wait gives up.
_PATIENCE = 60.0
_MISSES = 5


def check_patience(timeout: object, poll: object, progress: object) -> None:
    """Refuse waits that would never end, or never pause."""
    for name, seconds in (("timeout", timeout), ("poll", poll)):
        if not is_duration(seconds) and not (name == "timeout" and seconds is None):
            raise ConfigError(f"{name} must be a number of seconds above 0: {escaped(seconds, 60)}")
    check_progress(progress)


def wait_for_end(job: Job, timeout: float | None, poll: float, progress: Progress) -> Job:
    """Look at a job until it has ended.

    Raises
    ------
    JobError
        It ended without success, or did not end in time.
    """
    started = known = time.monotonic()
    pause, misses = min(_FIRST_LOOK, poll), 0
    with progress_bar(progress, "task", _tasks_done) as show:
        while True:
            try:
                job, misses = job.refresh(), 0
            except (TransportError, ServerError, EnvelopeError) as error:
                misses += 1
                if misses >= _MISSES or is_from_handler(error):
                    raise
            show(job)
            if job.status in FINAL:
                break
            now = time.monotonic()
            known = known if job.status.startswith("unknown") else now
            remaining = math.inf if timeout is None else timeout - (now - started)
            if remaining <= 0:
                raise job_error(job, f"it has not ended within {timeout:g} s")
            if now - known > _PATIENCE:
                raise job_error(job, f"for {_PATIENCE:g} s it has had a status that is not documented")
            time.sleep(min(pause, remaining))
            pause = min(pause * 1.5, poll)
    if job.status != "success":
        raise job_error(job, "it has failed" if job.status == "failed" else "it was interrupted")
    return job


def _tasks_done(job: Job) -> Done:
    states = Counter(task.status for task in job.tasks)
    done = sum(task.status in FINAL for task in job.tasks)
    return Done(f"job {job.job_id} {job.status}", done, len(job.tasks), states)


def job_error(job: Job, why: str) -> JobError:
    """Make an error that names the tasks and their states."""
    failed_first = sorted(job.tasks, key=lambda task: task.status != "failed")
    tasks = listed(failed_first, lambda task: f"{escaped(task.name, 40)} {task.status}")
    return JobError(
        f"{why}: job {job.job_id} is {job.status}; tasks: {tasks}",
        where=f"trace {escaped(job.trace_id, 80)}" if job.trace_id else None,
        hint="The job's page in Explorer shows each task's log.",
        job=job,
    )
