"""Real servers on free loopback ports, each stopped by its own process: what the stores lane writes to.

Each module has `serve(folder)`, a context manager that lends a `Server`; what it cannot start raises `Unavailable`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limits import HANG, PROCESS


class Unavailable(Exception):  # noqa: N818 (a reason to skip)
    """The server cannot be started here; the text says what is missing."""


@dataclass
class Server:
    """Where a running server takes files, as fsspec wants it.

    `read_only` is the same folder under credentials or a name that may not write; `wrong_login` are options that the
    server must refuse; `missing` is a URL whose bucket, container or share does not exist; `down` are options that
    lead to a port on which nothing listens.
    """

    base: str
    options: dict[str, Any] = field(default_factory=dict)
    read_only: tuple[str, dict[str, Any]] | None = None
    wrong_login: dict[str, Any] | None = None
    missing: str | None = None
    down: dict[str, Any] | None = None


def program(name: str, *places: str) -> str:
    """Find a program on PATH or among `places`, or say that it is missing."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *places]))
    if not found:
        raise Unavailable(f"{name} is not installed")
    return found


def as_root() -> None:
    if os.name != "posix" or os.geteuid() != 0:
        raise Unavailable("needs root")


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


def listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def run(*command: str, stdin: str | None = None) -> str:
    """Run a set-up step to its end."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PROCESS, check=False)
    if done.returncode:
        failed = PermissionError if "EPERM" in done.stderr else RuntimeError
        raise failed(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def process(folder: Path, *command: str, ready, seconds: float = HANG, patience: float = 10, env=None):
    """Run one server until the block ends, then terminate it, and kill it after `patience` seconds."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        # smbd ends its whole process group with itself.
        alone = Path(command[0]).name == "smbd"
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=alone,
            env={**os.environ, **(env or {})},
        )
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if server.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"{command[0]} did not start (exit status {server.poll()}):\n{tail}")
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        try:
            server.wait(patience)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)
