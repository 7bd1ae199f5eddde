"""What a signal handler raises comes out of a call as it is, at once, and ends the connections of that call."""

from __future__ import annotations

import io
import json
import signal
import socket
import threading
from contextlib import ExitStack, closing
from enum import Enum
from queue import Empty
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import pyarrow as pa
import pytest
from faults.rawserver import RawServer, answer, envelope, wait_until
from fsspec.implementations.memory import MemoryFileSystem
from limits import HANG
from platforms import needs_posix_signals

from explorer_frames import Explorer, read_output, write_delta, write_parquet
from explorer_frames.errors import ConfigError, ConnectionFailedError, FileReadError, RequestTimeoutError
from explorer_frames.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = needs_posix_signals

TASKS = 6
JOB = {
    "id": 1,
    "status": 2,
    "workflowId": 7,
    "tasks": [{"id": f"PageRank_{number}", "name": f"PageRank {number}", "status": 2} for number in range(TASKS)],
}


class StopRequestedError(Exception):
    """An exception of an application."""


RAISED = [
    TimeoutError("time is up"),
    OSError(5, "from a handler"),
    Empty(),  # as the queue raises that a caller waits at
    StopRequestedError(),
    KeyboardInterrupt(),
]


@pytest.fixture(params=RAISED, ids=lambda error: type(error).__name__)
def raised(request) -> Iterator[BaseException]:
    """Have SIGUSR1 raise an exception in the main thread."""

    def handler(_number: int, _frame: Any) -> None:
        raise request.param

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        yield request.param
    finally:
        signal.signal(signal.SIGUSR1, before)
        request.param.with_traceback(None)
        request.param.__context__ = request.param.__cause__ = None


def signal_when(condition: Callable[[], object]) -> threading.Thread:
    """Send the signal to the main thread as soon as a condition holds."""

    def wait_and_send() -> None:
        wait_until(condition, HANG)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


class SilentServer(RawServer):
    """Answers job lists and details; never answers a request for a result."""

    def __init__(self) -> None:
        self.waiting = 0
        self.closed = 0
        super().__init__(self._reply)

    def _reply(self, _number: int, request: bytes) -> Any:
        path = request.split(b" ", 2)[1].decode()
        if "sample_result" in path:
            return self._silence()
        if path.partition("?")[0].endswith("/jobs"):
            return answer(json.dumps({"code": 0, "data": {"items": [JOB], "total": 1}}).encode())
        return answer(json.dumps({"code": 0, "data": JOB}).encode())

    def _silence(self) -> Iterator[float]:
        self.waiting += 1
        yield HANG

    def hung_up(self) -> bool:
        """Whether the client has closed or shut down every connection."""
        return all(_is_closed(connection) for connection in self._open)


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.fileno() < 0 or connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def calls(explorer: Explorer, folder: Path) -> dict[str, tuple[int, Callable[[], Any]]]:
    """Name calls that wait for results, with how many of these are requested at a time."""
    return {
        "read_sample_result": (1, lambda: explorer.read_sample_result(1, "PageRank_0", schema=None)),
        "export_sample_result": (
            1,
            lambda: explorer.export_sample_result(1, "PageRank_0", folder / "a.parquet", schema=None),
        ),
        "Job.read": (3, lambda: explorer.job(1).read(workers=3)),
        "sync_workflow": (3, lambda: explorer.sync_workflow(7, folder / "lake", workers=3, progress=False)),
        "history": (1, lambda: explorer.history(7, task="PageRank 0", workers=3)),
    }


@pytest.mark.parametrize("name", calls(None, None))  # type: ignore[arg-type]
def test_an_exception_of_a_handler_ends_a_call_that_waits_for_the_server(name, raised, tmp_path):
    with SilentServer() as server, Explorer(server.url, token="t", timeout=HANG, deadline=HANG, retries=3) as explorer:
        at_once, call = calls(explorer, tmp_path)[name]
        sender = signal_when(lambda: server.waiting == at_once)
        with pytest.raises(type(raised)) as caught:
            call()
        sender.join()
        assert caught.value is raised
        asked = len(server.requests)
        wait_until(server.hung_up, HANG)
        assert len(server.requests) == asked, "requests go on"
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"]


BUSY = answer(b"", "503 Busy", "Retry-After: 25\r\nConnection: close\r\n")
HALF = answer(envelope(), length=10_000)
ONLY_READING = {
    "list_jobs": lambda explorer: explorer.list_jobs(7),
    "job": lambda explorer: explorer.job(1),
    "run_workflow": lambda explorer: explorer.run_workflow(7),
    "read_sample_result": lambda explorer: explorer.read_sample_result(1, "a", schema=None),
}


