"""The Prefect example, run by the real Prefect."""

from __future__ import annotations

import pytest
from examples import TASKS, landed, load, unreliable

from explorer_frames.errors import JobError, UnsafeToRetryError
from explorer_frames.sandbox import Graph

pytestmark = [pytest.mark.etl, pytest.mark.filterwarnings("ignore")]  # Prefect's packages warn about each other


@pytest.fixture(scope="module")
def flow(tmp_path_factory, sandbox):
    """The example's flow, under a server of its own which has the password."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PREFECT_HOME": str(home), "DO_NOT_TRACK": "1"}.items():
            patch.setenv(name, value)
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        from prefect.blocks.system import Secret
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=600):
            Secret(value=sandbox.password).save("explorer-password")
            changes = {'"retry_delay_seconds": 60': '"retry_delay_seconds": 0', "retry_delay_seconds=600": ""}
            yield load("prefect_flow.py", home, changes).explorer_to_lake


@pytest.fixture
def lost(sandbox, monkeypatch):
    """Requests whose answers are lost, by a part of their first line, in the order that they are to come in."""
    lost = []
    with unreliable(sandbox.url, lambda line: bool(lost) and lost[0] in line and lost.pop(0)) as between:
        for name in ("USER", "GRAPHD"):
            monkeypatch.setenv(f"EXPLORER_FRAMES_{name}", sandbox.environment[f"EXPLORER_FRAMES_{name}"])
        monkeypatch.setenv("EXPLORER_FRAMES_URL", between.url)
        yield lost


def test_the_flow(flow, lost, tmp_path, sandbox, explorer):
    workflow = sandbox.add_workflow("prefect", Graph.les_miserables(), TASKS)
    lost += [b"/sample_result"] * 6  # of both tasks, and of each all the tries of a call
    assert flow(workflow, str(tmp_path)) == {"written": 2, "skipped": 0}
    assert not lost
    [first] = explorer.list_jobs(workflow)["job_id"]
    assert landed(tmp_path) == [f"Louvain/{first}", f"PageRank/{first}"]
    assert flow(workflow, str(tmp_path)) == {"written": 2, "skipped": 2}, "another run is another job"


def test_a_flow_that_is_retried_keeps_its_job(flow, lost, tmp_path, sandbox, explorer):
    workflow = sandbox.add_workflow("prefect2", Graph.les_miserables(), TASKS)
    lost += [b"/sample_result"] * 6 * 4  # longer than the task's own retries
    assert flow(workflow, str(tmp_path))["written"] == 2
    assert not lost
    assert len(explorer.list_jobs(workflow)) == 1


def test_possibly_accepted_request_is_not_repeated(flow, lost, tmp_path, sandbox, explorer):
    workflow = sandbox.add_workflow("prefect3", Graph.les_miserables(), TASKS)
    lost.append(b"POST /api-open/v1/workflows/")
    with pytest.raises(UnsafeToRetryError, match="list_jobs"):
        flow.with_options(retries=0)(workflow, str(tmp_path))
    assert len(explorer.list_jobs(workflow)) == 1
    assert landed(tmp_path) == []


def test_a_job_that_fails_is_not_waited_for_again(flow, lost, tmp_path, sandbox, explorer):
    workflow = sandbox.add_workflow("prefect4", Graph.les_miserables(), {"bad_1": ("Fail", {})})
    with pytest.raises(JobError, match="failed tasks: Fail"):
        flow.with_options(retries=0)(workflow, str(tmp_path))
    assert len(explorer.list_jobs(workflow)) == 1
