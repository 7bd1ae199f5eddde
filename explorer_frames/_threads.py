"""Worker threads: calls in parallel, in the background, or as a prefetch; and a Ctrl-C at any moment.

Signals reach the main thread between any two steps of Python's own code: also between those by which `threading` and
`concurrent.futures` take a lock and give it back, which then stays taken, and whoever waits for it waits for ever. So
threads are started here without the bookkeeping of `threading`, and are met at queues that are written in C.
"""

from __future__ import annotations

import _thread
import atexit
import contextvars
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

from explorer_frames.errors import ExplorerFramesError

_A = TypeVar("_A")
_R = TypeVar("_R")

_AHEAD = 4  # items: enough to go on while a row group is written
_BEHIND = 2  # items: one that is worked on, and one that waits
POLL_INTERVAL = 0.2  # seconds between looks: what an interrupt threw away is never told again
_POLLS_AFTER_CANCEL = 5
_END: Any = object()
_NOTHING: Any = object()
_start_new_thread = _thread.start_new_thread
_thread_state = threading.local()


class Stopped(BaseException):
    """Ends a call in a worker thread whose caller has left; nobody reads what it returns."""


def raise_if_stopped() -> None:
    """Raise `Stopped` in a worker thread that is to end, as after an interrupt of the main thread."""
    pool = getattr(_thread_state, "pool", None)
    if pool is not None and pool.is_stopped():
        raise Stopped


def pause(seconds: float) -> None:
    """Sleep; in a worker thread, not longer than it is to work."""
    if getattr(_thread_state, "pool", None) is None:
        time.sleep(seconds)
        return
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        raise_if_stopped()
        time.sleep(min(left, POLL_INTERVAL))


def start_thread(call: Callable[..., object], *args: Any) -> bool:
    """Start a thread that `threading` does not know; returns False where there can be none.

    That is with little memory left, at the end of the process, and when gevent or eventlet have replaced threads and
    sockets after our import: their sockets belong to the thread that made them.
    """
    if _start_new_thread is not _thread.start_new_thread:
        return False
    try:
        _start_new_thread(partial(contextvars.copy_context().run, call, *args), ())
    except RuntimeError:
        return False
    return True


def _taken(queue: SimpleQueue[_R], timeout: float) -> _R | Any:
    """Take the next item, or `_NOTHING` if none comes in time."""
    try:
        return queue.get(timeout=timeout)
    except Empty as error:
        if error.__traceback__ and error.__traceback__.tb_next:  # not raised here, but by a signal handler
            raise
    return _NOTHING


def in_parallel(workers: int, action: Callable[[_A], _R], items: Iterable[_A]) -> Generator[_R, None, None]:
    """Call `action` with each item; results come as they are ready.

    What `action` raises comes out here. Then, as after an interrupt and when this is closed early, calls that have
    not begun do not begin; those under way are waited for. One at a time needs no other thread.
    """
    every = list(items)
    if min(workers, len(every)) == 1:
        for item in every:
            yield action(item)
        return
    todo: SimpleQueue[_A] = SimpleQueue()
    for item in every:
        todo.put(item)
    pool: _WorkerPool[_R] = _WorkerPool()
    try:
        for _ in range(min(workers, len(every))):
            pool.start(action(item) for item in pool.taken(todo))
        yield from pool
        yield from (action(item) for item in pool.taken(todo))  # no thread could be started
    finally:
        pool.stopped = True
        pool.wait()


def prefetch(
    items: Generator[_R],
    most: int = _AHEAD,
    *,
    remaining: Callable[[], float] = lambda: POLL_INTERVAL,
    cancel: Callable[[], object] | None = None,
) -> Generator[_R]:
    """The same items, a few of them made ahead by another thread, which closes `items`. Close it to end the thread.

    Parameters
    ----------
    most
        Items that may wait to be taken.
    remaining
        Seconds for which to wait for an item; called while there is none, and may raise.
    cancel
        Ends what the thread waits for. It is called at the end, whether or not `items` have ended: then the thread is
        waited for one second only.
    """
    wanted: SimpleQueue[None] = SimpleQueue()
    for _ in range(most):
        wanted.put(None)
    pool: _WorkerPool[_R] = _WorkerPool(remaining, cancel)
    try:
        if not pool.start(pool.as_wanted(items, wanted)):
            yield from items
        for item in pool:
            wanted.put(None)
            yield item
    finally:
        pool.stopped = True
        wanted.put(None)
        pool.wait()


