"""The options of a sync, checked before any I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer_frames._arguments import checked_count, checked_flag, checked_id, checked_limit
from explorer_frames._errors import escaped
from explorer_frames._files.formats import Format, format_of
from explorer_frames._jobs.listing import milliseconds
from explorer_frames._progress import check_progress
from explorer_frames._schemas import SchemaRequest
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
    ) -> SyncOptions:
        """Check a caller's arguments, before any I/O.

        Raises
        ------
        ConfigError, UnsupportedFormatError
        """
        milliseconds("created_after", created_after)
        check_progress(progress)
        by_task = schema if isinstance(schema, Mapping) else {}
        default = "auto" if isinstance(schema, Mapping) else schema
        checked_limit(limit)
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
        )

    @property
    def names(self) -> frozenset[str]:
        """All names and ids of tasks in the arguments."""
        return (self.tasks or frozenset()) | self.schemas.keys()

    def takes(self, task: TaskEntry) -> bool:
        """Whether the result of this task is to be in the folder."""
        return task.status == "success" and (self.tasks is None or not self.tasks.isdisjoint((task.name, task.task_id)))

    def schema_of(self, task: TaskEntry) -> SchemaRequest:
        """Return the schema to read a task's result with."""
        return self.schemas.get(task.task_id) or self.schemas.get(task.name) or self.schema


def _checked_tasks(tasks: object) -> frozenset[str] | None:
    if tasks is None:
        return None
    names = list(tasks) if isinstance(tasks, Iterable) and not isinstance(tasks, str | bytes) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"tasks must be a list of names or ids: {escaped(tasks, 60)!r}", hint="Pass a list for a single task, too."
        )
    return frozenset(names)
