"""The content hash: SHA-256 over names, types and values, the same however the rows are cut into batches.

Each column is hashed as the streams that its Arrow type is made of (the places of nulls, lengths, the values' bytes),
so that a batch only continues them. What stands in memory behind a null, and how strings are laid out, plays no part.

The hash survives a conversion to pandas and back. It therefore ignores what pandas does not keep: the width of offsets,
dictionaries, the precision of decimals, and the type of columns that are all null. pandas also turns NaN into null, so
NaN counts as null here, and a suffix contains the places of NaN.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames._memory import POOL
from explorer_frames._provenance import KEY, as_written, encoded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_EMPTY = hashlib.sha256().digest()


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

    def passed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Take the next rows, and return them."""
        self.update(batch)
        return batch

    def result(self) -> str | None:
        """``sha256:`` and 64 hex digits; None where a column has a type that is not hashed, such as a map.

        If there are NaN values, a dot and 16 hex digits follow.
        """
        if self._columns is None:
            return None
        fields = list(zip(self._schema.names, (column.kind for column in self._columns), strict=True))
        total = hashlib.sha256(repr((fields, self._rows)).encode())
        for column in self._columns:
            total.update(b"".join(column.digests()))
        nans = [digest for column in self._columns for digest in column.nans()]
        suffix = "" if {*nans} <= {_EMPTY} else f".{hashlib.sha256(b''.join(nans)).hexdigest()[:16]}"
        return f"sha256:{total.hexdigest()}{suffix}"


def content_hash(table: pa.Table) -> str | None:
    """Return the hash of a whole table."""
    content = ContentHash(table.schema)
    content.update(table)
    return content.result()


def with_content_hash(table: pa.Table, document: Mapping[str, Any]) -> pa.Table:
    """Return the table with the document and its own content hash as metadata."""
    known = encoded({**document, "content_hash": content_hash(table)})
    return table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: known})


def current(document: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    """Return the document of a table, `derived` if the table's rows are not those that the document describes."""
    known = document.get("content_hash")
    return as_written(document, table.num_rows, content_hash(table) if known is not None else None)


class _Stream:
    """The hashes of one column, or of what is nested in one."""

    def __init__(self) -> None:
        self._rows = 0
        self._type = pa.null()  # until there is a value
        self._nulls, self._lengths, self._values = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self._nans = hashlib.sha256()
        self._nested: list[_Stream] = []

    @property
    def kind(self) -> str:
        """Name of the type; list and struct have the names of what is nested in them."""
        if not self._nested:
            return str(self._type)
        names = [self._type.field(place).name for place in range(len(self._nested))]
        named = names if pa.types.is_struct(self._type) else ""  # the items of a list: up to the file format
        return f"{type(self._type).__name__}{named}<{', '.join(stream.kind for stream in self._nested)}>"

    def digests(self) -> list[bytes]:
        """Return the hashes of nulls, lengths and values, then those of nested streams."""
        own = [self._nulls.digest(), self._lengths.digest(), self._values.digest()]
        return own + [digest for stream in self._nested for digest in stream.digests()]

    def nans(self) -> list[bytes]:
        """Return the hashes of the places of NaN."""
        return [self._nans.digest()] + [digest for stream in self._nested for digest in stream.nans()]

    def update(self, array: pa.Array) -> None:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        elif isinstance(array, pa.ExtensionArray):
            array = array.storage
        array = array.cast(_plain(array.type), safe=False)
        if pa.types.is_floating(array.type):
            nan = pc.is_nan(array, memory_pool=POOL)
            if nan.true_count:
                self._update_places(self._nans, nan.fill_null(False))  # noqa: FBT003 (a value)
                array = pc.if_else(nan, pa.scalar(None, array.type), array)
        if array.null_count:
            self._update_places(self._nulls, array.is_null())
        self._rows += len(array)
        array = array.drop_null() if array.null_count else array
        if len(array):
            self._type = array.type
            self._update_values(array)

    def _update_places(self, hashed: hashlib._Hash, mask: pa.BooleanArray) -> None:
        places = np.flatnonzero(mask.to_numpy(zero_copy_only=False)) + self._rows
        hashed.update(places.astype("<i8").data)

    def _update_values(self, array: pa.Array) -> None:
        kind = array.type
        if kind in (pa.string(), pa.binary()):
            self._update_bytes(array, np.int32)
        elif kind in (pa.large_string(), pa.large_binary()):
            self._type = pa.string() if kind == pa.large_string() else pa.binary()
            self._update_bytes(array, np.int64)
        elif pa.types.is_boolean(kind):
            self._values.update(array.cast(pa.uint8()).to_numpy().data)
        elif pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
            self._update_fixed(array)
        elif pa.types.is_struct(kind):
            self._update_nested(array.flatten())
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._type = pa.list_(kind.value_type)
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
        _, offsets, data = array.buffers()
        ends = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1]
        self._lengths.update(np.diff(ends).astype("<i4").data)
        if data is not None:
            self._values.update(memoryview(data)[ends[0] : ends[-1]])

    def _update_fixed(self, array: pa.Array) -> None:
        width = array.type.bit_width // 8
        start, stop = array.offset * width, (array.offset + len(array)) * width
        self._values.update(memoryview(array.buffers()[1])[start:stop])


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of which the values are hashed: Parquet has no seconds, pandas no precision of decimals."""
    if pa.types.is_decimal(kind):
        return pa.decimal256(76, kind.scale)
    return pa.timestamp("ms", kind.tz) if pa.types.is_timestamp(kind) and kind.unit == "s" else kind
