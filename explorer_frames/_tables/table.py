"""What Delta Lake and Iceberg tables have in common: rows that fit the table on their way into a foreign package.

Ours is what the packages leave open: types are compared before anything is written, what the source raises reaches the
caller, and where a result came from is part of its commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from explorer_frames import _html
from explorer_frames._errors import escaped
from explorer_frames._provenance import (
    KEY,
    NAME,
    as_written,
    completeness,
    counted_rows,
    document_of,
    provenance_of,
    receipt_facts,
)
from explorer_frames._signals import failures
from explorer_frames._storage.failures import Guard, is_refusal, own_hint
from explorer_frames._tables.columns import committed_schema, fitted, with_partitions
from explorer_frames._tables.text import readable
from explorer_frames._threads import beside
from explorer_frames.errors import UnsafeToRetryError, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from explorer_frames._storage.address import Mask

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, repr=False)
class TableReceipt:
    """What was committed.

    Attributes
    ----------
    table : str
        URL of the Delta table, without user, password and query; name of the Iceberg table.
    version : int
        The Delta version or the Iceberg snapshot id of this very commit.
    rows : int
        How many it added.
    schema : pyarrow.Schema
        Of the rows as they were added, with its metadata.
    complete : bool or None
        Whether the result is known to be all there was; None where its metadata does not say.
    """

    table: str
    version: int
    rows: int
    schema: pa.Schema
    complete: bool | None

    def __repr__(self) -> str:
        rows = f"{counted_rows(self.rows)} added, {completeness(self.complete)}"
        return f"<TableReceipt {self.table}: version {self.version}, {rows}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as plain values, ready for JSON; the schema as ``columns``: name and type of each."""
        values = {name: getattr(self, name) for name in ("table", "version", "rows", "complete")}
        return {**values, "columns": [{"name": field.name, "type": str(field.type)} for field in self.schema]}

    def _repr_html_(self) -> str:
        return _html.facts(receipt_facts(self.to_dict()))


class Rows:
    """Rows on their way into a package that may swallow what their source raises.

    Parameters
    ----------
    reader
    expected
        The table's columns.
    where
        How errors name the table.
    partitions
        Columns in which the table has nulls in place of empty strings.

    Raises
    ------
    ConfigError
        If the columns are others.
    """

    def __init__(
        self, reader: pa.RecordBatchReader, expected: pa.Schema, where: str, partitions: Sequence[str] = ()
    ) -> None:
        self.raised: BaseException | None = None
        self._stopped = False
        self._reader = reader
        self._where = where
        self._partitions = partitions
        self._count = 0
        self.schema = committed_schema(reader.schema, expected, where)

    def stream(self) -> pa.RecordBatchReader:
        """Lend the rows, once; what the source raises is kept in `raised`."""
        return pa.RecordBatchReader.from_batches(self.schema.remove_metadata(), self._batches())

    def stop(self) -> None:
        """End the stream before its end."""
        self._stopped = True

    def receipt(self, table: str, version: int) -> TableReceipt:
        """Say what was committed."""
        document = document_of(self.schema.metadata)
        known = provenance_of(as_written(document, self._count, document.get("content_hash")))
        return TableReceipt(table, version, self._count, self.schema, known.complete)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        schema = self.schema.remove_metadata()
        try:
            for batch in self._reader:
                if self._stopped:
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
    """Calls to a package for tables."""

    noun: str = "the table"

    def __init__(self, shown: str, mask: Mask) -> None:
        self.shown: str = shown
        self.mask: Mask = mask

    def commit(self, rows: Rows, action: Callable[[pa.RecordBatchReader], object]) -> None:
        """Call `action` with the rows; what their source raised comes first, as it is."""
        try:
            self.attempt("write to", action, rows.stream())
        except failures(Exception):
            if rows.raised is None:
                raise
        if rows.raised is not None:
            raise rows.raised

    def error(self, doing: str, where: str | None, raised: BaseException) -> WriteError | UnsafeToRetryError:
        """Make the error for what the package raised."""
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
        """Return whether the commit of another writer was the cause."""
        return type(raised).__name__ == "CommitFailedException"


def interruptible(rows: Rows, call: Callable[[], _T]) -> _T:
    """Make a call into a package that hears no Ctrl-C itself: an interrupt ends the stream, and so the call."""
    with beside(call) as result:
        try:
            return result()
        except BaseException:
            rows.stop()
            raise


def document(schema: pa.Schema) -> dict[str, str]:
    """Return where the rows came from, as commits keep it: the text that is in the schema's metadata."""
    text = (schema.metadata or {}).get(KEY)
    return {} if text is None else {NAME: text.decode(errors="replace")}
