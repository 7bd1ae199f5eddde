"""Fuzz target for API responses, read in three ways, compared with `json` and `decimal`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unittest.mock import patch

import oracle
import orjson
import pyarrow as pa
from differential import agree, pieces, taken_apart

from explorer_frames._decode import rows as rows_module
from explorer_frames._decode.envelope import read_rows
from explorer_frames._provenance import Provenance
from explorer_frames._results.reading import Query, Result, RowLimits
from explorer_frames._schemas import SchemaRequest
from explorer_frames.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from differential import Reading

_PROVENANCE = Provenance(server="s")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_DEEP = 500  # orjson rejects nesting of 1024 or more


def check(data: bytes) -> None:
    """Raise AssertionError if a result differs from the oracle's."""
    if (parts := taken_apart(data)) is None:
        return
    reading, body, cut = parts
    rows = _expected(body)
    refusals = [agree(rows, reading, lambda: _read([body], reading))]
    refusals.append(agree(rows, reading, lambda: _read(pieces(body, cut), reading)))
    with patch.object(rows_module, "_cut_regular", lambda data, first: None):  # disables the fast path
        refusals.append(agree(rows, reading, lambda: _read([body], reading)))
    for error in refusals:
        if isinstance(error, ApiError):  # raised only for valid JSON with this code
            assert oracle.int_or_none(oracle.envelope_of(body)["code"]) == error.code != 0


def _expected(body: bytes) -> list[object] | None:
    """Return the oracle's rows, or None if it rejects the body; compare them with `orjson`."""
    try:
        rows = oracle.rows_of(body)
    except oracle.RefusedError:
        return None
    if not _SURROGATE.search(body) and body.count(b"[") + body.count(b"{") < _DEEP:
        for row, theirs in zip(rows, orjson.loads(body)["data"]["items"], strict=True):
            if isinstance(row, list):
                assert all(a == b for a, b in zip(row, theirs, strict=True) if isinstance(b, str)), (
                    f"{theirs} for {row}"
                )
    return rows


def _read(text: Iterable[bytes], reading: Reading) -> pa.Table:
    query = Query.of(1, "t", None, SchemaRequest.of(reading.schema, reading.vid_type))
    result = Result(query, read_rows(text), _PROVENANCE, RowLimits(None))
    return pa.Table.from_batches(list(result), result.schema)
