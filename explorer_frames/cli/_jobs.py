"""Jobs: listed, shown, run, cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explorer_frames.cli._options import (
    CreatedAfterOption,
    JobArgument,
    JsonFlag,
    LimitOption,
    StatusWord,
    WorkflowArgument,
    pairs as read_pairs,
)
from explorer_frames.cli._out import OutputError, flush, write
from explorer_frames.cli._say import note
from explorer_frames.cli._show import show_facts, show_json, show_table
from explorer_frames.cli._text import Column
from explorer_frames.errors import ConfigError, ExplorerFramesError, JobError

if TYPE_CHECKING:
    from explorer_frames import Explorer, Job


def jobs(
    ctx: typer.Context,
    workflow_id: Annotated[str | None, typer.Option(help="Only jobs of this workflow, by its id.")] = None,
    status: Annotated[StatusWord | None, typer.Option(help="Only jobs in this state.")] = None,
    name: Annotated[str | None, typer.Option(help="Only jobs of this name, as the server understands it.")] = None,
    created_after: CreatedAfterOption = None,
    limit: LimitOption = "20",
    json: JsonFlag = False,
) -> None:
    """List jobs, the newest first."""
    frame = ctx.obj.explorer.list_jobs(workflow_id, status=status, name=name, created_after=created_after, limit=limit)
    listed = [{key: _known(value) for key, value in row.items()} for row in frame.to_dict("records")]
    if json:
        show_json({}, {"jobs": listed})
        return
    show_table(
        [
            Column("job_id", [job["job_id"] for job in listed]),
            Column("status", [job["status"] for job in listed]),
            Column("name", [job["name"] for job in listed]),
            Column("create_time", [job["create_time"] for job in listed]),
            Column("duration", [_between(job["begin_time"], job["end_time"]) for job in listed]),
            Column("workflow_id", [job["workflow_id"] for job in listed]),
            Column("workflow_name", [job["workflow_name"] for job in listed]),
        ]
    )


def show(ctx: typer.Context, job: JobArgument, json: JsonFlag = False) -> None:
    """Show a job and its tasks."""
    _show(ctx.obj.explorer.job(job), json=json)


def cancel(ctx: typer.Context, job: JobArgument, json: JsonFlag = False) -> None:
    """Ask the server to stop a job.

    It may take a while until its status says so; a job that has ended stays as it is.
    """
    _show(ctx.obj.explorer.job(job).cancel(), json=json)


def run(
    ctx: typer.Context,
    workflow: WorkflowArgument,
    input: Annotated[  # noqa: A002 (as the API and `run_workflow` call it)
        list[str] | None,
        typer.Option(
            metavar="COMPONENT.PARAM=VALUE",
            help="A parameter, such as analytics_sssp_1.root=Valjean; PARAM:=JSON for other values than text.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds to wait at most.")] = None,
    cancel_on_interrupt: Annotated[
        bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C also cancels the job.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Run a workflow as a new job.

    The job's id goes to stdout, at once; how it ends goes to stderr. With --json, stdout gets the job as `show` has it.
    """
    if not wait and (timeout is not None or cancel_on_interrupt):
        raise typer.BadParameter("--timeout and --cancel-on-interrupt need --wait.")
    job = _started(ctx.obj.explorer, workflow, read_input(input))
    if not json:
        with _told(job):
            write(f"{job.job_id}\n")
            flush()
    try:
        job = _waited(job, timeout, cancel_on_interrupt=cancel_on_interrupt) if wait else job
    except JobError as error:
        if json:
            with _told(job):
                show_json(error.job.to_dict())
        raise
    if json:
        with _told(job):
            show_json(job.to_dict())
            flush()
    elif wait:
        from explorer_frames._jobs.task import outcome

        note(f"Job {job.job_id}: {outcome(job)}. Its tasks: explorer-frames show {job.job_id}")


@contextmanager
def _told(job: Job) -> Iterator[None]:
    """Name the job on stderr where stdout takes nothing more: who does not know of it would start another."""
    try:
        yield
    except (OutputError, BrokenPipeError):
        note(f"Job {job.job_id} was started.")
        raise


def read_input(texts: list[str] | None) -> dict[str, dict[str, Any]] | None:
    """Read ``component.param=value``, as often as it was given.

    Raises
    ------
    ConfigError
    """
    read: dict[str, dict[str, Any]] = {}
    for name, value in read_pairs(texts, "input").items():
        component, dot, parameter = name.partition(".")
        if not dot or not component or not parameter:
            raise ConfigError(
                f"input {name!r} names no component", hint="Write COMPONENT.PARAM=VALUE: analytics_sssp_1.root=Valjean."
            )
        read.setdefault(component, {})[parameter] = value
    return read or None


def _show(job: Job, *, json: bool) -> None:
    if json:
        show_json(job.to_dict())
        return
    facts = {
        "job_id": job.job_id,
        "name": job.name,
        "workflow_id": job.workflow_id,
        "workflow_name": job.workflow_name,
        "status": job.status,
        "create_time": job.create_time,
        "duration": job.duration,
    }
    show_facts({name: value for name, value in facts.items() if value is not None})
    write("\n")
    show_table(
        [
            Column("task_name", [task.name for task in job.tasks]),
            Column("task_id", [task.task_id for task in job.tasks]),
            Column("status", [task.status for task in job.tasks]),
            Column("duration", [task.duration for task in job.tasks], numbers=True),
        ]
    )


def _started(explorer: Explorer, workflow: str, given: dict[str, dict[str, Any]] | None) -> Job:
    try:
        return explorer.run_workflow(workflow, given)
    except KeyboardInterrupt:
        hint = f"The job may have been made: look at `explorer-frames jobs --workflow-id {workflow}`."
    raise KeyboardInterrupt(hint)


def _waited(job: Job, timeout: float | None, *, cancel_on_interrupt: bool) -> Job:
    try:
        return job.wait(timeout)
    except KeyboardInterrupt:
        hint = (
            _cancelled(job)
            if cancel_on_interrupt
            else (
                f"Job {job.job_id} runs on. Look at it with `explorer-frames show {job.job_id}`, "
                f"or stop it with `explorer-frames cancel {job.job_id}`."
            )
        )
    raise KeyboardInterrupt(hint)


def _cancelled(job: Job) -> str:
    """Cancel it, and say what came of that."""
    try:
        return f"Job {job.job_id} was cancelled: it is {job.cancel().status}."
    except ExplorerFramesError as error:
        return f"Job {job.job_id} may run on ({error.what}): try `explorer-frames cancel {job.job_id}`."


def _known(value: Any) -> Any:
    """A cell of a frame, or None for one that is missing."""
    import pandas as pd

    if pd.isna(value):
        return None
    with suppress(AttributeError):
        return value.to_pydatetime()
    return value


def _between(begin: Any, end: Any) -> Any:
    return None if begin is None or end is None else end - begin
