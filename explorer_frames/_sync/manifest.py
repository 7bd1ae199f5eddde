"""The layout of a synced folder: the names of its files, and what its manifests say.

::

    task_name=<name>/job_id=<id>/part-<hash>.parquet
    _manifest/job_id=<id>.json
    _manifest/_dataset.json

Readers of hive-partitioned folders pass over names that begin with an underscore, or ask for ``*.parquet`` only.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

from explorer_frames._errors import escaped
from explorer_frames._jobs.status import FINAL
from explorer_frames._provenance import NAME
from explorer_frames._version import __version__
from explorer_frames.errors import ConfigError

DATASET = "_manifest/_dataset.json"
_LAYOUT = 1
_NULL = "__HIVE_DEFAULT_PARTITION__"


class TaskEntry(NamedTuple):
    """A task, as a manifest has it."""

    task_id: str
    name: str
    status: str


def partition_value(task_name: str) -> str:
    """Spell a task's name so that readers get it back, as a part of a path.

    Only ASCII is percent-encoded: Hive and Spark read each ``%XX`` as one character, not as a byte of UTF-8. A period
    at the end is encoded, too: Windows leaves it out.

    Examples
    --------
    >>> partition_value("KCore type=vertex")
    'KCore%20type%3Dvertex'
    """
    value = re.sub(r"[\0-\x7f]+", lambda found: quote(found[0], safe=""), task_name)
    return re.sub("[.]$", "%2E", value) or _NULL


def part_name(job: str, task: TaskEntry, format: str) -> str:  # noqa: A002
    """Name the file of a task's result: by whose it is, not by what is in it, so that all writers meet there."""
    whose = hashlib.sha256(f"{job}/{task.task_id}".encode()).hexdigest()[:16]  # "/" is in no id
    return f"task_name={partition_value(task.name)}/job_id={job}/part-{whose}.{format}"


def manifest_name(job: str) -> str:
    """Name the manifest of a job."""
    return f"_manifest/job_id={job}.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of a job, and which of its results are in the folder.

    Attributes
    ----------
    job_id
        Its id.
    tasks
        All that it has, in the server's order.
    parts
        By name: task_id, rows, bytes, and the file's provenance.
    """

    job_id: str
    tasks: tuple[TaskEntry, ...]
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether none of the tasks will change any more."""
        return all(task.status in FINAL for task in self.tasks)

    def to_json(self) -> bytes:
        """The same content is the same bytes, whoever writes it."""
        order = {task.task_id: number for number, task in enumerate(self.tasks)}
        names = sorted(self.parts, key=lambda name: (order.get(self.parts[name]["task_id"], len(order)), name))
        return _dumps(
            job_id=self.job_id,
            tasks=[task._asdict() for task in self.tasks],
            parts=[{"path": name, **self.parts[name]} for name in names],
            library=f"{NAME} {__version__}",
        )

    @classmethod
    def from_json(cls, content: bytes | None, job: str) -> Manifest | None:
        """Read one; None where there is none that can be read: the files themselves tell the same."""
        try:
            document = json.loads(content or b"")
            tasks = tuple(TaskEntry(*(str(task[name]) for name in TaskEntry._fields)) for task in document["tasks"])
            parts = {str(part.pop("path")): part for part in document["parts"]}
            whole = all(type(part[name]) is int for part in parts.values() for name in ("rows", "bytes"))
            whole = whole and all(type(part["task_id"]) is str for part in parts.values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return cls(job, tasks, parts) if whole and document.get("job_id") == job else None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Whose folder it is, and what all files in it have in common."""

    server: str
    workflow_id: str
    format: str
    vid_type: str

    def to_json(self) -> bytes:
        """As `_dataset.json` has it."""
        return _dumps(**{name: getattr(self, name) for name in self.__slots__})

    def check(self, content: bytes, where: str) -> None:
        """Refuse a folder that is another's.

        Raises
        ------
        ConfigError
        """
        try:
            document = json.loads(content)
            found = {name: document[name] for name in ("layout", *self.__slots__)}
        except (ValueError, KeyError, TypeError, RecursionError):
            found = {}
        if not found:
            raise ConfigError("the folder's _manifest/_dataset.json cannot be read", where=where, hint=_ELSEWHERE)
        mine = json.loads(self.to_json())
        others = [
            f"{name} {escaped(value, 80)!r} and not {mine[name]!r}"
            for name, value in found.items()
            if value != mine[name]
        ]
        if others:
            raise ConfigError(f"the folder is of {', '.join(others)}", where=where, hint=_ELSEWHERE)


_ELSEWHERE = "One folder is for one workflow of one server, in one format: pass another path."


def _dumps(**members: Any) -> bytes:
    return json.dumps({"layout": _LAYOUT, **members}, ensure_ascii=False, indent=1).encode()
