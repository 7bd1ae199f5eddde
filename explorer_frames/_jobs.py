"""Jobs and their tasks: records of what the server said, and how to wait for, read and cancel them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from explorer_frames._config import checked_id
from explorer_frames._parallel import checked_workers
from explorer_frames._status import moment, status_word, text
from explorer_frames._tasks import Reader, Task, Timed, entries, task_of
from explorer_frames._wait import check_patience, wait_for_end
from explorer_frames.errors import (
    BadRequestError,
    ConfigError,
    ExplorerFramesError,
    JobError,
    UnsafeToRetryError,
    escaped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from explorer_frames._wait import Progress
    from explorer_frames.schemas import VidType


class Server(Reader, Protocol):
    """What jobs need of an `Explorer`."""

    def job(self, job_id: str | int) -> Job: ...

    def cancel_job(self, job_id: str | int) -> None: ...


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
            tasks=tuple(task_of(task, job_id, text(data.get("workflowId")), server) for task in entries(data)),
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
        results: dict[str, pd.DataFrame] = {}
        errors: dict[str, ExplorerFramesError] = {}
        with ThreadPoolExecutor(checked_workers(workers)) as pool:
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
        return f"<Job {self.id}{name}: {self.outcome}; tasks: {tasks}>"

    def _repr_html_(self) -> str:
        return _card(f"Job {self.id} {self.name or ''}", self.outcome, self.tasks)


def made_job_id(data: dict[str, Any], hint: str) -> str:
    """Read the id of a new job, which servers send as text or as a number."""
    try:
        return checked_id("id", data.get("id"))
    except ConfigError:
        pass  # what it is worth saying is said below
    raise UnsafeToRetryError("the server accepted the job and did not say a usable id", hint=hint)


_NAMES = {"name": "name", "workflow_id": "workflowId", "workflow_name": "workflowName"}


def _card(title: str, outcome: str, tasks: Iterable[Task]) -> str:
    import html  # noqa: PLC0415 (its table of entities is not needed to import us)

    rows = "".join(
        f"<tr><td>{html.escape(task.name)}</td><td><code>{html.escape(task.id)}</code></td>"
        f"<td>{html.escape(task.outcome)}</td></tr>"
        for task in tasks
    )
    return (
        f"<div><strong>{html.escape(title)}</strong>: {html.escape(outcome)}"
        f"<table><tr><th>task</th><th>id</th><th>status</th></tr>{rows}</table></div>"
    )
