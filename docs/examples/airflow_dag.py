"""Run an Explorer workflow every day and sync its results to a data lake."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Connection, PokeReturnValue, dag, task
from airflow.sdk.exceptions import AirflowFailException

import explorer_frames  # lazy imports, so the DAG file parses quickly

WORKFLOW = 1002
LAKE = "s3://lake/graph"
CLOCK_SKEW = timedelta(minutes=5)  # maximum delay of the server's clock


def connect():
    """Connect with the settings of the Airflow connection `explorer`."""
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
        """Start the workflow, unless this DAG run has already started a job."""
        with connect() as explorer:
            jobs = explorer.list_jobs(
                WORKFLOW, created_after=dag_run.run_after - CLOCK_SKEW
            )
            jobs = jobs[~jobs["status"].isin(["failed", "interrupted", "stopping"])]
            if len(jobs):  # this task was retried or cleared, or its worker died
                return jobs["job_id"].iloc[0]
            try:
                return explorer.run_workflow(WORKFLOW).job_id
            except explorer_frames.errors.UnsafeToRetryError as error:
                # Do not retry. Check first whether the job has started.
                raise AirflowFailException(str(error)) from None

    @task.sensor(mode="reschedule", poke_interval=60, timeout=6 * 3600)
    def wait(job_id):
        """Wait for the job without occupying a worker slot between polls."""
        with connect() as explorer:
            job = explorer.job(job_id)
        ended = job.status in ("success", "failed", "interrupted")
        if ended and job.status != "success":
            raise AirflowFailException(f"the job did not succeed: {job}")
        return PokeReturnValue(is_done=ended, xcom_value=job_id)

    @task
    def sync():
        """Export all missing results, including those of earlier jobs."""
        with connect() as explorer:
            report = explorer.sync_workflow(WORKFLOW, LAKE)
        return {"written": len(report.written), "skipped": len(report.skipped)}

    wait(submit()) >> sync()


explorer_to_lake_dag = explorer_to_lake()

if __name__ == "__main__":
    explorer_to_lake_dag.test()
