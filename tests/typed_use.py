"""Typical calls for type checkers; `.ci/run` checks this file with mypy and pyright, but does not run it.

A line with an ignore comment contains a mistake that type checkers must report. mypy fails if it is not reported.
"""

from __future__ import annotations

from typing import assert_type

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from explorer_frames import (
    Comparison,
    Explorer,
    Job,
    Provenance,
    Receipt,
    SyncReport,
    TableReceipt,
    Task,
    compare,
    errors,
    export_output,
    export_sample_result,
    history,
    lake_dataset,
    open_output,
    open_sample_result,
    read_lake,
    read_output,
    read_output_arrow,
    read_provenance,
    read_sample_result,
    read_sample_result_arrow,
    sync_workflow,
    write_delta,
    write_feather,
    write_parquet,
)


def functions(schema: pa.Schema) -> None:
    assert_type(read_sample_result(1, "task", limit=None, schema=schema, vid_type="int64"), pd.DataFrame)
    assert_type(read_sample_result_arrow("1", "task", schema="pagerank"), pa.Table)
    with open_sample_result("1", "task") as reader:
        assert_type(reader, pa.RecordBatchReader)
    assert_type(read_output("file:///out", quoting="none"), pd.DataFrame)
    assert_type(read_output_arrow("file:///out", schema=None), pa.Table)
    with open_output("file:///out", schema=None) as reader:
        assert_type(reader, pa.RecordBatchReader)
    assert_type(history(1, last=5), pd.DataFrame)
    assert_type(export_sample_result("1", "task", "result.parquet", mode="overwrite"), Receipt)
    assert_type(sync_workflow(1, "folder", partition_by="end_date", server_name="production", verify=True), SyncReport)
    assert_type(read_lake("folder", "PageRank", columns=["id"]), pd.DataFrame)
    assert_type(lake_dataset("folder", "PageRank"), ds.Dataset)


def files(frame: pd.DataFrame, table: pa.Table) -> None:
    assert_type(write_parquet(frame, "result.parquet"), Receipt)
    assert_type(write_feather(table, "result.feather"), Receipt)
    assert_type(write_delta(frame, "folder"), TableReceipt)
    assert_type(read_provenance("result.parquet"), Provenance)
    assert_type(compare(frame, table), Comparison)


def jobs(explorer: Explorer) -> None:
    job = explorer.run_workflow("1", input={})
    assert_type(job, Job)
    assert_type(job.wait(timeout=5), Job)
    assert_type(job.read(), dict[str, pd.DataFrame])
    assert_type(job.tasks, tuple[Task, ...])
    assert_type(job.tasks[0].read(), pd.DataFrame)
    assert_type(explorer.list_jobs(limit=5), pd.DataFrame)


def fields(error: errors.ApiError | errors.ColumnTypeError) -> None:
    assert_type(error.hint, str | None)
    if isinstance(error, errors.ApiError):
        assert_type(error.code, int | None)


def mistakes(explorer: Explorer, frame: pd.DataFrame) -> None:
    read_sample_result("1", "task", limits=5)  # type: ignore[call-arg]
    read_sample_result("1", "task", vid_type="int")  # type: ignore[arg-type]
    read_output("file:///out", quoting="all")  # type: ignore[arg-type]
    sync_workflow("1", "folder", mod="overwrite")  # type: ignore[call-arg]
    write_parquet(frame, "result.parquet", compresion="zstd")  # type: ignore[call-arg]
    Explorer("http://explorer:7002", tokn="secret")  # type: ignore[call-arg]
    explorer.job("1").wait(timout=5)  # type: ignore[call-arg]
    export_sample_result("1", "task", "result.parquet", compresion="zstd")  # type: ignore[call-arg]
    export_output("file:///out", "result.parquet", compresion="zstd")  # type: ignore[call-arg]
    explorer.export_sample_result("1", "task", "result.parquet", mode="append")  # type: ignore[arg-type]
    explorer.history(1, lats=5)  # type: ignore[call-arg]
    task = explorer.job("1").task("PageRank")
    task.read(dtype_bakend="pyarrow")  # type: ignore[call-arg]
    task.export("result.parquet", compresion="zstd")  # type: ignore[call-arg]
    task.read_output("file:///out", heder=True)  # type: ignore[call-arg]
