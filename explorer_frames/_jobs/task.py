"""`Task`, a component of a job."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from explorer_frames import _html
from explorer_frames._decode.csv_rows import Quoting
from explorer_frames._errors import escaped, first_of
from explorer_frames._files.write import LayoutOptions, Receipt, WriteOptions, planned
from explorer_frames._frames import DtypeBackend, checked_backend, to_pandas
from explorer_frames._jobs.status import id_of, moment, same_id, status_word, text
from explorer_frames._outputs.full import Request, export, open_reader, read_table
from explorer_frames._private import PrivateContext, private
from explorer_frames._provenance import Provenance
from explorer_frames._schemas import VidType
from explorer_frames._storage.paths import Destination
from explorer_frames.errors import EnvelopeError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from explorer_frames._client import Explorer


class Timed:
    """Base class of records with a status, a begin time and an end time."""

    status: str
    begin_time: datetime | None
    end_time: datetime | None

    @property
    def duration(self) -> timedelta | None:
        """Time between begin and end. None if either is missing."""
        if self.begin_time is None or self.end_time is None:
            return None
        return self.end_time - self.begin_time


def outcome(record: Timed) -> str:
    """Format the status and the duration for display."""
    return record.status + (f" in {shown_duration(record.duration)}" if record.duration is not None else "")


def shown_duration(duration: timedelta) -> str:
    """Format a duration for display.

    Examples
    --------
    >>> [shown_duration(timedelta(seconds=seconds)) for seconds in (0, 1, 2.5, 3725)]
    ['under 1 s', '1 s', '2.5 s', '1:02:05']
    """
    if duration < timedelta(seconds=1):
        return "under 1 s"
    if duration < timedelta(minutes=2):
        return f"{round(duration.total_seconds(), 1):g} s"
    return str(duration).partition(".")[0]


def as_plain(record: Timed, *names: str) -> dict[str, Any]:
    """Return the named attributes and the duration as JSON-serializable values."""
    known = {name: getattr(record, name) for name in names}
    for name, value in known.items():
        if isinstance(value, datetime):
            known[name] = value.isoformat(timespec="milliseconds")
    return {**known, "seconds": None if record.duration is None else record.duration.total_seconds()}


@private
@dataclass(frozen=True, slots=True, repr=False)
class Task(Timed):
    """State of a task, which runs one component of a workflow.

    Attributes
    ----------
    task_id : str
        Id of the task.
    name : str
        Name of the task. By default, it starts with the name of the algorithm.
    status : str
        One of the values of ``Job.status``.
    begin_time, end_time : datetime.datetime or None
        Times in UTC. None if the task has not begun or ended.
    job_id : str
        Id of the job.
    workflow_id : str or None
        Id of the workflow.
    """

    task_id: str
    name: str
    status: str
    begin_time: datetime | None
    end_time: datetime | None
    job_id: str
    workflow_id: str | None
    _explorer: Explorer = field(compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a JSON-serializable dict.

        The key ``seconds`` contains the duration. Times are ISO 8601 strings.
        """
        return as_plain(self, "task_id", "name", "status", "begin_time", "end_time", "job_id", "workflow_id")

    def read(
        self,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        dtype_backend: DtypeBackend | None = None,
    ) -> pd.DataFrame:
        """Read the result into a DataFrame; see `explorer_frames.read_sample_result`."""
        return self._explorer.read_sample_result(
            self, limit=limit, schema=schema, vid_type=vid_type, dtype_backend=dtype_backend
        )

    def read_arrow(
        self,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
    ) -> pa.Table:
        """Read the result into an Arrow table.

        See `explorer_frames.read_sample_result_arrow`.
        """
        return self._explorer.read_sample_result_arrow(self, limit=limit, schema=schema, vid_type=vid_type)

    def open(
        self,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Stream the result in constant memory; see `explorer_frames.open_sample_result`."""
        return self._explorer.open_sample_result(self, limit=limit, schema=schema, vid_type=vid_type)

    def export(
        self,
        path: Destination,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        allow_incomplete: bool = False,
        **options: Unpack[WriteOptions],
    ) -> Receipt:
        """Write the result to a file; see `explorer_frames.export_sample_result`."""
        return self._explorer.export_sample_result(
            self.job_id,
            self,
            path,
            limit,
            schema=schema,
            vid_type=vid_type,
            allow_incomplete=allow_incomplete,
            **options,
        )

    def read_output(
        self,
        root: str | os.PathLike[str],
        *,
        component: str | None = None,
        folder: str | None = None,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        dtype_backend: DtypeBackend | None = None,
        header: bool | None = None,
        quoting: Quoting = "minimal",
        storage_options: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Read the full result from Explorer's output files into a DataFrame.

        Parameters
        ----------
        root
            Folder that contains the full results of all jobs, as a local path or fsspec URL.
        component
            Id of the task's component in the workflow, such as ``"analytics_sssp_1"``. Explorer uses this id as the
            name of the result's folder. The API does not return it.
        folder
            Path of the result's folder, relative to `root`. It may contain the placeholders ``{job_id}``, ``{task_id}``
            and ``{component}``. By default, several folders are tried. With `component`, these are
            ``"{job_id}/tasks/{component}"`` and ``"{job_id}/{component}"``. Without `component`, these are
            ``"{job_id}/{task_id}"``, ``"{job_id}/tasks/{task_id}"``, ``"{task_id}"``, and folders whose names contain
            both ids.
        schema
            As in `explorer_frames.read_output`. The default, ``"auto"``, uses the task's name and the component.
        vid_type, dtype_backend, header, quoting, storage_options
            As in `explorer_frames.read_output`.

        Returns
        -------
        pandas.DataFrame
            The rows and columns of the result, as in `explorer_frames.read_output`.

        Raises
        ------
        ConfigError
            An argument is invalid, or `component` and the task have different algorithms.
        JobError
            The task has not succeeded.
        FileReadError
            A file cannot be read, no folder was found, or several folders match.
        DecodeError
            As in `explorer_frames.read_output`.
        """
        checked_backend(dtype_backend)
        request = Request.of(
            root,
            task=self,
            component=component,
            folder=folder,
            schema=schema,
            vid_type=vid_type,
            header=header,
            quoting=quoting,
            storage_options=storage_options,
        )
        return to_pandas(read_table(request), dtype_backend)

    def open_output(
        self,
        root: str | os.PathLike[str],
        *,
        component: str | None = None,
        folder: str | None = None,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        header: bool | None = None,
        quoting: Quoting = "minimal",
        storage_options: Mapping[str, Any] | None = None,
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Stream the full result in constant memory; see `explorer_frames.open_output`.

        `read_output` describes the parameters `root`, `component` and `folder`.
        """
        request = Request.of(
            root,
            task=self,
            component=component,
            folder=folder,
            schema=schema,
            vid_type=vid_type,
            header=header,
            quoting=quoting,
            storage_options=storage_options,
        )
        return PrivateContext(open_reader(request))

    def export_output(
        self,
        root: str | os.PathLike[str],
        target: Destination,
        *,
        component: str | None = None,
        folder: str | None = None,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        header: bool | None = None,
        quoting: Quoting = "minimal",
        storage_options: Mapping[str, Any] | None = None,
        target_storage_options: Mapping[str, Any] | None = None,
        target_filesystem: Any = None,
        **options: Unpack[LayoutOptions],
    ) -> Receipt:
        """Write the full result to a file; see `explorer_frames.export_output`.

        `read_output` describes the parameters `root`, `component` and `folder`.
        """
        request = Request.of(
            root,
            task=self,
            component=component,
            folder=folder,
            schema=schema,
            vid_type=vid_type,
            header=header,
            quoting=quoting,
            storage_options=storage_options,
        )
        return export(
            request, planned(target, storage_options=target_storage_options, filesystem=target_filesystem, **options)
        )

    def __repr__(self) -> str:
        return f"<Task {escaped(self.name, 60)} {self.task_id}: {outcome(self)}>"


class TaskTuple(tuple[Task, ...]):
    """Tuple of a job's tasks, displayed as a table in notebooks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "(" + ",\n ".join(map(repr, self)) + ")"

    def _repr_html_(self) -> str:
        rows = [(task.name, task.task_id, outcome(task)) for task in self]
        return _html.grid(f"{len(self)} tasks", states_of(self), ("task_name", "task_id", "status"), rows)


def states_of(tasks: Sequence[Task]) -> str:
    """Format the number of tasks by status for display."""
    states = Counter(task.status for task in tasks)
    return ", ".join(f"{count} {word}" for word, count in states.items()) or "none"


def runs_of(data: dict[str, Any], job_id: str) -> dict[str, Provenance]:
    """Return the provenance of each task in the response for a job."""
    workflow = text(data.get("workflowId"))
    runs = {}
    for task in entries(data, job_id):
        runs[str(task["id"])] = Provenance(
            workflow_id=workflow,
            task_name=text(task.get("name")),
            status=status_word(task.get("status")),
            begin_time=_known_moment(task.get("runBeginTime")),
            end_time=_known_moment(task.get("runEndTime")),
        )
    return runs


def _known_moment(value: object) -> datetime | None:
    with suppress(EnvelopeError):
        return moment(value)
    return None


def entries(data: dict[str, Any], job_id: str) -> list[dict[str, Any]]:
    """Validate the response for a job, and return its tasks."""
    number = id_of(data.get("id"), "the job")
    if not same_id(number, job_id):
        raise EnvelopeError(
            f"server returned job {escaped(number, 40)!r} instead of job {job_id}",
            hint="Check that no proxy or cache returns responses to other requests.",
        )
    tasks = data.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise EnvelopeError("invalid job: tasks must be a list of objects", hint="Check the server's version.")
    seen: set[str] = set()
    for task in tasks:
        one = id_of(task.get("id"), "a task of the job")
        if one in seen:
            raise EnvelopeError(
                f"invalid job: duplicate task id {escaped(one, 40)!r}", hint="Check the server's version."
            )
        seen.add(one)
    return tasks


def task_of(data: dict[str, Any], job_id: str, workflow_id: str | None, explorer: Explorer) -> Task:
    """Convert one of the `entries` to a `Task`."""
    return Task(
        task_id=id_of(data["id"], "a task of the job"),
        name=text(data.get("name")) or "",
        status=status_word(data.get("status")),
        begin_time=moment(data.get("runBeginTime")),
        end_time=moment(data.get("runEndTime")),
        job_id=job_id,
        workflow_id=workflow_id,
        _explorer=explorer,
    )


def named(task: Task) -> str:
    """Format the name and id of a task for a message."""
    return f"{escaped(task.name, 60)!r} ({escaped(task.task_id, 60)})"


def listed(tasks: Sequence[Task], say: Callable[[Task], str] = named) -> str:
    """Format the first tasks and the number of the others for a message."""
    return first_of([say(task) for task in tasks]) or "none"
