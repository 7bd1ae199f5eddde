"""NebulaGraph Explorer results as typed pandas DataFrames, Arrow tables, Parquet and Feather."""

from explorer_frames import errors, schemas
from explorer_frames._client import Explorer
from explorer_frames._delta import write_delta
from explorer_frames._functions import (
    export_sample_result,
    open_sample_result,
    read_sample_result,
    read_sample_result_arrow,
    sync_workflow,
)
from explorer_frames._iceberg import append_iceberg
from explorer_frames._inspect import inspect, verify
from explorer_frames._jobs import Job
from explorer_frames._output import export_output, open_output, read_output, read_output_arrow
from explorer_frames._provenance import Provenance
from explorer_frames._sync_report import SyncReport
from explorer_frames._tables import TableReceipt
from explorer_frames._tasks import Task
from explorer_frames._version import __version__
from explorer_frames._write import Receipt, write_feather, write_parquet
from explorer_frames.errors import ExplorerFramesError, TruncatedResultWarning

__all__ = [
    "Explorer",
    "ExplorerFramesError",
    "Job",
    "Provenance",
    "Receipt",
    "SyncReport",
    "TableReceipt",
    "Task",
    "TruncatedResultWarning",
    "__version__",
    "append_iceberg",
    "errors",
    "export_output",
    "export_sample_result",
    "inspect",
    "open_output",
    "open_sample_result",
    "read_output",
    "read_output_arrow",
    "read_sample_result",
    "read_sample_result_arrow",
    "schemas",
    "sync_workflow",
    "verify",
    "write_delta",
    "write_feather",
    "write_parquet",
]
