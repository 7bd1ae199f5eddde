"""Read a task's result through the API into a table, a stream or a file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pyarrow as pa

from explorer_frames import _schemas
from explorer_frames._arguments import EVERYTHING, checked_id, checked_limit
from explorer_frames._decode.cells import to_batch, to_table
from explorer_frames._decode.envelope import read_rows
from explorer_frames._decode.rows import split
from explorer_frames._errors import StickyErrorIterator, add_context, escaped, plural
from explorer_frames._files.digest import ContentHash
from explorer_frames._files.write import write
from explorer_frames._http.api import judged_body
from explorer_frames._jobs.job import Job, only_task
from explorer_frames._jobs.status import FINAL, same_id, status_word
from explorer_frames._jobs.task import Task, listed, runs_of
from explorer_frames._progress import Bar, Done, count, progress_bar
from explorer_frames._provenance import Provenance, run_of, with_provenance, with_row_count
from explorer_frames._secrets import NO_SECRETS, Concealed, Secrets
from explorer_frames._threads import pipelined
from explorer_frames._warnings import CallingLine, calling_line, warn_caller
from explorer_frames.errors import (
    ApiError,
    BadRequestError,
    ConfigError,
    EnvelopeError,
    IncompleteResultError,
    SchemaWarning,
    TransportError,
    TruncatedResultWarning,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from explorer_frames._decode.cells import Cells
    from explorer_frames._decode.rows import Rows
    from explorer_frames._files.formats import Options
    from explorer_frames._files.write import Finish, Receipt
    from explorer_frames._http.api import Api
    from explorer_frames._http.exchange import Deadline
    from explorer_frames._http.transport import Identity
    from explorer_frames._schemas import SchemaRequest
    from explorer_frames._storage.publish import Target

_T = TypeVar("_T")
_Attempt: TypeAlias = "Callable[[Query, Identity, Deadline], _T]"

_PARAMETER_ERROR = 40004001
_STEPS = [EVERYTHING, 1_000_000, 100_000, 10_000]
_FEWEST = 1000  # lowest number of rows that may be a cap
_KEPT_JOBS = 256
_LARGER = 2  # factor for the chunk size if all rows are kept in memory; 4 is slower
_JOINED = 4  # batches per chunk of a table


@dataclass(frozen=True, slots=True)
class Query:
    """Validated arguments of a reader."""

    job: str
    task: str
    limit: int | None  # None for all rows
    schema: SchemaRequest
    run: Provenance | None = None  # provenance of the task, if its job was requested
    unfinished: bool = False  # whether the status of the caller's `Task` is not final
    large: bool = False  # whether text columns have the type large_string

    @classmethod
    def of(cls, job_id: object, task_id: object, limit: object, schema: SchemaRequest, *, large: bool = False) -> Query:
        """Validate the arguments."""
        job, number, task = result_ids(job_id, task_id)
        rows = None if limit is None or checked_limit(limit) == EVERYTHING else checked_limit(limit)
        query = cls(checked_id("job_id", job), checked_id("task_id", number), rows, schema, large=large)
        if task is None:
            return query
        return query.with_task_run(run_of(task)) if task.status in FINAL else replace(query, unfinished=True)

    def with_task_run(self, run: Provenance) -> Query:
        """Return a copy with the task's provenance, and with the schema for its name."""
        return replace(self, run=run, schema=self.schema.for_task(run.task_name))

    @property
    def where(self) -> str:
        """Location in error messages."""
        return f"job {self.job}, task {self.task}"

    @property
    def state(self) -> Done:
        """Initial state of a progress bar."""
        name = self.run and self.run.task_name
        task = escaped(name, 30) if name else f"task {escaped(self.task, 20)}"
        return Done(f"job {escaped(self.job, 20)}, {task}")


def result_ids(job_id: object, task_id: object) -> tuple[object, object, Task | None]:
    """Return the job id, the task id and the `Task`, if any, for the arguments of a reader."""
    if isinstance(job_id, Task):
        task, job = job_id, job_id.job_id
        if task_id is not None:
            raise ConfigError("task_id cannot be combined with a Task", hint="Pass only the Task.")
    elif isinstance(task_id, Task):
        task, job = task_id, job_id.job_id if isinstance(job_id, Job) else checked_id("job_id", job_id)
    elif isinstance(job_id, Job):
        if task_id is None and len(job_id) != 1:
            hint = f"Pass the name or id of a task: {listed(job_id.tasks)}. See job.tasks."
            raise ConfigError(f"missing task_id: job {job_id.job_id} has {len(job_id)} tasks", hint=hint)
        task, job = only_task(job_id, None if task_id is None else str(task_id)), job_id.job_id
    else:
        if task_id is None:
            raise ConfigError("missing task_id", hint="Pass the id of a task, or pass a Task instead of both ids.")
        return job_id, task_id, None
    if not same_id(task.job_id, job):
        raise ConfigError(f"task {task.task_id} belongs to job {task.job_id}, not to job {job}")
    return task.job_id, task.task_id, task


