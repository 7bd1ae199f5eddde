"""Options of a sync, validated before any I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from explorer_frames._errors import as_given, escaped
from explorer_frames._files.formats import Format
from explorer_frames._progress import Progress
from explorer_frames._schemas import FALLBACKS, Algorithm, SchemaRequest
from explorer_frames._sync.manifest import PARTITIONS, RUN_COLUMNS, TaskEntry, server_name_of
from explorer_frames.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """Validated arguments of `sync_workflow`."""

    workflow: str
    tasks: frozenset[str] | None  # names and ids
    created_after: str | datetime | None
    limit: int | None
    schema: SchemaRequest  # for tasks that are not in `schemas`
    schemas: Mapping[str, SchemaRequest]  # by task name or id
    format: Format
    allow_incomplete: bool
    workers: int
    progress: Progress
    server_name: str
    partition_by: tuple[str, ...]
    verify: bool
    make_parents: bool

    def takes(self, task: TaskEntry) -> bool:
        """Return whether to export the result of this task."""
        return task.status == "success" and (self.tasks is None or not self.tasks.isdisjoint((task.name, task.task_id)))

    def schema_of(self, task: TaskEntry, known: pa.Schema | None = None) -> SchemaRequest:
        """Return the schema for reading a task's result.

        `known` are the columns of the task's results in the lake. If an earlier result did not fit the inferred columns
        and was read as text, this result is also read as text.
        """
        request = self.schemas.get(task.task_id) or self.schemas.get(task.name) or self.schema
        if known is not None and request.auto and request.for_task(task.name).given is None:
            for fallback in FALLBACKS:
                names = fallback.resolve(None).schema.names
                if known.names[: len(names)] == names:
                    return fallback
        return request

    def expected_schema(self, task: TaskEntry) -> pa.Schema | None:
        """Return the columns of an empty result, or None if they depend on its rows."""
        request = self.schema_of(task).for_task(task.name)
        if isinstance(request.given, Algorithm) and len(request.given.shapes) != 1:
            return None
        return None if request.given is None else request.resolve(None).schema


def checked_schemas(
    schema: object, vid_type: str, partition_by: tuple[str, ...]
) -> tuple[SchemaRequest, dict[str, SchemaRequest]]:
    """Validate `schema`; return the default schema and the schemas by task."""
    by_task = schema if isinstance(schema, Mapping) else {}
    default = "auto" if isinstance(schema, Mapping) else schema
    for one in (default, *by_task.values()):
        _check_names(one, partition_by)
    requests = {name: SchemaRequest.of(one, vid_type) for name, one in by_task.items()}
    return SchemaRequest.of(default, vid_type), requests


def checked_tasks(tasks: object) -> frozenset[str] | None:
    """Validate the names and ids of tasks."""
    if tasks is None:
        return None
    names = list(tasks) if isinstance(tasks, Iterable) and not isinstance(tasks, str | bytes) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"tasks must be a list of names or ids, got {as_given(tasks)}", hint="Pass a list, even for a single task."
        )
    return frozenset(names)


def checked_partitions(partition_by: object) -> tuple[str, ...]:
    """Validate the names of the partition columns."""
    if partition_by is None:
        return ()
    given = [partition_by] if isinstance(partition_by, str) else partition_by
    columns = list(given) if isinstance(given, Iterable) and not isinstance(given, bytes) else []
    if not columns or any(column not in PARTITIONS.names for column in columns) or len(set(columns)) < len(columns):
        hint = f"Pass one or more of {', '.join(PARTITIONS.names)}, without duplicates, in the order of the folders."
        raise ConfigError(f"partition_by has invalid or duplicate columns: {as_given(partition_by)}", hint=hint)
    return tuple(columns)


def checked_server_name(server_name: object, url: str) -> str:
    """Validate the name of a server, which defaults to a name derived from its `url`."""
    if server_name is None:
        return server_name_of(url)
    name = server_name.strip() if isinstance(server_name, str) else ""
    with suppress(ValueError):  # raised for invalid URLs
        name = server_name_of(name) if "://" in name else name
        if name and name.isprintable():
            return name
    raise ConfigError(
        "server_name must be a printable str or a URL",
        hint="Pass a name for the server, such as 'production'.",
    )


def _check_names(schema: object, partition_by: tuple[str, ...]) -> None:
    """Raise ConfigError for a reserved column name; case is ignored, as in some engines."""
    taken = {*RUN_COLUMNS.names, *partition_by}
    for name in schema.names if isinstance(schema, pa.Schema) else ():
        if name.lower() in taken:
            raise ConfigError(
                f"column name {escaped(name, 60)!r} is reserved in a lake",
                hint="Rename the column in schema=.",
            )
