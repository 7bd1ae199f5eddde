"""Sync a workflow's results to a lake, a folder with one dataset per task.

A sync reads and writes only missing results. It lists all files once, at the start. Results are published with
``mode="create"`` under deterministic names, and a job's record is written after its results. It is therefore safe to
interrupt a sync at any point, and to run several at the same time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from explorer_frames._errors import close_names, escaped
from explorer_frames._files.formats import Options, roundtrip_schema
from explorer_frames._files.inspection import schema_of, verify_file
from explorer_frames._files.write import Finish, write
from explorer_frames._jobs.job import check_workflow
from explorer_frames._jobs.task import Task
from explorer_frames._private import shortened
from explorer_frames._progress import Bar, Done, progress_bar
from explorer_frames._provenance import document_of
from explorer_frames._results.reading import Query, ResultReader
from explorer_frames._storage.folder import Folder
from explorer_frames._storage.publish import Target
from explorer_frames._sync.folders import TaskFolders
from explorer_frames._sync.manifest import RUN_COLUMNS, Dataset, JobRecord, JobRun, Part, TaskEntry, TaskFolder
from explorer_frames._sync.names import DATASET, OWN, TASKS, file_name, is_result, record_name
from explorer_frames._sync.options import SyncOptions
from explorer_frames._sync.report import STATES, SyncedPart, SyncFailure, SyncReport, checked_report, progress_of
from explorer_frames._threads import in_parallel
from explorer_frames._warnings import joined_warnings
from explorer_frames.errors import (
    ConfigError,
    DamagedFileError,
    ExplorerFramesError,
    FileReadError,
    LicenseError,
    TargetExistsError,
    TransportError,
    UnauthorizedError,
    WriteError,
)

if TYPE_CHECKING:
    from explorer_frames._client import Explorer

_NO_DATE = "__HIVE_DEFAULT_PARTITION__"
_MOVE_AWAY = "Move the file out of the lake and sync again. A sync does not replace existing files."


def sync(
    explorer: Explorer,
    results: ResultReader,
    options: SyncOptions,
    url: str | os.PathLike[str],
    storage_options: Mapping[str, Any] | None,
) -> SyncReport:
    """Export the missing results; see `explorer_frames.Explorer.sync_workflow`."""
    folder = Folder(url, storage_options, make_parents=options.make_parents)
    with progress_bar(options.progress, Done(f"workflow {escaped(options.workflow, 20)}")) as bar:
        return _Sync(explorer, results, options, folder, bar).run()


@dataclass(slots=True)
class _JobState:
    """State of a job in a sync."""

    before: JobRecord | None  # existing record
    record: JobRecord  # new record, completed as results are written
    left: int = 0  # remaining items
    failed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True, eq=False)
class _SyncItem:
    """Result of a task to write; if `task` is None, only the job's record is written."""

    state: _JobState
    task: TaskEntry | None
    folder: str = ""
    path: str = ""

    @property
    def job(self) -> JobRun:
        """Job of the item."""
        return self.state.record.job

    def failure(self, error: ExplorerFramesError) -> SyncFailure:
        """Return the report entry for this item's error."""
        task = self.task
        return SyncFailure(task and task.name, task and task.task_id, self.job.job_id, shortened(error))


