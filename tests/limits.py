"""Time limits that only a hang exceeds, and clocks for the code under test."""

from __future__ import annotations

import time

# Seconds, far more than a busy machine needs: tests must not depend on the speed of the machine.
HANG = 120.0
PROCESS = 600.0
# Seconds, for tests of timeouts and deadlines: try each in turn, since the first may expire too early on a busy machine.
GROWING = (0.4, 3.0, 20.0)


class Clock:
    """Replace the `time` module of the code under test: a clock that advances on request.

    Parameters
    ----------
    running
        Whether it also advances with the real time.
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
