"""Batches -> one Parquet or Feather file, in constant memory, published only when it is whole and checked."""

from __future__ import annotations

import base64
import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeGuard

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from ._publish import Mode, Target, shown_url
from .errors import ConfigError, UnsupportedFormatError, WriteError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Format = Literal["parquet", "feather"]
Finish: TypeAlias = "Callable[[], dict[bytes, bytes]]"

_KEY = "explorer_frames"  # of DataFrame.attrs and, as bytes, of Arrow schema metadata
_SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
}
_CODECS: dict[str, tuple[str, ...]] = {
    "parquet": ("zstd", "snappy", "gzip", "brotli", "lz4"),
    "feather": ("zstd", "lz4"),
}
_ROWS = 262_144  # per row group or batch: enough to compress well, few enough to hold many in memory
_SAMPLE = 10_000  # values that tell whether a column repeats itself
_STRING_LIMIT = 2**31 - 1  # bytes behind one array of Arrow's `string`


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
    >>> frame = pd.DataFrame({"id": ["player100", "player101"], "score": [0.5, 0.25]})
    >>> receipt = write_parquet(frame, "memory://doc/scores.parquet")
    >>> receipt.rows, receipt.complete
    (2, None)
    """
    options = _Options("parquet", compression, compression_level, row_group_size, "row_group_size")
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
    options = _Options("feather", compression, compression_level, batch_size, "batch_size")
    return _write(data, url, options, mode=mode, storage_options=storage_options)


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
    options = _Options(format_of(url, format), compression, compression_level, row_group_size, "row_group_size")
    return _write(data, url, options, mode=mode, storage_options=storage_options, finish=finish)


def format_of(url: str | os.PathLike[str], format: str | None = None) -> Format:  # noqa: A002
    """Return the format that is named, or that the URL's suffix says; UnsupportedFormatError where there is none."""
    suffix = os.path.splitext(shown_url(url))[1]  # noqa: PTH122 (a URL)
    known: dict[str, Format] = {"parquet": "parquet", "feather": "feather"} if format else _SUFFIXES
    found = known.get((format or suffix).lower())
    if found:
        return found
    what = f"format {escaped(format)!r}" if format else f"suffix {escaped(suffix)!r}"
    hint = f'Name the file {", ".join(_SUFFIXES)}, or pass format="parquet" or "feather".'
    raise UnsupportedFormatError(f"nothing is written for {what}", where=shown_url(url), hint=hint)


@dataclass(frozen=True, slots=True)
class _Options:
    """How the file is laid out; refuses what the format cannot do."""

    format: Format
    compression: str | None
    level: int | None
    rows: int
    rows_name: str

    def __post_init__(self) -> None:
        if not _whole(self.rows) or self.rows < 1:
            raise ConfigError(f"{self.rows_name} is {escaped(self.rows)!r}", hint="Pass a whole number from 1.")
        codecs = _CODECS[self.format]
        if self.compression is not None and self.compression not in codecs:
            hint = f"Pass one of {', '.join(codecs)}, or None."
            raise ConfigError(f"{self.format} has no compression {escaped(self.compression)!r}", hint=hint)
        if self.level is not None:
            self._check_level()

    def _check_level(self) -> None:
        if self.compression is None or not pa.Codec.supports_compression_level(self.compression):
            raise ConfigError(f"compression {self.compression} has no levels", hint="Leave compression_level out.")
        least = pa.Codec.minimum_compression_level(self.compression)
        most = pa.Codec.maximum_compression_level(self.compression)
        if not _whole(self.level) or not least <= self.level <= most:
            hint = f"{self.compression} takes {least} to {most}."
            raise ConfigError(f"compression_level is {escaped(self.level)!r}", hint=hint)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _write(
    data: Any,
    url: str | os.PathLike[str],
    options: _Options,
    *,
    mode: Mode,
    storage_options: Mapping[str, Any] | None,
    finish: Finish | None = None,
) -> Receipt:
    if isinstance(data, pd.DataFrame):
        data = _from_pandas(data)
    elif not hasattr(data, "__arrow_c_stream__") or isinstance(data, pd.Series):
        hint = "Pass a DataFrame, a pyarrow Table, RecordBatch or RecordBatchReader, or an Arrow stream."
        raise ConfigError(f"data is {type(data).__name__}, not a table", hint=hint)
    target = Target.resolve(url, mode=mode, storage_options=storage_options)
    reader = _reader(data)
    source = _Source(_groups(reader, options.rows), _without_views(reader.schema), finish)
    with target.spool() as path:
        rows, schema = (_fill_late if finish and options.format == "feather" else _fill)(path, target, source, options)
        stored = target.attempt("check", _check, path, schema, rows, options, target.url)
        size = os.path.getsize(path)  # noqa: PTH202
        target.publish(path)
    return Receipt(target.url, options.format, rows, size, stored, _complete(stored))


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


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    index = False if isinstance(frame.index, pd.RangeIndex) else None
    try:
        document = json.dumps(frame.attrs[_KEY]) if _KEY in frame.attrs else None
        table = pa.Table.from_pandas(frame, preserve_index=index)
    except (pa.ArrowException, TypeError, ValueError) as error:
        hint = "Give every column one type and a name of its own, and keep attrs JSON-able."
        raise ConfigError(f"the DataFrame does not fit Arrow: {escaped(error)}", hint=hint) from error
    schema = table.schema
    for place, field in enumerate(schema):
        if pa.types.is_large_string(field.type) and table.column(place).nbytes <= _STRING_LIMIT:
            schema = schema.set(place, field.with_type(pa.string()))
    if document is not None:
        schema = schema.with_metadata({**(schema.metadata or {}), _KEY.encode(): document.encode()})
    return table.cast(schema)


