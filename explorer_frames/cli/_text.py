"""Text that is shown: on one line, and nothing in it that would steer a terminal."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TextIO

# What would break a cell between tabs, or a line; and the backslash, so that what is escaped can be told.
_BREAKING = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
# What JSON allows and a terminal should not get: controls, separators, marks of direction, halves of pairs.
_RISKY = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Column(NamedTuple):
    """A column of a table: its heading, its values, whether they are numbers, and whether ids, which are not broken."""

    heading: str
    values: Sequence[Any]
    numbers: bool = False
    is_id: bool = False


def for_tools(value: Any) -> str:
    r"""A value as a cell between tabs: whole, on one line, exact but for escapes that can be undone.

    These are ``\\``, ``\t``, ``\n``, ``\r`` and ``\xNN`` for other control characters; a list is JSON text.

    Examples
    --------
    >>> for_tools("a\tb"), for_tools(["a", "b"])
    ('a\\tb', '["a", "b"]')
    """
    said = in_words(value)
    return said if isinstance(value, list) else _BREAKING.sub(_escape, said)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def in_words(value: Any) -> str:
    """A value as text.

    Examples
    --------
    >>> in_words(None), in_words(True), in_words(["a", "b"]), in_words(float("nan"))
    ('', 'true', '["a", "b"]', 'nan')
    """
    if value is None:
        return ""
    if isinstance(value, bool | datetime | Decimal | list):
        return to_json(value).strip('"')
    return str(value.total_seconds() if isinstance(value, timedelta) else value)


def to_json(value: Any, indent: int | None = None) -> str:
    """Write a value as JSON, which has neither NaN nor infinity: see `explorer_frames.cli._show`.

    Examples
    --------
    >>> to_json({"score": [0.5, float("nan"), None]})
    '{"score": [0.5, "NaN", null]}'
    """
    text = json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False)
    return _RISKY.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, datetime):
        finer = value.microsecond % 1000 or getattr(value, "nanosecond", 0)  # of pandas
        return value.isoformat() if finer else value.isoformat(timespec="milliseconds")
    if isinstance(value, date | Decimal):
        return str(value) if isinstance(value, date) else format(value, "f")
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it, or types there; a stream that is closed is None."""
    return stream is not None and stream.isatty()


def shows_colors(stream: TextIO) -> bool:
    """Whether messages on it have colors: in a terminal, and with FORCE_COLOR unless NO_COLOR is set."""
    is_forced = os.environ.get("FORCE_COLOR", "") not in {"", "0"} and not os.environ.get("NO_COLOR")
    return is_terminal(stream) or is_forced
