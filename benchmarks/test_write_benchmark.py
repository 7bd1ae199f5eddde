"""Write tables and frames to files, and export responses to files.

Our writers write a temporary file, call fsync, read the file back, and rename it. Each Parquet page has a checksum. The
others write to the target without fsync. `as ours` is pyarrow with our compression, row groups and checksums. The
remaining difference is the cost of an atomic write. On tmpfs, fsync has no cost.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
import ways

from explorer_frames import write_feather, write_parquet

AS_OURS = {"compression": "zstd", "write_page_checksum": True, "row_group_size": 262_144, "use_dictionary": False}
PARQUET = {
    "explorer_frames (table)": write_parquet,
    "explorer_frames (frame)": lambda table, target: write_parquet(table.to_pandas(), target),
    "pyarrow": pq.write_table,
    "pyarrow, as ours": lambda table, target: pq.write_table(table, target, **AS_OURS),
    "pandas": lambda table, target: table.to_pandas().to_parquet(target),
}
FEATHER = {
    "explorer_frames (table)": write_feather,
    "pyarrow": pf.write_feather,
    "pyarrow, as ours": lambda table, target: pf.write_feather(table, target, compression="zstd", chunksize=262_144),
}
READERS = {".parquet": pd.read_parquet, ".feather": pd.read_feather}


@pytest.fixture
def table(expected):
    return pa.Table.from_pandas(expected("two"))


@pytest.fixture
def written(tmp_path, check):
    """Return a function that runs a writer, checks the file, and returns its path."""

    def run(write, suffix, *given):
        target = str(tmp_path / f"result{suffix}")
        write(*given, target)
        check(READERS[suffix](target), "two")
        return target

    return run


@pytest.mark.parametrize("way", PARQUET)
@pytest.mark.benchmark(group="write parquet")
def test_write_parquet(benchmark, table, written, way):
    benchmark(PARQUET[way], table, written(PARQUET[way], ".parquet", table))


@pytest.mark.parametrize("way", FEATHER)
@pytest.mark.benchmark(group="write feather")
def test_write_feather(benchmark, table, written, way):
    benchmark(FEATHER[way], table, written(FEATHER[way], ".feather", table))


@pytest.mark.parametrize("suffix", READERS)
def test_export(benchmark, explorer, rows, written, suffix):
    given = explorer, f"{rows}/two"
    benchmark.group = f"export {suffix}"
    benchmark(ways.ours_export, *given, written(ways.ours_export, suffix, *given))


@pytest.mark.parametrize("suffix", READERS)
def test_export_by_pandas(benchmark, url, rows, written, suffix):
    given = url, f"{rows}/two"
    benchmark.group = f"export {suffix}"
    benchmark(ways.json_export, *given, written(ways.json_export, suffix, *given))
