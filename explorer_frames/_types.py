"""Strict conversion of text to the column types of schemas.

Arrow's casts accept some invalid text. For example, they read ``007`` as an integer, ``1`` as a bool and ``1e2`` as a
decimal. Each type therefore also validates the text. Numbers are validated after the cast, because this is faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames._errors import escaped
from explorer_frames._memory import POOL
from explorer_frames.errors import ColumnTypeError

_Parse: TypeAlias = Callable[[pa.StringArray, pa.DataType], pa.Array | None]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE | re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)
_LARGEST_EXACT = 2**53  # doubles represent all integers up to this value
_TRUTH = "(?:[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])"  # RE2's (?i) would also match U+017F as s
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"  # Python and pandas do not support the year 0
_DATE = f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
_OFFSET = "(?:Z|[+-][0-9]{2}:[0-9]{2})"
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}  # number of digits in the fraction of a second
_FIRST, _END = -62_135_596_800, 253_402_300_800  # start of the years 1 and 10000, in seconds since 1970


@dataclass(frozen=True, slots=True)
class ColumnType:
    """Arrow types of columns that share a parser."""

    name: str  # shown in the hint for an unsupported type
    includes: Callable[[pa.DataType], bool]
    parse: _Parse  # returns None or raises ArrowInvalid if a cell is invalid
    hint: Callable[[pa.DataType, str], str]  # returns the hint for an invalid cell


def is_column_type(kind: pa.DataType) -> bool:
    """Return whether this column type is supported."""
    return any(row.includes(kind) for row in COLUMN_TYPES)


@lru_cache(maxsize=256)
def _row(kind: pa.DataType) -> ColumnType:
    return next(row for row in COLUMN_TYPES if row.includes(kind))


def parse(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    """Convert cells to values, or return None if a cell is invalid."""
    try:
        return _row(kind).parse(cells, kind)
    except pa.ArrowInvalid:  # such as overflow, or February 30
        return None


def typed(cells: pa.StringArray, field: pa.Field, row_of: Callable[[int], int]) -> pa.Array:
    """Convert the cells of a column; raise ColumnTypeError if a cell is invalid."""
    values = parse(cells, field.type)
    if values is None or (cells.null_count and not field.nullable):
        _refuse(cells, field, row_of)
    return values


def _refuse(cells: pa.StringArray, field: pa.Field, row_of: Callable[[int], int]) -> NoReturn:
    is_null = cells.null_count and not field.nullable
    index = cells.is_null().index(True).as_py() if is_null else _first_invalid(cells, field.type)
    row, text = row_of(index), cells[index].as_py()
    kind = pa.string() if pa.types.is_large_string(field.type) else field.type  # same name in messages
    shown = "null" if text is None else escaped(text, 80)
    raise ColumnTypeError(
        f"row {row}, column {field.name!r}: cannot convert {shown if text is None else repr(shown)} to {kind}",
        row=row,
        column=field.name,
        value=shown,
        hint=_hint(field.type, text),
    )


def _first_invalid(cells: pa.StringArray, kind: pa.DataType) -> int:
    """Return the index of the first invalid cell, by binary search."""
    start, stop = 0, len(cells)
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (start, middle) if parse(cells[start:middle], kind) is None else (middle, stop)
    return start


def _hint(kind: pa.DataType, text: str | None) -> str:
    if text is None:
        return "If cells may be missing, pass a pyarrow.Schema in which this column is nullable."
    if not text:
        return (
            "If cells may be empty, pass a pyarrow.Schema in which this column is a string, or "
            "vid_type='string' for vertex ids."
        )
    return _row(kind).hint(kind, text)


_cast = partial(pa.Array.cast, memory_pool=POOL)


def _all_match(cells: pa.StringArray, pattern: str) -> bool:
    return not pc.match_substring_regex(cells, f"^{pattern}$", memory_pool=POOL).false_count


def _accepting(accepted: str) -> str:
    return f"Valid values are {accepted}. To read other text, pass a pyarrow.Schema in which this column is a string."


# --- numbers


def _floats(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    """Cast with Arrow; reject invalid text that Arrow accepts."""
    values = _cast(cells, kind)
    # Invalid text, overflow and rounding produce only large or non-finite values, so only these are checked.
    small = pc.less(pc.abs(values), float(_LARGEST_EXACT))
    if not small.false_count:
        return values
    others, texts = values.filter(pc.invert(small)), cells.filter(pc.invert(small))
    finite = pc.is_finite(others)
    named = texts.filter(pc.invert(finite)).to_pylist()
    valid = all(map(_NOT_FINITE.fullmatch, named)) and not any(map(_is_large_integer, texts.filter(finite).to_pylist()))
    return values if valid else None


def _float_hint(kind: pa.DataType, text: str) -> str:
    if _is_large_integer(text):
        exact = "string" if parse(pa.array([text]), pa.int64()) is None else "int64 or string"
        return (
            f"Integers beyond 2**53 are usually vertex ids, and converting them to {kind} would round them. Pass "
            f"schema='auto' to use the task's name, or a pyarrow.Schema in which this column is {exact}."
        )
    if _NUMBER.fullmatch(text):  # a valid number that overflows
        return f"The number is out of range for {kind}. Pass a pyarrow.Schema in which this column is a string."
    return (
        "Pass schema='auto' to use the task's name, schema='query' to read every column as text, or a pyarrow.Schema "
        "in which this column is a string."
    )


def _is_large_integer(text: str) -> bool:
    """Return whether a text is an integer beyond 2**53, which doubles may round."""
    digits = text.lstrip("+-0")
    larger = (len(digits), digits) > (len(str(_LARGEST_EXACT)), str(_LARGEST_EXACT))
    return larger and digits.isdecimal() and _NUMBER.fullmatch(text) is not None


def _ints(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    """Cast with Arrow; reject text that does not round-trip, such as ``007``."""
    values = _cast(cells, kind)
    return None if pc.equal(values.cast(pa.string()), cells).false_count else values


def _int_hint(kind: pa.DataType, text: str) -> str:
    if _NUMBER.fullmatch(text) and not text.lstrip("+-").isdecimal():
        return (
            "The number has a fraction or an exponent. For vertex ids, pass vid_type='string'. Otherwise, pass a "
            "pyarrow.Schema in which this column is a double."
        )
    return (
        f"The text is not a valid {kind}, or has leading zeros. For vertex ids, pass vid_type='string'. Otherwise, "
        "pass a pyarrow.Schema in which this column is a string."
    )


# --- bools, dates and decimals


def _bools(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    return _cast(cells, kind) if _all_match(cells, _TRUTH) else None


def _dates(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    return _cast(cells, kind) if _all_match(cells, _DATE) else None


def _is_decimal(kind: pa.DataType) -> bool:
    return bool((pa.types.is_decimal128(kind) or pa.types.is_decimal256(kind)) and 0 <= kind.scale <= kind.precision)


def _decimals(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    before, after = kind.precision - kind.scale, kind.scale
    whole = f"(?:0|[1-9][0-9]{{0,{before - 1}}})" if before else "0"
    if not _all_match(cells, rf"-?{whole}(?:\.{f'[0-9]{{1,{after}}}0*' if after else '0+'})?"):
        return None
    # Arrow's cast would overflow because of trailing zeros.
    return _cast(pc.replace_substring_regex(cells, r"(\.[0-9]*?)0+$", r"\1", memory_pool=POOL), kind)


def _decimal_hint(kind: pa.DataType, _text: str) -> str:
    before, after = kind.precision - kind.scale, kind.scale
    return _accepting(f"plain decimals with at most {before} digits before the decimal point and {after} after it")


# --- timestamps


def _timestamps(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    digits = _DIGITS[kind.unit]
    fraction = rf"(?:\.[0-9]{{1,{digits}}})?" if digits else ""
    if not _all_match(cells, f"{_DATE}[T ]{_TIME}{fraction}{_OFFSET if kind.tz else ''}"):
        return None
    if kind.unit == "ns":
        return _nanoseconds(cells, kind)
    values = _cast(cells, kind)
    ends = pc.min_max(values.cast(pa.int64())).as_py()
    scale = 10**digits
    inside = ends["min"] is None or (_FIRST * scale <= ends["min"] and ends["max"] < _END * scale)
    return values if inside else None


def _nanoseconds(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    """Convert seconds and fractions separately, because Arrow rejects the minimum time."""
    texts = pc.replace_substring_regex(cells, r"\.[0-9]+", "", memory_pool=POOL)
    whole = texts.cast(pa.timestamp("s", "UTC" if kind.tz else None)).cast(pa.int64())
    seconds = whole.fill_null(0).to_numpy(zero_copy_only=False)
    digits = pc.replace_substring_regex(cells, r"^[^.]*\.?([0-9]*).*$", r"\1", memory_pool=POOL)
    fractions = pc.utf8_rpad(digits, 9, "0").cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    values = seconds * 10**9 + fractions
    # Overflow wraps around. The minimum value is NaT.
    if (values // 10**9 != seconds).any() or (values == np.iinfo(np.int64).min).any():
        return None
    missing = cells.is_null().to_numpy(zero_copy_only=False) if cells.null_count else None
    return pa.array(values, pa.int64(), mask=missing).cast(kind)


def _timestamp_hint(kind: pa.DataType, _text: str) -> str:
    digits = _DIGITS[kind.unit]
    fraction = f"up to {digits} fractional digits" if digits else "no fractional digits"
    offset = "a UTC offset such as Z or +08:00" if kind.tz else "no UTC offset"
    years = " from 1677-09-21 to 2262-04-11" if kind.unit == "ns" else ""
    return _accepting(f"timestamps{years} in the format YYYY-MM-DDThh:mm:ss, with {fraction} and {offset}")


# Add each new type to `tests/column_types.py` and docs/reference/schemas.md as well.
COLUMN_TYPES = (
    ColumnType(
        "string, large_string",
        lambda kind: kind in (pa.string(), pa.large_string()),
        _cast,
        lambda _kind, _text: "",  # every text is valid
    ),
    ColumnType("bool", pa.types.is_boolean, _bools, lambda *_: _accepting("true and false in any case")),
    ColumnType("an integer", pa.types.is_integer, _ints, _int_hint),
    ColumnType("float32, float64", lambda kind: kind in (pa.float32(), pa.float64()), _floats, _float_hint),
    ColumnType(
        "date32",
        pa.types.is_date32,
        _dates,
        lambda *_: _accepting("dates from 0001-01-01 to 9999-12-31 in the format YYYY-MM-DD"),
    ),
    ColumnType("timestamp", pa.types.is_timestamp, _timestamps, _timestamp_hint),
    ColumnType("decimal128, decimal256 (0 <= scale <= precision)", _is_decimal, _decimals, _decimal_hint),
)
NAMES = ", ".join(row.name for row in COLUMN_TYPES)
