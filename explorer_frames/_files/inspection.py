"""Read the provenance of files and verify their content."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.ipc

from explorer_frames import _html
from explorer_frames._errors import plural
from explorer_frames._files.data import to_reader
from explorer_frames._files.digest import ContentHash, current
from explorer_frames._files.formats import ARROW, Format, by_magic
from explorer_frames._files.seal import is_intact
from explorer_frames._private import private
from explorer_frames._provenance import NAME, Provenance, as_written, document_of, provenance_of, summary
from explorer_frames._storage.address import checked, named_format
from explorer_frames._storage.paths import plain_path
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, DamagedFileError, FileReadError

_FIRST = 10  # number of rows that are shown
_START = len(ARROW)


@private
def read_provenance(path: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Provenance:
    """Read the provenance of a file without reading its rows.

    Parameters
    ----------
    path
        Local path or fsspec URL of a Parquet or Feather file that this library wrote.
    storage_options
        Options for the fsspec driver, as in pandas.

    Returns
    -------
    Provenance
        Server, workflow, job, task, algorithm, times, number of rows, completeness, and more.

    Raises
    ------
    FileReadError
        If the file does not exist or has no provenance record.
    ConfigError
        If `path` is not a valid URL of a file, or its driver is not installed.

    Examples
    --------
    >>> receipt = export_sample_result(job_id, task_id, "memory://pagerank.parquet")
    >>> found = read_provenance("memory://pagerank.parquet")
    >>> found.job_id == str(job_id), found.rows, found.complete
    (True, 77, True)
    """
    path, storage_options = plain_path(path, storage_options)
    checked(path, to_read=True)
    store = Store(path, storage_options)
    with store.open() as file:
        schema = store.attempt("read", schema_of, file)
    return provenance_of(_document(store, schema))


@private
def provenance(data: Any) -> Provenance | None:
    """Return the provenance of a DataFrame or Arrow table.

    Parameters
    ----------
    data
        A pandas DataFrame, or a `pyarrow` Table, RecordBatch, RecordBatchReader or Schema. For a file, call
        `read_provenance`.

    Returns
    -------
    Provenance or None
        None if the provenance is unknown, for example for data from another library. For a stream that this library
        opened, ``complete`` is None, because its rows have not been read. If rows, values, column names or the column
        order changed after reading, ``derived`` is True and ``complete`` is None. All rows are hashed to detect
        changes.

    Raises
    ------
    ConfigError
        If `data` has another type.

    Examples
    --------
    >>> frame = read_sample_result(job_id, task_id, limit=100)
    >>> provenance(frame).complete
    True
    >>> changed = provenance(frame.assign(score=0.0))
    >>> changed.derived, changed.complete, changed.job_id == str(job_id)
    (True, None, True)
    """
    if isinstance(data, pd.DataFrame):
        known: object = data.attrs.get(NAME)
    else:
        schema = data if isinstance(data, pa.Schema) else getattr(data, "schema", None)
        if not isinstance(schema, pa.Schema):
            hint = (
                "Pass a DataFrame, or a pyarrow Table, RecordBatch, RecordBatchReader or Schema. "
                "For a file, call read_provenance."
            )
            raise ConfigError(f"cannot read provenance from {type(data).__name__}", hint=hint)
        known = document_of(schema.metadata)
    if not isinstance(known, dict) or not known:
        return None
    if isinstance(data, pd.DataFrame | pa.Table | pa.RecordBatch):
        known = _current(known, data)
    return provenance_of(known)


@private
def show(data: Any) -> Any:
    """Show a DataFrame or Arrow table with its provenance as a caption.

    The caption contains the task, the job, the number of rows and the completeness.

    Parameters
    ----------
    data
        A pandas DataFrame, or a `pyarrow` Table or RecordBatch. Only the first 10 rows of a Table or RecordBatch are
        shown. A Job, Task, Comparison, receipt, SyncReport or Provenance is returned unchanged.

    Returns
    -------
    object
        Object that notebooks display as a caption and an HTML table. Its repr contains the same information as text.

    Raises
    ------
    ConfigError
        If `data` has another type.

    Examples
    --------
    >>> show(read_sample_result(job_id, task_id))  # doctest: +ELLIPSIS
    PageRank, job ..., 77 rows, complete
    ...
    """
    if type(data).__module__.startswith("explorer_frames."):
        return data
    known = provenance(data)
    caption = "unknown origin" if known is None else summary(known)
    return _Shown(caption, data.slice(0, _FIRST).to_pandas() if isinstance(data, pa.Table | pa.RecordBatch) else data)


class _Shown:
    """DataFrame, stream or schema with a caption."""

    def __init__(self, caption: str, data: Any) -> None:
        self._caption = caption
        self._data = data

    def __repr__(self) -> str:
        return f"{self._caption}\n{self._data!r}"

    def _repr_html_(self) -> str | None:
        table = self._data._repr_html_() if isinstance(self._data, pd.DataFrame) else None
        return None if table is None else f"{_html.lines(self._caption)}{table}"


def _current(known: dict[str, Any], data: Any) -> dict[str, Any]:
    if known.get("rows") == len(data) and known.get("content_hash") is not None:
        with suppress(ConfigError):  # raised if the user added a column that Arrow cannot represent
            return current(known, to_reader(data).read_all())
    return as_written(known, len(data), None)


@private
def verify_file(path: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Provenance:
    """Verify the checksums, the row count and the content hash of a file.

    Parameters
    ----------
    path, storage_options
        As in `read_provenance`. A remote file is downloaded to a temporary file.

    Returns
    -------
    Provenance
        Provenance of the file, as in `read_provenance`. Its ``rows`` and ``content_hash`` match the rows in the file.

    Raises
    ------
    DamagedFileError
        If the file was changed or truncated, or if its checksum is missing. The message describes the first problem.
    FileReadError
        If the file does not exist, has no provenance record, or is neither a Parquet nor a Feather file.
    ConfigError
        If `path` is not a valid URL of a file, or its driver is not installed.

    Notes
    -----
    The file checksum is a SHA-256 of all bytes. It is verified before the file is parsed. A file that was rewritten by
    another program has no file checksum.

    Other Parquet readers can verify the checksums of the pages. The Feather format has no checksums, so other Feather
    readers cannot detect changed values.

    The checksum is not a signature. Anyone who can write to the file can also recompute the checksum.

    Examples
    --------
    >>> receipt = export_sample_result(job_id, task_id, "memory://pagerank.parquet")
    >>> verify_file("memory://pagerank.parquet").content_hash == receipt.content_hash
    True
    """
    path, storage_options = plain_path(path, storage_options)
    checked(path, to_read=True)
    store = Store(path, storage_options)
    with store.fetched() as file:  # opened once, because another process may replace the file
        sealed = is_sealed(store, file)
        document = _document(store, _schema(store, file))
        if not sealed:
            raise damaged(store, "missing checksum, because another program rewrote the file")
        rows, content_hash = store.attempt("read", _contents, file)
    known = provenance_of(document)
    if rows != known.rows:
        raise damaged(store, f"the file has {rows} {plural(rows, 'row')}, but its metadata has {known.rows}")
    if content_hash != known.content_hash:
        raise damaged(store, "content hash mismatch")
    return known


def _schema(store: Store, file: Any) -> pa.Schema:
    """Read the schema, or raise DamagedFileError if the file is damaged."""
    try:
        return store.attempt("read", schema_of, file)
    except FileReadError as error:
        failure = error
    file.seek(0)
    if by_magic(file.read(_START)) or named_format(store.shown) in get_args(Format):
        raise damaged(store, "not a complete Parquet or Feather file")
    raise failure


def _document(store: Store, schema: pa.Schema) -> dict[str, Any]:
    document = document_of(schema.metadata)
    if document:
        return document
    raise FileReadError(
        "the file has no provenance record",
        where=store.shown,
        hint="Pass a file that was written by explorer_frames.",
    )


def _contents(file: Any) -> tuple[int, str | None]:
    """Read and validate all rows, and return their number and content hash."""
    schema, batches = open_batches(file)
    rows, content = 0, ContentHash(schema)
    for batch in batches:
        rows += batch.num_rows
        content.update(batch)
    return rows, content.result()


def is_sealed(store: Store, file: Any) -> bool:
    """Return whether the file has a checksum. Raise if the checksum does not match."""
    held = store.attempt("read", is_intact, file)
    if held is False:
        raise damaged(store, "checksum mismatch")
    return held is not None


def damaged(store: Store, what: str) -> DamagedFileError:
    """Return the error for a damaged file."""
    return DamagedFileError(
        f"file verification failed: {what}", where=store.shown, hint="Do not use this file. Export the result again."
    )


def schema_of(file: Any) -> pa.Schema:
    """Read the schema of a file, with its metadata."""
    return open_batches(file)[0]


def open_batches(file: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema of a file and an iterator over its validated batches."""
    file.seek(0)
    layout = by_magic(file.read(_START))
    file.seek(0)
    if layout is None:
        raise ValueError("not a Parquet or Feather version 2 file")
    if layout == "feather":
        reader = pa.ipc.open_file(pa.PythonFile(file, "r"))
        return reader.schema, _validated(reader)
    import pyarrow.parquet as pq  # noqa: PLC0415 (the import takes 30 ms)

    parquet = pq.ParquetFile(pa.PythonFile(file, "r"), page_checksum_verification=True)
    return parquet.schema_arrow, parquet.iter_batches()


def _validated(reader: Any) -> Iterator[pa.RecordBatch]:
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        batch.validate(full=True)
        yield batch
