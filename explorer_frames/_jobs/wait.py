"""Wait for the end of a job by polling with back-off."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from explorer_frames._arguments import is_duration
from explorer_frames._errors import as_given, escaped
from explorer_frames._http.exchange import Deadline
from explorer_frames._jobs.status import FINAL
from explorer_frames._jobs.task import listed, states_of
from explorer_frames._progress import Done, Progress, check_progress, progress_bar
from explorer_frames._signals import is_from_handler
from explorer_frames.errors import ConfigError, EnvelopeError, JobError, ServerError, TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from explorer_frames._jobs.job import Job

_LAST_LOOK = 1.0  # minimum time in seconds for the last status request
_FIRST_LOOK = 0.1  # interval in seconds before the second status request; later ones grow by a factor of 1.5
_PATIENCE = 60.0  # maximum time in seconds with an undocumented status
_MISSES = 5  # a wait fails after this many consecutive failed requests


def check_patience(timeout: object, poll: object, progress: object) -> None:
    """Validate the arguments of `Job.wait`."""
    for name, seconds in (("timeout", timeout), ("poll", poll)):
        if not is_duration(seconds) and not (name == "timeout" and seconds is None):
            raise ConfigError(f"{name} must be a positive number of seconds, got {as_given(seconds)}")
    check_progress(progress)


def wait_for_end(job: Job, timeout: float | None, poll: float, progress: Progress) -> Job:
    """Poll a job until it has ended."""
    latest = job
    try:
        with progress_bar(progress, _tasks_done(job)) as bar:
            for latest in _looks(job, timeout, poll):
                bar.tell(latest, _tasks_done(latest))
            if latest.status != "success":
                raise job_error(latest, "failed" if latest.status == "failed" else "was interrupted")
    except JobError:
        raise
    except BaseException as error:
        if latest.status not in FINAL:
            error.add_note(how_to_continue(job.job_id))
        raise
    return latest


def _looks(job: Job, timeout: float | None, poll: float) -> Iterator[Job]:
    """Yield the job after each status request, until it has ended."""
    known, end = time.monotonic(), Deadline(timeout)
    pause, misses = min(_FIRST_LOOK, poll), 0
    while True:
        try:
            job, misses = job._explorer._look(job.job_id, max(end.remaining(), _LAST_LOOK)), 0  # noqa: SLF001 (our own)
        except (TransportError, ServerError, EnvelopeError) as error:
            misses += 1
            if is_from_handler(error) or (misses >= _MISSES and end.remaining() > 0):
                raise
        yield job
        if job.status in FINAL:
            return
        now = time.monotonic()
        known = known if job.status.startswith("unknown") else now
        remaining = end.remaining()
        if remaining <= 0:
            raise job_error(job, f"did not end within {end.seconds:g} s; status: {job.status}")
        if now - known > _PATIENCE:
            raise job_error(job, f"has had the undocumented status {job.status} for {_PATIENCE:g} s")
        time.sleep(min(pause, remaining))
        pause = min(pause * 1.5, poll)


def how_to_continue(job_id: str) -> str:
    """Return the hint for a job that continues after its caller stops waiting."""
    return (
        f"Job {job_id} continues on the server. Wait for it with explorer.job('{job_id}').wait(), or cancel it "
        f"with explorer.job('{job_id}').cancel()."
    )


def _tasks_done(job: Job) -> Done:
    states = Counter(task.status for task in job.tasks if task.status not in ("preparing", "success"))
    done = sum(task.status in FINAL for task in job.tasks)
    status = ", ".join(f"{count} {word}" for word, count in states.items())
    label = f"job {escaped(job.job_id, 20)} {job.status}"
    return Done(f"{label} ({status})" if status else label, "task", done, len(job.tasks))


def job_error(job: Job, why: str) -> JobError:
    """Create an error that lists the failed tasks, or the number of tasks by status."""
    failed = [task for task in job.tasks if task.status == "failed"]
    tasks = f"tasks: {states_of(job.tasks)}" if job.tasks else "no tasks"
    if failed:
        tasks = f"failed tasks: {listed(failed, lambda task: escaped(task.name, 40))}"
    is_final = job.status in FINAL
    return JobError(
        f"job {job.job_id} {why} ({tasks})",
        where=f"trace {escaped(job.trace_id, 80)}" if job.trace_id else None,
        hint="The job's page in Explorer shows each task's log." if is_final else how_to_continue(job.job_id),
        job=job,
    )
