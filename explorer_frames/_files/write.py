"""Write Parquet and Feather files in constant memory.

Each file is verified before the atomic rename.
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

# Called after the last row and before the file is published. It returns the final provenance, or raises an exception to
# cancel the write.
Finish: TypeAlias = Callable[[], Mapping[str, Any]]

_PARALLEL = 10_000  # minimum number of rows for which hashing in a background thread is faster
_SLACK = 64  # additional bytes that are reserved for the final provenance


class LayoutOptions(TypedDict, total=False):
    """Options of an output file, with the defaults of `write_parquet`."""

    format: Format | None  # None for the format of the file extension
    mode: Mode
    compression: str | None
    compression_level: int | None
    row_group_size: int
    make_parents: bool


class WriteOptions(LayoutOptions, total=False):
    """Options of an output file and its store."""

    storage_options: Mapping[str, Any] | None
    filesystem: Any


@dataclass(frozen=True, slots=True, repr=False)
class Receipt:
    """Summary of a file that was written.

    Attributes
    ----------
    path : str
        Absolute path of a local file, or URL without user, password and query. For a buffer, its class, such as
        ``"<BytesIO>"``.
    format : str
        ``"parquet"`` or ``"feather"``.
    rows : int
        Number of rows, counted in the finished file.
    bytes : int
        Size of the file in bytes.
    schema : pyarrow.Schema
        Schema that was read back from the file, with its metadata.
    complete : bool or None
        Whether the file contains all rows of the result. None if the completeness is unknown.
    content_hash : str or None
        Hash of names, types and values: ``sha256:`` and 64 hex digits, with a suffix if there are NaN values. The same
        rows in the same order have the same hash in every format and with all options. None for unsupported types, such
        as maps.
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
        """Return the attributes as a dict that can be written as JSON.

        In place of the schema, ``columns`` contains the name and type of each column.
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

    The file and each of its pages have checksums, which `verify_file` verifies. Columns with repeated values and
    strings in lists are dictionary-encoded. The metadata contains the provenance of the rows, which `read_provenance`
    returns.

    Parameters
    ----------
    data
        A pandas DataFrame, a `pyarrow` Table, RecordBatch or RecordBatchReader, or an object with
        ``__arrow_c_stream__`` or ``__dataframe__`` (polars, DuckDB). A reader is consumed as a stream in constant
        memory and is empty afterwards. Types are preserved, with two exceptions. Strings in DataFrames and string views
        are written as ``string``. Dictionaries inside lists, structs and maps are written as their values. A
        DataFrame's ``attrs["explorer_frames"]`` is written to the schema metadata.
    path
        Local path or fsspec URL of one file, a path of universal_pathlib or cloudpathlib, or a binary buffer that is
        open for writing. If `path` is a buffer, the verified file is copied into it at its current position. If the
        copy fails, the buffer may contain a partial file.
    index
        Whether to write the index of a pandas DataFrame, as in ``DataFrame.to_parquet``. None, the default, writes
        any index except an unnamed integer index. For other types of `data`, the value must be None.
    mode
        ``"overwrite"``, the default, replaces an existing file atomically. ``"create"`` raises `TargetExistsError` if
        the file exists. ``"in_place"`` overwrites the content of a file that cannot be replaced, such as a file that is
        mounted into a container. All rows are written to a temporary file and verified before the content is
        overwritten. During the overwrite, readers may see a partial file. A crash or a full disk leaves a partial file
        behind. A process that has memory-mapped the old file may crash. In object stores, ``"in_place"`` is the same as
        ``"overwrite"``. See the page "Atomic writes" of the documentation for the guarantees of each store.
    compression
        ``"zstd"`` (default), ``"snappy"``, ``"gzip"``, ``"brotli"``, ``"lz4"``, or None for no compression.
    compression_level
        Compression level in the codec's range. None, the default, selects the codec's default level.
    row_group_size
        Number of rows per row group, by default 262,144. The last row group may have fewer rows.
    make_parents
        Whether to create missing parent folders. By default, a missing folder raises `WriteError` before `data` is
        read. Object stores have no folders.
    storage_options
        Options for the fsspec driver, as in pandas.
    filesystem
        fsspec or pyarrow file system that contains `path`, instead of a URL and `storage_options`. The guarantees are
        those of its store. With a pyarrow file system backed by an object store, a temporary object is written and
        moved.

    Returns
    -------
    Receipt
        Path, format, number of rows, size, schema, completeness and content hash of the file.

    Raises
    ------
    ConfigError
        If an argument is invalid, or if a column cannot be converted to Arrow or written in this format. For a column,
        the message contains its name. Arguments are checked before any I/O.
    TargetExistsError
        If ``mode="create"`` and the target exists. The target is checked before `data` is read and again when the file
        is published.
    WriteError
        If the file cannot be written, verified or published. The existing file is unchanged, unless
        ``mode="in_place"``.
    Exception
        Exceptions raised while `data` is read are not wrapped. No file is published.

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
        As for `write_parquet`. In a stream, each batch may only append values to the dictionary of a column. If values
        are appended after the first `row_group_size` rows, the file contains delta dictionaries. Polars reads them only
        with ``use_pyarrow=True``. A Table or a DataFrame is written with one dictionary per column.
    compression
        ``"zstd"`` (default), ``"lz4"``, or None for no compression.
    compression_level
        Compression level in the codec's range. None, the default, selects the codec's default level.
    row_group_size
        Number of rows per record batch, by default 262,144. The last batch may have fewer rows.

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
    """Validate the target and the options before any row is read."""
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
    """Write the batches of a reader to the planned target."""
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
        stored = target.attempt("verify", check_file, path, draft.schema, draft.rows, layout, target.url)
        size = os.path.getsize(path)  # noqa: PTH202
        target.publish(path)
    complete = draft.known["complete"] if isinstance(draft.known["complete"], bool) else None
    return Receipt(target.url, layout.format, draft.rows, size, stored, complete, draft.known["content_hash"])


class _Draft:
    """Temporary file that is written for one target."""

    def __init__(
        self, path: str, target: Target, schema: pa.Schema, document: Mapping[str, Any], layout: Options
    ) -> None:
        self.rows = 0
        self.known: dict[str, Any] = {}  # provenance of the finished file
        self._path = path
        self._target = target
        self._layout = layout
        self._metadata = {key: value for key, value in (schema.metadata or {}).items() if key not in (KEY, SEAL)}
        self._room = b""
        if layout.format == "feather":
            # The metadata of a Feather file is written first, so space is reserved for the final provenance.
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
            # Hashing takes a third of the total time, so it runs in the background.
            with run_in_background(partial(self._hash_and_flush, group)) as hashed:
                self._target.attempt("write", self._write, group)
                self._target.attempt("hash the rows of", hashed)
        self.rows += group.num_rows

    def _write(self, group: pa.Table) -> None:
        table = group.replace_schema_metadata(self._begun.metadata)
        self._writer = self._writer or open_writer(self._file, table, self._layout)
        if self._room:  # in Feather files, each chunk would become a separate batch
            table = table.combine_chunks()
        self._writer.write_table(table, self._layout.rows)

    def _hash(self, group: pa.Table) -> None:
        self._content.update(group.cast(self.schema))
        if not self._room:  # the reserved space of a Feather file is filled later, which changes its bytes
            self._seal.follow()

    def _hash_and_flush(self, group: pa.Table) -> None:
        self._hash(group)
        self._target.flush(self._path)

    def close(self, document: Mapping[str, Any]) -> None:
        """Write the final provenance and the checksum, and close the file."""
        if self._writer is None:
            self.append(pa.Table.from_batches([], self._begun))
        self.known = as_written(document, self.rows, self._content.result())
        self._target.attempt("write", self._finish, encoded(self.known).ljust(len(self._room)))
        self._target.attempt("write the checksum of", self._seal.close)

    def _finish(self, known: bytes) -> None:
        self.schema = self.schema.with_metadata({**self._metadata, KEY: known})
        if self._layout.format == "parquet":
            self._writer.add_key_value_metadata({**footer(self.schema), SEAL: self._seal.placeholder})
        self._writer.close()
        self._file.close()
        if self._room:
            replace(self._path, self._room, known)

    def abandon(self) -> None:
        """Close the writer and the file, which is not published."""
        for opened in (self._writer, self._file):
            with suppressed(Exception):
                opened.close()


def _groups(reader: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    """Regroup batches into tables of `rows` rows. The last table may be shorter."""
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