def _reader(data: Any) -> pa.RecordBatchReader:
    if isinstance(data, pa.RecordBatchReader):
        return data
    if isinstance(data, pa.Table):
        return data.unify_dictionaries().to_reader()  # an Arrow file has one dictionary per column
    try:
        return pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        hint = "Pass a table: a single column has no name to be stored under."
        raise ConfigError(f"data is {type(data).__name__}: {escaped(error)}", hint=hint) from error


def _without_views(schema: pa.Schema) -> pa.Schema:
    """Return the schema with string views, a layout of memory rather than of files, as strings."""
    for place, field in enumerate(schema):
        if field.type == pa.string_view():
            schema = schema.set(place, field.with_type(pa.string()))
        elif field.type == pa.binary_view():
            schema = schema.set(place, field.with_type(pa.binary()))
    return schema


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


def _fill(path: str, target: Target, source: _Source, options: _Options) -> tuple[int, pa.Schema]:
    """Write all groups into the spool file, close it, and return the rows that went in and the final schema.

    What the source raises passes through as it is; what the writer raises is a WriteError.
    """
    first = next(source.groups, source.schema.empty_table())
    file = target.attempt("write", pa.OSFile, path, "wb")
    writer: Any = None
    rows = 0
    try:
        for group in chain([first], source.groups):
            table = target.attempt("convert rows for", group.cast, source.schema)
            writer = writer or target.attempt("write", _writer, file, table, options)
            target.attempt("write", writer.write_table, _one_batch(table, options), options.rows)
            rows += table.num_rows
        schema = source.final_schema()
        if options.format == "parquet":
            target.attempt("write", writer.add_key_value_metadata, _footer(schema))
        target.attempt("write", writer.close)
        target.attempt("write", file.close)
    except BaseException:
        # Closing adds a footer, which makes a valid file that is too short; leaving `spool` throws it away.
        for opened in (writer, file):
            with suppress(Exception):
                opened.close()
        raise
    return rows, schema


def _fill_late(path: str, target: Target, source: _Source, options: _Options) -> tuple[int, pa.Schema]:
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


def _writer(file: pa.NativeFile, sample: pa.Table, options: _Options) -> Any:
    if options.format == "feather":
        codec = pa.Codec(options.compression, options.level) if options.compression else None
        return pa.ipc.new_file(file, sample.schema, options=pa.ipc.IpcWriteOptions(compression=codec))
    import pyarrow.parquet as pq  # noqa: PLC0415 (30 ms that an import of the package need not take)

    return pq.ParquetWriter(
        file,
        sample.schema.remove_metadata(),
        compression=options.compression or "none",
        compression_level=options.level,
        use_dictionary=_repeating(sample),
        write_page_checksum=True,
        store_schema=False,  # it goes into the footer at the end, when its metadata is known
    )


def _footer(schema: pa.Schema) -> dict[str | bytes, bytes]:
    """Return what pyarrow itself stores: the metadata for every reader, the schema for those that know Arrow."""
    return {**(schema.metadata or {}), "ARROW:schema": base64.b64encode(schema.serialize())}


def _one_batch(table: pa.Table, options: _Options) -> pa.Table:
    return table.combine_chunks() if options.format == "feather" else table


def _repeating(table: pa.Table) -> list[str]:
    """Name the columns that a dictionary makes smaller; ids, all different, only get slower and larger by it."""
    names = []
    for name, column in zip(table.column_names, table.slice(0, _SAMPLE).columns, strict=True):
        if pa.types.is_dictionary(column.type):
            names.append(name)
        elif not pa.types.is_nested(column.type):
            with suppress(pa.ArrowNotImplementedError):
                if pc.count_distinct(column).as_py() * 2 <= len(column):
                    names.append(name)
    return names


def _check(path: str, schema: pa.Schema, rows: int, options: _Options, where: str) -> pa.Schema:
    """Re-open the finished file, compare it with what went in, and return its schema."""
    counted, stored = _read_back(path, options)
    expected = schema if options.format == "feather" else _as_parquet_keeps(schema)
    if counted == rows and stored.equals(expected, check_metadata=True):
        return stored
    what = f"{counted} of {rows} rows" if counted != rows else "another schema"
    hint = "Write again; if this repeats, the local disk or memory is at fault."
    raise WriteError(f"the finished file has {what}; it was not published", where=where, hint=hint)


def _read_back(path: str, options: _Options) -> tuple[int, pa.Schema]:
    if options.format == "feather":
        with pa.OSFile(path) as file:  # no memory map: its pages would count as ours
            reader = pa.ipc.open_file(file)
            return sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches)), reader.schema
    import pyarrow.parquet as pq  # noqa: PLC0415 (see _writer)

    with pq.ParquetFile(path) as parquet:
        return parquet.metadata.num_rows, parquet.schema_arrow


def _as_parquet_keeps(schema: pa.Schema) -> pa.Schema:
    """Return the schema after a round trip: Parquet has no seconds, for one, and keeps them as milliseconds."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (see _writer)

    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    return pq.read_schema(pa.BufferReader(sink.getvalue()))


def _complete(schema: pa.Schema) -> bool | None:
    try:
        document = json.loads((schema.metadata or {})[_KEY.encode()])
    except (KeyError, ValueError):
        return None
    value = document.get("complete") if isinstance(document, dict) else None
    return value if isinstance(value, bool) else None
