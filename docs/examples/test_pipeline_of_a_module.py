import pytest

from explorer_frames import Explorer
from explorer_frames.sandbox import Graph, Sandbox


@pytest.fixture(scope="module")
def explorer():
    with Sandbox() as server:
        server.add_workflow(
            "chain",
            Graph.from_edges([("a", "b"), ("b", "c")]),
            {"pagerank_1": ("PageRank", {})},
        )
        with Explorer(server.url, token=server.token, trust_env=False) as explorer:
            explorer.run_workflow(server.workflows["chain"]).wait()
            yield explorer


def test_newest_job(explorer):
    newest = explorer.list_jobs(limit=1)["job_id"].iloc[0]
    assert explorer.job(newest).tasks[0].read()["id"].tolist() == ["a", "b", "c"]
