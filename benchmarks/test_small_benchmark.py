"""Ten rows on a kept connection: what one call costs when there is next to nothing to decode.

CPU time of this process, which another process' load does not move as it does wall time; rounds of all ways in turn.
Goal: at most 1 ms more than only the bytes. Only a ratio is asserted: machines differ, the ways on one do so less.
"""

from __future__ import annotations

import statistics
import time

import pytest
from conftest import SMALL
from ways import READERS

OURS, USUAL, BARE = "explorer_frames", "requests, json, pandas", "requests, bytes only"
ROUNDS, CALLS = 15, 20


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


def test_cost_of_a_call(small, capsys):
    rounds = [{way: _cpu_seconds(read) for way, read in small.items()} for _ in range(ROUNDS)]
    cost = {way: statistics.median(spent[way] for spent in rounds) * 1000 for way in READERS}
    with capsys.disabled():
        print(f"\n{SMALL} rows, CPU ms per call: {', '.join(f'{way} {cost[way]:.2f}' for way in READERS)}")
        print(f"{OURS} over {BARE}: {cost[OURS] - cost[BARE]:.2f} ms (goal: at most 1 ms)")
    assert cost[OURS] < 2 * cost[USUAL]


def _cpu_seconds(read):
    start = time.process_time()
    for _ in range(CALLS):
        read()
    return (time.process_time() - start) / CALLS
