"""Calls in other threads end as they should: also when interrupted, unstarted, left open, or collected."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import subprocess
import sys
import threading
import time
from _thread import start_new_thread
from contextlib import closing
from contextvars import ContextVar
from pathlib import Path
from queue import SimpleQueue

import pytest
from backward_jumps import unprotected
from faults.rawserver import wait_until
from limits import HANG, PROCESS
from platforms import needs_fork, needs_posix_signals, needs_proc_net

from explorer_frames import _threads
from explorer_frames._outputs import parts
from explorer_frames._storage import loop
from explorer_frames._threads import _WorkerPool, in_parallel, pipelined, prefetch, run_in_background


def numbers(count):
    for number in range(count):
        time.sleep(0)
        yield number


def call_in_parallel():
    with closing(in_parallel(3, str, numbers(30))) as results:
        return sorted(results, key=int) == [str(number) for number in range(30)]


def call_ahead():
    with closing(prefetch(numbers(30))) as items:
        return list(items) == list(range(30))


def call_pipelined():
    with closing(pipelined(str, numbers(30))) as results:
        return list(results) == [str(number) for number in range(30)]


def call_beside():
    with run_in_background(lambda: sum(numbers(100))) as result:
        return result() == 4950


def seconds_of(call):
    begun = time.perf_counter()
    assert call()
    return time.perf_counter() - begun


def call_before_waiting(monkeypatch, do):
    """Call `do` just before a thread waits for its worker threads to end."""
    wait = _WorkerPool.wait
    monkeypatch.setattr(_WorkerPool, "wait", lambda pool: (do(), wait(pool)))


def ours():
    return [pool for pool in _threads._pools if pool._is_running()]


def wait_until_none_is_left():
    wait_until(lambda: not ours())


@needs_posix_signals
@pytest.mark.parametrize("call", [call_in_parallel, call_ahead, call_pipelined, call_beside])
def test_interrupts_leave_no_thread_waiting(call):
    longest = min(seconds_of(call) for _ in range(5))
    hits = misses = 0
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        while hits < 50:
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, max(1e-6, longest * random.random()))
                    assert call()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                hits += 1
                longest *= 1.1  # adapt to the load: about half of the timers expire during the call
            else:
                misses += 1
                longest *= 0.9
            assert misses < 2_000
    finally:
        signal.signal(signal.SIGALRM, before)
    wait_until_none_is_left()


@pytest.mark.parametrize(
    ("module", "functions"),
    [
        (_threads, {"in_parallel", "prefetch", "pipelined", "run_in_background", "run_alongside"}),
        (parts, {"pieces"}),
        (loop, {"finish"}),
    ],
)
def test_no_interrupt_between_two_rounds_of_a_loop_skips_the_cleanup(module, functions):
    source = Path(module.__file__).read_text(encoding="utf-8")
    found = [
        place for place in unprotected(compile(source, module.__file__, "exec")) if place.split(",")[0] in functions
    ]
    assert found == []
    assert functions <= set(vars(module))


@pytest.mark.parametrize("call", [call_in_parallel, call_ahead, call_pipelined, call_beside])
@pytest.mark.parametrize("most", [0, 1, 2])
def test_work_runs_in_the_caller_if_no_thread_can_be_started(call, most, monkeypatch):
    started = []

    def start(function, arguments):
        if len(started) == most:
            raise RuntimeError("can't start new thread")
        started.append(start_new_thread(function, arguments))

    monkeypatch.setattr(_threads, "_start_new_thread", start)
    monkeypatch.setattr("_thread.start_new_thread", start)
    assert call()
    wait_until_none_is_left()


@pytest.mark.parametrize("call", [call_in_parallel, call_ahead, call_pipelined, call_beside])
def test_threads_that_end_before_their_first_call_raise_memory_error(call, monkeypatch):
    def start_and_run_nothing(function, arguments):
        return start_new_thread(lambda: None, arguments)

    monkeypatch.setattr(_threads, "_start_new_thread", start_and_run_nothing)
    monkeypatch.setattr("_thread.start_new_thread", start_and_run_nothing)
    with pytest.raises(MemoryError, match="thread"):
        call()
    wait_until_none_is_left()


@pytest.mark.parametrize("call", [call_in_parallel, call_ahead, call_pipelined, call_beside])
def test_threads_that_cannot_start_leave_no_state(call, monkeypatch):
    monkeypatch.setattr(_threads, "_start_new_thread", None)  # as gevent does
    before = [*_threads._pools]
    assert call()
    assert [*_threads._pools] == before


def test_interrupt_after_thread_start_cancels_its_work(monkeypatch):
    cancelled = threading.Event()

    def items():
        yield cancelled.wait(HANG)

    def start_and_interrupt(*arguments):
        start_new_thread(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(_threads, "_start_new_thread", start_and_interrupt)
    monkeypatch.setattr("_thread.start_new_thread", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(prefetch(items(), cancel=cancelled.set))
    assert cancelled.is_set()


@needs_posix_signals
def test_interrupt_cancels_driver_calls_in_other_threads():
    begun, cancelled = SimpleQueue(), []

    async def work():
        begun.put(None)
        try:
            await asyncio.sleep(HANG)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    def interrupt_when_both_work():
        for _ in range(2):
            begun.get(timeout=HANG)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    events = asyncio.new_event_loop()
    threads = [threading.Thread(target=events.run_forever), threading.Thread(target=interrupt_when_both_work)]
    for thread in threads:
        thread.start()
    with pytest.raises(KeyboardInterrupt), closing(in_parallel(2, lambda _: loop.finish(events, work()), "ab")) as done:
        list(done)
    assert len(cancelled) == 2
    events.call_soon_threadsafe(events.stop)
    for thread in threads:
        thread.join()
    events.close()


def test_a_thread_sees_the_context_variables_of_its_caller():
    variable = ContextVar("variable")
    token = variable.set("of the caller")
    try:
        with run_in_background(variable.get) as result:
            variable.set("changed since")
            assert result() == "of the caller"
    finally:
        variable.reset(token)


def test_exception_is_raised_and_pending_work_is_skipped(monkeypatch):
    begun, raised = [], threading.Event()
    call_before_waiting(monkeypatch, raised.set)

    def action(number):
        begun.append(number)
        if number == 3:
            raise LookupError(number)
        if number > 3:
            assert raised.wait(HANG)

    with pytest.raises(LookupError, match="3"), closing(in_parallel(2, action, range(100))) as results:
        list(results)
    assert len(begun) <= 5  # 0 to 3, and one in the other thread
    wait_until_none_is_left()


def test_stop_iteration_in_a_call_does_not_end_the_iteration():
    with (
        pytest.raises(RuntimeError, match="StopIteration"),
        closing(in_parallel(2, next, [iter([1]), iter([])])) as some,
    ):
        list(some)


@pytest.mark.parametrize(("workers", "count"), [(1, 3), (3, 1)])
def test_one_call_at_a_time_needs_no_other_thread(workers, count):
    with closing(in_parallel(workers, lambda _: threading.current_thread(), range(count))) as callers:
        assert list(callers) == [threading.current_thread()] * count


def test_prefetch_is_bounded():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    with closing(prefetch(items())) as some:
        assert next(some) == 0
        time.sleep(0.1)
        assert len(made) <= 6
    wait_until_none_is_left()


def test_the_source_is_closed_by_the_thread_that_reads_it():
    seen = []

    def items():
        try:
            yield from range(100)
        finally:
            seen.append(threading.get_ident())

    with closing(prefetch(items())) as some:
        next(some)
    wait_until_none_is_left()
    assert len(seen) == 1
    assert seen[0] != threading.get_ident()


def test_garbage_collection_in_reader_thread_does_not_deadlock():
    collected = threading.Event()

    def items():
        yield 0
        gc.collect()
        collected.set()
        yield from range(100)

    def read_and_forget():
        some = prefetch(items())
        circle = [some]
        circle.append(circle)
        next(some)

    gc.disable()
    try:
        go = threading.Lock()
        with go:
            read_and_forget()
        assert collected.wait(HANG)
    finally:
        gc.enable()
    gc.collect()
    wait_until_none_is_left()


def test_results_come_in_order_and_the_error_of_the_source_behind_them():
    def items():
        yield from range(10)
        raise LookupError("source")

    seen = []
    with pytest.raises(LookupError, match="source"), closing(pipelined(str, items())) as results:
        seen.extend(results)
    assert seen == [str(number) for number in range(10)]
    wait_until_none_is_left()


def test_an_error_of_the_action_comes_before_one_of_the_source_behind_it():
    def items():
        yield from range(4)
        raise LookupError("source")

    def action(number):
        return number if number < 3 else 1 // 0

    seen = []
    with pytest.raises(ZeroDivisionError), closing(pipelined(action, items())) as results:
        seen.extend(results)
    assert seen == [0, 1, 2]
    wait_until_none_is_left()


def test_work_queue_is_bounded():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    with closing(pipelined(str, items())) as results:
        assert next(results) == "0"
        time.sleep(0.1)
        assert len(taken) == 3
    wait_until_none_is_left()


def test_source_is_read_by_the_caller_and_empty_source_starts_no_thread():
    readers = []

    def items(count):
        readers.append(threading.get_ident())
        yield from range(count)

    for count in (0, 3):
        assert list(pipelined(str, items(count))) == [str(number) for number in range(count)]
        assert ours() == [] or count
    assert set(readers) == {threading.get_ident()}
    wait_until_none_is_left()


LEFT_OPEN = {
    "prefetch": "prefetch(number for number in itertools.count())",
    "pipelined": "pipelined(int, itertools.count())",
}


@pytest.mark.parametrize("how", LEFT_OPEN)
@pytest.mark.parametrize("daemon", [None, True, False])
def test_a_process_ends_although_a_reader_was_left_open(how, daemon):
    read = f"print(next(left := {LEFT_OPEN[how]}))"
    script = f"""
