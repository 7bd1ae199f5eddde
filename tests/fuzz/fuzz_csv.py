"""Fuzz target for CSV parts, read whole and in pieces, compared with Python's `csv`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import oracle
import pyarrow as pa
from differential import agree, pieces, taken_apart

from explorer_frames._decode.csv_rows import read_blocks
from explorer_frames._schemas import SchemaRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from differential import Reading

_HEADER = ["VID", "VALUE"]


def check(data: bytes) -> None:
    """Raise AssertionError if a result differs from the oracle's."""
    if (parts := taken_apart(data)) is None:
        return
    reading, text, cut = parts
    rows = _expected(text)
    agree(rows, reading, lambda: _read([text], reading))
    agree(rows, reading, lambda: _read(pieces(text, cut), reading))


def _expected(text: bytes) -> list[object] | None:
    try:
        rows = oracle.rows_of_csv(text)
    except oracle.RefusedError:
        return None
    return list(rows[1:] if rows[:1] == [_HEADER] else rows)


def _read(text: Iterable[bytes], reading: Reading) -> pa.Table:
    requested = SchemaRequest.of(reading.schema, reading.vid_type)
    blocks = read_blocks(text, 0, lambda cells: cells == _HEADER)
    first = next(blocks, None)
    if first is None:
        return requested.resolve(None).schema.empty_table()
    with first.located():
        schema = requested.resolve(first.width).schema
    return pa.Table.from_batches([first.to_batch(schema), *(block.to_batch(schema) for block in blocks)], schema)
