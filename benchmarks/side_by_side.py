"""Compare clients that read a large result over loopback HTTP into a frame.

Each sample runs in a new process, and the clients alternate, so that other load affects all of them. The first round
only checks that the results are equal. The figures are time, CPU time and memory of the call, without imports.

    python benchmarks/side_by_side.py --rows 1000000
"""

from __future__ import annotations

import argparse
import os
import tempfile
from statistics import median

import child
import server
from ways import READERS

OURS, USUAL = "explorer_frames", "requests, json, pandas"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", default="two", help="two, three, digits, escaped or pretty, also with .gzip")
    parser.add_argument("--samples", type=int, default=5)
    options = parser.parse_args()
    samples = measure(f"{options.rows}/{options.kind}", options.samples)
    print(f"{options.rows:,} rows ({options.kind}), {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'median of ' + str(options.samples) + ' (min-max)':28}{'seconds':>20}{'CPU seconds':>20}{'MB over idle':>14}"
    )
    for way, figures in samples.items():
        print(f"{way:28}{_spread(figures, 'seconds'):>20}{_spread(figures, 'cpu'):>20}{_median(figures, 'mb'):14.0f}")
    for key in ("seconds", "cpu", "mb"):
        print(f"ratio {key:8} {_median(samples[USUAL], key) / _median(samples[OURS], key):6.1f} : 1")


def measure(name: str, count: int, ways: tuple[str, ...] = READERS) -> dict[str, list[dict]]:
    """Return `count` samples of each client, taken alternately."""
    with server.serving(name) as url, tempfile.TemporaryDirectory() as folder:
        rounds = [{way: child.run(way, url, name, folder) for way in ways} for _ in range(count + 1)]
    digests = {sample["digest"] for samples in rounds for sample in samples.values()} - {None}
    if len(digests) > 1:
        raise SystemExit(f"the results differ: {digests}")
    return {way: [samples[way] for samples in rounds[1:]] for way in ways}


def _median(samples: list[dict], key: str) -> float:
    return median(sample[key] for sample in samples)


def _spread(samples: list[dict], key: str) -> str:
    values = [sample[key] for sample in samples]
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


if __name__ == "__main__":
    main()
