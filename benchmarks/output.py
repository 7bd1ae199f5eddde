"""Compare `explorer_frames` with polars, DuckDB and pyarrow for a full result in CSV parts.

The parts are on local disk. Each client reads them into memory, or converts them to a Parquet file. Each sample runs in
a new process, which first reads one row, so that imports are not measured. The clients alternate. The first round only
checks that the results are equal. The figures are time, CPU time, and the peak memory minus that of an idle process.

The other clients do not detect invalid numbers (`nan(1)`, `1e400`), unclosed quotes, or an incomplete or changing
folder. They do not hash the rows, and do not flush or verify the file. "pyarrow, tuned" uses larger blocks and no
dictionary encoding, which suits unique ids.

    python benchmarks/output.py --rows 10000000
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import child
import numpy as np
import pyarrow as pa

TASKS = {
    "to Parquet": ("explorer_frames", "polars", "duckdb", "pyarrow", "pyarrow, tuned"),
    "to memory": ("explorer_frames", "polars", "duckdb", "pyarrow"),
}
_SEED = 20_260_101
_FIRST_ID = 1_000_000
_PACKED = {
    "gzip": (".gz", lambda text: gzip.compress(text, 6)),
    "zstd": (".zst", lambda text: pa.compress(text, "zstd", asbytes=True)),
    "plain": ("", bytes),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=9)
    parser.add_argument("--packed", choices=_PACKED, default="gzip", help="compression of the parts")
    parser.add_argument("--quoted", action="store_true", help="quote every cell")
    parser.add_argument("--busy", action="store_true", help="run a busy loop on one core meanwhile")
    options = parser.parse_args()
    other = multiprocessing.Process(target=_spin, daemon=True)
    with tempfile.TemporaryDirectory() as root:
        small, folder = Path(root, "small"), Path(root, "parts")
        for path, rows, parts in ((small, 1, 1), (folder, options.rows, options.parts)):
            path.mkdir()
            make(path, rows, parts, quoted=options.quoted, packed=options.packed)
        if options.busy:
            other.start()
        print(f"{options.rows:,} rows in {options.parts} parts ({options.packed}), {os.cpu_count()} cores, ", end="")
        print(f"load {os.getloadavg()[0]:.1f}{', beside a busy loop' * options.busy}")
        for task, clients in TASKS.items():
            _compare(task, clients, root, options.samples)


def _compare(task: str, clients: tuple[str, ...], root: str, samples: int) -> None:
    """Measure all clients, and print a table."""
    rounds = [
        {client: child.run(task, client, root, "compare" * (not number), script=__file__) for client in clients}
        for number in range(samples + 1)
    ]
    answers = {sample["digest"] for sample in rounds[0].values()}
    if len(answers) != 1:
        raise SystemExit(f"the results differ: {answers}")
    print(
        f"\n| {task}, median of {samples} (min-max) | seconds | CPU seconds | MB over idle | time : explorer_frames |"
    )
    print("|---|---:|---:|---:|---:|")
    for client in clients:
        figures = {key: [each[client][key] for each in rounds[1:]] for key in ("seconds", "cpu", "mb")}
        ratios = [each[client]["seconds"] / each[clients[0]]["seconds"] for each in rounds[1:]]
        cells = [_spread(figures["seconds"]), _spread(figures["cpu"]), _spread(figures["mb"], 0), _spread(ratios)]
        print(f"| {client} | {' | '.join(cells)} |", flush=True)


def _spin() -> None:
    while True:
        pass


def make(folder: Path, rows: int, parts: int, *, quoted: bool = False, packed: str = "gzip") -> None:
    """Write the parts, with unique ids in random order."""
    suffix, pack = _PACKED[packed]
    random = np.random.default_rng(_SEED)
    ids, scores = random.permutation(rows) + _FIRST_ID, random.random(rows)
    form = '"player%d","%.6f"\n' if quoted else "player%d,%.6f\n"
    for number, (some, values) in enumerate(
        zip(np.array_split(ids, parts), np.array_split(scores, parts), strict=True)
    ):
        text = "".join(map(form.__mod__, zip(some.tolist(), values.tolist(), strict=True)))
        (folder / f"part-{number:05}.csv{suffix}").write_bytes(pack(text.encode()))


def _spread(values: list[float], digits: int = 2) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _one() -> None:
    """Measure one client in this process, and print the figures."""
    task, client, root, compare = sys.argv[1:]
    call = _CALLS[task, client]
    target = Path(root, "out.parquet")
    call(f"{root}/small", target)
    before, cpu, start = child._resident(), time.process_time(), time.perf_counter()  # noqa: SLF001
    table = call(f"{root}/parts", target)
    figures = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    figures["mb"] = (child._peak() - before) / 1e6  # noqa: SLF001
    digest = None
    if compare:
        if task == "to memory":
            pq.write_table(table.to_arrow() if client == "polars" else table, target)
        digest = _digest(target)
    print(json.dumps({**figures, "digest": digest}))


def _digest(target: Path) -> str:
    table = pq.read_table(target).sort_by("id")  # DuckDB reads the parts in any order
    return content_hash(table.cast(_SCHEMA))


def _scan(folder: str) -> pl.LazyFrame:
    schema = {"id": pl.String, "score": pl.Float64}
    return pl.scan_csv(f"{folder}/part-*", has_header=False, schema=schema)


def _duckdb(folder: str) -> str:
    columns = "{'id': 'VARCHAR', 'score': 'DOUBLE'}"
    return f"FROM read_csv('{folder}/part-*', header = false, columns = {columns})"


def _pyarrow(folder: str, **read: int) -> Iterator[pa.RecordBatch]:
    reading = pa_csv.ReadOptions(column_names=_SCHEMA.names, **read)
    types = pa_csv.ConvertOptions(column_types=_SCHEMA, null_values=[], strings_can_be_null=False)
    for part in sorted(Path(folder).glob("part-*")):
        with pa_csv.open_csv(part, read_options=reading, convert_options=types) as reader:
            yield from reader


def _write(batches: Iterator[pa.RecordBatch], target: Path, **options: bool) -> None:
    with pq.ParquetWriter(target, _SCHEMA, compression="zstd", **options) as writer:
        for batch in batches:
            writer.write_batch(batch)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] in TASKS:  # by `child.run`
        from collections.abc import Iterator

        import duckdb
        import polars as pl
        import pyarrow.csv as pa_csv
        import pyarrow.parquet as pq

        import explorer_frames
        from explorer_frames._files.digest import content_hash

        _SCHEMA = pa.schema([("id", pa.string()), ("score", pa.float64())])
        _LARGE = 8 * 2**20
        _CALLS = {
            ("to Parquet", "explorer_frames"): lambda folder, target: explorer_frames.export_output(
                folder, target, schema="pagerank"
            ),
            ("to Parquet", "polars"): lambda folder, target: _scan(folder).sink_parquet(target),
            ("to Parquet", "duckdb"): lambda folder, target: duckdb.sql(
                f"COPY ({_duckdb(folder)}) TO '{target}' (COMPRESSION zstd)"
            ),
            ("to Parquet", "pyarrow"): lambda folder, target: _write(_pyarrow(folder), target),
            ("to Parquet", "pyarrow, tuned"): lambda folder, target: _write(
                _pyarrow(folder, block_size=_LARGE), target, use_dictionary=False
            ),
            ("to memory", "explorer_frames"): lambda folder, _: explorer_frames.read_output_arrow(
                folder, schema="pagerank"
            ),
            ("to memory", "polars"): lambda folder, _: _scan(folder).collect(),
            ("to memory", "duckdb"): lambda folder, _: duckdb.sql(_duckdb(folder)).to_arrow_table(),
            ("to memory", "pyarrow"): lambda folder, _: pa.Table.from_batches(_pyarrow(folder), _SCHEMA),
        }
        _one()
    else:
        main()
