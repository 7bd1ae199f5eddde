"""Load the results of each job of a workflow into DuckDB exactly once."""

from collections.abc import Iterator

import dlt
import pyarrow as pa

from explorer_frames import Explorer


@dlt.resource(
    write_disposition="append",
    schema_contract={"columns": "freeze", "data_type": "freeze"},
)
def results(explorer: Explorer, workflow_id: int, task_name: str) -> Iterator[pa.Table]:
    """Yield the rows of a task in batches, with a `job_id` column.

    dlt commits the ids of the loaded jobs in the same transaction as the data. If a
    response is invalid, this generator raises an error and dlt loads nothing.
    """
    loaded = dlt.current.resource_state().setdefault("jobs", [])
    jobs = explorer.list_jobs(workflow_id, status="success", order="asc", limit=None)
    for job_id in jobs.loc[~jobs["job_id"].isin(loaded), "job_id"]:
        for task in explorer.job(job_id).tasks:
            if task.name == task_name and task.status == "success":
                with explorer.open_sample_result(job_id, task.task_id) as reader:
                    for batch in reader:
                        table = pa.Table.from_batches([batch])
                        yield table.append_column(
                            "job_id", pa.repeat(job_id, len(table))
                        )
        loaded.append(job_id)


def load(workflow_id: int = 1002):
    """Load PageRank and Louvain into separate tables."""
    pipeline = dlt.pipeline(
        "explorer",
        destination=dlt.destinations.duckdb("graph.duckdb"),
        dataset_name="explorer",
    )
    with Explorer() as explorer:
        return pipeline.run(
            [
                results(explorer, workflow_id, "PageRank").with_name("page_rank"),
                results(explorer, workflow_id, "Louvain").with_name("louvain"),
            ]
        )


if __name__ == "__main__":
    print(load())
