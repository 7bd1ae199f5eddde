"""One fault: what goes over the wire, and what a client may make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from faults.rawserver import End, answer, envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

Rows: TypeAlias = "tuple[tuple[str | None, float | None], ...]"
Wire: TypeAlias = "bytes | Callable[[Exchange], bytes | Iterable[bytes | float | End]]"

RAISES = None  # in place of rows: the call must end in an error
ANYTHING = object()  # in place of rows: any result, or an error
GOLDEN: Rows = (("a", 1.5), ("b", 2.5))
GOOD = answer(envelope())


@dataclass(frozen=True)
class Exchange:
    """A request, as a wire sees it: its number within the run, and where the servers are."""

    number: int
    request: bytes
    here: str  # URL of this run, which a client was given
    other: str  # the same on another port, where no secret may arrive


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes over the wire, and the verdict.

    Attributes
    ----------
    name, group
    wire
        The bytes of the answer, or a function of the exchange that makes them piece by piece.
    rows
        What a client has to return: text and double, exactly; or an equal value, of calls without rows. RAISES: it has
        to raise. ANYTHING: only the other zeros count.
    also
        What else is right, for the reason in `why`; the table counts it as "by right".
    limit
        What the client is to ask for.
    calls
        How often it is to read, the same way; the last one counts.
    secure
        Whether it is to come by https.
    modes
        The calls of a client that it is for.
    at
        A regular expression: of the requests of a run, as "METHOD /path?query", those that get `wire`. Others get
        good answers.
    setting
        What else is wrong around a call: a function of the call (its folder, the server's URL) to a context manager.
    signal
        The class of the exception that a signal handler raises, once the wire has the signal sent.
    """

    name: str
    group: str
    wire: Wire
    rows: Any = RAISES
    also: tuple[Any, ...] = ()
    why: str = ""
    limit: int = 100
    calls: int = 1
    secure: bool = False
    modes: tuple[str, ...] = ("read", "export")
    at: str = r"POST |.*/sample_result"
    setting: Callable[[Any], AbstractContextManager[None]] | None = None
    signal: type[BaseException] | None = None

    def __post_init__(self) -> None:
        assert not self.also or self.why, f"{self.name}: what differs by right needs a reason"