class Result:
    """Record batches of one response, decoded while the response is received."""

    def __init__(
        self,
        query: Query,
        rows: Iterator[Rows],
        provenance: Provenance,
        limits: RowLimits,
        secrets: Secrets = NO_SECRETS,
    ) -> None:
        self._secrets = secrets
        self._limit = query.limit or EVERYTHING
        self._limits = limits
        self._rest = Concealed(rows, secrets)
        first = next(self._rest, None)
        cells = split(first) if first is not None else None
        resolved = query.schema.resolve(int(cells.widths[0]) if cells else None)
        self._may_be_text = resolved.may_be_text
        self.provenance = replace(provenance, algorithm=resolved.algorithm, schema_source=resolved.source)
        self.schema = _schemas.with_large_strings(resolved.schema) if query.large else resolved.schema
        self._dictionaries: dict[str, pa.Array] = {}
        self.rows = 0
        self._first = iter([self._typed(cells)] if cells else [])  # an iterator, to release the batch

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from chain(self._first, map(self._decoded, self._rest))
        self._finish(None)

    def overlapped(self) -> Generator[pa.RecordBatch]:
        """Yield the batches, decoded and hashed in a background thread."""
        content = ContentHash(self.schema)
        yield from map(content.passed, self._first)
        second = next(self._rest, None)
        if second is not None:  # a single batch does not require a thread
            rest = chain(iter([second]), self._rest)
            del second
            with closing(pipelined(lambda rows: content.passed(self._decoded(rows)), rest)) as batches:
                yield from batches
        self._finish(content.result())

    def _decoded(self, rows: Rows) -> pa.RecordBatch:
        with self._secrets.concealed_in_errors():
            return self._typed(split(rows))

    def _typed(self, cells: Cells) -> pa.RecordBatch:
        with _schemas.noting_fallback(may_be_text=self._may_be_text):
            batch = to_batch(cells, self.schema, self._dictionaries)
        self.rows += batch.num_rows
        count(rows=batch.num_rows)
        return batch

    def _finish(self, content_hash: str | None) -> None:
        complete = self._limits.is_complete(self.rows, self._limit)
        known = with_row_count(self.provenance, self.rows, complete=complete)
        self.provenance = replace(known, content_hash=content_hash)


class RowLimits:
    """Row limits of a server, inferred from its responses.

    A server may cap the number of rows without an error. The cap is most likely a round number, so a result with a
    round number of rows may be incomplete.
    """

    def __init__(self, row_cap: int | None) -> None:
        self._row_cap = row_cap
        self._steps = _STEPS
        self._most_rows = 0

    def to_try(self, limit: int | None) -> list[int]:
        """Return the limits to try until the server accepts one."""
        if limit is None and self._row_cap is None:
            return self._steps
        return [min(limit or EVERYTHING, self._row_cap or EVERYTHING)]

    def accept(self, limit: int) -> None:
        """Store a limit that the server has accepted."""
        if limit in _STEPS:
            self._steps = _STEPS[_STEPS.index(limit) :]

    def is_complete(self, rows: int, limit: int) -> bool | None:
        """Return whether a result is complete; None if unknown."""
        larger_came = rows < self._most_rows
        self._most_rows = max(rows, self._most_rows)
        if rows >= limit:
            return False
        known = self._row_cap is not None or larger_came or not is_round(rows)
        return True if known else None

    def why_incomplete(self, provenance: Provenance, requested: int | None) -> tuple[str, str]:
        """Return why a result may be incomplete, and a hint."""
        if provenance.status not in (None, "success"):
            return (
                f"the result may be incomplete: the task's status is {provenance.status}",
                "Wait until the job has ended, then read the result again.",
            )
        why = f"the server returned exactly limit={provenance.limit} {plural(provenance.rows or 0, 'row')}"
        if provenance.complete is None:
            why = f"{provenance.rows} rows may be the server's cap, because {provenance.rows} is a round number"
            hint = "To read all rows, use Task.read_output. If you know the server's cap, set row_cap=."
        elif requested is not None and requested < (self._row_cap or self._steps[0]):
            hint = "Pass limit=None to request every row."
        elif self._row_cap is None:
            hint = "Read the full result with Task.read_output. The server does not accept a larger limit."
        else:
            hint = "Read the full result with Task.read_output. If the server returns more rows, set a larger row_cap=."
        return f"the result may be incomplete: {why}", hint

    def warn(self, query: Query, provenance: Provenance, opened: CallingLine | None = None) -> None:
        """Warn that a result may be incomplete."""
        what, hint = self.why_incomplete(provenance, query.limit)
        name = escaped(provenance.task_name or query.task, 60)
        warn_caller(what, TruncatedResultWarning, f"job {query.job}, task {name}", hint, opened=opened)


