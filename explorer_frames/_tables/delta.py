"""Batches -> one commit to a Delta Lake table."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Literal, get_args

import pyarrow as pa

from explorer_frames._arguments import checked_flag
from explorer_frames._errors import escaped
from explorer_frames._extras import package
from explorer_frames._files.data import to_committed
from explorer_frames._private import private
from explorer_frames._signals import suppressed
from explorer_frames._storage.address import check_folder_name, checked, local_path, shown_url
from explorer_frames._storage.local import LocalFile
from explorer_frames._storage.object_store import to_object_store
from explorer_frames._storage.paths import plain_path
from explorer_frames._tables.columns import plain
from explorer_frames._tables.table import Driver, Rows, TableReceipt, document, interruptible
from explorer_frames.errors import ConfigError, TargetExistsError, WriteError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from explorer_frames._storage.address import Mask

TableMode = Literal["create", "append", "overwrite"]

# Of what Arrow has, the types that come back from Delta Lake as they went in, and lists, maps and structs of them.
_KEPT = {
    *(pa.string(), pa.binary(), pa.bool_(), pa.float32(), pa.float64(), pa.date32()),
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.timestamp("us"), pa.timestamp("us", "UTC")),
}
# deltalake 1.6 cannot read back, cannot list the history of, or panics at a table in a folder with these in its name.
_REFUSED = re.compile(r"%[0-9A-Fa-f]{2}|[\\\[\]|^#?]")


@private
def write_delta(
    data: Any,
    path: str | os.PathLike[str],
    *,
    index: bool | None = None,
    mode: TableMode = "create",
    make_parents: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> TableReceipt:
    """Write rows to a Delta Lake table in one transaction.

    Needs the extra ``delta``.

    Parameters
    ----------
    data
        As for `write_parquet`; streams are read in constant memory. Categories are written as their values.
    path
        Folder of the table: a local path, or a URL that deltalake knows (``s3://``, ``gs://``, ``abfss://``), also as
        a path of universal_pathlib or cloudpathlib.
    index
        As for `write_parquet`.
    mode
        ``"create"`` refuses an existing table; ``"append"`` adds rows; ``"overwrite"`` replaces all rows, and earlier
        versions stay readable. The last two create a table that is not there.
    make_parents
        Whether to create missing folders above the table's, on local disk. By default they raise an error.
    storage_options
        As for `write_parquet`: the names of the fsspec driver, such as ``key``, ``secret``, ``token``,
        ``endpoint_url``, ``anon``, ``profile`` and ``client_kwargs`` for S3. They are translated for deltalake, and
        options without an equivalent are refused. The names of object_store, such as ``AWS_ACCESS_KEY_ID``, are
        accepted as well and take precedence. Plain HTTP is allowed if the endpoint begins with ``http://``.

    Returns
    -------
    TableReceipt
        What was committed. Where a result came from is in the commit: ``DeltaTable(path).history()`` shows the JSON
        document under ``explorer_frames``.

    Raises
    ------
    ConfigError
        For invalid arguments, for ``mode="overwrite"`` of an append-only table, and for columns that do not have the
        names and types of the table (in any order); nothing was written. Types may differ in their layout or name,
        such as ``large_string`` and ``timestamp[us, Etc/UTC]``, and in a coarser unit of time. deltalake itself would
        write the id ``"007"`` as the number 7. Also for a new table without columns, or with names that differ only in
        case.
    TargetExistsError
        If ``mode="create"`` and there is a table, also one that another writer made meanwhile.
    WriteError
        If the store or the table refuses, or another writer's commit stands against this one. For an empty string in a
        partition column, which Delta Lake turns into null.
    Exception
        Whatever `data` raises while it is read, as it is; nothing is committed then.

    Notes
    -----
    Of several writers that create one table at the same moment exactly one does; for the others it is a
    TargetExistsError, or, when appending or overwriting, a WriteError. Appends to an existing table all succeed, one
    after the other. Of two that overwrite at the same moment one gets a WriteError. This holds on local disk and on
    stores with conditional puts.

    Readers see a commit or none of it. A failure can leave data files that no version refers to:
    ``DeltaTable(path).vacuum(full=True, dry_run=False)`` removes them when they are a week old.

    Examples
    --------
    >>> import tempfile
    >>> table = pa.table({"id": ["player100"], "score": [0.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     created = write_delta(table, f"{folder}/scores")
    ...     appended = write_delta(table, f"{folder}/scores", mode="append")
    >>> created.version, appended.version, appended.rows
    (0, 1, 1)
    """
    if mode not in get_args(TableMode):
        raise ConfigError(f"unknown mode {escaped(mode)!r}", hint='Pass "create", "append" or "overwrite".')
    checked_flag("make_parents", make_parents)
    deltalake = package("deltalake", "delta")
    path, storage_options = plain_path(path, storage_options)
    address = _address(path)
    options, mask = to_object_store(address, {} if storage_options is None else storage_options)
    store = _Store(deltalake, address, options, mask)
    if os.path.isabs(address) and not make_parents:  # noqa: PTH117 (paths are plain strings here)
        store.attempt("reach", LocalFile(address).nearest_folder, 0)
    reader = to_committed(data, index)
    table = store.find()
    if table is None:
        return store.create(reader, mode)
    if mode == "create":
        raise store.exists_error()
    return store.change(table, reader, mode)


class _Store(Driver):
    """One place for a table, as deltalake sees it."""

    def __init__(self, deltalake: Any, address: str, options: dict[str, str], mask: Mask) -> None:
        super().__init__(shown_url(address), mask)
        self._deltalake = deltalake
        self._address = address
        self._options = options
        self._version: int | None = None

    def find(self) -> Any:
        """Return the table, or None where there is none."""
        return self.attempt("open", self._find)

    def _find(self) -> Any:
        try:  # rather than `is_deltatable`, which lets no other thread run until the store has answered
            return self._deltalake.DeltaTable(self._address, storage_options=self._options)
        except self._deltalake.exceptions.TableNotFoundError:
            return None

    def change(self, table: Any, reader: pa.RecordBatchReader, mode: TableMode) -> TableReceipt:
        """Add to the table or replace its rows."""
        if mode == "overwrite" and self._is_append_only(table):
            hint = 'Pass mode="append", or unset the property of the table first.'
            raise ConfigError("the table is append-only (delta.appendOnly=true)", where=self.shown, hint=hint)
        self._version = table.version()
        expected = pa.schema(self.attempt("open", table.schema).to_arrow())
        partitions = self.attempt("open", table.metadata).partition_columns
        rows = Rows(reader, expected, self.shown, partitions)
        self._commit(rows, table, mode=mode)
        return rows.receipt(self.shown, table.version())

    def create(self, reader: pa.RecordBatchReader, mode: TableMode) -> TableReceipt:
        """Make the table, unless another writer is faster."""
        _check_columns(reader.schema, self.shown)
        rows = Rows(reader, reader.schema, self.shown)
        # By default a writer that lost this race is let in as the table's second version, whatever its mode.
        once = {"max_commit_retries": 0}
        try:
            self._commit(rows, self._address, once, mode="error", storage_options=self._options)
        except WriteError as raised:
            refusal = raised
        else:
            return rows.receipt(self.shown, 0)
        if rows.raised or self.find() is None:
            raise refusal
        if mode == "create":
            raise self.exists_error()
        what = "another writer created the table"
        raise WriteError(what, where=self.shown, hint="Nothing was committed. Retry.")

    def is_conflict(self, raised: BaseException) -> bool:
        """Return whether another writer's version is there: deltalake refuses commits for other reasons, too."""
        if type(raised).__name__ != "CommitFailedError" or self._version is None:
            return False
        with suppressed(Exception):
            return bool(self._find().version() > self._version)
        return False

    def _is_append_only(self, table: Any) -> bool:
        properties = self.attempt("open", table.metadata).configuration
        return str(properties.get("delta.appendOnly")).lower() == "true"

    def exists_error(self) -> TargetExistsError:
        hint = 'Pass mode="append" or mode="overwrite".'
        return TargetExistsError("the table already exists", where=self.shown, hint=hint)

    def _commit(self, rows: Rows, table: Any, properties: Mapping[str, int] | None = None, **how: Any) -> None:
        commit = self._deltalake.CommitProperties(custom_metadata=document(rows.schema), **(properties or {}))
        write = self._deltalake.write_deltalake

        def call(stream: pa.RecordBatchReader) -> None:
            interruptible(rows, lambda: write(table, stream, commit_properties=commit, **how))

        self.commit(rows, call)


def _address(path: str | os.PathLike[str]) -> str:
    """Return the URL or absolute path of a table, when deltalake can work with it."""
    text = checked(re.sub("(?<![:/])/+$", "", path) if isinstance(path, str) else path)
    local = local_path(text if isinstance(path, str) else path)
    if local is not None:
        text = os.path.realpath(local)
        if os.path.exists(text) and not os.path.isdir(text):  # noqa: PTH110, PTH112
            raise ConfigError("the target is a file", where=shown_url(text), hint="Pass the folder of the table.")
    elif text.startswith("memory://"):
        raise ConfigError("deltalake does not support memory://", hint="Pass a local path or a store's URL.")
    check_folder_name(text)
    text = re.sub("^gcs://", "gs://", text)  # deltalake has another driver for it, with options of its own
    refused = _REFUSED.search(text)
    if refused:
        what = f"deltalake does not support {refused[0]!r} in the path of a table"
        raise ConfigError(what, where=shown_url(text), hint="Pass a folder with another name.")
    return text


def _check_columns(schema: pa.Schema, where: str) -> None:
    if not schema.names:
        raise ConfigError("data has no columns", where=where, hint="Select at least one column.")
    names: dict[str, str] = {}
    for name in schema.names:
        other = names.setdefault(name.lower(), name)
        if other != name:
            what = f"columns {escaped(other, 60)!r} and {escaped(name, 60)!r} differ only in case"
            raise ConfigError(what, where=where, hint="Rename one of them.")
    for field in schema:
        if not _kept(plain(field.type)):
            what = f"column {escaped(field.name, 60)!r} has type {field.type}, which Delta Lake does not support"
            hint = "Cast it: integers to int64, times to timestamp[us] or timestamp[us, UTC], dates to date32."
            raise ConfigError(what, where=where, hint=hint)


def _kept(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return kind.num_fields > 0 and all(_kept(kind.field(place).type) for place in range(kind.num_fields))
    return kind in _KEPT or pa.types.is_decimal128(kind)
