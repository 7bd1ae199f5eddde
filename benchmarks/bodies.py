"""Response bodies for the benchmarks, generated with a fixed seed.

A body is named ``<rows>/<kind>``. Ids and scores have the format of the vendor's documentation (``"player110"``,
``"0.150000"``). Scores of ``digits`` have 17 digits, which are the slowest to parse. Ids of ``chinese`` and ``emoji``
are unescaped. Ids of ``unicode`` are escaped.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

KINDS = ("two", "three", "four", "digits", "escaped", "unicode", "chinese", "emoji", "pretty")
# Names and types of the columns, by their number.
COLUMNS: dict[int, dict[str, type]] = {
    2: {"id": str, "score": float},
    3: {"id": str, "score": float, "community": str},
    4: {"id": str, "both_degree": int, "out_degree": int, "in_degree": int},
}
SCHEMAS = {"four": "DegreeCentrality"}  # four columns have no default names
_SEED = 20_260_101
_FIRST_ID = 1_000_000
_MEMBERS = 100  # per community
_ESCAPED_EVERY = 10
_PREFIXES = {"chinese": "\u73a9\u5bb6", "unicode": "\u73a9\u5bb6", "emoji": "\U0001f3c0"}
_AS_THEY_ARE = ("chinese", "emoji")
_MOST = 1_000  # maximum number of edges per vertex
# Larger bodies repeat a block of this many rows, so that the server does not need gigabytes of memory.
BLOCK = 1_000_000

_COMPACT = '{"code":0,"data":{"items":[', ']},"message":"Success"}'
_PRETTY = '{\n  "code": 0,\n  "data": {\n    "items": [', '    ]\n  },\n  "message": "Success"\n}\n'


@dataclass(frozen=True, slots=True)
class Body:
    """Response body: `head`, then `block` repeated `times` with commas in between, then `tail`."""

    head: bytes
    block: bytes
    tail: bytes
    times: int = 1
    encoding: str | None = None

    def __len__(self) -> int:
        return len(self.head) + self.times * (len(self.block) + 1) - 1 + len(self.tail)

    def __bytes__(self) -> bytes:
        return self.head + b",".join([self.block] * self.times) + self.tail


def numbers(width: int) -> dict[str, type]:
    """Return names and types of the columns that are not text."""
    return {name: kind for name, kind in COLUMNS[width].items() if kind is not str}


def cells(rows: int, kind: str) -> list[list[str]]:
    """Return rows as the server sends them, with each cell as text."""
    random = np.random.default_rng(_SEED)
    prefix = _PREFIXES.get(kind, "player")
    ids = [f"{prefix}{number}" for number in (random.permutation(rows) + _FIRST_ID).tolist()]
    if kind == "escaped":
        ids = [text if number % _ESCAPED_EVERY else f'{text} "é" \\ \n' for number, text in enumerate(ids)]
    if kind == "four":
        degrees = random.integers(0, _MOST, (rows, 2)).tolist()
        return [[text, str(a + b), str(a), str(b)] for text, (a, b) in zip(ids, degrees, strict=True)]
    scores = [repr(score) if kind == "digits" else f"{score:.6f}" for score in random.random(rows).tolist()]
    if kind != "three":
        return [list(row) for row in zip(ids, scores, strict=True)]
    labels = random.integers(0, max(1, rows // _MEMBERS), rows).tolist()
    return [[text, score, ids[label]] for text, score, label in zip(ids, scores, labels, strict=True)]


def frame(rows: int, kind: str) -> pd.DataFrame:
    """Return the expected frame, built without JSON."""
    table = cells(rows, kind)
    width = len(table[0])
    return pd.DataFrame(table, columns=list(COLUMNS[width])).astype(numbers(width))


def body(rows: int, kind: str) -> Body:
    """Return a response body. The suffix ``.gzip`` of `kind` compresses it with nginx's default level."""
    kind, _, encoding = kind.partition(".")
    if encoding:
        packed = gzip.compress(bytes(body(rows, kind)), compresslevel=1, mtime=0)
        return Body(b"", packed, b"", encoding=encoding)
    times = -(-rows // BLOCK)
    if rows % times:
        raise ValueError(f"rows must be a multiple of the number of blocks if there are more than {BLOCK}, got {rows}")
    head, tail = _PRETTY if kind == "pretty" else _COMPACT
    return Body(head.encode(), _text(cells(rows // times, kind), kind).encode(), tail.encode(), times)


def _text(rows: list[list[str]], kind: str) -> str:
    if kind == "pretty":
        return json.dumps(rows, indent=4)[1:-1]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=kind not in _AS_THEY_ARE)[1:-1]
