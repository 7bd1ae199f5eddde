"""Jobs and their tasks: records of what the server said, and how to wait for, read and cancel them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from explorer_frames._config import checked_id
from explorer_frames._output import export_task_output, read_task_output
from explorer_frames._status import FINAL, moment, status_word, text
from explorer_frames._wait import check_patience, wait_for_end
from explorer_frames.errors import (
    BadRequestError,
    ConfigError,
    EnvelopeError,
    ExplorerFramesError,
    JobError,
    UnsafeToRetryError,
    escaped,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta

    import pandas as pd
    import pyarrow as pa

    from explorer_frames._wait import Progress
    from explorer_frames._write import Receipt
    from explorer_frames.schemas import VidType


class Server(Protocol):
    """What jobs need of an `Explorer`."""

    def job(self, job_id: str | int) -> Job: ...

    def cancel_job(self, job_id: str | int) -> None: ...

    @property
    def read_sample_result(self) -> Callable[..., pd.DataFrame]: ...

    @property
    def export_sample_result(self) -> Callable[..., Receipt]: ...


class _Timed:
    status: str
    begin_time: datetime | None
    end_time: datetime | None

    @property
    def is_final(self) -> bool:
        """Whether the status will not change any more."""
        return self.status in FINAL

    @property
    def duration(self) -> timedelta | None:
        """Time from begin to end; None while there is no end."""
        if self.begin_time is None or self.end_time is None:
            return None
        return self.end_time - self.begin_time

    @property
    def _outcome(self) -> str:
        return self.status + (f" in {self.duration.total_seconds():.1f} s" if self.duration is not None else "")


@dataclass(frozen=True, slots=True, repr=False)
class Task(_Timed):
    """One component of a job, as it stood when the server was asked.

    Attributes
    ----------
    id : str
    name : str
        The component's name, which begins as the algorithm's.
    status : str
        preparing, running, success, failed, interrupted, stopping or ``unknown(<code>)``.
    begin_time, end_time : datetime.datetime or None
        Aware, in UTC.
    job_id : str
    """

    id: str
    name: str
    status: str
    begin_time: datetime | None
    end_time: datetime | None
    job_id: str
    _server: Server = field(compare=False)

    def read(
        self,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType = "string",
        **options: Any,
    ) -> pd.DataFrame:
        """Read its result: see `explorer_frames.read_sample_result`; here all rows are the default."""
        return self._server.read_sample_result(
            self.job_id, self.id, limit, schema=schema, vid_type=vid_type, task_name=self.name, **options
        )

    def export(
        self,
        url: str | os.PathLike[str],
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType = "string",
        **options: Any,
    ) -> Receipt:
        """Write its result to a file: see `explorer_frames.export_sample_result`."""
        return self._server.export_sample_result(
            self.job_id, self.id, url, limit, schema=schema, vid_type=vid_type, task_name=self.name, **options
        )

    def read_output(
        self,
        root_url: str | os.PathLike[str],
        *,
        path: str | None = None,
        schema: str | pa.Schema | None = "auto",
        **options: Any,
    ) -> pd.DataFrame:
        """Read its full result, found by the ids of job and task under a root: see `explorer_frames.read_output`.

        Where it lies there is not published: `path` says it, such as ``"{job_id}/{task_id}"``. None takes the one of
        that, ``{job_id}/tasks/{task_id}`` and ``{task_id}`` which is there, or else the one name with both ids in it;
        FileReadError where none or more than one can be it.
        """
        return read_task_output(self, root_url, path=path, schema=schema, **options)

    def export_output(
        self,
        root_url: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        path: str | None = None,
        schema: str | pa.Schema | None = "auto",
        **options: Any,
    ) -> Receipt:
        """Write its full result, found as by `read_output`, to a file: see `explorer_frames.export_output`."""
        return export_task_output(self, root_url, target, path=path, schema=schema, **options)

    def __repr__(self) -> str:
        return f"<Task {escaped(self.name, 60)} {self.id}: {self._outcome}>"


@dataclass(frozen=True, slots=True, repr=False)
class Job(_Timed):
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
    _server: Server = field(compare=False)

    @classmethod
    def of(cls, data: dict[str, Any], job_id: str, trace_id: str | None, server: Server) -> Job:
        """Read a job's detail.

        Raises
        ------
        EnvelopeError
            It is not made as documented.
        """
        return cls(
            id=job_id,
            **{name: text(data.get(key)) for name, key in _NAMES.items()},
            status=status_word(data.get("status")),
            create_time=moment(data.get("createTime")),
            begin_time=moment(data.get("runBeginTime")),
            end_time=moment(data.get("runEndTime")),
            tasks=tuple(_task(task, job_id, server) for task in _tasks(data)),
            trace_id=trace_id,
            _server=server,
        )

    def refresh(self) -> Job:
        """Ask the server again."""
        return self._server.job(self.id)

    def cancel(self) -> Job:
        """Ask the server to stop it; it may take a while until its status says so. One that has ended stays so."""
        refused: ExplorerFramesError | None = None
        try:
            self._server.cancel_job(self.id)
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
                    self._server.cancel_job(self.id)
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
        workers: int = 4,
        **options: Any,
    ) -> dict[str, pd.DataFrame]:
        """Read the results of all its tasks, `workers` at a time.

        Parameters
        ----------
        limit, schema, vid_type, **options
            As in `explorer_frames.read_sample_result`, for each task; here all rows are the default.

        Returns
        -------
        dict of str to pandas.DataFrame
            By task id, in the job's order.

        Raises
        ------
        JobError
            Some could not be read. All others were: ``error.results`` has them, ``error.errors`` says why not.
        """
        if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
            raise ConfigError(f"workers must be a whole number from 1: {escaped(workers, 60)}")
        results: dict[str, pd.DataFrame] = {}
        errors: dict[str, ExplorerFramesError] = {}
        with ThreadPoolExecutor(workers) as pool:
            reads = [pool.submit(task.read, limit, schema=schema, vid_type=vid_type, **options) for task in self.tasks]
            try:
                for task, read in zip(self.tasks, reads, strict=True):
                    try:
                        results[task.id] = read.result()
                    except ExplorerFramesError as error:
                        errors[task.id] = error
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C: what has not begun does not begin
                raise
        if errors:
            raise JobError(
                f"{len(errors)} of {len(self.tasks)} results could not be read: "
                + "; ".join(f"{task.name}: {errors[task.id].what}" for task in self.tasks if task.id in errors)[:600],
                where=f"job {self.id}",
                hint="The others are in this error's .results, the reasons in its .errors.",
                results=results,
                errors=errors,
            )
        return results

    def error(self, why: str) -> JobError:
        """Make an error that names the tasks and their states."""
        tasks = ", ".join(f"{escaped(task.name, 40)} {task.status}" for task in self.tasks[:20]) or "none known"
        return JobError(
            f"{why}: job {self.id} is {self.status}; tasks: {tasks}",
            where=f"trace {escaped(self.trace_id, 80)}" if self.trace_id else None,
            hint="The job's page in Explorer shows each task's log.",
            job=self,
        )

    def __repr__(self) -> str:
        states = Counter(task.status for task in self.tasks)
        tasks = ", ".join(f"{count} {word}" for word, count in states.items()) or "none"
        name = f" {escaped(self.name, 60)!r}" if self.name else ""
        return f"<Job {self.id}{name}: {self._outcome}; tasks: {tasks}>"

    def _repr_html_(self) -> str:
        return _card(f"Job {self.id} {self.name or ''}", self._outcome, self.tasks)


def made_job_id(data: dict[str, Any], hint: str) -> str:
    """Read the id of a new job, which servers send as text or as a number."""
    try:
        return checked_id("id", data.get("id"))
    except ConfigError:
        pass  # what it is worth saying is said below
    raise UnsafeToRetryError("the server accepted the job and did not say a usable id", hint=hint)


_NAMES = {"name": "name", "workflow_id": "workflowId", "workflow_name": "workflowName"}


def task_names(data: dict[str, Any]) -> dict[str, str]:
    """Read the names of a job's tasks by their ids, and nothing else of its detail."""
    return {str(task.get("id")): str(task.get("name", "")) for task in _tasks(data)}


def _tasks(data: dict[str, Any]) -> list[dict[str, Any]]:
    tasks = data.get("tasks") or []
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise EnvelopeError("the job's tasks are no list of objects", hint="Check the server's version.")
    return tasks


def _task(data: dict[str, Any], job_id: str, server: Server) -> Task:
    return Task(
        id=str(data.get("id")),
        name=text(data.get("name")) or "",
        status=status_word(data.get("status")),
        begin_time=moment(data.get("runBeginTime")),
        end_time=moment(data.get("runEndTime")),
        job_id=job_id,
        _server=server,
    )


def _card(title: str, outcome: str, tasks: Iterable[Task]) -> str:
    import html  # noqa: PLC0415 (its table of entities is not needed to import us)

    rows = "".join(
        f"<tr><td>{html.escape(task.name)}</td><td><code>{html.escape(task.id)}</code></td>"
        f"<td>{html.escape(task._outcome)}</td></tr>"  # noqa: SLF001 (of this module)
        for task in tasks
    )
    return (
        f"<div><strong>{html.escape(title)}</strong>: {html.escape(outcome)}"
        f"<table><tr><th>task</th><th>id</th><th>status</th></tr>{rows}</table></div>"
    )
