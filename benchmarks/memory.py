"""Measure the peak memory of each client, minus that of an idle process with the same imports.

Each measurement runs in a new process. The figure is the resident memory, from VmHWM in /proc/self/status if available.
Our exports use constant memory. Our reads use the memory of the table and the frame.

    python benchmarks/memory.py --rows 1000000 10000000
    python benchmarks/memory.py --rows 100000000 --ours
"""

from __future__ import annotations

import argparse
import tempfile

import child
import server
from side_by_side import OURS, USUAL

EXPORTS = ("explorer_frames, parquet", "explorer_frames, feather")
OWN = (OURS, "explorer_frames, arrow", *EXPORTS)
WAYS = (*OWN, USUAL, f"{USUAL}, parquet", "requests, bytes only")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--kind", default="two")
    parser.add_argument(
        "--ours", action="store_true", help="omit the clients with requests, which need ten times as much memory"
    )
    options = parser.parse_args()
    for rows in options.rows:
        name = f"{rows}/{options.kind}"
        print(f"\n{rows:,} rows ({options.kind}){'MB over idle':>30}{'seconds':>10}")
        with server.serving(name) as url, tempfile.TemporaryDirectory() as folder:
            for way in OWN if options.ours else WAYS:
                figures = child.run(way, url, name, folder, "no-digest")
                print(f"{way:32}{figures['mb']:>18.0f}{figures['seconds']:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
