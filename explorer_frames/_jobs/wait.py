"""Waiting for a job's end: looks with pauses that grow, a bar for who watches, and when to give up."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from explorer_frames.errors import ConfigError, EnvelopeError, ServerError, TransportError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from explorer_frames._jobs.job import Job

_FIRST_LOOK = 0.1  # seconds; each pause is half as long again as the one before
# How long a status that is not documented may last, and how many looks in a row may fail, before a wait gives up.
_PATIENCE = 60.0
_MISSES = 5


Progress: TypeAlias = "bool | Callable[[Any], object] | None"


def check_patience(timeout: object, poll: object, progress: object) -> None:
    """Refuse waits that would never end, or never pause."""
    for name, seconds in (("timeout", timeout), ("poll", poll)):
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < float("inf")
        if not number and not (name == "timeout" and seconds is None):
            raise ConfigError(f"{name} must be a number of seconds above 0: {escaped(seconds, 60)}")
    check_progress(progress)


def check_progress(progress: object) -> None:
    """Refuse what is no way to show progress."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise ConfigError(f"progress must be True, False, None or a function: {escaped(progress, 60)}")


def wait_for_end(job: Job, timeout: float | None, poll: float, progress: Progress) -> Job:
    """Look at a job until it has ended, well or not."""
    watch = _Watch(job, timeout)
    pause = min(_FIRST_LOOK, poll)
    with progress_bar(progress, "task", _tasks_done) as show:
        while True:
            watch.look()
            show(watch.job)
            if watch.job.is_final:
                return watch.job
            time.sleep(max(0.0, min(pause, watch.remaining())))
            pause = min(pause * 1.5, poll)


class _Watch:
    """The looks at a job that is waited for, and when to give up."""

    def __init__(self, job: Job, timeout: float | None) -> None:
        self.job = job
        self._started = self._known = time.monotonic()
        self._timeout = float("inf") if timeout is None else timeout
        self._misses = 0

    def remaining(self) -> float:
        return self._timeout - (time.monotonic() - self._started)

    def look(self) -> None:
        """Refresh the job; a look that fails is left out, unless they all do."""
        try:
            self.job = self.job.refresh()
        except (TransportError, ServerError, EnvelopeError):
            self._misses += 1
            if self._misses >= _MISSES:
                raise
        else:
            self._misses = 0
        self._give_up()

    def _give_up(self) -> None:
        """Raise where there is no more to wait for."""
        now = time.monotonic()
        self._known = self._known if self.job.status.startswith("unknown") else now
        if self.job.is_final:
            return
        if self.remaining() <= 0:
            raise self.job.error(f"it has not ended within {self._timeout:g} s")
        if now - self._known > _PATIENCE:
            raise self.job.error(f"for {_PATIENCE:g} s it has had a status that is not documented")


class Done(NamedTuple):
    """How far something is, as a bar shows it."""

    label: str
    done: int
    total: int
    states: Mapping[str, int]


def _tasks_done(job: Job) -> Done:
    states = Counter(task.status for task in job.tasks)
    done = sum(task.is_final for task in job.tasks)
    return Done(f"job {job.id} {job.status}", done, len(job.tasks), states)


@contextmanager
def progress_bar(progress: Progress, unit: str, how_far: Callable[[Any], Done]) -> Iterator[Callable[[Any], object]]:
    """Give a function that shows each new state of something.

    Parameters
    ----------
    progress
        None shows a bar where a person looks, True everywhere, False nowhere; a function is used as it is.
    unit
        What is counted.
    how_far
        Reads a state.
    """
    if callable(progress) or progress is False:
        yield progress or _nowhere
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm warns where a notebook has no widgets, and draws text there
        from tqdm.auto import tqdm  # noqa: PLC0415 (not needed to import us)
        from tqdm.notebook import tqdm_notebook  # noqa: PLC0415

        in_notebook = issubclass(tqdm, tqdm_notebook)
        bar = tqdm(unit=unit, disable=False if progress or in_notebook else None, leave=False)
    with bar:

        def show(state: Any) -> None:
            label, bar.n, bar.total, states = how_far(state)
            bar.set_description_str(label, refresh=False)
            bar.set_postfix(states)

        yield show


def _nowhere(_: Any) -> None:
    """Show nothing."""
