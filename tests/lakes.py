"""A lake with many tasks, and the code of the how-to that reads it."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import pyarrow as pa

from explorer_frames import Explorer, schemas

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "lake.md"
MICROSECONDS = pa.timestamp("us", "UTC")
RUN = ["job_id", "task_id", "end_time"]
# Task names with a special meaning in paths, URLs, wildcards or readers.
NAMES = [
    "PageRank",
    "pagerank",
    "007",
    "2026-01-01",
    "My Task",
    "gr\u00fc\u00dfe \u4e2d",
    "\u0939\u093f\u0928\u094d\u0926\u0940",
]
NAMES += [
    "x/y=z",
    "job_id=7",
    "50%",
    "%41+b",
    "q?*[1]#'\"&",
    "a:b\\c",
    "..",
    "",
    "_runs",
    ".hidden",
    "CON",
    "end. ",
    "n" * 300,
]
NAMES += ["__HIVE_DEFAULT_PARTITION__", "{a,b}", "scores.csv", "\U0001f389", "a\tb\n", "~", "$folder$"]


class Lake:
    """Lake with the tasks of a workflow; `names` selects some of them."""

    def __init__(self, server, url: str, vid_type: str = "string", names: list[str] | None = None, **options) -> None:
        workflow = add_tasks(server, vid_type, names)
        with Explorer(server.url, token=server.token, vid_type=vid_type) as explorer:
            report = explorer.sync_workflow(workflow, url, progress=False, **options)
        self.url = url  # folder of the lake
        self.expected = expected_rows(server, workflow, vid_type)  # rows by task name
        self.folders = {
            part.task_name: part.path.replace(os.sep, "/").split("/lake/")[1].split("/")[0] for part in report.written
        }


def lines(table: int) -> dict[str, str]:
    """Return the code for each engine in a table of the how-to."""
    tables = re.findall(
        r"^\| engine \| code \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return dict(re.findall(r"^\| (\w+) \| `(.*)` \|$", tables[table], re.MULTILINE))


def run_line(code: str, shown: str, url: str, **names):
    """Run the code of the how-to on another folder."""
    assert shown in code
    code = code.replace(shown, url)
    for module in re.findall(r"\b[a-z]+(?:\.[a-z0-9]+)*(?=\.\w+[(,}])", code):
        root = module.partition(".")[0]
        if root not in names:
            importlib.import_module(module)
            names[root] = importlib.import_module(root)
    return eval(code, names)


def cells(schema: pa.Schema, job: int) -> list[list[str]]:
    """Return columns of text for the columns of a schema."""
    numbers = ["1", "2", "3"]
    values = {"int64": numbers, "double": ["0.5", "-1e-300", "inf"], "string": [f"v{job}", "007", "2026-01-01"]}
    columns = []
    for field in schema:
        columns += [numbers, numbers] if pa.types.is_list(field.type) else [values[str(field.type)]]
    return columns


def add_tasks(server, vid_type: str, names: list[str] | None) -> int:
    """Add two jobs with the results of these tasks, or of all; return their workflow's id."""
    server._added = None
    results = {one.name: schemas.to_schema(one.shapes[0], vid_type) for one in schemas.ALGORITHMS if one.shapes}
    results |= dict.fromkeys(NAMES, results["PageRank"])
    results["Query"] = pa.schema([(name, pa.string()) for name in "abc"])
    for job in server.add_jobs(2):
        for name, schema in results.items():
            if names is not None and name not in names:
                continue
            server.add_result(cells(schema, job), name, job_id=job)
    return server.workflows["results"]


def expected_rows(server, workflow: int, vid_type: str) -> dict[str, list]:
    """Read all results from the API, and add the job columns; return rows by task name."""
    rows: dict[str, list] = {}
    with Explorer(server.url, token=server.token, vid_type=vid_type) as explorer:
        for job_id in explorer.list_jobs(workflow)["job_id"]:
            job = explorer.job(job_id)
            for task in job:
                for row in task.read_arrow().to_pylist():
                    end = pa.scalar(job.end_time, MICROSECONDS).value
                    run = dict(zip(RUN, (job.job_id, task.task_id, end), strict=True))
                    rows.setdefault(task.name, []).append({**row, **run})
    return {name: ordered(found) for name, found in rows.items()}


def ordered(rows: list[dict]) -> list:
    """Return rows in a canonical order, so the rows of two readers can be compared."""
    return sorted(([(name, value) for name, value in row.items()] for row in rows), key=repr)


def rows_of(found) -> list:
    """Return the rows of an engine, with times as integers, because time zones differ."""
    found = found.compute() if hasattr(found, "compute") else found
    found = found.toArrow() if hasattr(found, "toArrow") else found
    if hasattr(found, "to_arrow_table"):
        found = found.to_arrow_table()
    if hasattr(found, "to_arrow"):
        found = found.to_arrow()
    table = found if isinstance(found, pa.Table) else pa.Table.from_pandas(found, preserve_index=False)
    assert table["end_time"].type.tz is not None
    place = table.column_names.index("end_time")
    table = table.set_column(place, "end_time", table["end_time"].cast(MICROSECONDS).cast(pa.int64()))
    return ordered(table.to_pylist())


def check(lake, read) -> None:
    """Read each task's folder, and compare the rows with those of the API."""
    assert len(lake.folders) == len(lake.expected) > 20
    for name, folder in lake.folders.items():
        found = rows_of(read(f"{lake.url}/{folder}"))
        assert repr(found) == repr(lake.expected[name]), name
