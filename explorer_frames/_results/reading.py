"""Reading one task's result over the API: whole, as a stream, or into a file."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from explorer_frames._arguments import EVERYTHING
from explorer_frames._caller import warn_caller
from explorer_frames._decode.envelope import data_of
from explorer_frames._decode.indexed import Indexed
from explorer_frames._files.write import planned, write
from explorer_frames._jobs.task import run_of
from explorer_frames._memory import POOL
from explorer_frames._provenance import Provenance
from explorer_frames._results.result import Query, Result
from explorer_frames.errors import (
    ConfigError,
    Enduring,
    IncompleteResultError,
    TruncatedResultWarning,
    escaped,
    located,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from explorer_frames._files.write import Receipt
    from explorer_frames._http.api import Api
    from explorer_frames._http.auth import Token
    from explorer_frames._http.sessions import Deadline

_T = TypeVar("_T")

_LARGER = 2  # times a piece: for what needs memory for all rows anyway, fewer calls for each; four times is slower
_JOINED = 4  # batches


def read_table(api: Api, query: Query) -> pa.Table:
    """Read a result whole; warn if it may have been cut off."""
    table, provenance = _call(api, query, partial(_read, api))
    if not provenance.complete:
        _warn(query, provenance)
    return table


@contextmanager
def open_stream(api: Api, query: Query) -> Iterator[pa.RecordBatchReader]:
    """Read a result batch by batch."""
    with ExitStack() as stack:
        # Tried again only until the first row is there: the consumer may have used what came behind it.
        result = _call(api, query, partial(_open, api, stack))
        yield pa.RecordBatchReader.from_batches(result.schema, Enduring(_batches(query, result)))


def export(
    api: Api, query: Query, url: str | os.PathLike[str], *, allow_incomplete: bool, options: dict[str, Any]
) -> Receipt:
    """Write a result to a file. What passes is tried again whole, since nothing is published before its end."""
    if not isinstance(allow_incomplete, bool):
        raise ConfigError(f"allow_incomplete must be True or False: {escaped(allow_incomplete, 40)!r}")
    plan = planned(url, **options)

    def attempt(query: Query, token: Token, deadline: Deadline) -> Receipt:
        with ExitStack() as stack:
            result = _open(api, stack, query, token, deadline)

            def finish() -> dict[str, Any]:
                if not (result.complete or allow_incomplete):
                    raise _incomplete(result.provenance)
                return result.provenance.to_dict()

            reader = pa.RecordBatchReader.from_batches(result.schema, iter(result))
            return write(reader, plan, finish)

    return _call(api, query, attempt, look=True)


def _call(api: Api, query: Query, attempt: Callable[[Query, Token, Deadline], _T], *, look: bool = False) -> _T:
    """Make a call; `look` at the job first, as ``schema="auto"`` does in any case, unless it was looked at already."""
    with located(query.where):
        deadline = api.deadline()
        if query.run is None and (query.auto or look):
            data, _ = api.get("jobs", query.job, until=deadline)
            query = query.of_run(run_of(data, query.job, query.task))
        return api.reading(partial(attempt, query), deadline)


def _open(api: Api, stack: ExitStack, query: Query, token: Token, deadline: Deadline, *, times: int = 1) -> Result:
    """Ask for a result and read its first rows; the answer stays open as long as `stack`."""
    with ExitStack() as opening:
        segments = ("jobs", query.job, "tasks", query.task, "sample_result")
        answer = opening.enter_context(api.answer(segments, {"limit": str(query.limit)}, token, deadline))
        provenance = Provenance(
            server=api.url,
            job=query.job,
            task=query.task,
            algorithm=query.algorithm,
            limit=None if query.limit == EVERYTHING else query.limit,
            read_at=datetime.now(UTC),
        )
        if query.run is not None:
            provenance = provenance.with_run(query.run)
        check = partial(data_of, http_status=answer.status, trace_id=answer.trace_id)
        result = Result(query, answer.pieces(times), check, provenance)
        stack.enter_context(opening.pop_all())
        return result


def _read(api: Api, query: Query, token: Token, deadline: Deadline) -> tuple[pa.Table, Provenance]:
    with ExitStack() as stack:
        result = _open(api, stack, query, token, deadline, times=_LARGER)
        with closing(result.overlapped()) as batches:
            indexed = Indexed(result.schema)
            parts = [*_joined(map(indexed.take, batches), indexed.schema)]
            table = indexed.restore(pa.concat_tables(parts or [indexed.schema.empty_table()]))
    metadata = {**(table.schema.metadata or {}), **result.provenance.to_metadata()}
    return table.replace_schema_metadata(metadata), result.provenance


def _joined(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Copy a few batches into one at a time: what Arrow takes apart has up to half as much room behind it unused."""
    while some := list(islice(batches, _JOINED)):
        yield pa.Table.from_batches(some, schema).combine_chunks(POOL)


def _batches(query: Query, result: Result) -> Iterator[pa.RecordBatch]:
    with located(query.where):
        yield from result
    if not result.complete:
        _warn(query, result.provenance)


def _warn(query: Query, provenance: Provenance) -> None:
    what, hint = _why_incomplete(provenance)
    warn_caller(f"{what} [{query.where}]. {hint}", TruncatedResultWarning)


def _incomplete(provenance: Provenance) -> IncompleteResultError:
    what, hint = _why_incomplete(provenance)
    return IncompleteResultError(
        f"{what}; nothing was written", hint=f"{hint} allow_incomplete=True exports a part knowingly."
    )


def _why_incomplete(provenance: Provenance) -> tuple[str, str]:
    if provenance.status not in (None, "success"):
        return f"the task is {provenance.status}, so its rows may not be all", "Wait for the job, and read again."
    rows = f"{provenance.rows} rows came and {provenance.limit} were asked for"
    return f"{rows}: there may be more, and which ones these are is not known", "limit=None reads all."
