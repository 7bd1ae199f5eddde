"""Parquet and Feather files, opened to be read back: their seal first, then all checks that the format has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.ipc

from explorer_frames._files.formats import ARROW, Format, by_magic
from explorer_frames._files.seal import holds
from explorer_frames.errors import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from explorer_frames._storage.sources import Store


def is_sealed(store: Store, file: Any) -> bool:
    """Tell whether the file has a seal, before any of it is parsed.

    Raises
    ------
    DamagedFileError
        It has one, and is not as it was sealed.
    """
    held = store.attempt("read", holds, file)
    if held is False:
        raise damaged(store, "its bytes are not those that were sealed")
    return held is not None


def damaged(store: Store, what: str) -> DamagedFileError:
    """Say that a file is not to be used."""
    return DamagedFileError(
        f"the file is not as it was written: {what}", where=store.shown, hint="Export it again; do not use its rows."
    )


def schema_of(file: Any) -> pa.Schema:
    """Read its schema, with what it says of itself."""
    return open_batches(file)[0]


def open_batches(file: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Read its schema, and then its rows."""
    return _feather(file) if _format(file) == "feather" else _parquet(file)


def _format(file: Any) -> Format:
    file.seek(0)
    found = by_magic(file.read(len(ARROW)))
    file.seek(0)
    if found is None:
        raise ValueError("it is neither Parquet nor Feather version 2")
    return found


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
