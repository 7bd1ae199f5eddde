"""Write results to stdout and messages to stderr."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, TextIO

from explorer_frames._errors import printable
from explorer_frames.cli._text import shows_colors

# On Windows, the error for a closed pipe is EINVAL.
_NO_READER = {errno.EPIPE, errno.EINVAL} if os.name == "nt" else {errno.EPIPE}

# With --json, `as_json` is True, and each message is printed as a JSON object on a separate line.
messages = SimpleNamespace(as_json=False)


class OutputError(Exception):
    """Error that is raised if writing to stdout fails."""


@contextmanager
def writing() -> Iterator[None]:
    """Raise OutputError or BrokenPipeError if writing to stdout fails."""
    try:
        yield
    except OSError as error:
        silence(sys.stdout)
        if error.errno in _NO_READER:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        raise OutputError(error.strerror or type(error).__name__) from error


def silence(stream: TextIO) -> None:
    """Redirect a stream to the null device, so that flushing it at exit does not fail."""
    with suppress(OSError):  # the stream has no file descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write(text: str) -> None:
    """Write text to stdout."""
    with writing():
        sys.stdout.write(text)


def write_bytes(data: bytes) -> None:
    """Flush stdout, and then write bytes to it."""
    with writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def flush() -> None:
    """Flush stdout."""
    with writing():
        sys.stdout.flush()


def error_line(what: str, word: str = "Error", style: str = "bold red") -> None:
    """Print an error or a warning to stderr."""
    _line(f"{word}:", what, style)


def hint_line(hint: str) -> None:
    """Print a hint to stderr."""
    _line("", hint, "")


def note(text: str) -> None:
    """Print a note to stderr."""
    if messages.as_json:
        json_line("note", {"message": text})
    else:
        _line("", text, "dim")


def json_line(kind: str, document: dict[str, Any]) -> None:
    """Write a message to stderr as one line of ASCII JSON."""
    _write_line(json.dumps({kind: document}))


def _line(word: str, text: str, style: str) -> None:
    """Print a line to stderr, in color if supported."""
    said = printable(text)
    if not shows_colors(sys.stderr):
        _write_line(f"{word} {said}" if word else said)
        return
    from explorer_frames.cli import _terminal

    with _to_stderr():
        _terminal.show_line(sys.stderr, word, said, style)


def _write_line(text: str) -> None:
    with _to_stderr():
        sys.stderr.write(f"{text}\n")


@contextmanager
def _to_stderr() -> Iterator[None]:
    try:
        yield
    except OSError:  # the message is lost, but the exit code is unchanged
        silence(sys.stderr)
