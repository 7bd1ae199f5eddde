"""Run a workflow once a day, and sync its results to a data lake."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Connection, PokeReturnValue, dag, task
from airflow.sdk.exceptions import AirflowFailException

import explorer_frames  # imports submodules on first use, so the DAG parses quickly

WORKFLOW = 1002
LAKE = "s3://lake/graph"
CLOCKS = timedelta(minutes=5)  # how far the server's clock may be behind Airflow's


def connect():
    """Connect with the settings of Airflow's connection `explorer`."""
    known = Connection.get("explorer")
    return explorer_frames.Explorer(
        f"{known.schema or 'http'}://{known.host}:{known.port}",
        user=known.login,
        password=known.password,
        graphd=known.extra_dejson["graphd"],
    )


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
)
def explorer_to_lake():
    @task
    def submit(dag_run=None):
        """Run the workflow, unless this DAG run already has a job."""
        with connect() as explorer:
            jobs = explorer.list_jobs(
                WORKFLOW, created_after=dag_run.run_after - CLOCKS
            )
            jobs = jobs[~jobs["status"].isin(["failed", "interrupted", "stopping"])]
            if len(jobs):  # this task was retried or cleared, or its worker died
                return jobs["job_id"].iloc[0]
            try:
                return explorer.run_workflow(WORKFLOW).job_id
            except explorer_frames.errors.UnsafeToRetryError as error:
                # No retry, because the job may already be running.
                raise AirflowFailException(str(error)) from None

    @task.sensor(mode="reschedule", poke_interval=60, timeout=6 * 3600)
    def wait(job_id):
        """Check whether the job has ended, without occupying a worker in between."""
        with connect() as explorer:
            job = explorer.job(job_id)
        ended = job.status in ("success", "failed", "interrupted")
        if ended and job.status != "success":
            raise AirflowFailException(f"the job did not succeed: {job}")
        return PokeReturnValue(is_done=ended, xcom_value=job_id)

    @task
    def land():
        """Write the missing results of this job and of earlier jobs."""
        with connect() as explorer:
            report = explorer.sync_workflow(WORKFLOW, LAKE)
        return {"written": len(report.written), "there before": len(report.skipped)}

    wait(submit()) >> land()


explorer_to_lake_dag = explorer_to_lake()

if __name__ == "__main__":
    explorer_to_lake_dag.test()
