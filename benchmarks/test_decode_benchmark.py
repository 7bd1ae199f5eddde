"""Decode bytes in memory to a table or frame.

Our decoder receives pieces of 512 KiB, as from a socket, and the others receive one piece. Only our decoder validates
the envelope, duplicate keys, the length of rows and the syntax of numbers.

polars and pyarrow.json build a nested column first, because they are designed for records. They return their own
frames, and can use all cores. pyarrow.json is included only for its speed. It needs the whole response in one block of
at most 2 GiB, and crashes the process on deep nesting.
"""

from __future__ import annotations

import bodies
import decoders
import pytest

WAYS = {
    "explorer_frames -> arrow": decoders.ours_to_arrow,
    "explorer_frames -> pandas": decoders.ours_to_pandas,
    "json -> pandas": decoders.json_to_pandas,
    "orjson -> pandas": decoders.orjson_to_pandas,
    "msgspec -> pandas": decoders.msgspec_to_pandas,
    "polars -> polars": decoders.polars_to_polars,
    "pyarrow.json -> arrow": decoders.pyarrow_to_arrow,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", bodies.KINDS)
def test_decode(benchmark, body, check, kind, way):
    decode, given = WAYS[way], (body(kind),)
    if way.startswith("explorer_frames"):
        given = (decoders.pieces(*given), kind)
    check(decode(*given), kind)
    benchmark.group = f"decode {kind}"
    benchmark(decode, *given)
