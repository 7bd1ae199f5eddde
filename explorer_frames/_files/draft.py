"""A file while it is being written: rows go in, then what is known of them, their hash, and the seal over all."""

from __future__ import annotations

import uuid
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from explorer_frames._files.digest import ContentHash
from explorer_frames._files.formats import Options, as_kept, footer, one_batch, open_writer
from explorer_frames._files.seal import SEAL, Seal, replace
from explorer_frames._provenance import KEY, as_written, encoded
from explorer_frames._threads import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    """

    def __init__(
        self, path: str, target: Target, schema: pa.Schema, document: Mapping[str, Any], layout: Options
    ) -> None:
        self.rows = 0
        self._path = path
        self._attempt: Callable[..., Any] = target.attempt
        self._flush = target.flush
        self._layout = layout
        self._metadata = {key: value for key, value in (schema.metadata or {}).items() if key not in (KEY, SEAL)}
        # A Feather file begins with its schema: there, room is left for what is known at the end.
        longest = encoded(as_written(document, 2**63, f"sha256:{'0' * 81}"))
        room = uuid.uuid4().hex.encode().ljust(len(longest) + _SLACK)
        self._room = room if layout.format == "feather" else b""
        self._kept = self._attempt("write", as_kept, schema, layout)
        self._content = ContentHash(self._kept)
        self._seal = Seal(path)
        self._schema = schema.with_metadata({**self._metadata, KEY: self._room, SEAL: self._seal.placeholder})
        self._file = self._attempt("write", pa.OSFile, path, "wb")
        self._writer: Any = None

    def append(self, group: pa.Table) -> None:
        """Write one row group or batch."""
        if group.num_rows < _PARALLEL:
            self._write(group)
            self._attempt("hash the rows of", self._hash, group)
        else:
            with beside(partial(self._hash_and_flush, group)) as hashed:  # hashing is a third of the work
                self._write(group)
                self._attempt("hash the rows of", hashed)
        self.rows += group.num_rows

    def _write(self, group: pa.Table) -> None:
        table = group.replace_schema_metadata(self._schema.metadata)
        self._writer = self._writer or self._attempt("write", open_writer, self._file, table, self._layout)
        self._attempt("write", self._writer.write_table, one_batch(table, self._layout), self._layout.rows)

    def _hash(self, group: pa.Table) -> None:
        self._content.update(group.cast(self._kept))
        if not self._room:  # where there is room, it is filled at the end
            self._seal.follow()

    def _hash_and_flush(self, group: pa.Table) -> None:
        self._hash(group)
        self._flush(self._path)

    def close(self, document: Mapping[str, Any]) -> pa.Schema:
        """Write what is known now, close and seal the file, and return the schema that it has to have."""
        if self._writer is None:
            self.append(self._schema.empty_table())
        known = encoded(as_written(document, self.rows, self._content.result())).ljust(len(self._room))
        schema = self._kept.with_metadata({**self._metadata, KEY: known})
        if self._layout.format == "parquet":
            metadata = {**footer(schema), SEAL: self._seal.placeholder}
            self._attempt("write", self._writer.add_key_value_metadata, metadata)
        self._attempt("write", self._writer.close)
        self._attempt("write", self._file.close)
        if self._room:
            self._attempt("write", replace, self._path, self._room, known)
        self._attempt("seal", self._seal.close)
        return schema

    def abandon(self) -> None:
        """Close what is open: that adds a footer, and makes a valid file that is too short."""
        for opened in (self._writer, self._file):
            with suppress(Exception):
                opened.close()
