"""Convert tables, DataFrames and streams to record batch readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa

from explorer_frames._errors import escaped
from explorer_frames._files.dataframes import from_pandas
from explorer_frames._files.digest import current
from explorer_frames._files.foreign import name_of, open_foreign, without_columns
from explorer_frames._files.layouts import with_common_layouts
from explorer_frames._provenance import KEY, document_of, encoded
from explorer_frames.errors import ConfigError


def to_reader(data: Any, index: bool | None = None) -> pa.RecordBatchReader:  # noqa: FBT001 (as in pandas)
    """Convert a table, a DataFrame or a stream to a record batch reader."""
    if index is not None and not isinstance(index, bool):
        raise ConfigError(f"index must be True, False or None, got {escaped(repr(index), 60)}")
    if isinstance(data, pd.DataFrame):
        data = from_pandas(data, index)
    elif index is not None:
        hint = "Remove index=. Only pandas DataFrames have an index."
        raise ConfigError(f"index={index} requires a pandas DataFrame, got {name_of(data)}", hint=hint)
    reader = with_common_layouts(_validated(_reader(data)))
    _check_names(reader.schema)
    if not reader.schema.names:  # files cannot contain rows without columns
        rows = reader.read_all().num_rows
        if rows:
            raise without_columns(rows)
        return reader.schema.empty_table().to_reader()
    return _unified(reader.read_all()).to_reader() if isinstance(data, pa.Table) else reader


def to_committed(data: Any, index: bool | None = None) -> pa.RecordBatchReader:  # noqa: FBT001 (as in pandas)
    """Return a reader whose provenance is known before its rows are read."""
    # A table commit needs the provenance first. The rows of a stream cannot be hashed before the commit, so the
    # completeness of a stream is unknown.
    reader = to_reader(data, index)
    document = document_of(reader.schema.metadata)
    if not isinstance(data, pd.DataFrame | pa.Table | pa.RecordBatch):
        if document.get("content_hash") is None:
            return reader
        known: dict[str, Any] = {**document, "complete": None, "derived": None}
        schema = reader.schema.with_metadata({**reader.schema.metadata, KEY: encoded(known)})
        return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in reader))
    table = reader.read_all()
    known = current(document, table)
    if known.get("derived"):
        table = table.replace_schema_metadata({**table.schema.metadata, KEY: encoded(known)})
    return table.to_reader()


def _reader(data: Any) -> pa.RecordBatchReader:
    if isinstance(data, pa.RecordBatchReader):
        return data
    return data.to_reader() if isinstance(data, pa.Table) else open_foreign(data)


def _validated(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Raise ConfigError for invalid arrays, which would make the file unreadable."""

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                try:
                    column.validate(full=True)
                except pa.ArrowInvalid as error:
                    what = f"column {escaped(name, 60)!r} is invalid: {escaped(error)}"
                else:
                    continue
                raise ConfigError(what, hint="Create the column again. Its buffers do not match its type.")
            yield batch

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _unified(table: pa.Table) -> pa.Table:
    """Unify the dictionaries of each column, or decode them if that fails."""
    try:
        return table.unify_dictionaries()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        schema = table.schema
        for place, field in enumerate(schema):
            if pa.types.is_dictionary(field.type):
                schema = schema.set(place, field.with_type(field.type.value_type))
        return table.cast(schema)


def _check_names(schema: pa.Schema) -> None:
    for name, count in Counter(schema.names).most_common(1):
        if count > 1:
            what = f"duplicate column name {escaped(name, 60)!r}"
            raise ConfigError(what, hint="Rename one of the columns. Column names are written as strings.")
