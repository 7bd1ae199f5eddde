"""Typical code with polars.read_json, converted to pandas."""

from __future__ import annotations

import io

import polars as pl
import requests

from faultbench import DEADLINE
from faultbench.clients.json_astype import run

NAME = "requests, polars.read_json"
ERRORS = (OSError, ValueError, pl.exceptions.PolarsError)

__all__ = ["ERRORS", "NAME", "export", "read", "run"]


def fetch(url, token, limit):
    answer = requests.get(
        f"{url}/api-open/v1/jobs/1/tasks/t/sample_result",
        params={"limit": limit},
        cookies={"explorer_token": token},
        timeout=DEADLINE,
    )
    answer.raise_for_status()
    rows = pl.read_json(io.BytesIO(answer.content)).unnest("data").explode("items")["items"]
    return rows.to_frame().select(id=pl.col("items").list.get(0), score=pl.col("items").list.get(1).cast(pl.Float64))


def read(url, token, limit):
    return fetch(url, token, limit).to_pandas()


def export(url, token, limit, path):
    fetch(url, token, limit).write_parquet(path)
