"""Shared code for writing to Delta Lake and Iceberg tables.

It adds what deltalake and pyiceberg lack: types are compared before the write, exceptions raised by the data source
reach the caller, and each commit stores the provenance of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from explorer_frames import _html
from explorer_frames._errors import escaped
from explorer_frames._provenance import (
    KEY,
    NAME,
    as_written,
    counted_rows,
    document_of,
    provenance_of,
    receipt_facts,
    receipt_line,
)
from explorer_frames._signals import failures
from explorer_frames._storage.address import Mask
from explorer_frames._storage.failures import Guard, is_refusal, own_hint
from explorer_frames._tables.columns import committed_schema, fitted, with_partitions
from explorer_frames._tables.text import readable
from explorer_frames._threads import run_in_background
from explorer_frames.errors import UnsafeToRetryError, WriteError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, repr=False)
class TableReceipt:
    """Receipt of a commit to a table.

    Attributes
    ----------
    table : str
        URL of the Delta table, without user, password and query, or name of the Iceberg table.
    version : int
        Delta version or Iceberg snapshot id of this commit.
    rows : int
        Number of rows added.
    schema : pyarrow.Schema
        Schema of the added rows, including its metadata.
    complete : bool or None
        Whether the result is complete; None if its metadata does not record this.
    """

    table: str
    version: int
    rows: int
    schema: pa.Schema
    complete: bool | None

    def __repr__(self) -> str:
        rows = receipt_line(f"{counted_rows(self.rows)} added", self.complete)
        return f"<TableReceipt {self.table}: version {self.version}, {rows}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON-serializable values.

        The schema is returned as ``columns``, a list with the name and type of each column.
        """
        values = {name: getattr(self, name) for name in ("table", "version", "rows", "complete")}
        return {**values, "columns": [{"name": field.name, "type": str(field.type)} for field in self.schema]}

    def _repr_html_(self) -> str:
        return _html.facts(receipt_facts(self.to_dict()))


class Rows:
    """Rows to commit; `raised` keeps the exception of their source.

    deltalake and pyiceberg may suppress this exception. Empty strings in the partition columns are stored as null.
    """

    def __init__(
        self, reader: pa.RecordBatchReader, expected: pa.Schema, where: str, partitions: Sequence[str] = ()
    ) -> None:
        self.raised: BaseException | None = None
        self.stopped = False  # if True, the next batch raises an exception
        self._reader = reader
        self._where = where
        self._partitions = partitions
        self._count = 0
        self.schema = committed_schema(reader.schema, expected, where)

    def stream(self) -> pa.RecordBatchReader:
        """Return a single-use reader of the rows; `raised` keeps the source's exception."""
        return pa.RecordBatchReader.from_batches(self.schema.remove_metadata(), self._batches())

    def receipt(self, table: str, version: int) -> TableReceipt:
        """Return the receipt of the commit."""
        document = document_of(self.schema.metadata)
        known = provenance_of(as_written(document, self._count, document.get("content_hash")))
        return TableReceipt(table, version, self._count, self.schema, known.complete)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        schema = self.schema.remove_metadata()
        try:
            for batch in self._reader:
                if self.stopped:
                    raise WriteError("writing was interrupted", where=self._where, hint="Nothing was committed.")
                fitted = self._fitted(batch, schema)
                self._count += batch.num_rows
                yield fitted
        except GeneratorExit:
            raise
        except BaseException as raised:
            self.raised = raised
            raise

    def _fitted(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        try:
            return with_partitions(fitted(batch, schema), self._partitions)
        except (ValueError, pa.ArrowException) as error:
            what = f"a row does not match the table's schema: {escaped(error)}"
        raise WriteError(what, where=self._where, hint="Nothing was committed. Fill or drop missing values.")


class Driver(Guard):
    """Calls to deltalake or pyiceberg, with typed errors."""

    noun: str = "the table"

    def __init__(self, shown: str, mask: Mask) -> None:
        self.shown: str = shown
        self.mask: Mask = mask

    def commit(self, rows: Rows, action: Callable[[pa.RecordBatchReader], object]) -> None:
        """Write the rows with `action`; an exception raised by their source takes precedence."""
        try:
            self.attempt("write to", action, rows.stream())
        except failures(Exception):
            if rows.raised is None:
                raise
        if rows.raised is not None:
            raise rows.raised

    def error(self, doing: str, where: str | None, raised: BaseException) -> WriteError | UnsafeToRetryError:
        """Return the typed error for an exception raised by the package."""
        kind = type(raised).__name__
        what = f"cannot {doing} the table: {readable(raised, self.mask)}"
        if kind == "CommitStateUnknownException":
            hint = "The rows may have been committed. Check the table's snapshots before you retry."
            return UnsafeToRetryError(what, where=where, hint=hint)
        hint = own_hint(raised, doing) or "Fix the error above. Check the table's history before you retry."
        if self.is_conflict(raised):
            hint = "Another writer changed the table, and nothing was committed. Retry."
        elif is_refusal(raised):
            hint = "Check the credentials and the write permission."
        return WriteError(what, where=where, hint=hint)

    def is_conflict(self, raised: BaseException) -> bool:
        """Return whether the exception was caused by another writer's commit."""
        return type(raised).__name__ == "CommitFailedException"


def interruptible(rows: Rows, call: Callable[[], _T]) -> _T:
    """Call a package that ignores Ctrl-C; an interrupt ends the stream and the call."""
    with run_in_background(call) as result:
        try:
            return result()
        except BaseException:
            rows.stopped = True
            raise


def document(schema: pa.Schema) -> dict[str, str]:
    """Return the provenance in the schema's metadata as commit properties."""
    text = (schema.metadata or {}).get(KEY)
    return {} if text is None else {NAME: text.decode(errors="replace")}
