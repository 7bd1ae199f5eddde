"""Retry failed calls, with back-off and a retry budget per client."""

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
# HTTP statuses that are retried if the response contains no error code.
TRANSIENT_STATUS = {429, 502, 503, 504}
_LONGEST_RETRY_AFTER = 30.0
# Allows 100 consecutive retries, then one retry per five successful calls, as in botocore's standard mode.
_BUDGET, _COST = 500, 5


class Retries:
    """Retry policy of one client."""

    def __init__(self, most: int, auth: Auth) -> None:
        self._most = most
        self._auth = auth
        self.after_fork()

    def after_fork(self) -> None:
        """Reset the budget, and replace a lock that a thread of the parent may hold."""
        self._lock = threading.Lock()
        self._left = _BUDGET

    def call(self, call: Callable[[Identity], _T], deadline: Deadline) -> _T:
        """Run an idempotent call, and retry it after transient errors.

        Retries use exponential back-off with full jitter, and wait at least as long as ``Retry-After``. If the wait
        would exceed 30 seconds or the deadline, the error is raised immediately.
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
        """Return the seconds until the next retry, or None if the error must be raised."""
        transient = is_transient(error) and not is_from_handler(error)
        asked = getattr(error, "retry_after", None) or 0.0
        pause = max(asked, random.uniform(0, min(0.5 * 2**tries, 20)))  # noqa: S311 (no secret)
        may_wait = transient and tries <= self._most and pause <= min(_LONGEST_RETRY_AFTER, deadline.remaining())
        if may_wait and self._take():
            return pause
        if transient and asked:
            error.hint = f"Retry after {asked:g} s, as requested by the server."
        elif may_wait:
            error.hint = "Check the server. The call was not retried, because too many recent calls failed."
        if tries > 1:
            told = f"{tries} attempts in {deadline.elapsed():.1f} s"
            error.where = f"{error.where}, {told}" if error.where else told
        return None

    def _take(self) -> bool:
        """Deduct a retry from the budget, and return whether the budget was sufficient."""
        with self._lock:
            enough = self._left >= _COST
            self._left -= _COST * enough
            return enough


def retry_after_seconds(header: str, now: float) -> float | None:
    """Parse ``Retry-After`` (seconds or an HTTP date); return None if it is invalid."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    date = http_date(text)
    return None if date is None else float(max(0, math.ceil(date - now)))


def http_date(text: str) -> float | None:
    """Parse an HTTP date into epoch seconds; return None if it is invalid."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # HTTP dates are in UTC. The asctime format does not contain a time zone.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def renewal_pause(renewals: int, took: float) -> float:
    """Return a random number of seconds to wait before a session is renewed again.

    Some servers allow one session per user. Clients of the same user then end each other's sessions, and random waits
    spread out their logins.
    """
    most = min(max(took, 0.05) * 2**renewals, 10.0)
    return random.uniform(0, most) if renewals else 0.0  # noqa: S311 (no secret)


def is_transient(error: BaseException) -> bool:
    """Return whether a retry of the same GET request may succeed."""
    if isinstance(error, ConnectionFailedError | RequestTimeoutError | TruncatedBodyError):
        return not error.final
    # An error code takes precedence over the HTTP status.
    return isinstance(error, ServerError) and (error.code is not None or error.http_status in TRANSIENT_STATUS)
