"""Read the arguments of a comparison into tables, with their provenance."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa

from explorer_frames._arguments import EVERYTHING
from explorer_frames._files.data import to_reader
from explorer_frames._files.inspection import is_sealed, open_batches
from explorer_frames._jobs.job import Job, only_task
from explorer_frames._jobs.task import Task
from explorer_frames._provenance import NAME, document_of, provenance_of, with_row_count
from explorer_frames._results.reading import RowLimits
from explorer_frames._schemas import VidType
from explorer_frames._storage.address import checked
from explorer_frames._storage.paths import is_path, plain_path
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, IncompleteResultError

Known: TypeAlias = dict[str, Any]
Given: TypeAlias = tuple[pa.Table, Known]


def source(
    data: Any, *, task: str | None, vid_type: VidType | None, storage_options: Mapping[str, Any] | None
) -> Callable[[], Given]:
    """Return a function that reads the data; data in memory is converted immediately."""
    if isinstance(data, Job):
        data = only_task(data, task)
    if isinstance(data, Task):
        return partial(_of_task, data, vid_type)
    if is_path(data):
        data, storage_options = plain_path(data, storage_options)
        checked(data, to_read=True)
        return partial(_of_file, data, storage_options)
    if not (isinstance(data, pd.DataFrame) or hasattr(data, "__arrow_c_stream__")):
        raise ConfigError(
            f"cannot compare {type(data).__name__}",
            hint="Pass a DataFrame, an Arrow table or stream, a path or URL of a file, a Job or a Task.",
        )
    known = data.attrs.get(NAME) if isinstance(data, pd.DataFrame) else None
    reader = to_reader(data)
    if isinstance(data, pa.RecordBatchReader):
        given = _of_stream(reader)
    else:
        given = _of_table(reader.read_all(), known if isinstance(known, dict) else None)
    return lambda: given


def refuse_incomplete(table: pa.Table, known: Known, side: str) -> None:
    """Raise IncompleteResultError if the provenance does not show that all rows are present."""
    was = provenance_of(known)
    whole = was.complete and was.rows == table.num_rows
    own = was.complete is None and not (
        was.job_id or was.workflow_id or was.source
    )  # data of the caller, perhaps from an exported file
    if whole or own:
        return
    hint = (
        "Read the result again with limit=None, or with read_output. To compare the available rows, pass "
        "allow_incomplete=True."
    )
    if was.rows is not None and was.rows != table.num_rows:
        what = f"{table.num_rows} of {was.rows} rows remain" if was.rows > table.num_rows else "rows were added"
        hint = f"Compare the unfiltered results, then filter the comparison. {hint}"
    elif was.status not in (None, "success"):
        what = f"the task had the status {was.status} when it was read"
    elif was.complete is False:
        what = f"the server returned exactly the requested {was.limit} rows"
    else:
        what = "completeness is unknown"
        hint = "Set row_cap= if you know the row limit of the server. " + hint
    raise IncompleteResultError(f"cannot compare a result that may be incomplete: {what}", where=side, hint=hint)


def _of_task(task: Task, vid_type: VidType | None) -> Given:
    return _of_table(task.read_arrow(vid_type=vid_type))


def _of_file(url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None) -> Given:
    store = Store(url, storage_options)
    with store.fetched() as file:
        is_sealed(store, file)  # verifies the checksum, which files of other writers do not have
        table = store.attempt("read", _table, file)
    return _of_table(table)


def _table(file: Any) -> pa.Table:
    schema, batches = open_batches(file)
    return pa.Table.from_batches(batches, schema)


def _of_stream(reader: pa.RecordBatchReader) -> Given:
    """Read a stream, and record whether it is complete, which is known only at its end."""
    table, known = _of_table(reader.read_all())
    was = provenance_of(known)
    rows = table.num_rows
    if was.complete is not None or was.rows is not None or not (was.job_id or was.source):
        return table, known
    complete = True if was.source else RowLimits(None).is_complete(rows, was.limit or EVERYTHING)
    return table, with_row_count(was, rows, complete=complete).to_dict()


def _of_table(table: pa.Table, known: Known | None = None) -> Given:
    known = document_of(table.schema.metadata) if known is None else known
    unnamed = [
        name for name in table.column_names if name.startswith("__index_level_")
    ]  # index columns written by pandas
    return table.drop_columns(unnamed).replace_schema_metadata(None), known
