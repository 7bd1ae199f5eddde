"""When a failed call is tried again: how often, how soon, and how much of it one client may do in all."""

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
# Worth another try where no code says what it is.
TRANSIENT_STATUS = {429, 502, 503, 504}
_LONGEST_RETRY_AFTER = 30.0
# As botocore's standard mode: a hundred retries in a row, and then one for every five calls that succeed.
_BUDGET, _COST = 500, 5


class Retries:
    """What one client may try again.

    Parameters
    ----------
    most
        How many more times one call is tried.
    auth
        Who the calls come from.
    """

    def __init__(self, most: int, auth: Auth) -> None:
        self._most = most
        self._auth = auth
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._left = _BUDGET

    def call(self, call: Callable[[Identity], _T], deadline: Deadline) -> _T:
        """Make a call that only reads, until it succeeds, or fails for good, or no try is left.

        Between two tries it waits with exponential backoff and full jitter, at least as long as the server's
        Retry-After. If that is longer than 30 s, or than the rest of the deadline, the call ends at once. So it does
        where the tries, the deadline or the budget are used up.
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
            _threads.pause(pause)  # behind the handler, so that no failure is kept meanwhile
            tries += 1

    def _pause(self, error: TransportError | ApiError, tries: int, deadline: Deadline) -> float | None:
        """Return the seconds until the next try, or None if there is none; then put the reason into the error."""
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
        """Pay for a retry, if there is enough left."""
        with self._lock:
            enough = self._left >= _COST
            self._left -= _COST * enough
            return enough


def retry_after_seconds(header: str, now: float) -> float | None:
    """Read a ``Retry-After`` header: seconds, or an HTTP date in any of its three formats; None where it is neither.

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
    """Read an HTTP date in any of its three formats, as seconds since the epoch; None where it is not one."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # HTTP dates are always in UTC; asctime has no time zone in it.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def renewal_pause(renewals: int, took: float) -> float:
    """Seconds to wait, with jitter, before a session is renewed again: none the first time.

    Clients of one user, on a server that keeps one session for each, end each other's sessions until they spread out.
    How far depends on how long the last login and the call after it took.
    """
    most = min(max(took, 0.05) * 2**renewals, 10.0)
    return random.uniform(0, most) if renewals else 0.0  # noqa: S311 (no secret)


def is_transient(error: BaseException) -> bool:
    """Whether the same GET may succeed a moment later."""
    if isinstance(error, ConnectionFailedError | RequestTimeoutError | TruncatedBodyError):
        return not error.final
    # By its code, as everywhere, and by its status where there is none.
    return isinstance(error, ServerError) and (error.code is not None or error.http_status in TRANSIENT_STATUS)
