"""Reading one task's result over the API: whole, as a stream, or into a file."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from explorer_frames._envelope import data_of
from explorer_frames._jobs import task_names
from explorer_frames._provenance import Provenance
from explorer_frames._results import Query, Result
from explorer_frames._write import check_target, write
from explorer_frames.errors import IncompleteResultError, TruncatedResultWarning, located

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from explorer_frames._api import Api
    from explorer_frames._auth import Token
    from explorer_frames._sessions import Deadline
    from explorer_frames._write import Receipt

_T = TypeVar("_T")


def read_table(api: Api, query: Query) -> pa.Table:
    """Read a result whole; warn if it may have been cut off."""
    table = _call(api, query, partial(_read, api))
    if table.num_rows == query.limit:
        _warn_cut(query)
    return table


@contextmanager
def open_stream(api: Api, query: Query) -> Iterator[pa.RecordBatchReader]:
    """Read a result batch by batch."""
    with ExitStack() as stack:
        # Tried again only until the first row is there: the consumer may have used what came behind it.
        result = _call(api, query, partial(_open, api, stack))
        yield pa.RecordBatchReader.from_batches(result.schema, _batches(query, result))


def export(
    api: Api, query: Query, url: str | os.PathLike[str], *, allow_incomplete: bool, options: dict[str, Any]
) -> Receipt:
    """Write a result to a file. What passes is tried again whole, since nothing is published before its end."""
    check_target(url, **options)

    def attempt(query: Query, token: Token, deadline: Deadline) -> Receipt:
        with ExitStack() as stack:
            result = _open(api, stack, query, token, deadline)

            def finish() -> dict[bytes, bytes]:
                if not (result.complete or allow_incomplete):
                    raise _incomplete(query)
                return result.provenance.to_metadata()

            reader = pa.RecordBatchReader.from_batches(result.schema, iter(result))
            return write(reader, url, finish=finish, **options)

    return _call(api, query, attempt)


def _call(api: Api, query: Query, attempt: Callable[[Query, Token, Deadline], _T]) -> _T:
    with located(query.where):
        deadline = api.deadline()
        if query.auto and query.task_name is None:
            data, _ = api.get("jobs", query.job, until=deadline)
            query = query.named(task_names(data).get(query.task, ""))
        return api.reading(partial(attempt, query), deadline)


def _open(api: Api, stack: ExitStack, query: Query, token: Token, deadline: Deadline) -> Result:
    """Ask for a result and read its first rows; the answer stays open as long as `stack`."""
    with ExitStack() as opening:
        segments = ("jobs", query.job, "tasks", query.task, "sample_result")
        answer = opening.enter_context(api.answer(segments, {"limit": str(query.limit)}, token, deadline))
        provenance = Provenance(
            server=api.url,
            job=query.job,
            task=query.task,
            algorithm=query.algorithm,
            limit=query.limit,
            read_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        check = partial(data_of, http_status=answer.status, trace_id=answer.trace_id)
        result = Result(query, answer.pieces(), check, provenance)
        stack.enter_context(opening.pop_all())
        return result


def _read(api: Api, query: Query, token: Token, deadline: Deadline) -> pa.Table:
    with ExitStack() as stack:
        result = _open(api, stack, query, token, deadline)
        table = pa.Table.from_batches(list(result), result.schema)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **result.provenance.to_metadata()})


def _batches(query: Query, result: Result) -> Iterator[pa.RecordBatch]:
    with located(query.where):
        yield from result
    if not result.complete:
        _warn_cut(query)


def _warn_cut(query: Query) -> None:
    depth, frame = 2, sys._getframe(1)  # noqa: SLF001 (the way to point at the caller's line until Python 3.12)
    while frame.f_back is not None and not _is_callers(frame.f_globals.get("__name__", "")):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(
        f"{query.limit} rows came and {query.limit} were asked for [{query.where}]: there may be more, and which ones "
        "these are is not known. limit=None reads all.",
        TruncatedResultWarning,
        stacklevel=depth,
    )


def _is_callers(module: str) -> bool:
    return module.partition(".")[0] not in (__package__, "contextlib", "concurrent", "threading")


def _incomplete(query: Query) -> IncompleteResultError:
    return IncompleteResultError(
        f"{query.limit} rows came and {query.limit} were asked for, so there may be more; nothing was written",
        hint="Pass limit=None for all rows, or allow_incomplete=True to export a part knowingly.",
    )
