"""Provenance of results, stored in `DataFrame.attrs` and in file metadata."""

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
    """Provenance of a result: its source, task, columns and completeness.

    All attributes are optional. They are None if unknown.

    Attributes
    ----------
    server : str
        URL of the Explorer server, without credentials.
    source : str
        URL of the files of a full result, without credentials. None if the result was read through the API.
    workflow_id, job_id, task_id : str
        Ids of the workflow, the job and the task.
    task_name : str
        Name of the task.
    algorithm : str
        Name of the algorithm that defines the columns.
    schema_source : str
        How the columns were chosen: ``"argument"``, ``"task name"``, ``"component"``, ``"column count"`` or
        ``"text fallback"``.
    status : str
        Status of the task when it was read, such as ``"success"``.
    begin_time, end_time : datetime.datetime
        Begin and end of the task, in UTC.
    limit : int
        Requested number of rows. None for all.
    rows : int
        Number of rows that were read, or number of rows in the file.
    complete : bool
        Whether all rows of the result were read. None if the server may have truncated the result, because the number
        of rows is round. Also None for a stream, and if the data was changed after it was read.
    derived : bool
        Whether the data was changed after it was read, for example by selecting rows or renaming columns. The other
        attributes still describe the original result.
    content_hash : str
        SHA-256 hash of the column names, types and values, such as ``"sha256:9f86d0..."``.
    read_at : datetime.datetime
        Time of the request for the rows, in UTC.
    library : str
        Name and version of the library that read the rows.

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
        """Return the attributes as a dict, with times as ISO 8601 strings."""
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
        """Return the known attributes and `complete` as text."""
        shown = {name: value for name, value in self.to_dict().items() if value is not None or name == "complete"}
        if not self.derived:
            shown.pop("derived", None)
        return {name: in_words(value) for name, value in shown.items()}


def summary(provenance: Provenance) -> str:
    """Describe a result in one line."""
    name = provenance.task_name or provenance.algorithm
    known = [name and printable(name), provenance.job_id and f"job {printable(provenance.job_id)}"]
    rows = "" if provenance.rows is None else counted_rows(provenance.rows)
    known += [rows, completeness(provenance)]
    return ", ".join(filter(None, known))


def counted_rows(rows: int) -> str:
    """Format a number of rows."""
    return f"{rows:,} {plural(rows, 'row')}"


def completeness(known: Provenance) -> str:
    """Return the completeness of a result as text."""
    if known.derived:
        return "changed after reading"
    return {True: "complete", False: "incomplete", None: "may be incomplete"}[known.complete]


def receipt_line(rows: str, complete: bool | None) -> str:  # noqa: FBT001 (an attribute, not a flag)
    """Format the rows of a receipt, with their completeness if it is known."""
    return rows if complete is None else f"{rows}, {'complete' if complete else 'incomplete'}"


def run_of(task: Task) -> Provenance:
    """Return the provenance of a finished task, without its result."""
    return Provenance(
        workflow_id=task.workflow_id,
        task_name=task.name,
        status=task.status,
        begin_time=task.begin_time,
        end_time=task.end_time,
    )


def with_provenance(schema: pa.Schema, provenance: Provenance) -> pa.Schema:
    """Add the provenance to the schema metadata, as a JSON document."""
    return schema.with_metadata({**(schema.metadata or {}), KEY: encoded(provenance.to_dict())})


def provenance_of(document: Mapping[str, Any]) -> Provenance:
    """Convert a document to a `Provenance`; ignore invalid values."""
    fields = dataclasses.fields(Provenance)
    return Provenance(**{field.name: _value(field.name, document.get(field.name)) for field in fields})


def with_row_count(provenance: Provenance, rows: int, *, complete: bool | None) -> Provenance:
    """Add the number of rows and the completeness."""
    if provenance.status not in (None, "success"):
        complete = False  # the task may still be running, or has failed
    return dataclasses.replace(provenance, rows=rows, complete=complete, derived=False)


def document_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """Return the document in schema metadata, or an empty dict if it is missing."""
    try:
        document = json.loads((metadata or {})[KEY])
    except (KeyError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def as_written(document: Mapping[str, Any], rows: int, content_hash: str | None) -> dict[str, Any]:
    """Return the document for a file; mark changed data as derived."""
    # pandas keeps `attrs` in `head`, `assign` and `concat`, so the document may describe other data.
    same = document.get("rows") in (None, rows) and document.get("content_hash") in (None, content_hash)
    known = {"complete": document.get("complete")} if same else {"complete": None, "derived": True}
    return {"library": LIBRARY, **document, "rows": rows, **known, "content_hash": content_hash}


def encoded(document: Mapping[str, Any]) -> bytes:
    """Encode a document for metadata."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def _value(name: str, value: object) -> Any:
    if name in _TIMES:
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
            known = moment is not None and moment.tzinfo is not None and moment.year > 1  # year 1 is a missing time
            return moment.astimezone(UTC) if moment is not None and known else None
        except (ValueError, OverflowError):
            return None
    if name in ("complete", "derived"):
        return value if isinstance(value, bool) else None
    wanted = int if name in _NUMBERS else str
    return value if isinstance(value, wanted) and not isinstance(value, bool) else None


def receipt_facts(known: dict[str, Any]) -> dict[str, str]:
    """Format the plain values of a receipt."""
    columns = ", ".join(f"{column['name']}: {column['type']}" for column in known["columns"])
    numbers = {name: f"{value:,}" for name, value in known.items() if name in ("rows", "bytes")}
    return {name: in_words(value) for name, value in {**known, **numbers, "columns": columns}.items()}


def in_words(value: object) -> str:
    """Format a value for display."""
    words = {True: "yes", False: "no", None: "unknown"}
    return words[value] if isinstance(value, bool | None) else printable(value)
