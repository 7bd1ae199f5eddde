"""Once a day: run a workflow of Explorer, wait, land its results in the lake."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Connection, PokeReturnValue, dag, task
from airflow.sdk.exceptions import AirflowFailException

import explorer_frames  # loads the rest when it is used: a DAG has to parse quickly

WORKFLOW = 1002
LAKE = "s3://lake/graph"
CLOCKS = timedelta(minutes=5)  # how much the server's clock may be behind Airflow's


def connect():
    """Connect as Airflow's connection `explorer` says."""
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
        """Run the workflow, unless this run of the DAG has its job already."""
        with connect() as explorer:
            jobs = explorer.list_jobs(
                WORKFLOW, created_after=dag_run.run_after - CLOCKS
            )
            jobs = jobs[~jobs["status"].isin(["failed", "interrupted", "stopping"])]
            if len(jobs):  # a task is tried again, or cleared, or its worker has died
                return jobs["job_id"].iloc[0]
            try:
                return explorer.run_workflow(WORKFLOW).job_id
            except explorer_frames.errors.UnsafeToRetryError as error:
                # Not tried again: a person has to look first.
                raise AirflowFailException(str(error)) from None

    @task.sensor(mode="reschedule", poke_interval=60, timeout=6 * 3600)
    def wait(job_id):
        """Wait without a worker: each look is a task of its own."""
        with connect() as explorer:
            job = explorer.job(job_id)
        ended = job.status in ("success", "failed", "interrupted")
        if ended and job.status != "success":
            raise AirflowFailException(f"the job did not succeed: {job}")
        return PokeReturnValue(is_done=ended, xcom_value=job_id)

    @task
    def land():
        """Land what is missing: of this job, and of any before it."""
        with connect() as explorer:
            report = explorer.sync_workflow(WORKFLOW, LAKE)
        return {"written": len(report.written), "there before": len(report.skipped)}

    wait(submit()) >> land()


explorer_to_lake_dag = explorer_to_lake()

if __name__ == "__main__":
    explorer_to_lake_dag.test()
