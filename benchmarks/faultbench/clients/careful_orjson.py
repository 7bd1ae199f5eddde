"""Careful code: a session, timeouts, retries, checks of status and code, and orjson."""

from __future__ import annotations

import orjson
import pandas as pd
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from faultbench import DEADLINE

NAME = "session, Retry, orjson, astype"

session = requests.Session()
again = Retry(2, backoff_factor=0.1, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None)
session.mount("http://", HTTPAdapter(max_retries=again, pool_maxsize=32))


def call(method, url, token, path, **options):
    answer = session.request(
        method, f"{url}/api-open/v1/{path}", cookies={"explorer_token": token}, timeout=DEADLINE, **options
    )
    answer.raise_for_status()
    envelope = orjson.loads(answer.content)
    if envelope["code"] != 0:
        raise ValueError(envelope["message"])
    return envelope["data"]


def read(url, token, limit):
    items = call("GET", url, token, "jobs/1/tasks/t/sample_result", params={"limit": limit})["items"]
    return pd.DataFrame(items, columns=["id", "score"]).astype({"score": float})


def export(url, token, limit, path):
    read(url, token, limit).to_parquet(path)


def run(url, token):
    return call("POST", url, token, "workflows/7/jobs", json={})["id"]
