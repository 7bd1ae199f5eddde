# The public names: type checkers read them here, and `__init__.py` loads each one when it is first used.

from . import errors as errors
from . import schemas as schemas
from ._client import Explorer
from ._compare.compare import compare
from ._compare.comparison import Comparison
from ._files.inspection import provenance, read_provenance, verify_file
from ._files.write import Receipt, write_feather, write_parquet
from ._functions import (
    export_sample_result,
    history,
    open_sample_result,
    read_sample_result,
    read_sample_result_arrow,
    sync_workflow,
)
from ._jobs.job import Job
from ._jobs.task import Task
from ._outputs.output import export_output, open_output, read_output, read_output_arrow
from ._plot.plot import plot_result
from ._provenance import Provenance
from ._sync.report import SyncReport
from ._tables.delta import write_delta
from ._tables.iceberg import append_iceberg
from ._tables.table import TableReceipt
from ._version import __version__
from .errors import (
    ExplorerFramesError,
    HistoryGapWarning,
    SchemaWarning,
    TruncatedResultWarning,
    UnencryptedWarning,
)

__all__ = [
    "Comparison",
    "Explorer",
    "ExplorerFramesError",
    "HistoryGapWarning",
    "Job",
    "Provenance",
    "Receipt",
    "SchemaWarning",
    "SyncReport",
    "TableReceipt",
    "Task",
    "TruncatedResultWarning",
    "UnencryptedWarning",
    "__version__",
    "append_iceberg",
    "compare",
    "errors",
    "export_output",
    "export_sample_result",
    "history",
    "open_output",
    "open_sample_result",
    "plot_result",
    "provenance",
    "read_output",
    "read_output_arrow",
    "read_provenance",
    "read_sample_result",
    "read_sample_result_arrow",
    "schemas",
    "sync_workflow",
    "verify_file",
    "write_delta",
    "write_feather",
    "write_parquet",
]
