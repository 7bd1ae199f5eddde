"""The dlt example, run by the real dlt."""

from __future__ import annotations

import duckdb
import pytest
from examples import TASKS, load

from explorer_frames.sandbox import Graph

pytestmark = [pytest.mark.etl, pytest.mark.filterwarnings("ignore")]  # dlt's packages warn about each other


@pytest.fixture
def example(tmp_path, monkeypatch, sandbox):
    """The example, with its pipeline and its database in folders of their own."""
    for name, value in {**sandbox.environment, "DLT_DATA_DIR": str(tmp_path / "dlt")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.chdir(tmp_path)
    return load("dlt_pipeline.py", tmp_path, {})


def rows(query):
    with duckdb.connect("graph.duckdb", read_only=True) as database:
        return database.execute(query).fetchall()


def test_each_job_is_loaded_once(example, sandbox, explorer):
    workflow = sandbox.add_workflow("dlt", Graph.les_miserables(), TASKS)
    first = explorer.run_workflow(workflow).wait(progress=False)
    assert not example.load(workflow).has_failed_jobs
    [(column, *_), *others] = rows("DESCRIBE explorer.page_rank")
    assert (column, [name for name, *_ in others]) == ("id", ["score", "job_id"])
    assert rows("SELECT count(*), round(sum(score), 3) FROM explorer.page_rank") == [(77, 1.0)]
    assert rows("SELECT count(*), count(DISTINCT community) FROM explorer.louvain") == [(77, 6)]

    assert not example.load(workflow).loads_ids, "nothing is new"
    second = explorer.run_workflow(workflow).wait(progress=False)
    example.load(workflow)
    for table in ("page_rank", "louvain"):
        assert rows(f"SELECT job_id, count(*) FROM explorer.{table} GROUP BY 1 ORDER BY 1") == [
            (first.job_id, 77),
            (second.job_id, 77),
        ]


def test_no_rows_are_loaded_from_a_response_with_an_invalid_end(example, sandbox, explorer):
    from dlt.pipeline.exceptions import PipelineStepFailed

    count = 300_000
    ids, scores = [f"v{number}" for number in range(count)], ["0.5"] * count
    sandbox.add_result([ids, [*scores[:-1], "a label"]])
    workflow = sandbox.workflows["results"]
    with pytest.raises(PipelineStepFailed, match="'a label'"):
        example.load(workflow)
    with pytest.raises(duckdb.Error):
        rows("SELECT count(*) FROM explorer.page_rank")


def test_additional_column_is_rejected(example, sandbox, explorer):
    from dlt.pipeline.exceptions import PipelineStepFailed

    workflow = sandbox.add_workflow("dlt columns", Graph.les_miserables(), TASKS)
    explorer.run_workflow(workflow).wait(progress=False)
    example.load(workflow)
    more = {"analytics_louvain_1": {"is_output_modularity": "true"}}
    job = explorer.run_workflow(workflow, more).wait(progress=False)
    with pytest.raises(PipelineStepFailed, match="modularity"):
        example.load(workflow)
    assert rows(f"SELECT count(*) FROM explorer.louvain WHERE job_id = '{job.job_id}'") == [(0,)]
