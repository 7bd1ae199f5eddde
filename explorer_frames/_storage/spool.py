"""Temporary files: their names, and the removal of those that killed processes left."""

from __future__ import annotations

import os
import re
import tempfile
import time
import uuid
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import fsspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STALE = 24 * 3600  # seconds after which a temporary file belongs to a killed process
SPOOL = "explorer_frames"  # names the temporary files of remote targets


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
        with open(path, "xb", opener=partial(os.open, mode=permissions)):
            return spool

    def discard(self) -> None:
        self._discard()


def hidden_name(name: str, ending: str = "tmp") -> str:
    """Return a new name for a file beside `name`, which readers of a folder pass over, with the time in it."""
    return f"{_prefix(name)}{int(time.time())}.{uuid.uuid4().hex}.{ending}"


def is_stale(name: str) -> bool:
    """Return whether a name is that of a temporary file whose writer must be dead.

    Parameters
    ----------
    name
        Without its folder.

    Examples
    --------
    >>> is_stale(".a.bin.1700000000.00112233445566778899aabbccddeeff.tmp")
    True
    >>> is_stale(hidden_name("a.bin"))
    False
    """
    ours = re.fullmatch(r"\..+\.([0-9]+)\.[0-9a-f]{32}\.(?:tmp|old)", name, re.DOTALL)
    return ours is not None and time.time() - int(ours[1]) > STALE


def remove_stale(fs: Any, paths: Iterable[str]) -> None:
    """Remove the stale temporary files among these, unless they have been modified since."""
    for path in paths:
        if is_stale(path.rpartition("/")[2]):
            with suppress(Exception):  # in a shared folder it may be another user's
                modified = fs.info(path).get("mtime")
                if not isinstance(modified, int | float) or time.time() - modified > STALE:
                    fs.rm_file(path)


def remove_stale_spools() -> None:
    """Remove the stale temporary files of remote targets."""
    local = fsspec.filesystem("file")
    remove_stale(local, local.glob(f"{Path(tempfile.gettempdir()).as_posix()}/.{SPOOL}.*.tmp"))


def _unlink(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108


def _prefix(name: str) -> str:
    # A file name has at most 255 bytes; the rest of ours needs 50.
    return "." + os.fsencode(name)[:200].decode(errors="ignore") + "."
