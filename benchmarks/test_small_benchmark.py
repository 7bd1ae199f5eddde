"""Read ten rows over a reused connection, to measure the overhead of a call."""

from __future__ import annotations

import pytest
from conftest import SMALL
from ways import READERS


@pytest.fixture
def small(readers, check):
    """Return the clients by name, after a check of their results."""
    given = readers("two", SMALL)
    for read in given.values():
        check(read(), "two", SMALL)
    return given


@pytest.mark.parametrize("way", READERS)
@pytest.mark.benchmark(group=f"read {SMALL} rows")
def test_call(benchmark, small, way):
    benchmark(small[way])
