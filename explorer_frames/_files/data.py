"""Anything tabular -> a RecordBatchReader with the types that files have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from explorer_frames._errors import escaped
from explorer_frames._files.digest import current
from explorer_frames._provenance import KEY, NAME, document_of, encoded
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
_STRING_LIMIT = 2**31 - 1  # bytes behind one array of Arrow's `string`


def to_reader(data: Any) -> pa.RecordBatchReader:
    """Read a table, a frame or a stream batch by batch.

    Parameters
    ----------
    data
        A pandas DataFrame, a `pyarrow` Table, RecordBatch or RecordBatchReader, or anything with
        ``__arrow_c_stream__``. Strings of DataFrames and string views come as ``string``; a DataFrame's RangeIndex is
        dropped, any other index kept, and its ``attrs["explorer_frames"]`` is in the schema's metadata.

    Raises
    ------
    ConfigError
        It is no table, or a DataFrame that does not fit Arrow.

    Examples
    --------
    >>> to_reader(pd.DataFrame({"id": ["player100"]})).schema.types
    [DataType(string)]
    """
    if isinstance(data, pd.DataFrame):
        data = _from_pandas(data)
    elif not hasattr(data, "__arrow_c_stream__") or isinstance(data, pd.Series | type):
        hint = "Pass a DataFrame, a pyarrow Table, RecordBatch or RecordBatchReader, or an Arrow stream."
        raise ConfigError(f"data is {type(data).__name__}, not a table", hint=hint)
    reader = _reader(data)
    _check_names(reader.schema)
    schema = _without_views(reader.schema)
    # Not by the reader's own cast, which would wrap what the source raises.
    return reader if schema == reader.schema else pa.RecordBatchReader.from_batches(schema, _cast(reader, schema))


def to_committed(data: Any) -> pa.RecordBatchReader:
    """Read the same with a record that holds before the rows are read, as commits to tables need it.

    A stream cannot be compared with its record before the commit, so whether it is complete is unknown.
    """
    reader = to_reader(data)
    document = document_of(reader.schema.metadata)
    if not isinstance(data, pd.DataFrame | pa.Table | pa.RecordBatch):
        if document.get("content_hash") is None:
            return reader
        known: dict[str, Any] = {**document, "complete": None, "derived": None}
        schema = reader.schema.with_metadata({**reader.schema.metadata, KEY: encoded(known)})
        return pa.RecordBatchReader.from_batches(schema, _cast(reader, schema))
    table = reader.read_all()
    known = current(document, table)
    if known.get("derived"):
        table = table.replace_schema_metadata({**table.schema.metadata, KEY: encoded(known)})
    return table.to_reader()


def _cast(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        yield batch.cast(schema)


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    if len(frame) and not len(frame.columns):
        raise ConfigError(f"the DataFrame has {len(frame)} rows and no columns", hint="Reset the index, if it is data.")
    index = False if isinstance(frame.index, pd.RangeIndex) else None
    try:
        known = frame.attrs.get(NAME)
        document = encoded(known) if isinstance(known, dict) else None
        table = pa.Table.from_pandas(frame, preserve_index=index)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        hint = "Give every column one type and a name of its own, and keep attrs JSON-able."
        raise ConfigError(f"the DataFrame does not fit Arrow: {escaped(error)}", hint=hint) from error
    schema = table.schema
    for place, field in enumerate(schema):
        if pa.types.is_large_string(field.type) and table.column(place).nbytes <= _STRING_LIMIT:
            schema = schema.set(place, field.with_type(pa.string()))
    metadata = {**(schema.metadata or {}), b"pandas": _readable(schema.metadata[b"pandas"])}
    if document is not None:
        metadata[KEY] = document
    return table.cast(schema.with_metadata(metadata))


def _readable(described: bytes) -> bytes:
    """Name no dtype that pandas writes and cannot read: with ``list<item: string>[pyarrow]`` it refuses the file."""
    document = json.loads(described)
    for column in document["columns"]:
        try:
            pd.api.types.pandas_dtype(column["numpy_type"])
        except (TypeError, NotImplementedError):
            column["numpy_type"] = "object"
    return json.dumps(document).encode()


def _reader(data: Any) -> pa.RecordBatchReader:
    if isinstance(data, pa.RecordBatchReader):
        return data
    if isinstance(data, pa.Table):
        return _unified(data).to_reader()
    try:
        return pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        hint = "Pass a table: a single column has no name to be stored under."
        raise ConfigError(f"data is {type(data).__name__}: {escaped(error)}", hint=hint) from error


def _unified(table: pa.Table) -> pa.Table:
    """Return the table with one dictionary per column, as an Arrow file has it; as values where there can be none."""
    try:
        return table.unify_dictionaries()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        schema = table.schema
        for place, field in enumerate(schema):
            if pa.types.is_dictionary(field.type):
                schema = schema.set(place, field.with_type(field.type.value_type))
        return table.cast(schema)


def _check_names(schema: pa.Schema) -> None:
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        what = f"two columns are called {escaped(twice[0], 60)!r}"
        raise ConfigError(what, hint="Readers of the file could not tell them apart: rename one.")


def _without_views(schema: pa.Schema) -> pa.Schema:
    """Return the schema with string views, a layout of memory rather than of files, as strings."""
    for place, field in enumerate(schema):
        kind = field.type
        if pa.types.is_dictionary(kind) and kind.value_type in _PLAIN:
            kind = pa.dictionary(kind.index_type, _PLAIN[kind.value_type], kind.ordered)
        schema = schema.set(place, field.with_type(_PLAIN.get(kind, kind)))
    return schema
