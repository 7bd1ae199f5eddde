"""Format values as single-line text without control characters."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TextIO

# Control characters would break tab-separated lines. The backslash starts an escape sequence.
_BREAKING = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
# These characters are valid in JSON, but can change how a terminal displays text.
_RISKY = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Column(NamedTuple):
    """Column of a table."""

    heading: str
    values: Sequence[Any]
    numbers: bool = False  # right-aligned
    is_id: bool = False  # not wrapped


def for_tools(value: Any) -> str:
    r"""Format a value as a cell of a tab-separated line, with reversible escapes.

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
    """Format a value as text.

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
    """Format a value as JSON, with NaN and infinity as strings.

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
        finer = value.microsecond % 1000 or getattr(value, "nanosecond", 0)  # pandas timestamps have nanoseconds
        return value.isoformat() if finer else value.isoformat(timespec="milliseconds")
    if isinstance(value, date | Decimal):
        return str(value) if isinstance(value, date) else format(value, "f")
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def is_terminal(stream: TextIO) -> bool:
    """Return whether a stream is open and is a terminal."""
    return stream is not None and stream.isatty()


def shows_colors(stream: TextIO) -> bool:
    """Return whether to print messages in color, based on the stream and the environment."""
    is_forced = os.environ.get("FORCE_COLOR", "") not in {"", "0"} and not os.environ.get("NO_COLOR")
    return is_terminal(stream) or is_forced
