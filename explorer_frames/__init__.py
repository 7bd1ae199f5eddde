"""NebulaGraph Explorer results as typed pandas DataFrames, Arrow tables, Parquet and Feather."""

from explorer_frames import errors, schemas
from explorer_frames._client import Explorer
from explorer_frames._functions import (
    export_sample_result,
    open_sample_result,
    read_sample_result,
    read_sample_result_arrow,
    sync_workflow,
)
from explorer_frames._jobs import Job, Task
from explorer_frames._sync_report import SyncReport
from explorer_frames._version import __version__
from explorer_frames._write import Receipt, write_feather, write_parquet
from explorer_frames.errors import ExplorerFramesError, TruncatedResultWarning

__all__ = [
    "Explorer",
    "ExplorerFramesError",
    "Job",
    "Receipt",
    "SyncReport",
    "Task",
    "TruncatedResultWarning",
    "__version__",
    "errors",
    "export_sample_result",
    "open_sample_result",
    "read_sample_result",
    "read_sample_result_arrow",
    "schemas",
    "sync_workflow",
    "write_feather",
    "write_parquet",
]
