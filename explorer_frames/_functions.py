"""Functions that call the methods of a shared `Explorer`, created from environment variables."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar, Unpack

import pandas as pd
import pyarrow as pa

from explorer_frames._client import Explorer
from explorer_frames._files.formats import Format
from explorer_frames._files.write import Receipt, WriteOptions
from explorer_frames._frames import DtypeBackend
from explorer_frames._http.profiles import PREFIX, file_state
from explorer_frames._jobs.job import Job
from explorer_frames._jobs.task import Task
from explorer_frames._private import private
from explorer_frames._progress import Progress
from explorer_frames._schemas import VidType
from explorer_frames._storage.paths import Destination
from explorer_frames._sync.report import SyncReport
from explorer_frames.errors import ConfigError

_T = TypeVar("_T")
_F = TypeVar("_F", bound="Callable[..., Any]")
_EXPLORER = """explorer
    `Explorer` to use. Default: the one that returned the `Job` or `Task`. For plain ids, a shared `Explorer` is
    created from environment variables and the config file."""

_shared: dict[tuple[object, ...], Explorer] = {}


def _explorer() -> Explorer:
    """Return the cached `Explorer` for the current environment variables and config file."""
    variables = sorted((name, value) for name, value in os.environ.items() if name.startswith(PREFIX))
    environment = (*variables, *file_state())
    explorer = _shared.get(environment)
    if explorer is None:
        # `setdefault` is atomic. A lock could stay acquired after a fork or a signal.
        explorer = _shared.setdefault(environment, Explorer())
        for other in [*_shared]:
            if other != environment:
                _shared.pop(other, None)
    return explorer


def explorer_or_default(explorer: Explorer | None, job_id: object = None, task_id: object = None) -> Explorer:
    """Return `explorer`, the one of a `Job` or `Task`, or the shared one."""
    if explorer is None:
        known = (given for given in (task_id, job_id) if isinstance(given, Job | Task))
        return next((given._explorer for given in known), None) or _explorer()  # noqa: SLF001 (same package)
    if not isinstance(explorer, Explorer):
        raise ConfigError(
            f"explorer must be an Explorer, got {type(explorer).__name__}",
            hint="Pass Explorer(url, ...), or remove explorer=.",
        )
    return explorer


def _called(method: Callable[..., _T], arguments: dict[str, Any]) -> _T:
    """Call a method of `arguments["explorer"]` with the other arguments."""
    explorer = explorer_or_default(arguments.pop("explorer"), arguments.get("job_id"), arguments.get("task_id"))
    call: Callable[..., _T] = getattr(explorer, method.__name__)
    return call(**arguments.pop("options", {}), **arguments)


def _documented_as(method: Callable[..., Any]) -> Callable[[_F], _F]:
    """Copy the docstring of a method, and add the parameter `explorer`."""

    def copy(function: _F) -> _F:
        text = inspect.getdoc(method) or ""  # None with `python -OO`
        function.__doc__ = text.replace("\n\nReturns\n", f"\n{_EXPLORER}\n\nReturns\n", 1)
        return private(function)

    return copy


@_documented_as(Explorer.read_sample_result)
def read_sample_result(
    job_id: str | int | Job | Task,
    task_id: str | Task | None = None,
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType | None = None,
    dtype_backend: DtypeBackend | None = None,
    explorer: Explorer | None = None,
) -> pd.DataFrame:
    """See `Explorer.read_sample_result`."""
    return _called(Explorer.read_sample_result, locals())


@_documented_as(Explorer.read_sample_result_arrow)
def read_sample_result_arrow(
    job_id: str | int | Job | Task,
    task_id: str | Task | None = None,
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType | None = None,
    explorer: Explorer | None = None,
) -> pa.Table:
    """See `Explorer.read_sample_result_arrow`."""
    return _called(Explorer.read_sample_result_arrow, locals())


@_documented_as(Explorer.open_sample_result)
def open_sample_result(
    job_id: str | int | Job | Task,
    task_id: str | Task | None = None,
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType | None = None,
    explorer: Explorer | None = None,
) -> AbstractContextManager[pa.RecordBatchReader]:
    """See `Explorer.open_sample_result`."""
    return _called(Explorer.open_sample_result, locals())


@_documented_as(Explorer.export_sample_result)
def export_sample_result(
    job_id: str | int | Job | Task,
    task_id: str | Task,
    path: Destination,
    limit: int | None = None,
    *,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType | None = None,
    allow_incomplete: bool = False,
    explorer: Explorer | None = None,
    **options: Unpack[WriteOptions],
) -> Receipt:
    """See `Explorer.export_sample_result`."""
    return _called(Explorer.export_sample_result, locals())


@_documented_as(Explorer.sync_workflow)
def sync_workflow(
    workflow_id: str | int,
    path: str | os.PathLike[str],
    *,
    tasks: Iterable[str] | None = None,
    created_after: str | datetime | None = None,
    limit: int | None = None,
    schema: str | pa.Schema | Mapping[str, str | pa.Schema | None] | None = "auto",
    vid_type: VidType | None = None,
    format: Format = "parquet",  # noqa: A002 (as pandas and pyarrow call it)
    allow_incomplete: bool = False,
    partition_by: str | Iterable[str] | None = None,
    server_name: str | None = None,
    verify: bool = False,
    make_parents: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    workers: int = 4,
    progress: Progress = None,
    explorer: Explorer | None = None,
) -> SyncReport:
    """See `Explorer.sync_workflow`."""
    return _called(Explorer.sync_workflow, locals())


@_documented_as(Explorer.history)
def history(
    workflow_id: str | int,
    last: int | None = 30,
    *,
    task: str | None = None,
    schema: str | pa.Schema | None = "auto",
    vid_type: VidType | None = None,
    dtype_backend: DtypeBackend | None = None,
    workers: int = 4,
    explorer: Explorer | None = None,
) -> pd.DataFrame:
    """See `Explorer.history`."""
    return _called(Explorer.history, locals())
