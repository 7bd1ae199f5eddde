"""Batches -> one Parquet or Feather file, in constant memory, published only when it is whole and checked."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.ipc

from explorer_frames._data import to_reader
from explorer_frames._formats import Format, Options, check_file, footer, format_of, one_batch, open_writer
from explorer_frames._provenance import complete_of
from explorer_frames._publish import Mode, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Finish: TypeAlias = "Callable[[], dict[bytes, bytes]]"

_ROWS = 262_144  # per row group or batch: enough to compress well, few enough to hold many in memory


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was published.

    Attributes
    ----------
    url : str
        Without user, password and query; an absolute path on local disk.
    format : str
        ``"parquet"`` or ``"feather"``.
    rows : int
        Counted in the finished file.
    bytes : int
        Size of the file.
    schema : pyarrow.Schema
        As read back from the file, with its metadata.
    complete : bool or None
        Whether the result in it is known to be all there was; None where its metadata does not say.
    """

    url: str
    format: Format
    rows: int
    bytes: int
    schema: pa.Schema
    complete: bool | None


def write_parquet(
    data: Any,
    url: str | os.PathLike[str],
    *,
    mode: Mode = "overwrite",
    compression: str | None = "zstd",
    compression_level: int | None = None,
    row_group_size: int = _ROWS,
    storage_options: Mapping[str, Any] | None = None,
) -> Receipt:
    """Write one Parquet file, whole or not at all.

    Every page carries a checksum; columns whose values repeat are dictionary-encoded.

    Parameters
    ----------
    data
        A pandas DataFrame, a `pyarrow` Table, RecordBatch or RecordBatchReader, or anything with
        ``__arrow_c_stream__`` (polars, DuckDB). Readers are consumed as a stream, in constant memory. Types are kept,
        but strings of DataFrames and string views are written as ``string``. A DataFrame's RangeIndex is dropped,
        any other index kept; its ``attrs["explorer_frames"]`` becomes schema metadata.
    url
        A local path or any fsspec URL of one file.
    mode
        ``"overwrite"`` replaces what is there in one step; ``"create"`` refuses if there is something.
        How far each store keeps these promises: see the table in ``explorer_frames._publish``.
    compression
        ``"zstd"``, ``"snappy"``, ``"gzip"``, ``"brotli"``, ``"lz4"`` or None.
    compression_level
        In the codec's own range; None is its default.
    row_group_size
        Rows per row group; only the last one may have fewer.
    storage_options
        For the fsspec driver, as pandas takes them.

    Returns
    -------
    Receipt
        Where it is, and what is in it.

    Raises
    ------
    ConfigError
        For arguments that cannot work, before any I/O.
    TargetExistsError
        If ``mode="create"`` and the target exists; before `data` is read, and again when publishing.
    WriteError
        If the file cannot be written, checked or published. What stood at the target is still there.
    Exception
        Whatever `data` raises while it is read, as it is; nothing is published then.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"id": ["player100", "player101"], "score": [0.5, 0.25]})
    >>> receipt = write_parquet(frame, "memory://doc/scores.parquet")
    >>> receipt.rows, receipt.complete
    (2, None)
    """
    options = Options("parquet", compression, compression_level, row_group_size, "row_group_size")
    return _write(data, url, options, mode=mode, storage_options=storage_options)


def write_feather(
    data: Any,
    url: str | os.PathLike[str],
    *,
    mode: Mode = "overwrite",
    compression: str | None = "zstd",
    compression_level: int | None = None,
    batch_size: int = _ROWS,
    storage_options: Mapping[str, Any] | None = None,
) -> Receipt:
    """Write one Feather (version 2, an Arrow IPC) file, whole or not at all.

    Parameters
    ----------
    data, url, mode, storage_options
        As for `write_parquet`.
    compression
        ``"zstd"``, ``"lz4"`` or None.
    compression_level
        In the codec's own range; None is its default.
    batch_size
        Rows per record batch; only the last one may have fewer.

    Returns
    -------
    Receipt
        Where it is, and what is in it.

    Raises
    ------
    ConfigError, TargetExistsError, WriteError, Exception
        As `write_parquet` does.

    Examples
    --------
    >>> table = pa.table({"id": ["player100"], "score": [0.5]})
    >>> write_feather(table, "memory://doc/scores.feather").schema.names
    ['id', 'score']
    """
    options = Options("feather", compression, compression_level, batch_size, "batch_size")
    return _write(data, url, options, mode=mode, storage_options=storage_options)


