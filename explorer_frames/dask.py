"""Results as Dask DataFrames: one partition per part of a full result, or per task.

Needs the extra ``dask``. Dask DataFrames have no ``attrs``, so they have no provenance.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa

from explorer_frames._client import Explorer
from explorer_frames._decode.csv_rows import Quoting
from explorer_frames._errors import escaped
from explorer_frames._extras import require
from explorer_frames._frames import DtypeBackend, checked_backend, to_pandas
from explorer_frames._functions import explorer_or_default, read_sample_result_arrow
from explorer_frames._jobs.job import Job
from explorer_frames._jobs.task import Task
from explorer_frames._outputs.full import Header, Request, preview, read_batches
from explorer_frames._outputs.parts import Part, Parts
from explorer_frames._private import private
from explorer_frames._results.columns import fitted, task_schemas, united
from explorer_frames._results.reading import Query, result_ids
from explorer_frames._schemas import SchemaRequest, VidType
from explorer_frames._storage.address import may_hold_secret, shown_url
from explorer_frames._storage.object_store import options_to_withhold
from explorer_frames._storage.paths import plain_path
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, ExplorerFramesError

with require("explorer_frames.dask", extra="dask"):
    import cloudpickle
    import dask
    import dask.dataframe as dd
    from dask.dataframe.utils import clear_known_categories


__all__ = ["read_output", "read_sample_results"]

_KEY = os.urandom(16)  # dashboards show hashes in task names; the key prevents guessing passwords from them
_IDS = ("job_id", "task_id")
_ELSEWHERE = (
    "Set secrets in the workers' environment or in their fsspec configuration (FSSPEC_...), or pass "
    "storage_options as a function that returns them, which is called in each process."
)
_revival = threading.Lock()


@private
def read_output(
    path: str | os.PathLike[str],
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    dtype_backend: DtypeBackend | None = None,
    header: bool | None = None,
    quoting: Quoting = "minimal",
    storage_options: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
) -> dd.DataFrame:
    r"""Read the full result of one task as a Dask DataFrame, one partition per part.

    Parameters
    ----------
    path, vid_type, dtype_backend, header, quoting
        As in `explorer_frames.read_output`.
    schema
        As in `explorer_frames.read_output`. The call lists the parts, and they are read when the frame is computed. The
        start of the first part is read at once if its first row decides the number of columns (None, or a name such as
        ``"louvain"``), or with ``header=True``, for the first line.
    storage_options
        Options of the fsspec driver. A mapping is sent to the workers as part of the graph, where others may read it.
        It may therefore contain only settings that are known not to be secret, such as ``endpoint_url`` and ``anon``.
        For secrets, pass a function that returns the mapping. It is called in each process, and sent by `cloudpickle`:
        from a module by name, from a notebook with its code and its closure. Default: the driver reads the workers'
        environment and their fsspec configuration (``FSSPEC_S3='{"secret": "..."}'`` or a file).

    Returns
    -------
    dask.dataframe.DataFrame
        Columns, dtypes and values are those of `explorer_frames.read_output`, regardless of the setting
        ``dataframe.convert-string``. Partitions are in the order of the parts. The index starts at 0 in each partition,
        and divisions are unknown.

    Raises
    ------
    ConfigError
        As in `explorer_frames.read_output`. Also if `path` contains a password, or an HTTP query, which may be a
        signature; or if a mapping has an option that may be a secret, such as ``secret``, ``headers`` or an unknown
        one.
    FileReadError, DecodeError
        Raised by this call if there is nothing to read. Otherwise raised when the frame is computed, as in
        `explorer_frames.read_output`, with part and line; `row` is counted from the start of the part. Each partition
        checks that no part was changed, added or removed since the parts were listed.

    Notes
    -----
    ``to_parquet`` of the frame writes one file after another, so some files may exist after an error. To write a single
    file atomically and in constant memory, use `explorer_frames.export_output`. ``to_parquet`` supports columns of
    lists, dates and decimals with ``dtype_backend="pyarrow"``. Without it, pass ``write_index=False`` and the types of
    all columns as ``schema=``. Each partition has its own categories, so the categories of a dictionary column are
    unknown in advance.

    Examples
    --------
    >>> import fsspec
    >>> from explorer_frames.dask import read_output
    >>> for part in "01":
    ...     with fsspec.open(f"memory://outputs/53/8c171f/part-{part}.csv", "w") as file:
    ...         _ = file.write("player110,0.25\nplayer121,0.5\n")
    >>> frame = read_output("memory://outputs/53/8c171f", schema="pagerank")
    >>> frame.npartitions, float(frame["score"].sum().compute(scheduler="threads"))
    (2, 1.5)
    """
    checked_backend(dtype_backend)
    own = None if callable(storage_options) else storage_options
    path, own = plain_path(path, own)  # paths of universal_pathlib have options
    request = Request.of(path, schema=schema, vid_type=vid_type, header=header, quoting=quoting, storage_options=None)
    options = _without_secrets(path, storage_options if callable(storage_options) else own)
    store = Store(path, _options(options))
    parts = Parts(store)
    request = request.for_parts(parts)
    only = request.schema.only
    if only is not None and not header:
        columns, line = only.append(request.k) if request.k else only, None
    else:
        columns, seen = preview(request, store, parts)
        line = seen.line
    if store.is_local:  # a worker may have another working directory
        request = replace(request, path=Path(store.path))
    read = _ReadPart(request, columns, line, dtype_backend, parts.state(), options)
    return _from_map(read, [parts.files], columns, dtype_backend)


@private
def read_sample_results(
    tasks: Iterable[Task | tuple[str | int | Job, str | Task]] | Task,
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType | None = None,
    dtype_backend: DtypeBackend | None = None,
    include_ids: bool = False,
    explorer: Explorer | None = None,
) -> dd.DataFrame:
    """Read the results of many tasks as one Dask DataFrame, one partition per task.

    Parameters
    ----------
    tasks
        A job, or one or more of its tasks, or pairs of job id and task id. An `explorer_frames.Job` or
        `explorer_frames.Task` is accepted in place of its id.
    limit
        Number of rows to request for each result. Default: None, for all rows.
    schema
        As in `explorer_frames.read_sample_result`. ``"auto"``, the default, and None read the first 100 rows of each
        result at once to infer its columns. A later cell that cannot be converted raises ColumnTypeError when the frame
        is computed. If the results have different columns, the frame has their union. Columns without data in a
        partition contain missing values, and integers are nullable. A `pyarrow.Schema`, or an algorithm whose results
        all have the same columns, applies to all tasks without a request.
    vid_type, dtype_backend
        As in `explorer_frames.read_sample_result`.
    include_ids
        Whether to add ``job_id`` and ``task_id`` as the first columns, of type string.
    explorer
        Server to read from. Default: that of the first `explorer_frames.Task`, or the server in each worker's
        environment (``EXPLORER_FRAMES_URL`` and so on). It is sent to the workers without secrets. The workers read
        secrets from their own environment, or call the function that you passed, which `cloudpickle` sends: from a
        module by name, from a notebook with its code and its closure.

    Returns
    -------
    dask.dataframe.DataFrame
        Partitions are in the order of `tasks`. The index starts at 0 in each partition, and divisions are unknown.

    Raises
    ------
    ConfigError
        An argument is invalid; two results have columns with the same name and different types; or `explorer` has a
        secret that was passed as a string, which is never sent to other processes.
    TransportError, ApiError, DecodeError
        As in `explorer_frames.read_sample_result`, with job and task. Raised by this call if rows are read to infer the
        columns, and when the frame is computed.

    Warns
    -----
    TruncatedResultWarning
        As in `explorer_frames.read_sample_result`, in the process that reads the partition.

    Notes
    -----
    Each process logs in once per `explorer`, not once per task.

    Examples
    --------
    >>> from explorer_frames.dask import read_sample_results
    >>> frame = read_sample_results([(job_id, task_id), (job_id, louvain_id)], include_ids=True)
    >>> list(frame.columns), len(frame)
    (['job_id', 'task_id', 'id', 'score', 'community'], 154)
    """
    checked_backend(dtype_backend)
    named = [_named(task) for task in ([tasks] if isinstance(tasks, Task) else tasks)]
    if explorer is None:
        explorer = next((task._explorer for _, _, task in named if task), None)  # noqa: SLF001 (our own)
    if vid_type is None:
        vid_type = "string" if explorer is None else explorer._vid_type_or(None)  # noqa: SLF001 (our own)
    requested = SchemaRequest.of(schema, vid_type)
    queries = [Query.of(job, task, limit, requested) for job, task, _ in named]
    if not queries:
        raise ConfigError("no tasks to read", hint="Pass a Job, its tasks, or [(job_id, task_id), ...].")
    packed = None if explorer is None else _packed(explorer, "explorer")

    def read_rows(query: Query) -> pa.Table:
        return explorer_or_default(explorer)._results.table(query)  # noqa: SLF001

    own = task_schemas(queries, read_rows)
    columns = united(own)
    taken = [name for name in _IDS if include_ids and name in columns.names]
    if taken:
        raise ConfigError(
            f"column name {taken[0]!r} is reserved with include_ids", hint="Remove include_ids=, or rename the column."
        )
    made = _with_ids(columns.empty_table(), ("", "")).schema if include_ids else columns
    mixed = any(schema != columns for schema in own)
    read = _ReadTask(packed, limit, made, mixed, dtype_backend, include_ids, uuid4().hex)
    ids = [[query.job for query in queries], [query.task for query in queries]]
    return _from_map(read, [*ids, own], made, dtype_backend, mixed=mixed)


class _Hidden:
    """A function whose repr and Dask token do not expose its data."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__.strip('_')}>"

    def __dask_tokenize__(self) -> str:
        return hashlib.blake2b(cloudpickle.dumps(self), key=_KEY).hexdigest()