class _Sync:
    """One sync: lists files and jobs, plans the items, and writes them."""

    def __init__(
        self, explorer: Explorer, results: ResultReader, options: SyncOptions, folder: Folder, bar: Bar
    ) -> None:
        self._bar = bar
        self._explorer = explorer
        self._results = results
        self._options = options
        self._folder = folder
        self._dataset = Dataset(
            options.server_name, options.workflow, options.format, options.schema.vid_type, options.partition_by
        )
        self._files: dict[str, int] = {}
        self._paths: dict[tuple[str, str], str] = {}  # result paths, by task folder and file name
        self._tasks: dict[tuple[str, str], Task] = {}  # tasks read from the server, by job id and task id
        self._folders = TaskFolders(folder)
        self._layout = Options(options.format)
        self._items: list[_SyncItem] = []
        self._stopped = False  # True if all remaining results would fail too

    def run(self) -> SyncReport:
        """Run the sync; on interruption, add a note on the results written so far."""
        try:
            with joined_warnings():
                report = self._run_once()
            return checked_report(report)
        except ExplorerFramesError:
            raise
        except BaseException as error:
            error.add_note(self._how_far())
            raise

    def _how_far(self) -> str:
        missing = [item.task.task_id in item.state.record.parts for item in self._items if item.task is not None]
        # An interrupted worker may have published a result without recording it.
        count = f"at least {sum(missing):,} of {len(missing):,} missing results" if any(missing) else "no results"
        return f"Written to {self._folder.url}: {count}. Sync again to write the remaining results."

    def _run_once(self) -> SyncReport:
        # Files are listed before the settings are checked, so all listed files were written with these settings.
        self._files = self._folder.files()
        settings = self._check_owner()
        self._folder.remove_stale(self._files)
        jobs = self._list_jobs()
        states, failures = self._look_up(jobs)
        self._check_names(states, failures)
        there, items = self._plan(states)
        self._items = items
        damaged = self._damaged(there) if self._options.verify else {}
        report = SyncReport(
            self._folder.url,
            self._options.workflow,
            len(jobs),
            skipped=tuple(self._part(item) for item in there if item not in damaged),
            failed=(*failures, *(item.failure(error) for item, error in damaged.items())),
            pending=len(items),
        )
        if items:
            self._folder.try_to_recreate(DATASET, settings or self._claim_lake())
        return _in_order(self._run_all(items, report), jobs)

    def _list_jobs(self) -> dict[str, JobRun]:
        listed = self._explorer.list_jobs(
            self._options.workflow, status="success", created_after=self._options.created_after, order="asc", limit=None
        )
        times = [_times(listed[name]) for name in ("create_time", "begin_time", "end_time")]
        workflow = self._options.workflow
        runs = (JobRun(job, workflow, *known) for job, *known in zip(listed["job_id"].tolist(), *times, strict=True))
        return {run.job_id: run for run in runs}

    # --- settings of the lake

    def _check_owner(self) -> bytes | None:
        """Read and check the settings; None if the folder is empty."""
        content = self._folder.read([DATASET])[0]
        if content is not None:
            self._dataset.check(content, self._folder.url)
        elif any(name.startswith(OWN) or is_result(name) for name in self._files):
            raise ConfigError(
                "the folder contains results but no _manifest/dataset.json",
                where=self._folder.url,
                hint="Restore that file, or pass another path.",
            )
        return content

    def _claim_lake(self) -> bytes:
        """Write the settings, and return the content of their file."""
        content = self._dataset.to_json()
        with suppress(TargetExistsError):
            self._folder.put(DATASET, content, "create")
            return content
        return self._check_owner() or content  # another process created the file, possibly with other settings

    # --- plan

    def _look_up(self, jobs: dict[str, JobRun]) -> tuple[list[_JobState], list[SyncFailure]]:
        """Read each job's tasks from its record or, if it has none, from the server."""
        before = self._read_records(jobs)
        tasks = {job: known.tasks for job, known in before.items() if known.is_final}
        failures = []
        unknown = [job for job in jobs if job not in tasks]
        with closing(in_parallel(self._options.workers, self._ask, unknown)) as answers:
            for job, found in self._bar.counted(answers, "job", len(unknown)):
                if isinstance(found, ExplorerFramesError):
                    failures.append(SyncFailure(None, None, job, found))
                else:
                    tasks[job] = found
        return [self._state(jobs[job], before.get(job), tasks[job]) for job in jobs if job in tasks], failures

    def _read_records(self, jobs: dict[str, JobRun]) -> dict[str, JobRecord]:
        """Read the records of these jobs and the descriptions of all task folders."""
        tasks = [name for name in self._files if name.startswith(TASKS)]
        names = {record_name(job): job for job in jobs}
        there = [name for name in names if name in self._files]
        contents = self._folder.read([*tasks, *there])
        results = [name for name in self._files if is_result(name)]
        self._paths = {(name.split("/", 1)[0], name.rsplit("/", 1)[1]): name for name in results}
        self._folders.load(contents[: len(tasks)], self._paths)
        records = {}
        for name, content in zip(there, contents[len(tasks) :], strict=True):
            job = jobs[names[name]]
            record = JobRecord.from_bytes(content, job)
            if record is not None:
                records[job.job_id] = record
                self._check_job(job, record.job)
        return records

    def _check_job(self, job: JobRun, known: JobRun) -> None:
        difference = job.difference(known)
        if difference:
            raise ConfigError(
                f"job {job.job_id} in this lake is a different run: {difference}",
                where=self._folder.url,
                hint="Pass another path, because this lake belongs to another server.",
            )

    def _ask(self, job: str) -> tuple[str, tuple[TaskEntry, ...] | ExplorerFramesError]:
        try:
            detail = self._explorer.job(job)
            check_workflow(detail, self._options.workflow)
            tasks = detail.tasks
        except ExplorerFramesError as error:
            if _stops_all(error):
                raise
            return job, shortened(error)
        self._tasks.update({(job, task.task_id): task for task in tasks})
        return job, tuple(TaskEntry(task.task_id, task.name, task.status) for task in tasks)

    def _state(self, job: JobRun, before: JobRecord | None, tasks: tuple[TaskEntry, ...]) -> _JobState:
        parts = before.parts if before else {}
        kept = {task: part for task, part in parts.items() if self._files.get(part.path or "", 0) == part.bytes}
        # The end time selects the partition, so the recorded job is kept even if the server's times change.
        return _JobState(before, JobRecord(before.job if before else job, tasks, kept))

    def _check_names(self, states: list[_JobState], failures: list[SyncFailure]) -> None:
        """Raise ConfigError for a requested task that no job has."""
        tasks = {task for state in states for task in state.record.tasks}
        named = (self._options.tasks or frozenset()) | self._options.schemas.keys()
        missing = named - {task.name for task in tasks} - {task.task_id for task in tasks}
        if missing and states and not failures:
            raise ConfigError(
                f"no job has a task {', '.join(repr(escaped(name, 60)) for name in sorted(missing))}",
                where=f"workflow {self._options.workflow}",
                hint=close_names(min(missing), sorted({task.name for task in tasks})),
            )

    def _plan(self, states: list[_JobState]) -> tuple[list[_SyncItem], list[_SyncItem]]:
        """Return the items of existing results and the items to process."""
        there: list[_SyncItem] = []
        items: list[_SyncItem] = []
        folders = self._folders.choose(task.name for state in states for task in state.record.tasks)
        for state in states:
            mine: list[_SyncItem] = []
            for task in filter(self._options.takes, state.record.tasks):
                folder = folders[task.name]
                item = _SyncItem(state, task, folder, self._path(state.record.job, task, folder))
                (there if task.task_id in state.record.parts else mine).append(item)
            if not mine and (state.before is None or state.before.tasks != state.record.tasks):
                mine.append(_SyncItem(state, None))
            state.left = len(mine)
            items += mine
        return there, items

    def _path(self, job: JobRun, task: TaskEntry, folder: str) -> str:
        """Return the path of a result: its existing file in any partition, or a new file."""
        file = file_name(job.job_id, task.task_id, self._options.format)
        date = _NO_DATE if job.end_time is None else f"{job.end_time:%Y-%m-%d}"
        values = {"job_id": job.job_id, "task_id": task.task_id, "end_date": date}
        partitions = [f"{name}={values[name]}" for name in self._options.partition_by]
        return self._paths.get((folder, file)) or "/".join([folder, *partitions, file])

    def _part(self, item: _SyncItem) -> SyncedPart:
        task: Any = item.task
        part = item.state.record.parts[task.task_id]
        url = None if part.path is None else self._folder.url_of(part.path)
        return SyncedPart(task.name, task.task_id, item.job.job_id, url, part.rows, part.bytes)

    def _damaged(self, there: list[_SyncItem]) -> dict[_SyncItem, ExplorerFramesError]:
        """Verify existing results; return the error of each damaged one."""

        def check(item: _SyncItem) -> tuple[_SyncItem, ExplorerFramesError | None]:
            part = item.state.record.parts[item.task.task_id]  # type: ignore[union-attr]  # existing results have a task
            try:
                self._verify(part)
            except FileReadError as error:
                return item, error
            return item, None

        workers = self._options.workers if self._folder.reads_in_parallel else 1
        with closing(in_parallel(workers, check, there)) as outcomes:
            checked = self._bar.counted(outcomes, "file", len(there))
            return {item: error for item, error in checked if error is not None}

    def _verify(self, part: Part) -> None:
        if part.path is None:
            return
        try:
            known = verify_file(self._folder.target(part.path), storage_options=self._folder.storage_options)
        except DamagedFileError as error:
            error.hint = _MOVE_AWAY
            raise
        if (known.rows, known.content_hash) != (part.rows, part.content_hash):
            raise DamagedFileError(
                "content hash mismatch: the file differs from the lake's record",
                where=self._folder.url_of(part.path),
                hint=_MOVE_AWAY,
            )

    # --- process the items

    def _run_all(self, items: list[_SyncItem], report: SyncReport) -> SyncReport:
        if not items:
            return report
        self._bar.tell(report, progress_of(report, len(items)))
        with closing(in_parallel(self._options.workers, self._run, items)) as outcomes:
            for outcome in outcomes:
                if outcome is None:
                    continue  # the sync was stopped before this item
                more: dict[str, Any] = {kind: (*getattr(report, kind), *new) for kind, new in outcome.items()}
                report = replace(report, pending=report.pending - 1, **more)
                self._bar.tell(report, progress_of(report, len(items)))
        return report

    def _run(self, item: _SyncItem) -> dict[str, list[Any]] | None:
        """Process one item, and write the job's record after the last item of the job."""
        state = item.state
        if self._stopped:
            return None
        outcome: dict[str, list[Any]] = {}
        try:
            if item.task is not None:
                kind, state.record.parts[item.task.task_id] = self._write_or_find(item, item.task)
                outcome[kind] = [self._part(item)]
        except ExplorerFramesError as error:
            state.failed = True
            outcome["failed"] = [item.failure(self._noted(error))]
        with state.lock:
            state.left -= 1
            last = state.left == 0
        if last and not state.failed:
            try:
                self._write_record(state.record)
            except ExplorerFramesError as error:
                outcome["failed"] = [_SyncItem(state, None).failure(self._noted(error))]
        return outcome

    def _noted(self, error: ExplorerFramesError) -> ExplorerFramesError:
        """Return the error; stop the sync if all remaining results would fail too."""
        self._stopped = self._stopped or _stops_all(error)
        return error

    def _write_or_find(self, item: _SyncItem, task: TaskEntry) -> tuple[str, Part]:
        """Write one result, or read its file if another process has written it."""
        if item.path in self._files:
            return "skipped", self._found(item, task)
        try:
            return "written", self._export(item, task)
        except WriteError as error:
            refused = error
        # Without exclusive creation, another process may replace our file, which is then reported as a size mismatch.
        try:
            return "skipped", self._found(item, task)
        except WriteError as unfit:
            found = unfit
        raise found if isinstance(refused, TargetExistsError) else refused

    def _export(self, item: _SyncItem, task: TaskEntry) -> Part:
        options = self._options
        job_id = item.job.job_id
        looked_up = self._tasks.get((job_id, task.task_id))
        plan = self._folder.new_target(item.path), self._layout
        schema = options.schema_of(task, self._folders.schema_of(item.folder))
        query = Query.of(job_id, looked_up or task.task_id, options.limit, schema)
        land = partial(self._land, item, task, plan)
        return self._results.consume(query, land, allow_incomplete=options.allow_incomplete)

    def _land(
        self,
        item: _SyncItem,
        task: TaskEntry,
        plan: tuple[Target, Options],
        reader: pa.RecordBatchReader,
        finish: Finish,
    ) -> Part:
        """Write a result with the job's columns, if its schema matches the folder's."""
        first = next(reader, None)
        known = self._folders.schema_of(item.folder)
        own = reader.schema.remove_metadata()
        if first is None:
            own = self._options.expected_schema(task)
            if own is None and known is None:
                # No file is written, because its columns might not match later results.
                return Part(0, 0, finish()["complete"], None, None)
        run = {"job_id": item.job.job_id, "task_id": task.task_id, "end_time": item.job.end_time}
        added = [one for one in RUN_COLUMNS if one.name not in self._options.partition_by]
        written = known if first is None and known is not None else pa.schema([*own, *added])
        schema = _kept(written, plan[1])
        if known is not None:
            self._folders.check(task.name, schema, known)

        def claimed() -> Mapping[str, Any]:
            document = finish()
            self._folders.claim(TaskFolder(task.name, item.folder, schema))
            return document

        values = [pa.scalar(run[one.name], one.type) for one in added]
        batches = _with_values(() if first is None else chain([first], reader), written, values)
        rows = pa.RecordBatchReader.from_batches(written.with_metadata(reader.schema.metadata), batches)
        receipt = write(rows, plan, claimed)
        return Part(receipt.rows, receipt.bytes, receipt.complete, receipt.content_hash, item.path)

    def _found(self, item: _SyncItem, task: TaskEntry) -> Part:
        """Read the provenance of an existing file."""
        size, schema = self._folder.look(item.path, schema_of)
        document = document_of(schema.metadata)
        rows = document.get("rows")
        ids = (document.get("job_id"), document.get("task_id"))
        if ids != (item.job.job_id, task.task_id) or type(rows) is not int:
            raise WriteError(
                "the existing file contains a different result", where=self._folder.url_of(item.path), hint=_MOVE_AWAY
            )
        part = Part(rows, size, document.get("complete"), document.get("content_hash"), item.path)
        if self._options.verify:
            self._verify(part)
        return part

    def _write_record(self, record: JobRecord) -> None:
        name = record_name(record.job.job_id)
        if name not in self._files:
            with suppress(TargetExistsError):
                return self._folder.put(name, record.to_bytes(), "create")
        # Another process may have synced other tasks of the same job.
        theirs = JobRecord.from_bytes(self._folder.read([name])[0], record.job)
        if theirs is not None:
            record = replace(record, parts=theirs.parts | record.parts)
        if record != theirs:
            self._folder.put(name, record.to_bytes(), "overwrite")
        return None


