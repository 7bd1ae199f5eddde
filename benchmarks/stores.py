"""Compare writes and syncs to S3 with pandas and s3fs at different latencies.

The server is SeaweedFS. A proxy in a separate process delays each direction by the given number of milliseconds, and
counts the requests. All clients reuse their connections. Each sample writes another object, the clients alternate, and
the first sample of each client is discarded. Syncs have a third of the samples. "pandas, one by one" is code that reads
each result and writes it.

    python benchmarks/stores.py --latency 0 20 100
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import s3fs

import explorer_frames
from explorer_frames.sandbox import Sandbox

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from servers import seaweedfs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_REQUEST = b" HTTP/1.1\r\n"
_RESULTS = 75  # of a sync


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 20, 100], help="milliseconds in each direction")
    parser.add_argument("--samples", type=int, default=9)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {options.samples} samples (min-max)\n")
    print("| | latency (ms) | ms | requests | time : explorer_frames |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, seaweedfs.serve(Path(folder)) as server:
        direct = s3fs.S3FileSystem(**server.options)
        direct.mkdir("bench")
        for latency in options.latency:
            with delayed(server.options["endpoint_url"], latency) as (endpoint, counted):
                base = {**server.options, "endpoint_url": endpoint}
                # fsspec shares one client between calls with equal options.
                accesses = [{**base, "config_kwargs": {"max_pool_connections": most}} for most in (32, 33)]
                _writes(*accesses, latency, options.samples, counted)
                _syncs(*accesses, latency, max(1, options.samples // 3), counted)


def _writes(access: dict[str, Any], other: dict[str, Any], latency: int, samples: int, counted: Any) -> None:
    """Write frames of 1,000 and of 1,000,000 rows."""
    random = np.random.default_rng(1)
    for rows in (1_000, 1_000_000):
        frame = pd.DataFrame({"id": random.integers(0, 10**12, rows).astype(str), "score": random.random(rows)})

        def ours(number: int, frame: pd.DataFrame = frame) -> None:
            explorer_frames.write_parquet(frame, f"s3://bench/ours-{number}.parquet", storage_options=access)

        def theirs(number: int, frame: pd.DataFrame = frame) -> None:
            frame.to_parquet(f"s3://bench/pandas-{number}.parquet", index=False, storage_options=other)

        _compare(f"write {rows:,} rows", {"explorer_frames": ours, "pandas": theirs}, latency, samples, counted)


def _syncs(access: dict[str, Any], other: dict[str, Any], latency: int, samples: int, counted: Any) -> None:
    """Sync the results of one workflow."""
    with Sandbox() as server:
        jobs = [server.add_result([["a", "b"], ["1", "2"]]) for _ in range(_RESULTS)]
        explorer = explorer_frames.Explorer(
            server.url, user=server.user, password=server.password, graphd=server.graphd
        )

        def ours(number: int) -> None:
            path = f"s3://bench/lake-{latency}-{number}"
            report = explorer.sync_workflow(server.workflows["results"], path, storage_options=access, workers=16)
            assert len(report.written) == _RESULTS, report

        def theirs(number: int) -> None:
            for job, task in jobs:
                frame = explorer.read_sample_result(job, task, None)
                path = f"s3://bench/pandas-{latency}-{number}/{job}-{task}.parquet"
                frame.to_parquet(path, index=False, storage_options=other)

        clients = {"explorer_frames, 16 workers": ours, "pandas, one by one": theirs}
        _compare(f"sync {_RESULTS} results", clients, latency, samples, counted)


def _compare(task: str, clients: dict[str, Callable[[int], None]], latency: int, samples: int, counted: Any) -> None:
    times: dict[str, list[float]] = {name: [] for name in clients}
    requests: dict[str, list[int]] = {name: [] for name in clients}
    for number in range(samples + 1):
        for name, call in clients.items():
            before, begun = counted.value, time.perf_counter()
            call(number)
            times[name].append((time.perf_counter() - begun) * 1000)
            requests[name].append(counted.value - before)
    first = next(iter(times.values()))[1:]
    for name, every in times.items():
        ratios = [mine / ours for mine, ours in zip(every[1:], first, strict=True)]
        cells = [latency, _spread(every[1:], 0), round(median(requests[name][1:])), _spread(ratios, 2)]
        print(f"| {task}: {name} | {' | '.join(map(str, cells))} |", flush=True)


def _spread(values: list[float], digits: int) -> str:
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


@contextmanager
def delayed(endpoint: str, latency: int) -> Iterator[tuple[str, Any]]:
    """Run a proxy that delays both directions; yield its URL and its number of requests."""
    counted, port = multiprocessing.Value("q", 0), multiprocessing.Queue()
    target = int(endpoint.rpartition(":")[2])
    process = multiprocessing.Process(target=_serve, args=(target, latency / 1000, counted, port), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get()}", counted
    finally:
        process.kill()


def _serve(target: int, delay: float, counted: Any, port: Any) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(_pump(reader, downstream, delay, counted), _pump(upstream, writer, delay))

    async def run() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, counted: Any = None) -> None:
    """Forward data after a delay, without limiting the bandwidth."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue()

    async def send() -> None:
        while (item := await queue.get()) is not None:
            due, data = item
            if delay:
                await asyncio.sleep(due - loop.time())
            writer.write(data)
            await writer.drain()
        writer.close()

    sending = asyncio.create_task(send())
    with_requests = counted is not None
    while data := await reader.read(2**18):
        if with_requests:
            with counted.get_lock():
                counted.value += data.count(_REQUEST)
        queue.put_nowait((loop.time() + delay, data))
    queue.put_nowait(None)
    await sending


if __name__ == "__main__":
    main()
