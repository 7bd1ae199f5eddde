"""Bodies, a server of them, the ways to read it, and the check that an answer is right."""

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
    parser.addoption("--rows", type=int, default=20_000, help="rows of the benchmarks' results (default: 20000)")


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
    """The bytes of a kind of body."""
    return cache(lambda kind: bytes(bodies.body(rows, kind)))


@pytest.fixture(scope="session")
def expected(rows):
    """The right answer to a kind of body."""
    return cache(lambda kind, rows=rows: bodies.frame(rows, kind.partition(".")[0]))


@pytest.fixture(scope="session")
def check(expected):
    """Assert that an answer is right, down to the last bit of its scores."""

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
    """`requests.get`, but on a connection that is kept, as ours is."""
    with requests.Session() as session:
        yield session.get


@pytest.fixture(scope="session")
def readers(rows, url, explorer, get):
    """All ways to read a kind of body, by name: `READERS`."""

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
