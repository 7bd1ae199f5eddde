"""Login tokens and their life."""

from __future__ import annotations

import secrets
import threading
import time

from explorer_frames.sandbox._faults import Code, Fault


class Sessions:
    """Issues tokens and says which are still good.

    Parameters
    ----------
    life
        Seconds until a token expires.
    single
        Whether a new token ends all earlier ones.
    """

    def __init__(self, life: float, *, single: bool) -> None:
        self.life = life
        self._single = single
        self._lock = threading.Lock()
        # Tokens are kept when they expire: "expired" and "never seen" are different codes.
        self._deadlines: dict[str, float] = {}

    def issue(self) -> str:
        """Return a new token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            if self._single:
                self._end_all()
            self._deadlines[token] = time.monotonic() + self.life
        return token

    def expire_all(self) -> None:
        """End every session now."""
        with self._lock:
            self._end_all()

    def _end_all(self) -> None:
        self._deadlines = dict.fromkeys(self._deadlines, 0.0)

    def is_valid(self, token: str) -> bool:
        """Whether `token` was issued here and has not ended."""
        return time.monotonic() < self._deadlines.get(token, 0.0)

    def require(self, token: str | None) -> None:
        """Raise the fault for a token that is missing, unknown or expired."""
        if not token or token not in self._deadlines:
            raise Fault(Code.ErrUnauthorized, "the cookie explorer_token is missing or unknown")
        if not self.is_valid(token):
            raise Fault(Code.ErrSession, "the login session has ended")
