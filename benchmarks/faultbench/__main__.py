"""Command line of faultbench: ``python benchmarks/faultbench mymodule:read``. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path

if not __package__:  # run as a folder
    here = Path(__file__).resolve()
    sys.path[:1] = [str(here.parents[1]), str(here.parents[2] / "tests")]

from faults import bodies, jobs, surroundings, wires
from faults.records import ANYTHING

import faultbench
from faultbench.client import load
from faultbench.report import as_json, details, surfaces, table
from faultbench.runner import bench
from faultbench.server import listen

OURS = "faultbench.clients.ours"
NAIVE = [
    f"faultbench.clients.{name}"
    for name in ("json_astype", "json_to_numeric", "json_coerce", "careful_orjson", "polars_read_json")
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="faultbench", description="Test a client with invalid and hostile responses.")
    parser.add_argument(
        "client",
        nargs="*",
        help=f"module or module:function, (url, token, limit) -> DataFrame (default: {OURS} and typical code)",
    )
    parser.add_argument(
        "--cuts",
        type=int,
        default=0,
        metavar="STEP",
        help="also truncate a response at every STEP-th byte, in 5 framings",
    )
    parser.add_argument(
        "--lines", type=int, default=0, metavar="N", help="also raise from a signal handler at N lines of each call"
    )
    parser.add_argument("--only", default="", metavar="REGEX", help="only faults whose 'group: name' matches")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="show up to N faults with a violation (20)")
    parser.add_argument("--workers", type=int, default=16, help="number of concurrent calls (16)")
    parser.add_argument(
        "--deadline", type=float, default=faultbench.DEADLINE, metavar="SECONDS", help="maximum duration of a call (1)"
    )
    parser.add_argument(
        "--grace", type=float, default=1.0, metavar="SECONDS", help="additional time before a call is killed (1)"
    )
    parser.add_argument("--json", metavar="FILE", help="also write all results to FILE")
    parser.add_argument("--list", action="store_true", help="only list the faults, with expected results and reasons")
    parser.add_argument("--serve", type=int, metavar="PORT", help="only serve the faults, each at a separate URL")
    options = parser.parse_args()
    faultbench.DEADLINE = options.deadline  # clients read it on import
    sys.path.insert(0, str(Path.cwd()))
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    faults = named(options.cuts, options.lines)
    faults = [fault for fault in faults if re.search(options.only, f"{fault.group}: {fault.name}")]
    if options.list:
        for fault in faults:
            ways = [verdict(rows) for rows in (fault.rows, *fault.also)]
            print(
                f"{fault.group}: {fault.name}\n    {', or '.join(ways)}{' because ' + fault.why if fault.why else ''}"
            )
        return
    if options.serve is not None:
        listen(faults, options.serve)
        return
    all_results = []
    for client in map(load, options.client or [OURS, *NAIVE]):
        late = options.deadline + options.grace
        crossing = bool(re.search(options.only, "crossing"))
        results = bench(client, faults, workers=options.workers, crossing=crossing, late=late)
        all_results.append(results)
        print(f"{client.name}:", *details(results, options.show), sep="\n", flush=True)
    print(f"\n{len(faults)} faults\n{table(all_results, faults)}\n\n{surfaces(all_results, faults)}")
    if options.json:
        Path(options.json).write_text(json.dumps(as_json(all_results, faults), indent=1))


def named(cuts: int = 0, lines: int = 0) -> list:
    """Return all named faults, and optionally truncated responses and interrupts at lines."""
    return [
        *bodies.faults(),
        *wires.faults(),
        *wires.submits(),
        *jobs.faults(),
        *surroundings.faults(),
        *(wires.cuts(cuts) if cuts else ()),
        *surroundings.interrupts(lines),
    ]


def verdict(rows) -> str:
    if rows is ANYTHING:
        return "anything"
    return "an error" if rows is None else f"{len(rows)} rows" if len(rows) else repr(rows)


if __name__ == "__main__":
    main()
