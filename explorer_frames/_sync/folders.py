"""Task folders of a lake, and the schema that all files of a folder share."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import pyarrow as pa

from explorer_frames._errors import escaped
from explorer_frames._files.inspection import schema_of
from explorer_frames._storage.folder import Folder
from explorer_frames._sync.manifest import TaskFolder
from explorer_frames._sync.names import case_key, claim_name, safe_name
from explorer_frames.errors import TargetExistsError, WriteError


class TaskFolders:
    """Task folders of one lake.

    The first process that writes a result of a task also writes a description of the task's folder. Every process
    compares its results with this description before it publishes them.
    """

    def __init__(self, lake: Folder) -> None:
        self._lake = lake
        self._known: dict[str, TaskFolder] = {}  # keyed by case_key(folder)
        self._files: dict[str, str] = {}  # one result file per folder
        self._lock = threading.Lock()

    def load(self, contents: Iterable[bytes | None], results: Mapping[tuple[str, str], str]) -> None:
        """Load the folder descriptions and the paths of existing results."""
        for known in map(TaskFolder.from_json, contents):
            if known is not None:
                self._known[case_key(known.folder)] = known
        self._files = {folder: path for (folder, _), path in results.items()}

    def choose(self, names: Iterable[str]) -> dict[str, str]:
        """Return the folder for each task name; names that differ only in case get a hash."""
        owners = {key: known.task_name for key, known in self._known.items()}
        folders = {}
        for name in dict.fromkeys(names):
            folder = safe_name(name)
            if owners.setdefault(case_key(folder), name) != name:
                folder = safe_name(name, distinct=True)
            folders[name] = folder
        return folders

    def schema_of(self, folder: str) -> pa.Schema | None:
        """Return the schema of the files in a folder, or None for a new folder."""
        known = self._known.get(case_key(folder))
        if known is not None:
            return known.schema
        if folder not in self._files:
            return None
        # The folder has no description, so its schema is read from a result file.
        schema: pa.Schema = self._lake.look(self._files[folder], schema_of)[1]
        return schema.remove_metadata()

    def claim(self, wanted: TaskFolder) -> None:
        """Write the folder's description; raise WriteError if a different one exists."""
        with self._lock:
            key = case_key(wanted.folder)
            known = self._known.get(key) or self._created(wanted)
            self._known[key] = known
        if known.task_name != wanted.task_name:
            raise WriteError(
                f"another process already uses this folder for task {escaped(known.task_name, 60)!r}",
                where=self._lake.url_of(wanted.folder),
                hint="Sync again to use a different folder.",
            )
        self.check(wanted.task_name, wanted.schema, known.schema)

    def _created(self, wanted: TaskFolder) -> TaskFolder:
        name = claim_name(wanted.folder)
        try:
            self._lake.put(name, wanted.to_json(), "create")
        except TargetExistsError:
            known = TaskFolder.from_json(self._lake.read([name])[0])
            if known is not None:
                return known
            self._lake.put(name, wanted.to_json(), "overwrite")  # the existing description is damaged
        return wanted

    def check(self, task_name: str, schema: pa.Schema, known: pa.Schema) -> None:
        """Raise WriteError if the columns of a result differ from those of its folder."""
        if schema.equals(known):
            return
        raise WriteError(
            f"columns {_shown(schema)} do not match earlier results of task {escaped(task_name, 60)!r} in the lake: "
            f"{_shown(known)}",
            where=self._lake.url,
            hint="To read the same columns as earlier, pass schema= for this task. If the task has changed, rename it, "
            "or pass another path.",
        )


def _shown(schema: pa.Schema) -> str:
    columns = [f"{escaped(one.name, 40)}: {one.type}{'' if one.nullable else ' not null'}" for one in schema]
    return f"({', '.join(columns)})"
