"""Run all calls of a client in worker processes, and test for crossed responses."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import connection as connections, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from faults.server import Seen

from faultbench.attempt import NAME, WRITING, Call, Outcome, attempt, untouched
from faultbench.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from multiprocessing.connection import Connection

    from faults.records import Fault

    from faultbench.client import Client

    Task: TypeAlias = tuple[int, str]

TOKEN = "c4naryT0ken"  # canary that reveals leaks
MEMORY = 2**30  # bytes of additional memory that a process may use
FEW, AGAIN = 5, "-again"
THREADS, THREAD_CALLS = 32, 25
FORKS, ROUNDS, FORK_CALLS = 8, 5, 5
_context = get_context("fork")


@dataclass
class Results:
    """Outcomes of all calls of a client.

    `crossed` of `crossings` calls received the response of another call. `repeated` lists the repeated calls.
    """

    client: str
    outcomes: list[Outcome] = field(default_factory=list)
    crossings: int = 0
    crossed: int = 0
    repeated: list[str] = field(default_factory=list)
    seconds: float = 0.0


def bench(
    client: Client, faults: Sequence[Fault], *, workers: int = 16, crossing: bool = True, late: float = 2.0
) -> Results:
    """Test a client with all faults. A call that takes longer than `late` seconds counts as a hang.

    Raises
    ------
    RuntimeError
        The client cannot read a valid response.
    """
    begun = time.monotonic()
    results = Results(client.name)
    with Server(faults, TOKEN) as server, tempfile.TemporaryDirectory() as folder:
        light = [task for task in _tasks(client, faults) if faults[task[0]].group != "bomb"]
        heavy = [task for task in _tasks(client, faults) if faults[task[0]].group == "bomb"]
        for tasks, most in ((light, workers), (heavy, min(workers, 4))):
            results.outcomes += _Pool(client, faults, server, Path(folder), late).run(tasks, most)
        _repeat_late(results, _Pool(client, faults, server, Path(folder), late, label=AGAIN))
        if crossing:
            forks = partial(_cross_forks, late=late)
            for probe, calls in ((_cross_threads, THREADS * THREAD_CALLS), (forks, FORKS * ROUNDS * FORK_CALLS)):
                results.crossings += calls
                results.crossed += calls - _probed(probe, client, server.echo, 30 * late)
        _complete(client, faults, results, server)
    results.seconds = time.monotonic() - begun
    return results


def _repeat_late(results: Results, pool: _Pool) -> None:
    """Repeat late calls one at a time if they are few, because other load can delay a call."""
    late = [outcome for outcome in results.outcomes if outcome.verdict == "hang"]
    if len(late) <= FEW:
        numbers = {fault.name: number for number, fault in enumerate(pool.faults)}
        again = pool.run([(numbers[outcome.fault], outcome.mode) for outcome in late if outcome.mode != "run"], 1)
        results.repeated = [f"{outcome.group}: {outcome.fault} [{outcome.mode}]" for outcome in again]
        done = {(outcome.fault, outcome.mode): outcome for outcome in again}
        results.outcomes = [done.get((outcome.fault, outcome.mode), outcome) for outcome in results.outcomes]


def _tasks(client: Client, faults: Sequence[Fault]) -> list[Task]:
    """Return the tasks that the client supports. Exports are last, and are skipped if the read hangs."""
    tasks = [(index, mode) for index, fault in enumerate(faults) for mode in fault.modes if client.has(mode)]
    return sorted(tasks, key=lambda task: task[1] == "export")


def _complete(client: Client, faults: Sequence[Fault], results: Results, server: Server) -> None:
    """Add the observations of the server and the reasons of the client."""
    numbers = {fault.name: number for number, fault in enumerate(faults)}
    seen = server.seen()
    for outcome in results.outcomes:
        for label in ("", AGAIN):
            run = seen.get(f"{numbers[outcome.fault]}/{outcome.mode}{label}", Seen())
            outcome.posts += run.posts
            outcome.leaks += ["other host"] * run.strayed
            if outcome.left is not None and run.after:
                outcome.left.append(f"{run.after} requests")
        if outcome.fault in client.differs and outcome.verdict in ("wrong", "refused"):
            outcome.verdict, outcome.partial = "by right", False


@dataclass
class _Worker:
    process: Any
    connection: Connection
    folder: Path
    task: Task | None = None
    since: float = 0.0

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.connection.close()


@dataclass
class _Pool:
    """Pool of worker processes. Processes that hang or die are replaced."""

    client: Client
    faults: Sequence[Fault]
    server: Server
    folder: Path
    late: float
    label: str = ""
    hung: set[int] = field(default_factory=set)

    def run(self, tasks: Iterable[Task], most: int) -> list[Outcome]:
        todo, outcomes = deque(tasks), []
        workers = [self._start() for _ in range(min(most, len(todo)))]
        try:
            while any(worker.task for worker in workers) or todo:
                for index, worker in enumerate(workers):
                    done = self._look(worker, todo)
                    if done is not None:
                        outcomes.append(done)
                        if done.verdict in ("hang", "crash") and not done.raised:
                            worker.kill()
                            workers[index] = self._start()
                busy = [item for worker in workers for item in (worker.connection, worker.process.sentinel)]
                connections.wait(busy, 0.05)
        finally:
            for worker in workers:
                worker.kill()
        return outcomes

    def _start(self) -> _Worker:
        ours, theirs = _context.Pipe()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        process = _context.Process(target=self._work, args=(theirs, folder), daemon=False)
        process.start()
        theirs.close()
        worker = _Worker(process, ours, folder)
        try:
            failure = ours.recv() if ours.poll(60) else "no answer in a minute"
        except EOFError:
            failure = "it died"
        if failure:
            worker.kill()
            raise RuntimeError(f"{self.client.name} does not read an answer that is right: {failure}")
        return worker

    def _look(self, worker: _Worker, todo: deque[Task]) -> Outcome | None:
        """Start the next task, or collect the outcome of the current one."""
        if worker.task is None:
            # An export would hang like the read.
            while todo and todo[0][0] in self.hung:
                todo.popleft()
            if todo:
                worker.task, worker.since = todo.popleft(), time.monotonic()
                worker.connection.send(worker.task)
            return None
        fault, mode = self.faults[worker.task[0]], worker.task[1]
        elapsed = time.monotonic() - worker.since
        outcome = Outcome(fault.name, fault.group, mode, "hang", seconds=elapsed)
        late = self.late * fault.calls
        try:
            if worker.connection.poll():
                outcome = worker.connection.recv()
                if outcome.seconds > late:
                    outcome.verdict = "hang"
            elif elapsed < late + 0.1:
                return None
        except (EOFError, ConnectionResetError):
            worker.process.join()
            outcome.verdict, outcome.said = "crash", f"exit code {worker.process.exitcode}"
        if outcome.verdict in ("hang", "crash") and mode in WRITING:
            outcome.partial = not untouched(worker.folder)
        if outcome.verdict == "hang":
            self.hung.add(worker.task[0])
        worker.task = None
        return outcome

    def _work(self, connection: Connection, folder: Path) -> None:
        os.setsid()
        folder.mkdir(exist_ok=True)
        try:
            self.client.read(self.server.echo, TOKEN, 2)
            if self.client.export is not None:
                self.client.export(self.server.echo, TOKEN, 2, str(folder / NAME))
        except Exception as error:  # noqa: BLE001 (reported to the parent process)
            connection.send(repr(error))
            return
        _limit_memory()
        connection.send(None)
        while True:
            try:
                index, mode = connection.recv()
            except EOFError:
                return
            fault = self.faults[index]
            url = f"{self.server.faults}/{index}/{mode}{self.label}.{os.getpid()}"
            url = url.replace("http:", "https:") if fault.secure else url
            connection.send(attempt(Call(self.client, fault, mode, url, TOKEN, folder), self.late))


def _limit_memory() -> None:
    status = Path("/proc/self/status")
    if status.exists():  # Linux
        [used] = [int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmData:")]
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, resource.RLIM_INFINITY))


# --- crossed responses


def _probed(probe: Callable[[Client, str], int], client: Client, url: str, seconds: float) -> int:
    """Count the calls that received their own response in time."""
    ours, theirs = _context.Pipe()

    def work() -> None:
        os.setsid()
        theirs.send(probe(client, url))

    process = _context.Process(target=work)
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(seconds) else 0
    except EOFError:
        return 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()


def _own(client: Client, url: str, limit: int) -> bool:
    try:
        return client.read(url, TOKEN, limit).iloc[:, 0].tolist() == [str(limit)]
    except Exception:  # noqa: BLE001 (counts as a crossed response)
        return False


def _cross_threads(client: Client, url: str) -> int:
    """Run concurrent calls in threads of one process."""
    _own(client, url, 2)
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(lambda number: _own(client, url, number), range(2, THREADS * THREAD_CALLS + 2)))


def _cross_forks(client: Client, url: str, late: float) -> int:
    """Run calls in forked children of a process with an open connection."""
    return sum(_fork_round(client, url, late) for _ in range(ROUNDS))


def _fork_round(client: Client, url: str, late: float) -> int:
    _own(client, url, 2)
    readers, start, children = [], _context.Barrier(FORKS), []
    for child in range(FORKS):
        ours, theirs = _context.Pipe()
        number = os.fork()
        if not number:
            start.wait()
            theirs.send(sum(_own(client, url, 1000 * (child + 1) + turn) for turn in range(FORK_CALLS)))
            os._exit(0)
        theirs.close()
        readers.append(ours)
        children.append(number)
    end = time.monotonic() + 1.5 * late
    own = sum(_received(reader, end - time.monotonic()) for reader in readers)
    for number in children:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
    return own


def _received(reader: Connection, seconds: float) -> int:
    try:
        return reader.recv() if reader.poll(max(seconds, 0)) else 0
    except EOFError:
        return 0
