"""The full result of a task, as public functions: CSV parts in a store -> frame, table, stream or file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from explorer_frames._frames import checked_backend, to_pandas
from explorer_frames._outputs.full import Named, Request, export, open_reader, read_table
from explorer_frames._outputs.layout import output_url
from explorer_frames._private import private

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    import pandas as pd
    import pyarrow as pa

    from explorer_frames._files.write import Receipt
    from explorer_frames._frames import DtypeBackend
    from explorer_frames.schemas import VidType


@private
def read_output(
    url: str | os.PathLike[str],
    *,
    schema: str | pa.Schema | None,
    vid_type: VidType = "string",
    dtype_backend: DtypeBackend | None = None,
    header: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    r"""Read the full result of one task, from where the workflow had it written, as a typed DataFrame.

    Parameters
    ----------
    url
        One CSV file, a folder of parts, or a pattern (``*``, ``?``, ``[...]``): a local path or any fsspec URL, such as
        ``hdfs://`` (by Hadoop's native client), ``webhdfs://``, ``s3://`` or ``sftp://``. Parts are plain, gzip
        (``.gz``) or zstd (``.zst``), and read in the order of their names. Names that begin with ``.`` or ``_`` are
        passed over.
    schema
        Which columns to expect: an algorithm's name takes them from the book of documented ones
        (`explorer_frames.schemas.BOOK`); a `pyarrow.Schema` is your own; None decides by their number (2:
        ``id, score``; 3: ``id, score, community``).
    vid_type
        Type of the graph space's vertex ids: ``"string"`` keeps each one as it stands; ``"int64"`` refuses what would
        not print back the same, such as ``007``.
    dtype_backend
        As in pandas: None, ``"numpy_nullable"`` or ``"pyarrow"``.
    header
        Whether the first line is one of names: True leaves it out, and again in every part that begins with the same
        line; False reads it as a row. None leaves out the first line of a part where, whatever its case, it is the
        documented names (such as ``VID,VALUE``) or those of the schema, as many as there may be columns. Never where
        rows may differ in length, nor for one column of text: an id may be called ``count``.
    storage_options
        For the fsspec driver, as pandas takes them; not used on local disk.

    Returns
    -------
    pandas.DataFrame
        One row per row of the result. Columns and dtypes as `read_sample_result` has them: the same for 0, 1 and
        many rows, and the same values as in the sample. ``attrs["explorer_frames"]`` says where they came from.

    Raises
    ------
    ConfigError
        An argument cannot work, or there is no driver for the URL.
    FileReadError
        Nothing is there; it may not be read; a folder is unfinished (``_temporary``, ``*._COPYING_``), without parts,
        or has one both plain and compressed; a compressed part is damaged or cut off; the last line of a plain part has
        no line end, so that it may be cut off; or a part came, went or changed meanwhile.
    DecodeError
        A line is no CSV (as in RFC 4180) in UTF-8, or is blank; or a cell does not fit its column: RowShapeError,
        ColumnTypeError. The message names the part and the line.

    Notes
    -----
    Source: the vendor's documents say that full results go to HDFS "as CSV, under a path made from job and task id",
    and not more: whether there is a header, how cells are quoted, and how parts are called is left open there.

    Types are the schema's, never guessed: ``007``, ``NA``, ``null`` and empty cells are text in a column of ids.

    What cannot be seen: a plain part that was cut off just behind a line end; a compressed part that was cut off just
    between two of its members; a part that was never written; and a flipped bit in a plain part, or in a zstd part that
    was written without its checksum.

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://outputs/52/8c171f/part-00000.csv", "w") as file:
    ...     _ = file.write("player110,0.150000\nplayer121,0.262148\n")
    >>> read_output("memory://outputs/52/8c171f", schema="pagerank")
              id     score
    0  player110  0.150000
    1  player121  0.262148
    """
    checked_backend(dtype_backend)
    table = read_output_arrow(url, schema=schema, vid_type=vid_type, header=header, storage_options=storage_options)
    return to_pandas(table, dtype_backend)


@private
def read_output_arrow(
    url: str | os.PathLike[str],
    *,
    schema: str | pa.Schema | None,
    vid_type: VidType = "string",
    header: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> pa.Table:
    r"""Read the full result of one task as a typed Arrow table.

    Parameters and errors are those of `read_output`.

    Returns
    -------
    pyarrow.Table
        What `read_output` has in ``attrs`` is one JSON document in the schema's metadata, under ``explorer_frames``.

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://outputs/52/louvain.csv", "w") as file:
    ...     _ = file.write("VID,LABEL\n007,NA\n")
    >>> read_output_arrow("memory://outputs/52/louvain.csv", schema="louvain").to_pylist()
    [{'id': '007', 'community': 'NA'}]
    """
    request = Request.of(url, schema=schema, vid_type=vid_type, header=header, storage_options=storage_options)
    return read_table(request)


@private
def open_output(
    url: str | os.PathLike[str],
    *,
    schema: str | pa.Schema | None,
    vid_type: VidType = "string",
    header: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> AbstractContextManager[pa.RecordBatchReader]:
    r"""Stream the full result of one task in constant memory, however large.

    Parameters and errors are those of `read_output`.

    Returns
    -------
    context manager of a pyarrow.RecordBatchReader
        Only when the reader has ended without an error was the result whole: an error in place of the end means that
        the batches before it are not to be used.

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://outputs/52/pagerank.csv.gz", "wt", compression="gzip") as file:
    ...     _ = file.write("player110,0.150000\n" * 5)
    >>> with open_output("memory://outputs/52/pagerank.csv.gz", schema="pagerank") as reader:
    ...     sum(batch.num_rows for batch in reader)
    5
    """
    request = Request.of(url, schema=schema, vid_type=vid_type, header=header, storage_options=storage_options)
    return open_reader(request)


@private
def export_output(
    url: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    schema: str | pa.Schema | None,
    vid_type: VidType = "string",
    header: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    target_storage_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Receipt:
    r"""Write the full result of one task to a Parquet or Feather file, in constant memory, whole or not at all.

    Parameters
    ----------
    url, schema, vid_type, header, storage_options
        What to read: as in `read_output`.
    target
        Where to write: a local path or any fsspec URL. Its suffix decides the format: ``.parquet``, ``.pq``, or
        ``.feather``, ``.arrow``, ``.ipc``.
    target_storage_options
        For the fsspec driver of `target`.
    **options
        ``format`` (where the suffix does not say), and those of `write_parquet` or `write_feather`: ``mode``,
        ``compression`` and others.

    Returns
    -------
    Receipt
        url, format, rows, bytes, schema, complete.

    Raises
    ------
    ConfigError, FileReadError, DecodeError
        As in `read_output`; nothing was written.
    WriteError
        As in `write_parquet`; what stood at the target is still there.

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://outputs/52/bfs.csv", "w") as file:
    ...     _ = file.write("player110,1\n")
    >>> receipt = export_output("memory://outputs/52/bfs.csv", "memory://lake/bfs.parquet", schema="bfs")
    >>> receipt.rows, receipt.complete, receipt.schema.names
    (1, True, ['root', 'visited'])
    """
    request = Request.of(url, schema=schema, vid_type=vid_type, header=header, storage_options=storage_options)
    return export(request, target, {**options, "storage_options": target_storage_options})


def read_task_output(
    task: Named,
    root_url: str | os.PathLike[str],
    *,
    path: str | None,
    dtype_backend: DtypeBackend | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Find and read the full result of a task: see `explorer_frames.Task.read_output`."""
    checked_backend(dtype_backend)
    return to_pandas(read_table(_task_request(task, root_url, path, **options)), dtype_backend)


def export_task_output(
    task: Named,
    root_url: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    path: str | None,
    schema: str | pa.Schema | None,
    vid_type: VidType = "string",
    header: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    target_storage_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Receipt:
    """Find and write the full result of a task: see `explorer_frames.Task.export_output`."""
    request = _task_request(
        task, root_url, path, schema=schema, vid_type=vid_type, header=header, storage_options=storage_options
    )
    return export(request, target, {**options, "storage_options": target_storage_options})


def _task_request(
    task: Named,
    root_url: str | os.PathLike[str],
    path: str | None,
    *,
    schema: str | pa.Schema | None,
    vid_type: VidType = "string",
    header: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Request:
    request = Request.of(  # refuses before anything is looked for
        root_url, schema=schema, vid_type=vid_type, header=header, storage_options=storage_options, task=task
    )
    url = output_url(root_url, task.job_id, task.id, path=path, storage_options=storage_options)
    return replace(request, url=url)
