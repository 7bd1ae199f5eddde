"""Common schema of several results, determined before they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import pyarrow as pa

from explorer_frames._results.reading import Query
from explorer_frames._threads import in_parallel
from explorer_frames._warnings import joined_warnings
from explorer_frames.errors import TruncatedResultWarning

_WORKERS = 4
_ROWS = 100  # rows per result; usually enough to detect text in the default columns


def task_schemas(queries: Sequence[Query], read: Callable[[Query], pa.Table]) -> list[pa.Schema]:
    """Return the schema of each result; read its first rows if necessary."""
    fixed = queries[0].schema.only
    if fixed is not None:
        return [fixed] * len(queries)

    def sample(query: Query) -> tuple[Query, pa.Schema]:
        return query, read(replace(query, limit=_ROWS)).schema.remove_metadata()

    with joined_warnings(TruncatedResultWarning), closing(in_parallel(_WORKERS, sample, queries)) as found:
        by_task = {(query.job, query.task): schema for query, schema in found}
    return [by_task[query.job, query.task] for query in queries]


def united(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the common schema of all results, or the union of their columns."""
    first, *others = schemas
    if all(other == first for other in others):
        return first
    return pa.unify_schemas([pa.schema([field.with_nullable(nullable=True) for field in schema]) for schema in schemas])


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns of `schema`; fill missing columns with null."""
    columns = [
        table.column(field.name) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
