"""Server of prepared responses, in a separate process so that its work is not measured.

It uses raw sockets with keep-alive and TCP_NODELAY. The request path selects the body. The script takes the names of
the bodies and prints its port after it has generated them. It exits when its standard input is closed.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bodies import Body

_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_JOB = b'{"code":0,"data":{"id":"%b","tasks":[],"workflowId":"1"}}'  # job details, which an export requests first
_SMALL = 2**16


def path(name: str) -> str:
    """Return the path of a body. The parts of ``<rows>/<kind>`` are the job id and the task id."""
    rows, _, kind = name.partition("/")
    return f"/api-open/v1/jobs/{rows}/tasks/{kind}/sample_result"


@contextmanager
def serving(*names: str) -> Iterator[str]:
    """Run a server of these bodies, and yield its URL."""
    command = [sys.executable, __file__, *names]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError("the server did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()


def main() -> None:
    from bodies import body

    bodies = {}
    for name in sys.argv[1:]:
        rows, _, kind = name.partition("/")
        bodies[path(name).encode()] = body(int(rows), kind)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=_accept, args=(listener, bodies), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


def _accept(listener: socket.socket, bodies: dict[bytes, Body]) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection, bodies), daemon=True).start()


def _serve(connection: socket.socket, bodies: dict[bytes, Body]) -> None:
    with connection, suppress(OSError):
        while request := _read_head(connection):
            target = request.split(b" ", 2)[1].partition(b"?")[0]
            found = bodies.get(target)
            if found is None and b"/tasks/" not in target:
                detail = _JOB % target.rpartition(b"/")[2]
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(detail)}\r\n\r\n"
                connection.sendall(head.encode() + detail)
            elif found is None:
                connection.sendall(_NOT_FOUND)
            else:
                _send(connection, found)


def _read_head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(_SMALL)
        if not more:
            return b""
        data += more
    return data


def _send(connection: socket.socket, body: Body) -> None:
    encoding = f"Content-Encoding: {body.encoding}\r\n" if body.encoding else ""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{encoding}Content-Length: {len(body)}\r\n\r\n"
    if len(body) < _SMALL:
        connection.sendall(head.encode() + bytes(body))
        return
    connection.sendall(head.encode() + body.head)
    for block in repeat(body.block, body.times - 1):
        connection.sendall(block)
        connection.sendall(b",")
    connection.sendall(body.block)
    connection.sendall(body.tail)


if __name__ == "__main__":
    main()