import itertools, threading
from explorer_frames._threads import prefetch, pipelined
left = None
def read():
    global left
    {read}
"""
    thread = f"thread = threading.Thread(target=read, daemon={daemon})\nthread.start()\nthread.join()"
    script += "read()" if daemon is None else thread
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PROCESS, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


@pytest.mark.parametrize("how", ["prefetch(numbers())", "pipelined(int, numbers())"])
def test_stream_can_be_read_after_the_main_thread_has_ended(how):
    script = f"""
import threading, time
from explorer_frames._threads import prefetch, pipelined
def numbers():
    for number in range(20):
        time.sleep(0.03)
        yield number
def read():
    print(sum({how}))
threading.Thread(target=read).start()
time.sleep(0.1)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PROCESS, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "190\n", "")


@needs_posix_signals
def test_a_second_interrupt_ends_the_waiting(monkeypatch):
    release, waiting, main = threading.Event(), SimpleQueue(), threading.get_ident()
    call_before_waiting(monkeypatch, lambda: waiting.put(None))

    def interrupt_again():
        waiting.get(timeout=HANG)
        time.sleep(0.1)  # also correct without this pause, which lets the wait begin
        signal.pthread_kill(main, signal.SIGINT)

    def interrupted():
        with run_in_background(lambda: release.wait(9 * HANG)):
            signal.raise_signal(signal.SIGINT)
            pytest.fail("was not interrupted")

    second = threading.Thread(target=interrupt_again)
    second.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted()
    second.join()
    assert isinstance(caught.value.__context__, KeyboardInterrupt), "the first one"
    (left,) = ours()
    release.set()
    wait_until(lambda: left not in _threads._pools)


