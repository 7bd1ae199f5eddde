"""Compare `explorer_frames` with other libraries, and write `results.md` and plots of time and memory.

All clients read the same bytes from the same loopback server. Each sample runs in a new process, and the clients
alternate. The first round checks that all results are equal. The run takes 15 minutes on an idle machine. Use
``--quick`` only to check that the script works.

    python benchmarks/peers.py
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import bodies
import child
import growth
import matplotlib as mpl
import matplotlib.pyplot as plt
import server
import steps
from ways import BARE, PEERS, READERS, STREAM

OURS, ARROW, USUAL, *_ = READERS
WAYS = (*READERS[:4], *PEERS, BARE, STREAM)
INEXACT = "requests, pyarrow.json"
SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
KINDS = (*(kind for kind in bodies.KINDS if kind != "pretty"), "two.gzip")
_GRAY = 7  # index of gray in matplotlib's colors, used only for the lower bounds
_PACKAGES = ("numpy", "pandas", "pyarrow", "requests", "orjson", "msgspec", "polars", "duckdb")
Samples = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class Plan:
    """Sizes and number of samples: two columns by size, and other kinds with one size."""

    sizes: tuple[int, ...]
    rows: int
    samples: int
    few: int  # number of samples of the largest size and of other kinds
    growth: tuple[int, ...] = growth.SIZES

    def measure(self, rows: int, kind: str) -> Samples:
        """Return the samples of one body."""
        few = kind != "two" or rows > 1_000_000
        return measure(f"{rows}/{kind}", self.few if few else self.samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--few", type=int, default=3, help="number of samples for 10,000,000 rows and for other kinds")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    plan = Plan(SIZES, 1_000_000, options.samples, options.few)
    if options.quick:
        plan = Plan(SIZES[:4], 10_000, 1, 1, (10_000, 100_000))
    sizes = {rows: plan.measure(rows, "two") for rows in plan.sizes}
    kinds = {"two": sizes[plan.rows], **{kind: plan.measure(plan.rows, kind) for kind in KINDS[1:]}}
    options.into.mkdir(exist_ok=True, parents=True)
    plot(sizes, "seconds", "seconds, median", options.into / "time.png")
    plot(sizes, "mb", "MB minus an idle process, median", options.into / "memory.png")
    command = f"python benchmarks/peers.py {' '.join(sys.argv[1:])}".strip()
    profile, exponents = steps.measure(plan.rows, "two"), growth.measure(plan.growth)[OURS]
    options.into.joinpath("results.md").write_text(report(sizes, kinds, plan, command, profile, exponents))


def measure(name: str, count: int) -> Samples:
    """Return `count` samples of each client, taken alternately. Compare the results of the first round."""
    print(name, flush=True)
    rounds: list[dict[str, Any]] = []
    with server.serving(name) as url, tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            rounds.append({})
            for way in WAYS:
                rounds[-1][way] = child.run(way, url, name, folder, *(["no-digest"] if number else []))
            digests = {way: rounds[0][way]["digest"] for way in WAYS}
            if len(set(digests.values()) - {None}) > 1:
                raise SystemExit(f"the results differ: {digests}")
    return {way: [samples[way] for samples in rounds] for way in WAYS}


# --- report


def report(  # noqa: PLR0917 (one parameter per measurement)
    sizes: dict[int, Samples],
    kinds: dict[str, Samples],
    plan: Plan,
    command: str,
    profile: dict[str, float],
    exponents: dict[str, float],
) -> str:
    """Return all results as Markdown."""
    rows = f"{plan.rows:,}"
    parts = {
        "# Results": f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}. Command: `{command}`. Medians of {plan.samples} "
        f"samples, or of {plan.few} for more than 1,000,000 rows and for other kinds. Minimum and maximum are in "
        "parentheses. Each sample runs in a new process, and the clients alternate. See [README.md](README.md) for the "
        "limits of the comparison.",
        "## Time, two columns": f"{_table(sizes, 'seconds', _milliseconds, 'ms')}\n\n"
        "![Time by number of rows](time.png)\n\n"
        f"From {plan.growth[0]:,} rows, our CPU time grows with the number of rows to the power of "
        f"{exponents['cpu']:.2f}, and our time to the power of {exponents['seconds']:.2f}. Both were measured in a "
        "process that had read each size before (`python benchmarks/growth.py`).",
        "## CPU time, two columns": _table(sizes, "cpu", _milliseconds, "ms"),
        "## Memory minus an idle process, two columns": f"{_table(sizes, 'mb', _megabytes, 'MB')}\n\n"
        "![Memory by number of rows](memory.png)",
        f"## {rows} rows of other kinds": _table(kinds, "seconds", _milliseconds, "ms"),
        "## Ratios of time": f"{_ratios(sizes, kinds)}\n\n`{INEXACT}` is not a peer, because it accepts invalid "
        "JSON and crashes the process on deep nesting.",
        f"## Decoding steps of {rows} rows": "Each step was measured separately, with warm memory (`python "
        "benchmarks/steps.py`). The second thread computes the offsets, cells and numbers.\n\n"
        "| step | ms CPU |\n|---|---:|\n"
        + "\n".join(f"| {step} | {milliseconds:.1f} |" for step, milliseconds in profile.items()),
    }
    return "\n\n".join(f"{head}\n\n{text}" for head, text in parts.items()) + "\n"


def _table(columns: dict, key: str, shown, unit: str) -> str:
    heads = [f"{head:,}" if isinstance(head, int) else head for head in columns]
    lines = [f"| {unit} | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    lines += [f"| {way} | {' | '.join(shown(samples[way], key) for samples in columns.values())} |" for way in WAYS]
    return "\n".join(lines)


def _ratios(sizes: dict[int, Samples], kinds: dict[str, Samples]) -> str:
    exact = [way for way in WAYS if way not in (OURS, ARROW, USUAL, BARE, STREAM, INEXACT)]
    lines = [
        f"| | ours / `{BARE}` | ours / {STREAM} | json, pandas / ours | best peer / ours | pyarrow.json / ours |",
        f"|---|{'---:|' * 5}",
    ]
    for head, samples in {**{f"{rows:,} rows": found for rows, found in sizes.items()}, **kinds}.items():
        best = min(exact, key=lambda way: _median(samples[way], "seconds"))
        figures = [
            f"{_ratio(samples, OURS, BARE):.2f}",
            f"{_ratio(samples, OURS, STREAM):.2f}",
            f"{_ratio(samples, USUAL, OURS):.1f}",
            f"{_ratio(samples, best, OURS):.1f} ({best.removeprefix('requests, ')})",
            f"{_ratio(samples, INEXACT, OURS):.1f}",
        ]
        lines.append(f"| {head} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _ratio(samples: Samples, way: str, other: str) -> float:
    return _median(samples[way], "seconds") / _median(samples[other], "seconds")


def _median(samples: list[dict[str, float]], key: str) -> float:
    return median(sample[key] for sample in samples)


def _milliseconds(samples: list[dict[str, float]], key: str) -> str:
    values = [sample[key] * 1000 for sample in samples]
    digits = 1 if median(values) < 100 else 0
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def _megabytes(samples: list[dict[str, float]], key: str) -> str:
    return f"{_median(samples, key):,.0f}"


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{os.cpu_count()} cores of {_processor()}, CPython {platform.python_version()}, {versions}"


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def plot(sizes: dict[int, Samples], key: str, label: str, path: Path) -> None:
    """Plot medians by number of rows on logarithmic axes. Our lines are thicker, and the lower bounds are gray."""
    mpl.use("agg")
    figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    for number, way in enumerate(WAYS):
        ours, floor = way in (OURS, ARROW), way in (BARE, STREAM)
        ax.plot(
            list(sizes),
            [_median(samples[way], key) for samples in sizes.values()],
            label=way,
            color="0.6" if floor else f"C{number + (number >= _GRAY)}",
            linestyle="--" if floor and way != BARE else "-",
            linewidth=2.5 if ours else 1.2,
            marker="o" if ours else None,
        )
    ax.set(xscale="log", yscale="log", xlabel="rows, two columns", ylabel=label)
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
