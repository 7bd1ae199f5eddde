"""Measure the peak memory of a sync by number of workers, minus that of an idle process with the same imports.

The sync writes eight results to a folder on local disk. Each measurement runs in a new process, and the server runs in
another one.

    python benchmarks/sync_memory.py --rows 1000000 3000000 --workers 1 2 4
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time

import child

RESULTS = 8


def measure(rows: int, workers: int) -> dict[str, float]:
    """Sync eight results with `rows` rows in a new process."""
    import numpy as np

    from explorer_frames.sandbox import Sandbox

    columns = [np.arange(rows), np.arange(rows) / 3]
    with Sandbox() as server, tempfile.TemporaryDirectory() as folder:
        for job in server.add_jobs(RESULTS):
            server.add_result(columns, job_id=job)
        workflow = str(server.workflows["results"])
        return child.run("child", server.url, server.token, workflow, folder, str(workers), script=__file__)


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        _sync(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    for rows in options.rows:
        print(f"\n{RESULTS} results of {rows:,} rows{'MB over idle':>20}{'seconds':>10}")
        for workers in options.workers:
            figures = measure(rows, workers)
            print(f"workers={workers:<22}{figures['mb']:>20.0f}{figures['seconds']:>10.2f}", flush=True)


def _sync(url: str, token: str, workflow: str, folder: str, workers: str) -> None:
    import pyarrow.parquet  # noqa: F401 (also imported by the idle process)

    from explorer_frames import Explorer

    explorer = Explorer(url, token=token, deadline=None, row_cap=10**9)
    before, start = child._resident(), time.perf_counter()  # noqa: SLF001 (own module)
    report = explorer.sync_workflow(workflow, folder, workers=int(workers), progress=False)
    figures = {"seconds": time.perf_counter() - start, "mb": (child._peak() - before) / 1e6}  # noqa: SLF001
    print(json.dumps({**figures, "rows": report.rows}))


if __name__ == "__main__":
    main()
