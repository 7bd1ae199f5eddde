"""Convert tables of other libraries, such as polars and DuckDB, to readers."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from explorer_frames._errors import escaped, plural
from explorer_frames.errors import ConfigError

# These methods convert an object to a table or an intermediate object. The hint suggests the first that exists.
_CONVERSIONS = (
    "to_frame",
    "to_dataframe",
    "compute",
    "toPandas",
    "to_pandas",
    "to_pandas_df",
    "to_table",
    "to_arrow",
    "collect",
    "df",
)
_TABLES = "a pandas DataFrame, a pyarrow Table, or an object with __arrow_c_stream__ or __dataframe__"


def open_foreign(data: Any) -> pa.RecordBatchReader:
    """Open an object with ``__arrow_c_stream__`` or ``__dataframe__``."""
    if hasattr(data, "__arrow_c_stream__") and not isinstance(data, pd.Series | type):
        return _streamed(data)
    if hasattr(data, "__dataframe__") and not isinstance(data, type) and not hasattr(data, "compute"):
        return _interchanged(data)
    raise _not_a_table(data)


def name_of(data: object) -> str:
    """Return the library and the type of an object, such as ``dask DataFrame``."""
    kind = data if isinstance(data, type) else type(data)
    library = kind.__module__.partition(".")[0]
    name = kind.__name__ if library == "builtins" else f"{library} {kind.__name__}"
    return f"the class {name}" if isinstance(data, type) else name


def _streamed(data: Any) -> pa.RecordBatchReader:
    try:
        reader = pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise _stream_error(data, error) from error
    if any(kind.__module__.partition(".")[0] == "polars" for kind in type(data).__mro__):
        _check_objects(reader.schema)
    return reader


def _stream_error(data: Any, error: Exception) -> ConfigError:
    for name in getattr(data, "columns", ()):
        try:
            pa.RecordBatchReader.from_stream(data.select(name))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as refusal:
            what = f"cannot convert column {escaped(name, 60)!r} to Arrow: {escaped(refusal)}"
            return ConfigError(what, hint="Cast the column to a type that Arrow supports.")
    return _not_a_table(data, error)


def _check_objects(schema: pa.Schema) -> None:
    """Reject polars columns of dtype Object, which are exported as memory addresses."""
    for field in schema:
        if _has_objects(field.type):
            what = f"cannot convert column {escaped(field.name, 60)!r} of dtype Object to Arrow"
            raise ConfigError(what, hint="Cast the column to a type that Arrow supports, or drop it.")


def _has_objects(kind: pa.DataType) -> bool:
    inner = (kind.field(place).type for place in range(kind.num_fields))
    # polars exports only Object as fixed-size binary.
    return pa.types.is_fixed_size_binary(kind) or any(map(_has_objects, inner))


def _interchanged(data: Any) -> pa.RecordBatchReader:
    from pyarrow.interchange import from_dataframe  # noqa: PLC0415 (few objects need it)

    try:
        table, rows = from_dataframe(data), data.__dataframe__().num_rows()
    except (pa.ArrowException, AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise _not_a_table(data, error) from error
    if rows and not table.num_columns:  # the conversion loses the number of rows
        raise without_columns(rows)
    return table.to_reader()


def without_columns(rows: int) -> ConfigError:
    """Return the error for rows without columns, which files cannot contain."""
    return ConfigError(f"data has {rows} {plural(rows, 'row')} and no columns", hint="Select at least one column.")


def _not_a_table(data: object, error: Exception | None = None) -> ConfigError:
    what = f"data must be a table, got {name_of(data)}"
    if error is not None:
        what = f"{what} ({escaped(error)})"
    calls = [name for name in _CONVERSIONS if callable(getattr(type(data), name, None))]
    hint = f"Pass data.{calls[0]}()." if calls else f"Pass {_TABLES}."
    return ConfigError(what, hint=hint)
