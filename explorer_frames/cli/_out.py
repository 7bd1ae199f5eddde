"""Stdout and stderr: results, what happened and what to do about it, and what is left where they take nothing more."""

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

# Windows reports a reader that has gone as an invalid argument.
_NO_READER = {errno.EPIPE, errno.EINVAL} if os.name == "nt" else {errno.EPIPE}

messages = SimpleNamespace(as_json=False)  # with --json, each is a JSON object on a line of its own


class OutputError(Exception):
    """Stdout takes nothing more: the disk is full, or it leads nowhere. A reader that has gone is a BrokenPipeError."""


@contextmanager
def writing() -> Iterator[None]:
    """Tell errors of stdout from all others: nothing but writes there may stand in the block.

    Raises
    ------
    OutputError, BrokenPipeError
    """
    try:
        yield
    except OSError as error:
        silence(sys.stdout)
        if error.errno in _NO_READER:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        raise OutputError(error.strerror or type(error).__name__) from error


def silence(stream: TextIO) -> None:
    """Let what is left in a buffer that cannot be written go nowhere: it would raise again when Python ends."""
    with suppress(OSError):  # no file: nothing is left in a buffer of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write(text: str) -> None:
    """Write text."""
    with writing():
        sys.stdout.write(text)


def write_bytes(data: bytes) -> None:
    """Write bytes, behind all the text."""
    with writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def flush() -> None:
    """Give out what there is."""
    with writing():
        sys.stdout.flush()


def error_line(what: str, word: str = "Error", style: str = "bold red") -> None:
    """Say on stderr what happened."""
    _line(f"{word}:", what, style)


def hint_line(hint: str) -> None:
    """Say on stderr what to do."""
    _line("", hint, "")


def note(text: str) -> None:
    """Say on stderr what is good to know."""
    if messages.as_json:
        json_line("note", {"message": text})
    else:
        _line("", text, "dim")


def json_line(kind: str, document: dict[str, Any]) -> None:
    """Write a message to stderr as JSON, in ASCII, whatever the locale."""
    _write_line(json.dumps({kind: document}))


def _line(word: str, text: str, style: str) -> None:
    """Say a line, however long."""
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
    except OSError:  # where nobody can be told, the exit code still says how it ended
        silence(sys.stderr)
