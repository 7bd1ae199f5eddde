"""Write Parquet and Feather files in constant memory.

Files are verified before the atomic rename.
"""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypedDict

import pyarrow as pa

from explorer_frames import _html
from explorer_frames._arguments import checked_flag
from explorer_frames._files.data import to_reader
from explorer_frames._files.digest import ContentHash
from explorer_frames._files.formats import (
    ROWS,
    Format,
    Options,
    check_file,
    footer,
    format_of,
    open_writer,
    roundtrip_schema,
)
from explorer_frames._files.seal import SEAL, Seal, replace
from explorer_frames._private import private
from explorer_frames._provenance import KEY, as_written, counted_rows, document_of, encoded, receipt_facts, receipt_line
from explorer_frames._signals import suppressed
from explorer_frames._storage.paths import Destination, inner_path, is_buffer, plain_path
from explorer_frames._storage.publish import Mode, Target
from explorer_frames._threads import run_in_background

Finish: TypeAlias = Callable[[], Mapping[str, Any]]

_PARALLEL = 10_000  # minimum rows for which hashing in a background thread is faster
_SLACK = 64  # bytes by which a document may grow while rows are read, besides its numbers and its hash


class LayoutOptions(TypedDict, total=False):
    """Options of an output file.

    The defaults are those of `write_parquet`. The format defaults to that of the file extension.
    """

    format: Format | None
    mode: Mode
    compression: str | None
    compression_level: int | None
    row_group_size: int
    make_parents: bool


class WriteOptions(LayoutOptions, total=False):
    """Options of an output file and of its store."""

    storage_options: Mapping[str, Any] | None
    filesystem: Any


@dataclass(frozen=True, slots=True, repr=False)
class Receipt:
    """Summary of a file that was written.

    Attributes
    ----------
    path : str
        Path or URL without user, password and query; an absolute path on local disk; for a buffer its class, such as
        ``"<BytesIO>"``.
    format : str
        ``"parquet"`` or ``"feather"``.
    rows : int
        Number of rows, counted in the finished file.
    bytes : int
        Size of the file.
    schema : pyarrow.Schema
        Schema as read back from the file, with its metadata.
    complete : bool or None
        Whether the file contains all rows of the result. None if unknown from its metadata.
    content_hash : str or None
        ``sha256:`` and 64 hex digits, over names, types and values. The same rows in the same order have the same
        hash in every format and with all options. None for types that are not hashed, such as maps.
    """

    path: str
    format: Format
    rows: int
    bytes: int
    schema: pa.Schema
    complete: bool | None
    content_hash: str | None

    def __repr__(self) -> str:
        size = f"{counted_rows(self.rows)}, {self.bytes:,} bytes"
        return f"<Receipt {self.path}: {self.format}, {receipt_line(size, self.complete)}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as plain values for JSON.

        The schema becomes ``columns``, a list with the name and the type of each column.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "schema"}
        return {**values, "columns": [{"name": field.name, "type": str(field.type)} for field in self.schema]}

    def _repr_html_(self) -> str:
        return _html.facts(receipt_facts(self.to_dict()))


