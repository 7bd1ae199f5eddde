"""Worker threads for parallel calls, background calls and prefetch.

An interrupt can occur between any two bytecode instructions of the main thread. If it occurs while `threading` or
`concurrent.futures` holds a lock, the lock is not released, and the next thread that acquires it deadlocks. Threads are
therefore started without `threading`, and communicate through queues that are implemented in C.
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
from weakref import ReferenceType, ref

from explorer_frames.errors import ExplorerFramesError

_A = TypeVar("_A")
_R = TypeVar("_R")

_AHEAD = 4  # items to prefetch, enough to continue while a row group is written
_BEHIND = 2  # items in the pipeline, one in progress and one queued
POLL_INTERVAL = 0.2  # seconds; waits poll, because an interrupt may lose an item of a queue
_POLLS_AFTER_CANCEL = 5
_END: Any = object()
_NOTHING: Any = object()
_start_new_thread = _thread.start_new_thread
_thread_state = threading.local()


class Stopped(BaseException):
    """Exception that ends a call in a worker thread after its caller stopped waiting."""


def raise_if_stopped() -> None:
    """Raise `Stopped` in a worker thread of a stopped pool."""
    pool = getattr(_thread_state, "pool", None)
    if pool is not None and pool.is_stopped():
        raise Stopped


def pause(seconds: float) -> None:
    """Sleep; in a worker thread, raise `Stopped` as soon as its pool is stopped."""
    if getattr(_thread_state, "pool", None) is None:
        time.sleep(seconds)
        return
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        raise_if_stopped()
        time.sleep(min(left, POLL_INTERVAL))


def start_thread(call: Callable[..., object], *args: Any) -> ReferenceType[Any] | None:
    """Start a thread without `threading`; return a reference that dies with it, or None."""
    # gevent or eventlet patched threads. Their sockets can be used only in the thread that created them.
    if _start_new_thread is not _thread.start_new_thread:
        return None
    run = partial(contextvars.copy_context().run, call, *args)
    try:
        _start_new_thread(run, ())
    except RuntimeError:  # out of memory, or interpreter shutdown
        return None
    return ref(run)


def _taken(queue: SimpleQueue[_R], timeout: float) -> _R | Any:
    """Get the next item, or `_NOTHING` after the timeout."""
    try:
        return queue.get(timeout=timeout)
    except Empty as error:
        if error.__traceback__ and error.__traceback__.tb_next:  # raised by a signal handler, not by the queue
            raise
    return _NOTHING


def in_parallel(workers: int, action: Callable[[_A], _R], items: Iterable[_A]) -> Generator[_R, None, None]:
    """Call `action` with each item in parallel, and yield results as completed.

    After an exception or an interrupt, no further calls are started, and the function waits for the running calls.
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
        yield from (action(item) for item in pool.taken(todo))  # items are left if no thread could be started
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
    """Prefetch items in a background thread, and yield them.

    Close the generator to end the thread, which also closes `items`. `remaining` returns the seconds to wait for an
    item, and may raise an exception. `cancel` interrupts blocking calls of the thread, and is also called if `items` is
    exhausted.
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
    """Call `action` with each item in a background thread, and yield results in order.

    Meanwhile, the calling thread gets the next items. An exception of `items` is raised after the results of the
    preceding items.
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
            # Do not use `if ...: yield next(results)`. CPython 3.12 to 3.14 exclude a conditional jump back to the
            # start of the loop from the `try`, so an interrupt there would skip `finally`.
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
    except Exception as error:  # noqa: BLE001 (raised later, in order)
        failure.append(error)


@contextmanager
def run_in_background(call: Callable[[], _R]) -> Iterator[Callable[[], _R]]:
    """Run a call in a background thread; yield a function that returns its result."""
    pool: _WorkerPool[_R] = _WorkerPool()
    try:
        started = pool.start(call() for _ in range(1))
        results = iter(pool)
        yield (lambda: next(results)) if started else call
    finally:
        pool.wait()


@contextmanager
def run_alongside(action: Callable[[SimpleQueue[None]], object]) -> Iterator[None]:
    """Call `action` in a background thread during the block.

    `action` receives a queue, to which an item is added at the end of the block. The block then waits up to one second
    for the thread.
    """
    ended: SimpleQueue[None] = SimpleQueue()
    pool: _WorkerPool[object] = _WorkerPool(cancel=partial(ended.put, None))
    try:
        pool.start(action(ended) for _ in range(1))
        yield
    finally:
        pool.wait()


