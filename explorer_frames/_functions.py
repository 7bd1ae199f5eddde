"""The readers as plain functions, over one `Explorer` made from the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Unpack

from explorer_frames._client import Explorer
from explorer_frames._http.config import PREFIX
from explorer_frames._private import private
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from explorer_frames._files.formats import Format
    from explorer_frames._files.write import Receipt, WriteOptions
    from explorer_frames._frames import DtypeBackend
    from explorer_frames._jobs.wait import Progress
    from explorer_frames._sync.report import SyncReport
    from explorer_frames.schemas import VidType

_shared: tuple[dict[str, str], Explorer] | None = None


def _explorer() -> Explorer:
    """Get the `Explorer` of this environment: the same one while its variables stay, so that connections live on."""
    global _shared  # noqa: PLW0603 (one a process is the point)
    environment = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    if _shared is None or _shared[0] != environment:
        _shared = environment, Explorer()
    return _shared[1]


def explorer_or_default(explorer: Explorer | None) -> Explorer:
    """Return the caller's `Explorer`, or that of the environment."""
    if explorer is None:
        return _explorer()
    if not isinstance(explorer, Explorer):
        raise ConfigError(f"explorer is a {type(explorer).__name__}", hint="Pass Explorer(url, ...), or leave it out.")
    return explorer


def read_sample_result(
    job_id: str | int,
    task_id: str,
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    dtype_backend: DtypeBackend | None = None,
    explorer: Explorer | None = None,
) -> pd.DataFrame:
    """Read the result of one task as a typed DataFrame.

    Parameters
    ----------
    job_id, task_id
        As the job's page in Explorer shows them.
    limit
        Number of rows to request. Default: None, for all rows. If the server refuses so large a limit, 1,000,000,
        100,000 and 10,000 are requested, in this order.
    schema
        Columns of the result. Default: ``"auto"``, which looks up the task's name in the job's detail, once for a job
        that has ended, and uses the columns of that algorithm (`explorer_frames.schemas.BOOK`). If no algorithm has
        that name, or none of its results has this number of columns, the number of columns decides: 2 are
        ``id, score``, 3 are ``id, score, community``, others are text columns ``column_1, column_2, ...``. If a cell
        does not fit these columns, all columns are text. Pass the name of an algorithm or a `pyarrow.Schema` for other
        columns, ``"query"`` to read every column as text, or None to use only the number of columns, strictly.
    vid_type
        Type of the graph space's vertex ids: ``"string"`` keeps each one as it came; ``"int64"`` refuses what would
        not print back the same, such as ``007``.
    dtype_backend
        As in pandas: None, ``"numpy_nullable"`` or ``"pyarrow"``. The values are the same in all three; what pandas
        makes of a NaN is not (``isna()`` is False for it with ``"pyarrow"``).
    explorer
        Server to read from. Default: the server in the environment (``EXPLORER_FRAMES_URL`` and so on).

    Returns
    -------
    pandas.DataFrame
        One row per row of the result, in its order, with the columns of `schema`; the same for 0, 1 and many rows.
        Vertex ids and the labels of communities are str or int64, scores and distances float64, counts int64.
        ``attrs["explorer_frames"]`` is the record of `provenance`, with ``complete`` and ``schema_source``.

    Raises
    ------
    ConfigError
        An argument or the environment cannot work; nothing was sent.
    TransportError
        No usable answer came within the timeouts, the deadline and the retries.
    ApiError
        The server said no: NotFoundError, UnauthorizedError, BadRequestError, ServerError and others.
    DecodeError
        The answer is not as documented, or a cell does not fit its column: RowShapeError, ColumnTypeError.

    Warns
    -----
    TruncatedResultWarning
        The server returned exactly `limit` rows, or a round number of rows that may be its cap (see `Explorer`,
        `row_cap`); or the task's status is not success.
    SchemaWarning
        `schema` is an algorithm that the task's name contradicts; the task's name could not be looked up; or a cell
        does not fit the columns by number, so that all columns are text.

    Notes
    -----
    Sources: ``GET api-open/v1/jobs/<job_id>`` for the task's name, unless `schema` is None or a `pyarrow.Schema`, and
    ``GET api-open/v1/jobs/<job_id>/tasks/<task_id>/sample_result?limit=N``. ``limit`` is its only parameter. It has
    no order, no offset and no total.

    Examples
    --------
    >>> frame = read_sample_result(job_id, task_id)
    >>> len(frame), list(frame.columns)
    (77, ['id', 'score'])
    >>> provenance(frame).complete
    True
    """
    return explorer_or_default(explorer).read_sample_result(
        job_id, task_id, limit, schema=schema, vid_type=vid_type, dtype_backend=dtype_backend
    )


