"""Compare Dask with two workers, as threads and as processes, with a single process without Dask.

The input is gzip CSV parts on local disk, as in `output.py`. Each sample runs in a new process, and the clients
alternate. The workers start before the timing. The tasks are:

- "sum": the sum of all scores.
- "groups": the mean score by the last digit of the id.
- "parquet": write all rows. Dask writes one file per part, and the single process writes one file.

    python benchmarks/dask_output.py --rows 10000000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import child

WAYS = ("one process", "threads", "processes")
JOBS = ("sum", "groups", "parquet")


def main() -> None:
    from output import make

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.rows, options.parts)
        rounds = [
            {(way, job): child.run(way, job, folder, script=__file__) for job in JOBS for way in WAYS}
            for _ in range(options.samples)
        ]
    for job in JOBS:
        answers = {str(samples[way, job]["answer"]) for samples in rounds for way in WAYS}
        if len(answers) != 1:
            raise SystemExit(f"the results differ: {answers}")
    print(f"{options.rows:,} rows, {options.parts} parts, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'seconds, median of ' + str(options.samples) + ' (min-max)':36}" + "".join(f"{job:>20}" for job in JOBS))
    for way in WAYS:
        times = [[samples[way, job]["seconds"] for samples in rounds] for job in JOBS]
        print(f"{way:36}" + "".join(f"{f'{median(t):.2f} ({min(t):.2f}-{max(t):.2f})':>20}" for t in times))


def _one() -> None:
    """Measure one client in this process, and print the figures."""
    way, job, folder = sys.argv[1:]
    if way == "one process":
        print(json.dumps(_without(job, folder)))
    elif way == "threads":
        with dask.config.set(scheduler="threads", num_workers=2):
            print(json.dumps(_with_dask(job, folder)))
    else:
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as workers,
            Client(workers) as client,
        ):
            client.run(_warm)
            print(json.dumps(_with_dask(job, folder)))


def _warm() -> None:
    import explorer_frames.dask  # noqa: F401


def _without(job: str, folder: str) -> dict:
    start = time.perf_counter()
    if job == "parquet":
        with tempfile.TemporaryDirectory() as target:
            receipt = explorer_frames.export_output(folder, Path(target, "out.parquet"), schema="pagerank")
            return {"seconds": time.perf_counter() - start, "answer": receipt.rows}
    frame = explorer_frames.read_output(folder, schema="pagerank")
    answer = frame["score"].sum() if job == "sum" else _groups(frame)
    return {"seconds": time.perf_counter() - start, "answer": _rounded(answer)}


def _with_dask(job: str, folder: str) -> dict:
    start = time.perf_counter()
    frame = explorer_frames.dask.read_output(folder, schema="pagerank")
    if job == "parquet":
        with tempfile.TemporaryDirectory() as target:
            frame.to_parquet(target, compression="zstd", write_index=False)
            seconds = time.perf_counter() - start
            rows = sum(pq.ParquetFile(file).metadata.num_rows for file in Path(target).glob("*.parquet"))
            return {"seconds": seconds, "answer": rows}
    answer = frame["score"].sum().compute() if job == "sum" else _groups(frame).compute()
    return {"seconds": time.perf_counter() - start, "answer": _rounded(answer)}


def _groups(frame):
    return frame.groupby(frame["id"].str[-1])["score"].mean()


def _rounded(answer) -> object:
    """Round to nine digits, because floats are added in a different order."""
    return float(f"{answer:.9g}") if isinstance(answer, float) else [f"{x:.9g}" for x in answer.sort_index()]


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in WAYS:  # by `child.run`
        import dask
        import pyarrow.parquet as pq
        from distributed import Client, LocalCluster

        import explorer_frames.dask

        _one()
    else:
        main()
