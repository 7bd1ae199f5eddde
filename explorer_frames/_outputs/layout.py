"""Where a task's full result lies under a root: its path is made from job and task id, but how is not published."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer_frames._arguments import checked_id
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, FileReadError, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATHS = ("{job_id}/{task_id}", "{job_id}/tasks/{task_id}", "{task_id}")
_SHOWN = 20  # names in a message
_OF_IDS = "[0-9A-Za-z-]"


def output_url(
    root_url: str | os.PathLike[str],
    job_id: str,
    task_id: str,
    *,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> str | os.PathLike[str]:
    """Return the URL of a task's full result.

    Parameters
    ----------
    root_url
        Folder under which the results of all tasks lie.
    path
        Where it lies below, such as ``"{job_id}/{task_id}"``; it may be a pattern. None looks for
        ``{job_id}/{task_id}``, ``{job_id}/tasks/{task_id}`` and ``{task_id}``; where there is none of them, for one
        name in `root_url` that has both ids in it, or in ``{job_id}`` that has the task's.

    Raises
    ------
    ConfigError
        An id or `path` cannot be part of a URL.
    FileReadError
        None is there, or more than one: the message says what was looked for, and what is there.
    """
    job, task = checked_id("job_id", job_id), checked_id("task_id", task_id)
    if path is not None:
        return _join(root_url, _filled(path, job, task))
    store = Store(root_url, storage_options)
    usual = [_filled(template, job, task) for template in _PATHS]
    found = [below for below in usual if store.info(_below(store, below)) is not None]
    names: list[str] = []
    if not found:
        names = [below for folder in ("", job) for below in _names(store, folder)]
        found = [below for below in names if _is_of(below, job, task)]
    if len(found) == 1:
        return _join(root_url, found[0])
    which = f"{len(found)} places may have it: {_list(found)}" if found else f"there are: {_list(names) or 'no names'}"
    raise FileReadError(
        f"the result of job {job}, task {task} was not found: {which}",
        where=store.shown,
        hint=f"Looked for {', '.join(usual)}, and names with both ids. Pass path=, such as '{_PATHS[0]}'.",
    )


def _filled(template: str, job: str, task: str) -> str:
    if not isinstance(template, str) or "{task_id}" not in template:
        hint = "It looks like '{job_id}/{task_id}': without the task's id, all tasks would have the same result."
        raise ConfigError(f"path is {escaped(template, 60)!r}", hint=hint)
    return template.replace("{job_id}", job).replace("{task_id}", task).lstrip("/")


def _join(root_url: str | os.PathLike[str], below: str) -> str | os.PathLike[str]:
    if isinstance(root_url, os.PathLike):
        return Path(root_url, below)
    return root_url + "/" * (not root_url.endswith("/")) + below


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
