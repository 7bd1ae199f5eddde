"""Bounds on what is measured in fresh processes: generous, so that only a change of kind breaks them."""

from __future__ import annotations

from statistics import median

import import_time
import memory
import pytest
import sync_memory
from side_by_side import OURS, USUAL, measure

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", memory.EXPORTS)
def test_exports_are_in_constant_memory(way):
    few, many = (measure(f"{rows}/two", 1, (way,))[way][0]["mb"] for rows in (1_000_000, 3_000_000))
    assert few <= 100
    assert many <= 100  # what the allocator keeps varies by some 20


def test_a_sync_needs_memory_for_its_workers_and_not_for_its_results():
    few, many = (sync_memory.measure(rows, 4)["mb"] for rows in (1_000_000, 2_000_000))
    assert few <= 300
    assert many <= 300


def test_import_is_light():
    samples = import_time.measure(5)
    assert median(sample["explorer_frames"] for sample in samples) <= 100  # goal: 30


def test_faster_than_the_usual_code():
    samples = measure("300000/two", 3, (OURS, USUAL))
    ours, usual = (median(sample["cpu"] for sample in samples[way]) for way in (OURS, USUAL))
    assert usual >= 2 * ours
