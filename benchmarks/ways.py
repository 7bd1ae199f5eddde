"""The ways from a URL to a frame or a file: ours, and what one would write in its place.

Each is as short as a user would write it. A body's name, ``<rows>/<kind>``, is job and task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pandas as pd
import requests
from bodies import COLUMNS
from server import path

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    import pyarrow as pa

    from explorer_frames import Explorer

    Get: TypeAlias = Callable[..., requests.Response]


READERS = (
    "explorer_frames",
    "explorer_frames, arrow",
    "requests, json, pandas",
    "requests, orjson, pandas",
    "requests, bytes only",
)


# --- to a frame


def ours_read(explorer: Explorer, name: str) -> pd.DataFrame:
    rows, _, kind = name.partition("/")
    return explorer.read_sample_result(rows, kind, limit=None)


def ours_read_arrow(explorer: Explorer, name: str) -> pa.Table:
    rows, _, kind = name.partition("/")
    return explorer.read_sample_result_arrow(rows, kind, limit=None)


def json_read(url: str, name: str, get: Get = requests.get) -> pd.DataFrame:
    return _to_pandas(get(url + path(name)).json())


def orjson_read(url: str, name: str, get: Get = requests.get) -> pd.DataFrame:
    return _to_pandas(orjson.loads(get(url + path(name)).content))


def bare_read(url: str, name: str, get: Get = requests.get) -> bytes:
    """Only the bytes: no parsing, so what any way by `requests` costs at the least."""
    return get(url + path(name)).content


def _to_pandas(envelope: Any) -> pd.DataFrame:
    items = envelope["data"]["items"]
    return pd.DataFrame(items, columns=list(COLUMNS[: len(items[0])])).astype({"score": float})


# --- to a file


def ours_export(explorer: Explorer, name: str, target: str) -> None:
    rows, _, kind = name.partition("/")
    explorer.export_sample_result(rows, kind, target)


def json_export(url: str, name: str, target: str, get: Get = requests.get) -> None:
    frame = json_read(url, name, get)
    (frame.to_parquet if target.endswith(".parquet") else frame.to_feather)(target)
