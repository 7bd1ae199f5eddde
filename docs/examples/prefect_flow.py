"""Run a workflow, wait for its job, and sync its results to a data lake."""

from prefect import flow, task
from prefect.blocks.system import Secret

from explorer_frames import Explorer
from explorer_frames.errors import JobError, UnsafeToRetryError


def connect() -> Explorer:
    """Connect with the environment's settings and the password in a Prefect block."""
    return Explorer(password=lambda: Secret.load("explorer-password").get())


def may_help(task, run, state) -> bool:
    """Return False if the job failed, or if a retry could start a second job."""
    return not isinstance(
        state.result(raise_on_failure=False), UnsafeToRetryError | JobError
    )


again = {"retries": 3, "retry_delay_seconds": 60, "retry_condition_fn": may_help}


# The result is persisted, so a retried flow does not start a second job.
@task(persist_result=True, **again)
def submit(workflow_id: int) -> str:
    with connect() as explorer:
        return explorer.run_workflow(workflow_id).job_id


@task(**again)
def wait(job_id: str) -> None:
    with connect() as explorer:
        explorer.job(job_id).wait(timeout=6 * 3600)


@task(**again)
def land(workflow_id: int, lake: str) -> dict[str, int]:
    """Write the missing results of this job and of earlier jobs."""
    with connect() as explorer:
        report = explorer.sync_workflow(workflow_id, lake)
    return {"written": len(report.written), "there before": len(report.skipped)}


@flow(retries=1, retry_delay_seconds=600)
def explorer_to_lake(
    workflow_id: int = 1002, lake: str = "s3://lake/graph"
) -> dict[str, int]:
    wait(submit(workflow_id))
    return land(workflow_id, lake)


if __name__ == "__main__":
    print(explorer_to_lake())
