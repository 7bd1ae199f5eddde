"""Where a result came from: one record, the same in `frame.attrs` and in a file's own Arrow metadata."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from explorer_frames import _html
from explorer_frames._errors import plural, printable
from explorer_frames._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from explorer_frames._jobs.task import Task

NAME = "explorer_frames"
KEY = NAME.encode()
LIBRARY = f"{NAME} {__version__}"
_TIMES = ("begin_time", "end_time", "read_at")
_NUMBERS = ("limit", "rows")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Provenance:
    """What is known of a result; None stands for what is not.

    Attributes
    ----------
    server : str
        URL of the Explorer, never with credentials.
    source : str
        URL of the full result's files, never with credentials, where it was read from them.
    workflow_id, job_id, task_id : str
        Their ids.
    task_name : str
        Name of the task's component.
    algorithm : str
        Whose columns the result has: the `schema` argument, or the algorithm of the task's name.
    schema_source : str
        What decided on the columns: ``"argument"``, ``"task name"``, ``"component"`` (of a full result),
        ``"column count"``, or ``"text fallback"``.
    status : str
        Of the task, when its job was looked at: ``"success"`` and so on.
    begin_time, end_time : datetime.datetime
        When the task ran; aware, in UTC.
    limit : int
        Requested rows; None for all.
    rows : int
        Number of rows, as read or in the file.
    complete : bool
        Whether these are all rows of the result. None if unknown: while rows are still being read, for a part of a
        frame, if values were changed after reading, and if the number of rows is round (such as 10,000), so that it
        may be the server's cap.
    derived : bool
        Whether values, rows, or the names or order of columns were changed after reading. The other attributes still
        describe the result that was read. None if unknown, such as for a stream.
    content_hash : str
        ``sha256:`` and 64 hex digits, over names, types and values. A dot and 16 more follow if there are NaN values.
    read_at : datetime.datetime
        When they were asked for; aware, in UTC.
    library : str
        Name and version of what read, or else wrote them.

    Examples
    --------
    >>> frame = read_sample_result(job_id, task_id, limit=100, schema="auto")
    >>> receipt = write_parquet(frame, "memory://inspected.parquet")
    >>> found = read_provenance("memory://inspected.parquet")
    >>> found.algorithm, found.status, found.rows, found.complete
    ('PageRank', 'success', 77, True)
    """

    server: str | None = None
    source: str | None = None
    workflow_id: str | None = None
    job_id: str | None = None
    task_id: str | None = None
    task_name: str | None = None
    algorithm: str | None = None
    schema_source: str | None = None
    status: str | None = None
    begin_time: datetime | None = None
    end_time: datetime | None = None
    limit: int | None = None
    rows: int | None = None
    complete: bool | None = None
    derived: bool | None = None
    content_hash: str | None = None
    read_at: datetime | None = None
    library: str | None = LIBRARY

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for `frame.attrs`; times as ISO 8601."""
        document: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            document[field.name] = value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
        return document

    def __repr__(self) -> str:
        return f"<Provenance {summary(self)}>"

    def __str__(self) -> str:
        known = self._known()
        width = max(map(len, known))
        return "\n".join(f"{name:{width}}  {value}" for name, value in known.items())

    def _repr_html_(self) -> str:
        return _html.facts(self._known())

    def _known(self) -> dict[str, str]:
        """What a person wants to see: all that is known, and whether it is complete in any case."""
        shown = {name: value for name, value in self.to_dict().items() if value is not None or name == "complete"}
        if not self.derived:
            shown.pop("derived", None)
        return {name: in_words(value) for name, value in shown.items()}


def summary(provenance: Provenance) -> str:
    """Describe a result in one line: task, job, number of rows, and whether it is complete."""
    name = provenance.task_name or provenance.algorithm
    known = [name and printable(name), provenance.job_id and f"job {printable(provenance.job_id)}"]
    rows = "" if provenance.rows is None else counted_rows(provenance.rows)
    known += [rows, "changed after reading" if provenance.derived else completeness(provenance.complete)]
    return ", ".join(filter(None, known))


def counted_rows(rows: int) -> str:
    """Write a number of rows."""
    return f"{rows:,} {plural(rows, 'row')}"


def completeness(complete: bool | None) -> str:  # noqa: FBT001 (an attribute of records)
    """Write whether a result is complete, for a person."""
    return {True: "complete", False: "incomplete", None: "completeness unknown"}[complete]


def run_of(task: Task) -> Provenance:
    """Return what a task that has ended adds to the provenance of its results."""
    return Provenance(
        workflow_id=task.workflow_id,
        task_name=task.name,
        status=task.status,
        begin_time=task.begin_time,
        end_time=task.end_time,
    )


def with_provenance(schema: pa.Schema, provenance: Provenance) -> pa.Schema:
    """Return the schema with the provenance in its metadata: one JSON document under one key."""
    return schema.with_metadata({**(schema.metadata or {}), KEY: encoded(provenance.to_dict())})


def provenance_of(document: Mapping[str, Any]) -> Provenance:
    """Read a document; unknown keys and values of a wrong type are ignored."""
    fields = dataclasses.fields(Provenance)
    return Provenance(**{field.name: _value(field.name, document.get(field.name)) for field in fields})


def with_row_count(provenance: Provenance, rows: int, *, complete: bool | None) -> Provenance:
    """Add what the end of a result tells; it is never complete before its task has the status success."""
    if provenance.status not in (None, "success"):
        complete = False
    return dataclasses.replace(provenance, rows=rows, complete=complete, derived=False)


def document_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """Get the document from schema metadata; an empty one where there is none."""
    try:
        document = json.loads((metadata or {})[KEY])
    except (KeyError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def as_written(document: Mapping[str, Any], rows: int, content_hash: str | None) -> dict[str, Any]:
    """The document of a file that holds `rows` rows.

    Metadata and attrs outlive `head`, `assign` and `concat`. Rows that are not those that were read are derived from
    them, and whether they are complete is unknown.
    """
    same = document.get("rows") in (None, rows) and document.get("content_hash") in (None, content_hash)
    known = {"complete": document.get("complete")} if same else {"complete": None, "derived": True}
    return {"library": LIBRARY, **document, "rows": rows, **known, "content_hash": content_hash}


def encoded(document: Mapping[str, Any]) -> bytes:
    """As it stands in metadata."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def _value(name: str, value: object) -> Any:
    if name in _TIMES:
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
            known = moment is not None and moment.tzinfo is not None and moment.year > 1  # year 1: a zero time
            return moment.astimezone(UTC) if moment is not None and known else None
        except (ValueError, OverflowError):
            return None
    if name in ("complete", "derived"):
        return value if isinstance(value, bool) else None
    wanted = int if name in _NUMBERS else str
    return value if isinstance(value, wanted) and not isinstance(value, bool) else None


def receipt_facts(known: dict[str, Any]) -> dict[str, str]:
    """Write a receipt's plain values for a person."""
    columns = ", ".join(f"{column['name']}: {column['type']}" for column in known["columns"])
    numbers = {name: f"{value:,}" for name, value in known.items() if name in ("rows", "bytes")}
    return {name: in_words(value) for name, value in {**known, **numbers, "columns": columns}.items()}


def in_words(value: object) -> str:
    """Write a value for a person."""
    words = {True: "yes", False: "no", None: "unknown"}
    return words[value] if isinstance(value, bool | None) else printable(value)
