"""Slow and simple reader for responses and CSV parts, to verify the reader of the package.

It uses only `json`, `csv`, `re` and `decimal`. A kind is the Arrow name of a column's type. A column may be null if its
kind ends with ``?`` or is a double. If its kind begins with ``*``, a column takes all remaining cells of a row.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction


class RefusedError(Exception):
    """The response is invalid."""


class _Number(str):
    __slots__ = ()


_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NAMED = {"nan", "inf", "infinity"}
# Types of callers' schemas that this module can read.
KINDS = {
    "bool",
    "date32[day]",
    "timestamp[s]",
    "timestamp[ms]",
    "timestamp[us]",
    "timestamp[us, tz=UTC]",
    "decimal128(5, 2)",
    "decimal256(76, 10)",
}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:(Z)|([+-])(\d\d):(\d\d))?", re.ASCII)
_INTS = {"int8": (-(2**7), 2**7 - 1), "int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}
# Quotes within a quoted cell are doubled. Other cells contain no quotes, and no NUL bytes, which indicate a sparse file.
# Lines are not empty. A CR is valid only before an LF.
_CELL = r'(?:"(?:[^"]|"")*"|[^",\r\n\0]*)'
_CSV = re.compile(rf"(?:(?!\r?\n|\r?\Z){_CELL}(?:,{_CELL})*(?:\r?\n|\r?\Z))*")


def read(body: bytes, kinds: list[str]) -> list[list[object]]:
    """Return rows of values, or raise RefusedError."""
    return [typed(row, kinds) for row in rows_of(body)]


def rows_of(body: bytes) -> list[object]:
    """Return the items of a response, with numbers as text, or raise RefusedError."""
    envelope = envelope_of(body)
    if (
        not isinstance(envelope, dict)
        or type(envelope.get("code")) is not _Number
        or int_or_none(envelope["code"]) != 0
    ):
        raise RefusedError
    data = envelope.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("items"), list):
        raise RefusedError
    return list(data["items"])


def envelope_of(body: bytes) -> object:
    """Parse JSON strictly, with numbers as text."""
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as error:
        raise RefusedError from error


def rows_of_csv(text: bytes) -> list[list[str]]:
    """Return the cells of a CSV part, or raise RefusedError."""
    try:
        decoded = text.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError from error
    if not _CSV.fullmatch(decoded):
        raise RefusedError
    return list(csv.reader(io.StringIO(decoded, newline=""), strict=True))


def shape_for(row: object, shapes: list[list[str]]) -> list[str] | None:
    """Return the first shape with as many columns as the row has cells."""
    fitting = (shape for shape in shapes if isinstance(row, list) and _fits(len(row), shape))
    return next(fitting, None)


def typed(row: object, kinds: list[str]) -> list[object]:
    """Return the values of one row, or raise RefusedError."""
    if not isinstance(row, list) or not _fits(len(row), kinds):
        raise RefusedError
    if not kinds[-1].startswith("*"):
        return [_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)]
    before = [_cell(cell, kind) for cell, kind in zip(row, kinds[:-1], strict=False)]
    return [*before, [_cell(cell, kinds[-1].removeprefix("*")) for cell in row[len(before) :]]]


def int_or_none(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,4000}", text) else None


def _fits(width: int, kinds: list[str]) -> bool:
    return width >= len(kinds) - 1 if kinds[-1].startswith("*") else width == len(kinds)


def _refuse(_: str) -> None:
    raise RefusedError


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise RefusedError
    return dict(pairs)


def _cell(cell: object, kind: str) -> object:
    if cell is None and (kind == "double" or kind.endswith("?")):
        return None
    if not isinstance(cell, str):
        raise RefusedError
    text, kind = str(cell), kind.removesuffix("?")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedError from error
    if kind in _INTS:
        return _int(text, *_INTS[kind])
    if kind.startswith("decimal"):
        return _decimal(text, *map(int, re.findall(r"\d+", kind)[1:]))
    if kind.startswith("timestamp"):
        return _timestamp(text, {"s": 0, "m": 3, "u": 6}[kind[10]], zoned="tz" in kind)
    others = {"bool": _bool, "date32[day]": _date, "category": str}
    return {"string": str, "double": _double, "float": _float, **others}[kind](text)


def _double(text: str) -> float:
    if text.lstrip("+-").lower() in _NAMED and re.fullmatch(r"[+-]?[A-Za-z]+", text):
        return float(text)
    if not _FLOAT.fullmatch(text):
        raise RefusedError
    if re.fullmatch(r"[+-]?[0-9]+", text) and abs(Decimal(text)) > 2**53:
        raise RefusedError
    # Decimal keeps all digits, so the value is rounded only once. It does not support huge exponents.
    value = float(Decimal(text)) if len(text) < 300 and not re.search(r"[eE][+-]?[0-9]{6}", text) else float(text)
    if value in (float("inf"), float("-inf")):
        raise RefusedError
    return value


def _float(text: str) -> float:
    value = _double(text)
    if not value or not math.isfinite(value):
        return value
    # The exact fraction is rounded once, half to even, to the nearest float32.
    step = Fraction(2) ** max(math.frexp(value)[1] - 24, -149)
    rounded = round(Fraction(Decimal(text)) / step) * step
    if abs(rounded) >= 2**128:
        raise RefusedError
    return math.copysign(float(rounded), value)


def _bool(text: str) -> bool:
    if not text.isascii() or text.lower() not in {"true", "false"}:
        raise RefusedError
    return text.lower() == "true"


def _date(text: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise RefusedError
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RefusedError from error


def _timestamp(text: str, digits: int, *, zoned: bool) -> datetime:
    found = _TIME.fullmatch(text)
    if not found or len(found[3] or "") > digits or zoned != bool(found[4] or found[5]):
        raise RefusedError
    try:
        moment = datetime.fromisoformat(f"{_date(found[1])}T{found[2]}.{(found[3] or '').ljust(6, '0')}")
        if found[2].startswith("24"):
            raise RefusedError
        if not zoned:
            return moment
        hours, minutes = (int(found[6]), int(found[7])) if found[5] else (0, 0)
        if hours > 23 or minutes > 59:
            raise RefusedError
        offset = timedelta(hours=hours, minutes=minutes) * (-1 if found[5] == "-" else 1)
        return moment.replace(tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RefusedError from error


def _decimal(text: str, precision: int, scale: int) -> Decimal:
    found = re.fullmatch(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?", text)
    if not found:
        raise RefusedError
    whole, fraction = found[1].lstrip("0"), (found[2] or "").rstrip("0")
    if len(whole) > precision - scale or len(fraction) > scale:
        raise RefusedError
    return Decimal(text)


def _int(text: str, least: int, most: int) -> int:
    number = int(text) if re.fullmatch(r"-?[0-9]{1,30}", text) else None
    if number is None or str(number) != text or not least <= number <= most:
        raise RefusedError
    return number
