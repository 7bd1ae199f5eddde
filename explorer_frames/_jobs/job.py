"""Jobs and their tasks: records of what the server said, and how to wait for, read and cancel them."""

from __future__ import annotations

from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from explorer_frames import _html
from explorer_frames._arguments import checked_count
from explorer_frames._jobs.status import moment, same_id, status_word, text
from explorer_frames._jobs.task import Task, Timed, as_plain, entries, task_of
from explorer_frames._jobs.wait import check_patience, wait_for_end
from explorer_frames._threads import in_parallel
from explorer_frames.errors import (
    BadRequestError,
    ConfigError,
    EnvelopeError,
    ExplorerFramesError,
    JobError,
    escaped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from explorer_frames._client import Explorer
    from explorer_frames._frames import DtypeBackend
    from explorer_frames._jobs.wait import Progress
    from explorer_frames.schemas import VidType


@dataclass(frozen=True, slots=True, repr=False)
class Job(Timed):
    """One run of a workflow, as it stood when the server was asked; `refresh` asks again.

    Attributes
    ----------
    id : str
    name, workflow_id, workflow_name : str or None
    status : str
        preparing, running, success, failed, interrupted, stopping or ``unknown(<code>)``.
    create_time, begin_time, end_time : datetime.datetime or None
        Aware, in UTC.
    tasks : tuple of Task
        In the server's order.
    trace_id : str or None
        Of the answer that this was read from.

    Examples
    --------
    >>> job = explorer.run_workflow(workflow_id).wait()
    >>> job.status, len(job.tasks) == len(job.read())
    ('success', True)
    """

    id: str
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

    @classmethod
    def of(cls, data: dict[str, Any], job_id: str, trace_id: str | None, explorer: Explorer) -> Job:
        """Read a job's detail.

        Raises
        ------
        EnvelopeError
            It is of another job, or does not have the documented shape.
        """
        return cls(
            id=job_id,
            **{name: text(data.get(key)) for name, key in _NAMES.items()},
            status=status_word(data.get("status")),
            create_time=moment(data.get("createTime")),
            begin_time=moment(data.get("runBeginTime")),
            end_time=moment(data.get("runEndTime")),
            tasks=tuple(
                task_of(task, job_id, text(data.get("workflowId")), explorer) for task in entries(data, job_id)
            ),
            trace_id=trace_id,
            _explorer=explorer,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, ``seconds`` and the tasks as plain values, ready for JSON; times as ISO 8601."""
        names = ("id", "name", "workflow_id", "workflow_name", "status", "create_time", "begin_time", "end_time")
        return {**as_plain(self, *names), "tasks": [task.to_dict() for task in self.tasks]}

    def task(self, name: str) -> Task:
        """Find a task by its id, or by its name where no other task has it.

        Parameters
        ----------
        name
            An id comes first, should another task be called so.

        Raises
        ------
        ConfigError
            There is none, or more than one of that name; the hint lists the tasks.

        Examples
        --------
        >>> explorer.job(job_id).task("PageRank").read().columns.tolist()
        ['id', 'score']
        """
        found = [task for task in self.tasks if task.id == name] or [task for task in self.tasks if task.name == name]
        if len(found) == 1:
            return found[0]
        count = f"{len(found)} tasks" if found else "no task"
        alike = get_close_matches(str(name), {task.name: None for task in self.tasks}, 1)
        meant = f"Did you mean {escaped(alike[0], 60)!r}? " if alike and not found else ""
        pass_one = f"Pass the {'id' if found else 'name or the id'} of one: {listed(found or self.tasks)}."
        raise ConfigError(f"job {self.id} has {count} {escaped(name, 60)!r}", hint=meant + pass_one)

    def check_workflow(self, workflow_id: str) -> None:
        """Refuse a job of another workflow than the one whose list it is from.

        Raises
        ------
        EnvelopeError
        """
        if self.workflow_id is not None and not same_id(self.workflow_id, workflow_id):
            raise EnvelopeError(
                f"server returned workflow {escaped(self.workflow_id, 40)!r} for a job of workflow {workflow_id}",
                where=f"job {self.id}",
                hint="Check the server's version.",
            )

    def refresh(self) -> Job:
        """Ask the server again."""
        return self._explorer.job(self.id)

    def cancel(self) -> Job:
        """Ask the server to stop it; it may take a while until its status says so. One that has ended stays so."""
        refused: ExplorerFramesError | None = None
        try:
            self._explorer.cancel_job(self.id)
        except (BadRequestError, JobError) as error:
            refused = error
        job = self.refresh()
        if refused is not None and not job.is_final:
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
        """Wait until it has ended well.

        Parameters
        ----------
        timeout
            Seconds; None waits as long as it runs. A look under way is not cut short. A status that is not documented
            is waited for 60 s at most.
        poll
            The longest pause between two looks, in seconds; the first ones are shorter.
        progress
            None shows a bar of the tasks done in a terminal or a notebook, True everywhere, False nowhere; a function
            is called with each new state of the job.
        cancel_on_interrupt
            Whether Ctrl-C also cancels the job on the server.

        Returns
        -------
        Job
            In its final state, ``success``.

        Raises
        ------
        JobError
            It failed, was interrupted, or outlasted `timeout`; the message names the tasks and their states.
        """
        check_patience(timeout, poll, progress)
        try:
            ended = wait_for_end(self, timeout, poll, progress)
        except KeyboardInterrupt:
            if cancel_on_interrupt:
                with suppress(ExplorerFramesError):  # the interrupt is what the caller has to see
                    self._explorer.cancel_job(self.id)
            raise
        if ended.status != "success":
            raise ended.error("it has failed" if ended.status == "failed" else "it was interrupted")
        return ended

    def read(
        self,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType = "string",
        dtype_backend: DtypeBackend | None = None,
        workers: int = 4,
    ) -> dict[str, pd.DataFrame]:
        """Read the results of all its tasks, `workers` at a time.

        Parameters
        ----------
        limit, schema, vid_type, dtype_backend
            As in `explorer_frames.read_sample_result`, for each task.

        Returns
        -------
        dict of str to pandas.DataFrame
            By task id, in the job's order.

        Raises
        ------
        ConfigError
            An argument with which no result can be read.
        JobError
            Some could not be read. All others were: ``error.results`` has them, ``error.errors`` says why not.
        """

        def read(task: Task) -> tuple[str, pd.DataFrame | ExplorerFramesError]:
            try:
                return task.id, task.read(limit, schema=schema, vid_type=vid_type, dtype_backend=dtype_backend)
            except ConfigError:  # no task can be read so
                raise
            except ExplorerFramesError as error:
                return task.id, error

        with closing(in_parallel(checked_count("workers", workers), read, self.tasks)) as reads:
            outcomes = dict(reads)
        results: dict[str, pd.DataFrame] = {}
        errors: dict[str, ExplorerFramesError] = {}
        for task in self.tasks:
            outcome = outcomes[task.id]
            if isinstance(outcome, ExplorerFramesError):
                errors[task.id] = outcome
            else:
                results[task.id] = outcome
        if errors:
            raise JobError(
                f"{len(errors)} of {len(self.tasks)} results could not be read: "
                + "; ".join(
                    f"{escaped(task.name, 60)}: {errors[task.id].what}" for task in self.tasks if task.id in errors
                )[:600],
                where=f"job {self.id}",
                hint="The others are in this error's .results, the reasons in its .errors.",
                results=results,
                errors=errors,
            )
        return results

    def error(self, why: str) -> JobError:
        """Make an error that names the tasks and their states."""
        failed_first = sorted(self.tasks, key=lambda task: task.status != "failed")
        tasks = listed(failed_first, lambda task: f"{escaped(task.name, 40)} {task.status}", 20)
        return JobError(
            f"{why}: job {self.id} is {self.status}; tasks: {tasks or 'none known'}",
            where=f"trace {escaped(self.trace_id, 80)}" if self.trace_id else None,
            hint="The job's page in Explorer shows each task's log.",
            job=self,
        )

    def __repr__(self) -> str:
        states = Counter(task.status for task in self.tasks)
        tasks = ", ".join(f"{count} {word}" for word, count in states.items()) or "none"
        name = f" {escaped(self.name, 60)!r}" if self.name else ""
        return f"<Job {self.id}{name}: {self.outcome}; tasks: {tasks}>"

    def _repr_html_(self) -> str:
        rows = [(task.name, task.id, task.outcome) for task in self.tasks]
        return _html.grid(f"Job {self.id} {self.name or ''}".rstrip(), self.outcome, ("task", "id", "status"), rows)


def named(task: Task) -> str:
    """Name and id of a task."""
    return f"{escaped(task.name, 60)!r} ({escaped(task.id, 60)})"


def listed(tasks: Sequence[Task], say: Callable[[Task], str] = named, most: int = 50) -> str:
    """The first of them, and how many more there are, for a message."""
    more = f" and {len(tasks) - most:,} more" if len(tasks) > most else ""
    return ", ".join(map(say, tasks[:most])) + more or "none"


_NAMES = {"name": "name", "workflow_id": "workflowId", "workflow_name": "workflowName"}
