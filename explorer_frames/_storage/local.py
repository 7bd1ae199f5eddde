"""A file on local disk: written beside the target, flushed to disk, put in place by one link or rename.

On Linux the spool file has no name (``O_TMPFILE``), so that nothing is left of a process that is killed; it gets one
when it is whole. Elsewhere, and where a file system has no such files, it is a hidden file.
"""

from __future__ import annotations

import errno
import os
import stat
import time
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from explorer_frames._storage.address import WINDOWS
from explorer_frames._storage.failures import is_open_elsewhere
from explorer_frames._storage.spool import Spool, hidden_name
from explorer_frames._threads import shielded_from_signals

if TYPE_CHECKING:
    from collections.abc import Callable

_HANDLES = "/proc/self/fd/"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_PATIENCE = 10.0  # seconds to wait for another program to close a file; on Windows an open file cannot be replaced


class LocalFile:
    """The place of one file on local disk."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._folder, self._name = os.path.split(path)
        self._spool: Callable[[], Spool | None] = lambda: None

    def kind(self) -> str | None:
        """Tell what stands at the target: "file", "directory", another word, or None."""
        try:
            mode = os.stat(self.path).st_mode  # noqa: PTH116 (paths are plain strings here)
        except FileNotFoundError:
            return None
        # A rename would replace a device or a pipe by a file.
        return "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else "device, pipe or socket"

    def probe(self) -> None:
        """Raise when the file, or the nearest folder that is there, cannot be written to."""
        folder = self._folder
        while not os.path.lexists(folder) and folder != os.path.dirname(folder):  # noqa: PTH120
            folder = os.path.dirname(folder)  # noqa: PTH120
        if os.path.lexists(folder) and not os.path.isdir(folder):  # noqa: PTH112 (Windows fails later, and otherwise)
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "this folder cannot be written to", folder)
        if os.path.exists(self.path) and not os.access(self.path, os.W_OK):  # noqa: PTH110
            raise PermissionError(errno.EACCES, "this file cannot be written to", self.path)

    def new_spool(self) -> Spool:
        """Make an empty file."""
        os.makedirs(self._folder, exist_ok=True)  # noqa: PTH103
        old = None
        with suppress(FileNotFoundError):
            old = os.stat(self.path)  # noqa: PTH116 (paths are plain strings here)
        # With the umask, or as narrow as the old file from the first byte.
        permissions = stat.S_IMODE(old.st_mode) & 0o777 if old else 0o666
        spool = shielded_from_signals(partial(self._make_spool, permissions))
        self._spool = weakref.ref(spool)
        if old:
            _take_over(spool.path, old)
        return spool

    def _make_spool(self, permissions: int) -> Spool:
        """Make a nameless file where the system has such files, and open the folder, to sync it later."""
        spool = None
        with suppress(OSError, AttributeError):  # a full or read-only file system refuses a named file too
            handle = os.open(self._folder, os.O_TMPFILE | os.O_RDWR, permissions)
            spool = Spool(f"{_HANDLES}{handle}", partial(os.close, handle))
        if spool is None or not os.path.exists(spool.path):  # noqa: PTH110
            spool = Spool.named(self._hidden(), permissions)
        with suppress(OSError):  # Windows opens no folders
            spool.keep_folder(os.open(self._folder, os.O_RDONLY))
        return spool

    def _hidden(self) -> str:
        return os.path.join(self._folder, hidden_name(self._name))  # noqa: PTH118

    def put(self, path: str, *, create: bool) -> None:
        """Put the closed spool file at the target, whole or not at all."""
        self.flush(path)
        if create:
            self._create(path)
        elif path.startswith(_HANDLES):
            hidden = self._hidden()
            try:
                _link(path, hidden)
                _wait_while_open(os.replace, hidden, self.path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(hidden)  # noqa: PTH108
                raise
        else:
            _wait_while_open(os.replace, path, self.path)
        spool = self._spool()
        if spool and spool.folder is not None:
            with suppress(OSError):  # it is published: without this step a power cut may bring the old file back, whole
                os.fsync(spool.folder)

    def _create(self, path: str) -> None:
        if WINDOWS:
            _wait_while_open(os.rename, path, self.path)  # it never replaces there
            return
        try:
            _link(path, self.path)  # unlike a rename, it never replaces
        except OSError as raised:
            if raised.errno not in _NO_LINKS or path.startswith(_HANDLES):
                raise
        else:
            return
        if os.path.lexists(self.path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.path)
        os.rename(path, self.path)  # noqa: PTH104

    def flush(self, path: str) -> None:
        """Have the disk take what is in the spool file by now."""
        if path.startswith(_HANDLES):
            os.fsync(int(path.removeprefix(_HANDLES)))
        else:
            with open(path, "r+b", buffering=0) as file:  # noqa: PTH123 (paths are plain strings here)
                os.fsync(file.fileno())

    def remove(self) -> None:
        """Take the file away."""
        _wait_while_open(os.unlink, self.path)

    def stored(self) -> None:
        """Nothing: the very file that was checked stands there."""


def _take_over(path: str, old: os.stat_result) -> None:
    """Give a file the owner, the group and the permissions of the one that it replaces, as far as one may."""
    permissions = stat.S_IMODE(old.st_mode) & 0o777
    with suppress(AttributeError):  # Windows has none
        if not (_chown(path, old.st_uid, old.st_gid) or _chown(path, -1, old.st_gid)):
            permissions &= ~0o070 | (permissions & 0o007) << 3  # to a wrong group no more than to everybody
    if stat.S_IMODE(os.stat(path).st_mode) != permissions:  # noqa: PTH116 (some file systems refuse it even if it is)
        os.chmod(path, permissions)  # noqa: PTH101


def _chown(path: str, owner: int, group: int) -> bool:
    with suppress(OSError):  # only root may give a file to another owner, and only members to a group
        os.chown(path, owner, group)
    return os.stat(path).st_gid == group  # noqa: PTH116


def _link(path: str, name: str) -> None:
    if path.startswith(_HANDLES):
        # Python calls linkat(), which alone follows the link under /proc, if a descriptor is given. As the path is
        # absolute, the descriptor is not used.
        os.link(path, name, src_dir_fd=0)
    else:
        os.link(path, name)


def _wait_while_open(action: Callable[..., None], *paths: str) -> None:
    """Rename or remove; on Windows, retry while readers or virus scanners have one of the files open."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return action(*paths)
        except OSError as raised:
            if not is_open_elsewhere(raised) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)
