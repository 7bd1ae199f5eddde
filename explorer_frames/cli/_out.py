"""Stdout and stderr: results, what happened and what to do about it, and what is left where they take nothing more."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from explorer_frames._errors import printable
from explorer_frames.cli._text import is_terminal

# Windows reports a reader that has gone as an invalid argument.
_NO_READER = {errno.EPIPE, errno.EINVAL} if os.name == "nt" else {errno.EPIPE}


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
    _line("", text, "dim")


def _line(word: str, text: str, style: str) -> None:
    """Say a line, however long."""
    said = printable(text)
    try:
        if is_terminal(sys.stderr):
            from explorer_frames.cli import _terminal

            _terminal.show_line(sys.stderr, word, said, style)
        else:
            sys.stderr.write(f"{word} {said}\n" if word else f"{said}\n")
    except OSError:  # where nobody can be told, the exit code still says how it ended
        silence(sys.stderr)
