"""Explorer: composes the API's calls, decoding, frames and writing."""

from __future__ import annotations

import os
import sys
import warnings
import weakref
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

import pyarrow as pa

from explorer_frames import _config, schemas
from explorer_frames._api import Api
from explorer_frames._envelope import data_of
from explorer_frames._frames import checked_backend, to_pandas
from explorer_frames._provenance import Provenance
from explorer_frames._results import Query, Result
from explorer_frames._write import write
from explorer_frames.errors import IncompleteResultError, TruncatedResultWarning, located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from explorer_frames._auth import Token
    from explorer_frames._config import AuthEncoding, SecretSource
    from explorer_frames._frames import DtypeBackend
    from explorer_frames._sessions import Deadline
    from explorer_frames._write import Receipt
    from explorer_frames.schemas import VidType

_T = TypeVar("_T")
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
    ...     explorer.read_sample_result(job_id, "pagerank_1", limit=1000).shape
    (34, 2)
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
    ) -> pd.DataFrame:
        """Read a task's result as a typed DataFrame: see `explorer_frames.read_sample_result`."""
        checked_backend(dtype_backend)
        table = self.read_sample_result_arrow(job_id, task_id, limit, schema=schema, vid_type=vid_type)
        return to_pandas(table, dtype_backend)

    def read_sample_result_arrow(
        self,
        job_id: str | int,
        task_id: str,
        limit: int | None = 10,
        *,
        schema: str | pa.Schema | None = None,
        vid_type: VidType = "string",
    ) -> pa.Table:
        """Read a task's result as a typed Arrow table: see `explorer_frames.read_sample_result_arrow`."""
        query = Query.of(job_id, task_id, limit, schema, vid_type)
        table = self._reading(query, self._read)
        if table.num_rows == query.limit:
            _warn_cut(query)
        return table

    @contextmanager
    def open_sample_result(
        self,
        job_id: str | int,
        task_id: str,
        limit: int | None = 10,
        *,
        schema: str | pa.Schema | None = None,
        vid_type: VidType = "string",
    ) -> Iterator[pa.RecordBatchReader]:
        """Stream a task's result in constant memory: see `explorer_frames.open_sample_result`."""
        query = Query.of(job_id, task_id, limit, schema, vid_type)
        with ExitStack() as stack:
            # Tried again only until the first row is there: the consumer may have used what came behind it.
            result = self._reading(query, partial(self._open, stack))
            yield pa.RecordBatchReader.from_batches(result.schema, _batches(query, result))

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
        **options: Any,
    ) -> Receipt:
        """Write a task's result to a file at any fsspec URL: see `explorer_frames.export_sample_result`."""
        query = Query.of(job_id, task_id, limit, schema, vid_type)

        def export(query: Query, token: Token, deadline: Deadline) -> Receipt:
            with ExitStack() as stack:
                result = self._open(stack, query, token, deadline)

                def finish() -> dict[bytes, bytes]:
                    if not (result.complete or allow_incomplete):
                        raise _incomplete(query)
                    return result.provenance.to_metadata()

                reader = pa.RecordBatchReader.from_batches(result.schema, iter(result))
                return write(reader, url, finish=finish, **options)

        return self._reading(query, export)

    def _reading(self, query: Query, call: Callable[[Query, Token, Deadline], _T]) -> _T:
        with located(query.where):
            if query.auto:
                query = replace(query, schema=schemas.find(self._task_name(query)))
            return self._api.reading(partial(call, query))

    def _task_name(self, query: Query) -> str:
        tasks = self._api.get("jobs", query.job).get("tasks")
        known = (
            {str(task.get("id")): task for task in tasks if isinstance(task, dict)} if isinstance(tasks, list) else {}
        )
        return str(known.get(query.task, {}).get("name", ""))

    def _open(self, stack: ExitStack, query: Query, token: Token, deadline: Deadline) -> Result:
        with ExitStack() as attempt:
            segments = ("jobs", query.job, "tasks", query.task, "sample_result")
            answer = attempt.enter_context(self._api.answer(segments, {"limit": str(query.limit)}, token, deadline))
            provenance = Provenance(
                server=self._settings.url,
                job=query.job,
                task=query.task,
                algorithm=query.algorithm,
                limit=query.limit,
                read_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
            check = partial(data_of, http_status=answer.status, trace_id=answer.trace_id)
            result = Result(query, answer.pieces(), check, provenance)
            stack.enter_context(attempt.pop_all())
            return result

    def _read(self, query: Query, token: Token, deadline: Deadline) -> pa.Table:
        with ExitStack() as stack:
            result = self._open(stack, query, token, deadline)
            table = pa.Table.from_batches(list(result), result.schema)
        return table.replace_schema_metadata({**(table.schema.metadata or {}), **result.provenance.to_metadata()})


def _batches(query: Query, result: Result) -> Iterator[pa.RecordBatch]:
    with located(query.where):
        yield from result
    if not result.complete:
        _warn_cut(query)


def _warn_cut(query: Query) -> None:
    depth, frame = 2, sys._getframe(1)  # noqa: SLF001 (the way to point at the caller's line until Python 3.12)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(f"{__package__}."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(
        f"{query.limit} rows came and {query.limit} were asked for [{query.where}]: there may be more, and which ones "
        "these are is not known. limit=None reads all.",
        TruncatedResultWarning,
        stacklevel=depth,
    )


def _incomplete(query: Query) -> IncompleteResultError:
    return IncompleteResultError(
        f"{query.limit} rows came and {query.limit} were asked for, so there may be more; nothing was written",
        hint="Pass limit=None for all rows, or allow_incomplete=True to export a part knowingly.",
    )


def _after_fork() -> None:
    for explorer in _explorers:
        explorer._api.after_fork()  # noqa: SLF001 (our own)


os.register_at_fork(after_in_child=_after_fork)
