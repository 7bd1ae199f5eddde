"""Run an Explorer workflow and sync its results to a data lake."""

from prefect import flow, task
from prefect.blocks.system import Secret

from explorer_frames import Explorer
from explorer_frames.errors import JobError, UnsafeToRetryError


def connect() -> Explorer:
    """Connect with the password from a Prefect block.

    The other settings are environment variables.
    """
    return Explorer(password=lambda: Secret.load("explorer-password").get())


def should_retry(task, run, state) -> bool:
    """Return False if the job may have started or has failed."""
    return not isinstance(
        state.result(raise_on_failure=False), UnsafeToRetryError | JobError
    )


again = {"retries": 3, "retry_delay_seconds": 60, "retry_condition_fn": should_retry}


# The result is persisted, so a retry of the flow does not start a second job.
@task(persist_result=True, **again)
def submit(workflow_id: int) -> str:
    with connect() as explorer:
        return explorer.run_workflow(workflow_id).job_id


@task(**again)
def wait(job_id: str) -> None:
    with connect() as explorer:
        explorer.job(job_id).wait(timeout=6 * 3600)


@task(**again)
def sync(workflow_id: int, lake: str) -> dict[str, int]:
    """Export all missing results, including those of earlier jobs."""
    with connect() as explorer:
        report = explorer.sync_workflow(workflow_id, lake)
    return {"written": len(report.written), "skipped": len(report.skipped)}


@flow(retries=1, retry_delay_seconds=600)
def explorer_to_lake(
    workflow_id: int = 1002, lake: str = "s3://lake/graph"
) -> dict[str, int]:
    wait(submit(workflow_id))
    return sync(workflow_id, lake)


if __name__ == "__main__":
    print(explorer_to_lake())
