"""Sandbox server, which runs in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from explorer_frames._private import private
from explorer_frames.errors import ConfigError
from explorer_frames.sandbox._algorithms import everything
from explorer_frames.sandbox._app import Api, RequestRecord
from explorer_frames.sandbox._graphs import Graph
from explorer_frames.sandbox._jobs import Jobs, Status, Tasks, Workflow
from explorer_frames.sandbox._options import Options
from explorer_frames.sandbox._results import Array, Columns
from explorer_frames.sandbox._sessions import Sessions

_REMEMBERED = 10_000
_POLL_INTERVAL = 0.001  # seconds


@private
@dataclass(repr=False, eq=False)
class Sandbox(Options):
    """Embedded NebulaGraph Explorer with the published workflow API.

    Two workflows are ready to run: ``karate`` (Zachary's karate club, with integer ids) and ``lesmis`` (Les Miserables,
    with string ids and weights). Each workflow starts with a Query component, whose rows are the input graph of the
    other components. igraph computes the results when a job runs.

    Parameters
    ----------
    port
        Port to listen on. Default: 0, which selects a free port.
    host
        Address to listen on.
    user, password, graphd
        Credentials that the login accepts. ``graphd`` has the form ``host:port``.
    token_life
        Lifetime of a token, in seconds.
    one_token_per_user
        Whether a new token invalidates earlier tokens.
    auth_encoding
        Accepted encodings of a login: ``"json"`` for ``["user","password"]``, ``"colon"`` for ``user:password``, or
        ``"both"``.
    task_seconds
        Minimum duration of a task, in seconds.
    limit_cap
        Maximum number of rows to return, even if a request has a higher limit. The response does not report the cap.
    id_type
        JSON type of the id of a new job, ``"string"`` or ``"number"``.
    http_status_of_errors
        HTTP status of errors: ``"200"`` for all errors, or ``"mapped"`` for the first three digits of the error code.
    pretty
        Whether to indent the JSON of responses.
    gzip
        Whether to compress responses for clients that accept it.
    outputs_dir
        Folder for full results of finished tasks, which are CSV files such as
        ``<job id>/<task id>/part-00000.csv.gz``. Default: None, which writes no files.
    output_parts
        Number of files per full result.
    output_header
        Whether each file begins with a header. Algorithms without documented column names have no header.
    output_style
        ``"csv"`` for the files above, as in RFC 4180. ``"engine"`` for files that resemble those of NebulaGraph
        Analytics, such as ``<job id>/tasks/<component>/0000_0000.csv.gz``. These files have no quoting. Doubles have
        six significant digits, and the vertices of a path are separated by spaces. Files of InfoMap and degrees are not
        compressed. Files of WCC have the prefix ``part_``. KCore with ``TYPE=subgraph`` has folders ``<k>_core``.

    Attributes
    ----------
    workflows : dict
        Workflow ids by name.

    Raises
    ------
    ValueError
        An option is invalid.

    Notes
    -----
    The published documents do not specify some details. The sandbox implements them as follows:

    - Unset times are 0 in jobs and null in tasks.
    - The ``name`` of a filter matches any part of a job's name.
    - Unknown filter keys, parameters and inputs are errors.
    - A job with an input for an unknown task fails before its first task.
    - After a failed task, the job continues. After a failed Query, the remaining tasks are interrupted.
    - Canceling a job that has ended is an error.
    - Parameter names are not case-sensitive. Two names that differ only in case are an error (40004001).

    Examples
    --------
    >>> import requests
    >>> from explorer_frames.sandbox import Sandbox
    >>> with Sandbox() as server:
    ...     job, task = server.add_result([["player110", "team219"], ["0.150000", "0.452126"]])
    ...     answer = requests.get(
    ...         f"{server.url}/api-open/v1/jobs/{job}/tasks/{task}/sample_result",
    ...         params={"limit": 1},
    ...         cookies={"explorer_token": server.token},
    ...         timeout=10,
    ...     )
    >>> answer.json()
    {'code': 0, 'data': {'items': [['player110', '0.150000']]}, 'message': 'Success'}
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._url: str | None = None
        self._server: _Server | None = None
        self._token = ""
        self._requests: deque[RequestRecord] = deque(maxlen=_REMEMBERED)
        self._sessions = Sessions(self.token_life, single=self.one_token_per_user)
        self._jobs = Jobs(self)
        self._added: Workflow | None = None
        self.workflows: dict[str, int] = {}
        self.add_workflow("karate", Graph.karate(), everything("33", "16"))
        self.add_workflow("lesmis", Graph.les_miserables(), everything("Valjean", "Child1"))

    def __repr__(self) -> str:
        place = "not running" if self._server is None else self.url
        workflows = ", ".join(f"{name!r}: {number}" for name, number in self.workflows.items())
        return f"<Sandbox {place}, workflows {{{workflows}}}>"

    def start(self) -> Self:
        """Start the server, and wait until it accepts requests.

        Raises
        ------
        ConfigError
            The port is in use, or the address cannot be opened.
        RuntimeError
            The sandbox is already running.
        """
        if self._server is not None:
            raise RuntimeError("the sandbox is already running")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listener = socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            reason = str(error.strerror).partition(" (")[0]  # Python appends the address to the reason
            what = f"cannot listen on {self.host}:{self.port}: {reason}"
            raise ConfigError(
                what, hint="Pass another port=, such as 0 for a free port. Or pass another host=."
            ) from None
        # Connections inherit this option, which asyncio does not set for an existing socket. Without it, each
        # response would be delayed by about 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port = listener.getsockname()[:2]
        app = Api(self._jobs, self._sessions, self).app(self._requests.append)
        self._server = _Server(app, listener)
        self._url = f"http://[{host}]:{port}" if family == socket.AF_INET6 else f"http://{host}:{port}"
        return self

    def stop(self) -> None:
        """Close the port, interrupt the jobs, and wait for all threads. The sandbox can be started again."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._jobs.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """URL of the sandbox. It remains available after `stop`."""
        if self._url is None:
            raise RuntimeError("the sandbox has no URL before start()")
        return self._url

    @property
    def token(self) -> str:
        """Valid token, which is replaced when it expires."""
        if not self._sessions.is_valid(self._token):
            self._token = self._sessions.issue()
        return self._token

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that connect the library to the sandbox."""
        return {
            "EXPLORER_FRAMES_URL": self.url,
            "EXPLORER_FRAMES_USER": self.user,
            "EXPLORER_FRAMES_PASSWORD": self.password,
            "EXPLORER_FRAMES_GRAPHD": self.graphd,
        }

    @property
    def requests(self) -> list[RequestRecord]:
        """Last 10,000 requests, each with its method, path with query, and HTTP status."""
        return list(self._requests)

    def add_workflow(self, name: str, graph: Graph, tasks: Tasks | None = None) -> int:
        """Save a workflow and return its id.

        Parameters
        ----------
        name
            Name of the workflow, and its key in `workflows`.
        graph
            Saved graph that Query components read. An algorithm without a preceding Query runs on the whole graph.
        tasks
            Algorithm and parameters by component id, such as
            ``{"query_1": ("Query", {"limit": 100}), "analytics_sssp_1": ("SSSP", {"root": 1})}``. The result of a Query
            is the input of the tasks after it. The algorithm ``Fail`` always fails. Default: a Query and all
            algorithms, with the first and the last vertex of the graph as vertex parameters. Some of these algorithms
            are too slow for large graphs.

        Raises
        ------
        ValueError
            A task has two parameters whose names differ only in case.
        """
        if tasks is None:
            tasks = everything(str(graph.vids[0]), str(graph.vids[-1]))
        workflow = self._jobs.add_workflow(name, graph, tasks)
        self.workflows[name] = workflow.id
        return workflow.id

    def add_result(
        self, columns: Sequence[Sequence[str] | Array], name: str = "PageRank", *, job_id: int | None = None
    ) -> tuple[int, str]:
        """Add a finished task with the given result, and return the job id and the task id.

        Parameters
        ----------
        columns
            Columns as sequences of strings, or as numpy arrays of numbers.
        name
            Name of the task.
        job_id
            Id of the job to add the task to. Default: a new job.

        Raises
        ------
        TypeError
            A column contains other values than strings or numbers.
        ValueError
            There are no columns, or the columns differ in length.
        """
        result = Columns.from_sequences(columns)
        job = self._jobs.job(self.add_jobs(1)[0] if job_id is None else job_id)
        return job.id, self._jobs.add_result(job, name, result).id

    def add_jobs(self, count: int, status: int = Status.SUCCESS) -> list[int]:
        """Add jobs without tasks to the workflow ``results``, and return their ids, oldest first."""
        if self._added is None:
            self._added = self._jobs.add_workflow("results", Graph.from_edges(()), {})
            self.workflows["results"] = self._added.id
        return [job.id for job in self._jobs.add_past(self._added, count, status)]

    def set_status(self, job_id: int, status: int | None, task_id: str | None = None) -> None:
        """Override the reported status of a job or task with any number. None removes the override."""
        run = self._jobs.job(job_id) if task_id is None else self._jobs.task(job_id, task_id)
        run.reported = status

    def expire_tokens(self) -> None:
        """Expire all tokens."""
        self._sessions.expire_all()


class _Server(uvicorn.Server):
    """uvicorn server in a thread, on a listening socket."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            access_log=False,
            http="h11",  # always installed with uvicorn
            lifespan="off",
            log_config=None,
            log_level="critical",
            loop="asyncio",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
            ws="none",
        )
        super().__init__(config)
        self._thread = threading.Thread(target=self.run, args=([listener],), name="sandbox-server", daemon=True)
        self._thread.start()
        while not self.started and self._thread.is_alive():
            time.sleep(_POLL_INTERVAL)
        if not self.started:
            listener.close()
            raise RuntimeError("cannot start the sandbox; see the output of its thread")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # uvicorn does not close the socket of a client that does not read
        await asyncio.sleep(0)  # the event loop closes aborted sockets in its next iteration

    def stop(self) -> None:
        self.should_exit = True
        self._thread.join()
