"""Report of a sync: written, existing and failed results."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer_frames import _html
from explorer_frames._errors import escaped, first_of, hints_of, plural
from explorer_frames._progress import Done
from explorer_frames.errors import ExplorerFramesError, SyncError

if TYPE_CHECKING:
    import pandas as pd


STATES = ("written", "skipped", "failed")
_COLUMNS = ("job_id", "task_name", "task_id", "state", "rows", "bytes", "path", "error")


@dataclass(frozen=True, slots=True)
class SyncedPart:
    """Result in a lake.

    Attributes
    ----------
    task_name, task_id, job_id : str
    path : str or None
        Path or URL of the file, without user, password and query. None if the result has no file, because it has no
        rows and its columns are unknown.
    rows, bytes : int
    """

    task_name: str
    task_id: str
    job_id: str
    path: str | None
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SyncFailure:
    """Result that is damaged or could not be exported.

    If the task is None, the job itself could not be read or recorded.

    Attributes
    ----------
    task_name, task_id : str or None
    job_id : str
    error : ExplorerFramesError
    """

    task_name: str | None
    task_id: str | None
    job_id: str
    error: ExplorerFramesError

    def __str__(self) -> str:
        task = "" if self.task_name is None else f", {escaped(self.task_name, 40)}"
        return f"job {self.job_id}{task}: {type(self.error).__name__}: {self.error.what}"


@dataclass(frozen=True, slots=True, repr=False)
class SyncReport:
    """Report of one call to `sync_workflow`.

    Attributes
    ----------
    path : str
        Folder of the lake, without user, password and query.
    workflow_id : str
    jobs : int
        Number of successful jobs listed by the server.
    written, skipped : tuple of SyncedPart
        Results written by this call, and results that already existed. Each item has the attributes task_name, task_id,
        job_id, path, rows and bytes.
    failed : tuple of SyncFailure
        Results that are damaged or could not be exported. Each item has the attributes task_name, task_id, job_id and
        error.
    pending : int
        Number of results that are not yet processed. In the report of a `SyncError`, these results were not attempted,
        because the folder is not writable, the login was rejected, or the server is unreachable.

    Examples
    --------
    >>> report = sync_workflow(workflow_id, "memory://report")
    >>> len(report.written) == report.jobs * 4, report.skipped, report.failed
    (True, (), ())
    >>> report.to_pandas().columns.tolist()
    ['job_id', 'task_name', 'task_id', 'state', 'rows', 'bytes', 'path', 'error']
    """

    path: str
    workflow_id: str
    jobs: int
    written: tuple[SyncedPart, ...] = ()
    skipped: tuple[SyncedPart, ...] = ()
    failed: tuple[SyncFailure, ...] = ()
    pending: int = 0

    @property
    def rows(self) -> int:
        """Number of rows written by this call."""
        return sum(part.rows for part in self.written)

    @property
    def bytes(self) -> int:
        """Total size of the files written by this call, in bytes."""
        return sum(part.bytes for part in self.written)

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with one row per result.

        The columns are job_id, task_name, task_id, state, rows, bytes, path and error. The state is ``"written"``,
        ``"skipped"`` or ``"failed"``. Failed results have an error, but no rows, bytes and path. Rows and bytes are
        nullable integers (``Int64``), and the other columns are strings.
        """
        import pandas as pd  # noqa: PLC0415 (creating a report does not need pandas)

        kinds = {name: "Int64" if name in {"rows", "bytes"} else "string" for name in _COLUMNS}
        return pd.DataFrame(self._results(), columns=list(_COLUMNS)).astype(kinds)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON-serializable dict.

        Contains the counts, and a list ``results`` with one dict per row of `to_pandas`.
        """
        counts = {state: len(getattr(self, state)) for state in STATES} | {"pending": self.pending}
        head = {"path": self.path, "workflow_id": self.workflow_id, "jobs": self.jobs, **counts}
        results = [dict(zip(_COLUMNS, row, strict=True)) for row in self._results()]
        return {**head, "rows": self.rows, "bytes": self.bytes, "results": results}

    def _results(self) -> list[tuple[Any, ...]]:
        parts = [(state, part) for state in ("written", "skipped") for part in getattr(self, state)]
        rows: list[tuple[Any, ...]]
        rows = [(p.job_id, p.task_name, p.task_id, state, p.rows, p.bytes, p.path, None) for state, p in parts]
        return rows + [
            (f.job_id, f.task_name, f.task_id, "failed", None, None, None, str(f.error)) for f in self.failed
        ]

    def __repr__(self) -> str:
        return f"<SyncReport workflow {self.workflow_id} in {self.path}: {summary(self)}>"

    def _repr_html_(self) -> str:
        counts = Counter((one.task_name, state) for state in STATES for one in getattr(self, state))
        tasks = sorted({task for task, _ in counts}, key=str)
        rows = [("(job)" if task is None else task, *(counts[task, state] for state in STATES)) for task in tasks]
        return _html.grid(f"Workflow {self.workflow_id} in {self.path}", summary(self), ("task_name", *STATES), rows)


def summary(report: SyncReport) -> str:
    """Format the counts of a report for display."""
    jobs = f"{report.jobs:,} {plural(report.jobs, 'job')}"
    written = f"{len(report.written):,} {plural(len(report.written), 'result')} written"
    size = f"{report.rows:,} {plural(report.rows, 'row')}, {report.bytes:,} {plural(report.bytes, 'byte')}"
    later = f", {report.pending} pending" if report.pending else ""
    return f"{jobs}, {written} ({size}), {len(report.skipped):,} skipped, {len(report.failed):,} failed{later}"


def progress_of(report: SyncReport, total: int) -> Done:
    """Return the state of a progress bar for the missing results."""
    failed = f" ({len(report.failed)} failed)" if report.failed else ""
    return Done(f"workflow {escaped(report.workflow_id, 20)}{failed}", "result", total - report.pending, total)


def checked_report(report: SyncReport) -> SyncReport:
    """Return the report; raise SyncError if it has failures."""
    if not report.failed:
        return report
    shown = first_of([*map(str, report.failed)], "; ")
    not_tried = f", not attempted: {report.pending}" if report.pending else ""
    raise SyncError(
        f"failed to export {len(report.failed)} {plural(len(report.failed), 'result')} of workflow "
        f"{report.workflow_id}: {shown}; written: {len(report.written)}, skipped: {len(report.skipped)}{not_tried}",
        where=report.path,
        hint=f"{hints_of(failure.error for failure in report.failed)} Then sync again to export the "
        "missing results.\nThe error's report.failed attribute lists all failures.",
        report=report,
    )
