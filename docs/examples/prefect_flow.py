"""Run a workflow of Explorer, wait, land its results in the lake."""

from prefect import flow, task
from prefect.blocks.system import Secret

from explorer_frames import Explorer
from explorer_frames.errors import JobError, UnsafeToRetryError


def connect() -> Explorer:
    """Take the password from Prefect's block, the rest from the environment."""
    return Explorer(password=lambda: Secret.load("explorer-password").get())


def may_help(task, run, state) -> bool:
    """Try again, unless the job may have been made, or has failed."""
    return not isinstance(
        state.result(raise_on_failure=False), UnsafeToRetryError | JobError
    )


again = {"retries": 3, "retry_delay_seconds": 60, "retry_condition_fn": may_help}


# Persisted: where the flow is retried, its job is not made again.
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
    """Land what is missing: of this job, and of any before it."""
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
