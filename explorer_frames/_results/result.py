"""One task's result: what is asked for, and the answer's batches with the checks that belong to it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from explorer_frames import schemas
from explorer_frames._arguments import EVERYTHING, checked_id, checked_limit
from explorer_frames._decode.cells import to_batch
from explorer_frames._decode.envelope import read_rows
from explorer_frames._decode.rows import split
from explorer_frames._fallback import AS_TEXT
from explorer_frames._files.digest import ContentHash
from explorer_frames._jobs.task import Task
from explorer_frames._threads import pipelined
from explorer_frames.errors import ColumnTypeError, ConfigError, EnvelopeError, RowShapeError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    import pyarrow as pa

    from explorer_frames._decode.cells import Cells
    from explorer_frames._decode.rows import Rows
    from explorer_frames._provenance import Provenance, Run
    from explorer_frames._results.limits import RowLimits
    from explorer_frames.schemas import SchemaRequest


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
        task: object = None,
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
        if task is not None and not isinstance(task, Task):
            raise ConfigError(f"task must be a Task or None, got {type(task).__name__}", hint="The ids are enough.")
        rows = None if limit is None or checked_limit(limit) == EVERYTHING else checked_limit(limit)
        query = cls(checked_id("job_id", job_id), checked_id("task_id", task_id), rows, schema, large=large)
        if task is None:
            return query
        return replace(query, unfinished=True) if task.run is None else query.with_task_run(task.run)

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
        self.schema = schemas.with_large_strings(resolved.schema) if query.large else resolved.schema
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
            error.may_be_text = self._may_be_text
            if self._may_be_text:
                error.hint = AS_TEXT
            raise
        self._rows += batch.num_rows
        return batch

    def _finish(self, content_hash: str | None) -> None:
        complete = self._limits.is_complete(self._rows, self._limit)
        known = self.provenance.with_row_count(self._rows, complete=complete)
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
