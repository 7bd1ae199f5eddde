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
        Any data that `write_parquet` accepts. Categorical columns are written as their values. pyiceberg holds the
        rows of one data file in memory (table property ``write.target-file-size-bytes``, default 512 MB), or all rows
        for a partitioned table.
    table
        A `pyiceberg.table.Table` loaded from its catalog. It is refreshed before the write, and refers to the new
        snapshot afterwards. Nothing else in it is changed.
    index
        As for `write_parquet`.

    Returns
    -------
    TableReceipt
        Receipt of the commit. The snapshot summary contains the provenance of the result, as a JSON document under
        ``explorer_frames``.

    Raises
    ------
    ConfigError
        For invalid arguments. If the columns of the data do not have the names and types of the table; the column order
        may differ. Types may differ in layout or name, such as ``large_string`` and ``timestamp[us, Etc/UTC]``, and the
        data may have a coarser time unit. Nothing is written. Without this check, pyiceberg would fill a missing column
        with nulls and widen numbers.
    WriteError
        If the store, the catalog or the table rejects the write, or each retry conflicts with another writer's commit.
    UnsafeToRetryError
        If the catalog's response was lost. The snapshot may have been committed.
    Exception
        Any exception raised while `data` is read, unchanged. Nothing is committed.

    Notes
    -----
    If concurrent appends conflict, pyiceberg retries them, up to the table property ``commit.retry.num-retries``
    (default 4). If the last retry fails, a WriteError is raised. Retries neither lose nor duplicate rows. A failure can
    leave data files that no snapshot refers to. Remove them with your engine's procedure for orphan files.

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
    whole = not table.spec().is_unpartitioned()  # pyiceberg streams only into unpartitioned tables
    driver.commit(
        rows,
        lambda stream: table.append(stream.read_all() if whole else stream, snapshot_properties=document(rows.schema)),
    )
    return rows.receipt(driver.shown, table.current_snapshot().snapshot_id)
