"""Server that sends arbitrary bytes, including invalid responses."""

from __future__ import annotations

import enum
import re
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable


_TLS = b"\x16\x03"
_INTERIM = re.compile(rb"^(?:HTTP/1\.1 1\d\d .*?\r\n\r\n)+", re.DOTALL)


class End(enum.Enum):
    """Action on the connection after a response; SIGNAL sends a signal to the client."""

    RESET = enum.auto()
    KEEP = enum.auto()
    CLOSE = enum.auto()
    SIGNAL = enum.auto()


def envelope(items: str = '[["a","1.5"],["b","2.5"]]', code: str = "0") -> bytes:
    return f'{{"code":{code},"data":{{"items":{items}}},"message":"Success"}}'.encode()


def answer(body: bytes = b"", status: str = "200 OK", headers: str = "", *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


@dataclass
class RawServer:
    """Server that sends what `script` returns for a request's number and bytes.

    A float in the response is a pause in seconds. After a complete response, the connection stays open, unless the
    response contains `Connection: close`. A real server does the same. Closing the connection without notice would make
    the next request fail with a reset.
    """

    script: Callable[[int, bytes], bytes | Iterable[bytes | float | End]]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._stopping = threading.Event()
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as reader:
            while request := _read_request(reader, connection):
                with self._lock:
                    self.requests.append(request)
                    number = len(self.requests) - 1
                told = self.script(number, request)
                end, sent = None, bytearray()
                for part in [told] if isinstance(told, bytes) else told:
                    if isinstance(part, End):
                        end = part
                    elif isinstance(part, float):
                        if self._stopping.wait(part):
                            return
                    else:
                        connection.sendall(part)
                        sent += part
                if end is End.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if end is not End.KEEP and (end or not _is_whole(bytes(sent))):
                    return


def _is_whole(sent: bytes) -> bool:
    """Return whether a response is complete, so the connection can be used again."""
    head, _, body = _INTERIM.sub(b"", sent).partition(b"\r\n\r\n")
    head = head.lower()
    if b"connection: close" in head:
        return False
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    return re.findall(rb"\ncontent-length: *([0-9]+)(?:\r|$)", head) == [b"%d" % len(body)]


def _read_request(reader: io.BufferedReader, connection: socket.socket) -> bytes:
    start = reader.peek()
    if start.startswith(_TLS):  # a TLS handshake does not end with an empty line
        return start
    head, length = b"", 0
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return b""
        head += line
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    if b"\r\nexpect: 100-continue" in head.lower():  # clients of S3 wait for this response before they send the body
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    return head + reader.read(length)


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
