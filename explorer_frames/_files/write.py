"""Batches -> one Parquet or Feather file, in constant memory, published only when it is whole and checked."""

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

_PARALLEL = 10_000  # rows from which hashing and compressing at the same time is worth a thread
_SLACK = 64  # bytes by which a document may grow until its end is known, beside its numbers and its hash


class LayoutOptions(TypedDict, total=False):
    """Options of a file to write, with the defaults of `write_parquet`; the URL's suffix decides the format."""

    format: Format | None
    mode: Mode
    compression: str | None
    compression_level: int | None
    row_group_size: int
    make_parents: bool


class WriteOptions(LayoutOptions, total=False):
    """Options of a file to write, and of the store that it is written to."""

    storage_options: Mapping[str, Any] | None
    filesystem: Any


@dataclass(frozen=True, slots=True, repr=False)
class Receipt:
    """What was published.

    Attributes
    ----------
    path : str
        Without user, password and query; an absolute path on local disk; for a buffer its class, such as
        ``"<BytesIO>"``.
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
    content_hash : str or None
        ``sha256:`` and 64 hex digits, over names, types and values: the same for the same rows in the same order,
        whatever the format and its options. None for types that are not hashed, such as maps.
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
        """Return the attributes as plain values, ready for JSON; the schema as ``columns``: name and type of each."""
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
    """Write one Parquet file, whole or not at all.

    Each page has a checksum, and the file has one over all its bytes: `verify_file` compares both. Columns with
    repeated values, and text in lists, are dictionary-encoded. The metadata contains the origin of the rows: see
    `read_provenance`.

    Parameters
    ----------
    data
        A pandas DataFrame, a `pyarrow` Table, RecordBatch or RecordBatchReader, or an object with
        ``__arrow_c_stream__`` or ``__dataframe__`` (polars, DuckDB). Readers are consumed as a stream, in constant
        memory, and are empty afterwards. Types are kept, with two exceptions: strings of DataFrames and string views
        are written as ``string``, and dictionaries inside lists, structs and maps as their values. A DataFrame's
        ``attrs["explorer_frames"]`` becomes schema metadata.
    path
        Local path or fsspec URL of one file, also a path of universal_pathlib or cloudpathlib; or a binary buffer that
        is open for writing. The finished and checked file is copied to a buffer, from its current position on; if that
        fails, a part of it may be in the buffer.
    index
        Whether the index of a pandas DataFrame is written, as in ``DataFrame.to_parquet``. By default, an unnamed
        index of integers is not written as a column, so a filter does not change the columns. Every named index, and
        every index of another type, is. Other tables have no index.
    mode
        ``"overwrite"`` replaces an existing file in one step; ``"create"`` raises if there is one.
        ``"in_place"`` overwrites the content of a file that cannot be replaced, such as one that is mounted into a
        container. Nothing is overwritten before all rows are written and checked, but readers may see a part of the
        file meanwhile, and a crash or a full disk in the middle leaves a part of it. A process that has the old file
        mapped into memory may crash. In object stores it is the same as ``"overwrite"``. The
        documentation has a page "Atomic writes" with the guarantees of each store.
    compression
        ``"zstd"``, ``"snappy"``, ``"gzip"``, ``"brotli"``, ``"lz4"`` or None.
    compression_level
        In the codec's own range; None is its default.
    row_group_size
        Rows per row group; only the last one may have fewer.
    make_parents
        Whether to create missing folders above the file. By default they raise an error before `data` is read. Object
        stores have no folders.
    storage_options
        For the fsspec driver, as pandas takes them.
    filesystem
        File system of fsspec or pyarrow that `path` is in, in place of a URL and `storage_options`. Its store keeps
        the same guarantees. A pyarrow file system for an object store writes a temporary object and moves it.

    Returns
    -------
    Receipt
        Where it is, and what is in it.

    Raises
    ------
    ConfigError
        For invalid arguments, before any I/O. For a column that cannot be converted or that the format cannot contain,
        by its name, before any row is read.
    TargetExistsError
        If ``mode="create"`` and the target exists; before `data` is read, and again when publishing.
    WriteError
        If the file cannot be written, checked or published. The existing file is unchanged, unless with
        ``mode="in_place"``.
    Exception
        Whatever `data` raises while it is read, as it is; nothing is published then.

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
    """Write one Feather (version 2, an Arrow IPC) file, whole or not at all.

    Parameters
    ----------
    data, path, index, mode, make_parents, storage_options, filesystem
        As for `write_parquet`; but in a stream, the dictionary of a column may only grow from batch to batch. Where it
        grows behind the first `row_group_size` rows, the file has delta dictionaries, which Polars reads only with
        ``use_pyarrow=True``. A Table or a DataFrame gets one dictionary per column here.
    compression
        ``"zstd"``, ``"lz4"`` or None.
    compression_level
        In the codec's own range; None is its default.
    row_group_size
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
    format: str | None = None,  # noqa: A002 (as pandas and pyarrow call it)
    mode: Mode = "overwrite",
    compression: str | None = "zstd",
    compression_level: int | None = None,
    row_group_size: int = ROWS,
    make_parents: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    filesystem: Any = None,
    **unknown: object,
) -> tuple[Target, Options]:
    """Check where and how to write, before any row is read."""
    if unknown:  # without the name of this function, which the caller has not called
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
    """Write what a reader gives, as it was planned.

    Parameters
    ----------
    reader
    plan
        From `planned`.
    finish
        Called when all rows have been read, and before anything is published: it returns what only the end of a
        stream can tell of where it came from, or raises to call the whole off.
    """
    target, layout = plan
    document = document_of(reader.schema.metadata)
    with target.spool() as path:
        draft = target.attempt("write", _Draft, path, target, reader.schema, document, layout)
        try:
            for group in _groups(reader, layout.rows):  # what the source raises passes through as it is
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
    """A spool file of one target; what the writer raises is a WriteError, what is abandoned can be thrown away.

    Parameters
    ----------
    path, target, layout
        The spool file, whose it is, and how it is laid out.
    schema
        Of all tables to come; its metadata is kept but for our own.
    document
        What is known beforehand of where they come from.

    Attributes
    ----------
    rows : int
        That went in.
    schema : pyarrow.Schema
        That the finished file has to have.
    known : dict
        The document that the finished file has.
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
            # Its schema is written first: room is left for what is known at the end.
            longest = encoded(as_written(document, 2**63, f"sha256:{'0' * 81}"))
            self._room = uuid.uuid4().hex.encode().ljust(len(longest) + _SLACK)
        self.schema = roundtrip_schema(schema, layout)
        self._content = ContentHash(self.schema)
        self._seal = Seal(path, layout.format)
        self._begun = schema.with_metadata({**self._metadata, KEY: self._room, SEAL: self._seal.placeholder})
        self._file = pa.OSFile(path, "wb")
        self._writer: Any = None

    def append(self, group: pa.Table) -> None:
        """Write one row group or batch."""
        if group.num_rows < _PARALLEL:
            self._target.attempt("write", self._write, group)
            self._target.attempt("hash the rows of", self._hash, group)
        else:
            with run_in_background(partial(self._hash_and_flush, group)) as hashed:  # hashing is a third of the work
                self._target.attempt("write", self._write, group)
                self._target.attempt("hash the rows of", hashed)
        self.rows += group.num_rows

    def _write(self, group: pa.Table) -> None:
        table = group.replace_schema_metadata(self._begun.metadata)
        self._writer = self._writer or open_writer(self._file, table, self._layout)
        if self._room:  # the format would make a batch of each chunk
            table = table.combine_chunks()
        self._writer.write_table(table, self._layout.rows)

    def _hash(self, group: pa.Table) -> None:
        self._content.update(group.cast(self.schema))
        if not self._room:  # where there is room, it is filled at the end
            self._seal.follow()

    def _hash_and_flush(self, group: pa.Table) -> None:
        self._hash(group)
        self._target.flush(self._path)

    def close(self, document: Mapping[str, Any]) -> None:
        """Write what is known now, close and seal the file."""
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
        """Close what is open: that adds a footer, and makes a valid file that is too short."""
        for opened in (self._writer, self._file):
            with suppressed(Exception):
                opened.close()


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
