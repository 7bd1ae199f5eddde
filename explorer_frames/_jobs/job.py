"""`Job`, a run of a workflow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from explorer_frames import _html
from explorer_frames._arguments import checked_count
from explorer_frames._errors import close_names, escaped, first_of, hints_of, plural
from explorer_frames._frames import DtypeBackend
from explorer_frames._jobs.status import FINAL, moment, same_id, status_word, text
from explorer_frames._jobs.task import Task, TaskTuple, Timed, as_plain, entries, listed, outcome, states_of, task_of
from explorer_frames._jobs.wait import check_patience, how_to_continue, wait_for_end
from explorer_frames._private import private, shortened
from explorer_frames._progress import Done, Progress, progress_bar
from explorer_frames._schemas import VidType
from explorer_frames._threads import in_parallel
from explorer_frames._warnings import joined_warnings
from explorer_frames.errors import BadRequestError, ConfigError, EnvelopeError, ExplorerFramesError, JobError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from explorer_frames._client import Explorer


@private
@dataclass(frozen=True, slots=True, repr=False)
class Job(Timed):
    """State of a job, which is one run of a workflow.

    The attributes do not change. Call `refresh` to request the current state. A job supports ``len(job)``, iteration
    over its tasks, and ``job[name]``.

    Attributes
    ----------
    job_id : str
        Id of the job.
    name, workflow_id, workflow_name : str or None
        Name of the job, and id and name of its workflow.
    status : str
        ``"preparing"``, ``"running"``, ``"success"``, ``"failed"``, ``"interrupted"``, ``"stopping"``, or
        ``"unknown(<code>)"`` for an undocumented code.
    create_time, begin_time, end_time : datetime.datetime or None
        Times in UTC. None if the job has not begun or ended.
    tasks : tuple of Task
        Tasks of the job, in the server's order.
    trace_id : str or None
        Trace id of the response. Report it to the vendor's support.

    Examples
    --------
    >>> job = explorer.run_workflow(workflow_id).wait()
    >>> job.status, [task.name for task in job] == list(job.read())
    ('success', True)
    >>> job["PageRank"].read().columns.tolist()
    ['id', 'score']
    """

    job_id: str
    name: str | None
    workflow_id: str | None
    workflow_name: str | None
    status: str
    create_time: datetime | None
    begin_time: datetime | None
    end_time: datetime | None
    tasks: tuple[Task, ...]
    trace_id: str | None = field(compare=False)
    _explorer: Explorer = field(compare=False)

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True  # even without tasks

    def __contains__(self, task: object) -> bool:
        if isinstance(task, Task):
            return any((task.job_id, task.task_id) == (one.job_id, one.task_id) for one in self.tasks)
        return isinstance(task, str) and any(task in (one.task_id, one.name) for one in self.tasks)

    def __reversed__(self) -> Iterator[Task]:
        return reversed(self.tasks)

    def __getitem__(self, name: str | Task) -> Task:
        return self.task(name)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and tasks as a JSON-serializable dict.

        The key ``seconds`` contains the duration. Times are ISO 8601 strings.
        """
        names = ("job_id", "name", "workflow_id", "workflow_name", "status", "create_time", "begin_time", "end_time")
        return {**as_plain(self, *names), "tasks": [task.to_dict() for task in self.tasks]}

    def task(self, name: str | Task) -> Task:
        """Return a task by id or name. ``job[name]`` is equivalent.

        Parameters
        ----------
        name
            Id or name of the task. Ids take precedence over names.

        Returns
        -------
        Task
            The task with this id or name.

        Raises
        ------
        ConfigError
            No task has this id or name, or several tasks have this name.

        Examples
        --------
        >>> explorer.job(job_id).task("PageRank").read().columns.tolist()
        ['id', 'score']
        """
        if isinstance(name, Task) and name in self:
            name = name.task_id
        with_id = [task for task in self.tasks if task.task_id == name]
        found = with_id or [task for task in self.tasks if task.name == name]
        if len(found) == 1:
            return found[0]
        if found:
            count, hint = f"{len(found)} tasks", f"Pass the id of a task: {listed(found)}."
        else:
            count, hint = "no task", close_names(name, (task.name for task in self.tasks))
        raise ConfigError(f"job {self.job_id} has {count} named {escaped(name, 60)!r}", hint=f"{hint} See job.tasks.")

    def refresh(self) -> Job:
        """Request the current state of the job from the server."""
        return self._explorer.job(self.job_id)

    def cancel(self) -> Job:
        """Request the cancellation of the job, and return its current state.

        The job's status may change only after a delay. If the job has already ended, this method has no effect.

        Returns
        -------
        Job
            State of the job after the request.

        Raises
        ------
        BadRequestError, JobError
            The server did not cancel the job, although the job has not ended.
        """
        refused: ExplorerFramesError | None = None
        try:
            self._explorer.cancel_job(self.job_id)
        except (BadRequestError, JobError) as error:
            refused = error
        job = self.refresh()
        if refused is not None and job.status not in FINAL:
            raise refused
        return job

    def wait(
        self,
        timeout: float | None = None,
        *,
        poll: float = 5.0,
        progress: Progress = None,
        cancel_on_interrupt: bool = False,
    ) -> Job:
        """Wait until the job ends, and raise an error unless it succeeds.

        Parameters
        ----------
        timeout
            Maximum time to wait, in seconds. Default: None, for no limit.
        poll
            Maximum interval between two status requests, in seconds. Default: 5. The first intervals are shorter.
        progress
            Whether to show a progress bar. You can also pass a function, which is called with each new `Job`. Default:
            the `progress` of the `Explorer`.
        cancel_on_interrupt
            Whether Ctrl-C also cancels the job on the server. Default: False.

        Returns
        -------
        Job
            The final state of the job, with the status ``"success"``.

        Raises
        ------
        JobError
            The job failed, was interrupted, or did not end within `timeout`. The message lists the failed tasks. This
            error is also raised if the job has an undocumented status for 60 seconds.
        ServerError, TransportError, EnvelopeError
            Five consecutive status requests failed.

        Notes
        -----
        After a timeout, Ctrl-C or a lost connection, the job continues on the server. The error message shows how to
        wait for the job again or cancel it.
        """
        check_patience(timeout, poll, progress)
        timeout, poll = None if timeout is None else float(timeout), float(poll)
        progress = self._explorer._progress if progress is None else progress  # noqa: SLF001 (our own)
        try:
            return wait_for_end(self, timeout, poll, progress)
        except KeyboardInterrupt as interrupt:
            if cancel_on_interrupt:
                advice = how_to_continue(self.job_id)
                notes = [note for note in getattr(interrupt, "__notes__", ()) if note != advice]
                interrupt.__notes__ = [*notes, self._cancelled()]
            raise

    def read(
        self,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        dtype_backend: DtypeBackend | None = None,
        workers: int = 4,
    ) -> dict[str, pd.DataFrame]:
        """Read the results of all tasks into DataFrames.

        Parameters
        ----------
        limit, schema, vid_type, dtype_backend
            As in `explorer_frames.read_sample_result`.
        workers
            Number of results to read in parallel. Default: 4.

        Returns
        -------
        dict of str to pandas.DataFrame
            One DataFrame per task, in the order of ``tasks``. The keys are the names of the tasks. If a name is missing
            or not unique, the keys are the ids.

        Raises
        ------
        ConfigError
            An argument is invalid.
        JobError
            Some results cannot be read. ``error.results`` contains the other DataFrames, and ``error.errors`` contains
            the errors. Both have the same keys as the return value.
        """
        names = [task.name for task in self.tasks]
        by_name = all(names) and len(set(names)) == len(names)

        def key(task: Task) -> str:
            return task.name if by_name else task.task_id

        def read(task: Task) -> tuple[str, pd.DataFrame | ExplorerFramesError]:
            try:
                frame = task.read(limit, schema=schema, vid_type=vid_type, dtype_backend=dtype_backend)
            except ConfigError:  # an invalid argument affects all tasks
                raise
            except ExplorerFramesError as error:
                return key(task), shortened(error)
            return key(task), frame

        with (
            joined_warnings(),
            progress_bar(self._explorer._progress, Done(f"job {escaped(self.job_id, 20)}")) as bar,  # noqa: SLF001 (our own)
            closing(in_parallel(checked_count("workers", workers), read, self.tasks)) as reads,
        ):
            outcomes = dict(bar.counted(reads, "result", len(self.tasks)))
        keys = [key(task) for task in self.tasks]  # reads may end in another order
        errors = {name: outcomes[name] for name in keys if isinstance(outcomes[name], ExplorerFramesError)}
        results = {name: outcomes[name] for name in keys if name not in errors}
        if errors:
            failed = [escaped(task.name, 60) for task in self.tasks if key(task) in errors]
            raise unread(f"job {self.job_id}", failed, results, errors)
        return results

    def _cancelled(self) -> str:
        try:
            return f"Requested the cancellation of job {self.job_id}. Its status is {self.cancel().status}."
        except ExplorerFramesError as error:  # the interrupt takes precedence over this error
            return f"Cannot cancel job {self.job_id}: {error.what}. {how_to_continue(self.job_id)}"

    def __repr__(self) -> str:
        name = f" {escaped(self.name, 60)!r}" if self.name else ""
        return f"<Job {self.job_id}{name}: {outcome(self)}; tasks: {states_of(self.tasks)}>"

    def _repr_html_(self) -> str:
        rows = [(task.name, task.task_id, outcome(task)) for task in self.tasks]
        title = f"Job {self.job_id} {self.name or ''}".rstrip()
        return _html.grid(title, outcome(self), ("task_name", "task_id", "status"), rows)


