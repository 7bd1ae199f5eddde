"""Where a result came from: one record, the same in `frame.attrs` and in a file's own Arrow metadata."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from explorer_frames._version import __version__

NAME = "explorer_frames"
KEY = NAME.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is known of a result.

    Attributes
    ----------
    server, job, task
        URL of the Explorer, never with credentials, and the ids: None where a file does not tell.
    source
        URL of the files that were read, never with credentials; None for what Explorer sent.
    algorithm
        As asked for, or as the task's name tells with ``schema="auto"``.
    limit
        Rows asked for; None for a full result.
    rows, complete
        Rows that came, and whether they are all: None while they are still coming.
    read_at
        When they were asked for, UTC, ISO 8601.
    library
        Name and version of what read them.
    """

    server: str | None = None
    job: str | None = None
    task: str | None = None
    source: str | None = None
    algorithm: str | None
    limit: int | None = None
    rows: int | None = None
    complete: bool | None = None
    read_at: str
    library: str = f"{NAME} {__version__}"

    def ended(self, rows: int) -> Provenance:
        """The same, at the end of the result: fewer rows than asked for are all there are."""
        return dataclasses.replace(self, rows=rows, complete=self.limit is None or rows < self.limit)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for `frame.attrs`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def to_metadata(self) -> dict[bytes, bytes]:
        """As Arrow schema metadata: one JSON document under one key."""
        return {KEY: json.dumps(self.to_dict(), ensure_ascii=False).encode()}
