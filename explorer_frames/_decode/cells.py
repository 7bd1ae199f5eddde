"""Convert cells of complete rows to typed batches and tables.

The JSON parser and the CSV parser both return `Cells`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explorer_frames._errors import escaped
from explorer_frames._memory import POOL
from explorer_frames._types import typed
from explorer_frames.errors import ColumnTypeError, RowShapeError


class Cells(Protocol):
    """Untyped cells of complete rows."""

    @property
    def first(self) -> int:
        """Index of the first row in the result."""

    @property
    def widths(self) -> NDArray[np.intp]:
        """Number of cells in each row, as one element if all rows have the same number."""

    def column(self, number: int) -> pa.StringArray:
        """Return all cells of one column."""

    def rest(self, number: int) -> tuple[NDArray[np.int32], pa.StringArray]:
        """Return the cells of column `number` and all later columns, with list offsets."""


def to_batch(cells: Cells, schema: pa.Schema, dictionaries: dict[str, pa.Array] | None = None) -> pa.RecordBatch:
    """Convert cells to a typed record batch."""
    misfits = cells.widths < len(schema) - 1 if pa.types.is_list(schema.types[-1]) else cells.widths != len(schema)
    if misfits.any():
        _refuse_shape(cells, int(misfits.argmax()), schema)
    arrays = []
    # These are the dictionaries of earlier batches. New values are appended, so that earlier indices stay valid.
    dictionaries = {} if dictionaries is None else dictionaries
    for number, field in enumerate(schema):
        if pa.types.is_list(field.type):
            arrays.append(to_lists(*cells.rest(number), field, cells.first))
        elif pa.types.is_dictionary(field.type):
            arrays.append(_encoded(cells.column(number), field, cells.first, dictionaries))
        else:
            arrays.append(typed(cells.column(number), field, cells.first.__add__))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def to_table(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, joined: int | None = None) -> pa.Table:
    """Combine batches from `to_batch` into a table."""
    plain, encoded, last = schema, {}, {}
    for place, field in enumerate(schema):
        if pa.types.is_dictionary(field.type):
            encoded[place], last[place] = field, pa.array([], field.type.value_type)
            plain = plain.set(place, field.with_type(field.type.index_type))

    # The dictionary of the last batch contains all values. Earlier dictionaries are released to save memory.
    def with_indices(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [*batch.columns]
        for place in encoded:
            last[place] = columns[place].dictionary
            columns[place] = columns[place].indices
        return pa.RecordBatch.from_arrays(columns, schema=plain)

    batches = map(with_indices, batches) if encoded else iter(batches)
    if joined is None:
        table = pa.Table.from_batches(batches, plain)
    else:
        # String columns from the API have unused memory, up to half the size of the data. Copying releases it.
        tables = [plain.empty_table()]
        while some := list(islice(batches, joined)):
            tables.append(pa.Table.from_batches(some, plain).combine_chunks(POOL))
        table = pa.concat_tables(tables[1:] or tables)
    for place, field in encoded.items():
        chunks = [pa.DictionaryArray.from_arrays(chunk, last[place]) for chunk in table.column(place).chunks]
        table = table.set_column(place, field, pa.chunked_array(chunks, field.type))
    return table


def _refuse_shape(cells: Cells, index: int, schema: pa.Schema) -> None:
    row = cells.first + index
    due = (
        f"too few cells: the schema requires at least {len(schema) - 1}"
        if pa.types.is_list(schema.types[-1])
        else f"the wrong number of cells: the schema has {len(schema)} columns"
    )
    raise RowShapeError(
        f"row {row} has {due} ({', '.join(schema.names)})",
        row=row,
        hint="Pass schema='auto' to choose the schema by the task's name. To read rows of any length, pass "
        'schema=pa.schema([("cells", pa.list_(pa.string()))]).',
    )


def to_lists(ends: NDArray[np.int32], texts: pa.StringArray, field: pa.Field, first: int) -> pa.ListArray:
    """Convert cells to a list column. `first` is the index of the first row."""
    values = typed(texts, field.type.value_field.with_name(field.name), row_by_end(first, ends))
    return pa.ListArray.from_arrays(pa.array(ends), values, type=field.type)


def row_by_end(first: int, ends: NDArray[np.int32]) -> Callable[[int], int]:
    return lambda index: first + int(np.searchsorted(ends, index, side="right")) - 1


def _encoded(
    cells: pa.StringArray, field: pa.Field, first: int, dictionaries: dict[str, pa.Array]
) -> pa.DictionaryArray:
    """Convert cells to a dictionary column. `first` is the index of the first row."""
    kind = field.type
    found = typed(cells, field.with_type(kind.value_type), first.__add__).dictionary_encode()
    known = dictionaries.get(field.name, found.dictionary[:0])
    places = pc.index_in(found.dictionary, value_set=known)
    if places.null_count:
        known = pa.concat_arrays([known, found.dictionary.filter(places.is_null())])
        places = pc.index_in(found.dictionary, value_set=known)
    dictionaries[field.name] = known
    indices = places.take(found.indices)
    room = np.iinfo(kind.index_type.to_pandas_dtype()).max + 1
    if len(known) > room:
        row = first + pc.equal(indices, room).index(True).as_py()
        value = escaped(cells[row - first].as_py(), 80)
        raise ColumnTypeError(
            f"row {row}, column {field.name!r}: dictionaries with {kind.index_type} indices are limited to {room} "
            f"values, cannot add {value!r}",
            row=row,
            column=field.name,
            value=value,
            hint="Pass a pyarrow.Schema with int32 indices for this column, or without a dictionary.",
        )
    return pa.DictionaryArray.from_arrays(indices.cast(kind.index_type), known)
