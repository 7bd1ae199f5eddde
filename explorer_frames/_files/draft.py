"""A file while it is being written: rows go in, then what is known of them, their hash, and the seal over all."""

from __future__ import annotations

import uuid
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from explorer_frames._files.digest import ContentHash
from explorer_frames._files.formats import Options, as_kept, footer, open_writer
from explorer_frames._files.seal import SEAL, Seal, replace
from explorer_frames._provenance import KEY, as_written, encoded
from explorer_frames._threads import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from explorer_frames._storage.publish import Target

_PARALLEL = 10_000  # rows from which hashing and compressing at the same time is worth a thread
_SLACK = 64  # bytes by which a document may grow until its end is known, beside its numbers and its hash


class Draft:
    """A spool file of one target; what the writer raises is a WriteError, what is abandoned can be thrown away.

    Parameters
    ----------
    path, target
        The spool file, and whose it is.
    schema
        Of all tables to come; its metadata is kept but for our own.
    document
        What is known beforehand of where they come from.
    layout

    Attributes
    ----------
    rows : int
        That went in.
    schema : pyarrow.Schema
        That the finished file has to have.
    known : dict
        The document that the finished file has.
    """

    def __init__(
        self, path: str, target: Target, schema: pa.Schema, document: Mapping[str, Any], layout: Options
    ) -> None:
        self.rows = 0
        self.known: dict[str, Any] = {}
        self._path = path
        self._target = target
        self._layout = layout
        self._metadata = {key: value for key, value in (schema.metadata or {}).items() if key not in (KEY, SEAL)}
        self._room = b""
        if layout.format == "feather":
            # Its schema is written first: room is left for what is known at the end.
            longest = encoded(as_written(document, 2**63, f"sha256:{'0' * 81}"))
            self._room = uuid.uuid4().hex.encode().ljust(len(longest) + _SLACK)
        self.schema = as_kept(schema, layout)
        self._content = ContentHash(self.schema)
        self._seal = Seal(path, layout.format)
        self._begun = schema.with_metadata({**self._metadata, KEY: self._room, SEAL: self._seal.placeholder})
        self._file = pa.OSFile(path, "wb")
        self._writer: Any = None

    def append(self, group: pa.Table) -> None:
        """Write one row group or batch."""
        if group.num_rows < _PARALLEL:
            self._target.attempt("write", self._write, group)
            self._target.attempt("hash the rows of", self._hash, group)
        else:
            with beside(partial(self._hash_and_flush, group)) as hashed:  # hashing is a third of the work
                self._target.attempt("write", self._write, group)
                self._target.attempt("hash the rows of", hashed)
        self.rows += group.num_rows

    def _write(self, group: pa.Table) -> None:
        table = group.replace_schema_metadata(self._begun.metadata)
        self._writer = self._writer or open_writer(self._file, table, self._layout)
        if self._room:  # the format would make a batch of each chunk
            table = table.combine_chunks()
        self._writer.write_table(table, self._layout.rows)

    def _hash(self, group: pa.Table) -> None:
        self._content.update(group.cast(self.schema))
        if not self._room:  # where there is room, it is filled at the end
            self._seal.follow()

    def _hash_and_flush(self, group: pa.Table) -> None:
        self._hash(group)
        self._target.flush(self._path)

    def close(self, document: Mapping[str, Any]) -> None:
        """Write what is known now, close and seal the file."""
        if self._writer is None:
            self.append(self._begun.empty_table())
        self.known = as_written(document, self.rows, self._content.result())
        self._target.attempt("write", self._finish, encoded(self.known).ljust(len(self._room)))
        self._target.attempt("seal", self._seal.close)

    def _finish(self, known: bytes) -> None:
        self.schema = self.schema.with_metadata({**self._metadata, KEY: known})
        if self._layout.format == "parquet":
            self._writer.add_key_value_metadata({**footer(self.schema), SEAL: self._seal.placeholder})
        self._writer.close()
        self._file.close()
        if self._room:
            replace(self._path, self._room, known)

    def abandon(self) -> None:
        """Close what is open: that adds a footer, and makes a valid file that is too short."""
        for opened in (self._writer, self._file):
            with suppress(Exception):
                opened.close()
