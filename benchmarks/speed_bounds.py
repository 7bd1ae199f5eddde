"""Check bounds on speed. Run by hand on an idle machine; `.ci/run` does not collect this file.

The bounds are wide, so only a large regression exceeds them. `test_work.py` counts work instead, for CI.

    pytest benchmarks/speed_bounds.py --benchmark-disable
"""

from __future__ import annotations

import time
from statistics import median

import growth
import import_time
import pytest
import unsafe
from conftest import SMALL
from side_by_side import OURS, USUAL, measure
from ways import BARE, READERS

ROUNDS, CALLS = 15, 20


def test_import_is_light():
    samples = import_time.measure(5)
    assert median(sample["explorer_frames"] + sample["first use"] for sample in samples) <= 100  # goal: 30


@pytest.mark.parametrize(("kind", "times"), [("two", 8), ("three", 6), ("escaped", 5), ("unicode", 3)])
def test_faster_than_the_usual_code(kind, times):
    samples = measure(f"300000/{kind}", 3, (OURS, USUAL))
    ours, usual = (median(sample["cpu"] for sample in samples[way]) for way in (OURS, USUAL))
    assert usual >= times * ours  # goals: 15 for two columns, 3 for escapes in every id


def test_near_to_the_download():
    samples = measure("1000000/two", 5, (OURS, BARE))
    ours, bare = (median(sample["seconds"] for sample in samples[way]) for way in (OURS, BARE))
    assert ours <= 2 * bare  # goal: 1.3


def test_time_grows_with_the_rows():
    exponent = growth.measure((100_000, 316_000, 1_000_000, 3_160_000))[OURS]["cpu"]
    assert 0.7 <= exponent <= 1.15  # goal: 0.95 to 1.05


def test_safety_costs_little():
    rounds = [unsafe.measure(1_000_000, "two") for _ in range(3)]  # other load can affect a round
    waited = min(median(unsafe.ratios(samples, "seconds")) for samples in rounds)
    assert waited <= 1.15  # ours uses two threads, the other one
    safe, bare = (min(sample["cpu"] for samples in rounds for sample in samples[way]) for way in ("safe", "unsafe"))
    assert safe <= 1.45 * bare  # measured: about 1.3, including threads and copies


def test_cost_of_a_call(readers, check, capsys):
    """Compare the CPU time of ten-row reads, in alternating rounds. Goal: at most 1 ms more than reading the bytes."""
    small = readers("two", SMALL)
    for read in small.values():
        check(read(), "two", SMALL)
    rounds = [{way: _cpu_seconds(read) for way, read in small.items()} for _ in range(ROUNDS)]
    cost = {way: median(spent[way] for spent in rounds) * 1000 for way in READERS}
    with capsys.disabled():
        print(f"\n{SMALL} rows, CPU ms per call: {', '.join(f'{way} {cost[way]:.2f}' for way in READERS)}")
        print(f"{OURS} over {BARE}: {cost[OURS] - cost[BARE]:.2f} ms (goal: at most 1 ms)")
    assert cost[OURS] < 2 * cost[USUAL]


def _cpu_seconds(read):
    start = time.process_time()
    for _ in range(CALLS):
        read()
    return (time.process_time() - start) / CALLS
