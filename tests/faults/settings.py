"""Faulty environments for calls: disks, open files, memory, threads, name lookups, files."""

from __future__ import annotations

import inspect
import os
import signal
import socket
import stat
import sys
import threading
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.rawserver import RawServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    Setting = Callable[[Any], AbstractContextManager[None]]

_LONG, _MOMENT = 600.0, 1e-4  # seconds
_MOST_FILES = 1024  # maximum number of file descriptors to check


def descriptors() -> dict[int, os.stat_result]:
    """Return the open file descriptors of this process."""
    found = {}
    for number in range(_MOST_FILES):
        with suppress(OSError):
            found[number] = os.fstat(number)
    return found


def sockets() -> set[tuple[int, int]]:
    """Return the open sockets of this process."""
    return {(number, one.st_ino) for number, one in descriptors().items() if stat.S_ISSOCK(one.st_mode)}


@contextmanager
def _limited(kind: str, most: int) -> Iterator[None]:
    """Lower a resource limit of this process."""
    import resource  # not available on Windows, which imports this module

    number = getattr(resource, kind)
    before = resource.getrlimit(number)
    resource.setrlimit(number, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(number, before)


def disk(size: int) -> Setting:
    """Limit files to `size` bytes, which has the same effect as a full disk."""

    @contextmanager
    def setting(_: Any) -> Iterator[None]:
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            with _limited("RLIMIT_FSIZE", size):
                yield
        finally:
            signal.signal(signal.SIGXFSZ, handler)

    return setting


def files(more: int) -> Setting:
    """Allow only this many additional open files, including sockets."""

    def setting(_: Any) -> AbstractContextManager[None]:
        there = descriptors()
        free = (number for number in count() if number not in there)
        return _limited("RLIMIT_NOFILE", next(islice(free, more, None)))

    return setting


def memory(more: int) -> Setting:
    """Allow only this many additional bytes of address space."""

    def setting(_: Any) -> AbstractContextManager[None]:
        statm = Path("/proc/self/statm")
        if not statm.exists():  # not Linux
            return nullcontext()
        pages = int(statm.read_text(encoding="ascii").split()[0])
        return _limited("RLIMIT_AS", pages * os.sysconf("SC_PAGE_SIZE") + more)

    return setting


def prepared(prepare: Callable[[Any], object], setting: Setting) -> Setting:
    """Prepare the call's folder before the setting begins."""

    @contextmanager
    def both(call: Any) -> Iterator[None]:
        prepare(call)
        with setting(call):
            yield

    return both


@contextmanager
def no_threads(_: Any) -> Iterator[None]:
    """Make every start of a thread fail, with a stack size above the address space."""
    before = threading.stack_size(2**47)
    try:
        yield
    finally:
        threading.stack_size(before)


# --- signals


def at_line(part: float) -> Setting:
    """Send a signal to this process after the given part of the lines that a call executes.

    A timer sends the signal a moment later. An exception from the trace function itself could be raised in places where
    Python does not run signal handlers, such as just before a lock is released.
    """

    @contextmanager
    def setting(call: Any) -> Iterator[None]:
        home = str(Path(inspect.getfile(call.client.errors[0])).parent)
        lines = count()

        def at(_frame: FrameType, event: str, _argument: object) -> Any:
            if event == "line" and next(lines) == last:
                sys.settrace(None)
                signal.setitimer(signal.ITIMER_REAL, _MOMENT)
                return None
            return at

        def trace(frame: FrameType, _event: str, _argument: object) -> Any:
            return at if frame.f_code.co_filename.startswith(home) else None

        last = -1
        call.rehearsal("1").make()  # imports the modules that the call needs
        call.prepare()
        with _tracing(trace):
            call.rehearsal("2").make()
        last = int(part * next(lines))
        lines = count()
        call.prepare()
        try:
            with _tracing(trace):
                yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return setting


@contextmanager
def _tracing(trace: Callable[..., Any]) -> Iterator[None]:
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


# --- names and addresses


def resolver(answer: Callable[[Any, int], Any]) -> Setting:
    """Replace name lookups with `answer`."""

    @contextmanager
    def setting(call: Any) -> Iterator[None]:
        before = socket.getaddrinfo
        with ExitStack() as stack:
            socket.getaddrinfo = lambda _, port, *__, **___: answer(stack, port)
            try:
                yield
            finally:
                socket.getaddrinfo = before

    return setting


def addresses(*hosts: str) -> Callable[[ExitStack, int], list[Any]]:
    """Return these addresses."""
    return lambda _, port: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]


