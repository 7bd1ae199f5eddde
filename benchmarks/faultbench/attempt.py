"""One call of a client with one fault, and its outcome."""

from __future__ import annotations

import _thread
import gc
import shutil
import signal
import sys
import time
import traceback
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from faults import settings
from faults.judge import leaks, logs, same, told, verdict
from faults.records import ANYTHING, GOLDEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.records import Fault

    from faultbench.client import Client

HERE = Path(__file__).parent
SETTINGS = Path(settings.__file__)
NAME, OLD = "out.parquet", b"what was there before"
WRITING = ("export", "sync")  # calls that write files


@dataclass
class Outcome:
    """Outcome of a call.

    Attributes
    ----------
    mode
        The call: ``"read"``, ``"export"``, ``"run"``, or one of the other calls of the client.
    verdict
        ``"right"``, ``"by right"``, ``"refused"`` (a valid response), ``"wrong"``, ``"hang"`` or ``"crash"``.
    said
        Short text of the exception or the result.
    left
        Violations after an exception of a signal handler. None without an exception.
    """

    fault: str
    group: str
    mode: str
    verdict: str
    said: str = ""
    raised: bool = False
    untyped: bool = False
    partial: bool = False
    posts: int = 0
    left: list[str] | None = None
    leaks: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Call:
    """A call: `url` is the URL of the fault, and `folder` is the target of an export."""

    client: Client
    fault: Fault
    mode: str
    url: str
    token: str
    folder: Path

    @property
    def target(self) -> Path:
        """Path of the file that an export writes."""
        return self.folder / NAME

    def rehearsal(self, name: str) -> Call:
        """Return the same call with a separate count on the server."""
        return replace(self, url=self.url.replace(f"/{self.mode}", f"/{self.mode}-{name}"))

    def prepare(self) -> None:
        """Create the folder with only an old file."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.target.write_bytes(OLD)

    def make(self) -> object:
        """Call the client, and return the frame or another result."""
        if self.mode == "run":
            self.client.run(self.url, self.token)
            return None
        if self.mode == "export":
            self.client.export(self.url, self.token, self.fault.limit, str(self.target))
            return None
        if self.mode != "read":
            return (self.client.calls[self.mode](self.url, self.token, str(self.folder)),)
        got = self.client.read(self.url, self.token, self.fault.limit)
        # Returning None is not an error.
        return got if isinstance(got, pd.DataFrame) else pd.DataFrame({"no frame": [repr(got)[:100]]})


def attempt(call: Call, late: float) -> Outcome:
    """Make a call and return its outcome.

    After an interrupt, sockets and threads must end within a third of `late` seconds.
    """
    outcome = Outcome(call.fault.name, call.fault.group, call.mode, "right")
    begun = time.monotonic()
    raised = call.fault.signal and call.fault.signal("from a signal handler")
    fired: list[int] = []
    sockets, threads = settings.sockets(), _thread._count()  # noqa: SLF001 (includes threads that `threading` does not track)
    with logs() as lines:
        for _ in range(call.fault.calls):
            call.prepare()
            got, error = None, None
            try:
                with ExitStack() as stack:
                    stack.enter_context(call.fault.setting(call) if call.fault.setting else nullcontext())
                    stack.enter_context(_signals(raised, fired))
                    got = call.make()
            except BaseException as one:
                if isinstance(one, KeyboardInterrupt) and one is not raised:
                    raise
                error = one
    outcome.seconds = time.monotonic() - begun
    if error is None:
        got = _returned(outcome, call, got)
    elif isinstance(error, MemoryError):
        outcome.verdict, outcome.raised, outcome.said = "crash", True, "MemoryError"
        return outcome
    else:
        _judge_error(outcome, call, error, raised)
    if call.mode in WRITING:
        outcome.partial = not _whole(outcome, call, got)
    if call.mode != "run":
        outcome.verdict = verdict(call.fault, got)
    sinks = {"log": "\n".join(lines), "attrs": repr(getattr(got, "attrs", ""))}
    outcome.leaks += [name for name, text in sinks.items() if call.token in text]
    if raised is not None and (fired or call.fault.rows is not ANYTHING):  # the line for the signal may not be reached
        outcome.left = [] if error is raised else ["another outcome"]
        del error
        raised.__traceback__ = raised.__context__ = raised.__cause__ = None
        outcome.left += _left(sockets, threads, late / 3)
    return outcome


@contextmanager
def _signals(error: BaseException | None, fired: list[int]) -> Iterator[None]:
    """Raise `error` from a signal handler during the call.

    `fired` remains empty if Python ignores the exception, as in finalizers and in callbacks of weak references.
    """

    def handler(number: int, _frame: object) -> None:
        fired.append(number)
        if error is not None:
            raise error

    def dropped(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_value is error:
            fired.clear()

    hook, sys.unraisablehook = sys.unraisablehook, dropped
    for number in (signal.SIGUSR1, signal.SIGALRM):
        signal.signal(number, handler)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number in (signal.SIGUSR1, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)


def _left(sockets: set[tuple[int, int]], threads: int, late: float) -> list[str]:
    """Return the sockets and threads that remain open after a delay."""
    end = time.monotonic() + late
    while True:
        found = {"sockets": len(settings.sockets() - sockets), "threads": _thread._count() - threads}  # noqa: SLF001
        left = [f"{count} {name}" for name, count in found.items() if count > 0]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.01)
        gc.collect()


def untouched(folder: Path) -> bool:
    """Return whether the old file is unchanged."""
    target = folder / NAME
    return target.exists() and target.read_bytes() == OLD


def _judge_error(outcome: Outcome, call: Call, error: BaseException, raised: BaseException | None) -> None:
    outcome.raised = True
    outcome.said = f"{type(error).__name__}: {error}"[:200]
    if error is raised:
        places = [
            f"{frame.f_code.co_filename}:{line}"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename not in (__file__, str(SETTINGS))
        ]
        outcome.said += f" at {places[-1] if places else 'no line of the client'}"
    outcome.untyped = error is not raised and not told(error, call.client.errors, call.client.advice)
    outcome.leaks += leaks(error, call.token, {HERE, SETTINGS, Path(call.client.file)})


def _returned(outcome: Outcome, call: Call, got: object) -> object:
    """Return the result of a call, or the file that it has written."""
    if call.mode == "export":
        got = _exported(outcome, call)
    if isinstance(got, tuple):
        [got] = got
        outcome.said = repr(got)[:200]
    elif isinstance(got, pd.DataFrame):
        outcome.said = _shown(got)
    return got


def _exported(outcome: Outcome, call: Call) -> pd.DataFrame:
    """Read the file that an export has written."""
    if call.token.encode() in call.target.read_bytes():
        outcome.leaks.append("file")
    return _read(call.target)


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except Exception as error:  # noqa: BLE001 (any error means that the file is invalid)
        return pd.DataFrame({"unreadable": [repr(error)[:100]]})


def _whole(outcome: Outcome, call: Call, got: object) -> bool:
    """Return whether the folder contains only complete files: the old file, the new file, or those of a lake."""
    if call.mode == "export":
        if [path.name for path in call.folder.iterdir()] != [NAME]:
            return False
        if call.fault.signal and not untouched(call.folder):  # the signal can be raised after the file was replaced
            return same(_read(call.target), GOLDEN)
        return untouched(call.folder) if outcome.raised else verdict(call.fault, got) != "wrong"
    written = [path for path in call.folder.rglob("*") if path.is_file() and path != call.target]
    may_differ = call.fault.setting is not None or call.fault.rows is ANYTHING
    results = [path for path in written if path.suffix == ".parquet" and path.parent.name != "_runs"]
    return (
        untouched(call.folder)
        and not [path for path in written if path.suffix not in {".parquet", ".json"}]
        and all(may_differ or same(_read(path).iloc[:, :2], GOLDEN) for path in results)
    )


def _shown(frame: pd.DataFrame) -> str:
    dtypes = ", ".join(map(str, frame.dtypes))
    return f"{frame.shape[0]} x {frame.shape[1]}, {dtypes}: {frame.head(3).to_numpy().tolist()}"[:200]
