"""pytest plugin with the fixture `explorer_sandbox`, for tests of your own pipeline.

pytest loads the plugin automatically. Disable it with ``-p no:explorer_frames``. The sandbox is imported only if a test
requests the fixture.
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
    """Register the marker."""
    config.addinivalue_line("markers", f"{MARKER}(**options): pass options to the Sandbox of the fixture {MARKER}")


@pytest.fixture
def explorer_sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Start an embedded Explorer for the test, and connect the library to it.

    During the test, ``Explorer()`` and the module-level functions connect to the sandbox without arguments. Other
    ``EXPLORER_FRAMES_*`` variables are removed, and proxies are bypassed.

    Use the marker ``explorer_sandbox`` to pass options to `explorer_frames.sandbox.Sandbox`. Options of a test's marker
    override the options of its class and module.

    Yields
    ------
    explorer_frames.sandbox.Sandbox
        The running sandbox, which is stopped after the test.

    Examples
    --------
    In your tests::

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
    """Create a sandbox with the options of a test's markers."""
    try:
        from explorer_frames.sandbox import Sandbox  # noqa: PLC0415 (only for tests that request it)
    except ModuleNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    signature = inspect.signature(Sandbox)
    options: dict[str, Any] = {}
    try:
        for marker in node.iter_markers(MARKER):  # closest marker first
            if marker.args:
                raise TypeError("pass options as keyword arguments, such as limit_cap=100")
            signature.bind(**marker.kwargs)
            options = {**marker.kwargs, **options}
        return Sandbox(**options)
    except TypeError as error:
        why = f"{error}\nValid options: {', '.join(signature.parameters)}."
    except ValueError as error:
        why = str(error)
    pytest.fail(f"invalid marker {MARKER}: {why}", pytrace=False)
