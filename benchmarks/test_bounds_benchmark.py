"""Check bounds on memory in fresh processes. They are wide, so only a large regression exceeds them."""

from __future__ import annotations

import memory
import peers
import pytest
import steps
import sync_memory
from side_by_side import measure

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", memory.EXPORTS)
def test_exports_are_in_constant_memory(way):
    few, many = (measure(f"{rows}/two", 1, (way,))[way][0]["mb"] for rows in (1_000_000, 3_000_000))
    assert few <= 100
    assert many <= 100  # memory that the allocator retains varies by about 20


@pytest.mark.parametrize(("pool", "most"), [("", 250), ("system", 150)])  # goal: 100, as on the command line
def test_a_sync_needs_memory_for_its_workers_and_not_for_its_results(pool, most, monkeypatch):
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", pool)
    few, many = (sync_memory.measure(rows, 4)["mb"] for rows in (1_000_000, 2_000_000))
    assert few <= most
    assert many <= most


def test_the_results_of_all_peers_are_written(tmp_path):
    samples = peers.measure("1000/three", 1)
    peers.plot({1_000: samples}, "seconds", "seconds", tmp_path / "time.png")
    profile = steps.measure(1_000, "three")
    plan = peers.Plan((1_000,), 1_000, 1, 1)
    report = peers.report({1_000: samples}, {"three": samples}, plan, "a command", profile, {"seconds": 1, "cpu": 1})
    assert all(report.count(f"\n| {way} |") == 4 for way in peers.WAYS)
    assert (tmp_path / "time.png").stat().st_size > 10_000
