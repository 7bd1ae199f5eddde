# Public names for type checkers and editors. Editors that use jedi recognize only names that are imported with `as`.

from . import errors as errors, schemas as schemas
from ._client import Explorer as Explorer
from ._compare.compare import compare as compare
from ._compare.comparison import Comparison as Comparison
from ._doctor.finding import Diagnosis as Diagnosis, Finding as Finding
from ._files.inspection import (
    provenance as provenance,
    read_provenance as read_provenance,
    show as show,
    verify_file as verify_file,
)
from ._files.write import (
    Receipt as Receipt,
    write_feather as write_feather,
    write_parquet as write_parquet,
)
from ._functions import (
    export_sample_result as export_sample_result,
    history as history,
    open_sample_result as open_sample_result,
    read_sample_result as read_sample_result,
    read_sample_result_arrow as read_sample_result_arrow,
    sync_workflow as sync_workflow,
)
from ._jobs.job import Job as Job
from ._jobs.task import Task as Task
from ._outputs.output import (
    export_output as export_output,
    open_output as open_output,
    read_output as read_output,
    read_output_arrow as read_output_arrow,
)
from ._plot.plot import plot_result as plot_result
from ._provenance import Provenance as Provenance
from ._sync.lake import lake_dataset as lake_dataset, read_lake as read_lake
from ._sync.report import SyncReport as SyncReport
from ._tables.delta import write_delta as write_delta
from ._tables.iceberg import append_iceberg as append_iceberg
from ._tables.table import TableReceipt as TableReceipt
from ._version import __version__ as __version__
from .errors import (
    ConfigFileWarning as ConfigFileWarning,
    ExplorerFramesError as ExplorerFramesError,
    HistoryGapWarning as HistoryGapWarning,
    SchemaWarning as SchemaWarning,
    TruncatedResultWarning as TruncatedResultWarning,
    UnencryptedWarning as UnencryptedWarning,
)

__all__ = [
    "Comparison",
    "ConfigFileWarning",
    "Diagnosis",
    "Explorer",
    "ExplorerFramesError",
    "Finding",
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
    "lake_dataset",
    "open_output",
    "open_sample_result",
    "plot_result",
    "provenance",
    "read_lake",
    "read_output",
    "read_output_arrow",
    "read_provenance",
    "read_sample_result",
    "read_sample_result_arrow",
    "schemas",
    "show",
    "sync_workflow",
    "verify_file",
    "write_delta",
    "write_feather",
    "write_parquet",
]
