"""Compute the content hash, a SHA-256 of the names, types and values of rows.

The hash does not depend on the division of the rows into batches. For each column, the positions of nulls, the lengths
and the bytes of the values are hashed as separate streams. Each batch continues these streams. Bytes of null values and
the memory layout of strings do not affect the hash.

A conversion to pandas and back does not change the hash. Offset widths, dictionaries, decimal precision, and the type
of a column of nulls are not hashed, because pandas does not preserve them. pandas converts NaN to null, so NaN is
hashed as null. A suffix contains the hash of the positions of NaN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames._memory import POOL
from explorer_frames._provenance import KEY, as_written, encoded

_EMPTY = hashlib.sha256().digest()
_OFFSETS = {  # for each type, the type whose name is hashed and the dtype of the offsets
    pa.string(): (pa.string(), np.int32),
    pa.binary(): (pa.binary(), np.int32),
    pa.large_string(): (pa.string(), np.int64),
    pa.large_binary(): (pa.binary(), np.int64),
}


class ContentHash:
    """Incremental content hash of consecutive tables with the same schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._rows = 0
        self._columns: list[_Stream] | None = [_Stream() for _ in schema]

    def update(self, table: pa.Table | pa.RecordBatch) -> None:
        """Hash the next rows."""
        self._rows += table.num_rows
        try:
            for stream, column in zip(self._columns or (), table.columns, strict=False):
                for array in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                    stream.update(array)
        except NotImplementedError:
            self._columns = None

    def passed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Hash the next rows and return them."""
        self.update(batch)
        return batch

    def result(self) -> str | None:
        """Return ``sha256:`` and 64 hex digits, or None for an unsupported type."""
        if self._columns is None:
            return None
        fields = list(zip(self._names, map(_name, self._columns), strict=True))
        total = hashlib.sha256(repr((fields, self._rows)).encode())
        nans = []
        left = self._columns[::-1]
        while left:
            stream = left.pop()
            total.update(stream.nulls.digest() + stream.lengths.digest() + stream.values.digest())
            nans.append(stream.nans.digest())
            left += stream.nested[::-1]
        # If there are NaN values, a period and 16 hex digits follow.
        suffix = "" if {*nans} <= {_EMPTY} else f".{hashlib.sha256(b''.join(nans)).hexdigest()[:16]}"
        return f"sha256:{total.hexdigest()}{suffix}"


def content_hash(table: pa.Table) -> str | None:
    """Return the content hash of a table."""
    content = ContentHash(table.schema)
    content.update(table)
    return content.result()


def with_content_hash(table: pa.Table, document: Mapping[str, Any]) -> pa.Table:
    """Return the table with the provenance and the content hash in its metadata."""
    known = encoded({**document, "content_hash": content_hash(table)})
    return table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: known})


def current(document: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    """Return the provenance of a table, marked as derived if its rows have changed."""
    known = document.get("content_hash")
    return as_written(document, table.num_rows, content_hash(table) if known is not None else None)


@dataclass(slots=True)
class _Stream:
    """Hashes of one column or nested field."""

    rows: int = 0
    kind: pa.DataType = field(default_factory=pa.null)  # null until the first value
    nulls: hashlib._Hash = field(default_factory=hashlib.sha256)
    nans: hashlib._Hash = field(default_factory=hashlib.sha256)
    lengths: hashlib._Hash = field(default_factory=hashlib.sha256)
    values: hashlib._Hash = field(default_factory=hashlib.sha256)
    nested: list[_Stream] = field(default_factory=list)

    def update(self, array: pa.Array) -> None:
        """Hash the next values."""
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        elif isinstance(array, pa.ExtensionArray):
            array = array.storage
        kind = array.type
        if pa.types.is_decimal(kind):  # pandas does not preserve the precision
            array = array.cast(pa.decimal256(76, kind.scale), safe=False)
        elif pa.types.is_timestamp(kind) and kind.unit == "s":  # Parquet does not support seconds
            array = array.cast(pa.timestamp("ms", kind.tz), safe=False)
        elif pa.types.is_floating(kind):
            nan = pc.is_nan(array, memory_pool=POOL)
            if nan.true_count:
                self.nans.update(self._places(nan.fill_null(False)))  # noqa: FBT003 (a value)
                array = pc.if_else(nan, pa.scalar(None, kind), array)
        if array.null_count:
            self.nulls.update(self._places(array.is_null()))
        self.rows += len(array)
        array = array.drop_null() if array.null_count else array
        if len(array):
            self._update_values(array)

    def _places(self, mask: pa.BooleanArray) -> memoryview:
        places = np.flatnonzero(mask.to_numpy(zero_copy_only=False)) + self.rows
        return places.astype("<i8").data

    def _update_values(self, array: pa.Array) -> None:
        kind = self.kind = array.type
        if kind in _OFFSETS:
            self.kind, width = _OFFSETS[kind]
            _, offsets, data = array.buffers()
            ends = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1]
            self.lengths.update(np.diff(ends).astype("<i4").data)
            if data is not None:
                self.values.update(memoryview(data)[ends[0] : ends[-1]])
            return
        if pa.types.is_boolean(kind):
            array, kind = array.cast(pa.uint8()), pa.uint8()
        if pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
            width = kind.bit_width // 8
            start, stop = array.offset * width, (array.offset + len(array)) * width
            self.values.update(memoryview(array.buffers()[1])[start:stop])
            return
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self.kind = pa.list_(kind.value_type)
            self.lengths.update(pc.list_value_length(array).to_numpy().astype("<i8").data)
        elif not (pa.types.is_struct(kind) or pa.types.is_fixed_size_list(kind)):
            raise NotImplementedError(kind)
        nested = array.flatten() if pa.types.is_struct(kind) else [array.flatten()]
        self.nested = self.nested or [_Stream() for _ in nested]
        for stream, values in zip(self.nested, nested, strict=True):
            stream.update(values)


def _name(stream: _Stream) -> str:
    """Return the name of a type, including its nested types."""
    if not stream.nested:
        return str(stream.kind)
    names = [stream.kind.field(place).name for place in range(len(stream.nested))]
    named = names if pa.types.is_struct(stream.kind) else ""  # the name of list items depends on the file format
    return f"{type(stream.kind).__name__}{named}<{', '.join(map(_name, stream.nested))}>"
