"""Convert Arrow types that file readers do not support to equivalent types."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

_ROWS = 262_144  # rows to cast at a time; polars exports a column as one batch, but string arrays are limited to 2 GiB
_PLAIN = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}


def with_common_layouts(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Convert types that pandas or polars cannot read from a file."""
    # Nested dictionaries are decoded, but dictionaries of whole columns are kept. Views are converted first, because
    # pyarrow cannot decode a dictionary of string views.
    without_views = _converted(reader.schema, _without_views)
    common = _converted(without_views, _without_nested_dictionaries)
    if common == reader.schema:
        return reader
    return pa.RecordBatchReader.from_batches(common, _cast(reader, without_views, common))


def _cast(reader: pa.RecordBatchReader, *schemas: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Cast each batch. The reader's own `cast` would wrap exceptions of the source."""
    for batch in reader:
        for start in range(0, batch.num_rows, _ROWS):
            columns = batch.slice(start, _ROWS).columns
            for schema in schemas:
                columns = [_cast_column(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
            yield pa.record_batch(columns, schema=schemas[-1])


def _cast_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast a column unless it already has the type."""
    # pyarrow cannot cast every type to itself.
    return column if column.type == kind else column.cast(kind)


def _converted(schema: pa.Schema, convert: Callable[[pa.DataType], pa.DataType]) -> pa.Schema:
    fields = [field.with_type(convert(field.type)) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def map_types(kind: pa.DataType, convert: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Convert the types nested in a type, and then the type itself."""

    def inner(field: pa.Field) -> pa.Field:
        return field.with_type(map_types(field.type, convert))

    if pa.types.is_struct(kind):
        kind = pa.struct([inner(field) for field in kind])
    elif pa.types.is_map(kind):
        kind = pa.map_(inner(kind.key_field), inner(kind.item_field), kind.keys_sorted)
    elif pa.types.is_fixed_size_list(kind) and kind.list_size:
        kind = pa.list_(inner(kind.value_field), kind.list_size)
    elif pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = pa.list_(inner(kind.value_field))
    elif pa.types.is_large_list(kind):
        kind = pa.large_list(inner(kind.value_field))
    elif pa.types.is_dictionary(kind):
        kind = pa.dictionary(kind.index_type, map_types(kind.value_type, convert), kind.ordered)
    return convert(kind)


def _without_views(kind: pa.DataType) -> pa.DataType:
    return map_types(kind, lambda inner: _PLAIN.get(inner, inner))


def _without_nested_dictionaries(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind
    return map_types(kind, lambda inner: inner.value_type if pa.types.is_dictionary(inner) else inner)
