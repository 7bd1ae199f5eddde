"""Typical code with requests, json, DataFrame and astype(float)."""

from __future__ import annotations

import pandas as pd
import requests

NAME = "requests, json, astype(float)"
COLUMNS = ["id", "score"]


def fetch(url, token, limit):
    answer = requests.get(
        f"{url}/api-open/v1/jobs/1/tasks/t/sample_result", params={"limit": limit}, cookies={"explorer_token": token}
    )
    return answer.json()["data"]["items"]


def read(url, token, limit):
    return pd.DataFrame(fetch(url, token, limit), columns=COLUMNS).astype({"score": float})


def export(url, token, limit, path):
    read(url, token, limit).to_parquet(path)


def run(url, token):
    answer = requests.post(f"{url}/api-open/v1/workflows/7/jobs", json={}, cookies={"explorer_token": token})
    return answer.json()["data"]["id"]
