"""Row limits of a server: which ones it accepts, and whether a result below one is complete.

The API has no call for all rows, and does not document whether a server caps `limit`. A cap is most likely a round
number, so a result with a round number of rows may be truncated although fewer rows came than were requested.
"""

from __future__ import annotations

from explorer_frames._arguments import EVERYTHING

_STEPS = [EVERYTHING, 1_000_000, 100_000, 10_000]
_FEWEST = 1000  # rows of the lowest cap that is likely


class RowLimits:
    """What one server has shown of its limits.

    Parameters
    ----------
    row_cap
        The most rows that the server returns, if the caller knows.
    """

    def __init__(self, row_cap: int | None) -> None:
        self._row_cap = row_cap
        self._steps = _STEPS
        self._most_rows = 0

    def to_try(self, limit: int | None) -> list[int]:
        """Return the limits to send, one after the other where the server refuses a limit; None is for all rows."""
        if limit is None and self._row_cap is None:
            return self._steps
        return [min(limit or EVERYTHING, self._row_cap or EVERYTHING)]

    def accept(self, limit: int) -> None:
        """Remember a limit of `to_try` that the server has accepted."""
        if limit in _STEPS:
            self._steps = _STEPS[_STEPS.index(limit) :]

    def is_complete(self, rows: int, limit: int) -> bool | None:
        """Return whether these are all rows of a result; None if that is unknown.

        Parameters
        ----------
        rows
            Number of rows that came.
        limit
            The limit that was sent.
        """
        larger_came = rows < self._most_rows
        self._most_rows = max(rows, self._most_rows)
        if rows >= limit:
            return False
        known = self._row_cap is not None or larger_came or not is_round(rows)
        return True if known else None


def is_round(rows: int) -> bool:
    """Whether this number of rows may be a server's cap: a power of 2 or 10, or 5 times a power of 10, from 1,000.

    Examples
    --------
    >>> [rows for rows in (500, 1000, 1024, 1500, 2000, 5000, 65536) if is_round(rows)]
    [1000, 1024, 5000, 65536]
    """
    return rows >= _FEWEST and (rows.bit_count() == 1 or str(rows).rstrip("0") in ("1", "5"))
