"""The Airflow example, run by the real Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from examples import LAKE, TASKS, landed, load, unreliable
from limits import PROCESS

from explorer_frames.sandbox import Graph

pytestmark = [pytest.mark.etl, pytest.mark.filterwarnings("ignore")]  # Airflow warns about itself


@pytest.fixture(scope="module")
def dags(tmp_path_factory):
    """The DAGs' folder of an Airflow of its own."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API_AUTH__JWT_SECRET": "of these tests only: nothing listens, nobody has to be kept out",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "DO_NOT_TRACK": "1",
        "SCARF_ANALYTICS": "false",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True, timeout=PROCESS
        )
        yield home / "dags"


def connection(server, url):
    host, _, port = url.removeprefix("http://").rpartition(":")
    known = {"conn_type": "http", "host": host, "port": int(port), "login": server.user, "password": server.password}
    return json.dumps(known | {"extra": {"graphd": server.graphd}})


def states(run):
    return {task.task_id: (str(task.state), task.try_number) for task in run.get_task_instances()}


def test_the_dag(dags, tmp_path, sandbox, monkeypatch, explorer):
    workflow = sandbox.add_workflow("airflow", Graph.les_miserables(), TASKS)
    lake = tmp_path / "lake"
    changes = {"1002": str(workflow), LAKE: str(lake), "poke_interval=60": "poke_interval=0.1"}
    changes |= {'"retry_delay": timedelta(minutes=5)': '"retry_delay": timedelta(0)'}
    module = load("airflow_dag.py", dags, changes)
    dag = module.explorer_to_lake_dag
    lost = []

    def loses(line):
        return bool(lost) and lost[0] in line and lost.pop(0)

    def jobs():
        return explorer.list_jobs(workflow, order="asc")["job_id"].tolist()

    def files():
        return {path: path.stat().st_mtime_ns for path in lake.rglob("*.parquet")}

    with unreliable(sandbox.url, loses) as between:
        monkeypatch.setenv("AIRFLOW_CONN_EXPLORER", connection(sandbox, between.url))

        # The results of both tasks cannot be read at first, however often we try.
        lost += [b"/sample_result"] * 6
        tasks = states(dag.test())
        assert tasks == {"submit": ("success", 1), "wait": ("success", 1), "sync": ("success", 2)}
        [first] = jobs()
        assert landed(lake) == [f"Louvain/{first}", f"PageRank/{first}"]

        # Again by mistake.
        before = files()
        assert dag.test().state == "success"
        assert (jobs(), files()) == ([first], before)

        # The next day: that job is of another run. The answer to its submission is lost.
        module.CLOCK_SKEW = timedelta(0)
        lost.append(b"POST /api-open/v1/workflows/")
        run = dag.test()
        assert states(run)["submit"] == ("failed", 1), "nothing is sent twice"
        assert states(run)["sync"][0] != "success"
        _, second = jobs()

        # Somebody has looked, and clears the task: it takes up the job that is there.
        module.CLOCK_SKEW = timedelta(minutes=1)
        assert dag.test().state == "success"
        assert jobs() == [first, second]
        assert landed(lake) == sorted(f"{task}/{job}" for task in ("Louvain", "PageRank") for job in (first, second))
        assert before.items() <= files().items()
