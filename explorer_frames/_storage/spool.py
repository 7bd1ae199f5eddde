"""Temporary files: their names, and the removal of those that killed processes left."""

from __future__ import annotations

import os
import re
import tempfile
import time
import uuid
import weakref
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import fsspec

from explorer_frames._signals import suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STALE = 24 * 3600  # seconds after which a temporary file belongs to a killed process
# As `hidden_name` makes them: a time of this century, and the digits of a uuid4.
_TEMPORARY = re.compile(r"\..+\.(1[0-9]{9})\.[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\.(?:tmp|old)", re.DOTALL)
_SUFFIX = len(".1700000000.") + 32 + len(".tmp")
SPOOL = "explorer_frames"  # names the temporary files of remote targets


class Spool:
    """A temporary file, thrown away when one says so, and else with its last holder: Ctrl-C may come at any moment.

    Parameters
    ----------
    path
        Of the file.
    discard
        What throws it away.

    Attributes
    ----------
    folder
        A descriptor of its folder, which is closed with it; None where there is none.
    """

    def __init__(self, path: str, discard: Callable[[], None]) -> None:
        self.path = path
        self.folder: int | None = None
        self._discard = ExitStack()
        self._discard.callback(discard)
        weakref.finalize(self, self._discard.close).atexit = False

    @classmethod
    def named(cls, path: str, permissions: int) -> Self:
        """Make an empty file of a name that nobody has."""
        spool = cls(path, partial(unlink, path))  # before there is one
        spool._discard.callback(unlink, path)  # twice: an interrupt of one leaves the file to the other
        with open(path, "xb", opener=partial(os.open, mode=permissions)):
            return spool

    def keep_folder(self, descriptor: int) -> None:
        """Own a descriptor of the folder."""
        self.folder = descriptor
        self._discard.callback(os.close, descriptor)

    def discard(self) -> None:
        self.folder = None
        self._discard.close()


class CopiedTarget:
    """Base class of targets that a finished file is copied to; its spool file is in the folder for temporary files."""

    def new_spool(self) -> Spool:
        """Make an empty local file."""
        # Not a nameless one: drivers copy the link under /proc itself (asyncssh does).
        return Spool.named(os.path.join(tempfile.gettempdir(), hidden_name(SPOOL)), 0o600)  # noqa: PTH118

    def flush(self, path: str) -> None:
        """Nothing: the spool file need not outlive a power cut."""


def hidden_name(name: str, ending: str = "tmp") -> str:
    """Return a new name for a file beside `name`, which readers of a folder pass over, with the time in it."""
    # A file name has at most 255 bytes; the rest of ours needs 50.
    short = os.fsencode(name)[:200].decode(errors="ignore")
    return f".{short}.{int(time.time())}.{uuid.uuid4().hex}.{ending}"


def is_stale(name: str) -> bool:
    """Return whether a name is that of a temporary file of this package whose writer must be dead.

    Parameters
    ----------
    name
        Without its folder.

    Examples
    --------
    >>> is_stale(".a.bin.1700000000.00112233445546778899aabbccddeeff.tmp")
    True
    >>> is_stale(hidden_name("a.bin"))
    False
    """
    ours = _TEMPORARY.fullmatch(name)
    return ours is not None and time.time() - int(ours[1]) > STALE


def remove_stale(fs: Any, paths: Iterable[str]) -> None:
    """Remove the stale temporary files among these, unless they were modified since.

    A file with the ending ``.old`` stays if its target is missing: it may be the only copy.
    """
    for path in paths:
        folder, slash, name = path.rpartition("/")
        if is_stale(name):
            with suppressed(Exception):  # in a shared folder it may be another user's
                if name.endswith(".old") and not fs.exists(folder + slash + name[1:-_SUFFIX]):
                    continue
                if time.time() - fs.modified(path).timestamp() > STALE:
                    fs.rm_file(path)


def remove_stale_spools() -> None:
    """Remove the stale temporary files of remote targets."""
    folder = Path(tempfile.gettempdir())
    with suppressed(OSError):
        names = [path.as_posix() for path in folder.iterdir() if path.name.startswith(f".{SPOOL}.")]
        remove_stale(fsspec.filesystem("file"), names)


def unlink(path: str) -> None:
    """Remove a file, if it is there and may be removed."""
    with suppressed(OSError):
        os.unlink(path)  # noqa: PTH108
