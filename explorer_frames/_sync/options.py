"""The options of a sync, checked before any I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from explorer_frames._arguments import checked_count, checked_flag, checked_id, checked_limit
from explorer_frames._errors import escaped
from explorer_frames._files.formats import Format, format_of
from explorer_frames._jobs.listing import milliseconds
from explorer_frames._progress import check_progress
from explorer_frames._schemas import FALLBACKS, Algorithm, SchemaRequest
from explorer_frames._sync.manifest import PARTITIONS, RUN_COLUMNS, server_name_of
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

    from explorer_frames._progress import Progress
    from explorer_frames._sync.manifest import TaskEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """The arguments of `sync_workflow`, checked.

    Attributes
    ----------
    tasks
        Names and ids of the requested tasks; None for all.
    schema
        For tasks that are not in `schemas`.
    schemas
        By task name or id.
    server_name
        The name that the lake records for the server.
    partition_by
        Columns that are folders.
    verify
        Whether to read the files that exist, and compare them with the lake's record.
    make_parents
        Whether to create missing folders above the lake.
    """

    workflow: str
    tasks: frozenset[str] | None
    created_after: str | datetime | None
    limit: int | None
    schema: SchemaRequest
    schemas: Mapping[str, SchemaRequest]
    format: Format
    allow_incomplete: bool
    workers: int
    progress: Progress
    server_name: str
    partition_by: tuple[str, ...]
    verify: bool
    make_parents: bool

    @classmethod
    def of(
        cls,
        workflow_id: object,
        *,
        tasks: object,
        created_after: str | datetime | None,
        limit: int | None,
        schema: object,
        vid_type: str,
        format: str,  # noqa: A002
        allow_incomplete: object,
        workers: object,
        progress: Progress,
        server_name: object,
        url: str,
        partition_by: object,
        verify: object,
        make_parents: object,
    ) -> SyncOptions:
        """Check a caller's arguments, before any I/O; `url` is the server's, the default of its name.

        Raises
        ------
        ConfigError, UnsupportedFormatError
        """
        milliseconds("created_after", created_after)
        check_progress(progress)
        by_task = schema if isinstance(schema, Mapping) else {}
        default = "auto" if isinstance(schema, Mapping) else schema
        checked_limit(limit)
        columns = _checked_partitions(partition_by)
        for one in (default, *by_task.values()):
            _check_names(one, columns)
        return cls(
            workflow=checked_id("workflow_id", workflow_id),
            tasks=_checked_tasks(tasks),
            created_after=created_after,
            limit=limit,
            schema=SchemaRequest.of(default, vid_type),
            schemas={name: SchemaRequest.of(one, vid_type) for name, one in by_task.items()},
            format=format_of("", str(format) or "none"),
            allow_incomplete=checked_flag("allow_incomplete", allow_incomplete),
            workers=checked_count("workers", workers),
            progress=progress,
            server_name=server_name_of(url) if server_name is None else _checked_server_name(server_name),
            partition_by=columns,
            verify=checked_flag("verify", verify),
            make_parents=checked_flag("make_parents", make_parents),
        )

    @property
    def names(self) -> frozenset[str]:
        """All names and ids of tasks in the arguments."""
        return (self.tasks or frozenset()) | self.schemas.keys()

    def takes(self, task: TaskEntry) -> bool:
        """Whether the result of this task is to be in the folder."""
        return task.status == "success" and (self.tasks is None or not self.tasks.isdisjoint((task.name, task.task_id)))

    def schema_of(self, task: TaskEntry, known: pa.Schema | None = None) -> SchemaRequest:
        """Return the schema to read a task's result with.

        Parameters
        ----------
        task
        known
            The columns of the task's results in the lake. If an earlier one was read as text, because the columns by
            their number did not fit, so is this one.
        """
        request = self.schemas.get(task.task_id) or self.schemas.get(task.name) or self.schema
        if known is not None and request.auto and request.for_task(task.name).given is None:
            for fallback in FALLBACKS:
                names = fallback.resolve(None).schema.names
                if known.names[: len(names)] == names:
                    return fallback
        return request

    def expected_schema(self, task: TaskEntry) -> pa.Schema | None:
        """Return the columns of a result without rows; None if only rows tell them."""
        request = self.schema_of(task).for_task(task.name)
        if isinstance(request.given, Algorithm) and len(request.given.shapes) != 1:
            return None
        return None if request.given is None else request.resolve(None).schema


def _checked_tasks(tasks: object) -> frozenset[str] | None:
    if tasks is None:
        return None
    names = list(tasks) if isinstance(tasks, Iterable) and not isinstance(tasks, str | bytes) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"tasks must be a list of names or ids, got {escaped(tasks, 60)!r}",
            hint="Pass a list, also for a single task.",
        )
    return frozenset(names)


def _checked_partitions(partition_by: object) -> tuple[str, ...]:
    if partition_by is None:
        return ()
    given = [partition_by] if isinstance(partition_by, str) else partition_by
    columns = list(given) if isinstance(given, Iterable) and not isinstance(given, bytes) else []
    if not columns or any(column not in PARTITIONS.names for column in columns) or len(set(columns)) < len(columns):
        hint = f"Pass one or several of {', '.join(PARTITIONS.names)}, each once, in the order of the folders."
        raise ConfigError(f"partition_by must name columns of a lake, got {escaped(partition_by, 60)!r}", hint=hint)
    return tuple(columns)


def _checked_server_name(server_name: object) -> str:
    name = server_name.strip() if isinstance(server_name, str) else ""
    with suppress(ValueError):  # not a URL
        name = server_name_of(name) if "://" in name else name
        if name and name.isprintable():
            return name
    raise ConfigError(
        "server_name must be a printable str or a URL",
        hint="Pass any name that stays the same when the server's URL changes.",
    )


def _check_names(schema: object, partition_by: tuple[str, ...]) -> None:
    """Refuse columns that the files or folders of a lake have already; to some engines, in any case."""
    taken = {*RUN_COLUMNS.names, *partition_by}
    for name in schema.names if isinstance(schema, pa.Schema) else ():
        if name.lower() in taken:
            raise ConfigError(
                f"column name {escaped(name, 60)!r} is reserved in a lake",
                hint="Rename the column in schema=.",
            )