def read_sample_result_arrow(
    job_id: str | int,
    task_id: str,
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    explorer: Explorer | None = None,
) -> pa.Table:
    """Read the result of one task as a typed Arrow table.

    Parameters, errors and warnings are those of `read_sample_result`.

    Returns
    -------
    pyarrow.Table
        The columns of `schema`, such as ``id: string, score: double``. The record of `provenance` is one JSON
        document in the schema's metadata, under ``explorer_frames``.

    Examples
    --------
    >>> table = read_sample_result_arrow(job_id, louvain_id)
    >>> {field.name: str(field.type) for field in table.schema}
    {'id': 'string', 'community': 'string'}
    """
    return explorer_or_default(explorer).read_sample_result_arrow(
        job_id, task_id, limit, schema=schema, vid_type=vid_type
    )


def open_sample_result(
    job_id: str | int,
    task_id: str,
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    explorer: Explorer | None = None,
) -> AbstractContextManager[pa.RecordBatchReader]:
    """Stream the result of one task in constant memory, however large.

    Parameters, errors and warnings are those of `read_sample_result`. The deadline includes the time between two
    batches. With ``schema="auto"``, a cell that does not fit the columns by number makes all columns text only if it
    is in the first batch; later ones raise ColumnTypeError.

    Returns
    -------
    context manager of a pyarrow.RecordBatchReader
        Batches as the response arrives. The response was complete and valid only if the reader ended without an error.
        After an error, discard the batches before it.

    Examples
    --------
    >>> with open_sample_result(job_id, task_id) as reader:
    ...     sum(batch.num_rows for batch in reader)
    77
    """
    return explorer_or_default(explorer).open_sample_result(job_id, task_id, limit, schema=schema, vid_type=vid_type)


@private
def export_sample_result(
    job_id: str | int,
    task_id: str,
    url: str | os.PathLike[str],
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    allow_incomplete: bool = False,
    explorer: Explorer | None = None,
    **options: Unpack[WriteOptions],
) -> Receipt:
    """Write the result of one task to a file, in constant memory, whole or not at all.

    Parameters
    ----------
    job_id, task_id, limit, schema, vid_type, explorer
        As in `read_sample_result`.
    url
        A local path or any fsspec URL. Its suffix decides the format: ``.parquet``, ``.pq``, or ``.feather``,
        ``.arrow``, ``.ipc``.
    allow_incomplete
        Whether to write a result that may be truncated. Default: False.
    **options
        ``format`` (where the suffix does not say), and those of `write_parquet` or `write_feather`: ``mode``,
        ``compression``, ``storage_options`` and others.

    Returns
    -------
    Receipt
        url, format, rows, bytes, schema, complete.

    Raises
    ------
    IncompleteResultError
        The result may be truncated, under the conditions of TruncatedResultWarning in `read_sample_result`. Nothing
        was written.
    ConfigError, TransportError, ApiError, DecodeError
        As in `read_sample_result`; nothing was written.
    WriteError
        As in `write_parquet`; what stood at the target is still there.

    Examples
    --------
    >>> receipt = export_sample_result(job_id, task_id, "memory://results/pagerank.parquet")
    >>> receipt.rows, receipt.complete
    (77, True)
    """
    return explorer_or_default(explorer).export_sample_result(
        job_id, task_id, url, limit, schema=schema, vid_type=vid_type, allow_incomplete=allow_incomplete, **options
    )


