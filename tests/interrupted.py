"""Interrupt calls at many moments, and check that nothing is left; test_interrupts.py runs it.

The argument is a JSON file with the fields of `World`. The output is a JSON object with the number of interrupts and
the problems of each call.
"""

from __future__ import annotations

import _thread
import faulthandler
import gc
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from limits import HANG

import explorer_frames
from explorer_frames import (
    Explorer,
    TruncatedResultWarning,
    export_output,
    open_output,
    read_output_arrow,
    verify_file,
    write_feather,
)
from explorer_frames._http import transport
from explorer_frames._storage import stores
from explorer_frames.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEPT_THREADS = ("MainThread", "fsspecIO", "asyncio_")  # the main thread, and threads that fsspec never stops
PACKAGE = str(Path(explorer_frames.__file__).parent)
SHORTEST = 1e-5  # minimum delay of an interrupt, in seconds
MANY = 10_000  # larger results are decoded in several pieces
HANGS = 600  # seconds after which a call or a check counts as hung
PATIENCE = HANG  # seconds to wait for running operations, such as a request


@dataclass
class World:
    """Servers, folders and options for the calls."""

    url: str
    login: dict[str, str]
    job: str
    tasks: dict[str, list[str]]  # ids of the rows by task
    workflow: str
    running: str  # id of a job that does not end
    folder: str
    s3: str
    options: dict[str, Any]
    moments: str  # "time" or "line"
    rounds: int
    seed: int
    explorer: Any = None
    number: int = 0
    memory: str = "memory://interrupted"

    def __post_init__(self):
        self.explorer = Explorer(self.url, **self.login, timeout=HANG, deadline=2 * HANG, progress=True)

    def turn(self) -> str:
        """Return the next task, so an old result differs from a new one."""
        self.number += 1
        return list(self.tasks)[self.number % len(self.tasks)]

    def fs(self, base: str):
        fs, path = fsspec.url_to_fs(base, **(self.options if base.startswith("s3:") else {}))
        fs.invalidate_cache()
        return fs, path

    # --- calls, which return a description of a wrong result

    def read(self):
        task = self.turn()
        table = self.explorer.read_sample_result_arrow(self.job, task, None)
        if table.num_rows > MANY and table["id"].num_chunks == 1:
            return "came in one piece"
        return self._check(task, table)

    def stream(self):
        task = self.turn()
        with self.explorer.open_sample_result(self.job, task, None) as reader:
            return self._check(task, reader.read_all())

    def log_in_and_read(self):
        self.explorer.close()
        self.explorer = Explorer(self.url, **self.login, timeout=HANG, deadline=2 * HANG, progress=True)
        return self.read()

    def export_local(self):
        self.explorer.export_sample_result(self.job, self.turn(), f"{self.folder}/export.parquet")

    def export_memory(self):
        path = f"{self.memory}/export.parquet"
        self.explorer.export_sample_result(self.job, self.turn(), path, make_parents=True)

    def export_s3(self):
        url = f"{self.s3}/export.parquet"
        self.explorer.export_sample_result(self.job, self.turn(), url, storage_options=self.options)

    def write_s3_in_parts(self):
        data = pa.table({"id": [str(self.number)] * 10, "blob": [os.urandom(2 * 2**20) for _ in range(10)]})
        self.number += 1
        write_feather(data, f"{self.s3}/parts.feather", compression=None, storage_options=self.options)

    def sync_local(self):
        self.explorer.sync_workflow(self.workflow, f"{self.folder}/lake{self.number}", workers=2)
        self.number += 1

    def read_output(self):
        table = read_output_arrow(f"{self.folder}/output", schema="pagerank")
        return "" if table["id"].to_pylist() == list(map(str, range(table.num_rows))) else "wrong rows"

    def export_output(self):
        export_output(f"{self.folder}/output", f"{self.folder}/full.parquet", schema="pagerank")

    def stream_output_of_s3(self):
        with open_output(f"{self.s3}/output", schema="pagerank", storage_options=self.options) as reader:
            table = reader.read_all()
        return "" if table["id"].to_pylist() == list(map(str, range(table.num_rows))) else "wrong rows"

    def wait(self):
        job = self.explorer.job(self.running)
        with suppress(JobError):
            job.wait(timeout=0.3, poll=0.01)

    def _check(self, task, table):
        return "" if table["id"].to_pylist() == self.tasks[task] else f"the rows are not those of {task}"

    # --- checks after an interrupt

    def problems(self, before, bases):
        yield from (f"crossed: {said}" for said in (self.read(), self.read()) if said)
        self.explorer.close()
        end = time.monotonic() + PATIENCE
        while (left := [*self._left(before, bases)]) and time.monotonic() < end:
            gc.collect()
            time.sleep(0.02)
        yield from left
        for base in bases:
            yield from self._targets(base)

    def _left(self, before, bases):
        yield from (f"open: {name}" for name in open_files() - before)
        yield from (f"connected: {one}" for one in connections(int(self.url.rpartition(":")[2])))
        for thread in threading.enumerate():
            if not thread.name.startswith(KEPT_THREADS):
                yield f"thread: {thread.name}"
        # `threading` does not list our threads, and `_count` does not include the main thread.
        ours = _thread._count() + 1 - threading.active_count()
        if ours:
            yield f"threads: {ours}"
        for fs, path in map(self.fs, {tempfile.gettempdir(), *bases}):
            for name in fs.find(path):
                if name.endswith((".tmp", ".old")):
                    yield f"temporary: {name}"
            if path.startswith("frames/"):
                for upload in fs.call_s3("list_multipart_uploads", Bucket="frames").get("Uploads", []):
                    yield f"upload: {upload['Key']}"

    def _targets(self, base):
        fs, path = self.fs(base)
        for name in fs.find(path):
            if name.endswith((".parquet", ".feather")) and "/_runs/" not in name:
                url = name if base == self.folder else fs.unstrip_protocol(name)
                verify_file(url, storage_options=self.options if base == self.s3 else {})
                if name.endswith("export.parquet"):
                    with fs.open(name) as file:
                        rows = pq.read_table(file)["id"].to_pylist()
                    if rows not in self.tasks.values():
                        yield f"{name} is neither old nor new"


