"""Clients that read a URL into a frame or a file, with `explorer_frames` and with typical code.

The parts of a body's name, ``<rows>/<kind>``, are the job id and the task id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import decoders
import requests
from bodies import SCHEMAS
from server import path

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from explorer_frames import Explorer

    Get: TypeAlias = Callable[..., requests.Response]


READERS = (
    "explorer_frames",
    "explorer_frames, arrow",
    "requests, json, pandas",
    "requests, orjson, pandas",
    BARE := "requests, bytes only",
)
PEERS = ("requests, msgspec, pandas", "requests, polars", "requests, DuckDB", "requests, pyarrow.json")
STREAM = "the raw stream"


# --- to a frame


def ours_read(explorer: Explorer, name: str) -> pd.DataFrame:
    rows, _, kind = name.partition("/")
    return explorer.read_sample_result(rows, kind, limit=None, schema=SCHEMAS.get(kind))


def ours_read_arrow(explorer: Explorer, name: str) -> pa.Table:
    rows, _, kind = name.partition("/")
    return explorer.read_sample_result_arrow(rows, kind, limit=None, schema=SCHEMAS.get(kind))


def json_read(url: str, name: str, get: Get = requests.get) -> pd.DataFrame:
    return decoders.rows_to_pandas(get(url + path(name)).json()["data"]["items"])


def orjson_read(url: str, name: str, get: Get = requests.get) -> pd.DataFrame:
    return decoders.orjson_to_pandas(get(url + path(name)).content)


def msgspec_read(url: str, name: str) -> pd.DataFrame:
    return decoders.msgspec_to_pandas(requests.get(url + path(name)).content)


def polars_read(url: str, name: str) -> pl.DataFrame:
    return decoders.polars_to_polars(requests.get(url + path(name)).content)


def duckdb_read(url: str, name: str) -> pa.Table:
    return decoders.duckdb_to_arrow(requests.get(url + path(name)).content)


def pyarrow_read(url: str, name: str) -> pa.Table:
    return decoders.pyarrow_to_arrow(requests.get(url + path(name)).content)


def bare_read(url: str, name: str, get: Get = requests.get) -> bytes:
    """Return the bytes without parsing, the lower bound for clients with `requests`."""
    return get(url + path(name)).content


def stream_read(url: str, name: str, get: Get = requests.get) -> bytes:
    """Receive the bytes and discard them."""
    raw = get(url + path(name), stream=True).raw
    while raw.read(decoders.PIECE):
        pass
    return b""


# --- to a file


def ours_export(explorer: Explorer, name: str, target: str) -> None:
    rows, _, kind = name.partition("/")
    explorer.export_sample_result(rows, kind, target)


def json_export(url: str, name: str, target: str, get: Get = requests.get) -> None:
    frame = json_read(url, name, get)
    (frame.to_parquet if target.endswith(".parquet") else frame.to_feather)(target)