@private
def sync_workflow(
    workflow_id: str | int,
    url: str | os.PathLike[str],
    *,
    tasks: Iterable[str] | None = None,
    since: datetime | None = None,
    limit: int | None = None,
    schema: str | pa.Schema | Mapping[str, str | pa.Schema | None] | None = "auto",
    vid_type: VidType = "string",
    format: Format = "parquet",  # noqa: A002 (as pandas and pyarrow call it)
    allow_incomplete: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    workers: int = 4,
    progress: Progress = None,
    explorer: Explorer | None = None,
) -> SyncReport:
    """Land the results of all successful jobs of a workflow in a folder, each once.

    Call it as often as you like, also from several processes at once, and again after any failure: what is there is
    neither read again nor written, and no result is ever deleted. When all is there, a call costs one request for the
    list of jobs (one per 1,000 jobs), a listing of the folder, and a look at the manifests.

    Parameters
    ----------
    workflow_id
    url
        A folder: a local path or any fsspec URL. It belongs to one workflow of one server, in one `format` and one
        `vid_type`, from the first result on.
    tasks
        Names or ids of the tasks to take; None takes all that ended well.
    since
        Only jobs made at this time or later; an aware datetime, compared by the server's clock.
    limit, vid_type, allow_incomplete
        As in `export_sample_result`, for each result. What has landed before is not read again, whatever they are.
    schema
        As in `read_sample_result`, for each result; or a mapping of them by task name or id. Tasks that are not in the
        mapping have ``"auto"``.
    format
        ``"parquet"`` or ``"feather"``.
    storage_options
        For the fsspec driver, as pandas takes them.
    workers
        Results to read and write at a time; memory grows with them, not with the size of the results.
    progress
        None shows a bar of the results in a terminal or a notebook, True everywhere, False nowhere; a function is
        called with a `SyncReport` of each new state.
    explorer
        Where to read; by default what ``EXPLORER_FRAMES_URL`` and its companions say.

    Returns
    -------
    SyncReport
        What was written and what was there already.

    Raises
    ------
    SyncError
        Some results did not land; all others did: ``error.report`` tells. What was whole before still is.
    ConfigError, UnsupportedFormatError
        An argument cannot work, no task has such a name, or the folder is another workflow's; nothing was written.
    TransportError, ApiError, EnvelopeError
        The list of jobs could not be had; nothing was written.
    WriteError
        The folder cannot be listed or written to.

    Notes
    -----
    Files are ``task=<name>/job_id=<id>/part-<hash>.parquet``, with one ``_manifest/job_id=<id>.json`` for each job:
    its tasks, and rows, bytes and provenance of its results. It is written when all results of the job that were
    wanted are there. These read the folder as one table, `task` and `job_id` as columns::

        pyarrow.dataset.dataset(url, partitioning="hive")
        duckdb.sql(f"FROM read_parquet('{url}/**/*.parquet', hive_partitioning=true, union_by_name=true)")
        polars.scan_parquet(f"{url}/**/*.parquet", hive_partitioning=True)  # the pattern passes over the manifests

    Tasks of different algorithms have different columns. DuckDB unites them by name; Polars does with
    ``missing_columns="insert", extra_columns="ignore"`` and a `schema`; pyarrow takes those of the first file unless
    it gets a `schema`; or read one task at a time, from ``<url>/task=<name>``.

    On stores that cannot refuse to overwrite (see ``explorer_frames._storage.publish``), two processes that land the
    same result at the same moment both write it, whole; the last one stays.

    Sources: ``GET api-open/v1/workflows/<workflow_id>/jobs``, ``GET api-open/v1/jobs/<job_id>`` once for a job that
    has no manifest, and ``GET .../sample_result`` once for each result that is missing.

    Examples
    --------
    >>> report = sync_workflow(workflow_id, "memory://doc/lake", tasks=["PageRank"])
    >>> len(report.written) == report.jobs, {part.task for part in report.written}
    (True, {'PageRank'})
    >>> sync_workflow(workflow_id, "memory://doc/lake", tasks=["PageRank"]).written
    ()
    """
    return explorer_or_default(explorer).sync_workflow(
        workflow_id,
        url,
        tasks=tasks,
        since=since,
        limit=limit,
        schema=schema,
        vid_type=vid_type,
        format=format,
        allow_incomplete=allow_incomplete,
        storage_options=storage_options,
        workers=workers,
        progress=progress,
    )


def history(
    workflow_id: str | int,
    last: int | None = 30,
    *,
    task: str | None = None,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    dtype_backend: DtypeBackend | None = None,
    workers: int = 4,
    explorer: Explorer | None = None,
) -> pd.DataFrame:
    """Read the results of a workflow's last successful jobs, whole, as one long frame, the oldest first.

    Parameters
    ----------
    workflow_id
    last
        How many jobs at most, counted from the newest; None for all.
    task
        Name or id of the one task to read of each; None reads them all, and unites their columns.
    schema, vid_type, dtype_backend, explorer
        As in `read_sample_result`, for each result.
    workers
        Jobs to read at a time.

    Returns
    -------
    pandas.DataFrame
        ``job_id`` (str), ``end_time`` of the job (``datetime64[ms, UTC]``), ``task`` and ``task_id`` (str), then
        the result's own columns, missing where a result has no such. Integers are nullable (``Int64``) without `task`.
        It needs the memory that all these results need.

    Raises
    ------
    ConfigError
        An argument cannot work, or no job has a task of that name.
    TransportError, ApiError, DecodeError
        As in `read_sample_result`, for the list of jobs and the jobs.
    JobError
        Some results could not be read. ``error.results`` has the frames of the others, ``error.errors`` the errors,
        both by job id and task id.

    Warns
    -----
    HistoryGapWarning
        Jobs were left out: they have no such task, or it did not end well.

    Notes
    -----
    Sources: the list of jobs, then ``GET api-open/v1/jobs/<job_id>`` once and ``GET .../sample_result`` once a result
    for each job, each time: `sync_workflow` keeps what it has read.

    Examples
    --------
    >>> frame = history(workflow_id, last=2, task="PageRank")
    >>> len(frame.pivot(index="id", columns="job_id", values="score"))
    77
    """
    return explorer_or_default(explorer).history(
        workflow_id,
        last,
        task=task,
        schema=schema,
        vid_type=vid_type,
        dtype_backend=dtype_backend,
        workers=workers,
    )