def pipelined(action: Callable[[_A], _R], items: Iterator[_A]) -> Generator[_R]:
    """`action` of each item, in order, by another thread, while this one makes the items after it.

    What making an item raises comes out behind the results of those before it.
    """
    todo: SimpleQueue[_A] = SimpleQueue()
    pool: _WorkerPool[_R] = _WorkerPool()
    results = iter(pool)
    failure: list[Exception] = []
    source = _until_failure(items, failure)
    try:
        for number, item in enumerate(source):
            todo.put(item)
            if number == 0 and not pool.start(action(item) for item in pool.given(todo)):
                yield from map(action, chain([item], source))
            # Not `if ...: yield next(results)`: CPython 3.12 to 3.14 exclude a conditional jump back to the loop's head
            # from the `try`, so an interrupt there would skip `finally`.
            yield from islice(results, int(number >= _BEHIND))
        todo.put(_END)
        yield from results
        if failure:
            raise failure.pop()
    finally:
        pool.stopped = True
        todo.put(_END)
        pool.wait()


def _until_failure(items: Iterator[_A], failure: list[Exception]) -> Iterator[_A]:
    try:
        yield from items
    except Exception as error:  # noqa: BLE001 (raised in its turn)
        failure.append(error)


@contextmanager
def run_in_background(call: Callable[[], _R]) -> Iterator[Callable[[], _R]]:
    """Begin a call, and get a function that waits for its result; when this is left, the call is over."""
    pool: _WorkerPool[_R] = _WorkerPool()
    try:
        started = pool.start(call() for _ in range(1))
        results = iter(pool)
        yield (lambda: next(results)) if started else call
    finally:
        pool.wait()


@contextmanager
def run_alongside(action: Callable[[SimpleQueue[None]], object]) -> Iterator[None]:
    """Call `action` in another thread, with a queue that gets an item when the block has ended.

    Then the thread is waited for one second only. Where there can be no thread, nothing is called.
    """
    ended: SimpleQueue[None] = SimpleQueue()
    pool: _WorkerPool[object] = _WorkerPool(cancel=partial(ended.put, None))
    try:
        pool.start(action(ended) for _ in range(1))
        yield
    finally:
        pool.wait()


class _Raised(NamedTuple):
    error: BaseException


