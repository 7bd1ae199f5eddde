"""A workflow's results -> a hive-partitioned folder: what is missing is read and written, and nothing else.

The files are the truth: one listing at the start tells what is there. Results are published with ``mode="create"``,
under names that do not depend on who writes them; a job's manifest follows when all its results are there. So it can
stop anywhere, and any number of processes may do it at once.
"""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.ipc

from explorer_frames._errors import escaped
from explorer_frames._files.write import planned
from explorer_frames._jobs.job import check_workflow
from explorer_frames._private import private
from explorer_frames._progress import progress_bar
from explorer_frames._provenance import document_of
from explorer_frames._results.reading import Query
from explorer_frames._storage.folder import Folder
from explorer_frames._sync.manifest import DATASET, Dataset, Manifest, TaskEntry, manifest_name, part_name
from explorer_frames._sync.report import SyncedPart, SyncFailure, SyncReport, checked_report, progress_of
from explorer_frames._threads import in_parallel
from explorer_frames.errors import ConfigError, ExplorerFramesError, TargetExistsError, WriteError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from explorer_frames._client import Explorer
    from explorer_frames._files.write import Receipt
    from explorer_frames._jobs.task import Task
    from explorer_frames._results.reading import ResultReader
    from explorer_frames._sync.options import SyncOptions


def sync(
    explorer: Explorer,
    results: ResultReader,
    options: SyncOptions,
    url: str | os.PathLike[str],
    storage_options: Mapping[str, Any] | None,
) -> SyncReport:
    """Land what is missing: see `explorer_frames.Explorer.sync_workflow`."""
    return _Sync(explorer, results, options, Folder(url, storage_options)).run()


@dataclass(slots=True)
class _JobState:
    """A job, and what of it is still to be done.

    Attributes
    ----------
    before
        Its manifest as it was found; None if it is missing or damaged.
    manifest
        Its manifest as it is to be; parts are added as they are written.
    left
        Items still to be done, the manifest one of them where there is no other.
    """

    before: Manifest | None
    manifest: Manifest
    left: int = 0
    failed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class _SyncItem(NamedTuple):
    """What is to be done for a job: write a task's result to a file, or (without a task) only the job's manifest."""

    state: _JobState
    task: TaskEntry | None
    name: str