def silence(stack: ExitStack, _port: int) -> Any:
    """Block until the call is over."""
    released = threading.Event()
    stack.callback(released.set)
    released.wait()
    raise socket.gaierror(socket.EAI_AGAIN, "no answer")


def signaling_silence(stack: ExitStack, port: int) -> Any:
    """Send a signal to this process, and block until the call is over."""
    os.kill(os.getpid(), signal.SIGUSR1)
    return silence(stack, port)


def silent(number: int) -> Callable[[ExitStack, int], list[Any]]:
    """Return addresses that drop connections, because their backlog is full."""

    def answer(stack: ExitStack, _port: int) -> list[Any]:
        hosts = [f"127.1.0.{place}" for place in range(1, number + 1)]
        port = 0
        for host in hosts:
            listener = stack.enter_context(closing(socket.socket()))
            listener.bind((host, port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(2):
                filler = stack.enter_context(closing(socket.socket()))
                filler.setblocking(False)
                filler.connect_ex((host, port))
        return addresses(*hosts)(stack, port)

    return answer


def failing(code: int) -> Callable[[ExitStack, int], Any]:
    """Raise this error of ``getaddrinfo``."""

    def answer(_stack: ExitStack, _port: int) -> Any:
        raise socket.gaierror(code, "failed")

    return answer


# --- TLS

_CONNECTED = b"HTTP/1.1 200 OK\r\n\r\n"
_HANDSHAKE = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(2**14)  # start of a large "server hello" message
# Bytes sent by a TLS server or proxy: at once, and then one by one. The flag is True for a proxy.
TLS = {
    "a handshake that does not begin": (b"", b"", False),
    "a handshake that drips": (b"", _HANDSHAKE, False),
    "a handshake that stops": (_HANDSHAKE[:100], b"", False),
    "junk that drips": (b"", b"x" * 2**14, False),
    "a proxy that is silent": (b"", b"", True),
    "a proxy whose answer drips": (b"", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**14, True),
    "a proxy, then a handshake that does not begin": (_CONNECTED, b"", True),
    "a proxy, then a handshake that drips": (_CONNECTED, _HANDSHAKE, True),
}


def tls(at_once: bytes, drip: bytes, proxy: bool) -> Setting:
    """Redirect https requests to a server, or through a proxy, that sends these bytes."""

    @contextmanager
    def setting(_: Any) -> Iterator[None]:
        def script(*_: object) -> Iterator[bytes | float]:
            yield at_once
            for byte in drip:
                yield bytes([byte])
                yield 0.02
            yield _LONG

        with RawServer(script) as server, ExitStack() as stack:
            if proxy:
                before = dict(os.environ)
                stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
                os.environ |= {"https_proxy": server.url, "no_proxy": "", "NO_PROXY": ""}
            else:
                stack.enter_context(resolver(lambda *_: addresses("127.0.0.1")(_[0], server.port))(None))
            yield

    return setting


# --- files


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        here = Path.cwd()
        os.chdir(path.parent)  # paths of sockets must be short
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)


def _linked(path: Path, make: Callable[[Path], object]) -> None:
    elsewhere = path.parents[1] / f"{path.name}.elsewhere"
    make(elsewhere)
    path.symlink_to(elsewhere)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**42)


# Functions that create a special file at a path.
STREAMS: dict[str, Callable[[Path], object]] = {
    "pipe": _pipe,
    "link to a pipe": lambda path: _linked(path, _pipe),
    "socket": _socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
}
ODD_FILES: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "link to a folder": lambda path: _linked(path, Path.mkdir),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "file of 4 TiB of zeros": _sparse,
}
CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "a byte": b"x",
    "binary": bytes(range(256)) * 100,
    "not UTF-8": b'{"layout": "\xff"}',
    "JSON null": b"null",
    "JSON list": b"[[[]]]",
    "JSON of another kind": b'{"layout": 1, "task_name": [], "folder": {}, "schema": 5, "partition_by": 7}',
    "deep JSON": b"[" * 100_000,
    "a number of many digits": b'{"layout": ' + b"1" * 100_000 + b"}",
    "Parquet in name only": b"PAR1" + b"\xff" * 200 + b"\xff\xff\xff\x7fPAR1",
}


def odd_file(
    make: Callable[[Path], object], place: Callable[[Path], Path], prepare: Callable[[Any], object]
) -> Setting:
    """Replace a file in the call's folder with an invalid or special file."""

    @contextmanager
    def setting(call: Any) -> Iterator[None]:
        prepare(call)
        path = place(call.folder)
        path.unlink()
        make(path)
        yield

    return setting
