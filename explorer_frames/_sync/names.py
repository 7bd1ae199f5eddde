"""File names in a lake.

::

    <task folder>/<job id>-<hash>.parquet
    _runs/<job id>-<hash>.parquet
    _manifest/dataset.json
    _manifest/tasks/<task folder in lower case>.json

Each task folder is a separate dataset with one schema. Metadata files are stored outside the task folders, so readers
of a dataset do not list them.
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
_MOST_BYTES = 200  # UTF-8 bytes; file systems allow 255, and temporary files add a suffix
_MOST_CHARACTERS = 60  # length of a shortened name; a character has at most 4 bytes


@lru_cache(maxsize=1024)
def safe_name(name: str, *, distinct: bool = False) -> str:
    """Return a name that every store and reader accepts; append a hash if it differs.

    Letters and digits of any script, spaces, periods, underscores and hyphens are kept. Any other character may be a
    separator, a wildcard or an escape in a file system, a URL or a reader. Pass `distinct` to append the hash to a
    valid name too, because another name differs only in case.

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
    elif invalid_on_windows(plain) is not None:  # such as a device name
        plain = f"task-{plain}"
    if plain == name and not distinct:
        return name
    return f"{plain}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _replaced(run: re.Match[str]) -> str:
    """Replace characters with an underscore, except combining marks."""
    marks = (one if unicodedata.category(one)[0] == "M" else "\0" for one in run[0])
    return re.sub("\0+", "_", "".join(marks))


@lru_cache(maxsize=1024)
def case_key(folder: str) -> str:
    """Return a key that is the same for names that a file system may treat as equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", folder).casefold())


def claim_name(folder: str) -> str:
    """Return the path of the file that describes a task folder."""
    return f"{TASKS}{safe_name(case_key(folder))}.json"


def record_name(job_id: str) -> str:
    """Return the path of a job's record."""
    return f"{RUNS}{_unique(job_id)}.parquet"


def file_name(job_id: str, task_id: str, format: str) -> str:  # noqa: A002
    """Return the file name of a result, which depends only on its ids."""
    return f"{_unique(job_id, task_id)}.{format}"


def _unique(job_id: str, *more: str) -> str:
    """Return a name without a leading ``_`` or ``.``, because readers skip such files."""
    whose = hashlib.sha256("/".join((job_id, *more)).encode()).hexdigest()[:16]  # ids do not contain "/"
    return f"{job_id.lstrip('._')}-{whose}"


def is_result(name: str) -> bool:
    """Return whether a path in a lake has the form of a result file."""
    return _RESULT.fullmatch(name) is not None
