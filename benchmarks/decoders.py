"""Functions that decode bytes in memory to a table or frame, with `explorer_frames` and other libraries.

Each function is what a user would write, with the options that make it faster.
"""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.json as pj
from bodies import COLUMNS, SCHEMAS, numbers

from explorer_frames._decode.envelope import read_rows
from explorer_frames._frames import to_pandas
from explorer_frames._provenance import Provenance
from explorer_frames._results.reading import Query, Result, RowLimits
from explorer_frames._schemas import SchemaRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PIECE = 2**19
_ARROW = {float: pa.float64(), int: pa.int64()}


def pieces(body: bytes) -> list[bytes]:
    """Split a body into pieces, as received from a socket."""
    return [body[start : start + PIECE] for start in range(0, len(body), PIECE)]


def ours_to_arrow(parts: Iterable[bytes], kind: str = "two") -> pa.Table:
    query = Query.of(1, "pagerank_1", None, SchemaRequest.of(SCHEMAS.get(kind), "string"))
    provenance = Provenance(server="http://localhost")
    result = Result(query, read_rows(parts), provenance, RowLimits(None))
    return pa.Table.from_batches(list(result), result.schema)


def ours_to_pandas(parts: Iterable[bytes], kind: str = "two") -> pd.DataFrame:
    return to_pandas(ours_to_arrow(parts, kind))


def json_to_pandas(body: bytes, loads: Callable[[bytes], Any] = json.loads) -> pd.DataFrame:
    return rows_to_pandas(loads(body)["data"]["items"])


def rows_to_pandas(rows: list[list[str]]) -> pd.DataFrame:
    width = len(rows[0])
    return pd.DataFrame(rows, columns=list(COLUMNS[width])).astype(numbers(width))


class _Data(msgspec.Struct):
    items: list[list[str]]


class _Envelope(msgspec.Struct):
    code: int
    data: _Data


def msgspec_to_pandas(body: bytes) -> pd.DataFrame:
    """Decode with msgspec and a schema of the response."""
    return rows_to_pandas(msgspec.json.decode(body, type=_Envelope).data.items)


def orjson_to_pandas(body: bytes) -> pd.DataFrame:
    return json_to_pandas(body, orjson.loads)


def polars_to_polars(body: bytes) -> pl.DataFrame:
    """Decode with polars and a schema. The envelope is a single row that is exploded into the rows of the result."""
    schema = {"data": pl.Struct({"items": pl.List(pl.List(pl.String))})}
    rows = pl.read_json(body, schema=schema)["data"].struct.field("items").explode()
    width = rows.list.len().first()
    frame = pl.DataFrame({name: rows.list.get(place) for place, name in enumerate(COLUMNS[width])})
    return frame.with_columns(pl.col(name).cast(kind) for name, kind in numbers(width).items())


def duckdb_to_arrow(body: bytes) -> pa.Table:
    """Decode with DuckDB and a schema, from a temporary file with a single large object."""
    width = len(json.loads(body[body.index(b"[[") + 1 : body.index(b'"]') + 2]))  # of the first row
    kinds = {str: "VARCHAR", float: "DOUBLE", int: "BIGINT"}
    columns = (f"row[{at}]::{kinds[kind]} AS {name}" for at, (name, kind) in enumerate(COLUMNS[width].items(), 1))
    with tempfile.NamedTemporaryFile(suffix=".json") as file, duckdb.connect() as connection:
        file.write(body)
        file.flush()
        return connection.sql(
            f"SELECT {', '.join(columns)} FROM (SELECT unnest(data.items) AS row FROM read_json('{file.name}', "
            "format='unstructured', columns={'data': 'STRUCT(items VARCHAR[][])'}, "
            f"maximum_object_size={len(body) + 1}))"
        ).to_arrow_table()


def pyarrow_to_arrow(body: bytes) -> pa.Table:
    """Decode with pyarrow.json. The envelope is a single line, so the block contains the whole response."""
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
    named = dict(zip(COLUMNS[width], columns, strict=True))
    return pa.table(named | {name: named[name].cast(_ARROW[kind]) for name, kind in numbers(width).items()})