def check_target(
    url: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 (as pandas and pyarrow call it)
    mode: Mode = "overwrite",
    compression: str | None = "zstd",
    compression_level: int | None = None,
    row_group_size: int = _ROWS,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Refuse what `write` would refuse, while there are no rows to lose."""
    Target.resolve(url, mode=mode, storage_options=storage_options)
    Options(format_of(url, format), compression, compression_level, row_group_size, "row_group_size")


def write(
    data: Any,
    url: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 (as pandas and pyarrow call it)
    mode: Mode = "overwrite",
    compression: str | None = "zstd",
    compression_level: int | None = None,
    row_group_size: int = _ROWS,
    storage_options: Mapping[str, Any] | None = None,
    finish: Finish | None = None,
) -> Receipt:
    """Write in the format that is named, or that the URL's suffix says.

    `finish` is called when all rows have been read, and before anything is published: it returns the schema metadata
    that only the end of a stream can tell, or raises to call the whole off.
    """
    options = Options(format_of(url, format), compression, compression_level, row_group_size, "row_group_size")
    return _write(data, url, options, mode=mode, storage_options=storage_options, finish=finish)


def _write(
    data: Any,
    url: str | os.PathLike[str],
    options: Options,
    *,
    mode: Mode,
    storage_options: Mapping[str, Any] | None,
    finish: Finish | None = None,
) -> Receipt:
    reader = to_reader(data)
    target = Target.resolve(url, mode=mode, storage_options=storage_options)
    source = _Source(_groups(reader, options.rows), reader.schema, finish)
    with target.spool() as path:
        rows, schema = (_fill_late if finish and options.format == "feather" else _fill)(path, target, source, options)
        stored = target.attempt("check", check_file, path, schema, rows, options, target.url)
        size = os.path.getsize(path)  # noqa: PTH202
        target.publish(path)
    return Receipt(target.url, options.format, rows, size, stored, complete_of(stored.metadata))


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows, cut as the file will have them, and the schema, which is final when they have been read."""

    groups: Iterator[pa.Table]
    schema: pa.Schema
    finish: Finish | None = None

    def final_schema(self) -> pa.Schema:
        if self.finish is None:
            return self.schema
        return self.schema.with_metadata({**(self.schema.metadata or {}), **self.finish()})


def _groups(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    """Cut and join batches of any size into tables of `rows` rows; the last one may have fewer."""
    held: list[pa.RecordBatch] = []
    missing = rows
    for arrived in reader:
        batch = arrived
        while batch.num_rows >= missing:
            yield pa.Table.from_batches([*held, batch.slice(0, missing)])
            batch, held, missing = batch.slice(missing), [], rows
        if batch.num_rows:
            held.append(batch)
            missing -= batch.num_rows
    if held:
        yield pa.Table.from_batches(held)


def _fill(path: str, target: Target, source: _Source, options: Options) -> tuple[int, pa.Schema]:
    """Write all groups into the spool file, close it, and return the rows that went in and the final schema.

    What the source raises passes through as it is; what the writer raises is a WriteError.
    """
    first = next(source.groups, source.schema.empty_table())
    file = target.attempt("write", pa.OSFile, path, "wb")
    writer: Any = None
    rows = 0
    try:
        for group in chain([first], source.groups):
            table = group.replace_schema_metadata(source.schema.metadata)
            writer = writer or target.attempt("write", open_writer, file, table, options)
            target.attempt("write", writer.write_table, one_batch(table, options), options.rows)
            rows += table.num_rows
        schema = source.final_schema()
        if options.format == "parquet":
            target.attempt("write", writer.add_key_value_metadata, footer(schema))
        target.attempt("write", writer.close)
        target.attempt("write", file.close)
    except BaseException:
        # Closing adds a footer, which makes a valid file that is too short; leaving `spool` throws it away.
        for opened in (writer, file):
            with suppress(Exception):
                opened.close()
        raise
    return rows, schema


def _fill_late(path: str, target: Target, source: _Source, options: Options) -> tuple[int, pa.Schema]:
    """Write an Arrow file twice: its schema comes first, and is known last."""
    with target.spool() as draft:
        rows_only = replace(source, finish=None)
        _fill(draft, target, rows_only, replace(options, compression="lz4", level=None))
        schema = source.final_schema()
        with target.attempt("re-read", pa.OSFile, draft) as file:
            reader = target.attempt("re-read", pa.ipc.open_file, file)
            batches = (target.attempt("re-read", reader.get_batch, i) for i in range(reader.num_record_batches))
            groups = (pa.Table.from_batches([batch]) for batch in batches)
            return _fill(path, target, _Source(groups, schema), options)
