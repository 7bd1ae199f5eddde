"""Definition of a fault: the bytes that a server sends, and the valid outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from faults.rawserver import End, answer, envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

Rows: TypeAlias = "tuple[tuple[str | None, float | None], ...]"
Wire: TypeAlias = "bytes | Callable[[Exchange], bytes | Iterable[bytes | float | End]]"

RAISES = None  # replaces rows: the call must raise an error
ANYTHING = object()  # replaces rows: any result or error is valid
GOLDEN: Rows = (("a", 1.5), ("b", 2.5))
GOOD = answer(envelope())


@dataclass(frozen=True)
class Exchange:
    """Request to a fault: its number within the run, and the URLs of the servers."""

    number: int
    request: bytes
    here: str  # URL of this run, which was passed to the client
    other: str  # the same on another port, which must not receive secrets


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Bytes that a server sends, and the valid outcomes.

    Attributes
    ----------
    name, group
    wire
        Bytes of the response, or a function that returns them for an exchange.
    rows
        Required result: rows with a text and a double, or any other value of the call. RAISES requires an error.
        ANYTHING allows any outcome, but leaks and hangs are still counted.
    also
        Other valid outcomes. The report counts them as "by right".
    why
        Reason why the outcomes in `also` are valid.
    limit
        Limit that the client requests.
    calls
        Number of identical calls. Only the last one is judged.
    secure
        Whether the URL is https.
    modes
        Client calls that the fault applies to.
    at
        Regular expression for the requests that receive `wire`, as "METHOD /path?query". Other requests receive valid
        responses.
    setting
        Function that returns a context manager for the environment of a call, such as a full disk.
    signal
        Class of the exception that the client's signal handler raises. The wire sends the signal.
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