def _stops_all(error: ExplorerFramesError) -> bool:
    """Return whether all remaining results would fail too, as after a rejected login."""
    if isinstance(error, WriteError):
        return error._hits_every_file  # noqa: SLF001 (a class of this package)
    unreachable = isinstance(error, TransportError) and error.unsent
    return unreachable or isinstance(error, UnauthorizedError | LicenseError)


@lru_cache(maxsize=64)
def _kept(schema: pa.Schema, options: Options) -> pa.Schema:
    """Return the schema that a file has after it is written and read again."""
    return roundtrip_schema(schema, options).remove_metadata()


def _with_values(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, values: list[pa.Scalar]
) -> Iterator[pa.RecordBatch]:
    """Append constant columns; all batches share their memory."""
    added: list[pa.Array] = []
    for batch in batches:
        if not added or len(added[0]) < batch.num_rows:
            added = [pa.repeat(value, batch.num_rows) for value in values]
        columns = [array.slice(0, batch.num_rows) for array in added]
        yield pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)


def _times(column: pd.Series) -> list[datetime | None]:
    """Convert a column of times to a list, with None for missing times."""
    return [None if time is pd.NaT else time.to_pydatetime() for time in column]


def _in_order(report: SyncReport, jobs: Iterable[str]) -> SyncReport:
    """Sort the results by job, oldest first, because they finish in any order."""
    places = {job: number for number, job in enumerate(jobs)}

    def place(one: SyncedPart | SyncFailure) -> tuple[int, str, str]:
        return places[one.job_id], one.task_name or "", one.task_id or ""

    in_order: dict[str, Any] = {state: tuple(sorted(getattr(report, state), key=place)) for state in STATES}
    return replace(report, **in_order)
