"""`Explorer`, the client for a NebulaGraph Explorer server."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Self, Unpack

import pandas as pd
import pyarrow as pa

from explorer_frames._arguments import EVERYTHING, checked_count, checked_flag, checked_id, checked_limit
from explorer_frames._doctor.examination import Setup, examine, quick
from explorer_frames._doctor.finding import Diagnosis, ok
from explorer_frames._files.formats import Format, format_of
from explorer_frames._files.write import Receipt, WriteOptions, planned
from explorer_frames._frames import DtypeBackend, checked_backend, to_pandas
from explorer_frames._http import config
from explorer_frames._http.api import Api
from explorer_frames._http.config import AuthEncoding, SecretSource
from explorer_frames._http.profiles import Sources
from explorer_frames._jobs import calls
from explorer_frames._jobs.job import Job
from explorer_frames._jobs.listing import Order, listed, milliseconds
from explorer_frames._jobs.task import Task
from explorer_frames._private import PrivateContext, private
from explorer_frames._progress import Progress, check_progress
from explorer_frames._results.history import HistoryRequest, history
from explorer_frames._results.reading import Query, ResultReader, result_ids
from explorer_frames._schemas import SchemaRequest, VidType, checked_vid_type
from explorer_frames._storage.paths import Destination
from explorer_frames._sync.options import (
    SyncOptions,
    checked_partitions,
    checked_schemas,
    checked_server_name,
    checked_tasks,
)
from explorer_frames._sync.report import SyncReport
from explorer_frames._sync.sync import sync
from explorer_frames._warnings import warn_caller
from explorer_frames.errors import UnencryptedWarning

_warned: set[str] = set()
_explorers: weakref.WeakSet[Explorer] = weakref.WeakSet()


@private
class Explorer:
    """Client for a NebulaGraph Explorer server.

    Parameters
    ----------
    url
        URL of the server, such as ``http://host:7002`` or ``https://host/prefix``. Default: ``EXPLORER_FRAMES_URL``.
    profile
        Name of a profile in the config file, ``~/.config/explorer_frames/config.toml``. The settings of this profile
        override environment variables. Default: ``EXPLORER_FRAMES_PROFILE``, or the profile ``default``. If ``profile``
        is not passed, environment variables override the profile. A profile is ignored if `url` is the URL of another
        server.
    token
        Value of the ``explorer_token`` cookie, or a function that returns it. Default: ``EXPLORER_FRAMES_TOKEN``.
    user, password, graphd
        Credentials for a login. Pass them instead of a token. `password` may be a function that returns the password.
        `graphd` is the ``host:port`` of graphd as seen from the server. Defaults: ``EXPLORER_FRAMES_USER``,
        ``EXPLORER_FRAMES_PASSWORD`` and ``EXPLORER_FRAMES_GRAPHD``.
    auth_encoding
        Encoding of the login: ``"json"`` for Explorer 3.2.0 and later, ``"colon"`` for Explorer 3.1.0. Default:
        ``"auto"``, which uses ``EXPLORER_FRAMES_AUTH_ENCODING`` if it is set. Otherwise, ``"auto"`` tries ``"json"``
        first, and then ``"colon"`` if the server rejects the login.
    timeout
        Timeout in seconds for the connection and for each read of the response, or a pair ``(connect, read)``.
        Default: ``(10, 60)``. None disables the timeout, but not the `deadline`.
    deadline
        Maximum duration of a call in seconds, including retries. Default: 600. None for no limit.
    retries
        Maximum number of retries after a transient error. Default: 2. Only idempotent calls are retried.
    verify
        Whether to verify the server's TLS certificate. Default: True.
    ca_bundle
        PEM file or folder with CA certificates. They replace the certificates of the operating system. Default:
        ``EXPLORER_FRAMES_CA_BUNDLE``.
    client_cert
        PEM file that contains a client certificate and its key, or a pair ``(certificate, key)`` of files. Default:
        ``EXPLORER_FRAMES_CLIENT_CERT``, and ``EXPLORER_FRAMES_CLIENT_KEY`` if the key is in a separate file.
    trust_env
        Whether to use proxies and certificates from environment variables, such as ``HTTPS_PROXY`` and
        ``REQUESTS_CA_BUNDLE``. Default: True.
    max_bytes
        Maximum size of a response in bytes, after decompression. Default: None, for no limit. A larger response raises
        TransportError.
    row_cap
        Maximum number of rows that the server returns for a result, if known. Default:
        ``EXPLORER_FRAMES_ROW_CAP``. A result with fewer rows is complete. If `row_cap` is not set, a result with a
        round number of rows may be incomplete. Round numbers are powers of 2, powers of 10 and 5 times a power of 10,
        starting at 1,000. The result is complete if the same `Explorer` has already read a larger one.
    vid_type
        Type of the graph space's vertex ids: ``"string"`` (the default) or ``"int64"``. Calls can override it.
    progress
        Whether calls show progress bars. True shows them immediately, and False hides them. None shows them after two
        seconds, but only in a terminal or a notebook. Default: ``EXPLORER_FRAMES_PROGRESS`` (1 or 0), or None.

    Raises
    ------
    ConfigError
        A setting is missing or invalid. Creating an `Explorer` does not send a request.

    Warns
    -----
    ConfigFileWarning
        The config file contains a token or a password, and other users can read the file. Emitted once per process.
    UnencryptedWarning
        Credentials are sent over plain HTTP. Emitted once per process and server.

    Notes
    -----
    An `Explorer` is thread-safe and can be used after a fork. It can be pickled if its token or password is read from
    the environment, a profile or a function. The pickle does not contain the token or password.

    ``.netrc`` files are ignored. Redirects are not followed.

    Examples
    --------
    >>> with Explorer(server.url, token=server.token) as explorer:
    ...     explorer.read_sample_result(job_id, task_id).shape
    (77, 2)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        profile: str | None = None,
        token: SecretSource | None = None,
        user: str | None = None,
        password: SecretSource | None = None,
        graphd: str | None = None,
        auth_encoding: AuthEncoding = "auto",
        timeout: float | tuple[float | None, float | None] | None = (10.0, 60.0),
        deadline: float | None = 600.0,
        retries: int = 2,
        verify: bool = True,
        ca_bundle: str | os.PathLike[str] | None = None,
        client_cert: str | tuple[str, str] | None = None,
        trust_env: bool = True,
        max_bytes: int | None = None,
        row_cap: int | None = None,
        vid_type: VidType = "string",
        progress: bool | None = None,
    ) -> None:
        self._vid_type = checked_vid_type(vid_type)
        self._progress = None if progress is None else checked_flag("progress", progress)
        sources = Sources(
            profile,
            url=url,
            token=token,
            user=user,
            password=password,
            graphd=graphd,
            ca_bundle=ca_bundle,
            client_cert=client_cert,
            row_cap=row_cap,
        )
        self._settings = config.settings(
            sources,
            timeout=timeout,
            deadline=deadline,
            retries=retries,
            verify=verify,
            trust_env=trust_env,
            max_bytes=max_bytes,
        )
        self._credentials = config.credentials(sources, auth_encoding)
        if self._settings.is_exposed and self._settings.url not in _warned:
            warn_caller(
                f"credentials are sent unencrypted to {self._settings.url}. Use an https:// URL if the server "
                "supports TLS.",
                UnencryptedWarning,
            )
            _warned.add(self._settings.url)  # after the warning, because a filter may turn it into an error
        self._start()

    def _start(self) -> None:
        self._api = Api(self._settings, self._credentials)
        self._results = ResultReader(self._api, self._settings.row_cap, progress=self._progress)
        _explorers.add(self)

    def _after_fork(self) -> None:
        self._api.after_fork()
        self._results.lookup.after_fork()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("_settings", "_credentials", "_vid_type", "_progress")}

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
        """Close all connections. Later calls open new ones."""
        self._api.close()

    def _query(
        self,
        job_id: object,
        task_id: object,
        limit: object,
        schema: object,
        vid_type: VidType | None,
        *,
        large: bool = False,
    ) -> Query:
        """Validate the arguments of a reader."""
        return Query.of(job_id, task_id, limit, SchemaRequest.of(schema, self._vid_type_or(vid_type)), large=large)

    def _vid_type_or(self, given: VidType | None) -> VidType:
        """Return `given`, or the default `vid_type` if it is None."""
        return self._vid_type if given is None else given

    # --- diagnosis

    def doctor(
        self,
        job_id: str | int | Job | Task | None = None,
        task_id: str | Task | None = None,
        limit: int = 100_000,
        *,
        path: str | os.PathLike[str] | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Diagnosis:
        """Diagnose the connection, login, license and row limit.

        The checks do not start a job. Each request takes at most 20 seconds.

        Parameters
        ----------
        job_id, task_id
            Result to read in the row limit check, as in `read_sample_result`. `task_id` may also be the name of the
            task. Default: a task of a recent successful job.
        limit
            Number of rows to request in the row limit check. Default: 100,000. The check also requests a tenth of this
            number.
        path
            File or folder to check for write access. The check writes, reads and deletes a small file there.
        storage_options
            Options of the fsspec filesystem for `path`.

        Returns
        -------
        Diagnosis
            One finding per check. Each problem is reported with a fix and does not raise an error.

        Raises
        ------
        ConfigError
            An argument is invalid.

        Notes
        -----
        Endpoints: ``GET api-open/v1/jobs``, ``POST api-open/v1/connect``, ``GET api-open/v1/jobs/<job_id>`` and
        ``GET .../sample_result``.

        Examples
        --------
        >>> explorer.doctor()["login"].state
        'ok'
        """
        task = None
        if job_id is not None or task_id is not None:
            job, id_or_name, _ = result_ids(job_id, task_id)
            task = checked_id("job_id", job), str(id_or_name)
        settings = quick(self._settings)
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__getstate__(), "_settings": settings})
        with twin:
            findings = examine(
                Setup(settings, self._credentials, (ok("configuration", repr(self)[1:-1]),)),
                twin,
                task=task,
                limit=checked_count("limit", limit, most=EVERYTHING),
                path=None if path is None else os.fspath(path),
                storage_options=storage_options,
            )
            return Diagnosis(settings.url, tuple(findings))

    # --- results of a task

    def read_sample_result(
        self,
        job_id: str | int | Job | Task,
        task_id: str | Task | None = None,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        dtype_backend: DtypeBackend | None = None,
    ) -> pd.DataFrame:
        """Read the result of a task into a typed DataFrame.

        Parameters
        ----------
        job_id, task_id
            Ids from the job's page in Explorer. If `job_id` is a `Job`, `task_id` is the id or name of one of its
            tasks. You can also pass a `Task`, either as `task_id` or as the only argument.
        limit
            Number of rows to request. Default: None, for all rows.
        schema
            Columns of the result. The default, ``"auto"``, uses the columns of the algorithm in the task's name. For
            other columns, pass the name of an algorithm in `explorer_frames.schemas.ALGORITHMS` or a `pyarrow.Schema`.
            Pass ``"query"`` to read every column as text.

            If ``"auto"`` does not find an algorithm, the columns depend on their number. Two columns are ``id, score``,
            and three are ``id, score, community``. Other results have text columns ``column_1, column_2, ...``. If a
            cell cannot be converted, all columns are read as text. None uses only the number of columns, and raises an
            error if a cell cannot be converted.
        vid_type
            Type of the graph space's vertex ids: ``"string"`` or ``"int64"``. With ``"int64"``, an id that is not a
            plain integer, such as ``007``, raises an error. Default: the `vid_type` of the `Explorer`.
        dtype_backend
            Dtypes of the DataFrame, as in pandas: None, ``"numpy_nullable"`` or ``"pyarrow"``. With ``"pyarrow"``,
            ``isna()`` returns False for NaN.

        Returns
        -------
        pandas.DataFrame
            The rows in the server's order. An empty result has the same columns and dtypes. Vertex ids and community
            labels are str or int64. Scores and distances are float64, and counts are int64.
            ``attrs["explorer_frames"]`` contains the provenance of the result. Use `provenance` to read it.

        Raises
        ------
        ConfigError
            An argument or an environment variable is invalid. No request was sent.
        TransportError
            No complete response was received, even after retries.
        ApiError
            The server returned an error. The subclass depends on the error, for example NotFoundError.
        DecodeError
            The response does not have the documented format, or a cell cannot be converted to the type of its column.

        Warns
        -----
        TruncatedResultWarning
            The result may be incomplete. The server returned exactly `limit` rows or a round number of rows, or the
            task has not succeeded. See `row_cap` of `Explorer`.
        SchemaWarning
            The columns may be wrong. `schema` does not match the task's name, the name cannot be looked up, or all
            columns were read as text.

        Notes
        -----
        Endpoints: ``GET api-open/v1/jobs/<job_id>`` for the task's name, unless `schema` is None or a `pyarrow.Schema`,
        and ``GET api-open/v1/jobs/<job_id>/tasks/<task_id>/sample_result?limit=N``. The endpoint does not support
        sorting or offsets, and does not return the total number of rows.

        With ``limit=None``, the request contains the largest possible limit. If the server rejects it, the limits
        1,000,000, 100,000 and 10,000 are tried in this order.

        Examples
        --------
        >>> frame = explorer.read_sample_result(job_id, task_id)
        >>> len(frame), list(frame.columns)
        (77, ['id', 'score'])
        >>> provenance(frame).complete
        True
        """
        checked_backend(dtype_backend)
        large = dtype_backend != "pyarrow"  # pandas 3 uses 64-bit string offsets, so 32-bit offsets would be copied
        query = self._query(job_id, task_id, limit, schema, vid_type, large=large)
        return to_pandas(self._results.table(query), dtype_backend)

    def read_sample_result_arrow(
        self,
        job_id: str | int | Job | Task,
        task_id: str | Task | None = None,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
    ) -> pa.Table:
        """Read the result of a task into a typed Arrow table.

        This method raises the same errors and emits the same warnings as `read_sample_result`.

        Parameters
        ----------
        job_id, task_id, limit, schema, vid_type
            As in `read_sample_result`.

        Returns
        -------
        pyarrow.Table
            A table with the columns of `schema`, such as ``id: string, score: double``. The schema metadata contains
            the provenance as JSON, with the key ``explorer_frames``. Use `provenance` to read it.

        Notes
        -----
        Endpoints: see `read_sample_result`.

        Examples
        --------
        >>> table = explorer.read_sample_result_arrow(job_id, louvain_id)
        >>> {field.name: str(field.type) for field in table.schema}
        {'id': 'string', 'community': 'string'}
        """
        query = self._query(job_id, task_id, limit, schema, vid_type)
        return self._results.table(query)

    def open_sample_result(
        self,
        job_id: str | int | Job | Task,
        task_id: str | Task | None = None,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Stream the result of a task as record batches, in constant memory.

        This method raises the same errors and emits the same warnings as `read_sample_result`, with two differences.
        The `deadline` of the `Explorer` includes the time that your code spends between batches. With
        ``schema="auto"``, all columns are read as text only if the first batch contains an invalid cell. An invalid
        cell in a later batch raises ColumnTypeError.

        Parameters
        ----------
        job_id, task_id, limit, schema, vid_type
            As in `read_sample_result`.

        Returns
        -------
        context manager of a pyarrow.RecordBatchReader
            Reader that yields batches while the response is received. If the reader raises an error, discard the
            batches that it has already returned.

        Notes
        -----
        Endpoints: see `read_sample_result`.

        Examples
        --------
        >>> with explorer.open_sample_result(job_id, task_id) as reader:
        ...     sum(batch.num_rows for batch in reader)
        77
        """
        query = self._query(job_id, task_id, limit, schema, vid_type)
        return PrivateContext(self._results.stream(query))

    def export_sample_result(
        self,
        job_id: str | int | Job | Task,
        task_id: str | Task,
        path: Destination,
        limit: int | None = None,
        *,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        allow_incomplete: bool = False,
        **options: Unpack[WriteOptions],
    ) -> Receipt:
        """Write the result of a task to a file atomically, in constant memory.

        Parameters
        ----------
        job_id, task_id, limit, schema, vid_type
            As in `read_sample_result`, but `task_id` is required. To export a `Task`, call `Task.export`.
        path
            Local path, fsspec URL or binary buffer to write to, as in `write_parquet`. The format is inferred from the
            file extension: ``.parquet`` or ``.pq`` for Parquet; ``.feather``, ``.arrow`` or ``.ipc`` for Feather.
        allow_incomplete
            Whether to write a result that may be incomplete. By default, this raises IncompleteResultError.
        **options
            Options of `write_parquet` or `write_feather`, such as ``mode``, ``compression`` and ``storage_options``.
            Pass ``format="parquet"`` or ``format="feather"`` for a buffer or another file extension.

        Returns
        -------
        Receipt
            Path, format, rows, bytes, schema and completeness of the file.

        Raises
        ------
        IncompleteResultError
            The result may be incomplete. `read_sample_result` would emit a TruncatedResultWarning. No file was written.
        ConfigError, TransportError, ApiError, DecodeError
            As in `read_sample_result`. No file was written.
        TypeError
            `options` contains an unknown option.
        WriteError
            The file cannot be written, as in `write_parquet`. An existing file is unchanged.

        Notes
        -----
        Endpoints: see `read_sample_result`.

        Examples
        --------
        >>> receipt = explorer.export_sample_result(job_id, task_id, "memory://pagerank.parquet")
        >>> receipt.rows, receipt.complete
        (77, True)
        """
        query = self._query(job_id, task_id, limit, schema, vid_type)
        checked_flag("allow_incomplete", allow_incomplete)
        return self._results.export(query, planned(path, **options), allow_incomplete=allow_incomplete)

    # --- jobs

    def job(self, job_id: str | int | Job) -> Job:
        """Get a job and its tasks.

        Parameters
        ----------
        job_id
            Id of the job, or a `Job` to request again.

        Returns
        -------
        Job
            Current state of the job.

        Raises
        ------
        NotFoundError
            There is no job with this id.
        EnvelopeError
            The server returned a different job, or the response does not have the documented format.

        Notes
        -----
        Endpoint: ``GET api-open/v1/jobs/<job_id>``.

        Examples
        --------
        >>> explorer.job(job_id).status
        'success'
        """
        return self._look(job_id)

    def _look(self, job_id: str | int | Job, seconds: float = math.inf) -> Job:
        job = calls.look(self._api, job_id, self, seconds)
        self._results.lookup.remember(job)
        return job

    def list_jobs(
        self,
        workflow_id: str | int | None = None,
        *,
        status: str | int | None = None,
        name: str | None = None,
        created_after: str | datetime | None = None,
        created_before: str | datetime | None = None,
        order: Order = "desc",
        limit: int | None = 100,
    ) -> pd.DataFrame:
        """List jobs, newest first.

        Parameters
        ----------
        workflow_id
            Return only jobs of this workflow. Default: all workflows.
        status
            Return only jobs with this status, either a name such as ``"success"`` or a status code.
        name
            Return only jobs with this name.
        created_after, created_before
            Return only jobs created between these times. Pass datetimes or ISO 8601 strings. Times without an offset
            are in UTC. Creation times are from the server's clock.
        order
            ``"desc"`` (the default) for the newest jobs first, ``"asc"`` for the oldest first.
        limit
            Maximum number of jobs to return. Default: 100. None for all.

        Returns
        -------
        pandas.DataFrame
            One row per job. The columns job_id, name, workflow_id, workflow_name and status are str. The columns
            create_time, begin_time and end_time are ``datetime64[ms, UTC]``, and NaT if unknown. An empty DataFrame has
            the same columns and dtypes.

        Raises
        ------
        ConfigError, TransportError, ApiError
            As in `read_sample_result`.
        EnvelopeError
            The server returned an invalid or inconsistent page.

        Notes
        -----
        Endpoint: ``GET api-open/v1/jobs`` and ``GET api-open/v1/workflows/<workflow_id>/jobs``.

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
            Id of the workflow.
        input
            Parameters of each component, such as ``{"analytics_sssp_1": {"root": "player100"}}``.

        Returns
        -------
        Job
            The new job, which may still be running. Call `Job.wait` to wait until it ends.

        Raises
        ------
        UnsafeToRetryError
            The job may have been created. The request is not retried, because a retry could create a second job.
        ConfigError, ApiError, ConnectionFailedError
            The job was not created.

        Notes
        -----
        Endpoint: ``POST api-open/v1/workflows/<workflow_id>/jobs``.

        Examples
        --------
        >>> explorer.run_workflow(workflow_id).wait(timeout=60).status
        'success'
        """
        return calls.run(self._api, workflow_id, input, self)

    def cancel_job(self, job_id: str | int | Job) -> None:
        """Request the cancellation of a job.

        The job's status may change only after a delay.

        Parameters
        ----------
        job_id
            Id of the job, or a `Job`.

        Raises
        ------
        JobError
            The server did not cancel the job. It may have ended.

        Notes
        -----
        Endpoint: ``PUT api-open/v1/jobs/<job_id>/cancel``.
        """
        calls.cancel(self._api, job_id)

    # --- results of a workflow

    def history(
        self,
        workflow_id: str | int,
        last: int | None = 30,
        *,
        task: str | None = None,
        schema: str | pa.Schema | None = "auto",
        vid_type: VidType | None = None,
        dtype_backend: DtypeBackend | None = None,
        workers: int = 4,
    ) -> pd.DataFrame:
        """Read the results of a workflow's last successful jobs into one DataFrame.

        The DataFrame is in long format, with the oldest job first.

        Parameters
        ----------
        workflow_id
            Id of the workflow.
        last
            Number of most recent jobs to read. Default: 30. None for all.
        task
            Name or id of the task to read from each job. Default: None, which reads all tasks. The DataFrame then has
            the columns of all results.
        schema, vid_type, dtype_backend
            As in `read_sample_result`.
        workers
            Number of jobs to read in parallel. Default: 4.

        Returns
        -------
        pandas.DataFrame
            One row per row of a result. The first columns are ``job_id`` (str), ``end_time`` (the end of the job,
            ``datetime64[ms, UTC]``), ``task_name`` (str) and ``task_id`` (str). The columns of the results follow. If a
            result does not have a column, its values are missing. If `task` is None, integer columns are ``Int64``.

        Raises
        ------
        ConfigError
            An argument is invalid, or no job has a task with this name.
        TransportError, ApiError, DecodeError
            The list of jobs or a job cannot be read.
        JobError
            Some results cannot be read. ``error.results`` contains the other DataFrames, and ``error.errors`` contains
            the errors. The keys of both are pairs of job id and task id.

        Warns
        -----
        HistoryGapWarning
            Some jobs do not have this task, or the task did not succeed.

        Notes
        -----
        All results must fit in memory. Each call reads all results from the server again. To store the results, use
        `sync_workflow`.

        Endpoints: ``GET api-open/v1/workflows/<workflow_id>/jobs``, ``GET api-open/v1/jobs/<job_id>`` once per job, and
        ``GET .../sample_result`` once per result.

        Examples
        --------
        >>> frame = explorer.history(workflow_id, last=2, task="PageRank")
        >>> len(frame.pivot(index="id", columns="job_id", values="score"))
        77
        """
        request = HistoryRequest.of(
            workflow_id,
            last,
            task=task,
            schema=schema,
            vid_type=self._vid_type_or(vid_type),
            dtype_backend=dtype_backend,
            workers=workers,
        )
        return history(self, self._results, request)

    def sync_workflow(
        self,
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
    ) -> SyncReport:
        """Export new results of a workflow's successful jobs to a lake.

        A lake is a folder with one data set per task. Results that are already in the folder are not read or written
        again. The call is idempotent, so you can retry it after an error. Several processes can sync to one folder.

        Parameters
        ----------
        workflow_id
            Id of the workflow.
        path
            Folder of the lake, as a local path or fsspec URL. Use a separate folder for each workflow. Later calls
            must pass the same `format`, `vid_type` and `partition_by` as the first one.
        tasks
            Names or ids of the tasks to export. Default: all successful tasks.
        created_after
            Export only jobs created at this time or later, as in `list_jobs`.
        limit, vid_type, allow_incomplete
            As in `export_sample_result`. Existing files are not changed.
        schema
            As in `read_sample_result`, or a mapping from task names or ids to schemas. Tasks that are not in the
            mapping use ``"auto"``. All results of a task must have the same columns.
        format
            File format: ``"parquet"`` (the default) or ``"feather"``.
        partition_by
            Columns for Hive partitioning: ``"job_id"``, ``"task_id"``, ``"end_date"`` or a list of them. ``end_date``
            is the date of ``end_time`` in UTC. Default: no partitioning.
        server_name
            Name of the server in the lake. Default: the server's URL, without scheme and default port. If the server's
            URL changes, pass the name that is stored in the lake.
        verify
            Whether to check the size and content hash of each existing file. Default: False.
        make_parents
            Whether to create missing parent folders of `path`. By default, a missing parent folder raises WriteError.
            `path` itself is created if it does not exist.
        storage_options
            Options of the fsspec filesystem, as in pandas.
        workers
            Number of results to read and write in parallel. Default: 4. More workers use more memory.
        progress
            Whether to show a progress bar. You can also pass a function, which is called with a `SyncReport` after each
            change. Default: the `progress` of the `Explorer`.

        Returns
        -------
        SyncReport
            The results that this call wrote, and the existing results.

        Raises
        ------
        SyncError
            Some results were not exported, or are damaged. ``error.report`` lists them. The other results are exported,
            unless an error affects all of them, such as a full disk or a rejected login. In that case,
            ``error.report.pending`` is the number of results that were not attempted.
        ConfigError, UnsupportedFormatError
            An argument is invalid or does not match the existing lake. No file was written.
        TransportError, ApiError, EnvelopeError
            The jobs cannot be listed. No file was written.
        WriteError
            The folder cannot be listed, or files cannot be written to it.

        Notes
        -----
        The path of a file is ``<task>/<job id>-<hash>.parquet``. Special characters in the task's name are replaced.
        Any engine can read the folder of a task as a data set. `read_lake` returns it as a DataFrame.

        Each file has the columns of the result, followed by ``job_id`` (string), ``task_id`` (string) and ``end_time``
        (timestamp in UTC). ``end_time`` is the end of the job, or null if unknown. Partition columns are not stored in
        the files.

        The file ``_runs/<job id>-<hash>.parquet`` has one row per task of a job, with the status, row count, content
        hash and path of its result. It is written last, after the results of the job. The folder ``_manifest``
        contains the settings of the lake and the schema of each task.

        If two processes write the same result at the same time, the file of the last one is kept.

        Endpoints: ``GET api-open/v1/workflows/<workflow_id>/jobs``, ``GET api-open/v1/jobs/<job_id>`` once per new job,
        and ``GET .../sample_result`` once per new result.

        Examples
        --------
        >>> report = explorer.sync_workflow(workflow_id, "memory://lake", tasks=["PageRank"])
        >>> len(report.written) == report.jobs, {part.task_name for part in report.written}
        (True, {'PageRank'})
        >>> explorer.sync_workflow(workflow_id, "memory://lake", tasks=["PageRank"]).written
        ()
        """
        progress = self._progress if progress is None else progress
        check_progress(progress)
        milliseconds("created_after", created_after)
        checked_limit(limit)
        partitions = checked_partitions(partition_by)
        default, by_task = checked_schemas(schema, self._vid_type_or(vid_type), partitions)
        options = SyncOptions(
            workflow=checked_id("workflow_id", workflow_id),
            tasks=checked_tasks(tasks),
            created_after=created_after,
            limit=limit,
            schema=default,
            schemas=by_task,
            format=format_of("", str(format) or "none"),
            allow_incomplete=checked_flag("allow_incomplete", allow_incomplete),
            workers=checked_count("workers", workers),
            progress=progress,
            server_name=checked_server_name(server_name, self._results.url),
            partition_by=partitions,
            verify=checked_flag("verify", verify),
            make_parents=checked_flag("make_parents", make_parents),
        )
        return sync(self, self._results, options, path, storage_options)


def _after_fork() -> None:
    for explorer in _explorers:
        explorer._after_fork()  # noqa: SLF001 (same package)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