READ = "read_sample_result(JOB, TASK, schema=None, explorer=explorer)"
ODD_PLACES = {
    "at exit": f"import atexit\natexit.register(lambda: print(len({READ})))",
    "with little memory": f"""
import resource
{READ}
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**21, used + 2**21))  # less than the stack of a thread
import _thread, time
try:
    for _ in range(1000):
        _thread.start_new_thread(time.sleep, (3600,))
except RuntimeError:
    print(len({READ}))
""",
}


@needs_proc_net
@pytest.mark.parametrize("place", [pytest.param("at exit", marks=pytest.mark.slow), "with little memory"])
def test_results_are_read_where_no_thread_can_be_started(place, sandbox):
    job, task = sandbox.add_result([["a", "b"], ["1", "2"]])
    script = f"""
from explorer_frames import Explorer, read_sample_result
JOB, TASK = {job}, {task!r}
explorer = Explorer({sandbox.url!r}, token={sandbox.token!r}, deadline={HANG})
{ODD_PLACES[place]}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PROCESS, check=False)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


@needs_fork
def test_a_forked_process_leaves_a_stream_to_its_parent(sandbox):
    """The children share the socket, so they must not shut it down; and they do not have the thread that reads."""
    script = f"""
import os, sys
from explorer_frames import Explorer
from explorer_frames.errors import ExplorerFramesError
from explorer_frames._http import transport
transport.PIECE = 2**14
rows = 0
with Explorer(sys.argv[1], token=sys.argv[2], deadline={HANG}) as explorer:
    try:
        with explorer.open_sample_result(*sys.argv[3:], None, schema=None) as reader:
            rows += reader.read_next_batch().num_rows
            for reads_on in (False, True):
                child = os.fork()
                if child == 0:
                    if reads_on:
                        reader.read_all()
                    sys.exit(7)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7 + reads_on
            rows += reader.read_all().num_rows
    except ExplorerFramesError as error:
        assert child == 0 and "parent process" in str(error), error
        sys.exit(8)
print(rows)
"""
    job, task = sandbox.add_result([[f"p{number}" for number in range(50_000)], ["1"] * 50_000])
    done = subprocess.run(
        [sys.executable, "-c", script, sandbox.url, sandbox.token, str(job), task],
        capture_output=True,
        text=True,
        timeout=PROCESS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "50000\n"), done.stderr
