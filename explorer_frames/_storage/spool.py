"""Temporary files: what they are called, and when one of them belongs to nobody any more."""

from __future__ import annotations

import os
import re
import time
import uuid
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self

from explorer_frames._threads import unreached

if TYPE_CHECKING:
    from collections.abc import Callable

STALE = 24 * 3600  # seconds after which a temporary file belongs to a killed process


class Spool:
    """A temporary file, thrown away when one says so, and else with its last holder: Ctrl-C may come at any moment.

    Parameters
    ----------
    path
        Of the file.
    discard
        What throws it away.
    """

    def __init__(self, path: str, discard: Callable[[], None]) -> None:
        self.path = path
        self._discard = weakref.finalize(self, discard)
        self._discard.atexit = False

    @classmethod
    def named(cls, path: str, permissions: int) -> Self:
        """Make an empty file of a name that nobody has."""
        spool = cls(path, partial(_unlink, path))  # before there is one
        unreached(partial(_make, path, permissions))
        return spool

    def discard(self) -> None:
        self._discard()


def hidden_name(name: str, ending: str = "tmp") -> str:
    """Return a new name for a file beside `name`, which readers of a folder pass over, with the time in it."""
    return f"{_prefix(name)}{int(time.time())}.{uuid.uuid4().hex}.{ending}"


def is_stale(found: str, name: str) -> bool:
    """Tell whether `found` was made for `name` so long ago that its writer must be dead.

    Parameters
    ----------
    found, name
        Names without their folder.

    Examples
    --------
    >>> is_stale(".a.bin.1700000000.00112233445566778899aabbccddeeff.tmp", "a.bin")
    True
    >>> is_stale(hidden_name("a.bin"), "a.bin")
    False
    """
    ours = re.fullmatch(re.escape(_prefix(name)) + "([0-9]+)[.][0-9a-f]{32}[.](?:tmp|old)", found)
    return ours is not None and time.time() - int(ours[1]) > STALE


def sweep(folder: str, name: str) -> None:
    """Remove what killed processes left of `name` in a local folder: stale, and not written to for as long."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # in a shared folder it may be another user's
                if is_stale(entry.name, name) and time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE:
                    os.unlink(entry.path)  # noqa: PTH108 (paths are plain strings here)


def _make(path: str, permissions: int) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, permissions))


def _unlink(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108


def _prefix(name: str) -> str:
    # A file name has at most 255 bytes; the rest of ours needs 50.
    return "." + os.fsencode(name)[:200].decode(errors="ignore") + "."
