"""Fixtures that many modules use."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

from explorer_frames import Explorer
from explorer_frames.sandbox import Sandbox

# `quick` for one's own machine; `.ci/run` runs `ci`.
settings.register_profile("quick", max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_terminal_summary(terminalreporter):
    """Say what the storage contract tried and saw, store by store."""
    if "storage" not in sys.modules:
        return
    from storage import COLUMNS, TALLY

    if TALLY:
        terminalreporter.section("stores")
        terminalreporter.write_line(f"{'store':<18}" + "".join(f"{column:>14}" for column in COLUMNS))
        for name, seen in sorted(TALLY.items()):
            terminalreporter.write_line(f"{name:<18}" + "".join(f"{seen[column]:>14,}" for column in COLUMNS))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("EXPLORER_FRAMES_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def sandbox():
    with Sandbox() as server:
        yield server


@pytest.fixture
def explorer(sandbox):
    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        yield explorer
