"""One fault: what goes over the wire, and what a client may make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from faults.rawserver import End, answer, envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Rows: TypeAlias = "tuple[tuple[str | None, float | None], ...]"
Wire: TypeAlias = "bytes | Callable[[Exchange], bytes | Iterable[bytes | float | End]]"

RAISES = None  # in place of rows: the call must end in an error
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
        What a client has to return: text and double, exactly. RAISES: it has to raise.
    also
        What else is right, for the reason in `why`; the table counts it as "by right".
    limit
        What the client is to ask for.
    calls
        How often it is to read, the same way; the last one counts.
    secure
        Whether it is to come by https.
    file_limit
        A size in bytes at which the disk is full; then only an export is asked for.
    """

    name: str
    group: str
    wire: Wire
    rows: Rows | None = RAISES
    also: tuple[Rows | None, ...] = ()
    why: str = ""
    limit: int = 100
    calls: int = 1
    secure: bool = False
    file_limit: int | None = None

    def __post_init__(self) -> None:
        assert not self.also or self.why, f"{self.name}: what differs by right needs a reason"
