"""Count the function calls of a read, an export and a sync: ``python benchmarks/call_trace.py``.

Each operation runs once before it is traced, so imports and caches are not counted. A generator is counted each time it
is resumed.
"""

from __future__ import annotations

import _thread
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import explorer_frames
from explorer_frames import Explorer, _threads
from explorer_frames.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PACKAGE = Path(explorer_frames.__file__).parent
ROWS = [["a", "b"], ["0.25", "0.75"]]


class Trace(NamedTuple):
    """Counts for one operation.

    Attributes
    ----------
    calls, functions, modules
        Number of calls of functions in the package, and of distinct functions and modules.
    switches
        Number of calls into another module than that of the previous call.
    """

    calls: int
    functions: int
    modules: int
    switches: int


def traced(call: Callable[[], object]) -> Trace:
    """Trace an operation in all threads."""
    seen: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)) and "/sandbox/" not in path:
            seen.append((path, frame.f_code.co_qualname))

    start = _thread.start_new_thread

    def start_traced(function: Callable[..., object], arguments: tuple[object, ...]) -> int:
        def run() -> None:
            sys.setprofile(note)
            function(*arguments)

        return start(run, ())

    with (
        mock.patch.multiple(_thread, start_new_thread=start_traced),
        mock.patch.multiple(_threads, _start_new_thread=start_traced),
    ):
        sys.setprofile(note)
        try:
            call()
        finally:
            sys.setprofile(None)
    modules = [path for path, _ in seen]
    switches = sum(before != after for before, after in pairwise(modules))
    return Trace(len(seen), len(set(seen)), len(set(modules)), switches)


def traces() -> dict[str, Trace]:
    """Trace a read, an export to disk and a sync, each with one result of two rows."""
    with Sandbox() as server, Explorer(server.url, token=server.token) as explorer, tempfile.TemporaryDirectory() as t:
        job, task = server.add_result(ROWS, name="PageRank")
        workflow = server.workflows["results"]
        numbers = iter(range(100))
        calls: dict[str, Callable[[], object]] = {
            "read_sample_result": lambda: explorer.read_sample_result(job, task),
            "export_sample_result": lambda: explorer.export_sample_result(job, task, f"{t}/a.parquet"),
            "sync_workflow": lambda: explorer.sync_workflow(workflow, f"{t}/{next(numbers)}", progress=False),
        }
        found = {}
        for name, call in calls.items():
            call()
            found[name] = traced(call)
        return found


if __name__ == "__main__":
    print(f"{'call':<22}{'calls':>8}{'functions':>11}{'modules':>9}{'switches':>10}")
    for name, trace in traces().items():
        print(f"{name:<22}{trace.calls:>8}{trace.functions:>11}{trace.modules:>9}{trace.switches:>10}")
