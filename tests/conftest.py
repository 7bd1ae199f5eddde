"""Shared fixtures."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A shell without job control starts background jobs with SIGINT ignored, and their children inherit this.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("MPLBACKEND", "agg")  # opens no windows

# `quick` is for development, `ci` for `.ci/run` and `weekly` for the weekly workflow. `release` takes hours.
settings.register_profile("quick", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("weekly", settings.get_profile("ci"), max_examples=20_000)
settings.register_profile("release", settings.get_profile("ci"), max_examples=1_000_000)
# Mutation tests use a few examples, which are the same in each run.
settings.register_profile("mutants", settings.get_profile("quick"), max_examples=50, derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_make_parametrize_id(val, argname):
    """Name binary parameters by their argument, because the bytes may differ between workers."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Disable the garbage collector during collection, which creates thousands of objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Run the tests of a module on one worker if possible, so its fixtures are set up once."""
    if config.getvalue("dist") != "load":  # the default for `-n`
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_terminal_summary(terminalreporter):
    """Report the counts of the fault bench, the secret tests and the storage contract."""
    counted = Counter()
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties if report.when == "call" else ():
            if isinstance(value, int):
                counted[name] += value
            else:
                terminalreporter.section(name)
                terminalreporter.write_line(value)
    for name, number in counted.items():
        terminalreporter.write_line(f"{name}: {number:,}")
    if "storage" not in sys.modules:
        return
    from storage import COLUMNS, TALLY

    if TALLY:
        terminalreporter.section("stores")
        terminalreporter.write_line(f"{'store':<18}" + "".join(f"{column:>14}" for column in COLUMNS))
        for name, seen in sorted(TALLY.items()):
            terminalreporter.write_line(f"{name:<18}" + "".join(f"{seen[column]:>14,}" for column in COLUMNS))


_CERTIFICATES = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("EXPLORER_FRAMES_") or name.lower().endswith("_proxy") or name in _CERTIFICATES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path(os.sep, "no", "config", "of", "a", "person")))


@pytest.fixture(scope="session")
def sandbox():
    # Imported here, because the controller process also imports this module and does not need it.
    from explorer_frames.sandbox import Sandbox

    with Sandbox() as server:
        yield server


@pytest.fixture
def explorer(sandbox):
    from explorer_frames import Explorer

    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        yield explorer


@pytest.fixture
def world(sandbox):
    """Return a new workflow to sync."""
    from syncing import World

    made = World(sandbox)
    yield made
    made.explorer.close()


@pytest.fixture
def cli(capsys):
    """Return a function that runs the command line in this process."""
    from commandline import Ended, main

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ended(ended.value.code or 0, out, err)

    return call
