"""Where a task's full result lies under a root: its path is made from job and task id, but how is not published."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explorer_frames._arguments import checked_id
from explorer_frames._errors import escaped
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, FileReadError

_BY_TASK = ("{job_id}/{task_id}", "{job_id}/tasks/{task_id}", "{task_id}")
_BY_COMPONENT = ("{job_id}/tasks/{component}", "{job_id}/{component}")
_FIELD = re.compile(r"\{(\w*)\}")
_SHOWN = 20  # names in a message
_OF_IDS = "[0-9A-Za-z-]"


def output_url(
    root: str | os.PathLike[str],
    job_id: str,
    task_id: str,
    *,
    folder: str | None = None,
    component: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> str | os.PathLike[str]:
    """Return the URL of a task's full result.

    Parameters
    ----------
    root
        Folder under which the results of all tasks lie.
    folder
        Where it is below the root, such as ``"{job_id}/tasks/{component}"``; it may be a pattern. None looks for
        ``{job_id}/tasks/{component}`` and ``{job_id}/{component}``; without `component`, for ``{job_id}/{task_id}``,
        ``{job_id}/tasks/{task_id}`` and ``{task_id}``, or else for one name with both ids in `root`, or one with
        the task's id in ``{job_id}`` or ``{job_id}/tasks``.
    component
        Id of the task's component in the workflow, such as ``"analytics_sssp_1"``, which the API does not return.

    Raises
    ------
    ConfigError
        An id or `folder` cannot be part of a URL, or `component` is missing or not used.
    FileReadError
        There is no such folder or file, or more than one: the message contains what was looked for, and what exists.
    """
    ids = {"job_id": checked_id("job_id", job_id), "task_id": checked_id("task_id", task_id)}
    if component is not None:
        ids["component"] = checked_id("component", component)
    if folder is not None:
        return _join(root, _filled(_checked(folder, ids), ids))
    job, task = ids["job_id"], ids["task_id"]
    store = Store(root, storage_options)
    usual = [_filled(template, ids) for template in (_BY_TASK if component is None else _BY_COMPONENT)]
    found = [below for below in usual if store.info(_below(store, below)) is not None]
    names: list[str] = []
    if not found:
        names = [below for folder in ("", job, f"{job}/tasks") for below in _names(store, folder)]
        found = [below for below in names if _is_of(below, job, task)] if component is None else []
    if len(found) == 1:
        return _join(root, found[0])
    which = f"{len(found)} places may have it: {_list(found)}" if found else f"there are: {_list(names) or 'no names'}"
    if component is None:
        others = ", and names with both ids"
        hint = f"Pass the component, such as component='analytics_pagerank_1', or folder='{_BY_TASK[0]}'."
    else:
        others, hint = "", f"Check the component, or pass the folder, such as folder='{_BY_COMPONENT[0]}'."
    raise FileReadError(
        f"the result of job {job}, {f'task {task}' if component is None else component} was not found: {which}",
        where=store.shown,
        hint=f"Looked for {', '.join(usual)}{others}. {hint}",
    )


def _checked(folder: str, ids: dict[str, str]) -> str:
    """Check that a folder has the fields that tell tasks apart, and no others."""
    names = _FIELD.findall(folder) if isinstance(folder, str) else []
    hint = "Pass folder='{job_id}/{task_id}', or folder='{job_id}/tasks/{component}' and the component."
    if "task_id" not in names and "component" not in names:
        raise ConfigError(f"folder must contain {{task_id}} or {{component}}, got {escaped(folder, 60)!r}", hint=hint)
    if "component" in names and "component" not in ids:
        raise ConfigError("folder contains {component}, and no component was passed", hint=hint)
    if "component" in ids and "component" not in names:
        raise ConfigError(f"folder does not contain {{component}}, got {escaped(folder, 60)!r}", hint=hint)
    unknown = [name for name in names if name not in ids]
    if unknown:
        raise ConfigError(f"folder contains the unknown field {{{escaped(unknown[0], 60)}}}", hint=hint)
    return folder


def _filled(template: str, ids: dict[str, str]) -> str:
    return _FIELD.sub(lambda found: ids[found[1]], template).lstrip("/")


def _join(root: str | os.PathLike[str], below: str) -> str | os.PathLike[str]:
    if isinstance(root, os.PathLike):
        return Path(root, below)
    return root + "/" * (not root.endswith("/")) + below


def _below(store: Store, below: str) -> str:
    return f"{store.path.rstrip('/')}/{below}" if below else store.path


def _names(store: Store, folder: str) -> list[str]:
    """Paths of what is in a folder under the root; none where it is no folder."""
    path = _below(store, folder)
    found = store.info(path)
    if found is None or found["type"] != "directory":
        return []
    names = (entry["name"].rstrip("/").rpartition("/")[2] for entry in store.ls(path))
    return [f"{folder}/{name}" if folder else name for name in names if not name.startswith((".", "_"))]


def _is_of(below: str, job: str, task: str) -> bool:
    """Whether both ids are in a path as a whole, first the job's, and the task's in its last name.

    Ids may have ``-`` in them: so it separates none, but for one between the two. Task ``a-1`` is not in ``52_a-1-2``.
    """
    before, behind = f"(?<!{_OF_IDS})", f"(?!{_OF_IDS})"
    between = rf"(?:-|{behind}.*{before})"
    pattern = rf"{before}{re.escape(job)}{between}{re.escape(task)}{behind}[^/]*$"
    return re.search(pattern, below, re.DOTALL) is not None


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(escaped(name, 100) for name in names[:_SHOWN]) + more
