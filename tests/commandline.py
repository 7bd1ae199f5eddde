"""Run the command line in a separate process, with pipes or in a terminal."""

from __future__ import annotations

import functools
import json
import os
import re
import select
import struct
import subprocess
import sys
import time
from typing import Any, NamedTuple

import pytest
import typer.main
from limits import HANG, PROCESS

from explorer_frames import cli

COMMAND = [sys.executable, "-m", "explorer_frames"]
# A new session has no controlling terminal, and without one, Ctrl-C does not send a signal.
_IN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
# One interpreter imports the packages and forks for each command. It writes exit codes to stdout, between NUL bytes.
_FORKS = """
import gc, json, os, sys
import pandas, pyarrow, requests
from explorer_frames import *
import explorer_frames.cli._app
gc.freeze()
for line in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        explorer_frames.cli.main(line)
    _, status = os.waitpid(child, 0)
    os.write(1, b"\\0%d\\0" % os.waitstatus_to_exitcode(status))
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Ended(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda name: 1 / 0)  # NaN and Infinity are not valid JSON

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Messages on stderr with --json, one object per line."""
        return [json.loads(line) for line in self.err.splitlines()]

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def is_short(self) -> bool:
        """Whether stderr has one line for the error and one for the hint, without Python terms."""
        what, _, hint = self.err.rstrip("\n").partition("\n")
        python = re.compile(r"(?<![\w./-])[a-z_]+=(?!\w*\.)['\"\w(\[]|None\b|True\b|Traceback")
        return what.startswith("Error: ") and bool(hint) and "\n" not in hint and not python.search(self.err)


@functools.cache
def _commands(app: typer.Typer, _markup: str | None, build: Any = typer.main.get_command) -> Any:
    return build(app)


def commands(app: typer.Typer) -> Any:
    """Return the commands of an application; they are built once per kind of help text."""
    return _commands(app, app.rich_markup_mode)


def main(arguments: list[str]) -> None:
    """Run the command line in this process, with the cached commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", commands)
        cli.main(arguments)


def run(*arguments: object, env: dict[str, str] | None = None, **options: Any) -> Ended:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=PROCESS,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(env or {})},  # pipes on Windows have another encoding
        check=False,
        **options,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def forking(lines: list[list[str]]) -> list[str]:
    """Return a command that runs several command lines, each in a forked process."""
    return [sys.executable, "-W", "ignore", "-c", _FORKS, json.dumps(lines)]


def outcomes(stdout: str) -> list[tuple[str, int]]:
    """Return the output and the exit code of each forked process."""
    pieces = stdout.split("\0")
    return [(out, int(code)) for out, code in zip(pieces[:-1:2], pieces[1::2], strict=True)]


class Terminal:
    """Command that runs in a pseudo terminal."""

    def __init__(self, *arguments: object, columns: int = 80, env: dict[str, str] | None = None) -> None:
        import fcntl  # not available on Windows
        import pty
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "", **(env or {})}
        environment = {name: value for name, value in environment.items() if value}

        self._process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, *COMMAND, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        self.raw = ""

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def see(self, text: str, seconds: float = HANG) -> None:
        """Wait until the terminal shows a text."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert self._read(end), f"{text!r} did not show: {self.shown!r}"

    def end(self, seconds: float = HANG) -> int:
        """Wait until the command ends, and return its exit code."""
        limit = time.monotonic() + seconds
        try:
            while self._read(limit):
                pass
            return self._process.wait(max(limit - time.monotonic(), 1))
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._ours)

    def _read(self, end: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(end - time.monotonic(), 0))
        try:
            data = os.read(self._ours, 65536) if ready else b""
        except OSError:  # raised when the command has closed the terminal
            data = b""
        self.raw += data.decode("utf-8", "replace")
        return bool(data)

    @property
    def shown(self) -> str:
        """Output so far, without colors."""
        return without_colors(self.raw).replace("\r\n", "\n")


def without_colors(text: str) -> str:
    return _ESCAPES.sub("", text)
