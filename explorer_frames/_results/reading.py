"""One task's result over the API: what is requested, its batches with their checks, and reading it.

A result is read whole, as a stream, or into a file.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pyarrow as pa

from explorer_frames import _schemas
from explorer_frames._arguments import EVERYTHING, checked_id, checked_limit
from explorer_frames._caller import warn_caller
from explorer_frames._decode.cells import to_batch, to_table
from explorer_frames._decode.envelope import data_of, read_rows
from explorer_frames._decode.rows import split
from explorer_frames._errors import StickyErrorIterator, add_context, escaped
from explorer_frames._fallback import AS_TEXT, read_or_as_text
from explorer_frames._files.digest import ContentHash
from explorer_frames._files.write import write
from explorer_frames._http.api import pieces_of
from explorer_frames._jobs.status import FINAL
from explorer_frames._provenance import Provenance, run_of, with_provenance, with_row_count, with_task_run
from explorer_frames._results.limits import RowLimits
from explorer_frames._results.lookup import JobLookup
from explorer_frames._threads import pipelined
from explorer_frames.errors import (
    ApiError,
    BadRequestError,
    ColumnTypeError,
    EnvelopeError,
    IncompleteResultError,
    RowShapeError,
    SchemaWarning,
    TransportError,
    TruncatedResultWarning,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from explorer_frames._decode.cells import Cells
    from explorer_frames._decode.rows import Rows
    from explorer_frames._files.formats import Options
    from explorer_frames._files.write import Finish, Receipt
    from explorer_frames._http.api import Api
    from explorer_frames._http.auth import Token
    from explorer_frames._http.sessions import Deadline
    from explorer_frames._jobs.task import Task
    from explorer_frames._provenance import Run
    from explorer_frames._schemas import SchemaRequest
    from explorer_frames._storage.publish import Target

_T = TypeVar("_T")
_Attempt: TypeAlias = "Callable[[Query, Token, Deadline], _T]"

_PARAMETER_ERROR = 40004001
_LARGER = 2  # times a piece: for what needs memory for all rows anyway, fewer calls for each; four times is slower
_JOINED = 4  # batches


@dataclass(frozen=True, slots=True)
class Query:
    """The arguments of a reader, checked.

    Attributes
    ----------
    limit
        Rows to request; None for all.
    run
        The task in the job's detail, if it was looked up.
    unfinished
        Whether the task had not ended when the caller looked at it.
    large
        Whether columns of text are to be large_string.
    """

    job: str
    task: str
    limit: int | None
    schema: SchemaRequest
    run: Run | None = None
    unfinished: bool = False
    large: bool = False

    @classmethod
    def of(
        cls,
        job_id: object,
        task_id: object,
        limit: object,
        schema: SchemaRequest,
        *,
        task: Task | None = None,
        large: bool = False,
    ) -> Query:
        """Check a caller's arguments, before any I/O.

        Parameters
        ----------
        job_id, task_id, limit
        schema
            Already checked.
        task
            The task, if the caller has it: its name is not looked up then.
        large

        Raises
        ------
        ConfigError
        """
        rows = None if limit is None or checked_limit(limit) == EVERYTHING else checked_limit(limit)
        query = cls(checked_id("job_id", job_id), checked_id("task_id", task_id), rows, schema, large=large)
        if task is None:
            return query
        return query.with_task_run(run_of(task)) if task.status in FINAL else replace(query, unfinished=True)

    def with_task_run(self, run: Run) -> Query:
        """The same, with the task in the job's detail."""
        return replace(self, run=run, schema=self.schema.for_task(run.task_name))

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"job {self.job}, task {self.task}"


