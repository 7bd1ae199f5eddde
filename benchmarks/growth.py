"""Measure how the time grows with the number of rows.

The result is the exponent of a fit on logarithmic axes. It is 1 if the time is proportional to the number of rows. All
sizes run in one process, and each runs once before it is measured. The time of small results is above the fit, because
two threads cannot share the work on a few pieces.

    python benchmarks/growth.py --rows 100000 316000 1000000 3160000 10000000
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from functools import partial
from statistics import linear_regression, median
from typing import TYPE_CHECKING

import child

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (100_000, 316_000, 1_000_000, 3_160_000, 10_000_000)
_ROWS = 30_000_000  # per size, if this needs no more than _MOST calls
_LEAST, _MOST = 3, 25
_CHILD = "--child"

Growth = dict[str, dict[str, float]]


def measure(sizes: tuple[int, ...] = SIZES) -> Growth:
    """Return the exponents of time and CPU time by client, measured in a new process."""
    return child.run(_CHILD, *map(str, sizes), script=__file__)


def _measure(sizes: list[int]) -> Growth:
    import requests
    import server
    import ways

    from explorer_frames import Explorer

    names = [f"{size}/two" for size in sizes]
    with (
        server.serving(*names) as url,
        Explorer(url, token="benchmark", row_cap=10**9) as explorer,
        requests.Session() as session,
    ):
        calls: dict[str, Callable[[str], object]] = {
            "explorer_frames": lambda name: ways.ours_read(explorer, name),
            ways.BARE: lambda name: ways.bare_read(url, name, session.get),
        }
        return {way: _exponents(call, dict(zip(sizes, names, strict=True))) for way, call in calls.items()}


def _exponents(call: Callable[[str], object], names: dict[int, str]) -> dict[str, float]:
    medians = {size: _medians(call, name, _calls(size)) for size, name in names.items()}
    logs = [math.log(size) for size in medians]
    return {
        key: linear_regression(logs, [math.log(figures[key]) for figures in medians.values()]).slope
        for key in ("seconds", "cpu")
    }


def _calls(size: int) -> int:
    return max(_LEAST, min(_MOST, _ROWS // size))


def _medians(call: Callable[[str], object], name: str, count: int) -> dict[str, float]:
    samples = [child.timed(partial(call, name))[0] for _ in range(count + 1)]
    return {key: median(sample[key] for sample in samples[1:]) for key in ("seconds", "cpu")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    for way, exponents in measure(tuple(options.rows)).items():
        print(f"{way:24} time {exponents['seconds']:.3f}    CPU time {exponents['cpu']:.3f}")


if __name__ == "__main__":
    print(json.dumps(_measure(list(map(int, sys.argv[2:]))))) if sys.argv[1:2] == [_CHILD] else main()