def is_round(rows: int) -> bool:
    """Return whether a number of rows may be a server's cap.

    Examples
    --------
    >>> [rows for rows in (500, 1000, 1024, 1500, 2000, 5000, 65536) if is_round(rows)]
    [1000, 1024, 5000, 65536]
    """
    return rows >= _FEWEST and (rows.bit_count() == 1 or str(rows).rstrip("0") in ("1", "5"))


class JobLookup:
    """Cache of the tasks of jobs that have ended."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kept: OrderedDict[str, dict[str, Provenance]] = OrderedDict()
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """Replace the lock, because a thread of the parent process may have held it."""
        self._lock = threading.Lock()

    def run(self, job_id: str, task_id: str, deadline: Deadline) -> Provenance:
        """Return a task's provenance, requested from the server if not cached."""
        with self._lock:
            runs = self._kept.get(job_id)
        if runs is None:
            data, _ = self._api.get("jobs", job_id, until=deadline)
            runs = runs_of(data, job_id)
            self._keep(job_id, status_word(data.get("status")), runs)
        return runs.get(task_id) or Provenance(workflow_id=next((run.workflow_id for run in runs.values()), None))

    def remember(self, job: Job) -> None:
        """Replace the cached tasks of a job."""
        runs = {task.task_id: run_of(task) for task in job.tasks if task.status in FINAL}
        self._keep(job.job_id, job.status if len(runs) == len(job.tasks) else "", runs)

    def _keep(self, job_id: str, status: str, runs: dict[str, Provenance]) -> None:
        with self._lock:
            self._kept.pop(job_id, None)
            if status in FINAL and all(run.status in FINAL for run in runs.values()):
                self._kept[job_id] = runs
            while len(self._kept) > _KEPT_JOBS:
                self._kept.popitem(last=False)


