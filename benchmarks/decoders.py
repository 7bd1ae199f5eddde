"""The ways from bytes in memory to a table or frame: ours, and what one would use in its place.

Each is as short as a user would write it, and gets what it would not get by default wherever that makes it faster.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.json as pj
from bodies import COLUMNS

from explorer_frames._envelope import data_of
from explorer_frames._frames import to_pandas
from explorer_frames._provenance import Provenance
from explorer_frames._results import Query, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PIECE = 2**20


def pieces(body: bytes) -> list[bytes]:
    """Cut a body as it comes from the wire."""
    return [body[start : start + _PIECE] for start in range(0, len(body), _PIECE)]


def ours_to_arrow(parts: Iterable[bytes]) -> pa.Table:
    query = Query.of(1, "pagerank_1", None, None, "string")
    now = datetime.now(UTC).isoformat()
    provenance = Provenance(
        server="http://localhost", job="1", task="pagerank_1", algorithm=None, limit=query.limit, read_at=now
    )
    result = Result(query, parts, partial(data_of, http_status=200, trace_id=None), provenance)
    return pa.Table.from_batches(list(result), result.schema)


def ours_to_pandas(parts: Iterable[bytes]) -> pd.DataFrame:
    return to_pandas(ours_to_arrow(parts))


def json_to_pandas(body: bytes, loads: Callable[[bytes], Any] = json.loads) -> pd.DataFrame:
    items = loads(body)["data"]["items"]
    return pd.DataFrame(items, columns=list(COLUMNS[: len(items[0])])).astype({"score": float})


def orjson_to_pandas(body: bytes) -> pd.DataFrame:
    return json_to_pandas(body, orjson.loads)


def polars_to_polars(body: bytes) -> pl.DataFrame:
    """Read with polars: the envelope is one row, which explodes into the result's; a schema spares it the guessing."""
    schema = {"data": pl.Struct({"items": pl.List(pl.List(pl.String))})}
    rows = pl.read_json(body, schema=schema)["data"].struct.field("items").explode()
    width = rows.list.len().first()
    frame = pl.DataFrame({name: rows.list.get(place) for place, name in enumerate(COLUMNS[:width])})
    return frame.with_columns(pl.col("score").cast(pl.Float64))


def pyarrow_to_arrow(body: bytes) -> pa.Table:
    """Read with pyarrow.json, whose one "line" is the envelope: so its block has to hold the whole answer."""
    rows_type = pa.list_(pa.list_(pa.string()))
    schema = pa.schema([("data", pa.struct([("items", rows_type)]))])
    table = pj.read_json(
        pa.BufferReader(body),
        pj.ReadOptions(block_size=len(body) + 1),
        pj.ParseOptions(explicit_schema=schema, newlines_in_values=True, unexpected_field_behavior="ignore"),
    )
    rows = table["data"].combine_chunks().field("items").flatten()
    width = len(rows[0])
    cells = rows.flatten()
    columns = [cells.take(np.arange(place, len(cells), width)) for place in range(width)]
    columns[1] = columns[1].cast(pa.float64())
    return pa.table(columns, names=list(COLUMNS[:width]))