class _Sync:
    """One call: looks, then plans, then lands."""

    def __init__(self, explorer: Explorer, results: ResultReader, options: SyncOptions, folder: Folder) -> None:
        self._explorer = explorer
        self._results = results
        self._options = options
        self._folder = folder
        self._dataset = Dataset(results.url, options.workflow, options.format, options.schema.vid_type)
        self._files: dict[str, int] = {}
        self._tasks: dict[tuple[str, str], Task] = {}  # those of jobs that were looked at

    def run(self) -> SyncReport:
        # Listed before it is asked whose it is: what is seen was put there under that name.
        self._files = self._folder.files()
        owned = self._check_owner()
        self._folder.remove_stale(self._files)
        listed = self._explorer.list_jobs(
            self._options.workflow, status="success", created_after=self._options.created_after, order="asc", limit=None
        )
        jobs = listed["job_id"].tolist()
        report = SyncReport(self._folder.url, self._options.workflow, len(jobs))
        states, failures = self._look_up(jobs)
        self._check_names(states, failures)
        skipped, items = self._plan(states)
        report = replace(report, skipped=tuple(skipped), failed=tuple(failures), pending=len(items))
        if items and not owned:
            self._claim()
        return checked_report(_in_order(self._run_all(items, report), jobs))

    # --- whose folder it is

    def _check_owner(self) -> bool:
        content = self._folder.read([DATASET])[0]
        if content is not None:
            self._dataset.check(content, self._folder.url)
        elif any(name.startswith(("task=", "_manifest/job_id=")) for name in self._files):
            raise ConfigError(
                "the folder has results in it, and no _manifest/_dataset.json that says whose",
                where=self._folder.url,
                hint="Put that file back, or pass another path.",
            )
        return content is not None

    def _claim(self) -> None:
        with suppress(TargetExistsError):
            return self._folder.put(DATASET, self._dataset.to_json(), "create")
        self._check_owner()  # another process was first: the same sync, or not
        return None

    # --- what is to be done

    def _look_up(self, jobs: list[str]) -> tuple[list[_JobState], list[SyncFailure]]:
        """Read each job's tasks: from its manifest, or from the server."""
        there = [job for job in jobs if manifest_name(job) in self._files]
        contents = self._folder.read([manifest_name(job) for job in there])
        before = {job: Manifest.from_json(content, job) for job, content in zip(there, contents, strict=True)}
        tasks = {job: known.tasks for job, known in before.items() if known and known.is_final}
        failures = []
        unknown = [job for job in jobs if job not in tasks]
        with closing(in_parallel(self._options.workers, self._ask, unknown)) as answers:
            for job, found in answers:
                if isinstance(found, ExplorerFramesError):
                    failures.append(SyncFailure(None, None, job, found))
                else:
                    tasks[job] = found
        return [self._state(job, before.get(job), tasks[job]) for job in jobs if job in tasks], failures

    def _ask(self, job: str) -> tuple[str, tuple[TaskEntry, ...] | ExplorerFramesError]:
        try:
            detail = self._explorer.job(job)
            check_workflow(detail, self._options.workflow)
            tasks = detail.tasks
        except ExplorerFramesError as error:
            return job, error
        self._tasks.update({(job, task.task_id): task for task in tasks})
        return job, tuple(TaskEntry(task.task_id, task.name, task.status) for task in tasks)

    def _state(self, job: str, before: Manifest | None, tasks: tuple[TaskEntry, ...]) -> _JobState:
        parts = before.parts if before else {}
        kept = {name: part for name, part in parts.items() if self._files.get(name) == part["bytes"]}
        return _JobState(before, Manifest(job, tasks, kept))

    def _check_names(self, states: list[_JobState], failures: list[SyncFailure]) -> None:
        """Refuse a name that no task of any job has: it is misspelt."""
        tasks = {task for state in states for task in state.manifest.tasks}
        missing = self._options.names - {task.name for task in tasks} - {task.task_id for task in tasks}
        if missing and states and not failures:
            names = ", ".join(repr(escaped(name, 60)) for name in sorted({task.name for task in tasks})[:50])
            raise ConfigError(
                f"no job has a task {', '.join(repr(escaped(name, 60)) for name in sorted(missing))}",
                where=f"workflow {self._options.workflow}",
                hint=f"Its tasks are {names or 'none at all'}.",
            )

    def _plan(self, states: list[_JobState]) -> tuple[list[SyncedPart], list[_SyncItem]]:
        """Separate results that are there from what is to be done."""
        skipped, items = [], []
        for state in states:
            mine = []
            for task in filter(self._options.takes, state.manifest.tasks):
                item = _SyncItem(state, task, part_name(state.manifest.job_id, task, self._options.format))
                if item.name in state.manifest.parts:
                    skipped.append(self._part(state, task, item.name))
                else:
                    mine.append(item)
            if not mine and (state.before is None or state.before.tasks != state.manifest.tasks):
                mine.append(_SyncItem(state, None, ""))
            state.left = len(mine)
            items += mine
        return skipped, items

    def _part(self, state: _JobState, task: TaskEntry, name: str) -> SyncedPart:
        part = state.manifest.parts[name]
        url = self._folder.url_of(name)
        return SyncedPart(task.name, task.task_id, state.manifest.job_id, url, part["rows"], part["bytes"])

    # --- doing it

    def _run_all(self, items: list[_SyncItem], report: SyncReport) -> SyncReport:
        if not items:
            return report
        with (
            progress_bar(self._options.progress, "result", progress_of) as show,
            closing(in_parallel(self._options.workers, self._run, items)) as outcomes,
        ):
            show(report)
            for outcome in outcomes:
                more: dict[str, Any] = {kind: (*getattr(report, kind), *new) for kind, new in outcome.items()}
                report = replace(report, pending=report.pending - 1, **more)
                show(report)
        return report

    def _run(self, item: _SyncItem) -> dict[str, list[Any]]:
        """Do what is to be done for one result, and for its job if it is the job's last one."""
        state, task, name = item
        job = state.manifest.job_id
        outcome: dict[str, list[Any]] = {}
        if task is not None:
            try:
                kind, state.manifest.parts[name] = self._write_or_find(job, task, name)
                outcome[kind] = [self._part(state, task, name)]
            except ExplorerFramesError as error:
                state.failed = True
                outcome["failed"] = [SyncFailure(task.name, task.task_id, job, error)]
        with state.lock:
            state.left -= 1
            last = state.left == 0
        if last and not state.failed:
            try:
                self._write_manifest(state.manifest)
            except ExplorerFramesError as error:
                outcome["failed"] = [SyncFailure(None, None, job, error)]
        return outcome

    def _write_or_find(self, job: str, task: TaskEntry, name: str) -> tuple[str, dict[str, Any]]:
        """Write one result; what another process has written meanwhile is there as well."""
        if name in self._files:
            return "skipped", self._found(job, task, name)
        try:
            receipt = self._export(job, task, name)
            return "written", _record(task, receipt.bytes, _document(receipt.schema), receipt.rows)
        except WriteError as error:
            refused = error
        # Where a store cannot refuse to overwrite, the other's file may also show as one of another size than ours.
        try:
            return "skipped", self._found(job, task, name)
        except WriteError as unfit:
            found = unfit
        raise found if isinstance(refused, TargetExistsError) else refused

    @private
    def _export(self, job_id: str, task: TaskEntry, name: str) -> Receipt:
        options = self._options
        looked_up = self._tasks.get((job_id, task.task_id))
        query = Query.of(job_id, looked_up or task.task_id, options.limit, options.schema_of(task))
        target = self._folder.target(name)
        plan = planned(
            target,
            format=options.format,
            mode="create",
            make_parents=True,
            storage_options=self._folder.storage_options,
        )
        return self._results.export(query, plan, allow_incomplete=options.allow_incomplete)

    def _found(self, job: str, task: TaskEntry, name: str) -> dict[str, Any]:
        """Read the provenance of a file that is there."""
        size, document = self._folder.look(name, self._stored_document)
        if (document.get("job_id"), document.get("task_id")) != (job, task.task_id):
            raise WriteError(
                "what is there is not this task's result",
                where=self._folder.url_of(name),
                hint="Move that file away: it is neither replaced nor deleted.",
            )
        return _record(task, size, document, document["rows"])

    def _stored_document(self, file: Any) -> dict[str, Any]:
        if self._options.format == "parquet":
            import pyarrow.parquet as pq  # noqa: PLC0415 (30 ms that an import of the package need not take)

            return _document(pq.read_schema(file))
        return _document(pa.ipc.open_file(file).schema)

    def _write_manifest(self, manifest: Manifest) -> None:
        name = manifest_name(manifest.job_id)
        if name not in self._files:
            try:
                return self._folder.put(name, manifest.to_json(), "create")
            except TargetExistsError:
                pass  # another process was first; it may have wanted other tasks
            content = self._folder.read([name])[0]
            theirs = Manifest.from_json(content, manifest.job_id)
            if theirs:
                manifest = replace(manifest, parts=theirs.parts | manifest.parts)
            if content == manifest.to_json():
                return None
        return self._folder.put(name, manifest.to_json(), "overwrite")


def _record(task: TaskEntry, size: int, document: dict[str, Any], rows: int) -> dict[str, Any]:
    return {"task_id": task.task_id, "rows": rows, "bytes": size, "provenance": document}


def _document(schema: pa.Schema) -> dict[str, Any]:
    """Read the provenance in a file's metadata; empty where it does not say how many rows there are."""
    document = document_of(schema.metadata)
    return document if type(document.get("rows")) is int else {}


def _in_order(report: SyncReport, jobs: list[str]) -> SyncReport:
    """The same, oldest job first; results come as they are ready."""
    places = {job: number for number, job in enumerate(jobs)}

    def place(one: SyncedPart | SyncFailure) -> tuple[int, str, str]:
        return places[one.job_id], one.task_name or "", one.task_id or ""

    return replace(
        report,
        written=tuple(sorted(report.written, key=place)),
        skipped=tuple(sorted(report.skipped, key=place)),
        failed=tuple(sorted(report.failed, key=place)),
    )