def shielded_from_signals(call: Callable[[], _R]) -> _R:
    """Run a short call in a thread that receives no signals.

    In the main thread, an interrupt between `os.open` and the assignment of its result would leak a file descriptor.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return call()
    with run_in_background(call) as result:
        return result()


class _Raised(NamedTuple):
    error: BaseException


class _WorkerPool(Generic[_R]):
    """Worker threads that produce items, and the iterator over these items."""

    def __init__(
        self, remaining: Callable[[], float] = lambda: POLL_INTERVAL, cancel: Callable[[], object] | None = None
    ) -> None:
        self.stopped = False  # set by the consumer, to stop the threads before their next item
        self._remaining = remaining
        self._cancel = cancel
        self._made: SimpleQueue[_R | _Raised] = SimpleQueue()
        self._started: list[ReferenceType[Any]] = []
        self._ended: list[None] = []
        self._own: set[int] = set()
        self._parent: _WorkerPool[Any] | None = getattr(_thread_state, "pool", None)

    def is_stopped(self) -> bool:
        """Return whether this pool or a parent pool is stopped."""
        return self.stopped or (self._parent is not None and self._parent.is_stopped())

    def start(self, items: Iterable[_R]) -> bool:
        """Start a thread that produces `items`, and return whether it was started."""
        _pools.add(self)
        thread = start_thread(self._make, items)
        if thread:
            self._started.append(thread)
        return thread is not None

    def taken(self, todo: SimpleQueue[_A]) -> Iterator[_A]:
        """Yield the queued items until the queue is empty."""
        while not self.stopped and (item := _taken(todo, 0)) is not _NOTHING:
            yield item

    def given(self, todo: SimpleQueue[_A]) -> Iterator[_A]:
        """Yield items from the queue until its end marker."""
        while (item := self._get(todo)) is not _END:
            yield item

    def as_wanted(self, items: Generator[_R], wanted: SimpleQueue[None]) -> Iterator[_R]:
        """Yield one item per entry in the queue `wanted`."""
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
                    del made  # avoids a reference cycle through the traceback
            else:
                yield made

    def wait(self) -> None:
        """Wait until all threads have ended."""
        looks = math.inf
        if self._cancel:  # regardless of `_started`, because an interrupt may have prevented its update
            self._cancel()
            looks = _POLLS_AFTER_CANCEL
        # Garbage collection may call this method in a thread of this pool, which must not wait for itself.
        while self._is_running() and threading.get_ident() not in self._own and looks > 0:
            looks -= 1
            _taken(self._made, POLL_INTERVAL)
        _pools.discard(self)

    def leave_to_parent(self) -> None:
        """Detach from the threads of the parent process after a fork."""
        self.stopped = True
        self._cancel = None
        self._started.clear()
        self._made = SimpleQueue()
        what, hint = "the reader belongs to the parent process", "Open it again after the fork."
        self._made.put(_Raised(ExplorerFramesError(what, hint=hint)))

    def _get(self, queue: SimpleQueue[Any]) -> Any:
        """Wait for the next item; return `_END` if the pool is stopped."""
        while not self.stopped:
            if (item := _taken(queue, POLL_INTERVAL)) is not _NOTHING:
                return item
        return _END

    def _next(self) -> Any:
        made = _taken(self._made, 0)
        while made is _NOTHING:  # short waits, because Ctrl-C does not interrupt a long wait on Windows
            raise_if_stopped()
            made = _taken(self._made, min(POLL_INTERVAL, self._remaining()))
            if made is _NOTHING and not self._is_running() and (made := _taken(self._made, 0)) is _NOTHING:
                raise MemoryError("a worker thread ended without a result")
        return made

    def _is_running(self) -> bool:
        """Return whether a thread is still running. With too little memory, threads end before they call anything."""
        return len(self._ended) < len(self._started) and any(thread() is not None for thread in self._started)

    def _make(self, items: Iterable[_R]) -> None:
        self._own.add(threading.get_ident())
        _thread_state.pool = self
        try:
            deque(map(self._made.put, items), maxlen=0)
        except BaseException as error:  # noqa: BLE001 (raised in the waiting thread)
            self._made.put(_Raised(error))
        self._ended.append(None)
        if len(self._ended) >= len(self._started):
            _pools.discard(self)  # also here, because an interrupt may have ended `wait`
        self._made.put(_END)


_pools: set[_WorkerPool[Any]] = set()  # not a WeakSet, because its callbacks would suppress an interrupt


def _end_all() -> None:
    """End all threads, because C++ code must not run in them at shutdown."""
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
