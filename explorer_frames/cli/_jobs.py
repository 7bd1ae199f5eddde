"""Define the ``jobs``, ``show``, ``run``, ``wait`` and ``cancel`` commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from explorer_frames._arguments import is_duration
from explorer_frames._jobs.status import FINAL
from explorer_frames.cli._options import (
    CreatedAfterOption,
    JobArgument,
    JsonFlag,
    LimitOption,
    StatusWord,
    WorkflowArgument,
    pairs as read_pairs,
)
from explorer_frames.cli._out import OutputError, flush, note, write
from explorer_frames.cli._show import show_facts, show_json, show_table
from explorer_frames.cli._text import Column
from explorer_frames.errors import ConfigError, JobError

if TYPE_CHECKING:
    from explorer_frames import Job


def _seconds(text: str | float) -> float:
    """Parse a timeout in seconds."""
    with suppress(ValueError):
        seconds = float(text)
        if is_duration(seconds):
            return seconds
    raise typer.BadParameter(f"{text!r} is not a positive number of seconds.")


_STATUS_HELP = f"List only jobs with this status: {', '.join(get_args(StatusWord))}."
TimeoutOption = Annotated[
    Any, typer.Option("--timeout", metavar="SECONDS", parser=_seconds, help="Maximum time to wait. Default: no limit.")
]
CancelFlag = Annotated[bool, typer.Option("--cancel-on-interrupt", help="Also cancel the job on Ctrl-C.")]


def jobs(
    ctx: typer.Context,
    workflow_id: Annotated[str | None, typer.Option(help="List only jobs of the workflow with this id.")] = None,
    status: Annotated[StatusWord | None, typer.Option(metavar="STATUS", help=_STATUS_HELP)] = None,
    name: Annotated[
        str | None,
        typer.Option(help="List only jobs whose name matches this text. The server performs the matching."),
    ] = None,
    created_after: CreatedAfterOption = None,
    limit: LimitOption = "20",
    json: JsonFlag = False,
) -> None:
    """List jobs, newest first."""
    import pyarrow as pa

    frame = ctx.obj.explorer.list_jobs(workflow_id, status=status, name=name, created_after=created_after, limit=limit)
    if not json:
        frame["duration"] = frame["end_time"] - frame["begin_time"]
    listed = pa.Table.from_pandas(frame, preserve_index=False).to_pylist()
    if json:
        show_json({}, {"jobs": listed})
        return
    shown = ("job_id", "status", "name", "create_time", "duration", "workflow_id", "workflow_name")
    show_table([Column(heading, [job[heading] for job in listed], is_id="_id" in heading) for heading in shown])


def show(ctx: typer.Context, job: JobArgument, json: JsonFlag = False) -> None:
    """Show a job and its tasks."""
    _show(ctx.obj.explorer.job(job), json=json)


def cancel(ctx: typer.Context, job: JobArgument, json: JsonFlag = False) -> None:
    """Cancel a job.

    The job status may take a moment to update. If the job has already ended, its status does not change, and the
    command exits with code 0.
    """
    found = ctx.obj.explorer.job(job)
    _show(found.cancel(), json=json)
    if found.status in FINAL:
        note(f"Job {found.job_id} has already ended (status: {found.status}).")


def run(
    ctx: typer.Context,
    workflow: WorkflowArgument,
    input: Annotated[  # noqa: A002 (as the API and `run_workflow` call it)
        list[str] | None,
        typer.Option(
            metavar="COMPONENT.PARAM=VALUE",
            help="Parameter of a component, such as analytics_sssp_1.root=Valjean. For numbers, booleans and objects, "
            "use COMPONENT.PARAM:=JSON. Repeat --input to pass several parameters.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")] = False,
    timeout: TimeoutOption = None,
    cancel_on_interrupt: CancelFlag = False,
    json: JsonFlag = False,
) -> None:
    """Run a workflow as a new job.

    The command prints the job id to stdout as soon as the job starts. With --wait, it also waits until the job has
    ended, and prints the final status to stderr. With --json, it prints the same document as `show --json`.
    """
    if not wait and (timeout is not None or cancel_on_interrupt):
        raise typer.BadParameter("--timeout and --cancel-on-interrupt require --wait.")
    job = ctx.obj.explorer.run_workflow(workflow, read_input(input))
    with _told(job):
        if not json:
            write(f"{job.job_id}\n")
            flush()
        if wait:
            _wait(job, timeout, cancel_on_interrupt=cancel_on_interrupt, json=json)
        elif json:
            show_json(job.to_dict())
            flush()


def wait(
    ctx: typer.Context,
    job: JobArgument,
    timeout: TimeoutOption = None,
    cancel_on_interrupt: CancelFlag = False,
    json: JsonFlag = False,
) -> None:
    """Wait until a job has ended.

    If the job fails, is interrupted, or does not end within the timeout, the command exits with code 4. With --json, it
    prints the same document as `show --json`.
    """
    _wait(ctx.obj.explorer.job(job), timeout, cancel_on_interrupt=cancel_on_interrupt, json=json)


def _wait(job: Job, timeout: float | None, *, cancel_on_interrupt: bool, json: bool) -> None:
    failure: JobError | None = None
    try:
        job = job.wait(timeout, cancel_on_interrupt=cancel_on_interrupt)
    except JobError as error:
        job, failure = error.job, error
    if json:
        show_json(job.to_dict())
        flush()
    if failure is not None:
        raise failure
    if not json:
        from explorer_frames._jobs.task import outcome

        note(f"Job {job.job_id}: {outcome(job)}. To see its tasks, run explorer-frames show {job.job_id}.")


@contextmanager
def _told(job: Job) -> Iterator[None]:
    """Print the job id to stderr if writing to stdout fails."""
    try:
        yield
    except (OutputError, BrokenPipeError):
        note(f"Job {job.job_id} was started.")
        raise


def read_input(texts: list[str] | None) -> dict[str, dict[str, Any]] | None:
    """Parse repeated ``component.param=value`` options."""
    read: dict[str, dict[str, Any]] = {}
    for name, value in read_pairs(texts, "input").items():
        component, dot, parameter = name.partition(".")
        if not dot or not component or not parameter:
            raise ConfigError(
                f"missing component in input {name!r}",
                hint="Pass COMPONENT.PARAM=VALUE, such as analytics_sssp_1.root=Valjean.",
            )
        read.setdefault(component, {})[parameter] = value
    return read or None


def _show(job: Job, *, json: bool) -> None:
    if json:
        show_json(job.to_dict())
        return
    names = ("job_id", "name", "workflow_id", "workflow_name", "status", "create_time", "duration")
    facts = {name: getattr(job, name) for name in names}
    show_facts({name: value for name, value in facts.items() if value is not None})
    write("\n")
    columns = {"task_name": "name", "task_id": "task_id", "status": "status", "duration": "duration"}
    values = {heading: [getattr(task, name) for task in job.tasks] for heading, name in columns.items()}
    show_table([Column(heading, column, is_id=heading == "task_id") for heading, column in values.items()])
