"""Workflows and jobs, and the threads that run them."""

from __future__ import annotations

import itertools
import re
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import IntEnum
from typing import TypeVar

from explorer_frames.sandbox import _algorithms
from explorer_frames.sandbox._faults import Code, Fault
from explorer_frames.sandbox._graphs import Graph
from explorer_frames.sandbox._options import Options
from explorer_frames.sandbox._outputs import write_output
from explorer_frames.sandbox._parameters import check_names, override
from explorer_frames.sandbox._query import EdgeRows
from explorer_frames.sandbox._results import Result

Tasks = Mapping[str, tuple[str, Mapping[str, object]]]
Inputs = Mapping[str, Mapping[str, object]]
_T = TypeVar("_T")

_CHINA = timezone(timedelta(hours=8))  # the time zone of the published examples
_FIRST_WORKFLOW = 1001  # higher than typical job ids, so that tests detect swapped ids


class Status(IntEnum):
    """Published status codes of jobs and tasks."""

    PREPARING = 0
    RUNNING = 1
    SUCCESS = 2
    FAILED = 3
    INTERRUPTED = 4
    STOPPING = 5


_FINAL = frozenset({Status.SUCCESS, Status.FAILED, Status.INTERRUPTED})


@dataclass(frozen=True)
class Workflow:
    """Saved graph of components."""

    id: int
    name: str
    graph: Graph
    tasks: Tasks


@dataclass(kw_only=True)
class _Run:
    """Base class of jobs and tasks, with times in epoch milliseconds."""

    name: str
    status: int = Status.PREPARING
    begin: int | None = None
    end: int | None = None
    error: str | None = None
    reported: int | None = None  # overrides the status in responses

    @property
    def shown(self) -> int:
        return int(self.status if self.reported is None else self.reported)


@dataclass(kw_only=True)
class Task(_Run):
    """Component of a job."""

    algorithm: str = ""
    component: str = ""  # id in the workflow; not part of responses
    parameters: Mapping[str, object] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    result: Result | None = None

    def describe(self) -> dict[str, object]:
        """Return the task as in the details of a job."""
        times = {"runBeginTime": _rfc3339(self.begin), "runEndTime": _rfc3339(self.end)}
        return {"id": self.id, "name": self.name, **times, "status": self.shown}


@dataclass(kw_only=True)
class Job(_Run):
    """Run of a workflow."""

    id: int
    workflow: Workflow
    created: int
    tasks: list[Task]
    stopped: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> dict[str, object]:
        """Return the job as in a list of jobs; unset times are 0."""
        return {
            "id": self.id,
            "name": self.name,
            "workflowId": str(self.workflow.id),
            "workflowName": self.workflow.name,
            "status": self.shown,
            "runBeginTime": self.begin or 0,
            "runEndTime": self.end or 0,
            "createTime": self.created,
        }


