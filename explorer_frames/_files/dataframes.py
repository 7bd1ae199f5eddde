"""Convert pandas DataFrames to Arrow tables with pandas metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pandas as pd
import pyarrow as pa

from explorer_frames._errors import escaped, plural
from explorer_frames._provenance import KEY, NAME, encoded
from explorer_frames.errors import ConfigError

_STRING_LIMIT = 2**31 - 1  # maximum bytes of one Arrow `string` array
_REFUSALS = (pa.ArrowException, AttributeError, NotImplementedError, OverflowError, TypeError, ValueError)


def from_pandas(frame: pd.DataFrame, index: bool | None = None) -> pa.Table:  # noqa: FBT001 (as in pandas)
    """Convert a DataFrame to an Arrow table with its index and provenance."""
    document = _document(frame)
    try:
        if index is None:
            frame, index = _without_row_numbers(frame)
        table = pa.Table.from_pandas(frame, preserve_index=index)
    except _REFUSALS as error:
        raise _conversion_error(frame, error) from error
    if len(frame) and not table.num_columns:
        what = f"the DataFrame has {len(frame)} {plural(len(frame), 'row')} and no columns"
        raise ConfigError(what, hint="Pass index=True to write its index as a column.")
    schema = table.schema
    for place, field in enumerate(schema):
        if pa.types.is_large_string(field.type) and table.column(place).nbytes <= _STRING_LIMIT:
            schema = schema.set(place, field.with_type(pa.string()))
    metadata = {**schema.metadata, b"pandas": _readable(schema)}
    if document is not None:
        metadata[KEY] = document
    return table.cast(schema.with_metadata(metadata))


def _document(frame: pd.DataFrame) -> bytes | None:
    known = frame.attrs.get(NAME)
    if not isinstance(known, dict):
        return None
    try:
        return encoded(known)
    except (TypeError, ValueError) as error:
        what = f"cannot convert attrs[{NAME!r}] to JSON: {escaped(error)}"
        raise ConfigError(what, hint="Restore or delete the attrs of the DataFrame.") from error


def _without_row_numbers(frame: pd.DataFrame) -> tuple[pd.DataFrame, bool | None]:
    """Return the frame without row numbers, and a value for `preserve_index`.

    pyarrow writes a RangeIndex as metadata and any other integer index as a column. Filtering a DataFrame replaces a
    RangeIndex with another integer index, which would add a column to the file. Unnamed integer indexes are therefore
    not written. All other indexes are written as columns.
    """
    index = frame.index
    if index.nlevels > 1 or index.name is not None or index.inferred_type != "integer":
        return frame, True
    if not isinstance(index, pd.RangeIndex):
        frame = frame.copy(deep=False)  # `set_axis` copies the values before pandas 3
        frame.index = pd.RangeIndex(len(frame))
    return frame, None


def _conversion_error(frame: pd.DataFrame, error: Exception) -> ConfigError:
    """Return the error for the column that cannot be converted."""
    if not frame.columns.is_unique:
        label = frame.columns[frame.columns.duplicated()][0]
        return ConfigError(f"duplicate column name {escaped(label, 60)!r}", hint="Rename or drop one of the columns.")
    with suppress(TypeError):  # some attrs cannot be copied
        for where, values in _parts(frame):
            try:
                pa.Table.from_pandas(values.to_frame(), preserve_index=False)
            except _REFUSALS as refusal:
                call = ".sparse.to_dense()" if isinstance(values.dtype, pd.SparseDtype) else ".astype(str)"
                what = f"cannot convert {where} of dtype {escaped(values.dtype, 60)} to Arrow: {_said(refusal)}"
                return ConfigError(
                    what, hint=f"Convert the values to a dtype that Arrow supports, for example with {call}."
                )
    hint = "Check attrs, the index names and the column names."
    return ConfigError(f"cannot convert the DataFrame to Arrow: {_said(error)}", hint=hint)


def _parts(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Yield each column and each index level, with its name in error messages."""
    for place, label in enumerate(frame.columns):
        yield f"column {escaped(label, 60)!r}", frame.iloc[:, place]
    for level in range(frame.index.nlevels):
        yield f"index level {level}", frame.index.get_level_values(level).to_series()


def _said(error: Exception) -> str:
    return escaped(error.args[0] if error.args else error)


def _readable(schema: pa.Schema) -> bytes:
    """Return the pandas metadata without dtypes that pandas cannot read."""
    # For example, pandas writes categorical column labels but cannot read them.
    document = json.loads(schema.metadata[b"pandas"])
    for column in document["columns"]:
        try:
            pd.api.types.pandas_dtype(column["numpy_type"])
        except (NotImplementedError, TypeError, ValueError):
            column["numpy_type"] = "object"
    labels = document["column_indexes"]
    for level in labels:
        if isinstance(level["name"], list):
            level["name"] = str(tuple(level["name"]))
    if len(labels) == 1 and labels[0]["pandas_type"] == "unicode":
        return json.dumps(document).encode()
    if not _can_be_read(schema, document):
        for level in labels:
            level |= {"pandas_type": "unicode", "numpy_type": "object", "metadata": {"encoding": "UTF-8"}}
    if not _can_be_read(schema, document):  # pandas cannot parse a tuple with a missing label
        document["column_indexes"] = [{**labels[0], "name": None, "field_name": None}]
    return json.dumps(document).encode()


def _can_be_read(schema: pa.Schema, document: dict[str, Any]) -> bool:
    """Return whether pandas can read a table with this metadata."""
    try:
        pa.Table.from_batches([], schema.with_metadata({b"pandas": json.dumps(document).encode()})).to_pandas()
    except (NotImplementedError, TypeError, ValueError):
        return False
    return True
