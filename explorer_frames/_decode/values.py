"""Text of a column -> values: floats and integers, and the types that only a caller's own schema has.

Arrow's casts alone are not strict. They read ``nan(1)`` as a float, ``007`` as an integer, ``1`` as a bool,
``2026-11-29 10`` as a timestamp and ``1e2`` as a decimal, and wrap decimals of 39 digits. The text is therefore checked
too: before the cast, or for numbers, of which there are many, as little as possible after it.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames._memory import POOL

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE | re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)
_LARGEST_EXACT = 2**53  # the largest integer up to which a double represents every integer
_TRUTH = "(?:[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])"  # with (?i), RE2 also matches a long s
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"  # Python's and pandas' dates have no year 0
_DATE = f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
_OFFSET = "(?:Z|[+-][0-9]{2}:[0-9]{2})"
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}  # of the fraction of a second
_FIRST, _END = -62_135_596_800, 253_402_300_800  # seconds at which the years 1 and 10000 begin in UTC


def parse(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    """Return the values, or None if a cell is not valid; nulls stay."""
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return cells.cast(kind, memory_pool=POOL)
        if pa.types.is_floating(kind):
            return _floats(cells, kind)
        if pa.types.is_integer(kind):
            return _ints(cells, kind)
        return _others(cells, kind)
    except pa.ArrowInvalid:  # by a cast: such as overflow, or February 30
        return None


def first_invalid(cells: pa.StringArray, kind: pa.DataType) -> int:
    """Return the index of the first cell that `parse` refuses; there is one."""
    start, stop = 0, len(cells)
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (start, middle) if parse(cells[start:middle], kind) is None else (middle, stop)
    return start


def described(kind: pa.DataType) -> str:
    """Describe the accepted text in a sentence."""
    if pa.types.is_boolean(kind):
        return "Accepted are true and false in any case."
    if pa.types.is_date(kind):
        return "Accepted are valid dates from 0001-01-01 to 9999-12-31, written YYYY-MM-DD."
    if pa.types.is_decimal(kind):
        before, after = kind.precision - kind.scale, kind.scale
        return f"Accepted is plain decimal notation with at most {before} digits before the point and {after} after it."
    digits = _DIGITS[kind.unit]
    fraction = f", at most {digits} digits of a fraction" if digits else ", no fraction of a second"
    offset = "and a zone offset such as Z or +08:00" if kind.tz else "and no zone offset"
    years = " from 1677-09-21 to 2262-04-11" if kind.unit == "ns" else ""
    return f"Accepted are valid times{years}, written YYYY-MM-DDThh:mm:ss{fraction} {offset}."


def is_number(text: str) -> bool:
    """Whether a text is a finite number in decimal notation, of any size."""
    return _NUMBER.fullmatch(text) is not None


def is_large_integer(text: str) -> bool:
    """Whether a text is an integer beyond 2**53, where floats no longer represent every integer."""
    digits = text.lstrip("+-0")
    larger = (len(digits), digits) > (len(str(_LARGEST_EXACT)), str(_LARGEST_EXACT))
    return larger and digits.isdecimal() and is_number(text)


def _floats(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    """Cast with Arrow, which rounds once; refuse ``nan(1)``, overflow and large integers, which it accepts."""
    values = cells.cast(kind, memory_pool=POOL)
    small = pc.less(pc.abs(values), float(_LARGEST_EXACT))
    if not small.false_count:
        return values
    others, texts = values.filter(pc.invert(small)), cells.filter(pc.invert(small))
    finite = pc.is_finite(others)
    named = texts.filter(pc.invert(finite)).to_pylist()
    valid = all(map(_NOT_FINITE.fullmatch, named)) and not any(map(is_large_integer, texts.filter(finite).to_pylist()))
    return values if valid else None


def _ints(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    """Cast with Arrow, and print back: what does not come back the same (``007``, ``0x10``) was not that number."""
    values = cells.cast(kind, memory_pool=POOL)
    return None if pc.equal(values.cast(pa.string()), cells).false_count else values


def _others(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    if pc.match_substring_regex(cells, f"^{_pattern(kind)}$", memory_pool=POOL).false_count:
        return None
    if pa.types.is_decimal(kind):  # zeros at the end have no place in the value, but would overflow
        cells = pc.replace_substring_regex(cells, r"(\.[0-9]*?)0+$", r"\1", memory_pool=POOL)
    return _timestamps(cells, kind) if pa.types.is_timestamp(kind) else cells.cast(kind, memory_pool=POOL)


def _pattern(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return _TRUTH
    if pa.types.is_date(kind):
        return _DATE
    if pa.types.is_decimal(kind):
        before, after = kind.precision - kind.scale, kind.scale
        whole = f"(?:0|[1-9][0-9]{{0,{before - 1}}})" if before else "0"
        return rf"-?{whole}(?:\.{f'[0-9]{{1,{after}}}0*' if after else '0+'})?"
    digits = _DIGITS[kind.unit]
    fraction = rf"(?:\.[0-9]{{1,{digits}}})?" if digits else ""
    return f"{_DATE}[T ]{_TIME}{fraction}{_OFFSET if kind.tz else ''}"


def _timestamps(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    if kind.unit == "ns":
        return _nanoseconds(cells, kind)
    values = cells.cast(kind, memory_pool=POOL)
    ends = pc.min_max(values.cast(pa.int64())).as_py()
    scale = 10 ** _DIGITS[kind.unit]
    inside = ends["min"] is None or (_FIRST * scale <= ends["min"] and ends["max"] < _END * scale)
    return values if inside else None


def _nanoseconds(cells: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    """Add fractions to whole seconds: Arrow's cast refuses the first second of the range."""
    texts = pc.replace_substring_regex(cells, r"\.[0-9]+", "", memory_pool=POOL)
    whole = texts.cast(pa.timestamp("s", "UTC" if kind.tz else None)).cast(pa.int64())
    seconds = whole.fill_null(0).to_numpy(zero_copy_only=False)
    digits = pc.replace_substring_regex(cells, r"^[^.]*\.?([0-9]*).*$", r"\1", memory_pool=POOL)
    fractions = pc.utf8_rpad(digits, 9, "0").cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    values = seconds * 10**9 + fractions
    # Overflow wraps, and -2**63 is NaT.
    if (values // 10**9 != seconds).any() or (values == np.iinfo(np.int64).min).any():
        return None
    missing = cells.is_null().to_numpy(zero_copy_only=False) if cells.null_count else None
    return pa.array(values, pa.int64(), mask=missing).cast(kind)
