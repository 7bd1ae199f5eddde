"""Files that can say where they came from, and be held to it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.ipc

from explorer_frames import _html
from explorer_frames._errors import plural
from explorer_frames._files.data import to_reader
from explorer_frames._files.digest import ContentHash, current
from explorer_frames._files.formats import ARROW, by_magic, format_of
from explorer_frames._files.seal import holds
from explorer_frames._private import private
from explorer_frames._provenance import NAME, Provenance, as_written, document_of, provenance_of, summary
from explorer_frames._storage.address import checked
from explorer_frames._storage.paths import plain_path
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, DamagedFileError, FileReadError, UnsupportedFormatError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

_FIRST = 10  # rows of a table to show
_START = len(ARROW)


@private
def read_provenance(path: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Provenance:
    """Read from a file where its rows came from; the rows themselves are not read.

    Parameters
    ----------
    path
        A Parquet or Feather file of ours: a local path or any fsspec URL.
    storage_options
        For the fsspec driver, as pandas takes them.

    Returns
    -------
    Provenance
        Server, workflow, job, task, algorithm, times, rows, whether they are complete, and more. It prints well.

    Raises
    ------
    FileReadError
        There is no such file, or it does not say where it came from.
    ConfigError
        It is no URL of a file, or its driver is not installed.

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
    """Return where the rows of a frame or table came from, and whether they are complete.

    Parameters
    ----------
    data
        A pandas DataFrame, a `pyarrow` Table, RecordBatch, RecordBatchReader or Schema. For a file, call
        `read_provenance`.

    Returns
    -------
    Provenance or None
        None where nothing is known, for example for a frame that this library did not read. ``complete`` is None for a
        stream, whose rows are still to come. If values, rows, or the names or order of columns were changed after
        reading, ``derived`` is True and ``complete`` is None. To find out, all rows are hashed.

    Raises
    ------
    ConfigError
        `data` is of another type.

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
def show(data: pd.DataFrame | pa.Table) -> Any:
    """Show a frame or table below a caption: task, job, number of rows, and whether they are complete.

    Parameters
    ----------
    data
        A pandas DataFrame, or a `pyarrow` Table, of which the first 10 rows are shown.

    Returns
    -------
    object
        In a notebook, a caption and a table; elsewhere, the same as text.

    Raises
    ------
    ConfigError
        `data` is of another type.

    Examples
    --------
    >>> show(read_sample_result(job_id, task_id))  # doctest: +ELLIPSIS
    PageRank, job ..., 77 rows, complete
    ...
    """
    if not isinstance(data, pd.DataFrame | pa.Table):
        raise ConfigError(f"cannot show {type(data).__name__}", hint="Pass a DataFrame or a pyarrow Table.")
    known = provenance(data)
    caption = "unknown origin and completeness" if known is None else summary(known)
    return _Shown(caption, data if isinstance(data, pd.DataFrame) else data.slice(0, _FIRST).to_pandas())


class _Shown:
    """A frame below a caption."""

    def __init__(self, caption: str, frame: pd.DataFrame) -> None:
        self._caption = caption
        self._frame = frame

    def __repr__(self) -> str:
        return f"{self._caption}\n{self._frame!r}"

    def _repr_html_(self) -> str | None:
        table = self._frame._repr_html_()
        return None if table is None else f"{_html.lines(self._caption)}{table}"


def _current(known: dict[str, Any], data: Any) -> dict[str, Any]:
    if known.get("rows") == len(data) and known.get("content_hash") is not None:
        with suppress(ConfigError):  # a column that does not fit Arrow is not one that was read
            return current(known, to_reader(data).read_all())
    return as_written(known, len(data), None)


@private
def verify_file(path: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Provenance:
    """Read a whole file again, and hold it to what it says of itself.

    Parameters
    ----------
    path, storage_options
        As in `read_provenance`. What is not on local disk is fetched to a temporary file.

    Returns
    -------
    Provenance
        As in `read_provenance`: every byte of the file is the one that was written, its pages' checksums are right,
        and the names, types and values of its rows hash to ``Provenance.content_hash``.

    Raises
    ------
    DamagedFileError
        Something in it was altered, it was cut off, or its seal is gone; the message says what was found first.
    FileReadError
        There is no such file, nothing in it to verify it by, or neither name nor start is of Parquet or Feather.
    ConfigError
        It is no URL of a file, or its driver is not installed.

    Notes
    -----
    The seal, a SHA-256 over all bytes, is looked at before any of them is parsed, in both formats. A file that another
    program has rewritten has none: Parquet readers still check the pages' checksums then; Feather has no checksums of
    its own, so that its other readers cannot detect an altered value at all.

    A seal is no signature: who can write the file can seal it again.

    Examples
    --------
    >>> receipt = export_sample_result(job_id, task_id, "memory://pagerank.parquet")
    >>> verify_file("memory://pagerank.parquet").content_hash == receipt.content_hash
    True
    """
    path, storage_options = plain_path(path, storage_options)
    checked(path, to_read=True)
    store = Store(path, storage_options)
    with store.fetched() as file:  # opened once: what is published meanwhile is another file
        sealed = is_sealed(store, file)
        document = _document(store, _schema(store, file, path))
        if not sealed:
            raise damaged(store, "missing checksum, because another program rewrote the file")
        rows, content_hash = store.attempt("re-read", _contents, file)
    known = provenance_of(document)
    if rows != known.rows:
        raise damaged(store, f"it has {rows} {plural(rows, 'row')}, but its metadata has {known.rows}")
    if content_hash != known.content_hash:
        raise damaged(store, "content hash mismatch")
    return known


def _schema(store: Store, file: Any, path: str | os.PathLike[str]) -> pa.Schema:
    """Read the schema of what was a Parquet or Feather file, by its name or its first bytes, if it is to be had."""
    try:
        return store.attempt("read", schema_of, file)
    except FileReadError as error:
        failure = error
    file.seek(0)
    if by_magic(file.read(_START)) or _named_so(path):
        raise damaged(store, "it is not a complete Parquet or Feather file")
    raise failure


def _named_so(path: str | os.PathLike[str]) -> bool:
    with suppress(UnsupportedFormatError):
        return bool(format_of(path))
    return False


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
    """Read all rows, with all checks that the format has, and return their number and their hash."""
    schema, batches = open_batches(file)
    rows, content = 0, ContentHash(schema)
    for batch in batches:
        rows += batch.num_rows
        content.update(batch)
    return rows, content.result()


def is_sealed(store: Store, file: Any) -> bool:
    """Tell whether the file has a seal, before any of it is parsed.

    Raises
    ------
    DamagedFileError
        It has one, and is not as it was sealed.
    """
    held = store.attempt("read", holds, file)
    if held is False:
        raise damaged(store, "checksum mismatch")
    return held is not None


def damaged(store: Store, what: str) -> DamagedFileError:
    """Say that a file is not to be used."""
    return DamagedFileError(
        f"file verification failed: {what}", where=store.shown, hint="Do not use its rows. Export the result again."
    )


def schema_of(file: Any) -> pa.Schema:
    """Read a file's schema, with its metadata."""
    return open_batches(file)[0]


def open_batches(file: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Read a file's schema, and then its rows, with all checks that the format has."""
    file.seek(0)
    layout = by_magic(file.read(_START))
    file.seek(0)
    if layout is None:
        raise ValueError("not a Parquet or Feather version 2 file")
    if layout == "feather":
        reader = pa.ipc.open_file(pa.PythonFile(file, "r"))
        return reader.schema, _validated(reader)
    import pyarrow.parquet as pq  # noqa: PLC0415 (30 ms that an import of the package need not take)

    parquet = pq.ParquetFile(pa.PythonFile(file, "r"), page_checksum_verification=True)
    return parquet.schema_arrow, parquet.iter_batches()


def _validated(reader: Any) -> Iterator[pa.RecordBatch]:
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        batch.validate(full=True)
        yield batch