@private
@dataclass(frozen=True, repr=False)
class _ReadPart(_Hidden):
    """Callable that reads one part as a partition on any worker."""

    request: Request
    columns: pa.Schema
    first_line: list[str] | None
    dtype_backend: DtypeBackend | None
    state: str
    options: Mapping[str, Any] | bytes | None

    def __call__(self, part: Part) -> pd.DataFrame:
        store = Store(self.request.path, _options(self.options))
        batches = read_batches(store, part, Header(self.request, self.first_line), self.columns, self.request.quoting)
        table = pa.Table.from_batches(list(batches), self.columns)
        Parts(store).check_state(self.state)
        return to_pandas(table, self.dtype_backend)


@private
@dataclass(frozen=True, repr=False)
class _ReadTask(_Hidden):
    """Callable that reads one task as a partition on any worker."""

    explorer: bytes | None
    limit: int | None
    columns: pa.Schema
    mixed: bool  # whether the columns are the union of those of several results
    dtype_backend: DtypeBackend | None
    include_ids: bool
    call: str  # makes keys unique per call, so that a later call does not reuse cached results of this one

    def __call__(self, job: str, task: str, own: pa.Schema) -> pd.DataFrame:
        explorer = None if self.explorer is None else _revived(self.explorer)
        table = read_sample_result_arrow(job, task, self.limit, schema=own, explorer=explorer)
        if self.include_ids:
            table = _with_ids(table, (job, task))
        table = fitted(table, self.columns) if self.mixed else table.replace_schema_metadata(self.columns.metadata)
        return to_pandas(table, self.dtype_backend, nullable=self.columns.names if self.mixed else ())


