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

from explorer_frames._files.write import planned
from explorer_frames._jobs.wait import progress_bar
from explorer_frames._private import private
from explorer_frames._provenance import document_of
from explorer_frames._results.result import Query
from explorer_frames._storage.folder import Folder
from explorer_frames._sync.manifest import DATASET, Dataset, Manifest, TaskEntry, manifest_name, part_name
from explorer_frames._sync.report import SyncedPart, SyncFailure, SyncReport
from explorer_frames._threads import in_parallel
from explorer_frames.errors import ConfigError, ExplorerFramesError, TargetExistsError, WriteError, escaped

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

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
    folder = Folder(url, storage_options)
    dataset = Dataset(results.url, options.workflow, options.format, options.schema.vid_type)
    return _Sync(explorer, results, folder, dataset, options).run()


class _Unit(NamedTuple):
    """What is to be done for a job: land a task's result, or (without a task) only write its manifest."""

    work: _Work
    task: TaskEntry | None


@dataclass(slots=True)
class _Work:
    """A job, and what of it is still to be done.

    Attributes
    ----------
    before
        Its manifest as it was found, good or out of date.
    damaged
        Whether there is one that cannot be read.
    tasks
        Those that are wanted.
    now
        Its manifest as it is to be; parts are added as they land.
    left
        Units still to be done, the manifest one of them where there is no other.
    """

    job: str
    before: Manifest | None
    damaged: bool
    tasks: list[TaskEntry]
    now: Manifest
    left: int = 0
    failed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Sync:
    """One call: looks, then plans, then lands."""

    def __init__(
        self, explorer: Explorer, results: ResultReader, folder: Folder, dataset: Dataset, options: SyncOptions
    ) -> None:
        self._explorer = explorer
        self._results = results
        self._folder = folder
        self._dataset = dataset
        self._options = options
        self._files: dict[str, int] = {}
        self._tasks: dict[tuple[str, str], Task] = {}  # those of jobs that were looked at

    def run(self) -> SyncReport:
        # Listed before it is asked whose it is: what is seen was put there under that name.
        self._files = self._folder.files()
        owned = self._check_owner()
        self._folder.remove_stale(self._files)
        listed = self._explorer.list_jobs(
            self._options.workflow, status="success", created_after=self._options.since, order="asc", limit=None
        )
        jobs = listed["id"].tolist()
        report = SyncReport(self._folder.url, self._options.workflow, len(jobs))
        works, failures = self._plan(jobs)
        self._check_names(works, failures)
        there, units = self._divide(works)
        report = replace(report, skipped=tuple(there), failed=tuple(failures), pending=len(units))
        if units and not owned:
            self._claim()
        return _in_order(self._land_all(units, report), jobs).checked()

    # --- whose folder it is

    def _check_owner(self) -> bool:
        content = self._folder.read([DATASET])[0]
        if content is not None:
            self._dataset.check(content, self._folder.url)
        elif any(name.startswith(("task=", "_manifest/job_id=")) for name in self._files):
            raise ConfigError(
                "the folder has results in it, and no _manifest/_dataset.json that says whose",
                where=self._folder.url,
                hint="Put that file back, or pass another url.",
            )
        return content is not None

    def _claim(self) -> None:
        with suppress(TargetExistsError):
            return self._folder.put(DATASET, self._dataset.to_json(), "create")
        self._check_owner()  # another process was first: the same sync, or not
        return None

    # --- what is to be done

    def _plan(self, jobs: list[str]) -> tuple[list[_Work], list[SyncFailure]]:
        """Learn of each job's tasks: from its manifest, or from the server."""
        names = {job: manifest_name(job) for job in jobs}
        there = [job for job in jobs if names[job] in self._files]
        contents = self._folder.read([names[job] for job in there])
        manifests = {job: Manifest.from_json(content, job) for job, content in zip(there, contents, strict=True)}
        works = {job: self._work(job, known, known) for job, known in manifests.items() if known and known.is_final}
        failures = []
        unknown = [job for job in jobs if job not in works]
        with closing(in_parallel(self._options.workers, self._ask, unknown)) as answers:
            for job, found in answers:
                if isinstance(found, ExplorerFramesError):
                    failures.append(SyncFailure(None, None, job, found))
                else:
                    works[job] = self._work(job, manifests.get(job), found)
                    works[job].damaged = job in manifests and manifests[job] is None
        return [works[job] for job in jobs if job in works], failures

    def _ask(self, job: str) -> tuple[str, Manifest | ExplorerFramesError]:
        try:
            detail = self._explorer.job(job)
            detail.check_workflow(self._options.workflow)
            tasks = detail.tasks
            self._tasks.update({(job, task.id): task for task in tasks})
            return job, Manifest(job, tuple(TaskEntry(task.id, task.name, task.status) for task in tasks))
        except ExplorerFramesError as error:
            return job, error

    def _work(self, job: str, before: Manifest | None, known: Manifest) -> _Work:
        parts = before.parts if before else {}
        kept = {name: part for name, part in parts.items() if self._files.get(name) == part["bytes"]}
        wanted = [task for task in known.tasks if self._options.takes(task)]
        return _Work(job, before, False, wanted, Manifest(job, known.tasks, kept))  # noqa: FBT003

    def _check_names(self, works: list[_Work], failures: list[SyncFailure]) -> None:
        """Refuse a name that no task of any job has: it is misspelt."""
        tasks = {task for work in works for task in work.now.tasks}
        missing = self._options.names - {task.name for task in tasks} - {task.id for task in tasks}
        if missing and works and not failures:
            names = ", ".join(repr(escaped(name, 60)) for name in sorted({task.name for task in tasks})[:50])
            raise ConfigError(
                f"no job has a task {', '.join(repr(escaped(name, 60)) for name in sorted(missing))}",
                where=f"workflow {self._options.workflow}",
                hint=f"Its tasks are {names or 'none at all'}.",
            )

    def _divide(self, works: list[_Work]) -> tuple[list[SyncedPart], list[_Unit]]:
        """Tell what is there from what is to be done."""
        there, units = [], []
        for work in works:
            mine: list[_Unit] = []
            for task in work.tasks:
                part = work.now.parts.get(self._name(work, task))
                if part is None:
                    mine.append(_Unit(work, task))
                else:
                    there.append(self._part(work, task, part))
            if not mine and (work.before is None or work.before.tasks != work.now.tasks):
                mine = [_Unit(work, None)]
            work.left = len(mine)
            units += mine
        return there, units

    def _name(self, work: _Work, task: TaskEntry) -> str:
        return part_name(work.job, task, self._options.format)

    def _part(self, work: _Work, task: TaskEntry, part: dict[str, Any]) -> SyncedPart:
        url = self._folder.url_of(self._name(work, task))
        return SyncedPart(task.name, task.id, work.job, url, part["rows"], part["bytes"])

    # --- doing it

    def _land_all(self, units: list[_Unit], report: SyncReport) -> SyncReport:
        if not units:
            return report
        with (
            progress_bar(self._options.progress, "result", SyncReport.how_far) as show,
            closing(in_parallel(self._options.workers, self._land, units)) as outcomes,
        ):
            show(report)
            for outcome in outcomes:
                more: dict[str, Any] = {kind: (*getattr(report, kind), *new) for kind, new in outcome.items()}
                report = replace(report, pending=report.pending - 1, **more)
                show(report)
        return report

    def _land(self, unit: _Unit) -> dict[str, list[Any]]:
        """Do what is to be done for one result, and for its job if it is the job's last one."""
        work, task = unit
        outcome: dict[str, list[Any]] = {}
        if task is not None:
            try:
                kind, part = self._write_or_find(work, task)
                work.now.parts[self._name(work, task)] = part
                outcome[kind] = [self._part(work, task, part)]
            except ExplorerFramesError as error:
                work.failed = True
                outcome["failed"] = [SyncFailure(task.name, task.id, work.job, error)]
        with work.lock:
            work.left -= 1
            last = work.left == 0
        if last and not work.failed:
            try:
                self._write_manifest(work)
            except ExplorerFramesError as error:
                outcome["failed"] = [SyncFailure(None, None, work.job, error)]
        return outcome

    def _write_or_find(self, work: _Work, task: TaskEntry) -> tuple[str, dict[str, Any]]:
        """Land one result; what another process has landed meanwhile is there as well."""
        name = self._name(work, task)
        if name in self._files:
            return "skipped", self._found(work, task, name)
        try:
            receipt = self._export(work.job, task, name)
            return "written", _record(task, receipt.bytes, _document(receipt.schema), receipt.rows)
        except WriteError as error:
            refused = error
        # Where a store cannot refuse to overwrite, the other's file may also show as one of another size than ours.
        try:
            return "skipped", self._found(work, task, name)
        except WriteError as unfit:
            found = unfit
        raise found if isinstance(refused, TargetExistsError) else refused

    @private
    def _export(self, job_id: str, task: TaskEntry, name: str) -> Receipt:
        options = self._options
        looked_up = self._tasks.get((job_id, task.id))
        query = Query.of(job_id, task.id, options.limit, options.schema_of(task), task=looked_up)
        target = self._folder.target(name)
        plan = planned(target, format=options.format, mode="create", storage_options=self._folder.storage_options)
        return self._results.export(query, plan, allow_incomplete=options.allow_incomplete)

    def _found(self, work: _Work, task: TaskEntry, name: str) -> dict[str, Any]:
        """Read what a file that is there says of itself."""
        size, document = self._folder.look(name, self._stored_document)
        if (document.get("job"), document.get("task")) != (work.job, task.id):
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

    def _write_manifest(self, work: _Work) -> None:
        manifest, name = work.now, manifest_name(work.job)
        if work.before is None and not work.damaged:
            try:
                return self._folder.put(name, manifest.to_json(), "create")
            except TargetExistsError:
                pass  # another process was first; it may have wanted other tasks
            content = self._folder.read([name])[0]
            theirs = Manifest.from_json(content, work.job)
            if theirs:
                manifest = replace(manifest, parts=theirs.parts | manifest.parts)
            if content == manifest.to_json():
                return None
        return self._folder.put(name, manifest.to_json(), "overwrite")


def _record(task: TaskEntry, size: int, document: dict[str, Any], rows: int) -> dict[str, Any]:
    return {"task_id": task.id, "rows": rows, "bytes": size, "provenance": document}


def _document(schema: pa.Schema) -> dict[str, Any]:
    """Read the provenance in a file's metadata; empty where it does not say how many rows there are."""
    document = document_of(schema.metadata)
    return document if type(document.get("rows")) is int else {}


def _in_order(report: SyncReport, jobs: list[str]) -> SyncReport:
    """The same, oldest job first; results come as they are ready."""
    places = {job: number for number, job in enumerate(jobs)}

    def ordered(records: Iterable[Any]) -> Iterator[Any]:
        return iter(sorted(records, key=lambda one: (places[one.job_id], one.task or "", one.task_id or "")))

    again: dict[str, Any] = {kind: tuple(ordered(getattr(report, kind))) for kind in ("written", "skipped", "failed")}
    return replace(report, **again)