class ResultReader:
    """Reader for the results of one server."""

    def __init__(self, api: Api, row_cap: int | None, *, progress: bool | None = None) -> None:
        self.progress = progress
        self.lookup = JobLookup(api)
        self.url = api.url
        self._api = api
        self._limits = RowLimits(row_cap)

    def table(self, query: Query) -> pa.Table:
        """Read a result into a table; warn if it may be incomplete."""
        with progress_bar(self.progress, query.state) as bar:
            table, provenance = self._call(query, self._read, bar=bar)
        if not provenance.complete:
            self._limits.warn(query, provenance)
        return table

    @contextmanager
    def stream(self, query: Query) -> Iterator[pa.RecordBatchReader]:
        """Open a result as a stream of record batches."""
        with ExitStack() as stack:
            # Errors are not retried after the first batch, because the caller may have used its rows.
            result = self._call(query, lambda *attempt: stack.enter_context(self._open(*attempt)))
            schema = with_provenance(result.schema, result.provenance)
            batches = self._batches(query, result, schema.metadata, calling_line())
            yield pa.RecordBatchReader.from_batches(schema, StickyErrorIterator(batches))

    def export(self, query: Query, plan: tuple[Target, Options], *, allow_incomplete: bool) -> Receipt:
        """Write a result to a file."""
        return self.consume(
            query, lambda reader, finish: write(reader, plan, finish), allow_incomplete=allow_incomplete
        )

    def consume(
        self, query: Query, consume: Callable[[pa.RecordBatchReader, Finish], _T], *, allow_incomplete: bool
    ) -> _T:
        """Call `consume` with the batches of a result, and call it again for each retry.

        The second argument of `consume` is a function that returns the provenance after the last batch. If the result
        may be incomplete, it raises IncompleteResultError unless `allow_incomplete` is set.
        """
        requested = query.limit

        def attempt(query: Query, identity: Identity, deadline: Deadline) -> _T:
            with self._open(query, identity, deadline) as result:

                def finish() -> dict[str, Any]:
                    if not (result.provenance.complete or allow_incomplete):
                        what, todo = self._limits.why_incomplete(result.provenance, requested)
                        hint = f"{todo} Pass allow_incomplete=True to export the rows anyway."
                        raise IncompleteResultError(f"{what}; nothing was written", hint=hint)
                    return result.provenance.to_dict()

                schema = with_provenance(result.schema, result.provenance)
                return consume(pa.RecordBatchReader.from_batches(schema, iter(result)), finish)

        with progress_bar(self.progress, query.state) as bar:
            return self._call(query, attempt, bar=bar, needs_status=True)

    def _call(self, query: Query, attempt: _Attempt[_T], *, bar: Bar | None = None, needs_status: bool = False) -> _T:
        """Look up the task and read its result, as text if the default columns do not match."""
        unnamed: ApiError | None = None
        where = query.where
        with add_context(where):
            deadline = self._api.deadline()
            needs_status |= query.unfinished
            if query.run is None and (needs_status or query.schema.needs_name):
                try:
                    query = query.with_task_run(self.lookup.run(query.job, query.task, deadline))
                except (ApiError, EnvelopeError, TransportError) as error:
                    if needs_status or isinstance(error, UnauthorizedError):
                        raise
                    if query.schema.auto:  # otherwise, the name is not required
                        if not isinstance(error, ApiError):
                            raise
                        unnamed = error
                else:
                    if bar is not None:
                        bar.state = query.state
            if query.run is not None and query.schema.contradicts(query.run.task_name):
                warn_caller(
                    f"the schema of {query.schema.algorithm} does not match the task's name "
                    f"{escaped(query.run.task_name, 60)!r}",
                    SchemaWarning,
                    where,
                    "Pass schema='auto' to use the task's name.",
                )
            read = partial(self._stepping_down, query, attempt, deadline)
            result = _schemas.read_or_as_text(query.schema, read, where)
        if unnamed is not None:
            warn_caller(
                f"cannot look up the task's name ({unnamed.what}), so the default columns are used",
                SchemaWarning,
                where,
                "Pass schema= to choose the columns.",
            )
        return result

    def _stepping_down(self, query: Query, attempt: _Attempt[_T], deadline: Deadline, schema: SchemaRequest) -> _T:
        """Read with the requested limit, or with the largest limit that the server accepts."""
        refused: list[BadRequestError] = []  # errors of this request, because a rejected login may have the same code

        def call(identity: Identity) -> _T:
            try:
                return attempt(replace(query, schema=schema, limit=limit), identity, deadline)
            except BadRequestError as error:
                if error.code == _PARAMETER_ERROR:
                    refused.append(error)
                raise

        for limit in self._limits.to_try(query.limit):
            try:
                result = self._api.reading(call, deadline)
            except BadRequestError as error:
                if error not in refused:
                    raise
            else:
                if refused:
                    self._limits.accept(limit)
                return result
        refused[0].hint = "Pass a smaller limit=. The server may reject large limits."
        raise refused[0]

    @contextmanager
    def _open(self, query: Query, identity: Identity, deadline: Deadline, times: int = 1) -> Iterator[Result]:
        """Request a result and decode its first rows."""
        segments, params = ("jobs", query.job, "tasks", query.task, "sample_result"), {"limit": str(query.limit)}
        with self._api.open("GET", segments, auth=identity, deadline=deadline, params=params, times=times) as answer:
            provenance = replace(
                query.run or Provenance(),
                server=self._api.url,
                job_id=query.job,
                task_id=query.task,
                limit=None if query.limit == EVERYTHING else query.limit,
                read_at=datetime.now(UTC),
            )
            pieces = answer.pieces() if answer.status < 400 else [judged_body(answer)]  # noqa: PLR2004 (HTTP errors)
            rows = read_rows(pieces, query.limit or EVERYTHING, answer.status, answer.trace_id)
            with answer.secrets.concealed_in_errors():
                result = Result(query, rows, provenance, self._limits, answer.secrets)
            try:
                yield result
            except BaseException:  # a retry counts the rows again
                count(rows=-result.rows)
                raise

    def _read(self, query: Query, identity: Identity, deadline: Deadline) -> tuple[pa.Table, Provenance]:
        with self._open(query, identity, deadline, _LARGER) as result, closing(result.overlapped()) as batches:
            table = to_table(batches, result.schema, joined=_JOINED)
        metadata = with_provenance(result.schema, result.provenance).metadata
        return table.replace_schema_metadata(metadata), result.provenance

    def _batches(
        self, query: Query, result: Result, metadata: dict[bytes, bytes], opened: CallingLine
    ) -> Iterator[pa.RecordBatch]:
        with add_context(query.where):
            for batch in result:
                yield batch.replace_schema_metadata(metadata)
        if not result.provenance.complete:
            self._limits.warn(query, result.provenance, opened)
