"""Login tokens and their expiry."""

from __future__ import annotations

import secrets
import threading
import time

from explorer_frames.sandbox._faults import Code, Fault


class Sessions:
    """Issued tokens, with their expiry."""

    def __init__(self, life: float, *, single: bool) -> None:
        self.life = life
        self._single = single
        self._lock = threading.Lock()
        # Expired tokens are kept, because expired and unknown tokens have different error codes.
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
        """Expire all tokens now."""
        with self._lock:
            self._end_all()

    def _end_all(self) -> None:
        self._deadlines = dict.fromkeys(self._deadlines, 0.0)

    def is_valid(self, token: str) -> bool:
        """Return whether `token` was issued here and has not expired."""
        return time.monotonic() < self._deadlines.get(token, 0.0)

    def require(self, token: str | None) -> None:
        """Raise the fault if the token is missing, unknown or expired."""
        if not token or token not in self._deadlines:
            raise Fault(Code.ErrUnauthorized, "the cookie explorer_token is missing or unknown")
        if not self.is_valid(token):
            raise Fault(Code.ErrSession, "the login session has ended")
