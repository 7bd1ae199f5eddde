"""Metadata files of a lake: its settings, its task schemas, and its job records."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa

from explorer_frames._errors import escaped
from explorer_frames._jobs.status import FINAL
from explorer_frames._provenance import LIBRARY
from explorer_frames.errors import ConfigError

_LAYOUT = 1
_TIME = pa.timestamp("us", "UTC")
# Columns that each file contains in addition to the columns of the result.
RUN_COLUMNS = pa.schema([("job_id", pa.string()), ("task_id", pa.string()), ("end_time", _TIME)])
# Columns that `partition_by` accepts.
PARTITIONS = pa.schema([("job_id", pa.string()), ("task_id", pa.string()), ("end_date", pa.date32())])
RUNS_SCHEMA = pa.schema(
    [
        ("job_id", pa.string()),
        ("workflow_id", pa.string()),
        ("create_time", _TIME),
        ("begin_time", _TIME),
        ("end_time", _TIME),
        ("task_id", pa.string()),
        ("task_name", pa.string()),
        ("status", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("complete", pa.bool_()),
        ("content_hash", pa.string()),
        ("path", pa.string()),
    ]
)
_ELSEWHERE = "A lake has one server, one workflow, one format and one partition_by. Pass another path."
_PORTS = {"http": 80, "https": 443}


class TaskEntry(NamedTuple):
    """Task of a job."""

    task_id: str
    name: str
    status: str


class Part(NamedTuple):
    """Result in a lake; `path` is None if the result has no rows and therefore no file."""

    rows: int
    bytes: int
    complete: bool | None
    content_hash: str | None
    path: str | None


class JobRun(NamedTuple):
    """Job as listed by the server; unknown times are None."""

    job_id: str
    workflow_id: str
    create_time: datetime | None = None
    begin_time: datetime | None = None
    end_time: datetime | None = None

    def difference(self, other: JobRun) -> str | None:
        """Describe how a job with the same id differs, or return None if it may be the same."""
        for name in ("create_time", "begin_time"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None and theirs is not None and mine != theirs:
                return f"{name} is {theirs:%Y-%m-%d %H:%M:%S} in the lake and {mine:%Y-%m-%d %H:%M:%S} on the server"
        return None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Tasks and results of a job; `parts` is keyed by task id.

    A record is stored as a Parquet file with one row per task.
    """

    job: JobRun
    tasks: tuple[TaskEntry, ...]
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether all tasks are in a final state."""
        return all(task.status in FINAL for task in self.tasks)

    def to_bytes(self) -> bytes:
        """Serialize the record to Parquet; equal records give equal bytes."""
        import pyarrow.parquet as pq  # noqa: PLC0415 (this import takes 30 ms)

        missing = (None,) * len(Part._fields)
        rows = [(*self.job, *task, *self.parts.get(task.task_id, missing)) for task in self.tasks]
        table = pa.Table.from_pylist([dict(zip(RUNS_SCHEMA.names, row, strict=True)) for row in rows], RUNS_SCHEMA)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, write_page_checksum=True)
        return bytes(sink.getvalue())

    @classmethod
    def from_bytes(cls, content: bytes | None, job: JobRun) -> JobRecord | None:
        """Parse a record; None if it is missing, damaged or for another job.

        A lost record can be rebuilt, because the result files contain the same information.
        """
        import pyarrow.parquet as pq  # noqa: PLC0415 (see above)

        try:
            table = pq.ParquetFile(pa.BufferReader(content or b""), page_checksum_verification=True).read(
                use_threads=False
            )
        except (pa.ArrowException, OSError, ValueError):
            return None
        if not table.schema.equals(RUNS_SCHEMA):
            return None
        rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        if any(row[0] != job.job_id or None in row[5:8] for row in rows):
            return None
        of_job = len(JobRun._fields)
        of_task = of_job + len(TaskEntry._fields)
        tasks = tuple(TaskEntry(*row[of_job:of_task]) for row in rows)
        parts = {row[of_job]: Part(*row[of_task:]) for row in rows if None not in row[of_task : of_task + 2]}
        return cls(JobRun(*rows[0][:of_job]) if rows else job, tasks, parts)


@dataclass(frozen=True, slots=True)
class TaskFolder:
    """Description of a task's folder: the task name and the schema of its results."""

    task_name: str
    folder: str
    schema: pa.Schema

    def to_json(self) -> bytes:
        """Serialize the description; `columns` is for human readers only."""
        columns = {one.name: str(one.type) for one in self.schema}
        schema = base64.b64encode(self.schema.serialize()).decode()
        return _dumps(task_name=self.task_name, folder=self.folder, columns=columns, schema=schema)

    @classmethod
    def from_json(cls, content: bytes | None) -> TaskFolder | None:
        """Parse a description, or return None if it is missing or damaged."""
        try:
            document = json.loads(content or b"")
            schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(document["schema"])))
            return cls(str(document["task_name"]), str(document["folder"]), schema)
        except (ValueError, KeyError, TypeError, RecursionError, OSError, pa.ArrowException):
            return None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Settings of a lake: its server, its workflow, and the properties of all its files."""

    server_name: str
    workflow_id: str
    format: str
    vid_type: str
    partition_by: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """Serialize the settings."""
        return _dumps(**{name: getattr(self, name) for name in self.__slots__}, library=LIBRARY)

    @classmethod
    def from_json(cls, content: bytes) -> Dataset | None:
        """Parse the settings, or return None if they are damaged."""
        try:
            document = json.loads(content)
            *texts, partition_by = (document[name] for name in cls.__slots__)
            if document["layout"] == _LAYOUT and all(isinstance(text, str) for text in (*texts, *partition_by)):
                return cls(*texts, tuple(partition_by))  # type: ignore[call-arg]  # one text per field
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        return None

    def check(self, content: bytes, where: str) -> None:
        """Raise ConfigError if a lake has other settings."""
        found = self.from_json(content)
        if found is None:
            raise ConfigError("invalid _manifest/dataset.json in this folder", where=where, hint=_ELSEWHERE)
        others = [name for name in self.__slots__ if getattr(found, name) != getattr(self, name)]
        if not others:
            return
        shown = [f"{name} is {_shown(getattr(found, name))}, not {_shown(getattr(self, name))}" for name in others]
        hint = _ELSEWHERE
        if others == ["server_name"]:
            hint = (
                f"If it is the same server under another URL, pass server_name={escaped(found.server_name, 200)!r}. "
                "Otherwise pass another path."
            )
        raise ConfigError(f"the folder is a lake with different settings: {'; '.join(shown)}", where=where, hint=hint)


def _shown(value: str | tuple[str, ...]) -> str:
    return repr(escaped(value if isinstance(value, str) else ", ".join(value), 80))


def server_name_of(url: str) -> str:
    """Return the URL without its scheme, credentials, default port and trailing slashes.

    Examples
    --------
    >>> server_name_of("https://explorer.example:443/graph/"), server_name_of("http://Explorer:7002")
    ('explorer.example/graph', 'explorer:7002')
    """
    parts = urlsplit(url)
    port = parts.port if parts.port != _PORTS.get(parts.scheme) else None
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}{'' if port is None else f':{port}'}{re.sub('/+$', '', parts.path)}"


def _dumps(**members: Any) -> bytes:
    return json.dumps({"layout": _LAYOUT, **members}, ensure_ascii=False, indent=1).encode()
