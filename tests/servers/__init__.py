"""Real storage servers on free local ports, for the store tests.

Each module has a context manager `serve(folder)`, which returns a `Server`, or raises `Unavailable` if the server
cannot be started.
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
    """The server cannot be started; the message names what is missing."""


@dataclass
class Server:
    """Address of a running server, as a URL and options for fsspec.

    `read_only` is the same folder without write permission. `wrong_login` contains options with invalid credentials.
    `missing` is a URL whose bucket, container or share does not exist. `down` contains options for a closed port.
    """

    base: str
    options: dict[str, Any] = field(default_factory=dict)
    read_only: tuple[str, dict[str, Any]] | None = None
    wrong_login: dict[str, Any] | None = None
    missing: str | None = None
    down: dict[str, Any] | None = None


def program(name: str, *places: str) -> str:
    """Find a program on PATH or in `places`, or raise Unavailable."""
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
    """Run a set-up command, and return its output."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PROCESS, check=False)
    if done.returncode:
        failed = PermissionError if "EPERM" in done.stderr else RuntimeError
        raise failed(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def process(folder: Path, *command: str, ready, seconds: float = HANG, patience: float = 10, env=None):
    """Run a server until the block ends; terminate it, and kill it after `patience` seconds."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        # When smbd ends, it terminates its whole process group.
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
