"""Where a result came from: one record, the same in `frame.attrs` and in a file's own Arrow metadata."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer_frames._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "explorer_frames"
KEY = NAME.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is known of a result.

    Attributes
    ----------
    server
        URL of the Explorer, never with credentials.
    job, task
        Their ids.
    algorithm
        As asked for, or as the task's name tells with ``schema="auto"``.
    limit
        Rows asked for.
    rows, complete
        Rows that came, and whether they are all: None while they are still coming.
    read_at
        When they were asked for, UTC, ISO 8601.
    library
        Name and version of what read them.
    """

    server: str
    job: str
    task: str
    algorithm: str | None
    limit: int
    rows: int | None = None
    complete: bool | None = None
    read_at: str
    library: str = f"{NAME} {__version__}"

    def ended(self, rows: int) -> Provenance:
        """The same, at the end of the result: fewer rows than asked for are all there are."""
        return dataclasses.replace(self, rows=rows, complete=rows < self.limit)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for `frame.attrs`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def to_metadata(self) -> dict[bytes, bytes]:
        """As Arrow schema metadata: one JSON document under one key."""
        return {KEY: json.dumps(self.to_dict(), ensure_ascii=False).encode()}


def complete_of(metadata: Mapping[bytes, bytes] | None) -> bool | None:
    """Tell from schema metadata whether a result is all there was; None where it does not say."""
    try:
        document = json.loads((metadata or {})[KEY])
    except (KeyError, ValueError):
        return None
    value = document.get("complete") if isinstance(document, dict) else None
    return value if isinstance(value, bool) else None
