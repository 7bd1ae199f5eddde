"""The content hash: SHA-256 over names, types and values, the same however the rows are cut into batches.

Each column is hashed as the streams that its Arrow type is made of (the places of nulls, lengths, the values' bytes),
so that a batch only continues them. What stands in memory behind a null, and how strings are laid out, plays no part.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator


class ContentHash:
    """Hashes tables of one schema, one after the other.

    Parameters
    ----------
    schema
        Of all of them.

    Examples
    --------
    >>> table = pa.table({"id": ["player100", "player101"], "score": [0.5, 0.25]})
    >>> whole, cut = ContentHash(table.schema), ContentHash(table.schema)
    >>> whole.update(table)
    >>> cut.update(table.slice(0, 1)), cut.update(table.slice(1))
    (None, None)
    >>> whole.result() == cut.result()
    True
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows = 0
        self._columns: list[_Stream] | None = [_Stream() for _ in schema]

    def update(self, table: pa.Table | pa.RecordBatch) -> None:
        """Take the next rows."""
        self._rows += table.num_rows
        try:
            for stream, column in zip(self._columns or (), table.columns, strict=False):
                for array in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                    stream.update(array)
        except NotImplementedError:
            self._columns = None

    def result(self) -> str | None:
        """``sha256:`` and 64 hex digits; None where a column has a type that is not hashed, such as a map."""
        if self._columns is None:
            return None
        fields = [(field.name, _kind(field.type)) for field in self._schema]
        total = hashlib.sha256(repr((fields, self._rows)).encode())
        for column in self._columns:
            for digest in column.digests():
                total.update(digest)
        return f"sha256:{total.hexdigest()}"


def _kind(kind: pa.DataType) -> str:
    """Name a type; what the items of a list are called is up to the file format."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"{type(kind).__name__}<{_kind(kind.value_type)}>"
    return str(kind)


class _Stream:
    """The hashes of one column, or of what is nested in one."""

    def __init__(self) -> None:
        self._rows = 0
        self._nulls, self._lengths, self._values = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self._nested: list[_Stream] = []

    def digests(self) -> Iterator[bytes]:
        yield from (self._nulls.digest(), self._lengths.digest(), self._values.digest())
        for stream in self._nested:
            yield from stream.digests()

    def update(self, array: pa.Array) -> None:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        elif isinstance(array, pa.ExtensionArray):
            array = array.storage
        first = self._rows
        self._rows += len(array)
        if array.null_count:
            places = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)) + first
            self._nulls.update(places.astype("<i8").data)
            array = array.drop_null()
        self._update_values(array)

    def _update_values(self, array: pa.Array) -> None:
        kind = array.type
        if pa.types.is_null(kind):
            return
        if kind in (pa.string(), pa.binary()):
            self._update_bytes(array, np.int32)
        elif kind in (pa.large_string(), pa.large_binary()):
            self._update_bytes(array, np.int64)
        elif pa.types.is_boolean(kind):
            self._values.update(array.cast(pa.uint8()).to_numpy().data)
        elif pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
            self._update_fixed(array)
        elif pa.types.is_struct(kind):
            self._update_nested(array.flatten())
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._lengths.update(pc.list_value_length(array).to_numpy().astype("<i8").data)
            self._update_nested([array.flatten()])
        elif pa.types.is_fixed_size_list(kind):
            self._update_nested([array.flatten()])
        else:
            raise NotImplementedError(kind)

    def _update_nested(self, arrays: list[pa.Array]) -> None:
        self._nested = self._nested or [_Stream() for _ in arrays]
        for stream, array in zip(self._nested, arrays, strict=True):
            stream.update(array)

    def _update_bytes(self, array: pa.Array, width: type[np.signedinteger]) -> None:
        if not len(array):
            return
        _, offsets, data = array.buffers()
        ends = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1]
        self._lengths.update(np.diff(ends).astype(ends.dtype.newbyteorder("<")).data)
        if data is not None:
            self._values.update(memoryview(data)[ends[0] : ends[-1]])

    def _update_fixed(self, array: pa.Array) -> None:
        width = array.type.bit_width // 8
        if len(array):
            start, stop = array.offset * width, (array.offset + len(array)) * width
            self._values.update(memoryview(array.buffers()[1])[start:stop])
