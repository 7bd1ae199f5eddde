"""Temporary files: what they are called, and when one of them belongs to nobody any more."""

from __future__ import annotations

import os
import re
import time
import uuid
from contextlib import suppress

STALE = 24 * 3600  # seconds after which a temporary file belongs to a killed process


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


def _prefix(name: str) -> str:
    # A file name has at most 255 bytes; the rest of ours needs 50.
    return "." + os.fsencode(name)[:200].decode(errors="ignore") + "."
