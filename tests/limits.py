"""Time limits that only a hang exceeds, and clocks for the code under test."""

from __future__ import annotations

import time

# Seconds. No test may depend on how fast the machine is, so these only end what would never end.
HANG = 120.0
PROCESS = 600.0
# Limits that are expected to run out, for one attempt after the other: the first ones may be too short for a busy
# machine to get as far as the test needs.
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

    def advance(self, seconds: float) -> None:
        self.added += seconds
