"""Fixtures: response bodies, their server, the clients, and a check of results."""

from __future__ import annotations

import os
from functools import cache, partial

import bodies
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import requests
import server
import ways
from decoders import json_to_pandas

from explorer_frames import Explorer

SMALL = 10


def pytest_addoption(parser):
    parser.addoption("--rows", type=int, default=20_000, help="number of rows per result (default: 20000)")


@pytest.fixture(scope="session", autouse=True)
def _no_proxies():
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower().endswith("_proxy"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def rows(request):
    return request.config.getoption("--rows")


@pytest.fixture(scope="session")
def body(rows):
    """Return a function that returns the body of a kind."""
    return cache(lambda kind: bytes(bodies.body(rows, kind)))


@pytest.fixture(scope="session")
def expected(rows):
    """Return a function that returns the expected frame of a kind."""
    return cache(lambda kind, rows=rows: bodies.frame(rows, kind.partition(".")[0]))


@pytest.fixture(scope="session")
def check(expected):
    """Return a function that asserts that a result is exact."""

    def same(answer, *kind_and_rows):
        pd.testing.assert_frame_equal(_to_pandas(answer), expected(*kind_and_rows), check_exact=True)

    return same


def _to_pandas(answer):
    if isinstance(answer, bytes):
        return json_to_pandas(answer)
    if isinstance(answer, pl.DataFrame):
        return pd.DataFrame(answer.to_dict(as_series=False))
    return answer.to_pandas() if isinstance(answer, pa.Table) else answer


@pytest.fixture(scope="session")
def url(rows):
    with server.serving(f"{rows}/two", f"{rows}/two.gzip", f"{rows}/three", f"{SMALL}/two") as url:
        yield url


@pytest.fixture(scope="session")
def explorer(url):
    with Explorer(url, token="benchmark", row_cap=10**9) as explorer:
        yield explorer


@pytest.fixture(scope="session")
def get():
    """Return `requests.get` with a reused connection, as in our client."""
    with requests.Session() as session:
        yield session.get


@pytest.fixture(scope="session")
def readers(rows, url, explorer, get):
    """Return a function that returns the `READERS` by name, for a kind of body."""

    def named(kind, rows=rows):
        name = f"{rows}/{kind}"
        return {
            "explorer_frames": partial(ways.ours_read, explorer, name),
            "explorer_frames, arrow": partial(ways.ours_read_arrow, explorer, name),
            "requests, json, pandas": partial(ways.json_read, url, name, get),
            "requests, orjson, pandas": partial(ways.orjson_read, url, name, get),
            "requests, bytes only": partial(ways.bare_read, url, name, get),
        }

    return named
