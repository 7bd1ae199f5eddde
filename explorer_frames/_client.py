"""Explorer: one server, and all that can be asked of it."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any, Self, Unpack

from explorer_frames._arguments import checked_flag
from explorer_frames._caller import warn_caller
from explorer_frames._files.write import planned
from explorer_frames._frames import checked_backend, holds_large_strings, to_pandas
from explorer_frames._http import config
from explorer_frames._http.api import Api
from explorer_frames._jobs import calls
from explorer_frames._jobs.listing import listed
from explorer_frames._private import private
from explorer_frames._results.history import HistoryRequest, history
from explorer_frames._results.reading import ResultReader
from explorer_frames._results.result import Query
from explorer_frames._sync.options import SyncOptions
from explorer_frames._sync.sync import sync
from explorer_frames.errors import UnencryptedWarning
from explorer_frames.schemas import SchemaRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from explorer_frames._files.formats import Format
    from explorer_frames._files.write import Receipt, WriteOptions
    from explorer_frames._frames import DtypeBackend
    from explorer_frames._http.config import AuthEncoding, SecretSource
    from explorer_frames._jobs.job import Job
    from explorer_frames._jobs.listing import Order
    from explorer_frames._jobs.task import Task
    from explorer_frames._jobs.wait import Progress
    from explorer_frames._sync.report import SyncReport
    from explorer_frames.schemas import VidType

_warned: set[str] = set()
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
        How the login is encoded: ``"json"`` for Explorer 3.2.0 and later, ``"colon"`` for 3.1.0. ``"auto"`` takes
        ``EXPLORER_FRAMES_AUTH_ENCODING`` where it is set; else it tries the JSON form, then the other one where the
        server refuses that, and remembers which one worked.
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
    trust_env
        Whether the environment's proxies and certificates (``HTTPS_PROXY``, ``REQUESTS_CA_BUNDLE`` and the like) count.
    max_bytes
        The most bytes of one answer, decompressed; what is larger is refused. None for no bound.
    row_cap
        The most rows of one result that this server returns, if you know. Default: ``EXPLORER_FRAMES_ROW_CAP``. Results
        with fewer rows are then complete. Without it, a round number of rows (a power of 2 or 10, or 5 times a power of
        10, from 1,000) may be the server's cap. Such a result is not known to be complete, unless this `Explorer` has
        read a larger one before.

    Raises
    ------
    ConfigError
        Something is missing or cannot work. Nothing is sent before the first call.

    Warns
    -----
    UnencryptedWarning
        Once a process and server: password and token go over the network by plain http.

    Notes
    -----
    Safe to share between threads; usable after a fork. It pickles when its secrets come from the environment or a
    function, and never carries a token or a password along.

    ``.netrc`` is not read. Redirects are not followed.

    Examples
    --------
    >>> with Explorer(server.url, token=server.token) as explorer:
    ...     explorer.read_sample_result(job_id, task_id).shape
    (77, 2)
    """

    @private
    def __init__(
        self,
        url: str | None = None,
        *,
        token: SecretSource | None = None,
        user: str | None = None,
        password: SecretSource | None = None,
        graphd: str | None = None,
        auth_encoding: AuthEncoding = "auto",
        timeout: float | tuple[float, float] = (10.0, 60.0),
        deadline: float | None = 600.0,
        retries: int = 2,
        verify: bool = True,
        ca_bundle: str | os.PathLike[str] | None = None,
        client_cert: str | tuple[str, str] | None = None,
        trust_env: bool = True,
        max_bytes: int | None = None,
        row_cap: int | None = None,
    ) -> None:
        self._settings = config.settings(
            url,
            timeout=timeout,
            deadline=deadline,
            retries=retries,
            verify=verify,
            ca_bundle=ca_bundle,
            client_cert=client_cert,
            trust_env=trust_env,
            max_bytes=max_bytes,
            row_cap=row_cap,
        )
        self._credentials = config.credentials(token, user, password, graphd, auth_encoding)
        if self._settings.is_exposed and self._settings.url not in _warned:
            warn_caller(
                f"password and token go unencrypted to {self._settings.url}. Use https:// where the server has it.",
                UnencryptedWarning,
            )
            _warned.add(self._settings.url)  # behind the warning, which a filter may make an error
        self._start()

    def _start(self) -> None:
        self._api = Api(self._settings, self._credentials)
        self._results = ResultReader(self._api, self._settings.row_cap)
        _explorers.add(self)

    def _after_fork(self) -> None:
        self._api.after_fork()
        self._results.after_fork()

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
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType = "string",
        dtype_backend: DtypeBackend | None = None,
        task: Task | None = None,
    ) -> pd.DataFrame:
        """Read a task's result as a typed DataFrame: see `explorer_frames.read_sample_result`.

        Pass `task`, if you have it, to save the request for the task's name.
        """
        checked_backend(dtype_backend)
        requested = SchemaRequest.of(schema, vid_type)
        large = holds_large_strings(dtype_backend)
        query = Query.of(job_id, task_id, limit, requested, task=task, large=large)
        return to_pandas(self._results.table(query), dtype_backend)

    def read_sample_result_arrow(
        self,
        job_id: str | int,
        task_id: str,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType = "string",
        task: Task | None = None,
    ) -> pa.Table:
        """Read a task's result as a typed Arrow table: see `explorer_frames.read_sample_result_arrow`."""
        query = Query.of(job_id, task_id, limit, SchemaRequest.of(schema, vid_type), task=task)
        return self._results.table(query)

    def open_sample_result(
        self,
        job_id: str | int,
        task_id: str,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType = "string",
        task: Task | None = None,
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Stream a task's result in constant memory: see `explorer_frames.open_sample_result`."""
        query = Query.of(job_id, task_id, limit, SchemaRequest.of(schema, vid_type), task=task)
        return self._results.stream(query)

    @private
    def export_sample_result(
        self,
        job_id: str | int,
        task_id: str,
        url: str | os.PathLike[str],
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType = "string",
        allow_incomplete: bool = False,
        task: Task | None = None,
        **options: Unpack[WriteOptions],
    ) -> Receipt:
        """Write a task's result to a file at any fsspec URL: see `explorer_frames.export_sample_result`."""
        query = Query.of(job_id, task_id, limit, SchemaRequest.of(schema, vid_type), task=task)
        checked_flag("allow_incomplete", allow_incomplete)
        return self._results.export(query, planned(url, **options), allow_incomplete=allow_incomplete)

    # --- jobs

    def job(self, job_id: str | int) -> Job:
        """Look at one job and its tasks.

        Raises
        ------
        NotFoundError
            There is none of that id.
        EnvelopeError
            The server returned another job, or tasks that do not have the documented shape.

        Notes
        -----
        Source: ``GET api-open/v1/jobs/<job_id>``.

        Examples
        --------
        >>> explorer.job(job_id).status
        'success'
        """
        job = calls.look(self._api, job_id, self)
        self._results.lookup.remember(job)
        return job

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
            Columns id, name, workflow_id, workflow_name, status (str); create_time, begin_time, end_time
            (``datetime64[ms, UTC]``, missing where it has not come). The same columns and dtypes without any job.

        Raises
        ------
        ConfigError, TransportError, ApiError
        EnvelopeError
            A page does not have the documented shape, contradicts the pages before it, or has a job of another
            workflow or status. Nothing is returned then.

        Notes
        -----
        Source: ``GET api-open/v1/jobs`` and ``GET api-open/v1/workflows/<workflow_id>/jobs``.

        Examples
        --------
        >>> explorer.list_jobs(workflow_id, status="success", limit=1)["status"].tolist()
        ['success']
        """
        jobs = listed(
            self._api,
            workflow_id,
            limit,
            status=status,
            name=name,
            created_after=created_after,
            created_before=created_before,
            order=order,
        )
        return to_pandas(jobs)

    def run_workflow(self, workflow_id: str | int, input: Mapping[str, Mapping[str, Any]] | None = None) -> Job:  # noqa: A002
        """Run a workflow as a new job.

        Parameters
        ----------
        workflow_id
        input
            Parameters by component, such as ``{"analytics_sssp_1": {"root": "player100"}}``.

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
        return calls.run(self._api, workflow_id, input, self)

    def cancel_job(self, job_id: str | int) -> None:
        """Ask the server to stop a job; it may take a while until its status says so.

        Notes
        -----
        Source: ``PUT api-open/v1/jobs/<job_id>/cancel``.
        """
        calls.cancel(self._api, job_id)

    # --- a workflow's results

    def history(
        self,
        workflow_id: str | int,
        last: int | None = 30,
        *,
        task: str | None = None,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType = "string",
        dtype_backend: DtypeBackend | None = None,
        workers: int = 4,
    ) -> pd.DataFrame:
        """Read the results of a workflow's last runs as one long frame: see `explorer_frames.history`."""
        request = HistoryRequest.of(
            workflow_id,
            last,
            task=task,
            schema=schema,
            vid_type=vid_type,
            dtype_backend=dtype_backend,
            workers=workers,
        )
        return history(self, self._results, request)

    @private
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
        options = SyncOptions.of(
            workflow_id,
            tasks=tasks,
            since=since,
            limit=limit,
            schema=schema,
            vid_type=vid_type,
            format=format,
            allow_incomplete=allow_incomplete,
            workers=workers,
            progress=progress,
        )
        return sync(self, self._results, options, url, storage_options)


def _after_fork() -> None:
    for explorer in _explorers:
        explorer._after_fork()  # noqa: SLF001 (our own)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