def job_of(data: dict[str, Any], job_id: str, trace_id: str | None, explorer: Explorer) -> Job:
    """Convert the response for a job to a `Job`."""
    workflow_id = text(data.get("workflowId"))
    return Job(
        job_id=job_id,
        name=text(data.get("name")),
        workflow_id=workflow_id,
        workflow_name=text(data.get("workflowName")),
        status=status_word(data.get("status")),
        create_time=moment(data.get("createTime")),
        begin_time=moment(data.get("runBeginTime")),
        end_time=moment(data.get("runEndTime")),
        tasks=TaskTuple(task_of(task, job_id, workflow_id, explorer) for task in entries(data, job_id)),
        trace_id=trace_id,
        _explorer=explorer,
    )


def check_workflow(job: Job, workflow_id: str) -> None:
    """Raise EnvelopeError if a listed job belongs to another workflow."""
    if job.workflow_id is not None and not same_id(job.workflow_id, workflow_id):
        raise EnvelopeError(
            f"server returned workflow {escaped(job.workflow_id, 40)!r} for a job of workflow {workflow_id}",
            where=f"job {job.job_id}",
            hint="Check the server's version.",
        )


def unread(where: str, places: list[str], results: dict[Any, Any], errors: dict[Any, Any]) -> JobError:
    """Create the error for failed reads, with the other results attached."""
    shown = [f"{place}: {error.what}" for place, error in zip(places, errors.values(), strict=True)]
    count = len(errors) + len(results)
    others = "the other results in .results and " if results else ""
    return JobError(
        f"{len(errors)} of {count} {plural(count, 'result')} could not be read: {first_of(shown, '; ')}",
        where=where,
        hint=f"{hints_of(errors.values())}\nThis error has {others}all errors in .errors.",
        results=results,
        errors=errors,
    )


def only_task(job: Job, name: str | None) -> Task:
    """Return the task with this name or id, or the job's only task."""
    if name is not None:
        return job.task(name)
    if len(job.tasks) == 1:
        return job.tasks[0]
    hint = f"Pass task= with the name or id of a task: {listed(job.tasks)}. See job.tasks."
    raise ConfigError(f"missing task: job {job.job_id} has {len(job.tasks)} tasks", hint=hint)
