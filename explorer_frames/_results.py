"""One task's result: what is asked for, and the answer's batches with the checks that belong to it."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from explorer_frames import schemas
from explorer_frames._cells import Cells, to_batch
from explorer_frames._config import checked_id
from explorer_frames._decode import split
from explorer_frames._envelope import read_rows
from explorer_frames.errors import ConfigError, EnvelopeError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    import pyarrow as pa

    from explorer_frames._provenance import Provenance, Run
    from explorer_frames._rows import Rows

# The API has no way to ask for everything: the largest limit that any server can hold does.
EVERYTHING = 2**31 - 1


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
    """

    job: str
    task: str
    limit: int
    schema: pa.Schema | schemas.Algorithm | None
    vid_type: str
    auto: bool = False
    run: Run | None = None

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
    ) -> Query:
        """Check a caller's arguments, before any I/O.

        Raises
        ------
        ConfigError
        """
        wanted, auto = schemas.asked(schema, vid_type)
        job, task = checked_id("job_id", job_id), checked_id("task_id", task_id)
        query = cls(job, task, checked_limit(limit), wanted, vid_type, auto)
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


def checked_limit(limit: object) -> int:
    """Check a number of rows to ask for."""
    if limit is None:
        return EVERYTHING
    try:
        number = operator.index(limit)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if isinstance(limit, bool) or not 0 < number <= EVERYTHING:
        raise ConfigError(
            f"limit must be a whole number from 1, or None for all rows: {escaped(limit, 60)!r}",
        )
    return number


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
        chunks = self._checked(read_rows(pieces), check)
        first = next(chunks, None)
        cells = split(first) if first is not None else None
        width = cells.width if cells else None
        schema = schemas.choose(query.schema, width, query.vid_type, hint=query.auto)
        self.schema = schema.with_metadata({**(schema.metadata or {}), **provenance.to_metadata()})
        self._cells: Iterator[Cells] = chain([cells] if cells else [], map(split, chunks))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        rows, limit = 0, self._query.limit
        for cells in self._cells:
            batch = to_batch(cells, self.schema)
            rows += batch.num_rows
            if rows > limit:
                raise EnvelopeError(
                    f"more rows came than the {limit} asked for",
                    hint="The server does not keep to `limit`, so nobody can say which rows these are.",
                )
            yield batch
        self.provenance = self.provenance.ended(rows)

    @property
    def complete(self) -> bool:
        """Whether these are known to be all rows; never before the iteration has ended."""
        return self.provenance.complete is True

    def _checked(self, rows: Generator[Rows, None, Any], check: Callable[[Any], dict[str, Any]]) -> Iterator[Rows]:
        data = check((yield from rows))
        if data.get("items") != []:
            raise EnvelopeError(
                f"data.items is no list of rows: {escaped(json.dumps(data.get('items', 'missing')), 60)}",
                hint="Only an empty list is an empty result: see in Explorer whether the task has one.",
            )
