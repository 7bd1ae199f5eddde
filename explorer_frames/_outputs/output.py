"""Public functions to read or export full results from their CSV files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Unpack

import pandas as pd
import pyarrow as pa

from explorer_frames._decode.csv_rows import Quoting
from explorer_frames._files.write import LayoutOptions, Receipt, planned
from explorer_frames._frames import DtypeBackend, checked_backend, to_pandas
from explorer_frames._outputs.full import Request, export, open_reader, read_table
from explorer_frames._private import PrivateContext, private
from explorer_frames._schemas import VidType
from explorer_frames._storage.paths import Destination


@private
def read_output(
    path: str | os.PathLike[str],
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    dtype_backend: DtypeBackend | None = None,
    header: bool | None = None,
    quoting: Quoting = "minimal",
    storage_options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    r"""Read the full result of a task from its files into a DataFrame.

    Parameters
    ----------
    path
        A folder of CSV files, one file, or a pattern (``*``, ``?``, ``[...]``). It is a path on local disk or NFS, or
        any fsspec URL, such as ``hdfs://`` (with Hadoop's native client), ``webhdfs://``, ``s3://`` or ``sftp://``.
        Files are plain, gzip (``.gz``) or zstd (``.zst``), and are read in the order of their names. Names that begin
        with ``.`` or ``_`` are skipped. For KCore with ``TYPE=subgraph``, the folders ``<k>_core`` in `path` are read
        as one result with ``k`` as the last column. Pass one of these folders to read one k without that column.
    schema
        Expected columns. ``"auto"``, the default, searches `path` for the folder of a component, such as
        ``analytics_pagerank_1``, and uses the columns of that algorithm. Without such a folder, it infers them from the
        number of columns. An algorithm's name selects its documented columns (`explorer_frames.schemas.ALGORITHMS`). A
        `pyarrow.Schema` defines custom columns. None always infers them from the number of columns.
    vid_type
        Type of the graph space's vertex ids. ``"string"`` keeps each id unchanged. ``"int64"`` raises for ids that
        do not round-trip, such as ``007``.
    dtype_backend
        As in pandas: None, ``"numpy_nullable"`` or ``"pyarrow"``.
    header
        Whether the first line contains column names. True skips it, and the same line at the start of other files.
        False reads it as a row. None, the default, skips the first line of a file if it contains the documented names
        or those of the schema, ignoring case and punctuation (``VID,VALUE``, ``vid, value``, ``id,score``). With None,
        the first line is never skipped if rows differ in length, or if the only column is text.
    quoting
        ``"minimal"``, the default, parses quoted cells as in RFC 4180. ``"none"`` reads quotes as part of the cell, for
        files that were written without quoting, such as those of NebulaGraph Analytics.
    storage_options
        Options for the fsspec driver, as in pandas; not used for local paths.

    Returns
    -------
    pandas.DataFrame
        One row per row of the result, with the same columns, dtypes and values as from `read_sample_result`, including
        for 0 or 1 rows. ``attrs["explorer_frames"]`` contains the provenance.

    Raises
    ------
    ConfigError
        An argument is invalid, or there is no driver for the URL.
    FileReadError
        `path` does not exist or is not readable. A folder is unfinished (``_temporary``, ``*._COPYING_``), contains no
        files, or contains the same file both plain and compressed. A compressed file is damaged or truncated. The last
        line of a plain file has no line end. A file was added, removed or changed during the read.
    DecodeError
        A line is not valid CSV in UTF-8, is blank, or contains a NUL byte outside quotes (such as a hole in a sparse
        file). Or a cell does not fit its column (RowShapeError, ColumnTypeError). The message contains the file and the
        line.

    Notes
    -----
    NebulaGraph Analytics writes full results to NFS by default since Explorer 3.5.0, and to HDFS if configured. The
    format of the files is not documented.

    Types are defined by the schema and never inferred from values. In a column of ids, ``007``, ``NA``, ``null`` and
    empty cells are text.

    The vertices in a column ``path`` (ShortestPath, Node2Vec) are separated by commas, or by blanks in all rows. Ids
    that are separated by commas may contain blanks.

    These errors cannot be detected: a plain file that was truncated after a line end; a compressed file that was
    truncated between two of its members; a file that was never written; and a flipped bit in a plain file, or in a zstd
    file without a checksum.

    Examples
    --------
    >>> import fsspec
    >>> folder = "memory://analytics-data/52/tasks/analytics_pagerank_1"
    >>> with fsspec.open(f"{folder}/0000_0000.csv", "w") as file:
    ...     _ = file.write("player110,0.150000\nplayer121,0.262148\n")
    >>> read_output(folder)
              id     score
    0  player110  0.150000
    1  player121  0.262148
    """
    checked_backend(dtype_backend)
    table = read_output_arrow(
        path, schema=schema, vid_type=vid_type, header=header, quoting=quoting, storage_options=storage_options
    )
    return to_pandas(table, dtype_backend)


@private
def read_output_arrow(
    path: str | os.PathLike[str],
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    header: bool | None = None,
    quoting: Quoting = "minimal",
    storage_options: Mapping[str, Any] | None = None,
) -> pa.Table:
    r"""Read the full result of a task from its files into an Arrow table.

    Parameters and errors are those of `read_output`.

    Returns
    -------
    pyarrow.Table
        The schema's metadata contains the provenance as a JSON document, under the key ``explorer_frames``.

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://outputs/52/louvain.csv", "w") as file:
    ...     _ = file.write("VID,LABEL\n007,NA\n")
    >>> read_output_arrow("memory://outputs/52/louvain.csv", schema="louvain").to_pylist()
    [{'id': '007', 'community': 'NA'}]
    """
    request = Request.of(
        path, schema=schema, vid_type=vid_type, header=header, quoting=quoting, storage_options=storage_options
    )
    return read_table(request)


@private
def open_output(
    path: str | os.PathLike[str],
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    header: bool | None = None,
    quoting: Quoting = "minimal",
    storage_options: Mapping[str, Any] | None = None,
) -> AbstractContextManager[pa.RecordBatchReader]:
    r"""Stream the full result of a task as record batches, in constant memory.

    Parameters and errors are those of `read_output`.

    Returns
    -------
    context manager of a pyarrow.RecordBatchReader
        The result is complete only if the reader ends without an error. After an error, discard the batches.

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://outputs/52/pagerank.csv.gz", "wt", compression="gzip") as file:
    ...     _ = file.write("player110,0.150000\n" * 5)
    >>> with open_output("memory://outputs/52/pagerank.csv.gz", schema="pagerank") as reader:
    ...     sum(batch.num_rows for batch in reader)
    5
    """
    request = Request.of(
        path, schema=schema, vid_type=vid_type, header=header, quoting=quoting, storage_options=storage_options
    )
    return PrivateContext(open_reader(request))


@private
def export_output(
    path: str | os.PathLike[str],
    target: Destination,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType = "string",
    header: bool | None = None,
    quoting: Quoting = "minimal",
    storage_options: Mapping[str, Any] | None = None,
    target_storage_options: Mapping[str, Any] | None = None,
    target_filesystem: Any = None,
    **options: Unpack[LayoutOptions],
) -> Receipt:
    r"""Write the full result of a task to Parquet or Feather, in constant memory.

    Parameters
    ----------
    path, schema, vid_type, header, quoting, storage_options
        As in `read_output`.
    target
        Local path, fsspec URL or binary buffer to write to, as in `write_parquet`. The file is replaced atomically. Its
        extension selects the format: ``.parquet`` or ``.pq``, and ``.feather``, ``.arrow`` or ``.ipc``.
    target_storage_options
        Options for the fsspec driver of `target`.
    target_filesystem
        fsspec or pyarrow file system of `target`.
    **options
        ``format``, for other extensions and for buffers, and the options of `write_parquet` or `write_feather`, such as
        ``mode``, ``make_parents`` and ``compression``.

    Returns
    -------
    Receipt
        Record with path, format, rows, bytes, schema and complete.

    Raises
    ------
    ConfigError, FileReadError, DecodeError
        As in `read_output`; the target is unchanged.
    TypeError
        An option is not supported.
    WriteError
        As in `write_parquet`; the target is unchanged.

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://outputs/52/bfs.csv", "w") as file:
    ...     _ = file.write("player110,1\n")
    >>> receipt = export_output("memory://outputs/52/bfs.csv", "memory://bfs.parquet", schema="bfs")
    >>> receipt.rows, receipt.complete, receipt.schema.names
    (1, True, ['root', 'visited'])
    """
    request = Request.of(
        path, schema=schema, vid_type=vid_type, header=header, quoting=quoting, storage_options=storage_options
    )
    return export(
        request, planned(target, storage_options=target_storage_options, filesystem=target_filesystem, **options)
    )