class Result:
    """The batches of one answer, as they arrive.

    Parameters
    ----------
    query
    pieces
        The body of the answer.
    check
        Called with the envelope at the end, gets its ``data``; raises if it says no.
    provenance
        As known before the first row.
    limits
        Of the server.

    Attributes
    ----------
    schema
        Known as soon as the first row is.
    provenance
        Complete when the iteration has ended.
    """

    def __init__(
        self,
        query: Query,
        pieces: Iterable[bytes],
        check: Callable[[Any], dict[str, Any]],
        provenance: Provenance,
        limits: RowLimits,
    ) -> None:
        self._limit = query.limit or EVERYTHING
        self._limits = limits
        self._rest = self._checked(read_rows(pieces, self._limit), check)
        first = next(self._rest, None)
        cells = split(first) if first is not None else None
        resolved = query.schema.resolve(cells.width if cells else None)
        self._may_be_text = resolved.may_be_text
        self.provenance = replace(provenance, algorithm=resolved.algorithm, schema_source=resolved.source)
        self.schema = _schemas.with_large_strings(resolved.schema) if query.large else resolved.schema
        self._dictionaries: dict[str, pa.Array] = {}
        self._rows = 0
        self._first = iter([self._typed(cells)] if cells else [])  # not kept when it has been read

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from chain(self._first, map(self._decoded, self._rest))
        self._finish(None)

    def overlapped(self) -> Generator[pa.RecordBatch]:
        """The same, taken apart and hashed by another thread while this one receives. Close it.

        It takes less time and more memory.
        """
        content = ContentHash(self.schema)
        yield from map(content.passed, self._first)
        second = next(self._rest, None)
        if second is not None:  # else there is nothing to do for a thread
            rest = chain(iter([second]), self._rest)
            del second
            with closing(pipelined(lambda rows: content.passed(self._decoded(rows)), rest)) as batches:
                yield from batches
        self._finish(content.result())

    def _decoded(self, rows: Rows) -> pa.RecordBatch:
        return self._typed(split(rows))

    def _typed(self, cells: Cells) -> pa.RecordBatch:
        try:
            batch = to_batch(cells, self.schema, self._dictionaries)
        except (ColumnTypeError, RowShapeError) as error:
            error._may_be_text = self._may_be_text  # noqa: SLF001 (our own)
            if self._may_be_text:
                error.hint = AS_TEXT
            raise
        self._rows += batch.num_rows
        return batch

    def _finish(self, content_hash: str | None) -> None:
        complete = self._limits.is_complete(self._rows, self._limit)
        known = with_row_count(self.provenance, self._rows, complete=complete)
        self.provenance = replace(known, content_hash=content_hash)

    def _checked(self, rows: Generator[Rows, None, Any], check: Callable[[Any], dict[str, Any]]) -> Iterator[Rows]:
        data = check((yield from rows))
        if data.get("items") != []:
            raise EnvelopeError(
                f"data.items is no list of rows: {_as_json(data.get('items', 'missing'))}",
                hint="Only an empty list is an empty result: see in Explorer whether the task has one.",
            )


def _as_json(value: object) -> str:
    try:
        return escaped(json.dumps(value), 60)
    except RecursionError:  # parsing and encoding have different limits of depth
        return f"a {type(value).__name__} that is nested too deeply to show"


