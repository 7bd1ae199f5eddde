"""Read results as Dask DataFrames, with one partition per part of a full result, or per task.

Needs the extra ``dask``. Dask DataFrames have no ``attrs``, so the provenance of the results is not available.
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

_KEY = os.urandom(16)  # dashboards show hashes of arguments; without a key, passwords could be guessed from them
_IDS = ("job_id", "task_id")
_ELSEWHERE = (
    "Set secrets in the workers' environment or in their fsspec configuration (FSSPEC_...), or pass "
    "storage_options as a function that returns the options."
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
    r"""Read the full result of a task as a Dask DataFrame, with one partition per part.

    Parameters
    ----------
    path, vid_type, dtype_backend, header, quoting
        As in `explorer_frames.read_output`.
    schema
        As in `explorer_frames.read_output`. This call lists the parts. If the columns depend on the data, as with None
        or ``"louvain"``, it also reads the first row. With ``header=True``, it reads the first line. The result is read
        when the frame is computed.
    storage_options
        Options of the fsspec driver, as a mapping or a function that returns a mapping. A mapping is sent to the
        workers in the graph, which other users may be able to read. It may therefore contain only options without
        secrets, such as ``endpoint_url`` and ``anon``.

        For secrets, pass a function, which is called in each process. `cloudpickle` sends a function of a module by
        name, and a function of a notebook with its code and its closure. Default: None. The driver then reads the
        workers' environment and their fsspec configuration (``FSSPEC_S3='{"secret": "..."}'`` or a file).

    Returns
    -------
    dask.dataframe.DataFrame
        Columns, dtypes and values are the same as in `explorer_frames.read_output`, regardless of Dask's setting
        ``dataframe.convert-string``. Partitions are in the order of the parts. The index of each partition starts at 0,
        and divisions are unknown.

    Raises
    ------
    ConfigError
        As in `explorer_frames.read_output`. Also raised if `path` contains a password or an HTTP query, which may
        contain a signature. Also raised if a mapping has an option that may be secret, such as ``secret``, ``headers``
        or an unknown option.
    FileReadError, DecodeError
        As in `explorer_frames.read_output`. Raised by this call if there is nothing to read, and otherwise when the
        frame is computed. The error contains the part and the line; `row` is counted from the start of the part. Each
        partition checks that no part was changed, added or removed after this call.

    Notes
    -----
    If ``to_parquet`` fails, some of its files may already exist. To write a single file atomically and in constant
    memory, use `explorer_frames.export_output`. To write columns of lists, dates or decimals with ``to_parquet``, pass
    ``dtype_backend="pyarrow"`` to this function. Otherwise, pass ``write_index=False`` and the types of all columns as
    ``schema=`` to ``to_parquet``.

    Each partition has its own categories, so Dask does not know the categories of a dictionary column in advance.

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
    path, own = plain_path(path, own)  # path objects of universal_pathlib contain options
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
    """Read the results of several tasks as one Dask DataFrame, with one partition per task.

    Parameters
    ----------
    tasks
        Results to read: an `explorer_frames.Task`, an `explorer_frames.Job`, a list of tasks, or a list of pairs of job
        id and task id. A pair may contain an `explorer_frames.Job` or `explorer_frames.Task` instead of its id.
    limit
        Number of rows to request for each result. Default: None, for all rows.
    schema
        As in `explorer_frames.read_sample_result`. With ``"auto"`` (default) or None, this call reads the first 100
        rows of each result to infer its columns. A later cell that cannot be converted raises ColumnTypeError when the
        frame is computed. With a `pyarrow.Schema`, or an algorithm whose results always have the same columns, this
        call reads no rows.

        If the results have different columns, the frame contains the union of those columns, and its integer columns
        are nullable. If a result does not have a column, its values are missing.
    vid_type, dtype_backend
        As in `explorer_frames.read_sample_result`.
    include_ids
        Whether to add ``job_id`` and ``task_id`` as the first columns, of type string. Default: False.
    explorer
        Server to read from. Default: the server of the first `explorer_frames.Task`, or else the server in each
        worker's environment (``EXPLORER_FRAMES_URL`` and other variables). The object is sent to the workers without
        secrets. The workers read secrets from their own environment, or call a function that you passed for them.
        `cloudpickle` sends a function of a module by name, and a function of a notebook with its code and its closure.

    Returns
    -------
    dask.dataframe.DataFrame
        Partitions are in the order of `tasks`. The index of each partition starts at 0, and divisions are unknown.

    Raises
    ------
    ConfigError
        An argument is invalid, or columns with the same name have different types in two results. Also raised if
        `explorer` has a secret that was passed as a string, because such secrets are not sent to other processes.
    TransportError, ApiError, DecodeError
        As in `explorer_frames.read_sample_result`, with job and task. Raised when the frame is computed, or by this
        call if it reads rows to infer the columns.

    Warns
    -----
    TruncatedResultWarning
        As in `explorer_frames.read_sample_result`, in the process that reads the partition.

    Notes
    -----
    Each process logs in once for each `explorer`.

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
        explorer = next((task._explorer for _, _, task in named if task), None)  # noqa: SLF001 (a class of this package)
    if vid_type is None:
        vid_type = "string" if explorer is None else explorer._vid_type_or(None)  # noqa: SLF001 (a class of this package)
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
            f"column name {taken[0]!r} is reserved if include_ids=True",
            hint="Remove include_ids=, or rename the column.",
        )
    made = _with_ids(columns.empty_table(), ("", "")).schema if include_ids else columns
    mixed = any(schema != columns for schema in own)
    read = _ReadTask(packed, limit, made, mixed, dtype_backend, include_ids, uuid4().hex)
    ids = [[query.job for query in queries], [query.task for query in queries]]
    return _from_map(read, [*ids, own], made, dtype_backend, mixed=mixed)


class _Hidden:
    """Callable whose repr and Dask token do not expose its data."""

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
    mixed: bool  # whether the results have different columns
    dtype_backend: DtypeBackend | None
    include_ids: bool
    call: str  # unique id of the call, so a later call does not reuse cached results

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
    # Each partition has its own categories, so the metadata must not contain any.
    empty = to_pandas(columns.empty_table(), dtype_backend, nullable=columns.names if mixed else ())
    meta = clear_known_categories(empty)  # type: ignore[no-untyped-call]
    # By default, Dask converts every object column to strings, even a column of lists.
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
    """Return storage options that are safe in a graph: a mapping or a pickled function."""
    if isinstance(path, str) and may_hold_secret(path):
        what = "the URL contains a password or a query, which would be visible in the graph"
        raise ConfigError(what, where=shown_url(path), hint=_ELSEWHERE)
    if callable(storage_options):
        return _packed(storage_options, "function passed as storage_options")
    if storage_options is not None and not isinstance(storage_options, Mapping):
        raise ConfigError(
            f"storage_options must be a mapping or a function, got {type(storage_options).__name__}",
            hint="Pass a mapping.",
        )
    names = options_to_withhold(storage_options or {})
    if names:
        shown = ", ".join(escaped(name, 60) for name in names)
        raise ConfigError(
            f"storage_options that may be secret cannot be sent to another process: {shown}", hint=_ELSEWHERE
        )
    return dict(storage_options) if storage_options else None


def _options(held: Mapping[str, Any] | bytes | None) -> Mapping[str, Any] | None:
    """Return the options; a pickled function is called in this process."""
    if not isinstance(held, bytes):
        return held
    try:
        found, kind = _revived(held)(), ""
    except ExplorerFramesError:
        raise
    except Exception as raised:  # noqa: BLE001 (the caller's function may raise anything)
        found, kind = None, type(raised).__name__  # the message may contain a secret
    if kind:
        what = f"the function passed as storage_options raised {kind}"
        raise ConfigError(what, hint="Call the function to see the error.")
    if not isinstance(found, Mapping | None):
        raise ConfigError(
            f"the function passed as storage_options must return a mapping, got {type(found).__name__}",
            hint="Return a mapping from the function.",
        )
    return found


def _packed(thing: Explorer | Callable[..., Any], named: str) -> bytes:
    """Pickle as Dask would, so errors are raised before anything is computed."""
    try:
        return cloudpickle.dumps(thing)  # type: ignore[no-any-return]
    except ExplorerFramesError:
        raise
    except Exception as raised:  # noqa: BLE001 (the caller's function may raise anything)
        kind = type(raised).__name__
    raise ConfigError(
        f"the {named} cannot be sent to another process: {kind}",
        hint="Set secrets in the workers' environment, or pass a function from a module that the workers can import.",
    )


def _revived(packed: bytes) -> Any:
    """Unpickle once per process, because each Explorer logs in separately."""
    with _revival:
        return _loaded(packed)


@lru_cache(maxsize=16)
def _loaded(packed: bytes) -> Any:
    return pickle.loads(packed)  # noqa: S301 (created by this module)
