"""Explorer: one server, and all that can be asked of it."""

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
        Name of a profile in the config file, ``~/.config/explorer_frames/config.toml``, whose settings come before
        environment variables. Default: ``EXPLORER_FRAMES_PROFILE``, or the profile ``default`` if there is one, whose
        settings come after environment variables. A profile is used for its own `url` only. If `url` is passed, the
        profile of the variable may be missing.
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
        Seconds to wait for a connection and for each next piece of a response, or a pair of both. None has no limit but
        `deadline`.
    deadline
        Seconds for one whole call, retries included; None for no end.
    retries
        How many more times a call that only reads is tried when the failure may pass.
    verify
        Whether to check the server's TLS certificate.
    ca_bundle
        PEM file or folder with the CA certificates to trust in place of the operating system's. Default:
        ``EXPLORER_FRAMES_CA_BUNDLE``.
    client_cert
        PEM file with a client certificate and its key, or a pair of files. Default: ``EXPLORER_FRAMES_CLIENT_CERT``,
        with the key in ``EXPLORER_FRAMES_CLIENT_KEY`` if that is a file of its own.
    trust_env
        Whether the environment's proxies and certificates (``HTTPS_PROXY``, ``REQUESTS_CA_BUNDLE`` and the like) count.
    max_bytes
        The most bytes of one answer, decompressed; what is larger is refused. None for no bound.
    row_cap
        The most rows of one result that this server returns, if you know. Default: ``EXPLORER_FRAMES_ROW_CAP``. Results
        with fewer rows are then complete. Without it, a round number of rows (a power of 2 or 10, or 5 times a power of
        10, from 1,000) may be the server's cap. Such a result is not known to be complete, unless this `Explorer` has
        read a larger one before.
    vid_type
        Default of `vid_type` in all calls: ``"string"`` or ``"int64"``, the type of the graph space's vertex ids.
    progress
        Whether calls show progress bars. None shows them in a terminal or a notebook after two seconds, True
        everywhere and at once, False nowhere. Default: ``EXPLORER_FRAMES_PROGRESS`` (1 or 0), or None.

    Raises
    ------
    ConfigError
        Something is missing or cannot work. Nothing is sent before the first call.

    Warns
    -----
    ConfigFileWarning
        Once a process: other users can read the config file, which has a token or a password in it.
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
            _warned.add(self._settings.url)  # behind the warning, which a filter may make an error
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
        """Close the connections. A later call opens new ones."""
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
        """Check the arguments of a reader."""
        return Query.of(job_id, task_id, limit, SchemaRequest.of(schema, self._vid_type_or(vid_type)), large=large)

    def _vid_type_or(self, given: VidType | None) -> VidType:
        """Return a call's `vid_type`, or the default."""
        return self._vid_type if given is None else given

    # --- finding out what works

    def doctor(
        self,
        job_id: str | int | Job | Task | None = None,
        task_id: str | Task | None = None,
        limit: int = 100_000,
        *,
        path: str | os.PathLike[str] | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Diagnosis:
        """Check the connection, the login, the license and the row limit, and how to fix each problem.

        No job is started. Each check has a time limit of its own, of at most 20 seconds for each request.

        Parameters
        ----------
        job_id, task_id
            The result that is read to check the row limit, as in `read_sample_result`; `task_id` may also be a name.
            Default: a task of one of the newest successful jobs.
        limit
            The largest `limit` to request; a tenth of it is requested as well.
        path
            A file or folder to check for write access: a small file is written there, read and removed.
        storage_options
            For the fsspec driver of `path`.

        Returns
        -------
        Diagnosis
            A finding for each check. Problems do not raise an error.

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

    # --- reading one task's result

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
        """Read the result of one task as a typed DataFrame.

        Parameters
        ----------
        job_id, task_id
            As the job's page in Explorer shows them. `job_id` may be a `Job`; `task_id` is then the id or the name of a
            task, or a `Task`. A `Task` as the only argument stands for both. A `Job` or a `Task` saves the request for
            the task's name.
        limit
            Number of rows to request. Default: None, for all rows. If the server refuses so large a limit, 1,000,000,
            100,000 and 10,000 are requested, in this order.
        schema
            Columns of the result. Default: ``"auto"``, which looks up the task's name in the job's detail, once for a
            job that has ended, and uses the columns of that algorithm (`explorer_frames.schemas.ALGORITHMS`). If no
            algorithm has that name, or none of its results has this number of columns, the number of columns decides: 2
            are ``id, score``, 3 are ``id, score, community``, others are text columns ``column_1, column_2, ...``. If a
            cell does not fit these columns, all columns are text. Pass the name of an algorithm or a `pyarrow.Schema`
            for other columns, ``"query"`` to read every column as text, or None to use only the number of columns,
            strictly.
        vid_type
            Type of the graph space's vertex ids: ``"string"`` keeps each one as it came; ``"int64"`` refuses what would
            not print back the same, such as ``007``. Default: that of the `Explorer`.
        dtype_backend
            As in pandas: None, ``"numpy_nullable"`` or ``"pyarrow"``. The values are the same in all three; what pandas
            makes of a NaN is not (``isna()`` is False for it with ``"pyarrow"``).

        Returns
        -------
        pandas.DataFrame
            One row per row of the result, in its order, with the columns of `schema`; the same for 0, 1 and many rows.
            Vertex ids and the labels of communities are str or int64, scores and distances float64, counts int64.
            ``attrs["explorer_frames"]`` is the record of `provenance`, with ``complete`` and ``schema_source``.

        Raises
        ------
        ConfigError
            An argument or the environment cannot work; nothing was sent.
        TransportError
            No usable answer came within the timeouts, the deadline and the retries.
        ApiError
            The server returned an error: NotFoundError, UnauthorizedError, BadRequestError, ServerError and others.
        DecodeError
            The answer is not as documented, or a cell does not fit its column: RowShapeError, ColumnTypeError.

        Warns
        -----
        TruncatedResultWarning
            The server returned exactly `limit` rows, or a round number of rows that may be its cap (see `Explorer`,
            `row_cap`); or the task's status is not success.
        SchemaWarning
            `schema` is an algorithm that the task's name contradicts; the task's name could not be looked up; or a cell
            does not fit the columns by number, so that all columns are text.

        Notes
        -----
        Sources: ``GET api-open/v1/jobs/<job_id>`` for the task's name, unless `schema` is None or a `pyarrow.Schema`,
        and ``GET api-open/v1/jobs/<job_id>/tasks/<task_id>/sample_result?limit=N``. ``limit`` is its only parameter. It
        has no order, no offset and no total.

        Examples
        --------
        >>> frame = explorer.read_sample_result(job_id, task_id)
        >>> len(frame), list(frame.columns)
        (77, ['id', 'score'])
        >>> provenance(frame).complete
        True
        """
        checked_backend(dtype_backend)
        large = dtype_backend != "pyarrow"  # as pandas 3 holds text: given shorter offsets, it would copy all of it
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
        """Read the result of one task as a typed Arrow table.

        Errors and warnings are those of `read_sample_result`.

        Parameters
        ----------
        job_id, task_id, limit, schema, vid_type
            As in `read_sample_result`.

        Returns
        -------
        pyarrow.Table
            The columns of `schema`, such as ``id: string, score: double``. The record of `provenance` is one JSON
            document in the schema's metadata, under ``explorer_frames``.

        Notes
        -----
        Sources: as of `read_sample_result`.

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
        """Stream the result of one task in constant memory, however large.

        Errors and warnings are those of `read_sample_result`. The deadline includes the time between two batches. With
        ``schema="auto"``, a cell that does not fit the columns by number makes all columns text only if it is in the
        first batch; later ones raise ColumnTypeError.

        Parameters
        ----------
        job_id, task_id, limit, schema, vid_type
            As in `read_sample_result`.

        Returns
        -------
        context manager of a pyarrow.RecordBatchReader
            Batches as the response arrives. The response was complete and valid only if the reader ended without an
            error. After an error, discard the batches before it.

        Notes
        -----
        Sources: as of `read_sample_result`.

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
        """Write the result of one task to a file, in constant memory, whole or not at all.

        Parameters
        ----------
        job_id, task_id, limit, schema, vid_type
            As in `read_sample_result`; but `task_id` is required. `Task.export` exports a Task.
        path
            Local path, fsspec URL or binary buffer to write to, as in `write_parquet`. Its suffix decides the format:
            ``.parquet``, ``.pq``, or ``.feather``, ``.arrow``, ``.ipc``.
        allow_incomplete
            Whether to write a result that may be incomplete. Default: False.
        **options
            ``format`` (for buffers and other suffixes), and those of `write_parquet` or `write_feather`: ``mode``,
            ``make_parents``, ``compression``, ``storage_options``, ``filesystem`` and others.

        Returns
        -------
        Receipt
            path, format, rows, bytes, schema, complete.

        Raises
        ------
        IncompleteResultError
            The result may be incomplete, under the conditions of TruncatedResultWarning in `read_sample_result`.
            Nothing was written.
        ConfigError, TransportError, ApiError, DecodeError
            As in `read_sample_result`; nothing was written.
        TypeError
            An option does not exist.
        WriteError
            As in `write_parquet`; what stood at the target is still there.

        Notes
        -----
        Sources: as of `read_sample_result`.

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
            Only jobs in this state: ``"success"`` and so on, or a code.
        name
            Only jobs of this name, as the server understands it.
        created_after, created_before
            Only jobs created between these times: datetimes, or texts in ISO 8601. Times without an offset are in UTC.
            The server's clock decides.
        order
            ``"desc"`` has the newest first, ``"asc"`` the oldest.
        limit
            The most jobs to return; None for all. Pages are read as needed; a job that appears meanwhile does not
            make another one come twice.

        Returns
        -------
        pandas.DataFrame
            Columns job_id, name, workflow_id, workflow_name, status (str); create_time, begin_time, end_time
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

    def cancel_job(self, job_id: str | int | Job) -> None:
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
        vid_type: VidType | None = None,
        dtype_backend: DtypeBackend | None = None,
        workers: int = 4,
    ) -> pd.DataFrame:
        """Read the results of a workflow's last successful jobs, whole, as one long frame, the oldest first.

        Parameters
        ----------
        workflow_id
        last
            How many jobs at most, counted from the newest; None for all.
        task
            Name or id of the one task to read of each; None reads them all, and unites their columns.
        schema, vid_type, dtype_backend
            As in `read_sample_result`, for each result.
        workers
            Jobs to read at a time.

        Returns
        -------
        pandas.DataFrame
            ``job_id`` (str), ``end_time`` of the job (``datetime64[ms, UTC]``), ``task_name`` and ``task_id`` (str),
            then the result's own columns, missing where a result has no such. Integers are nullable (``Int64``) without
            `task`. It needs the memory that all these results need.

        Raises
        ------
        ConfigError
            An argument cannot work, or no job has a task of that name.
        TransportError, ApiError, DecodeError
            As in `read_sample_result`, for the list of jobs and the jobs.
        JobError
            Some results could not be read. ``error.results`` has the frames of the others, ``error.errors`` the errors,
            both by job id and task id.

        Warns
        -----
        HistoryGapWarning
            Jobs were left out: they have no such task, or it did not end well.

        Notes
        -----
        Sources: the list of jobs, then ``GET api-open/v1/jobs/<job_id>`` once and ``GET .../sample_result`` once a
        result for each job, each time: `sync_workflow` keeps what it has read.

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
        """Write the results of all successful jobs of a workflow to a lake, each once.

        A lake is a folder with a data set for each task. Repeat the call at any time, also after a failure and from
        several processes: existing results are neither read nor written again, and no result is ever deleted. If
        nothing is missing, a call sends one request for each 1,000 jobs, lists the folder and reads its records.

        Parameters
        ----------
        workflow_id
        path
            A folder: a local path or any fsspec URL. It belongs to one workflow of one server, with one `format`,
            `vid_type` and `partition_by`, from the first result on.
        tasks
            Names or ids of tasks. Default: all tasks with the status success.
        created_after
            Only jobs created at this time or later, as in `list_jobs`.
        limit, vid_type, allow_incomplete
            As in `export_sample_result`, for each result. They do not apply to results that exist in the folder.
        schema
            As in `read_sample_result`, for each result; or a mapping of them by task name or id. Tasks that are not in
            the mapping have ``"auto"``. All results of a task must have the same columns.
        format
            ``"parquet"`` or ``"feather"``.
        partition_by
            ``"job_id"``, ``"task_id"``, ``"end_date"``, or a list of them: these columns become hive folders below the
            folder of each task, and are not in the files. ``end_date`` is the day of ``end_time`` in UTC.
        server_name
            A name for the server, recorded in the lake. Default: the server's URL without scheme, default port and
            slash at the end. Pass the recorded name if the URL of the server changes.
        verify
            Whether to read the existing files too, and compare their sizes and content hashes with the lake's record.
        make_parents
            Whether to create missing folders above `path`. By default they raise an error. `path` itself is created.
        storage_options
            For the fsspec driver, as pandas takes them.
        workers
            Results to read and write at a time; memory grows with them, not with the size of the results.
        progress
            None shows a bar of the results in a terminal or a notebook after two seconds, unless the `Explorer` or
            ``EXPLORER_FRAMES_PROGRESS`` is set otherwise. True shows it everywhere, False nowhere. A function is called
            with a `SyncReport` of each new state.

        Returns
        -------
        SyncReport
            The results that this call wrote, and those that existed.

        Raises
        ------
        SyncError
            Some results could not be exported, or are damaged. ``error.report`` lists them. All others were exported,
            unless every other result would fail, too (a full disk, a missing bucket, a refused login, no connection):
            then no more are requested, and ``error.report.pending`` is the number of those that were not tried.
        ConfigError, UnsupportedFormatError
            An argument is invalid, no task has such a name, a column of `schema` is one that a lake adds, the folder is
            another workflow's, or one of its jobs is not the server's job with this id. Nothing was written.
        TransportError, ApiError, EnvelopeError
            The jobs cannot be listed; nothing was written.
        WriteError
            The folder cannot be listed or written to.

        Notes
        -----
        Files are ``<task>/<job id>-<hash>.parquet``. Each folder of a task is a data set that every engine reads as it
        is; see also `read_lake`. Characters of the task's name other than letters, digits, blanks, ``.``, ``_`` and
        ``-`` are replaced in the name of the folder, and a hash is added.

        After a result's own columns, each file has ``job_id`` and ``task_id`` (string) and ``end_time`` (timestamp in
        UTC), when the job ended; null if unknown.

        ``_runs/<job id>-<hash>.parquet`` has a row for each task of a job: job, times, status, rows, bytes,
        completeness, content hash and path of its result. It is written when all requested results of the job exist.
        ``_manifest`` has the owner of the lake and the schema of each task.

        In stores without conditional writes, two processes that write the same result at the same moment both write it
        completely; the last one stays.

        Sources: ``GET api-open/v1/workflows/<workflow_id>/jobs``, ``GET api-open/v1/jobs/<job_id>`` once for a job that
        has no record, and ``GET .../sample_result`` once for each missing result.

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
        explorer._after_fork()  # noqa: SLF001 (our own)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
