"""Bytes in memory -> table or frame.

Unfair to us: the others get the body in one piece, we get it in pieces of 512 KiB, as from the wire; only we check it
(the whole envelope, rows of one length, no `nan(1)` for a score, no `1_000`, no duplicate keys).

Unfair to the others: polars and pyarrow.json build the nested column first, since the rows are lists in one object,
which is not what they are made for. They end in their own frame, not in pandas', and may use all cores; the rest use
one. pyarrow.json is here for its speed only: it needs the whole answer as one block (so at most 2 GiB), and takes the
process down on deep nesting.
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
