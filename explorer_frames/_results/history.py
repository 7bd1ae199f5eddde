"""Read the results of a workflow's last jobs into one DataFrame in long format."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from explorer_frames._arguments import EVERYTHING, checked_count, checked_id, checked_limit
from explorer_frames._errors import as_given, close_names, escaped, first_of
from explorer_frames._files.digest import with_content_hash
from explorer_frames._frames import checked_backend, to_pandas
from explorer_frames._jobs.job import check_workflow, unread
from explorer_frames._private import shortened
from explorer_frames._progress import Done, progress_bar
from explorer_frames._provenance import Provenance, document_of, with_row_count
from explorer_frames._results.reading import Query
from explorer_frames._schemas import SchemaRequest
from explorer_frames._threads import in_parallel
from explorer_frames._warnings import joined_warnings, warn_caller
from explorer_frames.errors import (
    ApiError,
    ConfigError,
    ExplorerFramesError,
    HistoryGapWarning,
    TransportError,
)

if TYPE_CHECKING:
    import pandas as pd

    from explorer_frames._client import Explorer
    from explorer_frames._jobs.job import Job
    from explorer_frames._jobs.task import Task
    from explorer_frames._results.reading import ResultReader

_RUN = pa.schema(
    [
        ("job_id", pa.string()),
        ("end_time", pa.timestamp("ms", "UTC")),
        ("task_name", pa.string()),
        ("task_id", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """Validated arguments of `history`."""

    workflow: str
    last: int | None
    task: str | None
    schema: SchemaRequest
    dtype_backend: str | None
    workers: int

    @classmethod
    def of(
        cls,
        workflow_id: object,
        last: object,
        *,
        task: object,
        schema: object,
        vid_type: str,
        dtype_backend: str | None,
        workers: object,
    ) -> HistoryRequest:
        """Validate the arguments."""
        if task is not None and not isinstance(task, str):
            raise ConfigError(
                f"task must be a name or an id, got {as_given(task)}", hint="Remove task= to read all tasks."
            )
        most = checked_limit(last, "last")
        requested = SchemaRequest.of(schema, vid_type)
        taken = sorted({*schema.names} & {*_RUN.names}) if isinstance(schema, pa.Schema) else []
        if taken:
            raise ConfigError(f"column name {taken[0]} is reserved in a history", hint="Rename the column in schema=.")
        return cls(
            workflow=checked_id("workflow_id", workflow_id),
            last=None if most == EVERYTHING else most,
            task=task,
            schema=requested,
            dtype_backend=checked_backend(dtype_backend),
            workers=checked_count("workers", workers),
        )

    def takes(self, task: Task) -> bool:
        """Return whether the result of this task is requested."""
        return self.task is None or self.task in (task.name, task.task_id)

    @property
    def empty(self) -> pa.Table:
        """Table without rows, for a workflow without results."""
        if self.task is None:
            return _RUN.empty_table()
        own = self.schema.for_task(self.task).resolve(None).schema
        return pa.schema([*_RUN, *(field.with_nullable(nullable=True) for field in own)]).empty_table()


@dataclass(frozen=True, slots=True)
class _Read:
    """Results of a job: tables and errors by task id, and descriptions of missing results."""

    job: Job
    tables: dict[str, pa.Table]
    errors: dict[str, ExplorerFramesError]
    gaps: list[str]

    @property
    def time(self) -> datetime:
        return self.job.end_time or datetime.max.replace(tzinfo=UTC)


def history(explorer: Explorer, results: ResultReader, request: HistoryRequest) -> pd.DataFrame:
    """Read the requested results; see `explorer_frames.Explorer.history`."""
    now = datetime.now(UTC)
    newest = explorer.list_jobs(request.workflow, status="success", limit=request.last)["job_id"].tolist()
    with (
        joined_warnings(),
        progress_bar(results.progress, Done(f"workflow {escaped(request.workflow, 20)}")) as bar,
        closing(in_parallel(request.workers, partial(_read, explorer, results, request), newest)) as reads,
    ):
        done = dict(bar.counted(reads, "job", len(newest)))
    lost = {job: read for job, read in done.items() if isinstance(read, ExplorerFramesError)}
    found = [read for job in reversed(newest) if isinstance(read := done[job], _Read)]
    ordered = sorted(found, key=lambda read: read.time)
    _check_errors(request, ordered, lost)
    gaps = _gaps(request, ordered)
    tables = [table for read in ordered for table in read.tables.values()]
    table = pa.concat_tables([_RUN.empty_table(), *(tables or [request.empty])], promote_options="default")
    states = [document_of(table.schema.metadata).get("complete") for table in tables]
    complete = False if gaps or False in states else None if None in states else True
    known = Provenance(server=results.url, workflow_id=request.workflow, task_name=request.task, read_at=now)
    known = with_row_count(known, len(table), complete=complete)
    return _frame(request, with_content_hash(table, known.to_dict()))


def _read(
    explorer: Explorer, results: ResultReader, request: HistoryRequest, job_id: str
) -> tuple[str, _Read | ExplorerFramesError]:
    try:
        job = explorer.job(job_id)
        check_workflow(job, request.workflow)
    except (TransportError, ApiError) as error:
        return job_id, shortened(error)
    read = _Read(job, {}, {}, [])
    for task in filter(request.takes, job.tasks):
        if task.status != "success":
            read.gaps.append(f"{job.job_id} ({escaped(task.name, 60)} {task.status})")
            continue
        try:
            own = results.table(Query.of(task, None, None, request.schema))
        except ConfigError:  # an invalid argument affects all tasks
            raise
        except ExplorerFramesError as error:
            read.errors[task.task_id] = shortened(error)
        else:
            read.tables[task.task_id] = _of_run(own, job, task)
    if not (read.tables or read.errors or read.gaps):
        read.gaps.append(f"{job.job_id} (no such task)")
    return job_id, read


def _check_errors(request: HistoryRequest, reads: list[_Read], lost: dict[str, ExplorerFramesError]) -> None:
    """Raise one error for all failed reads, with the other results attached."""
    errors: dict[tuple[str, str | None], ExplorerFramesError] = {(job, None): error for job, error in lost.items()}
    errors |= {(read.job.job_id, task): error for read in reads for task, error in read.errors.items()}
    if not errors:
        return
    results = {
        (read.job.job_id, task): _frame(request, with_content_hash(table, document_of(table.schema.metadata)))
        for read in reads
        for task, table in read.tables.items()
    }
    places = [f"job {job}" + f", task {task}" * (task is not None) for job, task in errors]
    raise unread(f"workflow {request.workflow}", places, results, errors)


def _of_run(own: pa.Table, job: Job, task: Task) -> pa.Table:
    values = (job.job_id, job.end_time, task.name, task.task_id)
    columns = [pa.repeat(pa.scalar(value, kind), own.num_rows) for value, kind in zip(values, _RUN.types, strict=True)]
    fields = [field.with_nullable(nullable=True) for field in own.schema]
    return pa.table([*columns, *own.columns], schema=pa.schema([*_RUN, *fields], own.schema.metadata))


def _gaps(request: HistoryRequest, reads: list[_Read]) -> list[str]:
    """Warn about missing results; raise ConfigError for a task name that no job has."""
    tasks = [task for read in reads for task in read.job.tasks]
    if reads and request.task is not None and not any(map(request.takes, tasks)):
        raise ConfigError(
            f"no job has a task {escaped(request.task, 60)!r}",
            where=f"workflow {request.workflow}",
            hint=close_names(request.task, sorted({task.name for task in tasks})),
        )
    gaps = [gap for read in reads for gap in read.gaps]
    if gaps:
        what = f"missing from the history of workflow {request.workflow}: jobs {first_of(gaps)}"
        warn_caller(what, HistoryGapWarning)
    return gaps


def _frame(request: HistoryRequest, table: pa.Table) -> pd.DataFrame:
    return to_pandas(table, request.dtype_backend, nullable=table.column_names if request.task is None else ())
