"""Compare `export_output` with pyarrow's CSV reader for a full result in gzip CSV parts.

The parts are on local disk. Each sample runs in a new process, and the clients alternate. The first round only checks
that the results are equal. The figures are time, CPU time, and the peak memory minus that of an idle process.

"pyarrow" is typical code. "pyarrow, tuned" uses larger blocks and no dictionary encoding, which suits unique ids.
Neither detects invalid numbers (`nan(1)`, `1e400`), unclosed quotes, or an incomplete or changing folder.

    python benchmarks/output.py --rows 10000000
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import child
import numpy as np

WAYS = ("explorer_frames", "pyarrow", "pyarrow, tuned", "explorer_frames, read only")
_SEED = 20_260_101
_FIRST_ID = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--quoted", action="store_true", help="quote every cell")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.rows, options.parts, quoted=options.quoted)
        rounds = [
            {way: child.run(way, folder, "compare" * (not number), script=__file__) for way in WAYS}
            for number in range(options.samples + 1)
        ]
    answers = {sample["digest"] for sample in rounds[0].values()} - {None}
    if len(answers) != 1:
        raise SystemExit(f"the results differ: {answers}")
    print(f"{options.rows:,} rows, {options.parts} parts, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'median of ' + str(options.samples) + ' (min-max)':28}{'seconds':>20}{'CPU seconds':>20}{'MB over idle':>18}"
    )
    for way in WAYS:
        figures = {key: [samples[way][key] for samples in rounds[1:]] for key in ("seconds", "cpu", "mb")}
        print(f"{way:28}{_spread(figures['seconds']):>20}{_spread(figures['cpu']):>20}{_spread(figures['mb'], 0):>18}")
    for way in WAYS[1:3]:
        ratios = [samples[WAYS[0]]["seconds"] / samples[way]["seconds"] for samples in rounds[1:]]
        print(f"explorer_frames : {way:14} {_spread(ratios)}")


def make(folder: Path, rows: int, parts: int, *, quoted: bool = False) -> None:
    """Write the parts, with unique ids in random order."""
    random = np.random.default_rng(_SEED)
    ids, scores = random.permutation(rows) + _FIRST_ID, random.random(rows)
    form = '"player%d","%.6f"\n' if quoted else "player%d,%.6f\n"
    for number, (some, values) in enumerate(
        zip(np.array_split(ids, parts), np.array_split(scores, parts), strict=True)
    ):
        text = "".join(map(form.__mod__, zip(some.tolist(), values.tolist(), strict=True)))
        (folder / f"part-{number:05}.csv.gz").write_bytes(gzip.compress(text.encode(), 6))


def _spread(values: list[float], digits: int = 2) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _one() -> None:
    """Measure one client in this process, and print the figures."""
    way, folder, compare = sys.argv[1:]
    target = Path(folder, "_out.parquet")
    call = {
        "explorer_frames": lambda: _ours(folder, target),
        "explorer_frames, read only": lambda: _ours_read(folder),
        "pyarrow": lambda: _pyarrow(folder, target, {}, {}),
        "pyarrow, tuned": lambda: _pyarrow(folder, target, {"block_size": 8 * 2**20}, {"use_dictionary": False}),
    }[way]
    before, cpu, start = child._resident(), time.process_time(), time.perf_counter()  # noqa: SLF001
    call()
    figures = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    figures["mb"] = (child._peak() - before) / 1e6  # noqa: SLF001
    digest = child._digest(str(target)) if compare and not way.endswith("read only") else None  # noqa: SLF001
    print(json.dumps({**figures, "digest": digest}))


def _ours(folder: str, target: Path) -> None:
    explorer_frames.export_output(folder, target, schema="pagerank")


def _ours_read(folder: str) -> None:
    with explorer_frames.open_output(folder, schema="pagerank") as reader:
        for _ in reader:
            pass


def _pyarrow(folder: str, target: Path, read: dict, write: dict) -> None:
    schema = pa.schema([("id", pa.string()), ("score", pa.float64())])
    reading = pa_csv.ReadOptions(column_names=schema.names, **read)
    types = pa_csv.ConvertOptions(column_types=schema, null_values=[], strings_can_be_null=False)
    with pq.ParquetWriter(target, schema, compression="zstd", **write) as writer:
        for part in sorted(Path(folder).glob("part-*")):
            with pa_csv.open_csv(part, read_options=reading, convert_options=types) as reader:
                for batch in reader:
                    writer.write_batch(batch)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in WAYS:  # by `child.run`
        import pyarrow as pa
        import pyarrow.csv as pa_csv
        import pyarrow.parquet as pq

        import explorer_frames

        _one()
    else:
        main()
