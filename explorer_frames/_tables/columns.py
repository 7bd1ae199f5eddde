"""Compare the columns of the data with those of a table, and cast them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames._errors import escaped
from explorer_frames._files.layouts import map_types
from explorer_frames.errors import ConfigError

_UNITS = ("s", "ms", "us", "ns")
# Names of UTC, with or without the prefix "Etc/".
_UTC = {"utc", "uct", "z", "zulu", "universal", "gmt", "gmt0", "gmt+0", "gmt-0", "greenwich", "+00:00", "-00:00"}
# Arrow extension types that are treated as their storage type.
_NAMES = {"arrow.uuid", "arrow.json"}
_MOST_DIGITS = 38  # maximum decimal precision of Delta Lake and Iceberg


def committed_schema(schema: pa.Schema, expected: pa.Schema, where: str) -> pa.Schema:
    """Return the table's schema in the data's column order; raise ConfigError on a mismatch."""
    fields = []
    for name in dict.fromkeys([*schema.names, *expected.names]):
        has = plain(schema.field(name).type) if name in schema.names else None
        wants = plain(expected.field(name).type) if name in expected.names else None
        if has is None or wants is None or not _fits(has, wants):
            said = f"is {has or 'missing'} in the data and {wants or 'missing'} in the table"
            hint = "Change the data to match the table, or change the table's schema first."
            raise ConfigError(f"column {escaped(name, 60)!r} {said}", where=where, hint=hint)
        fields.append(pa.field(name, wants, expected.field(name).nullable))
    return pa.schema(fields, metadata=schema.metadata)


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Cast a batch to a schema; raise ValueError or ArrowException on a mismatch."""
    for field in schema:
        if _lacks_values(batch.column(field.name), field):
            raise ValueError(f"column {field.name!r} contains null values, but the table's column is not nullable")
    return batch.cast(schema)


def with_partitions(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Return the batch; raise ValueError for an empty string in a partition column."""
    for name in names:
        values = batch.column(name)
        is_text = pa.types.is_string(values.type) or pa.types.is_binary(values.type)
        if is_text and pc.any(pc.equal(pc.binary_length(values), 0)).as_py():
            raise ValueError(
                f"column {name!r} contains an empty string, which Delta Lake stores as null in partition columns"
            )
    return batch


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the logical type of an Arrow type, regardless of its memory layout."""
    return map_types(kind, _without_layout)


def _without_layout(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    elif getattr(kind, "extension_name", None) in _NAMES:
        kind = plain(kind.storage_type)
    elif pa.types.is_large_list(kind):
        kind = pa.list_(kind.value_field)
    elif kind in {pa.large_string(), pa.string_view()}:
        kind = pa.string()
    elif kind in {pa.large_binary(), pa.binary_view()}:
        kind = pa.binary()
    elif pa.types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        kind = pa.decimal128(kind.precision, kind.scale)
    elif pa.types.is_timestamp(kind) and (kind.tz or "").lower().removeprefix("etc/") in _UTC:
        kind = pa.timestamp(kind.unit, "UTC")
    return kind


def _fits(has: pa.DataType, wants: pa.DataType) -> bool:
    """Return whether all values survive a cast between two plain types.

    Numbers are not widened even if their values would fit, because the type of an id column determines how ids are
    formatted.
    """
    if has == wants or pa.types.is_null(has):
        return True
    if pa.types.is_timestamp(has) and pa.types.is_timestamp(wants):
        return bool(has.tz == wants.tz and _UNITS.index(has.unit) < _UNITS.index(wants.unit))
    if pa.types.is_fixed_size_list(has) and pa.types.is_list(wants):
        return _fits(has.value_type, wants.value_type)
    if pa.types.is_fixed_size_binary(has) and pa.types.is_binary(wants):
        return True
    if has.id != wants.id or not pa.types.is_nested(has) or has.num_fields != wants.num_fields:
        return False
    named = pa.types.is_struct(has)
    pairs = [(has.field(place), wants.field(place)) for place in range(has.num_fields)]
    return all(_fits(mine.type, other.type) and (mine.name == other.name or not named) for mine, other in pairs)


def _lacks_values(values: pa.Array, field: pa.Field) -> bool:
    """Return whether a non-nullable field contains a null at any depth.

    This check is necessary because Arrow casts such nulls in lists without an error, and pyiceberg writes them.
    """
    if values.null_count and not field.nullable:
        return True
    inner = _inner_fields(field.type)
    if not any(map(_requires_values, inner)) or not pa.types.is_nested(values.type):
        return False
    present = values.drop_null()
    if pa.types.is_struct(field.type):
        parts = [present.field(place) for place in range(len(inner))]
    elif pa.types.is_map(field.type):
        first, last = present.offsets[0].as_py(), present.offsets[-1].as_py()
        parts = [present.items.slice(first, last - first)]
    else:
        parts = [present.flatten()]
    return any(map(_lacks_values, parts, inner))


def _requires_values(field: pa.Field) -> bool:
    return not field.nullable or any(map(_requires_values, _inner_fields(field.type)))


def _inner_fields(kind: pa.DataType) -> list[pa.Field]:
    """Return the child fields of a plain type that can be nullable."""
    if pa.types.is_struct(kind):
        return [kind.field(place) for place in range(kind.num_fields)]
    if pa.types.is_map(kind):
        return [kind.item_field]
    return [kind.value_field] if pa.types.is_list(kind) else []
