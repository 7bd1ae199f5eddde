"""Create temporary files and remove those of killed processes."""

from __future__ import annotations

import os
import re
import tempfile
import time
import uuid
import weakref
from collections import deque
from functools import partial
from itertools import repeat
from operator import call
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import fsspec

from explorer_frames._signals import suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STALE = 24 * 3600  # seconds after which a temporary file is considered abandoned
# Matches the names from `hidden_name`, which contain a timestamp and a version 4 UUID.
_TEMPORARY = re.compile(r"\..+\.(1[0-9]{9})\.[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\.(?:tmp|old)", re.DOTALL)
_SUFFIX = len(".1700000000.") + 32 + len(".tmp")
SPOOL = "explorer_frames"  # part of the names of temporary files for remote targets


class Spool:
    """Temporary file, removed by `discard` or when it is garbage-collected."""

    def __init__(self, path: str, discard: Callable[[], None]) -> None:
        self.path = path
        self.folder: int | None = None  # open descriptor of the folder
        self._left = [discard]  # calls that clean up
        # An interrupt can prevent the call of `discard`.
        weakref.finalize(self, _call_all, self._left).atexit = False

    @classmethod
    def named(cls, path: str, permissions: int) -> Self:
        """Create an empty file, or raise FileExistsError if the path exists."""
        spool = cls(path, partial(unlink, path))  # registered before the file exists
        spool._left.append(partial(unlink, path))  # registered twice, because an interrupt may end the first call
        with open(path, "xb", opener=partial(os.open, mode=permissions)):
            return spool

    def keep_folder(self, descriptor: int) -> None:
        """Take ownership of the folder's descriptor."""
        self.folder = descriptor
        self._left.append(partial(os.closerange, descriptor, descriptor + 1))  # ignores errors

    def discard(self) -> None:
        self.folder = None
        _call_all(self._left)


def _call_all(left: list[Callable[[], None]]) -> None:
    """Remove the calls from the list, and make them, last first."""
    # `map` and `deque` do both in C, because an interrupt between two bytecode instructions would lose a call.
    deque(map(call, map(list.pop, repeat(left, len(left)))), maxlen=0)


class CopiedTarget:
    """Base class of targets that receive a copy of a temporary file."""

    def new_spool(self) -> Spool:
        """Create an empty file in the folder for temporary files."""
        # The file needs a name. For a path under /proc, drivers such as asyncssh would upload the link, not the file.
        return Spool.named(os.path.join(tempfile.gettempdir(), hidden_name(SPOOL)), 0o600)  # noqa: PTH118

    def flush(self, path: str) -> None:
        """Do nothing, because the temporary file need not survive a power failure."""


def hidden_name(name: str, ending: str = "tmp") -> str:
    """Return a unique name for a hidden temporary file, with a timestamp."""
    # File names are limited to 255 bytes, and the other parts use about 50.
    short = os.fsencode(name)[:200].decode(errors="ignore")
    return f".{short}.{int(time.time())}.{uuid.uuid4().hex}.{ending}"


def is_stale(name: str) -> bool:
    """Return whether a file name is that of an abandoned temporary file.

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
    """Remove stale temporary files that have not been modified recently."""
    for path in paths:
        folder, slash, name = path.rpartition("/")
        if is_stale(name):
            with suppressed(Exception):  # in a shared folder, the file may belong to another user
                # A file with the extension .old may be the only copy if its target is missing.
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
    """Remove a file and ignore any OSError."""
    with suppressed(OSError):
        os.unlink(path)  # noqa: PTH108
