"""The vendor's tutorial workflow, a Query and then algorithms on its rows, through every way of reading."""

from __future__ import annotations

import pandas as pd
import pytest

from explorer_frames import history, read_lake, read_sample_result_arrow, verify_file
from explorer_frames._jobs.status import FINAL
from explorer_frames.sandbox import Graph

ALGORITHMS = {
    "analytics_pagerank_1": ("PageRank", {"iterations": 10}),
    "analytics_louvain_1": ("Louvain", {}),
}
# Widths of queries that look like those of algorithms, and others.
COLUMNS = ["", "src", "src,dst", "dst,share", "note,active,since", "serial,src,note,dst,since"]


@pytest.fixture
def run(sandbox, explorer):
    """Run a new workflow on karate (integer ids) or lesmis (string ids); return its id, its job and the query's rows."""

    def start(graph="lesmis", columns="", algorithms=ALGORITHMS):
        source = {"karate": Graph.karate, "lesmis": Graph.les_miserables}[graph]()
        tasks = {"query_1": ("Query", {"columns": columns}), **algorithms}
        workflow = sandbox.add_workflow(f"tutorial {graph} {columns}", source, tasks)
        job = explorer.run_workflow(workflow, {"query_1": {"limit": -1}}).wait(progress=False)
        rows = sandbox._jobs.task(int(job.job_id), job.tasks[0].task_id).result
        return workflow, job, [list(row) for row in rows.cells(0, len(rows))]

    return start


def text_columns(rows):
    """The frame that every reader returns for a query's rows."""
    return pd.DataFrame(rows, columns=[f"column_{number + 1}" for number in range(len(rows[0]))], dtype="str")


@pytest.mark.parametrize("graph", ["karate", "lesmis"])
@pytest.mark.parametrize("columns", COLUMNS)
def test_a_query_is_read_as_text_columns_of_any_number(run, explorer, graph, columns):
    _, job, rows = run(graph, columns, {})
    expected, [task] = text_columns(rows), job.tasks
    vid_type = "int64" if graph == "karate" else "string"  # makes no difference to text
    for frame in (
        task.read(vid_type=vid_type),
        job.read(vid_type=vid_type)[task.name],
        explorer.read_sample_result(job.job_id, task.task_id, None, schema="auto", vid_type=vid_type),
        explorer.read_sample_result(job.job_id, task.task_id, None, schema="query", vid_type=vid_type),
    ):
        pd.testing.assert_frame_equal(frame, expected, check_exact=True)
    table = read_sample_result_arrow(job.job_id, task.task_id, None, schema="auto", explorer=explorer)
    assert {str(kind) for kind in table.schema.types} == {"string"}
    assert [list(row.values()) for row in table.to_pylist()] == rows


@pytest.mark.parametrize("graph", ["karate", "lesmis"])
@pytest.mark.parametrize("columns", ["", "src,dst"])
def test_the_tutorial_workflow_is_read_synced_twice_and_listed_in_its_history(run, explorer, tmp_path, graph, columns):
    workflow, job, rows = run(graph, columns)
    frames = job.read()
    assert list(frames) == ["Query", "PageRank", "Louvain"]
    pd.testing.assert_frame_equal(frames["Query"], text_columns(rows), check_exact=True)
    assert frames["PageRank"].columns.tolist() == ["id", "score"]

    lake = tmp_path / "lake"
    report = explorer.sync_workflow(workflow, lake, progress=False)
    assert {item.task_name for item in report.written} == set(frames)
    assert not report.failed
    for item in report.written:
        assert verify_file(item.path).complete
        own = pd.read_parquet(item.path).drop(columns=["job_id", "task_id", "end_time"])
        pd.testing.assert_frame_equal(own, frames[item.task_name], check_exact=True)
    again = explorer.sync_workflow(workflow, lake, progress=False)
    assert (again.written, again.failed, len(again.skipped)) == ((), (), 3)

    runs = history(workflow, task="Query", explorer=explorer)
    told = runs.columns.tolist().index("column_1")
    pd.testing.assert_frame_equal(
        runs.iloc[:, told:].reset_index(drop=True).astype("str"), text_columns(rows), check_exact=True
    )
    assert set(history(workflow, explorer=explorer)["task_name"]) == set(frames)


def test_the_command_line_syncs_and_reads_the_tutorial_workflow(run, cli, sandbox, tmp_path, monkeypatch):
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    workflow, job, rows = run()
    for _ in range(2):
        done = cli("sync", workflow, tmp_path / "lake")
        assert done.code == 0, done.err
    assert len(list((tmp_path / "lake").glob("[!_]*/*.parquet"))) == 3
    frame = read_lake(tmp_path / "lake", "Query").drop(columns=["job_id", "task_id", "end_time"])
    pd.testing.assert_frame_equal(frame, text_columns(rows), check_exact=True)
    shown = cli("read", job.job_id, "Query", "--limit", "all", "--csv")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("column_1,column_2,")


def test_a_failed_query_loses_no_results_of_other_tasks(sandbox, explorer):
    tasks = {"analytics_wcc_1": ("WCC", {}), "query_1": ("Query", {"columns": "nope"}), **ALGORITHMS}
    workflow = sandbox.add_workflow("failed query", Graph.karate(), tasks)
    job = explorer.run_workflow(workflow)
    while job.status not in FINAL:
        job = job.refresh()
    assert [task.status for task in job.tasks] == ["success", "failed", "interrupted", "interrupted"]
    assert len(job.tasks[0].read()) == 34
