"""One task's result: what is asked for, and the answer's batches with the checks that belong to it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from explorer_frames import schemas
from explorer_frames._arguments import checked_id, checked_limit
from explorer_frames._decode.cells import to_batch
from explorer_frames._decode.envelope import read_rows
from explorer_frames._decode.split import split
from explorer_frames._threads import pipelined
from explorer_frames.errors import EnvelopeError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    import pyarrow as pa

    from explorer_frames._decode.rows import Rows
    from explorer_frames._provenance import Provenance, Run


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for, checked.

    Attributes
    ----------
    schema
        An entry of the book, a caller's own, or None for the rule by the number of columns.
    auto
        Whether the task's name decides, where it can.
    run
        What the job's detail tells of the task, where it was looked at.
    large
        Whether columns of text are to be large_string.
    """

    job: str
    task: str
    limit: int
    schema: pa.Schema | schemas.Algorithm | None
    vid_type: str
    auto: bool = False
    run: Run | None = None
    large: bool = False

    @classmethod
    def of(
        cls,
        job_id: object,
        task_id: object,
        limit: object,
        schema: object,
        vid_type: str,
        *,
        run: Run | None = None,
        large: bool = False,
    ) -> Query:
        """Check a caller's arguments, before any I/O.

        Raises
        ------
        ConfigError
        """
        wanted, auto = schemas.asked(schema, vid_type)
        job, task = checked_id("job_id", job_id), checked_id("task_id", task_id)
        query = cls(job, task, checked_limit(limit), wanted, vid_type, auto, large=large)
        return query if run is None else query.of_run(run)

    def of_run(self, run: Run) -> Query:
        """The same, knowing what the job's detail tells."""
        schema = schemas.find(run.task_name or "") if self.auto else self.schema
        return replace(self, run=run, schema=schema)

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"job {self.job}, task {self.task}"

    @property
    def algorithm(self) -> str | None:
        """Name of the algorithm, where it is known."""
        return self.schema.name if isinstance(self.schema, schemas.Algorithm) else None


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

    Attributes
    ----------
    schema
        Known as soon as the first row is; the provenance is in its metadata.
    provenance
        Complete when the iteration has ended.
    """

    def __init__(
        self,
        query: Query,
        pieces: Iterable[bytes],
        check: Callable[[Any], dict[str, Any]],
        provenance: Provenance,
    ) -> None:
        self.provenance = provenance
        self._query = query
        chunks = self._within_limit(self._checked(read_rows(pieces), check))
        first = next(chunks, None)
        cells = split(first) if first is not None else None
        width = cells.width if cells else None
        schema = schemas.choose(query.schema, width, query.vid_type, hint=query.auto)
        schema = schemas.with_large_strings(schema) if query.large else schema
        self.schema = schema.with_metadata({**(schema.metadata or {}), **provenance.to_metadata()})
        self._dictionaries: dict[str, pa.Array] = {}
        self._first = iter([cells] if cells else [])  # not kept when it has been read
        self._rest = chunks

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._counted(map(self._decoded, self._rest))

    def overlapped(self) -> Generator[pa.RecordBatch]:
        """The same, taken apart by another thread while this one receives: less time for more memory. Close it."""
        with closing(pipelined(self._decoded, self._rest)) as rest:
            yield from self._counted(rest)

    def _decoded(self, rows: Rows) -> pa.RecordBatch:
        return to_batch(split(rows), self.schema, self._dictionaries)

    def _counted(self, rest: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in chain((to_batch(cells, self.schema, self._dictionaries) for cells in self._first), rest):
            rows += batch.num_rows
            yield batch
        self.provenance = self.provenance.ended(rows)

    @property
    def complete(self) -> bool:
        """Whether these are known to be all rows; never before the iteration has ended."""
        return self.provenance.complete is True

    def _within_limit(self, chunks: Iterator[Rows]) -> Iterator[Rows]:
        """Refuse rows that nobody asked for before they are taken apart, which would cost far more than counting."""
        limit = self._query.limit
        for rows in chunks:
            if rows.first + rows.count > limit:
                raise EnvelopeError(
                    f"more rows came than the {limit} asked for",
                    hint="The server does not keep to `limit`, so nobody can say which rows these are.",
                )
            yield rows

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
