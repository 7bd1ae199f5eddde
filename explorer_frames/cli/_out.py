"""Stdout: what is written there, and what is said where it takes nothing more."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

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
