"""Several calls at a time, in threads: as many as wished, and none that begins after an interrupt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, TypeVar

from explorer_frames.errors import ConfigError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_A = TypeVar("_A")
_R = TypeVar("_R")


def checked_workers(workers: object) -> int:
    """Check a number of calls at a time."""
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise ConfigError(f"workers must be a whole number from 1: {escaped(workers, 60)}")
    return workers


def in_parallel(workers: int, action: Callable[[_A], _R], items: Iterable[_A]) -> Generator[_R, None, None]:
    """Call `action` with each item; results come as they are ready.

    What `action` raises comes out here. Then, as after an interrupt and when this is closed early, calls that have
    not begun do not begin; those under way are waited for.
    """
    with ThreadPoolExecutor(workers) as pool:
        calls = [pool.submit(action, item) for item in items]
        try:
            for call in as_completed(calls):
                yield call.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
