"""API calls for a single job."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from explorer_frames._arguments import checked_id, checked_input
from explorer_frames._errors import add_context
from explorer_frames._http.api import Api
from explorer_frames._jobs.job import Job, job_of
from explorer_frames._jobs.wait import how_to_continue
from explorer_frames.errors import ConfigError, ExplorerFramesError, JobError, UnsafeToRetryError

if TYPE_CHECKING:
    from explorer_frames._client import Explorer


def look(api: Api, job_id: object, explorer: Explorer, seconds: float = math.inf) -> Job:
    """Get a job and its tasks; methods of the job use `explorer`."""
    number = checked_id("job_id", job_id.job_id if isinstance(job_id, Job) else job_id)
    with add_context(f"job {number}"):
        data, trace_id = api.get("jobs", number, until=api.deadline(seconds))
        return job_of(data, number, trace_id, explorer)


def run(api: Api, workflow_id: object, given: object, explorer: Explorer) -> Job:
    """Run a workflow. The request is not retried, so that only one job is created."""
    workflow = checked_id("workflow_id", workflow_id)
    body = {} if given is None else {"input": checked_input(given)}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    hint = f"Check list_jobs({workflow!r}) for a job created at about {now} before you run the workflow again."
    number = None
    try:
        with add_context(f"workflow {workflow}"):
            data = api.post_once("workflows", workflow, "jobs", body=body, hint=hint)
            number = _made_id(data, hint)
        return look(api, number, explorer)
    except ExplorerFramesError:
        if number is None:
            raise
        # The job was created, so its id must be returned even if the job cannot be read.
        return job_of({"id": number, "status": 0, "workflowId": workflow, "tasks": []}, number, None, explorer)
    except BaseException as error:  # such as Ctrl-C
        error.add_note(f"The job may have been started. {hint}" if number is None else how_to_continue(number))
        raise


def cancel(api: Api, job_id: object) -> None:
    """Request the cancellation of a job."""
    number = checked_id("job_id", job_id.job_id if isinstance(job_id, Job) else job_id)
    with add_context(f"job {number}"):
        if api.put("jobs", number, "cancel").get("success") is False:
            raise JobError("the server did not cancel the job", hint="Check the job's status. It may have ended.")


def _made_id(data: dict[str, Any], hint: str) -> str:
    """Return the id of a new job."""
    try:
        return checked_id("id", data.get("id"))
    except ConfigError:
        pass  # an error with a better hint is raised below
    raise UnsafeToRetryError("the server accepted the job but did not return a valid id", hint=hint)
