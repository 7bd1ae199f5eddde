"""Ten rows on a kept connection: what one call costs when there is next to nothing to decode."""

from __future__ import annotations

import pytest
from conftest import SMALL
from ways import READERS


@pytest.fixture
def small(readers, check):
    """The ways by name, once their answers are right."""
    given = readers("two", SMALL)
    for read in given.values():
        check(read(), "two", SMALL)
    return given


@pytest.mark.parametrize("way", READERS)
@pytest.mark.benchmark(group=f"read {SMALL} rows")
def test_call(benchmark, small, way):
    benchmark(small[way])
