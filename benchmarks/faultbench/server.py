"""Server of faults, in a separate process or in the foreground."""

from __future__ import annotations

import threading
from collections import Counter
from multiprocessing import get_context
from typing import TYPE_CHECKING, Self

from faults.server import FaultServer
from faults.wires import bombs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

    from faults.records import Fault
    from faults.server import Seen


class Server:
    """`FaultServer` in a separate process, so that clients do not slow it down."""

    def __init__(self, faults: Sequence[Fault], token: str) -> None:
        if any(fault.group == "bomb" for fault in faults):
            bombs()  # slow, so generate them before the calls
        context = get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(faults, token, theirs), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.faults, self.echo = self._connection.recv()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.join()

    def seen(self) -> dict[str, Seen]:
        """Return the observations of each run so far."""
        self._connection.send(None)
        return self._connection.recv()


def _serve(faults: Sequence[Fault], token: str, connection: Connection) -> None:
    with FaultServer(faults, token) as bench:
        connection.send(bench.urls)
        while True:
            try:
                connection.recv()
            except EOFError:
                return
            connection.send(bench.seen_so_far())


def listen(faults: Sequence[Fault], port: int) -> None:
    """Serve in the foreground, and print the URL of each fault."""
    with FaultServer(faults, "no token", port) as bench:
        groups = Counter(fault.group for fault in faults)
        print(f"{len(faults)} faults: {', '.join(f'{count} {group}' for group, count in groups.items())}")
        for number, fault in enumerate(faults):
            verdict = "must fail" if fault.rows is None else f"{len(fault.rows)} rows"
            print(f"{bench.urls[0]}/{number}/x  {fault.group}: {fault.name} ({verdict})")
        threading.Event().wait()