def _from_map(
    read: Callable[..., pd.DataFrame],
    arguments: list[list[Any]],
    columns: pa.Schema,
    dtype_backend: DtypeBackend | None,
    *,
    mixed: bool = False,
) -> dd.DataFrame:
    # Each partition has its own categories.
    empty = to_pandas(columns.empty_table(), dtype_backend, nullable=columns.names if mixed else ())
    meta = clear_known_categories(empty)  # type: ignore[no-untyped-call]
    # Dask would convert every object column to strings, even columns of lists.
    with dask.config.set({"dataframe.convert-string": False}):
        frame: dd.DataFrame = dd.from_map(read, *arguments, meta=meta, label="explorer_frames")  # type: ignore[no-untyped-call]
    return frame


def _with_ids(table: pa.Table, ids: tuple[str, str]) -> pa.Table:
    for number, (name, text) in enumerate(zip(_IDS, ids, strict=True)):
        table = table.add_column(number, name, pa.repeat(text, table.num_rows))
    return table


def _named(task: object) -> tuple[object, object, Task | None]:
    if isinstance(task, Task):
        return result_ids(task, None)
    if not isinstance(task, tuple | list) or len(task) != 2:  # noqa: PLR2004 (a pair)
        raise ConfigError(f"tasks must be Tasks or pairs of job id and task id, got {type(task).__name__}")
    return result_ids(*task)


