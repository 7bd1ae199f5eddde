"""Over loopback HTTP -> frame, on connections that are kept.

Unfair to us: we check the answer, the deadline and the token, and the others do not. Unfair to the others: loopback
has no latency and no bandwidth to wait for, so the decoding shows more than it would over a network. `bytes only`
decodes nothing: it is the least that a way by `requests` can cost, and no floor for one that reads the raw stream.
"""

from __future__ import annotations

import pytest
from ways import READERS


@pytest.mark.parametrize("way", READERS)
@pytest.mark.parametrize("kind", ["two", "three", "two.gzip"])
def test_read(benchmark, readers, check, kind, way):
    read = readers(kind)[way]
    check(read(), kind)
    benchmark.group = f"read {kind}"
    benchmark(read)
