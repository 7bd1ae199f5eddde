"""Explorer: one server, and all that can be asked of it."""

from __future__ import annotations

import os
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from explorer_frames import _config
from explorer_frames._api import Api
from explorer_frames._frames import checked_backend, to_pandas
from explorer_frames._jobs import Job, made_job_id
from explorer_frames._listing import Order, job_filter, read_pages
from explorer_frames._reading import export, open_stream, read_table
from explorer_frames._results import Query, checked_limit
from explorer_frames._sync import sync
from explorer_frames._sync_wanted import Wanted
from explorer_frames._tasks import Task
from explorer_frames.errors import ConfigError, ExplorerFramesError, JobError, located

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

    import pandas as pd
    import pyarrow as pa

    from explorer_frames._config import AuthEncoding, SecretSource
    from explorer_frames._formats import Format
    from explorer_frames._frames import DtypeBackend
    from explorer_frames._provenance import Run
    from explorer_frames._sync_report import SyncReport
    from explorer_frames._wait import Progress
    from explorer_frames._write import Receipt
    from explorer_frames.schemas import VidType

_explorers: weakref.WeakSet[Explorer] = weakref.WeakSet()


class Explorer:
    """A NebulaGraph Explorer server, and who we are to it.

    Parameters
    ----------
    url
        ``http://host:7002``, or ``https://host/prefix``. Default: ``EXPLORER_FRAMES_URL``.
    token
        Value of the ``explorer_token`` cookie, or a function that gets it. Default: ``EXPLORER_FRAMES_TOKEN``.
    user, password, graphd
        To log in with in place of a token; `password` may be a function that gets it, `graphd` is ``host:port`` of
        graphd as the server reaches it. Defaults: ``EXPLORER_FRAMES_USER``, ``_PASSWORD``, ``_GRAPHD``.
    auth_encoding
        How the login is encoded: ``"json"`` from Explorer 3.3 on, ``"colon"`` for what is older.
    timeout
        Seconds to wait for a connection and for each next piece of an answer, or a pair of both.
    deadline
        Seconds for one whole call, retries included; None for no end.
    retries
        How many more times a call that only reads is tried when the failure may pass.
    verify
        Whether to check the server's TLS certificate.
    ca_bundle
        File with the certificates to trust in place of the system's.
    client_cert
        File with a client certificate and its key, or a pair of files.

    Raises
    ------
    ConfigError
        Something is missing or cannot work. Nothing is sent before the first call.

    Notes
    -----
    Safe to share between threads; usable after a fork. It pickles when its secrets come from the environment or a
    function, and never carries a token or a password along.

    Proxies of the environment are used; ``.netrc`` is not. Redirects are not followed.

    Examples
    --------
    >>> with Explorer(server.url, token=server.token) as explorer:
    ...     explorer.read_sample_result(job_id, task_id, limit=1000).shape
    (77, 2)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: SecretSource | None = None,
        user: str | None = None,
        password: SecretSource | None = None,
        graphd: str | None = None,
        auth_encoding: AuthEncoding = "json",
        timeout: float | tuple[float, float] = (10.0, 60.0),
        deadline: float | None = 600.0,
        retries: int = 2,
        verify: bool = True,
        ca_bundle: str | os.PathLike[str] | None = None,
        client_cert: str | tuple[str, str] | None = None,
    ) -> None:
        self._settings = _config.settings(
            url,
            timeout=timeout,
            deadline=deadline,
            retries=retries,
            verify=verify,
            ca_bundle=ca_bundle,
            client_cert=client_cert,
        )
        self._credentials = _config.credentials(token, user, password, graphd, auth_encoding)
        self._start()

    def _start(self) -> None:
        self._api = Api(self._settings, self._credentials)
        _explorers.add(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"_settings": self._settings, "_credentials": self._credentials}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def __repr__(self) -> str:
        who = self._credentials.user or "token"
        return f"<Explorer {self._settings.url} as {who}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        self._api.close()

    # --- reading one task's result

    def read_sample_result(
        self,
        job_id: str | int,
        task_id: str,
        limit: int | None = 10,
        *,
        schema: str | pa.Schema | None = None,
        vid_type: VidType = "string",
        dtype_backend: DtypeBackend | None = None,
        task: Task | None = None,
    ) -> pd.DataFrame:
        """Read a task's result as a typed DataFrame: see `explorer_frames.read_sample_result`.

        `task`, where it is known already, saves ``schema="auto"`` the look at its job.
        """
        checked_backend(dtype_backend)
        table = self.read_sample_result_arrow(job_id, task_id, limit, schema=schema, vid_type=vid_type, task=task)
        return to_pandas(table, dtype_backend)

    def read_sample_result_arrow(
        self,
        job_id: str | int,
        task_id: str,
        limit: int | None = 10,
        *,
        schema: str | pa.Schema | None = None,
        vid_type: VidType = "string",
        task: Task | None = None,
    ) -> pa.Table:
        """Read a task's result as a typed Arrow table: see `explorer_frames.read_sample_result_arrow`."""
        query = Query.of(job_id, task_id, limit, schema, vid_type, run=_run_of(task))
        return read_table(self._api, query)

    def open_sample_result(
        self,
        job_id: str | int,
        task_id: str,
        limit: int | None = 10,
        *,
        schema: str | pa.Schema | None = None,
        vid_type: VidType = "string",
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Stream a task's result in constant memory: see `explorer_frames.open_sample_result`."""
        return open_stream(self._api, Query.of(job_id, task_id, limit, schema, vid_type))

    def export_sample_result(
        self,
        job_id: str | int,
        task_id: str,
        url: str | os.PathLike[str],
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = None,
        vid_type: VidType = "string",
        allow_incomplete: bool = False,
        task: Task | None = None,
        **options: Any,
    ) -> Receipt:
        """Write a task's result to a file at any fsspec URL: see `explorer_frames.export_sample_result`."""
        query = Query.of(job_id, task_id, limit, schema, vid_type, run=_run_of(task))
        return export(self._api, query, url, allow_incomplete=allow_incomplete, options=options)

    # --- jobs

    def job(self, job_id: str | int) -> Job:
        """Look at one job and its tasks.

        Raises
        ------
        NotFoundError
            There is none of that id.

        Notes
        -----
        Source: ``GET api-open/v1/jobs/<job_id>``.

        Examples
        --------
        >>> explorer.job(job_id).status
        'success'
        """
        number = _config.checked_id("job_id", job_id)
        with located(f"job {number}"):
            data, trace_id = self._api.get("jobs", number)
            return Job.of(data, number, trace_id, self)

    def list_jobs(
        self,
        workflow_id: str | int | None = None,
        *,
        status: str | int | None = None,
        name: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        order: Order = "desc",
        limit: int | None = 100,
    ) -> pd.DataFrame:
        """List jobs, by default the newest 100 of all workflows.

        Parameters
        ----------
        workflow_id
            Only jobs of this workflow.
        status
            Only jobs in this state: ``"success"`` and so on, or a code.
        name
            Only jobs of this name, as the server understands it.
        created_after, created_before
            Only jobs made in between; aware datetimes, compared by the server's clock.
        order
            ``"desc"`` has the newest first, ``"asc"`` the oldest.
        limit
            The most jobs to return; None for all. Pages are read as needed; a job that appears meanwhile does not
            make another one come twice.

        Returns
        -------
        pandas.DataFrame
            Columns id, name, workflow_id, workflow_name, status (str); create_time, run_begin_time, run_end_time
            (``datetime64[ms, UTC]``, missing where it has not come). The same columns and dtypes without any job.

        Raises
        ------
        ConfigError, TransportError, ApiError, EnvelopeError

        Notes
        -----
        Source: ``GET api-open/v1/jobs`` and ``GET api-open/v1/workflows/<workflow_id>/jobs``.

        Examples
        --------
        >>> explorer.list_jobs(workflow_id, status="success", limit=1)["status"].tolist()
        ['success']
        """
        of_workflow = () if workflow_id is None else ("workflows", _config.checked_id("workflow_id", workflow_id))
        most = None if limit is None else checked_limit(limit)
        wanted = job_filter(status, name, created_after, created_before, order)
        until = self._api.deadline()

        def page(number: dict[str, str]) -> dict[str, Any]:
            return self._api.get(*of_workflow, "jobs", params={"filter": wanted, **number}, until=until)[0]

        with located("list of jobs"):
            return to_pandas(read_pages(page, most))

    def run_workflow(self, workflow_id: str | int, input: Mapping[str, Mapping[str, Any]] | None = None) -> Job:  # noqa: A002
        """Run a workflow as a new job.

        Parameters
        ----------
        workflow_id
        input
            Parameters by component, such as ``{"analytics_sssp_1": {"ROOT": "player100"}}``.

        Returns
        -------
        Job
            As it stands right after it was made: see `Job.wait`.

        Raises
        ------
        UnsafeToRetryError
            The call may have been accepted: it is never sent a second time once any of it may have gone out.
        ConfigError, ApiError, ConnectionFailedError
            The job was not made.

        Notes
        -----
        Source: ``POST api-open/v1/workflows/<workflow_id>/jobs``.

        Examples
        --------
        >>> explorer.run_workflow(workflow_id).wait(timeout=60).status
        'success'
        """
        workflow = _config.checked_id("workflow_id", workflow_id)
        body = {} if input is None else {"input": _config.checked_input(input)}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        hint = f"Look at list_jobs({workflow!r}) for a job made at about {now} before you run it again."
        with located(f"workflow {workflow}"):
            data = self._api.post_once("workflows", workflow, "jobs", body=body, hint=hint)
            number = made_job_id(data, hint)
        try:
            return self.job(number)
        except ExplorerFramesError:
            # It runs, whatever became of the look at it: its id must not be lost.
            return Job.of({"status": 0, "workflowId": workflow}, number, None, self)

    def cancel_job(self, job_id: str | int) -> None:
        """Ask the server to stop a job; it may take a while until its status says so.

        Notes
        -----
        Source: ``PUT api-open/v1/jobs/<job_id>/cancel``.
        """
        number = _config.checked_id("job_id", job_id)
        with located(f"job {number}"):
            if self._api.put("jobs", number, "cancel").get("success") is False:
                raise JobError("the server did not cancel the job", hint="See its state with Explorer.job.")

    # --- a workflow's results, in a folder

    def sync_workflow(
        self,
        workflow_id: str | int,
        url: str | os.PathLike[str],
        *,
        tasks: Iterable[str] | None = None,
        since: datetime | None = None,
        limit: int | None = None,
        schema: str | pa.Schema | Mapping[str, str | pa.Schema | None] | None = "auto",
        vid_type: VidType = "string",
        format: Format = "parquet",  # noqa: A002 (as pandas and pyarrow call it)
        allow_incomplete: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        workers: int = 4,
        progress: Progress = None,
    ) -> SyncReport:
        """Land all results of a workflow's jobs in a folder, each once: see `explorer_frames.sync_workflow`."""
        wanted = Wanted.of(
            workflow_id,
            tasks=tasks,
            since=since,
            schema=schema,
            format=format,
            workers=workers,
            progress=progress,
            limit=limit,
            vid_type=vid_type,
            allow_incomplete=allow_incomplete,
        )
        return sync(self, self._settings.url, wanted, url, storage_options)


def _run_of(task: object) -> Run | None:
    if task is not None and not isinstance(task, Task):
        raise ConfigError(f"task is a {type(task).__name__}", hint="Leave it out: the ids are enough.")
    return None if task is None else task.run


def _after_fork() -> None:
    for explorer in _explorers:
        explorer._api.after_fork()  # noqa: SLF001 (our own)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
