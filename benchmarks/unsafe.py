"""Measure the cost of validation: compare our reader with the same algorithm without validation.

The unsafe reader uses the quotes as offsets without further checks. It does not check the deadline, HTTP status,
envelope, structure of rows, UTF-8, syntax of numbers or number of rows. It has no provenance and uses one thread. Both
readers alternate in one process and reuse its memory. Otherwise, allocation would take a third of both times.

    python benchmarks/unsafe.py --rows 1000000
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from statistics import median

import child
import decoders
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import requests
import server
import ways
from bodies import COLUMNS

from explorer_frames import Explorer
from explorer_frames._memory import POOL

_SAMPLES = 15
_CHILD = "--child"


def read(url: str, name: str, get: ways.Get = requests.get) -> pa.Table:
    """Read a response that is known to be valid."""
    raw = get(url + server.path(name), stream=True).raw
    batches, text, width = [], b"", 0
    while piece := raw.read(decoders.PIECE):
        if width:
            text += piece
        else:
            text = piece[piece.index(b"[[") + 1 :]
            width = text[: text.index(b"]")].count(b'"') // 2
        end = text.rfind(b'"],[') + 2
        batches.append(_batch(text[:end], width))
        text = text[end + 1 :]
    return pa.Table.from_batches([*batches, _batch(text[: text.index(b"]]") + 1], width)])


def _batch(text: bytes, width: int) -> pa.RecordBatch:
    offsets = np.flatnonzero(np.frombuffer(text, np.uint8) == ord('"')).astype(np.int32)
    offsets[::2] += 1
    strings = pa.StringArray.from_buffers(offsets.size - 1, pa.py_buffer(offsets), pa.py_buffer(text))
    places = [pa.array(np.arange(2 * place, offsets.size, 2 * width)) for place in range(width)]
    columns = [pc.take(strings, each, memory_pool=POOL) for each in places]
    columns[1] = columns[1].cast(pa.float64(), memory_pool=POOL)
    return pa.RecordBatch.from_arrays(columns, names=list(COLUMNS[width]))


def measure(rows: int, kind: str) -> dict[str, list[dict[str, float]]]:
    """Return time and CPU time of each reader, measured alternately in a new process."""
    return child.run(_CHILD, f"{rows}/{kind}", script=__file__)


def ratios(samples: dict[str, list[dict[str, float]]], key: str) -> list[float]:
    """Return the ratio of safe to unsafe for each pair of samples."""
    return [safe[key] / bare[key] for safe, bare in zip(samples["safe"], samples["unsafe"], strict=True)]


def _measure(name: str) -> None:
    child.warm()
    with (
        server.serving(name) as url,
        Explorer(url, token="benchmark", row_cap=10**9) as explorer,
        requests.Session() as session,
    ):
        calls = {"safe": partial(ways.ours_read_arrow, explorer, name), "unsafe": partial(read, url, name, session.get)}
        if not calls["safe"]().replace_schema_metadata().cast(calls["unsafe"]().schema).equals(calls["unsafe"]()):
            raise SystemExit("the results differ")
        rounds = [{way: child.timed(call)[0] for way, call in calls.items()} for _ in range(_SAMPLES)]
    print(json.dumps({way: [samples[way] for samples in rounds] for way in calls}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", default="two")
    options = parser.parse_args()
    samples = measure(options.rows, options.kind)
    for key, unit in (("seconds", "ms"), ("cpu", "ms CPU")):
        for way, taken in samples.items():
            values = [sample[key] * 1000 for sample in taken]
            print(f"{way:8}{median(values):8.1f} {unit:8}({min(values):.1f}-{max(values):.1f})")
        found = ratios(samples, key)
        print(f"ratio   {median(found):8.3f} {'':8}({min(found):.3f}-{max(found):.3f}, pair by pair)")


if __name__ == "__main__":
    _measure(sys.argv[2]) if sys.argv[1:2] == [_CHILD] else main()
