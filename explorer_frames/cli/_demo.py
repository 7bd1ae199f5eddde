"""Run a demo of this library on an embedded Explorer."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape

from explorer_frames import Explorer, Job, Task, write_feather
from explorer_frames.cli._out import writing
from explorer_frames.sandbox import Graph, Sandbox

_TASKS = {
    "analytics_pagerank_1": ("PageRank", {}),
    "analytics_louvain_1": ("Louvain", {}),
    "analytics_degree_1": ("DegreeCentrality", {}),
    "analytics_sssp_1": ("SSSP", {"root": "Valjean"}),
    "analytics_path_1": ("ShortestPath", {"src": "Myriel", "dst": "Gavroche,Javert"}),
}
_NEXT = """\
[bold]Connect to your own server[/]

  export EXPLORER_FRAMES_URL=http://your-explorer:7002
  export EXPLORER_FRAMES_USER=...  EXPLORER_FRAMES_PASSWORD=...
  export EXPLORER_FRAMES_GRAPHD=your-graphd:9669

  >>> from explorer_frames import read_sample_result
  >>> read_sample_result(job_id, task_id)
"""


def run(folder: Path) -> None:
    """Run a workflow, read its results, and write them to files in `folder`."""
    console = Console(highlight=False, soft_wrap=True)
    with Sandbox() as server:
        workflow = server.add_workflow("demo", Graph.les_miserables(), _TASKS)
        _say(console, f"[bold]Started an embedded Explorer[/] with the Les Misérables graph at {server.url}\n")
        with Explorer(server.url, user=server.user, password=server.password, graphd=server.graphd) as explorer:
            job = explorer.run_workflow(workflow).wait(timeout=60)
            _say(console, f"[bold]Ran workflow {workflow}[/] as {escape(repr(job))}\n")
            _show(console, job)
            _write(console, job, folder)
    _say(console, _NEXT)


def _show(console: Console, job: Job) -> None:
    results = job.read()
    for task, frame in results.items():
        dtypes = ", ".join(f"{name}: {dtype}" for name, dtype in frame.dtypes.items())
        _say(console, f"[bold]{escape(task)}[/], {len(frame)} rows, {escape(dtypes)}")
        _say(console, escape(frame.head(3).to_string(index=False, max_colwidth=60)) + "\n")


def _write(console: Console, job: Job, folder: Path) -> None:
    _say(console, "[bold]Wrote these files, and read them back with pandas[/]")
    for task in job.tasks:
        name = task.name.lower()
        receipt = task.export(folder / f"{name}.parquet", make_parents=True)
        frame = task.read()
        write_feather(frame, folder / f"{name}.feather")
        _check(task, frame, folder / name)
        _say(console, f"  {folder / name}.parquet, .feather   {receipt.rows} rows, complete: {receipt.complete}")
    _say(console)


def _check(task: Task, frame: pd.DataFrame, path: Path) -> None:
    """Read both files with pandas, and check that they match the result."""
    for read, suffix in ((pd.read_parquet, ".parquet"), (pd.read_feather, ".feather")):
        back = read(path.with_suffix(suffix))
        if back.to_json() != frame.to_json() or list(back.columns) != list(frame.columns):
            raise AssertionError(f"{path}{suffix} does not match the result of task {task.name}")


def _say(console: Console, text: str = "") -> None:
    with writing():
        console.print(text)
