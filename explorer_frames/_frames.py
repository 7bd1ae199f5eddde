"""Conversion of Arrow tables to pandas DataFrames."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Literal, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames._errors import as_given
from explorer_frames._memory import POOL
from explorer_frames._provenance import KEY, NAME
from explorer_frames._schemas import check_zone
from explorer_frames.errors import ColumnTypeError, ConfigError

DtypeBackend: TypeAlias = Literal["numpy_nullable", "pyarrow"]

_NULLABLE = {
    pa.string(): pd.StringDtype(),
    pa.large_string(): pd.StringDtype(),
    **{getattr(pa, name.lower())(): getattr(pd, f"{name}Dtype")() for name in ("Int8", "Int16", "Int32", "Int64")},
    **{getattr(pa, name.lower())(): getattr(pd, f"{name}Dtype")() for name in ("UInt8", "UInt16", "UInt32", "UInt64")},
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
_MAPPERS: dict[str | None, Callable[[pa.DataType], object] | None] = {
    None: None,
    "numpy_nullable": _NULLABLE.get,
    "pyarrow": pd.ArrowDtype,
}


def checked_backend(dtype_backend: str | None) -> str | None:
    """Validate the argument `dtype_backend`."""
    if not isinstance(dtype_backend, str | None) or dtype_backend not in _MAPPERS:
        raise ConfigError(f"dtype_backend must be None, 'numpy_nullable' or 'pyarrow', got {as_given(dtype_backend)}")
    return dtype_backend


def to_pandas(table: pa.Table, dtype_backend: str | None = None, *, nullable: Collection[str] = ()) -> pd.DataFrame:
    """Convert a table to a DataFrame; `nullable` columns have nullable dtypes by default.

    Missing integers and bools raise ColumnTypeError if numpy dtypes are requested, because pandas would change the
    dtype of the column.
    """
    nullable = () if dtype_backend else nullable
    for field, column in zip(table.schema, table.columns, strict=True):
        in_lists = pa.types.is_list(field.type)
        values = pc.list_flatten(column) if in_lists else column
        exact = ("pyarrow",) if in_lists else ("numpy_nullable", "pyarrow")
        whole = pa.types.is_integer(values.type)
        lost = None
        if values.null_count and (whole or (pa.types.is_boolean(values.type) and not in_lists)):
            lost = f"has missing values, which numpy {'integers' if whole else 'bools'} do not support"
        elif in_lists and pa.types.is_timestamp(values.type) and values.type.tz:
            lost = "has lists of timestamps with a time zone, which numpy does not support"
        if lost and dtype_backend not in exact and field.name not in nullable:
            hint = f"Pass dtype_backend={' or '.join(map(repr, exact))}."
            raise ColumnTypeError(f"column {field.name!r} {lost}", column=field.name, hint=hint)
    if dtype_backend != "pyarrow":
        table = _with_plain_dictionaries(table)
    frame: pd.DataFrame = table.to_pandas(types_mapper=_MAPPERS[dtype_backend], use_threads=False, memory_pool=POOL)
    for field, column in zip(table.schema, table.columns, strict=True):
        if field.name in nullable and (pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)):
            frame[field.name] = _NULLABLE[field.type].__from_arrow__(column)
    _describe(frame, table, dtype_backend)
    return frame


def _describe(frame: pd.DataFrame, table: pa.Table, dtype_backend: str | None) -> None:
    """Copy the provenance to `attrs`; remove the hash of NaN if NaN was converted to null."""
    metadata = table.schema.metadata or {}
    if KEY not in metadata:
        return
    known = frame.attrs[NAME] = json.loads(metadata[KEY])
    content_hash, nan, _ = (known.get("content_hash") or "").partition(".")
    if nan and (dtype_backend is None or (dtype_backend == "numpy_nullable" and _nan_is_null())):
        known["content_hash"] = content_hash


def _nan_is_null() -> bool:
    """Return whether this pandas version converts NaN to null in nullable floats."""
    return bool(pd.Float64Dtype().__from_arrow__(pa.array([float("nan")])).isna()[0])


def _with_plain_dictionaries(table: pa.Table) -> pa.Table:
    """Decode dictionaries that cannot be converted to categoricals without loss.

    Categories cannot contain NaN, or both 0.0 and -0.0. PyArrow drops the time zone of categories when it converts them
    back, and PyArrow 18 does not support unsigned indices.
    """
    for place, field in enumerate(table.schema):
        kind = field.type
        check_zone(field.name, kind.value_type if pa.types.is_dictionary(kind) or pa.types.is_list(kind) else kind)
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
            zoned = pa.types.is_timestamp(kind) and kind.tz
            kind = kind if pa.types.is_floating(kind) or zoned else pa.dictionary(pa.int64(), kind)
            table = table.set_column(place, field.name, table.column(place).cast(kind))
    return table