@private
def write_parquet(
    data: Any,
    path: Destination,
    *,
    index: bool | None = None,
    mode: Mode = "overwrite",
    compression: str | None = "zstd",
    compression_level: int | None = None,
    row_group_size: int = ROWS,
    make_parents: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    filesystem: Any = None,
) -> Receipt:
    """Write one Parquet file atomically.

    Each page has a checksum, and the file has one over all its bytes. `verify_file` verifies both. Columns with
    repeated values, and strings in lists, are dictionary-encoded. The metadata contains the provenance of the rows;
    see `read_provenance`.

    Parameters
    ----------
    data
        A pandas DataFrame, a `pyarrow` Table, RecordBatch or RecordBatchReader, or an object with
        ``__arrow_c_stream__`` or ``__dataframe__`` (polars, DuckDB). Readers are consumed as a stream, in constant
        memory, and are empty afterwards. Types are preserved, with two exceptions. Strings of DataFrames and string
        views are written as ``string``. Dictionaries inside lists, structs and maps are written as their values. A
        DataFrame's ``attrs["explorer_frames"]`` becomes schema metadata.
    path
        Local path or fsspec URL of one file, a path of universal_pathlib or cloudpathlib, or a binary buffer that is
        open for writing. The verified file is copied to a buffer from its current position on. If that fails, the
        buffer may contain a part of it.
    index
        Whether to write the index of a pandas DataFrame, as in ``DataFrame.to_parquet``. By default, every index
        except an unnamed index of integers is written as columns, so a filter does not change the columns. Other
        tables have no index.
    mode
        ``"overwrite"`` replaces an existing file atomically; ``"create"`` raises if the file exists.
        ``"in_place"`` overwrites the content of a file that cannot be replaced, such as one that is mounted into a
        container. Nothing is overwritten before all rows are written and verified. However, readers may see a partial
        file meanwhile, and a crash or a full disk leaves a partial file. A process that has the old file
        mapped into memory may crash. In object stores, ``"in_place"`` is the same as ``"overwrite"``. See the page
        "Atomic writes" of the documentation for the guarantees of each store.
    compression
        ``"zstd"``, ``"snappy"``, ``"gzip"``, ``"brotli"``, ``"lz4"`` or None.
    compression_level
        Compression level in the codec's range; None for the codec's default.
    row_group_size
        Rows per row group; only the last one may have fewer.
    make_parents
        Whether to create missing parent folders. By default, a missing folder raises an error before `data` is read.
        Object stores have no folders.
    storage_options
        Options for the fsspec driver, as in pandas.
    filesystem
        fsspec or pyarrow file system that contains `path`, in place of a URL and `storage_options`. The guarantees
        of its store are the same. A pyarrow file system for an object store writes a temporary object and moves it.

    Returns
    -------
    Receipt
        Path, format, number of rows, size, schema, completeness and content hash of the file.

    Raises
    ------
    ConfigError
        If an argument is invalid, before any I/O; or if a column cannot be converted or written in this format,
        before any row is read. The message contains the name of the column.
    TargetExistsError
        If ``mode="create"`` and the target exists; before `data` is read, and again when publishing.
    WriteError
        If the file cannot be written, verified or published. The existing file is unchanged, unless
        ``mode="in_place"``.
    Exception
        Any exception that `data` raises while it is read, unchanged. Nothing is published.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"id": ["player100", "player101"], "score": [0.5, 0.25]})
    >>> receipt = write_parquet(frame, "memory://scores.parquet")
    >>> receipt.rows, receipt.complete
    (2, None)
    """
    return _written("parquet", locals())


@private
def write_feather(
    data: Any,
    path: Destination,
    *,
    index: bool | None = None,
    mode: Mode = "overwrite",
    compression: str | None = "zstd",
    compression_level: int | None = None,
    row_group_size: int = ROWS,
    make_parents: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    filesystem: Any = None,
) -> Receipt:
    """Write one Feather version 2 (Arrow IPC) file atomically.

    Parameters
    ----------
    data, path, index, mode, make_parents, storage_options, filesystem
        As for `write_parquet`. In a stream, the dictionary of a column may only grow from batch to batch. If it
        grows after the first `row_group_size` rows, the file has delta dictionaries, which Polars reads only with
        ``use_pyarrow=True``. A Table or a DataFrame is written with one dictionary per column.
    compression
        ``"zstd"``, ``"lz4"`` or None.
    compression_level
        Compression level in the codec's range; None for the codec's default.
    row_group_size
        Rows per record batch; only the last one may have fewer.

    Returns
    -------
    Receipt
        Path, format, number of rows, size, schema, completeness and content hash of the file.

    Raises
    ------
    ConfigError, TargetExistsError, WriteError, Exception
        As for `write_parquet`.

    Examples
    --------
    >>> table = pa.table({"id": ["player100"], "score": [0.5]})
    >>> write_feather(table, "memory://scores.feather").schema.names
    ['id', 'score']
    """
    return _written("feather", locals())


def _written(format: Format, arguments: dict[str, Any]) -> Receipt:  # noqa: A002 (as in `planned`)
    reader = to_reader(arguments.pop("data"), arguments.pop("index"))
    return write(reader, planned(**arguments, format=format))


def planned(
    path: Destination,
    *,
    format: str | None = None,  # noqa: A002 (as in pandas and pyarrow)
    mode: Mode = "overwrite",
    compression: str | None = "zstd",
    compression_level: int | None = None,
    row_group_size: int = ROWS,
    make_parents: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    filesystem: Any = None,
    **unknown: object,
) -> tuple[Target, Options]:
    """Validate the target and the options, before any row is read."""
    if unknown:  # Python's own message would contain the name of this private function
        raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}")
    checked_flag("make_parents", make_parents)
    if filesystem is None:
        path, storage_options = plain_path(path, storage_options)
    elif not is_buffer(path):
        path = inner_path(path)
    options = Options.of(format_of(path, format), compression, compression_level, row_group_size)
    new_folders = None if make_parents else 0
    target = Target.resolve(
        path, mode=mode, storage_options=storage_options, filesystem=filesystem, new_folders=new_folders
    )
    return target, options


