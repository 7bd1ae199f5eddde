"""Memory: what each way needs at its most, over an idle process with the same imports.

A fresh process for each; resident memory, VmHWM of /proc/self/status where there is one. Our exports are in constant
memory, our reads in that of the table and its frame.

    python benchmarks/memory.py --rows 1000000 10000000
"""

from __future__ import annotations

import argparse

from side_by_side import OURS, USUAL, measure

EXPORTS = ("explorer_frames, parquet", "explorer_frames, feather")
WAYS = (OURS, "explorer_frames, arrow", *EXPORTS, USUAL, f"{USUAL}, parquet", "requests, bytes only")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--kind", default="two")
    options = parser.parse_args()
    for rows in options.rows:
        print(f"\n{rows:,} rows ({options.kind}){'MB over idle':>30}{'seconds':>10}")
        for way in WAYS:
            # One at a time: it says what to wait for, and the memory of one hardly differs between two runs.
            figures = measure(f"{rows}/{options.kind}", 1, (way,))[way][0]
            print(f"{way:32}{figures['mb']:>18.0f}{figures['seconds']:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