# Calls, and the places that they write to.
CALLS = {
    **dict.fromkeys(("read", "stream", "log_in_and_read", "wait", "read_output", "stream_output_of_s3"), ()),
    **dict.fromkeys(("export_local", "sync_local", "export_output"), ("folder",)),
    "export_memory": ("memory",),
    **dict.fromkeys(("export_s3", "write_s3_in_parts"), ("s3",)),
}


def handles() -> Iterator[tuple[str, str]]:
    """Yield the open file descriptors of this process and their targets."""
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of the listing itself is closed
            yield handle.name, str(handle.readlink())


def open_files() -> set[str]:
    """Return the open files of this process, except connections."""
    found = set()
    for handle, target in handles():
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            found.add(f"{handle} {target}")
    return found


def connections(port: int) -> list[str]:
    """Return the connections of this process to a local port."""
    ours = {target for _, target in handles()}
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return [line[1] for line in lines if int(line[2].partition(":")[2], 16) == port and f"socket:[{line[9]}]" in ours]


def interrupt(call: Callable[[], Any], delay: float) -> tuple[bool, str]:
    """Return whether the call was interrupted, and the problem if it was not."""
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            said = call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True, ""
    return False, said or ""


def interrupt_in_time(call: Callable[[], Any], delay: float) -> tuple[bool, str]:
    """Interrupt the call; if it ends before, halve the delay and try again."""
    outcome = interrupt(call, delay)
    while not any(outcome) and delay > SHORTEST:
        delay /= 2
        outcome = interrupt(call, delay)
    return outcome


def by_time(call: Callable[[], Any], rounds: int) -> Iterator[tuple[str, Callable[[], tuple[bool, str]]]]:
    """Yield interrupts at moments spread over the duration of a call."""
    interrupt(call, HANGS)  # imports the modules that the call needs
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        interrupt(call, HANGS)
        seconds.append(time.perf_counter() - begun)
    for number in range(rounds):
        delay = max(SHORTEST, min(seconds) * (number + random.random()) / rounds)
        yield f"after {delay * 1000:.2f} of {min(seconds) * 1000:.2f} ms", partial(interrupt_in_time, call, delay)


def trace(call: Callable[[], Any], at_line: Callable[[Any], None]) -> tuple[bool, str]:
    """Run the call, and pass each executed line of the package to `at_line`."""

    def at(frame, event, _argument):
        if event == "line":
            at_line((frame.f_code.co_filename, frame.f_lineno))
        ours = frame.f_code.co_filename.startswith(PACKAGE) and "sandbox" not in frame.f_code.co_filename
        return at if ours else None

    try:
        try:
            sys.settrace(at)
            said = call()
        finally:
            sys.settrace(None)
    except KeyboardInterrupt:
        return True, ""
    return False, said or ""


def by_line(call: Callable[[], Any], rounds: int) -> Iterator[tuple[str, Callable[[], tuple[bool, str]]]]:
    """Yield interrupts at a sample of the package's lines that a call executes."""
    seen: dict[tuple[str, int], None] = {}
    interrupt(call, HANGS)
    trace(call, seen.setdefault)

    def stop(wanted: tuple[str, int], line: tuple[str, int]) -> None:
        if line == wanted and not done:
            done.append(line)
            raise KeyboardInterrupt

    chosen = random.sample([*seen], min(rounds, len(seen)))
    for line in chosen:
        done: list[Any] = []
        yield f"at {line[0][len(PACKAGE) :]}:{line[1]}", partial(trace, call, partial(stop, line))


def main() -> None:
    world = World(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    random.seed(world.seed)
    stores._PATIENCE = HANG  # gives a busy server time to abort an upload
    transport.PIECE = 2**15  # small results are also received in pieces and decoded in the background
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", TruncatedResultWarning)
    warnings.simplefilter("ignore", ResourceWarning)  # the garbage collector may close objects after an interrupt
    outcomes: dict[str, dict[str, Any]] = {}
    for name, places in CALLS.items():
        outcome = outcomes[name] = {"interrupted": 0, "problems": []}
        bases = [getattr(world, place) for place in places]
        moments = {"time": by_time, "line": by_line}[world.moments](getattr(world, name), world.rounds)
        before: set[str] | None = None
        for moment, attempt in moments:
            world.explorer.close()
            before = open_files() if before is None else before
            faulthandler.dump_traceback_later(HANGS, exit=True)
            sys.stderr.write(f"{name}, {moment}\n")  # the last line names a call that hangs
            try:
                hit, said = attempt()
                found = [said] * bool(said) + [*world.problems(before, bases)]
            except Exception:  # noqa: BLE001 (each exception is reported)
                hit, found = False, [traceback.format_exc()]
            outcome["interrupted"] += hit
            outcome["problems"] += [f"{moment}: {one}" for one in found]
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