def _without_secrets(
    path: str | os.PathLike[str], storage_options: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None
) -> Mapping[str, Any] | bytes | None:
    """Return storage options that are safe in a graph: a mapping without secrets, or a pickled function."""
    if isinstance(path, str) and may_hold_secret(path):
        what = "the URL contains a password or a query, which would be visible in graphs"
        raise ConfigError(what, where=shown_url(path), hint=_ELSEWHERE)
    if callable(storage_options):
        return _packed(storage_options, "function for storage_options")
    if storage_options is not None and not isinstance(storage_options, Mapping):
        raise ConfigError(
            f"storage_options must be a mapping or a function, got {type(storage_options).__name__}",
            hint="Pass a mapping.",
        )
    names = options_to_withhold(storage_options or {})
    if names:
        shown = ", ".join(escaped(name, 60) for name in names)
        raise ConfigError(
            f"storage_options with possible secrets cannot be sent to another process: {shown}", hint=_ELSEWHERE
        )
    return dict(storage_options) if storage_options else None


def _options(held: Mapping[str, Any] | bytes | None) -> Mapping[str, Any] | None:
    """Return the options, calling a pickled function in this process."""
    if not isinstance(held, bytes):
        return held
    try:
        found, kind = _revived(held)(), ""
    except ExplorerFramesError:
        raise
    except Exception as raised:  # noqa: BLE001 (the function is the caller's)
        found, kind = None, type(raised).__name__  # the message may contain a secret
    if kind:
        raise ConfigError(f"the function for storage_options raised {kind}", hint="Call the function to see the error.")
    if not isinstance(found, Mapping | None):
        raise ConfigError(
            f"the function for storage_options must return a mapping, got {type(found).__name__}",
            hint="Return a mapping from the function.",
        )
    return found


def _packed(thing: Explorer | Callable[..., Any], named: str) -> bytes:
    """Pickle as Dask would, to raise before anything is computed."""
    try:
        return cloudpickle.dumps(thing)  # type: ignore[no-any-return]
    except ExplorerFramesError:
        raise
    except Exception as raised:  # noqa: BLE001 (the function is the caller's)
        kind = type(raised).__name__
    raise ConfigError(
        f"the {named} cannot be sent to another process: {kind}",
        hint="Set its secrets in the workers' environment, or pass a function of a module that the workers can import.",
    )


def _revived(packed: bytes) -> Any:
    """Unpickle once per process, because each Explorer logs in separately."""
    with _revival:
        return _loaded(packed)


@lru_cache(maxsize=16)
def _loaded(packed: bytes) -> Any:
    return pickle.loads(packed)  # noqa: S301 (from our own task)
