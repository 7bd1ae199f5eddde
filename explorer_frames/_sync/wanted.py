"""What a caller of a sync wants, checked before any I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer_frames._arguments import checked_count, checked_id, checked_limit
from explorer_frames._files.formats import Format, format_of
from explorer_frames._jobs.listing import milliseconds
from explorer_frames._jobs.wait import check_progress
from explorer_frames.errors import ConfigError, escaped
from explorer_frames.schemas import SchemaRequest

if TYPE_CHECKING:
    from datetime import datetime

    from explorer_frames._jobs.wait import Progress
    from explorer_frames._sync.manifest import TaskEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be synced, and how: a caller's arguments, checked."""

    workflow: str
    tasks: frozenset[str] | None
    since: datetime | None
    schema: Any
    format: Format
    workers: int
    progress: Progress
    reading: dict[str, Any]  # limit, vid_type, allow_incomplete: as an export takes them

    @classmethod
    def of(
        cls,
        workflow_id: object,
        *,
        tasks: object,
        since: datetime | None,
        schema: object,
        format: str,  # noqa: A002
        workers: object,
        progress: Any,
        **reading: Any,
    ) -> Wanted:
        """Check a caller's arguments, before any I/O.

        Raises
        ------
        ConfigError, UnsupportedFormatError
        """
        milliseconds("since", since)
        check_progress(progress)
        for one in schema.values() if isinstance(schema, Mapping) else (schema,):
            SchemaRequest.of(one, reading["vid_type"])
        checked_limit(reading["limit"])
        return cls(
            workflow=checked_id("workflow_id", workflow_id),
            tasks=_checked_tasks(tasks),
            since=since,
            schema=schema,
            format=format_of("", str(format) or "none"),
            workers=checked_count("workers", workers),
            progress=progress,
            reading=reading,
        )

    @property
    def names(self) -> frozenset[str]:
        """All the names and ids of tasks that the caller has used."""
        return (self.tasks or frozenset()) | (
            frozenset(self.schema) if isinstance(self.schema, Mapping) else frozenset()
        )

    def takes(self, task: TaskEntry) -> bool:
        """Whether the result of this task is to be in the folder."""
        return task.status == "success" and (self.tasks is None or not self.tasks.isdisjoint((task.name, task.id)))

    def schema_of(self, task: TaskEntry) -> Any:
        """Return the schema to read it with."""
        if not isinstance(self.schema, Mapping):
            return self.schema
        return self.schema.get(task.id, self.schema.get(task.name, "auto"))


def _checked_tasks(tasks: object) -> frozenset[str] | None:
    if tasks is None:
        return None
    names = list(tasks) if isinstance(tasks, Iterable) and not isinstance(tasks, str | bytes) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"tasks must be a list of names or ids: {escaped(tasks, 60)!r}", hint='Such as tasks=["PageRank"], or None.'
        )
    return frozenset(names)
