"""Timeouts that only a hanging test exceeds, and clocks for the code under test."""

from __future__ import annotations

import time

# In seconds. They are much longer than a busy machine needs, so tests do not depend on its speed.
HANG = 120.0
PROCESS = 600.0
# In seconds, for tests of timeouts and deadlines. A busy machine may exceed the first one too early, so try each in turn.
GROWING = (0.4, 3.0, 20.0)


class Clock:
    """Replacement for the `time` module of the code under test, advanced on request.

    If `running` is True, it also advances with the real time.
    """

    def __init__(self, *, running: bool = True) -> None:
        self._running = running
        self.added = 0.0

    def monotonic(self) -> float:
        return time.monotonic() * self._running + self.added

    def time(self) -> float:
        return time.time()

    def advance(self, seconds: float) -> None:
        self.added += seconds