def write(reader: pa.RecordBatchReader, plan: tuple[Target, Options], finish: Finish | None = None) -> Receipt:
    """Write the batches of a reader to the planned target.

    Parameters
    ----------
    reader
    plan
        Target and options from `planned`.
    finish
        Called after the last row and before the file is published. It returns the final provenance document, or
        raises to cancel the write.
    """
    target, layout = plan
    document = document_of(reader.schema.metadata)
    with target.spool() as path:
        draft = target.attempt("write", _Draft, path, target, reader.schema, document, layout)
        try:
            for group in _groups(reader, layout.rows):  # exceptions of the source are not wrapped
                draft.append(group)
            draft.close(finish() if finish else document)
        except BaseException:
            draft.abandon()
            raise
        stored = target.attempt("check", check_file, path, draft.schema, draft.rows, layout, target.url)
        size = os.path.getsize(path)  # noqa: PTH202
        target.publish(path)
    complete = draft.known["complete"] if isinstance(draft.known["complete"], bool) else None
    return Receipt(target.url, layout.format, draft.rows, size, stored, complete, draft.known["content_hash"])


class _Draft:
    """Temporary file of one target. Errors of the writer are raised as WriteError.

    Parameters
    ----------
    path, target, layout
        Path of the temporary file, its target, and its layout options.
    schema
        Schema of all tables. Its metadata is kept, except the keys of this library.
    document
        Provenance that is known before the rows are read.

    Attributes
    ----------
    rows : int
        Number of rows written.
    schema : pyarrow.Schema
        Expected schema of the finished file.
    known : dict
        Provenance document of the finished file.
    """

    def __init__(
        self, path: str, target: Target, schema: pa.Schema, document: Mapping[str, Any], layout: Options
    ) -> None:
        self.rows = 0
        self.known: dict[str, Any] = {}
        self._path = path
        self._target = target
        self._layout = layout
        self._metadata = {key: value for key, value in (schema.metadata or {}).items() if key not in (KEY, SEAL)}
        self._room = b""
        if layout.format == "feather":
            # A Feather file starts with its schema, so space is reserved for the final document.
            longest = encoded(as_written(document, 2**63, f"sha256:{'0' * 81}"))
            self._room = uuid.uuid4().hex.encode().ljust(len(longest) + _SLACK)
        self.schema = roundtrip_schema(schema, layout)
        self._content = ContentHash(self.schema)
        self._seal = Seal(path, layout.format)
        self._begun = schema.with_metadata({**self._metadata, KEY: self._room, SEAL: self._seal.placeholder})
        self._file = pa.OSFile(path, "wb")
        self._writer: Any = None

    def append(self, group: pa.Table) -> None:
        """Write one row group or record batch."""
        if group.num_rows < _PARALLEL:
            self._target.attempt("write", self._write, group)
            self._target.attempt("hash the rows of", self._hash, group)
        else:
            with run_in_background(partial(self._hash_and_flush, group)) as hashed:  # hashing takes a third of the time
                self._target.attempt("write", self._write, group)
                self._target.attempt("hash the rows of", hashed)
        self.rows += group.num_rows

    def _write(self, group: pa.Table) -> None:
        table = group.replace_schema_metadata(self._begun.metadata)
        self._writer = self._writer or open_writer(self._file, table, self._layout)
        if self._room:  # Feather would write each chunk as a batch of its own
            table = table.combine_chunks()
        self._writer.write_table(table, self._layout.rows)

    def _hash(self, group: pa.Table) -> None:
        self._content.update(group.cast(self.schema))
        if not self._room:  # reserved space is filled at the end, so its bytes still change
            self._seal.follow()

    def _hash_and_flush(self, group: pa.Table) -> None:
        self._hash(group)
        self._target.flush(self._path)

    def close(self, document: Mapping[str, Any]) -> None:
        """Write the final document and the checksum, and close the file."""
        if self._writer is None:
            self.append(pa.Table.from_batches([], self._begun))
        self.known = as_written(document, self.rows, self._content.result())
        self._target.attempt("write", self._finish, encoded(self.known).ljust(len(self._room)))
        self._target.attempt("seal", self._seal.close)

    def _finish(self, known: bytes) -> None:
        self.schema = self.schema.with_metadata({**self._metadata, KEY: known})
        if self._layout.format == "parquet":
            self._writer.add_key_value_metadata({**footer(self.schema), SEAL: self._seal.placeholder})
        self._writer.close()
        self._file.close()
        if self._room:
            replace(self._path, self._room, known)

    def abandon(self) -> None:
        """Close the writer and the file, which is then valid but truncated."""
        for opened in (self._writer, self._file):
            with suppressed(Exception):
                opened.close()


def _groups(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    """Regroup batches into tables of `rows` rows; the last one may have fewer."""
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
