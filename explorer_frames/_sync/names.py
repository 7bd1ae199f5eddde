"""Names of the files of a lake.

::

    <task folder>/<job id>-<hash>.parquet
    _runs/<job id>-<hash>.parquet
    _manifest/dataset.json
    _manifest/tasks/<task folder in lower case>.json

The folder of each task is a data set of its own, with one schema. The other files are in no such folder, so that
readers of a data set do not list them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

from explorer_frames._storage.address import invalid_on_windows

DATASET = "_manifest/dataset.json"
TASKS = "_manifest/tasks/"
RUNS = "_runs/"
OWN = (RUNS, "_manifest/")
_RESULT = re.compile(r"[^/_.][^/]*/(?:.*/)?[^/_.][^/]*-[0-9a-f]{16}[.](?:parquet|feather)", re.DOTALL)
_MOST_BYTES = 200  # of a name in UTF-8: file systems take 255, and temporary files have longer names
_MOST_CHARACTERS = 60  # that are left of a longer name, at most 4 bytes each


@lru_cache(maxsize=1024)
def safe_name(name: str, *, distinct: bool = False) -> str:
    """Return a name as it is where every store and reader takes it; otherwise a similar one, with a hash.

    Unchanged are letters and digits of any script, blanks, periods, underscores and hyphens. Anything else may be a
    separator, a wildcard or an escape to a file system, a URL or a reader.

    Parameters
    ----------
    name
    distinct
        Whether to add the hash in any case: another name differs only in case.

    Examples
    --------
    >>> safe_name("My Task 2"), safe_name("x/y=z")
    ('My Task 2', 'x_y_z-638f38d1')
    """
    plain = re.sub(r"[^\w .-]+", _replaced, name).lstrip(" ._").rstrip(" .")
    if len(plain.encode()) > _MOST_BYTES:
        plain = plain[:_MOST_CHARACTERS].rstrip(" .")
    if not plain:
        plain = "task"
    elif invalid_on_windows(plain) is not None:  # the name of a device
        plain = f"task-{plain}"
    if plain == name and not distinct:
        return name
    return f"{plain}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _replaced(run: re.Match[str]) -> str:
    """Return an underscore in place of such characters; the marks of some scripts belong to their letters."""
    marks = (one if unicodedata.category(one)[0] == "M" else "\0" for one in run[0])
    return re.sub("\0+", "_", "".join(marks))


@lru_cache(maxsize=1024)
def case_key(folder: str) -> str:
    """Return what two folders have in common that some file systems take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", folder).casefold())


def claim_name(folder: str) -> str:
    """Name the file that describes the folder of a task."""
    return f"{TASKS}{safe_name(case_key(folder))}.json"


def record_name(job_id: str) -> str:
    """Name the file that describes a job and its results."""
    return f"{RUNS}{_unique(job_id)}.parquet"


def file_name(job_id: str, task_id: str, format: str) -> str:  # noqa: A002
    """Name the file of a result: by whose it is, not by what is in it, so that all writers use the same name."""
    return f"{_unique(job_id, task_id)}.{format}"


def _unique(job_id: str, *more: str) -> str:
    """Name a file for ids, whose characters are safe, except that readers skip files that begin with ``_`` or ``.``."""
    whose = hashlib.sha256("/".join((job_id, *more)).encode()).hexdigest()[:16]  # "/" is in no id
    return f"{job_id.lstrip('._')}-{whose}"


def is_result(name: str) -> bool:
    """Whether a file in a lake has the name of a result."""
    return _RESULT.fullmatch(name) is not None
