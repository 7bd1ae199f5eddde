"""Typical code with pandas.to_numeric."""

from __future__ import annotations

import pandas as pd

from faultbench.clients.json_astype import COLUMNS, fetch, run

NAME = "requests, json, to_numeric"

__all__ = ["NAME", "export", "read", "run"]


def read(url, token, limit):
    frame = pd.DataFrame(fetch(url, token, limit), columns=COLUMNS)
    frame["score"] = pd.to_numeric(frame["score"])
    return frame


def export(url, token, limit, path):
    read(url, token, limit).to_parquet(path)
