"""Answers to serve and to decode: seeded, so that every run and every process has the same bytes.

A body is named ``<rows>/<kind>``. Ids and scores are written as in the vendor's documentation (``"player110"``,
``"0.150000"``); ``digits`` has all 17 digits of its scores, which is the hardest that a float can be to read. Ids of
``chinese`` and ``emoji`` stand as they are, those of ``unicode`` as escapes.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

KINDS = ("two", "three", "four", "digits", "escaped", "unicode", "chinese", "emoji", "pretty")
# By the number of columns: their names, and what their cells are.
COLUMNS: dict[int, dict[str, type]] = {
    2: {"id": str, "score": float},
    3: {"id": str, "score": float, "community": str},
    4: {"id": str, "both_degree": int, "out_degree": int, "in_degree": int},
}
SCHEMAS = {"four": "DegreeCentrality"}  # of four columns nobody can tell without a name
_SEED = 20_260_101
_FIRST_ID = 1_000_000
_MEMBERS = 100  # of a community
_ESCAPED_EVERY = 10
_PREFIXES = {"chinese": "\u73a9\u5bb6", "unicode": "\u73a9\u5bb6", "emoji": "\U0001f3c0"}
_AS_THEY_ARE = ("chinese", "emoji")
_MOST = 1_000  # edges of a vertex
# Beyond so many rows, the same ones come again: a server need not hold gigabytes to send them.
BLOCK = 1_000_000

_COMPACT = '{"code":0,"data":{"items":[', ']},"message":"Success"}'
_PRETTY = '{\n  "code": 0,\n  "data": {\n    "items": [', '    ]\n  },\n  "message": "Success"\n}\n'


@dataclass(frozen=True, slots=True)
class Body:
    """One answer: `head`, then `block` several `times` with commas between, then `tail`."""

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
    """Name the columns that are not text, and what they are."""
    return {name: kind for name, kind in COLUMNS[width].items() if kind is not str}


def cells(rows: int, kind: str) -> list[list[str]]:
    """Make the rows, as the server has them: every cell is text."""
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
    """Make the right answer, by a way that no JSON is on."""
    table = cells(rows, kind)
    width = len(table[0])
    return pd.DataFrame(table, columns=list(COLUMNS[width])).astype(numbers(width))


def body(rows: int, kind: str) -> Body:
    """Make the answer; a `kind` that ends in ``.gzip`` comes compressed, as fast as nginx does by default."""
    kind, _, encoding = kind.partition(".")
    if encoding:
        packed = gzip.compress(bytes(body(rows, kind)), compresslevel=1, mtime=0)
        return Body(b"", packed, b"", encoding=encoding)
    times = -(-rows // BLOCK)
    if rows % times:
        raise ValueError(f"more rows than {BLOCK} come in whole blocks: {rows}")
    head, tail = _PRETTY if kind == "pretty" else _COMPACT
    return Body(head.encode(), _text(cells(rows // times, kind), kind).encode(), tail.encode(), times)


def _text(rows: list[list[str]], kind: str) -> str:
    if kind == "pretty":
        return json.dumps(rows, indent=4)[1:-1]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=kind not in _AS_THEY_ARE)[1:-1]