class Jobs:
    """All workflows and jobs of a sandbox; thread-safe."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._workflow_ids = itertools.count(_FIRST_WORKFLOW)
        self._job_ids = itertools.count(1)
        self._workflows: dict[int, Workflow] = {}
        self._jobs: dict[int, Job] = {}
        self._threads: list[threading.Thread] = []

    def add_workflow(self, name: str, graph: Graph, tasks: Tasks) -> Workflow:
        """Save a workflow; raise ValueError if parameter names differ only in case."""
        for _, parameters in tasks.values():
            check_names(parameters)
        workflow = Workflow(next(self._workflow_ids), name, graph, tasks)
        self._workflows[workflow.id] = workflow
        return workflow

    def workflow(self, workflow_id: int) -> Workflow:
        """Return a workflow, or raise the fault for an unknown id."""
        return _known(self._workflows, workflow_id, "workflow")

    def job(self, job_id: int) -> Job:
        """Return a job, or raise the fault for an unknown id."""
        return _known(self._jobs, job_id, "job")

    def task(self, job_id: int, task_id: str) -> Task:
        """Return a task of a job, or raise the fault for an unknown id."""
        for task in self.job(job_id).tasks:
            if task.id == task_id:
                return task
        raise Fault(Code.ErrNotFound, f"no task {task_id} in job {job_id}")

    def result(self, job_id: int, task_id: str) -> Result:
        """Return the result of a finished task, or raise the fault if there is none."""
        task = self.task(job_id, task_id)
        if task.result is None or task.shown != Status.SUCCESS:
            reason = f": {task.error}" if task.error else ""
            raise Fault(Code.ErrBadRequest, f"task {task_id} has no result (status: {task.shown}{reason})")
        return task.result

    def all(self, workflow_id: int | None = None) -> list[Job]:
        """Return all jobs, or the jobs of a workflow, oldest first."""
        if workflow_id is not None:
            self.workflow(workflow_id)
        with self._lock:
            return [job for job in self._jobs.values() if workflow_id in (None, job.workflow.id)]

    def add_past(self, workflow: Workflow, count: int, status: int) -> list[Job]:
        """Add jobs without tasks, with creation times one millisecond apart."""
        with self._lock:
            first = self._next_created(count)
            return [self._add(workflow, first + number, status=status) for number in range(count)]

    def add_result(self, job: Job, name: str, result: Result) -> Task:
        """Add a finished task to a job."""
        now = _now()
        component = f"analytics_{re.sub('[^a-z0-9]', '', name.lower())}_{len(job.tasks) + 1}"
        task = Task(
            name=name,
            status=Status.SUCCESS,
            begin=now,
            end=now,
            algorithm=name,
            component=component,
            result=result,
        )
        write_output(self._options, job.id, task, result)
        with self._lock:
            job.tasks.append(task)
        return task

    def submit(self, workflow_id: int, inputs: Inputs) -> Job:
        """Add a job, and start it."""
        workflow = self.workflow(workflow_id)
        with self._lock:
            job = self._add(workflow, self._next_created(), tasks=_tasks(workflow, inputs))
            unknown = ", ".join(sorted(set(inputs) - set(workflow.tasks)))
            job.error = f"no task {unknown} in workflow {workflow_id}" if unknown else None
            thread = threading.Thread(target=self._run, args=(job,), name=f"sandbox-job-{job.id}", daemon=True)
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]
            # Start while the lock is held, because close() cannot join a thread that is not started.
            thread.start()
        return job

    def cancel(self, job_id: int) -> None:
        """Stop a job, or raise the fault if it has ended."""
        job = self.job(job_id)
        with self._lock:
            if job.status in _FINAL:
                raise Fault(Code.ErrBadRequest, f"job {job_id} has ended (status: {job.shown})")
            self._stop(job)

    def close(self) -> None:
        """Stop the running jobs, and wait for their threads."""
        with self._lock:
            for job in self._jobs.values():
                if job.status not in _FINAL:
                    self._stop(job)
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    @staticmethod
    def _stop(job: Job) -> None:
        job.status = Status.STOPPING
        for task in job.tasks:
            if task.status == Status.RUNNING:
                task.status = Status.STOPPING
        job.stopped.set()

    def _next_created(self, count: int = 1) -> int:
        """Return the first of `count` creation times that follow the last one."""
        last = next(reversed(self._jobs.values())).created if self._jobs else 0
        return max(last + 1, _now() - count + 1)

    def _add(
        self, workflow: Workflow, created: int, *, tasks: Iterable[Task] = (), status: int = Status.PREPARING
    ) -> Job:
        job_id = next(self._job_ids)
        job = Job(id=job_id, name=f"{workflow.name}_{job_id}", workflow=workflow, created=created, tasks=[*tasks])
        job.status = status
        if status in _FINAL:
            job.begin = job.end = created
        self._jobs[job_id] = job
        return job

    def _run(self, job: Job) -> None:
        self._begin(job, job)
        graph = None if job.error else job.workflow.graph
        for task in job.tasks:
            if graph is not None and self._begin(job, task):
                graph = self._compute(job, task, graph)
        failed = job.error or any(task.error for task in job.tasks)
        for task in job.tasks:
            if task.begin is None:
                task.status = Status.INTERRUPTED
        self._finish(job, job, Status.FAILED if failed else Status.SUCCESS)

    def _compute(self, job: Job, task: Task, graph: Graph) -> Graph | None:
        """Run a task; return the graph for later tasks, or None after a failed Query."""
        started = time.monotonic()
        query = task.algorithm == _algorithms.QUERY
        try:
            result = _algorithms.run(task.algorithm, job.workflow.graph if query else graph, task.parameters)
            write_output(self._options, job.id, task, result)
            task.result = result
        except Exception as error:  # noqa: BLE001 - an error must fail the task, not the server
            task.error = f"{type(error).__name__}: {error}"
        job.stopped.wait(self._options.task_seconds - (time.monotonic() - started))
        self._finish(job, task, Status.FAILED if task.error else Status.SUCCESS)
        return task.result.to_graph() if isinstance(task.result, EdgeRows) else None if query else graph

    def _begin(self, job: Job, run: _Run) -> bool:
        with self._lock:
            if not job.stopped.is_set():
                run.status = Status.RUNNING
                run.begin = _now()
            return run.begin is not None

    def _finish(self, job: Job, run: _Run, status: Status) -> None:
        with self._lock:
            run.end = _now()
            run.status = Status.INTERRUPTED if job.stopped.is_set() else status


def _known(records: Mapping[int, _T], number: int, what: str) -> _T:
    if number not in records:
        raise Fault(Code.ErrNotFound, f"no {what} {number}")
    return records[number]


def _tasks(workflow: Workflow, inputs: Inputs) -> list[Task]:
    """Return the tasks of a new job, with parameters overridden by the inputs."""
    tasks: list[Task] = []
    for component, (algorithm, parameters) in workflow.tasks.items():
        # Another task of the same algorithm has a unique name, as if the user had renamed it.
        known = any(task.algorithm == algorithm for task in tasks)
        settings = " ".join(
            str(value) if key.lower() == "type" else f"{key}={value}" for key, value in parameters.items()
        )
        tasks.append(
            Task(
                algorithm=algorithm,
                component=component,
                name=f"{algorithm} {settings}".strip() if known else algorithm,
                parameters=override(parameters, inputs.get(component, {})),
            )
        )
    return tasks


def _now() -> int:
    return time.time_ns() // 1_000_000


def _rfc3339(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=_CHINA).isoformat(timespec="seconds")