def shielded_from_signals(call: Callable[[], _R]) -> _R:
    """Make a short call in a thread that receives no signals, such as one that opens a file descriptor.

    In the main thread, Ctrl-C between `os.open` and the assignment of its result would leak the descriptor.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return call()
    outcomes: SimpleQueue[_R | _Raised] = SimpleQueue()

    def run() -> None:
        try:
            outcomes.put(call())
        except BaseException as error:  # noqa: BLE001 (raised in the thread that waits)
            outcomes.put(_Raised(error))

    if not start_thread(run):
        return call()
    while (outcome := _taken(outcomes, POLL_INTERVAL)) is _NOTHING:
        pass
    if isinstance(outcome, _Raised):
        try:
            raise outcome.error
        finally:
            del outcome  # this frame is in its traceback
    return outcome


class _WorkerPool(Generic[_R]):
    """Threads that make items, and who waits for these.

    Attributes
    ----------
    stopped
        Set it, and no item is begun any more.
    """

    def __init__(
        self, remaining: Callable[[], float] = lambda: POLL_INTERVAL, cancel: Callable[[], object] | None = None
    ) -> None:
        self.stopped = False
        self._remaining = remaining
        self._cancel = cancel
        self._made: SimpleQueue[_R | _Raised] = SimpleQueue()
        self._started: list[None] = []
        self._ended: list[None] = []
        self._own: set[int] = set()
        self._parent: _WorkerPool[Any] | None = getattr(_thread_state, "pool", None)

    def is_stopped(self) -> bool:
        """Whether this or the pool that it works for is stopped."""
        return self.stopped or (self._parent is not None and self._parent.is_stopped())

    def start(self, items: Iterable[_R]) -> bool:
        """Let one more thread make these; returns False where there can be no more threads."""
        _pools.add(self)
        started = start_thread(self._make, items)
        if started:
            self._started.append(None)  # not before: what was not begun would be waited for
        return started

    def taken(self, todo: SimpleQueue[_A]) -> Iterator[_A]:
        """What is still to be done."""
        while not self.stopped and (item := _taken(todo, 0)) is not _NOTHING:
            yield item

    def given(self, todo: SimpleQueue[_A]) -> Iterator[_A]:
        """What is given to do, up to its end."""
        while (item := self._get(todo)) is not _END:
            yield item

    def as_wanted(self, items: Generator[_R], wanted: SimpleQueue[None]) -> Iterator[_R]:
        """Items, each when it is wanted."""
        with closing(items):
            while self._get(wanted) is not _END and not self.stopped and (item := next(items, _END)) is not _END:
                yield item

    def __iter__(self) -> Iterator[_R]:
        left = len(self._started)
        while left:
            made = self._next()
            if made is _END:
                left -= 1
            elif isinstance(made, _Raised):
                try:
                    raise made.error
                finally:
                    del made  # this frame is in its traceback
            else:
                yield made

    def wait(self) -> None:
        """Wait until all have ended; but not for the thread that calls, which the garbage collector may have sent."""
        looks = math.inf
        if self._cancel:  # an interrupt may have come before the thread was counted
            self._cancel()
            looks = _POLLS_AFTER_CANCEL
        while len(self._ended) < len(self._started) and threading.get_ident() not in self._own and looks > 0:
            looks -= 1
            _taken(self._made, POLL_INTERVAL)
        _pools.discard(self)

    def leave_to_parent(self) -> None:
        """Neither wait for the threads of the parent process nor end what they do."""
        self.stopped = True
        self._cancel = None
        self._started.clear()
        self._made = SimpleQueue()
        what, hint = "the reader belongs to the parent process", "Open it again after the fork."
        self._made.put(_Raised(ExplorerFramesError(what, hint=hint)))

    def _get(self, queue: SimpleQueue[Any]) -> Any:
        """Wait for what is next; nothing is, once this is to stop."""
        while not self.stopped:
            if (item := _taken(queue, POLL_INTERVAL)) is not _NOTHING:
                return item
        return _END

    def _next(self) -> Any:
        made = _taken(self._made, 0)
        while made is _NOTHING:  # Windows lets nobody interrupt one long wait
            raise_if_stopped()
            made = _taken(self._made, min(POLL_INTERVAL, self._remaining()))
        return made

    def _make(self, items: Iterable[_R]) -> None:
        self._own.add(threading.get_ident())
        _thread_state.pool = self
        try:
            deque(map(self._made.put, items), maxlen=0)
        except BaseException as error:  # noqa: BLE001 (raised in the thread that waits)
            self._made.put(_Raised(error))
        self._ended.append(None)
        if len(self._ended) >= len(self._started):
            _pools.discard(self)  # also where an interrupt has ended the waiting
        self._made.put(_END)


_pools: set[_WorkerPool[Any]] = set()  # with threads; not a WeakSet, whose callbacks would swallow an interrupt


def _end_all() -> None:
    """End the threads of readers that were left open: at the end of the process, C++ code must not run in one."""
    pools = list(_pools)
    for pool in pools:
        pool.stopped = True
    for pool in pools:
        pool.wait()


def _leave_all_to_parent() -> None:
    for pool in _pools:
        pool.leave_to_parent()
    _pools.clear()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)
