"""Measure the CPU time of each decoding step: ``python benchmarks/steps.py --rows 1000000``.

Each step runs separately over the pieces of one response. The figures include the steps of both threads. The memory is
warm, so page faults are not measured.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import child
import decoders
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import requests
import server
import ways

from explorer_frames import _schemas
from explorer_frames._decode import rows as by_rows
from explorer_frames._decode.cells import to_batch
from explorer_frames._decode.envelope import read_rows
from explorer_frames._decode.rows import split
from explorer_frames._memory import POOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SAMPLES = 15


def measure(rows: int, kind: str) -> dict[str, float]:
    """Return the CPU time in milliseconds of each step and of the whole decoder."""
    name = f"{rows}/{kind}"
    child.warm()
    with server.serving(name) as url, requests.Session() as session:
        body = ways.bare_read(url, name, session.get)
        wire = _milliseconds(lambda: ways.stream_read(url, name, session.get))
    pieces = decoders.pieces(body)
    chunks = [chunk for chunk in read_rows(pieces) if chunk.quotes is not None]  # regular chunks
    texts = [np.frombuffer(chunk.data, np.uint8) for chunk in chunks]
    closes = [
        by_rows._closes_by_row(text, chunk.quotes[1::2])  # noqa: SLF001
        for text, chunk in zip(texts, chunks, strict=True)
    ]
    cells = [split(chunk) for chunk in chunks]
    schema = _schemas.SchemaRequest.of(None, "string").resolve(int(cells[0].widths[0])).schema
    columns = [[each.column(number) for number in range(len(schema))] for each in cells]
    batches = [to_batch(each, schema) for each in cells]
    numbers = [batch["score"] for batch in batches]
    named = range(len(schema))
    steps: dict[str, Callable[[], None]] = {
        "find the quotes": _each(lambda text: np.flatnonzero(text == ord('"')), texts),
        "validate the structure of the rows": _each(by_rows._count_regular, texts, closes),  # noqa: SLF001
        "check for control characters, backslashes and non-ASCII bytes": _each(
            lambda text, chunk: (text.min(), b"\\" in chunk.data, text.view(np.int8).min()), texts, chunks
        ),
        "convert quotes to offsets": _each(lambda chunk: chunk.quotes.astype(np.int32), chunks),
        "take the cells of each column": _each(lambda each: [each.column(number) for number in named], cells),
        "convert text to numbers": _each(lambda texts: texts[1].cast(pa.float64(), memory_pool=POOL), columns),
        "check that numbers are finite and exact": _each(
            lambda column: pc.less(pc.abs(column), 2.0**53).false_count, numbers
        ),
        "copy batches to arrays of the exact size": _each(
            lambda at: pa.Table.from_batches(batches[at : at + 4]).combine_chunks(POOL), range(0, len(batches), 4)
        ),
    }
    found = {"receive (the raw stream)": wire, **{name: _milliseconds(step) for name, step in steps.items()}}

    def decode() -> None:
        for chunk in read_rows(pieces):
            to_batch(split(chunk), schema)

    whole = wire + _milliseconds(decode)
    joined = found["copy batches to arrays of the exact size"]
    return {**found, "join pieces, and other work": whole + joined - sum(found.values()), "total": whole + joined}


def _each(step: Callable[..., object], *given: Iterable[Any]) -> Callable[[], None]:
    """Return a function that runs a step on each piece and discards the results, to not measure their memory."""

    def call() -> None:
        for some in zip(*given, strict=True):
            step(*some)

    return call


def _milliseconds(step: Callable[[], object]) -> float:
    samples = []
    for _ in range(_SAMPLES):
        begun = time.process_time()
        step()
        samples.append(time.process_time() - begun)
    return median(samples) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", default="two", help="two, three, digits, chinese or emoji")
    options = parser.parse_args()
    for name, milliseconds in measure(options.rows, options.kind).items():
        print(f"{name:62}{milliseconds:8.1f} ms CPU")


if __name__ == "__main__":
    main()
