"""Batches -> one snapshot of an Apache Iceberg table."""

from __future__ import annotations

from typing import Any

from explorer_frames._extras import package
from explorer_frames._files.data import to_committed
from explorer_frames._private import private
from explorer_frames._storage.address import Mask
from explorer_frames._tables.table import Driver, Rows, TableReceipt, document
from explorer_frames.errors import ConfigError


@private
def append_iceberg(data: Any, table: Any, *, index: bool | None = None) -> TableReceipt:
    """Append rows to an Apache Iceberg table in one snapshot.

    Needs the extra ``iceberg``.

    Parameters
    ----------
    data
        As for `write_parquet`. Categories are written as their values. pyiceberg holds a data file's worth of rows in
        memory (``write.target-file-size-bytes``, 512 MB unless the table says otherwise), and of a partitioned table
        all of them.
    table
        A `pyiceberg.table.Table` of yours, from its catalog. It is refreshed first, and stands at the new snapshot
        afterwards; nothing else of it changes.
    index
        As for `write_parquet`.

    Returns
    -------
    TableReceipt
        What was committed. Where a result came from is in the snapshot's summary, as the JSON document under
        ``explorer_frames``.

    Raises
    ------
    ConfigError
        For invalid arguments, and for columns that do not have the names and types of the table (in any order);
        nothing was written. Types may differ in their layout or name, such as ``large_string`` and
        ``timestamp[us, Etc/UTC]``, and in a coarser unit of time. pyiceberg itself would fill a missing column with
        nulls, and widen numbers.
    WriteError
        If the store, the catalog or the table refuses, or other writers were faster each time.
    UnsafeToRetryError
        If the catalog's answer was lost: the snapshot may be there.
    Exception
        Whatever `data` raises while it is read, as it is; nothing is committed then.

    Notes
    -----
    Of several that append at the same moment, pyiceberg tries those again that were too slow, as often as the table's
    ``commit.retry.num-retries`` says (4 unless set); then it is a WriteError. No rows are lost or doubled by that.
    A failure can leave data files that no snapshot refers to; remove them with your engine's orphan file procedure.

    Examples
    --------
    >>> import tempfile
    >>> from pyiceberg.catalog.sql import SqlCatalog
    >>> import pyarrow as pa
    >>> rows = pa.table({"id": ["player100"], "score": [0.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     catalog = SqlCatalog("mine", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    ...     catalog.create_namespace("graph")
    ...     table = catalog.create_table("graph.scores", schema=rows.schema)
    ...     receipt = append_iceberg(rows, table)
    ...     catalog.close()
    >>> receipt.table, receipt.rows
    ('graph.scores', 1)
    """
    iceberg = package("pyiceberg.table", "iceberg")
    if not isinstance(table, iceberg.Table):
        hint = 'Pass a table that you loaded: catalog.load_table("namespace.name").'
        raise ConfigError(f"table must be a pyiceberg Table, got {type(table).__name__}", hint=hint)
    reader = to_committed(data, index)
    secrets = {**table.io.properties, **table.catalog.properties}
    driver = Driver(".".join(table.name()), Mask(table.location(), secrets))
    driver.attempt("open", table.refresh)
    rows = Rows(reader, driver.attempt("open", table.schema().as_arrow), driver.shown)
    whole = not table.spec().is_unpartitioned()  # pyiceberg streams into tables without partitions only
    driver.commit(
        rows,
        lambda stream: table.append(stream.read_all() if whole else stream, snapshot_properties=document(rows.schema)),
    )
    return rows.receipt(driver.shown, table.current_snapshot().snapshot_id)