@pytest.mark.parametrize(
    "reply", [[HANG], [HALF, HANG], [b"HTTP/1.1 2", HANG], [BUSY]], ids=["silent", "half", "head", "pause"]
)
@pytest.mark.parametrize("name", ONLY_READING)
def test_an_exception_of_a_handler_ends_any_request_and_any_pause(name, reply, raised):
    if reply == [BUSY] and name == "run_workflow":
        pytest.skip("a POST is not sent again")
    with (
        RawServer(lambda *_: reply) as server,
        Explorer(server.url, token="t", timeout=HANG, deadline=HANG) as explorer,
    ):
        sender = signal_when(lambda: server.requests)
        with pytest.raises(type(raised)) as caught:
            ONLY_READING[name](explorer)
        sender.join()
        assert caught.value is raised
        assert len(server.requests) == 1


@pytest.mark.parametrize("raised", [ConnectionFailedError("from a handler")], indirect=True)
@pytest.mark.parametrize("name", ["list_jobs", "read_sample_result"])
def test_a_read_is_not_retried_after_an_error_class_of_ours_from_a_handler(name, raised):
    with (
        RawServer(lambda *_: [HANG]) as server,
        Explorer(server.url, token="t", timeout=HANG, deadline=HANG) as explorer,
    ):
        sender = signal_when(lambda: server.requests)
        with pytest.raises(ConnectionFailedError) as caught:
            ONLY_READING[name](explorer)
        sender.join()
        assert caught.value is raised
        assert len(server.requests) == 1


def test_an_exception_of_a_handler_comes_out_of_a_function_that_gets_a_password(raised):
    def ask() -> str:
        signal.raise_signal(signal.SIGUSR1)
        return "nebula"

    with (
        RawServer(lambda *_: [HANG]) as server,
        Explorer(server.url, user="root", password=ask, graphd="127.0.0.1:9669") as explorer,
    ):
        with pytest.raises(type(raised)) as caught:
            explorer.list_jobs(7)
        assert caught.value is raised
        assert not server.requests


class Kind(Enum):
    A = "a"


def test_enum_error_is_not_a_handler_exception():
    def ask() -> str:
        return str(Kind("s3cret"))

    explorer = Explorer("http://127.0.0.1:9", user="root", password=ask, graphd="127.0.0.1:9669")
    with explorer, pytest.raises(ConfigError, match="raised ValueError"):
        explorer.list_jobs(7)


@pytest.mark.parametrize("login", [{}, {"refresh": True}], ids=["first", "again"])
def test_an_exception_of_a_handler_ends_a_login(login, raised):
    with RawServer(lambda *_: [HANG]) as server:
        options = {"user": "root", "password": "nebula", "graphd": "127.0.0.1:9669", "timeout": HANG, "deadline": HANG}
        with Explorer(server.url, **options) as explorer:
            sender = signal_when(lambda: server.requests)
            with pytest.raises(type(raised)) as caught:
                explorer.list_jobs(7)
            sender.join()
            assert caught.value is raised
            assert len(server.requests) == 1


TABLE = pa.table({"id": ["a"], "score": [0.5]})
S3 = {"key": "k", "secret": "s", "client_kwargs": {"region_name": "us-east-1"}, "skip_instance_cache": True}
STORE_CALLS = {
    "write S3": lambda url: write_parquet(TABLE, "s3://b/x.parquet", storage_options={**S3, "endpoint_url": url}),
    "read S3": lambda url: read_output("s3://b/x", schema=None, storage_options={**S3, "endpoint_url": url}),
    "write WebDAV": lambda url: write_parquet(
        TABLE, f"webdav://{url[7:]}/x.parquet", storage_options={"base_url": url}
    ),
    "read HTTP": lambda url: read_output(f"{url}/x", schema=None, storage_options={"skip_instance_cache": True}),
}


@pytest.mark.parametrize("name", STORE_CALLS)
def test_an_exception_of_a_handler_ends_a_call_that_waits_for_a_store(name, raised):
    if name == "write WebDAV":
        pytest.importorskip("webdav4")  # an extra that not every lane installs
    with RawServer(lambda *_: [HANG]) as server:
        sender = signal_when(lambda: server.requests)
        with pytest.raises(type(raised)) as caught:
            STORE_CALLS[name](server.url)
        sender.join()
        assert caught.value is raised
        assert len(server.requests) == 1


class Interrupted(MemoryFileSystem):
    """Sends the signal in one of its methods, and converts what the handler raises, as drivers do."""

    protocol = "interrupted"
    store: ClassVar[dict[str, Any]] = {}
    cachable = False
    method = ""


