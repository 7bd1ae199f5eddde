"""Files that can say where they came from, and be held to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.ipc

from explorer_frames._address import checked
from explorer_frames._digest import ContentHash
from explorer_frames._formats import ARROW, Format, by_magic
from explorer_frames._provenance import Provenance, document_of
from explorer_frames._seal import holds
from explorer_frames._sources import Store
from explorer_frames.errors import DamagedFileError, FileReadError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping


def inspect(url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Provenance:
    """Read from a file where its rows came from; the rows themselves are not read.

    Parameters
    ----------
    url
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
    >>> receipt = export_sample_result(job_id, task_id, "memory://results/pagerank.parquet")
    >>> found = inspect("memory://results/pagerank.parquet")
    >>> found.job == str(job_id), found.rows, found.complete
    (True, 77, True)
    """
    checked(url, to_read=True)
    store = Store(url, storage_options)
    with store.open() as file:
        schema = store.attempt("read", store.shown, _schema, file)
    return Provenance.of(_document(store, schema))


def verify(url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Provenance:
    """Read a whole file again, and hold it to what it says of itself.

    Parameters
    ----------
    url, storage_options
        As in `inspect`. What is not on local disk is fetched to a temporary file.

    Returns
    -------
    Provenance
        As in `inspect`: every byte of the file is the one that was written, its pages' checksums are right, and the
        names, types and values of its rows hash to `Provenance.content_hash`.

    Raises
    ------
    DamagedFileError
        Something in it was altered, or its seal is gone; the message says what was found first.
    FileReadError
        There is no such file, nothing in it to verify it by, or it is neither Parquet nor Feather (any more).
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
    >>> receipt = export_sample_result(job_id, task_id, "memory://results/pagerank.parquet")
    >>> verify("memory://results/pagerank.parquet").content_hash == receipt.content_hash
    True
    """
    checked(url, to_read=True)
    store = Store(url, storage_options)
    with store.fetched() as file:  # opened once: what is published meanwhile is another file
        held = store.attempt("read", store.shown, holds, file)
        if held is False:
            raise _damaged(store, "its bytes are not those that were sealed")
        document = _document(store, store.attempt("read", store.shown, _schema, file))
        if held is None:
            raise _damaged(store, "its seal is gone: another program has rewritten it")
        rows, content_hash = store.attempt("re-read", store.shown, _contents, file)
    known = Provenance.of(document)
    if rows != known.rows:
        raise _damaged(store, f"it has {rows} rows, and says {known.rows}")
    if content_hash != known.content_hash:
        raise _damaged(store, "its values are not those that were written")
    return known


def _document(store: Store, schema: pa.Schema) -> dict[str, Any]:
    document = document_of(schema.metadata)
    if document:
        return document
    raise FileReadError(
        "nothing in the file says where it came from",
        where=store.shown,
        hint="Only files that explorer_frames has written do.",
    )


def _damaged(store: Store, what: str) -> DamagedFileError:
    return DamagedFileError(
        f"the file is not as it was written: {what}", where=store.shown, hint="Export it again; do not use its rows."
    )


def _format(file: Any) -> Format:
    file.seek(0)
    found = by_magic(file.read(len(ARROW)))
    file.seek(0)
    if found is None:
        raise ValueError("it is neither Parquet nor Feather version 2")
    return found


def _schema(file: Any) -> pa.Schema:
    return (_feather(file) if _format(file) == "feather" else _parquet(file))[0]


def _contents(file: Any) -> tuple[int, str | None]:
    """Read all rows, with all checks that the format has, and return their number and their hash."""
    schema, batches = _feather(file) if _format(file) == "feather" else _parquet(file)
    rows, content = 0, ContentHash(schema)
    for batch in batches:
        rows += batch.num_rows
        content.update(batch)
    return rows, content.result()


def _feather(file: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    reader = pa.ipc.open_file(pa.PythonFile(file, "r"))

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            batch.validate(full=True)
            yield batch

    return reader.schema, batches()


def _parquet(file: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 (30 ms that an import of the package need not take)

    parquet = pq.ParquetFile(pa.PythonFile(file, "r"), page_checksum_verification=True)
    return parquet.schema_arrow, parquet.iter_batches()
