"""Columns of several results, decided before they are read: for engines that need a schema first."""

from __future__ import annotations

import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from explorer_frames._threads import in_parallel
from explorer_frames.errors import ConfigError, TruncatedResultWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from explorer_frames._results.result import Query

_WORKERS = 4
_ROWS = 100  # of each result: cells that are not numbers make all columns text, and are most likely among them


class Reader(Protocol):
    """The part of an `Explorer` that reads the first rows of a result."""

    @property
    def read_sample_result_arrow(self) -> Callable[..., pa.Table]: ...


def sampled_schemas(reader: Reader, queries: Sequence[Query]) -> list[pa.Schema]:
    """Read the first rows of each result for its schema.

    Raises
    ------
    TransportError, ApiError, DecodeError
        As in `explorer_frames.read_sample_result`.
    """

    def sample(query: Query) -> tuple[tuple[str, str], pa.Schema]:
        schema = query.schema.algorithm or ("auto" if query.schema.auto else None)
        asked = {"schema": schema, "vid_type": query.schema.vid_type}
        table = reader.read_sample_result_arrow(query.job, query.task, _ROWS, **asked)
        return (query.job, query.task), table.schema.remove_metadata()

    with warnings.catch_warnings(), closing(in_parallel(_WORKERS, sample, queries)) as found:
        warnings.simplefilter("ignore", TruncatedResultWarning)
        by_task = dict(found)
    return [by_task[query.job, query.task] for query in queries]


def united(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the one schema of all results, or the union of their columns, all of them nullable.

    Raises
    ------
    ConfigError
        Two results have columns of one name and different types.
    """
    first, *others = schemas
    if all(other == first for other in others):
        return first
    nullable = [pa.schema([field.with_nullable(nullable=True) for field in schema]) for schema in schemas]
    try:
        return pa.unify_schemas(nullable)
    except pa.ArrowException:
        pass
    raise ConfigError(
        f"the tasks have columns of different types: {' / '.join(_shown(schema) for schema in dict.fromkeys(schemas))}",
        hint="Read them one by one, or pass a pyarrow.Schema that fits all of them.",
    )


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns of a union; those it does not have are null."""
    columns = [
        table.column(field.name) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _shown(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