def interrupted(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        if self.method == name:
            type(self).method = ""
            try:
                signal.raise_signal(signal.SIGUSR1)
            except Exception as error:
                raise FileNotFoundError(name) from error
        return getattr(MemoryFileSystem, name)(self, *args, **options)

    return method


METHODS = ("__init__", "info", "pipe_file", "put_file", "makedirs", "rm_file", "ls")
for _name in METHODS:
    setattr(Interrupted, _name, interrupted(_name))


@pytest.mark.parametrize("name", METHODS)
def test_handler_exception_converted_by_driver_is_restored(name, raised):
    fsspec.register_implementation("interrupted", Interrupted, clobber=True)
    Interrupted.store.clear()
    Interrupted.method = name
    with pytest.raises(type(raised)) as caught:  # noqa: PT012 (one of the two)
        write_parquet(TABLE, "interrupted://a/part-0.parquet", make_parents=True)
        read_output("interrupted://a", schema=None)
    assert caught.value is raised


def test_a_call_within_the_handling_of_such_an_exception_fails_and_succeeds_as_any_other(raised, tmp_path):
    try:
        signal.raise_signal(signal.SIGUSR1)
    except BaseException:  # noqa: BLE001 (what the test is about)
        with pytest.raises(FileReadError, match="not found"):
            read_output(tmp_path / "missing", schema=None)
        assert write_parquet(TABLE, "memory://in/a/handler.parquet", make_parents=True).rows == 1


class Slow(io.RawIOBase):
    """A buffer whose writes are interrupted."""

    def writable(self) -> bool:
        return True

    def write(self, _data: Any) -> int:
        signal.raise_signal(signal.SIGUSR1)
        return 0


def test_an_exception_of_a_handler_comes_out_of_a_write_to_a_buffer(raised):
    with pytest.raises(type(raised)) as caught:
        write_parquet(TABLE, Slow())
    assert caught.value is raised


def test_an_exception_of_a_handler_comes_out_of_a_commit(raised, tmp_path):
    pytest.importorskip("deltalake")

    def batches() -> Iterator[pa.RecordBatch]:
        yield from TABLE.to_batches()
        signal.raise_signal(signal.SIGUSR1)  # in the main thread, which waits
        while True:
            yield from TABLE.to_batches()

    with pytest.raises(type(raised)) as caught:
        write_delta(pa.RecordBatchReader.from_batches(TABLE.schema, batches()), tmp_path / "table")
    assert caught.value is raised
    assert not [*tmp_path.glob("table/_delta_log/*.json")]


def test_an_exception_of_a_handler_ends_the_wait_for_a_job(raised):
    with Sandbox() as server, Explorer(server.url, token=server.token) as explorer:
        job = explorer.job(server.add_jobs(1, status=1)[0])
        states: list[Any] = []
        sender = signal_when(lambda: states)
        with pytest.raises(type(raised)) as caught:
            job.wait(poll=HANG, progress=states.append)
        sender.join()
        assert caught.value is raised


def test_a_deadline_covers_name_resolution(monkeypatch):
    released = threading.Event()

    def silent(*_arguments: Any, **_options: Any) -> Any:
        released.wait(HANG)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    explorer = Explorer("http://explorer.example", token="t", deadline=0.3, trust_env=False)
    with explorer, pytest.raises(RequestTimeoutError, match="deadline"):
        explorer.list_jobs(7)
    released.set()


def test_a_deadline_covers_every_address_of_a_name(monkeypatch):
    """A full backlog drops SYN packets, as a firewall does."""
    with ExitStack() as stack:
        listeners = []
        for number in range(1, 9):
            listener = stack.enter_context(closing(socket.socket()))
            listener.bind((f"127.0.0.{number}", listeners[0].getsockname()[1] if listeners else 0))
            listener.listen(0)
            filler = stack.enter_context(closing(socket.socket()))
            filler.setblocking(False)
            for _ in range(2):
                filler = stack.enter_context(closing(socket.socket()))
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            listeners.append(listener)
        port = listeners[0].getsockname()[1]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{number}", port)) for number in range(1, 9)]
        tried: list[Any] = []
        connect = socket.socket.connect

        def counted(sock: socket.socket, address: Any) -> None:
            if address[1] == port:  # and no thread that another test has left
                tried.append(address)
            connect(sock, address)

        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(socket.socket, "connect", counted)
        explorer = stack.enter_context(
            Explorer(f"http://explorer.example:{port}", token="t", deadline=0.5, retries=0, trust_env=False)
        )
        with pytest.raises(RequestTimeoutError, match="deadline"):
            explorer.list_jobs(7)
        assert len(tried) == 1, "each address got the whole deadline"
