"""Read all results of a task from a lake into a DataFrame or a pyarrow Dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from explorer_frames._errors import close_names, escaped
from explorer_frames._frames import DtypeBackend, checked_backend, to_pandas
from explorer_frames._memory import POOL
from explorer_frames._private import private
from explorer_frames._signals import failures
from explorer_frames._storage.failures import is_missing
from explorer_frames._storage.sources import Store
from explorer_frames._sync.manifest import PARTITIONS, Dataset, TaskFolder
from explorer_frames._sync.names import DATASET, TASKS, claim_name, is_result, safe_name
from explorer_frames.errors import ConfigError, FileReadError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.compute as pc
    import pyarrow.dataset as ds


@private
def read_lake(
    path: str | os.PathLike[str],
    task: str,
    *,
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,  # noqa: A002 (as pyarrow calls it)
    dtype_backend: DtypeBackend | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Read all results of a task from a lake into a DataFrame.

    Parameters
    ----------
    path
        Folder written by `sync_workflow`, as a local path or any fsspec URL.
    task
        Name of the task, as in Explorer.
    columns
        Names of the columns to read. Default: None, for all columns.
    filter
        Expression that selects rows, such as ``pyarrow.compute.field("job_id") == "12"``. A file is skipped if its
        statistics show that no row matches. Default: None, for all rows.
    dtype_backend
        As in `read_sample_result`.
    storage_options
        Options for the fsspec driver, as in pandas. Default: None.

    Returns
    -------
    pandas.DataFrame
        The columns of the result, followed by ``job_id`` (str), ``task_id`` (str), ``end_time`` of the job
        (``datetime64[us, UTC]``), and the columns of `partition_by`, if any. Jobs are in no particular order.

    Raises
    ------
    ConfigError
        The lake has no task with this name, or an argument is invalid. The hint lists similar task names.
    FileReadError
        `path` is not a lake, or a file cannot be read.

    Examples
    --------
    >>> report = sync_workflow(workflow_id, "memory://lake-to-read")
    >>> frame = read_lake("memory://lake-to-read", "PageRank")
    >>> frame.columns.tolist()
    ['id', 'score', 'job_id', 'task_id', 'end_time']
    >>> latest = frame[frame["end_time"] == frame["end_time"].max()]
    >>> len(latest)
    77
    """
    checked_backend(dtype_backend)
    store = Store(path, storage_options)
    dataset = _dataset(store, task)
    try:
        wanted = None if columns is None else list(columns)
        scanner = dataset.scanner(wanted, filter, memory_pool=POOL)  # reads no rows yet
    except failures(pa.ArrowException, TypeError) as error:
        missing = re.search(r"No match for FieldRef\.Name\((.*?)\) in ", str(error))
        what = f"cannot be read with columns {escaped(columns, 80)} and filter {escaped(filter, 80)}: {escaped(error)}"
        raise ConfigError(
            f"task {escaped(task, 60)!r} {f'has no column {escaped(missing[1], 60)!r}' if missing else what}",
            where=store.shown,
            hint=f"Its columns are {', '.join(dataset.schema.names)}.",
        ) from None
    return to_pandas(store.attempt("read", scanner.to_table), dtype_backend)


@private
def lake_dataset(
    path: str | os.PathLike[str], task: str, *, storage_options: Mapping[str, Any] | None = None
) -> ds.Dataset:
    """Open all results of a task in a lake as a pyarrow Dataset.

    No rows are read until the Dataset is queried.

    Parameters
    ----------
    path, task, storage_options
        As in `read_lake`.

    Returns
    -------
    pyarrow.dataset.Dataset
        Dataset with the columns that `read_lake` returns. polars can scan it with ``scan_pyarrow_dataset``, and DuckDB
        can query it by its variable name.

    Raises
    ------
    ConfigError, FileReadError
        As in `read_lake`.

    Examples
    --------
    >>> report = sync_workflow(workflow_id, "memory://lake-to-scan")
    >>> dataset = lake_dataset("memory://lake-to-scan", "PageRank")
    >>> dataset.count_rows() == 77 * report.jobs
    True
    """
    return _dataset(Store(path, storage_options), task)


def _dataset(store: Store, task: str) -> ds.Dataset:
    import pyarrow.dataset as ds  # noqa: PLC0415 (not needed to import the package)

    lake, folder = _opened(store, task)
    root = f"{_base(store)}/{folder.folder}"
    names = store.attempt("list", store.fs.find, root)
    files = sorted(name for name in names if is_result(f"{folder.folder}{name[len(root) :]}"))
    store.check_regular(files)
    partitions = pa.schema([PARTITIONS.field(name) for name in lake.partition_by])
    schema = pa.schema([*folder.schema, *partitions])
    partitioning = ds.partitioning(partitions, flavor="hive") if lake.partition_by else None
    return store.attempt("open", ds.dataset, files, schema, lake.format, store.fs, partitioning, root)


def _base(store: Store) -> str:
    return store.path.replace(os.sep, "/").rstrip("/")  # fsspec also lists files with slashes on Windows


def _opened(store: Store, task: object) -> tuple[Dataset, TaskFolder]:
    """Return the settings of a lake and the folder of a task in it."""
    claims = [claim_name(safe_name(task, distinct=one)) for one in (False, True)] if isinstance(task, str) else []
    content, *found = _contents(store, [f"{_base(store)}/{name}" for name in (DATASET, *claims)])
    lake = Dataset.from_json(content or b"")
    if lake is None:
        hint = "Pass the folder of the whole lake, not the folder of a task."
        raise FileReadError("no lake found at this path", where=store.shown, hint=hint)
    for folder in map(TaskFolder.from_json, found):
        if folder is not None and folder.task_name == task:
            return lake, folder
    names = store.attempt("list", store.fs.find, f"{_base(store)}/{TASKS}")
    tasks = sorted(one.task_name for one in map(TaskFolder.from_json, _contents(store, names)) if one is not None)
    hint = close_names(task, tasks)
    raise ConfigError(f"the lake has no task {escaped(task, 60)!r}", where=store.shown, hint=hint)


def _contents(store: Store, paths: list[str]) -> list[bytes | None]:
    """Read small files; the content of a missing file is None."""
    store.fs.invalidate_cache()
    store.check_regular(paths)
    found = store.attempt("read", store.fs.cat_ranges, paths, None, None, on_error="return") if paths else []
    for content in found:
        if isinstance(content, Exception) and not is_missing(content) and not isinstance(content, NotADirectoryError):
            raise store.error("read", store.shown, content)
    return [content if isinstance(content, bytes) else None for content in found]
