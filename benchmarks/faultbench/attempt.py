"""One call of a client, under one fault: what came of it."""

from __future__ import annotations

import resource
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from faults.judge import leaks, logs, told, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.records import Fault

    from faultbench.client import Client

HERE = Path(__file__).parent
NAME, OLD = "out.parquet", b"what was there before"


@dataclass
class Outcome:
    """What came of a call.

    Attributes
    ----------
    mode
        ``"read"``, ``"export"`` or ``"run"``.
    verdict
        ``"right"``, ``"by right"``, ``"refused"`` (a right answer), ``"wrong"``, ``"hang"`` or ``"crash"``.
    said
        What was raised or returned, in short.
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
    leaks: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Call:
    """What is asked of a client: `url` is that of the run, `folder` is where an export goes."""

    client: Client
    fault: Fault
    mode: str
    url: str
    token: str
    folder: Path

    @property
    def target(self) -> Path:
        """The file that an export writes."""
        return self.folder / NAME

    def make(self) -> pd.DataFrame | None:
        """Call the client, and return the frame of a read."""
        if self.mode == "run":
            self.client.run(self.url, self.token)
            return None
        if self.mode == "export":
            with _disk(self.fault.file_limit):
                self.client.export(self.url, self.token, self.fault.limit, str(self.target))
            return None
        got = self.client.read(self.url, self.token, self.fault.limit)
        # To return nothing is not to raise.
        return got if isinstance(got, pd.DataFrame) else pd.DataFrame({"no frame": [repr(got)[:100]]})


def attempt(call: Call) -> Outcome:
    """Make a call, and judge what comes of it."""
    outcome = Outcome(call.fault.name, call.fault.group, call.mode, "right")
    begun = time.monotonic()
    with logs() as lines:
        for _ in range(call.fault.calls):
            prepare(call.folder)
            got, error = None, None
            try:
                got = call.make()
            except KeyboardInterrupt:
                raise
            except BaseException as raised:  # noqa: BLE001 (what is raised is what is judged)
                error = raised
    outcome.seconds = time.monotonic() - begun
    if isinstance(error, MemoryError):
        outcome.verdict, outcome.raised, outcome.said = "crash", True, "MemoryError"
        return outcome
    if error is not None:
        _judge_error(outcome, call, error)
    elif call.mode == "export":
        got = _exported(outcome, call)
    if call.mode == "export":
        outcome.partial = not _whole(outcome, call, got)
    if call.mode != "run":
        outcome.verdict = verdict(call.fault, got)
    if got is not None:
        outcome.said = _shown(got)
    sinks = {"log": "\n".join(lines), "attrs": repr(getattr(got, "attrs", ""))}
    outcome.leaks += [name for name, text in sinks.items() if call.token in text]
    return outcome


def prepare(folder: Path) -> None:
    """Make it a folder with an old file, and nothing else."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    (folder / NAME).write_bytes(OLD)


def untouched(folder: Path) -> bool:
    """Whether the old file is still there, whole."""
    target = folder / NAME
    return target.exists() and target.read_bytes() == OLD


@contextmanager
def _disk(size: int | None) -> Iterator[None]:
    """No file may grow beyond `size`: what a full disk is to the one who writes."""
    if size is None:
        yield
        return
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def _judge_error(outcome: Outcome, call: Call, error: BaseException) -> None:
    outcome.raised = True
    outcome.said = f"{type(error).__name__}: {error}"[:200]
    outcome.untyped = not told(error, call.client.errors, call.client.advice)
    outcome.leaks += leaks(error, call.token, {HERE, Path(call.client.file)})


def _exported(outcome: Outcome, call: Call) -> pd.DataFrame:
    """Read what an export says it wrote."""
    if call.token.encode() in call.target.read_bytes():
        outcome.leaks.append("file")
    try:
        return pd.read_parquet(call.target)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is no file)
        return pd.DataFrame({"unreadable": [repr(error)[:100]]})


def _whole(outcome: Outcome, call: Call, got: pd.DataFrame | None) -> bool:
    """Whether the folder has the old file, whole, or the right new one, and nothing beside."""
    alone = [path.name for path in call.folder.iterdir()] == [NAME]
    return alone and (untouched(call.folder) if outcome.raised else verdict(call.fault, got) != "wrong")


def _shown(frame: pd.DataFrame) -> str:
    dtypes = ", ".join(map(str, frame.dtypes))
    return f"{frame.shape[0]} x {frame.shape[1]}, {dtypes}: {frame.head(3).to_numpy().tolist()}"[:200]