class ResultReader:
    """Reads and exports the results of one server.

    Parameters
    ----------
    api
    row_cap
        The most rows that the server returns, if the caller knows.

    Attributes
    ----------
    url
        Of the server.
    lookup
    """

    def __init__(self, api: Api, row_cap: int | None) -> None:
        self.lookup = JobLookup(api)
        self.url = api.url
        self._api = api
        self._limits = RowLimits(row_cap)

    def after_fork(self) -> None:
        """Share no lock with the parent process."""
        self.lookup.after_fork()

    def table(self, query: Query) -> pa.Table:
        """Read a result whole; warn if it may be truncated."""
        table, provenance = self._call(query, self._read)
        if not provenance.complete:
            _warn(query, provenance)
        return table

    @contextmanager
    def stream(self, query: Query) -> Iterator[pa.RecordBatchReader]:
        """Read a result batch by batch."""
        with ExitStack() as stack:
            # Retried only before the first batch: after it, the caller may have used rows.
            result = self._call(query, lambda *attempt: stack.enter_context(self._open(*attempt)))
            schema = with_provenance(result.schema, result.provenance)
            yield pa.RecordBatchReader.from_batches(
                schema, StickyErrorIterator(_batches(query, result, schema.metadata))
            )

    def export(self, query: Query, plan: tuple[Target, Options], *, allow_incomplete: bool) -> Receipt:
        """Write a result to a file. A retry starts again, since nothing is published before the end."""
        return self.consume(
            query, lambda reader, finish: write(reader, plan, finish), allow_incomplete=allow_incomplete
        )

    def consume(
        self, query: Query, consume: Callable[[pa.RecordBatchReader, Finish], _T], *, allow_incomplete: bool
    ) -> _T:
        """Call `consume` with the batches of a result, and again with those of a retry.

        Its second argument returns the provenance when all batches are read; it raises if the result may be truncated.
        """
        all_rows = query.limit is None

        def attempt(query: Query, token: Token, deadline: Deadline) -> _T:
            with self._open(query, token, deadline) as result:

                def finish() -> dict[str, Any]:
                    if not (result.provenance.complete or allow_incomplete):
                        raise _incomplete(result.provenance, all_rows=all_rows)
                    return result.provenance.to_dict()

                schema = with_provenance(result.schema, result.provenance)
                return consume(pa.RecordBatchReader.from_batches(schema, iter(result)), finish)

        return self._call(query, attempt, needs_status=True)

    def _call(self, query: Query, attempt: _Attempt[_T], *, needs_status: bool = False) -> _T:
        """Look up the task, then read; as text where guessed columns do not fit."""
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
                    if query.schema.auto:  # else the name would only be compared with the algorithm
                        if not isinstance(error, ApiError):
                            raise
                        unnamed = error
            if query.run is not None and query.schema.contradicts(query.run.task_name):
                warn_caller(
                    f"the schema of {query.schema.algorithm} does not match the task's name "
                    f"{escaped(query.run.task_name, 60)!r} [{where}]. Pass schema='auto' to use the task's name.",
                    SchemaWarning,
                )
            result = read_or_as_text(query.schema, partial(self._stepping_down, query, attempt, deadline), where)
        if unnamed is not None:
            warn_caller(
                f"cannot look up the task's name ({unnamed.what}), so the number of columns decides on the schema "
                f"[{where}]. Pass schema= to name the columns.",
                SchemaWarning,
            )
        return result

    def _stepping_down(self, query: Query, attempt: _Attempt[_T], deadline: Deadline, schema: SchemaRequest) -> _T:
        """Read with the requested limit; step down from that for all rows while the server refuses it."""
        refused: list[BadRequestError] = []  # by this request: a login may be refused with the same code

        def call(token: Token, deadline: Deadline) -> _T:
            try:
                return attempt(replace(query, schema=schema, limit=limit), token, deadline)
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
        refused[0].hint = "The server may refuse so large a limit: pass a smaller one."
        raise refused[0]

    @contextmanager
    def _open(self, query: Query, token: Token, deadline: Deadline, *, times: int = 1) -> Iterator[Result]:
        """Request a result and read its first rows."""
        segments = ("jobs", query.job, "tasks", query.task, "sample_result")
        with self._api.open("GET", segments, token, deadline, {"limit": str(query.limit)}) as answer:
            provenance = Provenance(
                server=self._api.url,
                job_id=query.job,
                task_id=query.task,
                limit=None if query.limit == EVERYTHING else query.limit,
                read_at=datetime.now(UTC),
            )
            if query.run is not None:
                provenance = with_task_run(provenance, query.run)
            check = partial(data_of, http_status=answer.status, trace_id=answer.trace_id)
            yield Result(query, pieces_of(answer, times), check, provenance, self._limits)

    def _read(self, query: Query, token: Token, deadline: Deadline) -> tuple[pa.Table, Provenance]:
        with self._open(query, token, deadline, times=_LARGER) as result, closing(result.overlapped()) as batches:
            table = to_table(batches, result.schema, joined=_JOINED)
        metadata = with_provenance(result.schema, result.provenance).metadata
        return table.replace_schema_metadata(metadata), result.provenance


def _batches(query: Query, result: Result, metadata: dict[bytes, bytes]) -> Iterator[pa.RecordBatch]:
    with add_context(query.where):
        for batch in result:
            yield batch.replace_schema_metadata(metadata)
    if not result.provenance.complete:
        _warn(query, result.provenance)


def _warn(query: Query, provenance: Provenance) -> None:
    what, hint = _why_incomplete(provenance, all_rows=query.limit is None)
    warn_caller(f"{what} [{query.where}]. {hint}", TruncatedResultWarning)


def _incomplete(provenance: Provenance, *, all_rows: bool) -> IncompleteResultError:
    what, hint = _why_incomplete(provenance, all_rows=all_rows)
    return IncompleteResultError(
        f"{what}; nothing was written", hint=f"{hint} allow_incomplete=True exports the rows all the same."
    )


def _why_incomplete(provenance: Provenance, *, all_rows: bool) -> tuple[str, str]:
    if provenance.status not in (None, "success"):
        return f"the result may be incomplete: the task is {provenance.status}", "Wait for the job, and read again."
    if provenance.complete is False:
        what = f"the result may be truncated: the server returned exactly limit={provenance.limit} rows"
        if all_rows:
            return what, "The server does not accept a larger limit: read the full result with Task.read_output."
        return what, "Pass limit=None to request every row."
    what = f"the result may be truncated: {provenance.rows} rows may be the server's cap, since the number is round"
    return what, "Set row_cap= for the Explorer if you know the most rows that the server returns."
