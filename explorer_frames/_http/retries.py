"""Retries of failed calls, with back-off and a retry budget per client."""

from __future__ import annotations

import math
import random
import threading
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from explorer_frames import _threads
from explorer_frames._signals import is_from_handler
from explorer_frames.errors import (
    ApiError,
    ConnectionFailedError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    TruncatedBodyError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from explorer_frames._http.auth import Auth
    from explorer_frames._http.exchange import Deadline
    from explorer_frames._http.transport import Identity

_T = TypeVar("_T")
# HTTP statuses that are retried if the response has no error code.
TRANSIENT_STATUS = {429, 502, 503, 504}
_LONGEST_RETRY_AFTER = 30.0
# As in botocore's standard mode: 100 consecutive retries, then one for every five successful calls.
_BUDGET, _COST = 500, 5


class Retries:
    """Retry policy of one client.

    Parameters
    ----------
    most
        Maximum number of retries of one call.
    auth
        Authentication of the calls.
    """

    def __init__(self, most: int, auth: Auth) -> None:
        self._most = most
        self._auth = auth
        self.after_fork()

    def after_fork(self) -> None:
        """Reset the budget and the lock, which a thread of the parent may have held."""
        self._lock = threading.Lock()
        self._left = _BUDGET

    def call(self, call: Callable[[Identity], _T], deadline: Deadline) -> _T:
        """Run an idempotent call, and retry it after transient errors.

        Retries wait with exponential back-off and full jitter, and at least as long as the server's Retry-After. The
        error is raised without another retry if this wait exceeds 30 s or the remaining deadline, or if the retries or
        the budget are exhausted.
        """
        tries = 1
        while True:
            try:
                result = self._auth.call(call, deadline)
            except (TransportError, ApiError) as error:
                pause = self._pause(error, tries, deadline)
                if pause is None:
                    raise
            else:
                with self._lock:
                    self._left = min(_BUDGET, self._left + (1 if tries == 1 else _COST))
                return result
            _threads.pause(pause)  # outside the except block, to release the exception first
            tries += 1

    def _pause(self, error: TransportError | ApiError, tries: int, deadline: Deadline) -> float | None:
        """Return the seconds until a retry, or None after adding a reason to the error."""
        transient = is_transient(error) and not is_from_handler(error)
        asked = getattr(error, "retry_after", None) or 0.0
        pause = max(asked, random.uniform(0, min(0.5 * 2**tries, 20)))  # noqa: S311 (no secret)
        may_wait = transient and tries <= self._most and pause <= min(_LONGEST_RETRY_AFTER, deadline.remaining())
        if may_wait and self._take():
            return pause
        if transient and asked:
            error.hint = f"Retry after {asked:g} s, as requested by the server."
        elif may_wait:
            error.hint = "Check the server. This call was not retried, because too many calls failed."
        if tries > 1:
            told = f"{tries} attempts in {deadline.elapsed():.1f} s"
            error.where = f"{error.where}, {told}" if error.where else told
        return None

    def _take(self) -> bool:
        """Take a retry from the budget; return whether enough was left."""
        with self._lock:
            enough = self._left >= _COST
            self._left -= _COST * enough
            return enough


def retry_after_seconds(header: str, now: float) -> float | None:
    """Parse a ``Retry-After`` header into seconds; return None if it is invalid.

    The header contains a number of seconds, or an HTTP date in any of its three formats.

    Parameters
    ----------
    now
        Current time in seconds since the epoch. A date in the past means 0 seconds.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    date = http_date(text)
    return None if date is None else float(max(0, math.ceil(date - now)))


def http_date(text: str) -> float | None:
    """Parse an HTTP date in any of its three formats into epoch seconds, or None."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # HTTP dates are always in UTC; the asctime format has no time zone.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def renewal_pause(renewals: int, took: float) -> float:
    """Return the seconds to wait, with jitter, before a session is renewed again.

    The first renewal does not wait. On a server with one session per user, clients of the same user end each other's
    sessions until their logins are spread out. The maximum wait doubles with each renewal, and depends on `took`, the
    seconds of the last login and the call after it.
    """
    most = min(max(took, 0.05) * 2**renewals, 10.0)
    return random.uniform(0, most) if renewals else 0.0  # noqa: S311 (no secret)


def is_transient(error: BaseException) -> bool:
    """Whether a retry of the same GET may succeed."""
    if isinstance(error, ConnectionFailedError | RequestTimeoutError | TruncatedBodyError):
        return not error.final
    # An error code takes precedence over the HTTP status.
    return isinstance(error, ServerError) and (error.code is not None or error.http_status in TRANSIENT_STATUS)
