"""Write record batches to an Apache Iceberg table in one snapshot."""

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
        Any data that `write_parquet` accepts. Categorical columns are decoded to their values. pyiceberg buffers the
        rows of one data file in memory. The table property ``write.target-file-size-bytes`` sets its size (default
        512 MB). For a partitioned table, pyiceberg buffers all rows.
    table
        A `pyiceberg.table.Table` loaded from its catalog. It is refreshed before the write, and refers to the new
        snapshot afterwards.
    index
        As in `write_parquet`.

    Returns
    -------
    TableReceipt
        Receipt of the commit. The provenance of the result is stored in the snapshot summary, as a JSON document with
        the key ``explorer_frames``.

    Raises
    ------
    ConfigError
        If an argument is invalid, or the columns do not match the table (see Notes). Nothing is written.
    WriteError
        If the store, the catalog or the table rejects the write, or if every retry conflicts with another writer's
        commit.
    UnsafeToRetryError
        If the catalog's response was lost. The snapshot may have been committed.
    Exception
        Any exception raised while `data` is read, unchanged. Nothing is committed.

    Notes
    -----
    The columns of the data must have the names and types of the table; the column order may differ. The data may have
    another memory layout (such as ``large_string``), another name for UTC (``Etc/UTC``) or a coarser time unit.
    Without this check, pyiceberg would fill a missing column with nulls and widen numbers.

    If concurrent appends conflict, pyiceberg retries the commit. The table property ``commit.retry.num-retries`` sets
    the maximum number of retries (default 4). Retries neither lose nor duplicate rows. A failed write can leave data
    files that no snapshot refers to. Remove such files with your engine's procedure for orphan files.

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
        hint = 'Pass the table returned by catalog.load_table("namespace.name").'
        raise ConfigError(f"table must be a pyiceberg Table, got {type(table).__name__}", hint=hint)
    reader = to_committed(data, index)
    secrets = {**table.io.properties, **table.catalog.properties}
    driver = Driver(".".join(table.name()), Mask(table.location(), secrets))
    driver.attempt("open", table.refresh)
    rows = Rows(reader, driver.attempt("open", table.schema().as_arrow), driver.shown)
    whole = not table.spec().is_unpartitioned()  # pyiceberg can stream only into unpartitioned tables
    driver.commit(
        rows,
        lambda stream: table.append(stream.read_all() if whole else stream, snapshot_properties=document(rows.schema)),
    )
    return rows.receipt(driver.shown, table.current_snapshot().snapshot_id)
