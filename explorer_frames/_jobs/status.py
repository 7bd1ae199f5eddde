"""Conversion of status codes, times and ids in responses."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from explorer_frames._errors import escaped
from explorer_frames.errors import EnvelopeError

WORDS = {0: "preparing", 1: "running", 2: "success", 3: "failed", 4: "interrupted", 5: "stopping"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Servers send missing times as the zero value of Go's time.Time, which is January 1 of year 1. They send it as text in
# several layouts, or as seconds, milliseconds, microseconds or nanoseconds since 1970. Local times may be in year 0.
_ZERO_TEXT = re.compile(r"000[01][-/].*|(0001|0000)\d{4}(T.*)?|(.* )?000[01]( .*)?", re.DOTALL)
_ZERO_NUMBERS = {0, -62_135_596_800, -62_135_596_800_000, -62_135_596_800_000_000, -6_795_364_578_871_345_152}
_YEAR_1 = range(-62_135_596_800_000 - 86_400_000, -62_104_060_800_000)  # includes the day before, for local times
FINAL = frozenset({"success", "failed", "interrupted"})


def status_word(code: object) -> str:
    """Return the name of a status code; ``unknown(<code>)`` if undocumented."""
    known = isinstance(code, int) and not isinstance(code, bool) and code in WORDS
    return WORDS[code] if known else f"unknown({escaped(code, 20)})"  # type: ignore[index]


def moment(value: object) -> datetime | None:
    """Convert milliseconds since 1970 or an RFC 3339 string to a UTC datetime; None if missing."""
    if is_missing_time(value):
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _EPOCH + timedelta(milliseconds=value)  # `fromtimestamp` fails on Windows before 1970 and after 3000
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        if read is not None and read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # EnvelopeError is raised below
    raise EnvelopeError(f"invalid time: {escaped(value, 40)!r}", hint="Check the server's version.")


def is_missing_time(value: object) -> bool:
    """Return whether a time is missing: null, 0, empty, or the zero time of Go."""
    if isinstance(value, str):
        said = value.strip()
        return not said or said in map(str, _ZERO_NUMBERS) or _ZERO_TEXT.fullmatch(said) is not None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value in _ZERO_NUMBERS or _YEAR_1.start <= value < _YEAR_1.stop
    return value is None


def same_id(value: object, expected: str) -> bool:
    """Compare an id from the server, as str or number, with the expected id."""
    if type(value) is int:
        value = text(value)
    if not isinstance(value, str):
        return False
    numbers = value.isascii() and value.isdigit() and expected.isascii() and expected.isdigit()
    return value == expected or (numbers and value.lstrip("0") == expected.lstrip("0"))


def id_of(value: object, what: str) -> str:
    """Return the id of a job or a task, which may be a str or a number."""
    if type(value) is int or (isinstance(value, str) and value):
        return str(text(value))
    raise EnvelopeError(f"{what} has an invalid id: {escaped(value, 40)}", hint="Check the server's version.")


def text(value: object) -> str | None:
    """Convert to str, with ``?`` for characters that UTF-8 cannot encode."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()
