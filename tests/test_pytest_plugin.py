"""The plugin for the tests of others: in projects of their own, as pytest would load it there."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import igraph  # noqa: F401 - pytester forgets what its tests import, and these cannot be imported twice
import pandas  # noqa: F401, ICN001
import pytest
from examples import EXAMPLES
from limits import PROCESS

from explorer_frames import pytest_plugin

pytest_plugins = ["pytester"]

HEAVY = {"pandas", "pyarrow", "numpy", "requests", "fsspec", "igraph", "uvicorn", "explorer_frames._client"}


@pytest.fixture
def project(pytester, monkeypatch):
    """A project that loads this one plugin, and no others of the environment's."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", "of another server")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    return pytester


def test_pytest_plugin_is_found_without_heavy_imports(tmp_path):
    found = [point for point in entry_points(group="pytest11") if point.name == "explorer_frames"]
    assert [point.value for point in found] == ["explorer_frames.pytest_plugin"], "install the project again"
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n"
        "def test_it(request):\n"
        "    assert request.config.pluginmanager.hasplugin('explorer_frames')\n"
        f"    assert not {HEAVY!r} & set(sys.modules)\n"
        "    assert 'explorer_sandbox(' in ' '.join(request.config.getini('markers'))\n"
    )
    code = (
        "import sys, pytest\n"
        "assert not pytest.main(['-q', '-p', 'no:hypothesispytest', '-p', 'no:benchmark'])\n"
        "assert pytest.main(['-q', '-p', 'no:explorer_frames', '-k', 'nothing']) == pytest.ExitCode.NO_TESTS_COLLECTED"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=PROCESS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_missing_package_is_named_with_its_extra(project):
    project.makepyfile("def test_it(explorer_sandbox):\n    pass\n")
    code = (
        f"import sys, pytest; sys.modules['igraph'] = None; sys.exit(pytest.main(['-p', {pytest_plugin.__name__!r}]))"
    )
    result = project.run(sys.executable, "-c", code)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*requires the package igraph; *install the extra ?sandbox?*"])


def test_a_sandbox_of_its_own_for_each_test(project):
    project.makepyfile("""
        import pytest, threading
        from explorer_frames import Explorer, read_sample_result

        before, seen = set(threading.enumerate()), []

        def test_no_argument_is_needed(explorer_sandbox):
            job_id, task_id = explorer_sandbox.add_result([["a", "b"], ["0.5", "0.25"]])
            assert read_sample_result(job_id, task_id)["score"].sum() == 0.75
            with Explorer() as explorer:
                job = explorer.run_workflow(explorer_sandbox.workflows["karate"]).wait(progress=False)
            assert job.status == "success"
            seen.append(explorer_sandbox)

        def test_new_server_does_not_keep_old_state(explorer_sandbox):
            assert explorer_sandbox is not seen[0]
            with Explorer() as explorer:
                assert explorer.list_jobs().empty

        def test_without_it():
            left = set(threading.enumerate()) - before
            assert not [thread for thread in left if thread.name.startswith("sandbox")]
            with pytest.raises(ConnectionError), Explorer(seen[0].url, token="t", retries=0) as explorer:
                explorer.list_jobs()
            with pytest.raises(ValueError, match="missing url"):
                Explorer()
    """)
    project.runpytest_inprocess(plugins=[pytest_plugin]).assert_outcomes(passed=3)
    assert os.environ["EXPLORER_FRAMES_TOKEN"] == "of another server"


def test_options_come_from_markers_the_closest_first(project):
    project.makepyfile("""
        import pytest
        from explorer_frames import read_sample_result

        pytestmark = pytest.mark.explorer_sandbox(limit_cap=2, user="ada")
        ROWS = [["a", "b", "c"], ["1", "2", "3"]]

        def test_of_the_module(explorer_sandbox):
            assert explorer_sandbox.user == "ada"
            assert len(read_sample_result(*explorer_sandbox.add_result(ROWS))) == 2

        @pytest.mark.explorer_sandbox(limit_cap=1)
        def test_of_its_own(explorer_sandbox):
            assert explorer_sandbox.user == "ada"
            assert len(read_sample_result(*explorer_sandbox.add_result(ROWS))) == 1

        @pytest.mark.explorer_sandbox(password="other")
        def test_of_two_options(explorer_sandbox):
            assert (explorer_sandbox.user, explorer_sandbox.password) == ("ada", "other")
            assert len(read_sample_result(*explorer_sandbox.add_result(ROWS))) == 2
    """)
    project.runpytest_inprocess(plugins=[pytest_plugin]).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("limitcap=1", "*unexpected keyword argument 'limitcap'*"),
        ("100", "*pass options as keyword arguments, such as limit_cap=100*"),
        ("limit_cap='x'", "*invalid marker explorer_sandbox: limit_cap must be at least 1, got 'x'*"),
        ("id_type='text'", "*id_type must be one of*got 'text'*"),
    ],
)
def test_invalid_marker_is_reported(project, marker, said):
    project.makepyfile(f"""
        import pytest

        @pytest.mark.explorer_sandbox({marker})
        def test_it(explorer_sandbox):
            pass
    """)
    result = project.runpytest_inprocess(plugins=[pytest_plugin])
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


def test_missing_packages_are_listed_with_the_extra(project, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("explorer_frames.sandbox")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "igraph", None)
    project.makepyfile("def test_it(explorer_sandbox):\n    pass\n")
    result = project.runpytest_inprocess(plugins=[pytest_plugin])
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*igraph*install the extra ?sandbox?*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_examples_of_the_how_to_page(project):
    for name in ("test_pipeline.py", "test_pipeline_of_a_module.py"):
        project.makepyfile(**{name.removesuffix(".py"): (EXAMPLES / name).read_text(encoding="utf-8")})
    project.runpytest_inprocess(plugins=[pytest_plugin]).assert_outcomes(passed=4)
