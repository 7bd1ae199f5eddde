"""For the tests of your own pipeline: a pytest plugin with one fixture, `explorer_sandbox`.

pytest finds it by itself where this library is installed; ``-p no:explorer_frames`` leaves it out. It is loaded in
every run of pytest, so nothing is imported here before a test asks for the fixture.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from explorer_frames.sandbox import Sandbox

MARKER = "explorer_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", f"{MARKER}(**options): options of the Sandbox that {MARKER} starts")


@pytest.fixture
def explorer_sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run an embedded Explorer of the test's own, and lead the library to it.

    ``Explorer()`` and the plain functions need no arguments then; all other ``EXPLORER_FRAMES_*`` variables are out
    of the way, and no proxy is asked. The marker ``explorer_sandbox`` passes options on to
    `explorer_frames.sandbox.Sandbox`; one at a test overrides, name by name, those at its class and its module.

    Yields
    ------
    explorer_frames.sandbox.Sandbox
        Running; it stops behind the test.

    Examples
    --------
    A test of yours::

        @pytest.mark.explorer_sandbox(limit_cap=100)
        def test_my_pipeline(explorer_sandbox):
            job_id, task_id = explorer_sandbox.add_result([["a", "b"], ["0.5", "0.25"]])
            assert my_pipeline(job_id, task_id) == 0.75
    """
    with _sandbox(request.node) as server:
        for name in [name for name in os.environ if name.startswith("EXPLORER_FRAMES_")]:
            monkeypatch.delenv(name)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        host = server.url.removeprefix("http://").rpartition(":")[0]
        bypassed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        monkeypatch.setenv("no_proxy", f"{bypassed},{host}" if bypassed else host)
        yield server


def _sandbox(node: pytest.Item) -> Sandbox:
    """Make the one that a test's markers describe."""
    try:
        from explorer_frames.sandbox import Sandbox  # noqa: PLC0415 (only for tests that ask for it)
    except ModuleNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    signature = inspect.signature(Sandbox)
    options: dict[str, Any] = {}
    try:
        for marker in node.iter_markers(MARKER):  # the closest comes first
            if marker.args:
                raise TypeError("pass options as keyword arguments, such as limit_cap=100")
            signature.bind(**marker.kwargs)
            options = {**marker.kwargs, **options}
        return Sandbox(**options)
    except TypeError as error:
        why = f"{error}\nOptions: {', '.join(signature.parameters)}."
    except ValueError as error:
        why = str(error)
    pytest.fail(f"invalid marker {MARKER}: {why}", pytrace=False)
