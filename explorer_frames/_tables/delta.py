"""Write record batches to a Delta Lake table in one commit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

import pyarrow as pa

from explorer_frames._arguments import checked_flag
from explorer_frames._errors import as_given, escaped
from explorer_frames._extras import package
from explorer_frames._files.data import to_committed
from explorer_frames._private import private
from explorer_frames._signals import suppressed
from explorer_frames._storage.address import Mask, check_folder_name, checked, local_path, shown_url
from explorer_frames._storage.local import LocalFile
from explorer_frames._storage.object_store import to_object_store
from explorer_frames._storage.paths import plain_path
from explorer_frames._tables.columns import plain
from explorer_frames._tables.table import Driver, Rows, TableReceipt, document, interruptible
from explorer_frames.errors import ConfigError, TargetExistsError, WriteError

TableMode = Literal["create", "append", "overwrite"]

# Arrow types that survive a round trip through Delta Lake, also inside lists, maps and structs.
_KEPT = {
    *(pa.string(), pa.binary(), pa.bool_(), pa.float32(), pa.float64(), pa.date32()),
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.timestamp("us"), pa.timestamp("us", "UTC")),
}
# If a table's path contains one of these, deltalake 1.6 panics, or cannot read the table or its history.
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
        Any data that `write_parquet` accepts. Streams are written in constant memory. Categorical columns are decoded
        to their values.
    path
        Folder of the table: a local path, or a URL that deltalake supports (``s3://``, ``gs://``, ``abfss://``).
        Path objects of universal_pathlib and cloudpathlib are also accepted.
    index
        As in `write_parquet`.
    mode
        ``"create"`` (default) raises an error if the table exists. ``"append"`` adds rows. ``"overwrite"`` replaces all
        rows; earlier versions remain readable. If the table does not exist, ``"append"`` and ``"overwrite"`` create it.
    make_parents
        Whether to create missing parent folders of a table on local disk. Default: False, which raises an error.
    storage_options
        Options of the fsspec driver, as in `write_parquet`. For S3, these are ``key``, ``secret``, ``token``,
        ``endpoint_url``, ``anon``, ``profile``, ``client_kwargs`` and others. They are translated for deltalake; an
        option without an equivalent raises an error. Option names of object_store, such as ``AWS_ACCESS_KEY_ID``, are
        also accepted and take precedence. HTTP without TLS is used only if the endpoint begins with ``http://``.

    Returns
    -------
    TableReceipt
        Receipt of the commit. The provenance of the result is stored in the commit metadata, which
        ``DeltaTable(path).history()`` returns, as a JSON document with the key ``explorer_frames``.

    Raises
    ------
    ConfigError
        If an argument is invalid, the columns do not match the table (see Notes), or `mode` is ``"overwrite"`` and the
        table is append-only. Nothing is written.
    TargetExistsError
        If `mode` is ``"create"`` and the table exists, even if another writer created it during the call.
    WriteError
        If the store or the table rejects the write, the commit conflicts with another writer's commit, or a partition
        column contains an empty string. Delta Lake would store the empty string as null.
    Exception
        Any exception raised while `data` is read, unchanged. Nothing is committed.

    Notes
    -----
    The columns of the data must have the names and types of the table; the column order may differ. The data may have
    another memory layout (such as ``large_string``), another name for UTC (``Etc/UTC``) or a coarser time unit.
    Without this check, deltalake would write the id ``"007"`` as the number 7. A new table must have at least one
    column, and its column names must not differ only in case.

    If several writers create a table at the same time, one succeeds. The other writers get a TargetExistsError, or a
    WriteError if their mode is ``"append"`` or ``"overwrite"``. Concurrent appends to an existing table all succeed. If
    two overwrites run at the same time, one of them gets a WriteError. These guarantees apply to local disks and to
    stores with conditional puts.

    Readers see either all rows of a commit or none. A failed write can leave data files that no version refers to.
    ``DeltaTable(path).vacuum(full=True, dry_run=False)`` removes such files after a week.

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
        raise ConfigError(f"unknown mode {as_given(mode)}", hint='Pass "create", "append" or "overwrite".')
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
    """Location of one table, accessed with deltalake."""

    def __init__(self, deltalake: Any, address: str, options: dict[str, str], mask: Mask) -> None:
        super().__init__(shown_url(address), mask)
        self._deltalake = deltalake
        self._address = address
        self._options = options
        self._version: int | None = None

    def find(self) -> Any:
        """Return the table, or None if it does not exist."""
        return self.attempt("open", self._find)

    def _find(self) -> Any:
        try:  # not `is_deltatable`, which blocks all other threads until the store responds
            return self._deltalake.DeltaTable(self._address, storage_options=self._options)
        except self._deltalake.exceptions.TableNotFoundError:
            return None

    def change(self, table: Any, reader: pa.RecordBatchReader, mode: TableMode) -> TableReceipt:
        """Append rows to the table or replace its rows."""
        metadata = self.attempt("open", table.metadata)
        if mode == "overwrite" and str(metadata.configuration.get("delta.appendOnly")).lower() == "true":
            hint = 'Pass mode="append", or unset this table property first.'
            raise ConfigError("the table is append-only (delta.appendOnly=true)", where=self.shown, hint=hint)
        self._version = table.version()
        expected = pa.schema(self.attempt("open", table.schema).to_arrow())
        rows = Rows(reader, expected, self.shown, metadata.partition_columns)
        self._commit(rows, table, mode=mode)
        return rows.receipt(self.shown, table.version())

    def create(self, reader: pa.RecordBatchReader, mode: TableMode) -> TableReceipt:
        """Create the table, unless another writer has created it."""
        _check_columns(reader.schema, self.shown)
        rows = Rows(reader, reader.schema, self.shown)
        # By default, deltalake would retry a lost race, and commit the rows as the table's second version in any mode.
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
        """Return whether another writer committed; deltalake uses one class for all causes."""
        if type(raised).__name__ != "CommitFailedError" or self._version is None:
            return False
        with suppressed(Exception):
            return bool(self._find().version() > self._version)
        return False

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
    """Return the table's URL or absolute path; raise ConfigError if it is not supported."""
    text = checked(re.sub("(?<![:/])/+$", "", path) if isinstance(path, str) else path)
    local = local_path(text if isinstance(path, str) else path)
    if local is not None:
        text = os.path.realpath(local)
        if os.path.exists(text) and not os.path.isdir(text):  # noqa: PTH110, PTH112
            raise ConfigError(
                "the path is a file, not a folder", where=shown_url(text), hint="Pass the folder of the table."
            )
    elif text.startswith("memory://"):
        raise ConfigError(
            "deltalake does not support memory://", hint="Pass a local path or the URL of an object store."
        )
    check_folder_name(text)
    text = re.sub("^gcs://", "gs://", text)  # deltalake's driver for gcs:// has other options
    refused = _REFUSED.search(text)
    if refused:
        what = f"deltalake does not support {refused[0]!r} in the path of a table"
        raise ConfigError(what, where=shown_url(text), hint="Choose another folder name.")
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
            hint = "Cast integers to int64, times to timestamp[us] or timestamp[us, UTC], and dates to date32."
            raise ConfigError(what, where=where, hint=hint)


def _kept(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return kind.num_fields > 0 and all(_kept(kind.field(place).type) for place in range(kind.num_fields))
    return kind in _KEPT or pa.types.is_decimal128(kind)
