"""Status codes and times, as words and as aware datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from explorer_frames.errors import EnvelopeError, escaped

WORDS = {0: "preparing", 1: "running", 2: "success", 3: "failed", 4: "interrupted", 5: "stopping"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FINAL = frozenset({"success", "failed", "interrupted"})


def status_word(code: object) -> str:
    """Say a status code in a word; one that is not documented as ``unknown(<code>)``."""
    known = isinstance(code, int) and not isinstance(code, bool) and code in WORDS
    return WORDS[code] if known else f"unknown({escaped(code, 20)})"  # type: ignore[index]


def moment(value: object) -> datetime | None:
    """Read a time, epoch milliseconds or RFC 3339, as an aware datetime in UTC; None where it has not come.

    Raises
    ------
    EnvelopeError
        Neither of both, or without an offset: a time that could mean several is none.
    """
    if value in (None, "", 0):
        return None
    try:
        if isinstance(value, int | float):
            return _EPOCH + timedelta(milliseconds=value)  # Windows has no `fromtimestamp` before 1970 and after 3000
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        if read is not None and read.tzinfo is not None:
            # Year 1 is how a server in Go prints "not yet".
            return None if read.year == 1 else read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # said below, as for a time without an offset
    raise EnvelopeError(f"not a time: {escaped(value, 40)!r}", hint="Check the server's version.")


def text(value: object) -> str | None:
    """Read a name or an id as text; half a surrogate pair, which no file and no page can hold, as a question mark."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()
