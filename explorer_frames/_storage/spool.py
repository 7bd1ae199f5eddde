"""Temporary files, their names, and the removal of those of killed processes."""

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
# Names from `hidden_name`, with a timestamp of this century and the digits of a uuid4.
_TEMPORARY = re.compile(r"\..+\.(1[0-9]{9})\.[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\.(?:tmp|old)", re.DOTALL)
_SUFFIX = len(".1700000000.") + 32 + len(".tmp")
SPOOL = "explorer_frames"  # in names of temporary files for remote targets


class Spool:
    """Temporary file that is removed by `discard`, or with its last reference.

    An interrupt (Ctrl-C) can prevent the call of `discard`.

    Parameters
    ----------
    path
        Path of the file.
    discard
        Function that removes the file.

    Attributes
    ----------
    folder
        Descriptor of its folder, which is closed on removal; None if there is none.
    """

    def __init__(self, path: str, discard: Callable[[], None]) -> None:
        self.path = path
        self.folder: int | None = None
        self._discard = ExitStack()
        self._discard.callback(discard)
        weakref.finalize(self, self._discard.close).atexit = False

    @classmethod
    def named(cls, path: str, permissions: int) -> Self:
        """Create an empty file; raise FileExistsError if the name is in use."""
        spool = cls(path, partial(unlink, path))  # before the file exists
        spool._discard.callback(unlink, path)  # twice, as an interrupt may end the first call
        with open(path, "xb", opener=partial(os.open, mode=permissions)):
            return spool

    def keep_folder(self, descriptor: int) -> None:
        """Take ownership of a descriptor of the folder."""
        self.folder = descriptor
        self._discard.callback(os.close, descriptor)

    def discard(self) -> None:
        self.folder = None
        self._discard.close()


class CopiedTarget:
    """Base class of targets to which a complete file is copied.

    Its spool file is in the folder for temporary files.
    """

    def new_spool(self) -> Spool:
        """Create an empty local file."""
        # The file needs a name, because drivers such as asyncssh copy the link under /proc itself.
        return Spool.named(os.path.join(tempfile.gettempdir(), hidden_name(SPOOL)), 0o600)  # noqa: PTH118

    def flush(self, path: str) -> None:
        """Do nothing, because the spool file does not have to survive a power failure."""


def hidden_name(name: str, ending: str = "tmp") -> str:
    """Return a unique name for a hidden file next to `name`, with a timestamp.

    Readers of a folder skip hidden files.
    """
    # A file name has at most 255 bytes, and the other parts need 50.
    short = os.fsencode(name)[:200].decode(errors="ignore")
    return f".{short}.{int(time.time())}.{uuid.uuid4().hex}.{ending}"


def is_stale(name: str) -> bool:
    """Return whether a name is that of a temporary file from a killed process.

    Parameters
    ----------
    name
        File name without its folder.

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
    """Remove the stale temporary files among these, unless modified recently.

    A file with the extension ``.old`` is kept if its target is missing, because it may be the only copy.
    """
    for path in paths:
        folder, slash, name = path.rpartition("/")
        if is_stale(name):
            with suppressed(Exception):  # in a shared folder, the file may belong to another user
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
    """Remove a file; ignore an OSError, such as for a missing file."""
    with suppressed(OSError):
        os.unlink(path)  # noqa: PTH108
