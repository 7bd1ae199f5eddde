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
        ``http://host:7002``, or ``https://host/prefix``. Default: ``EXPLORER_FRAMES_URL``.
    profile
        Name of a profile in the config file, ``~/.config/explorer_frames/config.toml``. Its settings override
        environment variables. Default: ``EXPLORER_FRAMES_PROFILE``, or the profile ``default`` if it exists, whose
        settings are used only where no environment variable is set. A profile applies only to its own `url`. If `url`
        is passed, the profile named by the variable does not have to exist.
    token
        Value of the ``explorer_token`` cookie, or a function that returns it. Default: ``EXPLORER_FRAMES_TOKEN``.
    user, password, graphd
        Credentials for a login, in place of a token. `password` may be a function that returns it. `graphd` is the
        ``host:port`` at which the server reaches graphd. Defaults: ``EXPLORER_FRAMES_USER``, ``_PASSWORD``,
        ``_GRAPHD``.
    auth_encoding
        Encoding of the login: ``"json"`` for Explorer 3.2.0 and later, ``"colon"`` for 3.1.0. ``"auto"`` uses
        ``EXPLORER_FRAMES_AUTH_ENCODING`` if it is set. Otherwise it tries ``"json"``, then ``"colon"`` if the server
        rejects the login, and reuses the accepted encoding for later logins.
    timeout
        Timeout in seconds for the connection and for each read of the response, or a pair ``(connect, read)``. None
        sets no timeout other than `deadline`.
    deadline
        Maximum duration of a whole call in seconds, including retries; None for no limit.
    retries
        Maximum number of retries of an idempotent call after a transient error.
    verify
        Whether to verify the server's TLS certificate.
    ca_bundle
        PEM file or folder with the CA certificates to trust in place of the operating system's. Default:
        ``EXPLORER_FRAMES_CA_BUNDLE``.
    client_cert
        PEM file with a client certificate and its key, or a pair ``(certificate, key)`` of files. Default:
        ``EXPLORER_FRAMES_CLIENT_CERT``, and ``EXPLORER_FRAMES_CLIENT_KEY`` if the key is in a separate file.
    trust_env
        Whether to use proxies and certificates from the environment (``HTTPS_PROXY``, ``REQUESTS_CA_BUNDLE`` and
        similar variables).
    max_bytes
        Maximum size of a response in bytes, after decompression. Larger responses raise an error. None for no limit.
    row_cap
        Maximum number of rows that this server returns for a result, if known. Default: ``EXPLORER_FRAMES_ROW_CAP``.
        Results with fewer rows are then complete. Without `row_cap`, any round number of rows may be the server's cap:
        a power of 2 or 10, or 5 times a power of 10, from 1,000. A result with such a number of rows may be incomplete,
        unless this `Explorer` has read a larger one before.
    vid_type
        Default `vid_type` of all calls: ``"string"`` or ``"int64"``, the type of the graph space's vertex ids.
    progress
        Whether calls show progress bars. None shows them in a terminal or a notebook after two seconds. True shows
        them everywhere and immediately, False never. Default: ``EXPLORER_FRAMES_PROGRESS`` (1 or 0), or None.

    Raises
    ------
    ConfigError
        A setting is missing or invalid. No request is sent before the first call.

    Warns
    -----
    ConfigFileWarning
        The config file contains a token or a password, and other users can read it. Emitted once per process.
    UnencryptedWarning
        Credentials are sent over plain HTTP. Emitted once per process and server.

    Notes
    -----
    An `Explorer` is thread-safe and can be used after a fork. It can be pickled if its secrets come from the
    environment or from a function. The pickle never contains a token or a password.

    ``.netrc`` is not read. Redirects are not followed.

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
            _warned.add(self._settings.url)  # after the warning, which a filter may turn into an error
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
        """Return the `vid_type` of a call, or the default if it is None."""
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

        No job is started. Each check has its own time limit, with at most 20 seconds per request.

        Parameters
        ----------
        job_id, task_id
            Result to read for the check of the row limit, as in `read_sample_result`. `task_id` may also be a name.
            Default: a task of one of the newest successful jobs.
        limit
            Largest `limit` to request. A tenth of it is also requested.
        path
            File or folder to check for write access. A small file is written there, read and deleted.
        storage_options
            Options of the fsspec filesystem of `path`.

        Returns
        -------
        Diagnosis
            One finding per check, with a fix for each problem. Problems do not raise an error.

        Raises
        ------
        ConfigError
            An argument is invalid.

        Notes
        -----
        Sources: ``GET api-open/v1/jobs``, ``POST api-open/v1/connect``, ``GET api-open/v1/jobs/<job_id>`` and
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
            Ids from the job's page in Explorer. If `job_id` is a `Job`, `task_id` is the id or name of a task, or a
            `Task`. A single `Task` may replace both arguments. With a `Job` or a `Task`, no request for the task's name
            is necessary.
        limit
            Number of rows to request. Default: None, for all rows. If the server rejects such a large limit, 1,000,000,
            100,000 and 10,000 are requested, in this order.
        schema
            Columns of the result. Default: ``"auto"``, which reads the task's name from the job's detail (cached for
            jobs that have ended) and uses the columns of that algorithm (`explorer_frames.schemas.ALGORITHMS`). If no
            algorithm has that name, or none of its results has this number of columns, columns depend on their number:
            2 are ``id, score``, 3 are ``id, score, community``, others are text columns ``column_1, column_2, ...``. If
            a cell cannot be converted to these types, all columns are text. For other columns, pass the name of an
            algorithm or a `pyarrow.Schema`. Pass ``"query"`` to read every column as text. Pass None to use only the
            number of columns, and to raise an error for cells that cannot be converted.
        vid_type
            Type of the graph space's vertex ids. ``"string"`` keeps ids unchanged. ``"int64"`` raises an error for ids
            that do not round-trip, such as ``007``. Default: the `vid_type` of the `Explorer`.
        dtype_backend
            As in pandas: None, ``"numpy_nullable"`` or ``"pyarrow"``. The values are the same for all three, but pandas
            treats NaN differently (with ``"pyarrow"``, ``isna()`` returns False for it).

        Returns
        -------
        pandas.DataFrame
            The rows of the result in the server's order, with the columns and dtypes of `schema`, also without rows.
            Vertex ids and community labels are str or int64, scores and distances float64, counts int64.
            ``attrs["explorer_frames"]`` is the record that `provenance` returns, with ``complete`` and
            ``schema_source``.

        Raises
        ------
        ConfigError
            An argument or an environment variable is invalid. No request was sent.
        TransportError
            No complete response was received within the timeouts, the deadline and the retries.
        ApiError
            The server returned an error: NotFoundError, UnauthorizedError, BadRequestError, ServerError and others.
        DecodeError
            The response does not have the documented format, or a cell cannot be converted to the type of its column:
            RowShapeError, ColumnTypeError.

        Warns
        -----
        TruncatedResultWarning
            The server returned exactly `limit` rows, or a round number of rows that may be its cap (see `row_cap` of
            `Explorer`). Or the task's status is not success.
        SchemaWarning
            `schema` does not match the algorithm in the task's name, or the task's name could not be looked up. Or all
            columns are text, because a cell does not fit the types chosen by the number of columns.

        Notes
        -----
        Sources: ``GET api-open/v1/jobs/<job_id>`` for the task's name, unless `schema` is None or a `pyarrow.Schema`,
        and ``GET api-open/v1/jobs/<job_id>/tasks/<task_id>/sample_result?limit=N``. ``limit`` is its only parameter.
        The endpoint has no sort order, offset or total row count.

        Examples
        --------
        >>> frame = explorer.read_sample_result(job_id, task_id)
        >>> len(frame), list(frame.columns)
        (77, ['id', 'score'])
        >>> provenance(frame).complete
        True
        """
        checked_backend(dtype_backend)
        large = dtype_backend != "pyarrow"  # pandas 3 uses 64-bit string offsets and would copy 32-bit ones
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

        Errors and warnings are the same as in `read_sample_result`.

        Parameters
        ----------
        job_id, task_id, limit, schema, vid_type
            As in `read_sample_result`.

        Returns
        -------
        pyarrow.Table
            The columns of `schema`, such as ``id: string, score: double``. The schema metadata contains the record that
            `provenance` returns, as JSON under the key ``explorer_frames``.

        Notes
        -----
        Sources: as in `read_sample_result`.

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

        Errors and warnings are the same as in `read_sample_result`. The deadline includes the time between two batches.
        With ``schema="auto"``, columns chosen by number fall back to text only for an invalid cell in the first batch.
        Invalid cells in later batches raise ColumnTypeError.

        Parameters
        ----------
        job_id, task_id, limit, schema, vid_type
            As in `read_sample_result`.

        Returns
        -------
        context manager of a pyarrow.RecordBatchReader
            Yields batches while the response is received. The response is complete and valid only if the reader ends
            without an error. After an error, discard the batches before it.

        Notes
        -----
        Sources: as in `read_sample_result`.

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
            As in `read_sample_result`, but `task_id` is required. To export a Task, use `Task.export`.
        path
            Local path, fsspec URL or binary buffer to write to, as in `write_parquet`. The format is inferred from the
            extension: ``.parquet``, ``.pq``, or ``.feather``, ``.arrow``, ``.ipc``.
        allow_incomplete
            Whether to write a result that may be incomplete. Default: False.
        **options
            ``format`` (for buffers and other extensions), and options of `write_parquet` or `write_feather`: ``mode``,
            ``make_parents``, ``compression``, ``storage_options``, ``filesystem`` and others.

        Returns
        -------
        Receipt
            Path, format, rows, bytes, schema and completeness of the file.

        Raises
        ------
        IncompleteResultError
            The result may be incomplete, under the conditions of TruncatedResultWarning in `read_sample_result`.
            No file was written.
        ConfigError, TransportError, ApiError, DecodeError
            As in `read_sample_result`. No file was written.
        TypeError
            An option does not exist.
        WriteError
            As in `write_parquet`. An existing file is unchanged.

        Notes
        -----
        Sources: as in `read_sample_result`.

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

        Raises
        ------
        NotFoundError
            There is no job with this id.
        EnvelopeError
            The server returned a different job, or tasks that do not have the documented format.

        Notes
        -----
        Source: ``GET api-open/v1/jobs/<job_id>``.

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
        """List jobs, by default the newest 100 of all workflows.

        Parameters
        ----------
        workflow_id
            Only jobs of this workflow.
        status
            Only jobs with this status: a name such as ``"success"``, or a code.
        name
            Only jobs with this name, as matched by the server.
        created_after, created_before
            Only jobs created between these times: datetimes, or strings in ISO 8601. Times without an offset are in
            UTC. Creation times are those of the server's clock.
        order
            ``"desc"`` for the newest jobs first, ``"asc"`` for the oldest first.
        limit
            Maximum number of jobs to return; None for all. Pages are read as needed. Jobs that are created between two
            pages do not cause duplicates.

        Returns
        -------
        pandas.DataFrame
            Columns job_id, name, workflow_id, workflow_name, status (str); create_time, begin_time, end_time
            (``datetime64[ms, UTC]``, NaT if the job has not begun or ended). Columns and dtypes are the same without
            rows.

        Raises
        ------
        ConfigError, TransportError, ApiError
        EnvelopeError
            A page does not have the documented format, contradicts the pages before it, or contains a job of another
            workflow or status. No jobs are returned.

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
            The job immediately after its creation. To wait for its end, use `Job.wait`.

        Raises
        ------
        UnsafeToRetryError
            The server may have accepted the request. A request that may have been sent, even in part, is not retried.
        ConfigError, ApiError, ConnectionFailedError
            The job was not created.

        Notes
        -----
        Source: ``POST api-open/v1/workflows/<workflow_id>/jobs``.

        Examples
        --------
        >>> explorer.run_workflow(workflow_id).wait(timeout=60).status
        'success'
        """
        return calls.run(self._api, workflow_id, input, self)

    def cancel_job(self, job_id: str | int | Job) -> None:
        """Request the cancellation of a job; its status may change later.

        Notes
        -----
        Source: ``PUT api-open/v1/jobs/<job_id>/cancel``.
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

        The DataFrame is in long format, with the oldest job first. Each result is read completely.

        Parameters
        ----------
        workflow_id
        last
            Maximum number of jobs, counted from the newest; None for all.
        task
            Name or id of the task to read from each job. None reads all tasks and uses the union of their columns.
        schema, vid_type, dtype_backend
            As in `read_sample_result`, for each result.
        workers
            Number of jobs to read in parallel.

        Returns
        -------
        pandas.DataFrame
            ``job_id`` (str), ``end_time`` of the job (``datetime64[ms, UTC]``), ``task_name`` and ``task_id`` (str),
            then the columns of the results. Values are missing for results without a column. Integers are nullable
            (``Int64``) without `task`. All results have to fit in memory.

        Raises
        ------
        ConfigError
            An argument is invalid, or no job has a task with this name.
        TransportError, ApiError, DecodeError
            As in `read_sample_result`, for the list of jobs and the jobs.
        JobError
            Some results could not be read. ``error.results`` contains the other frames and ``error.errors`` the errors,
            both by job id and task id.

        Warns
        -----
        HistoryGapWarning
            Jobs were skipped because they do not have this task, or the task did not succeed.

        Notes
        -----
        Sources: the list of jobs, then ``GET api-open/v1/jobs/<job_id>`` once per job and ``GET .../sample_result``
        once per result. Each call sends all requests again. Use `sync_workflow` to keep the results.

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
        """Write each result of all successful jobs of a workflow to a lake once.

        A lake is a folder with one data set per task. The call is idempotent and can be repeated at any time, also
        after a failure and from several processes. Existing results are neither read nor written again, and results are
        never deleted. If no result is missing, a call sends one request per 1,000 jobs, lists the folder and reads its
        records.

        Parameters
        ----------
        workflow_id
        path
            Folder, as a local path or any fsspec URL. After the first result, it accepts only results of the same
            workflow and server, with the same `format`, `vid_type` and `partition_by`.
        tasks
            Names or ids of tasks. Default: all tasks with the status success.
        created_after
            Only jobs created at this time or later, as in `list_jobs`.
        limit, vid_type, allow_incomplete
            As in `export_sample_result`, for each result. They do not apply to results that exist in the folder.
        schema
            As in `read_sample_result`, for each result; or a mapping from task names or ids to schemas. The default for
            other tasks is ``"auto"``. All results of a task must have the same columns.
        format
            ``"parquet"`` or ``"feather"``.
        partition_by
            ``"job_id"``, ``"task_id"``, ``"end_date"``, or a list of them. These columns become Hive partitions in the
            folder of each task and are not in the files. ``end_date`` is the date of ``end_time`` in UTC.
        server_name
            Name for the server, recorded in the lake. Default: the server's URL without scheme, default port and
            trailing slash. Pass the recorded name if the URL of the server changes.
        verify
            Whether to also read the existing files and compare their sizes and content hashes with the lake's record.
        make_parents
            Whether to create missing parent folders of `path`. By default they raise an error. `path` itself is
            created.
        storage_options
            Options of the fsspec filesystem, as in pandas.
        workers
            Number of results to read and write in parallel. Memory use grows with it, not with the size of the results.
        progress
            None shows a progress bar in a terminal or a notebook after two seconds, unless the `Explorer` or
            ``EXPLORER_FRAMES_PROGRESS`` sets another default. True shows it everywhere, False never. A function is
            called with a `SyncReport` after each change.

        Returns
        -------
        SyncReport
            The results that this call wrote, and the existing results.

        Raises
        ------
        SyncError
            Some results could not be exported, or are damaged. ``error.report`` lists them. All others were exported,
            except after an error that affects every result (full disk, missing bucket, rejected login, no connection).
            Then no more results are requested, and ``error.report.pending`` is the number of results not attempted.
        ConfigError, UnsupportedFormatError
            An argument is invalid, no task has this name, or `schema` contains a column that a lake adds. Or the folder
            belongs to another workflow, or one of its jobs differs from the server's job with the same id. No file was
            written.
        TransportError, ApiError, EnvelopeError
            The jobs cannot be listed. No file was written.
        WriteError
            The folder cannot be listed or written to.

        Notes
        -----
        Files are named ``<task>/<job id>-<hash>.parquet``. The folder of each task is a data set that any engine can
        read; see also `read_lake`. In folder names, characters of the task's name other than letters, digits, spaces,
        ``.``, ``_`` and ``-`` are replaced, and a hash is appended.

        After the columns of the result, each file has ``job_id`` and ``task_id`` (string) and ``end_time`` (timestamp
        in UTC), the end of the job; null if unknown.

        ``_runs/<job id>-<hash>.parquet`` has one row per task of a job: job, times, status, rows, bytes, completeness,
        content hash and path of its result. It is written when all requested results of the job exist. ``_manifest``
        contains the owner of the lake and the schema of each task.

        In stores without conditional writes, two processes that write the same result at the same time both write it
        completely. The last write wins.

        Sources: ``GET api-open/v1/workflows/<workflow_id>/jobs``, ``GET api-open/v1/jobs/<job_id>`` once per job
        without a record, and ``GET .../sample_result`` once per missing result.

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
