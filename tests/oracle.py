"""The slow and plain way to read an answer, to hold the fast one against: `json`, `decimal`, no numpy, no Arrow."""

from __future__ import annotations

import json
import re
from decimal import Decimal


class RefusedError(Exception):
    """The answer is not one that may be read."""


class _Number(str):
    __slots__ = ()


_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NAMED = {"nan", "inf", "infinity"}


def read(body: bytes, kinds: list[str]) -> list[list[object]]:
    """Rows of values, or RefusedError; `kinds` are the columns' Arrow types, not nullable but for double."""
    try:
        envelope = json.loads(
            body.decode("utf-8"),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as error:
        raise RefusedError from error
    if (
        not isinstance(envelope, dict)
        or type(envelope.get("code")) is not _Number
        or int_or_none(envelope["code"]) != 0
    ):
        raise RefusedError
    data = envelope.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("items"), list):
        raise RefusedError
    return [_row(row, kinds) for row in data["items"]]


def int_or_none(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,99}", text) else None


def _refuse(_: str) -> None:
    raise RefusedError


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise RefusedError
    return dict(pairs)


def _row(row: object, kinds: list[str]) -> list[object]:
    if not isinstance(row, list) or len(row) != len(kinds):
        raise RefusedError
    return [_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)]


def _cell(cell: object, kind: str) -> object:
    if cell is None and kind == "double":
        return None
    if not isinstance(cell, str):
        raise RefusedError
    text = str(cell)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedError from error
    return {"string": str, "double": _double, "int64": _int64}[kind](text)


def _double(text: str) -> float:
    if text.lstrip("+-").lower() in _NAMED and re.fullmatch(r"[+-]?[A-Za-z]+", text):
        return float(text)
    if not text.isascii() or not _FLOAT.fullmatch(text):
        raise RefusedError
    value = float(Decimal(text)) if len(text) < 300 else float(text)
    if value in (float("inf"), float("-inf")):
        raise RefusedError
    return value


def _int64(text: str) -> int:
    number = int(text) if re.fullmatch(r"-?[0-9]+", text, re.ASCII) and len(text) < 30 else None
    if number is None or str(number) != text or not -(2**63) <= number < 2**63:
        raise RefusedError
    return number
