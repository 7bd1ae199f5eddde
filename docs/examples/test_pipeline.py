import pytest

from explorer_frames import Explorer, read_sample_result
from explorer_frames.errors import JobError


def top(job_id, task_id):
    """Return the vertex with the highest score. This is the code under test."""
    frame = read_sample_result(job_id, task_id)
    return frame.loc[frame["score"].idxmax(), "id"]


def test_custom_rows(explorer_sandbox):
    job_id, task_id = explorer_sandbox.add_result([["a", "b"], ["0.25", "0.75"]])
    assert top(job_id, task_id) == "b"


def test_real_algorithm(explorer_sandbox):
    with Explorer() as explorer:
        job = explorer.run_workflow(explorer_sandbox.workflows["lesmis"]).wait()
    assert top(job.job_id, job.task("PageRank").task_id) == "Valjean"


@pytest.mark.explorer_sandbox(task_seconds=60)
def test_wait_has_a_timeout(explorer_sandbox):
    with Explorer() as explorer, pytest.raises(JobError, match="did not end within"):
        explorer.run_workflow(explorer_sandbox.workflows["karate"]).wait(
            timeout=0.2, poll=0.1
        )
