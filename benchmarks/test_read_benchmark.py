"""Read results over loopback HTTP into frames, with reused connections.

Only our client checks the response, the deadline and the token. Loopback has no latency and a high bandwidth, so
decoding is a larger part of the time than over a network. `bytes only` does not decode. It is the lower bound for code
with `requests`, but not for clients that read the raw stream.
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
