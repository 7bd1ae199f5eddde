"""Public functions that read or export full results from CSV files."""

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
        A folder of CSV files, one CSV file, or a pattern with ``*``, ``?`` or ``[...]``. Local paths, NFS mounts and
        fsspec URLs such as ``s3://``, ``sftp://`` and ``webhdfs://`` are supported. ``hdfs://`` requires Hadoop's
        native client. Files can be plain or compressed with gzip (``.gz``) or zstd (``.zst``). They are read in the
        order of their names. Names that begin with ``.`` or ``_`` are skipped. For KCore with ``TYPE=subgraph``, all
        folders ``<k>_core`` in `path` are read as one result, with ``k`` as the last column. If `path` is one of these
        folders, only this folder is read, and there is no column ``k``.
    schema
        Expected columns. ``"auto"``, the default, searches `path` for the folder of a component, such as
        ``analytics_pagerank_1``, and uses the columns of that algorithm. Without such a folder, it depends on the
        number of cells in the first row. Two cells are read as ``id, score``, three as ``id, score, community``, and
        any other number as text. If a cell cannot be converted, all columns are read as text. None uses only the number
        of cells, and raises an error if a cell cannot be converted. The name of an algorithm selects its documented
        columns, which are listed in `explorer_frames.schemas.ALGORITHMS`. A `pyarrow.Schema` defines other columns.
    vid_type
        Type of the graph space's vertex ids: ``"string"``, the default, or ``"int64"``. ``"int64"`` raises
        `ColumnTypeError` for an id that does not round-trip, such as ``007``.
    dtype_backend
        Backend of the dtypes, as in pandas: None (default), ``"numpy_nullable"`` or ``"pyarrow"``.
    header
        Whether the first line contains column names. True skips the first line of the first file, and the same line at
        the start of any other file. False reads the first line as a row. None, the default, skips the first line of a
        file if it contains the documented column names or those of the schema. Case and punctuation are ignored, so
        ``VID,VALUE`` and ``vid, value`` are equivalent. With None, no line is skipped if rows differ in length or if
        the only column is text.
    quoting
        ``"minimal"``, the default, parses quoted cells as in RFC 4180. ``"none"`` treats quotes as text. Pass it for
        files that were written without quoting, such as those of NebulaGraph Analytics.
    storage_options
        Options for the fsspec driver, as in pandas. Not used for local paths.

    Returns
    -------
    pandas.DataFrame
        One row per row of the result, with the same columns, dtypes and values as `read_sample_result` returns. An
        empty result has the same columns and dtypes. ``attrs["explorer_frames"]`` contains the provenance.

    Raises
    ------
    ConfigError
        If an argument is invalid, or the driver for the URL is not installed.
    FileReadError
        If `path` does not exist or cannot be read, or if its files change during the read. A folder is rejected if it
        contains no CSV files, unfinished files (``_temporary``, ``*._COPYING_``), or both a plain and a compressed copy
        of a file. A compressed file is rejected if it is damaged or truncated. A plain file is rejected if its last
        line has no line end.
    DecodeError
        If a line is empty, is not valid CSV in UTF-8, or contains a NUL byte outside quotes. The subclass
        `RowShapeError` reports a wrong number of cells, and `ColumnTypeError` an invalid cell. The error contains the
        file and the line.

    Notes
    -----
    Since Explorer 3.5.0, NebulaGraph Analytics writes full results to NFS by default. It can be configured to write to
    HDFS. The format of the files is not documented.

    Types are defined by the schema. They are not inferred from the values. In a column of string ids, ``007``, ``NA``,
    ``null`` and empty cells are text.

    The vertices in a column ``path`` (ShortestPath, Node2Vec) must be separated by commas in all rows, or by whitespace
    in all rows. Ids may contain whitespace if the separators are commas.

    The following errors cannot be detected:

    - A plain file was truncated after a line end.
    - A compressed file was truncated between two of its members.
    - A file was not written at all.
    - A bit was flipped in a plain file, or in a zstd file without a checksum.

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
        The result is complete only if the reader reaches its end without an error. After an error, discard the batches.

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
    r"""Write a task's full result to a Parquet or Feather file in constant memory.

    Parameters
    ----------
    path, schema, vid_type, header, quoting, storage_options
        As in `read_output`.
    target
        Local path, fsspec URL or binary buffer to write to, as in `write_parquet`. An existing file is replaced
        atomically. The extension selects the format. ``.parquet`` and ``.pq`` select Parquet. ``.feather``, ``.arrow``
        and ``.ipc`` select Feather.
    target_storage_options
        Options for the fsspec driver of `target`.
    target_filesystem
        fsspec or pyarrow file system that contains `target`.
    **options
        Options of `write_parquet` or `write_feather`, such as ``mode``, ``make_parents`` and ``compression``. Pass
        ``format`` for a buffer or for any other file extension.

    Returns
    -------
    Receipt
        Path, format, number of rows, size, schema, completeness and content hash of the file.

    Raises
    ------
    ConfigError, FileReadError, DecodeError
        As in `read_output`. The target is unchanged.
    TypeError
        If an option is unknown.
    WriteError
        As in `write_parquet`.

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
