"""Publish files on local disk with a link or an atomic rename.

A temporary file is created in the target's folder and flushed to disk before it is published. On Linux, the file has
no name until it is complete (``O_TMPFILE``), so a killed process leaves no file behind. Without ``O_TMPFILE``, the
temporary file has a hidden name.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import weakref
from collections import deque
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from explorer_frames._signals import failures, suppressed
from explorer_frames._storage.address import WINDOWS
from explorer_frames._storage.failures import NO_FOLDER, NO_RENAME, NOT_REGULAR, NOT_REPLACEABLE, retry_while_open
from explorer_frames._storage.permissions import acl_of, take_over
from explorer_frames._storage.spool import Spool, hidden_name, unlink
from explorer_frames._threads import shielded_from_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HANDLES = "/proc/self/fd/"
_MOUNTS = "/proc/self/mountinfo"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def check_regular(paths: Iterable[str]) -> None:
    """Raise OSError if a path exists and is not a regular file."""
    # Opening a pipe can block indefinitely.
    for path in paths:
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 (paths are plain strings here)
            raise OSError(errno.EINVAL, NOT_REGULAR, path)


class LocalFile:
    """Target file on local disk."""

    is_atomic = True
    has_folders = True

    def __init__(self, path: str) -> None:
        self.path = path
        self._folder, self._name = os.path.split(path)
        self._spool: Callable[[], Spool | None] = lambda: None

    def kind(self) -> str | None:
        """Return the type of an existing target, such as ``file``, or None."""
        try:
            mode = os.stat(self.path).st_mode  # noqa: PTH116 (paths are plain strings here)
        except FileNotFoundError:
            return None
        # A rename would replace a device or a pipe with a file.
        return "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else "device, pipe or socket"

    def probe(self, new_folders: int | None = None) -> None:
        """Raise OSError if the file cannot be published."""
        folder = self.nearest_folder(new_folders)
        exists = os.path.exists(self.path)  # noqa: PTH110
        if not os.access(folder, os.W_OK | os.X_OK):
            if exists and os.access(self.path, os.W_OK):
                raise PermissionError(errno.EACCES, NOT_REPLACEABLE, self.path)
            raise PermissionError(errno.EACCES, "the folder is not writable", folder)
        if exists:
            self._check_writable()
            self._check_replaceable()
        self._check_rename(folder)

    def nearest_folder(self, new_folders: int | None) -> str:
        """Return the nearest existing parent folder; raise if too many are missing."""
        folder, missing = self._folder, []
        while not os.path.lexists(folder) and folder != os.path.dirname(folder):  # noqa: PTH120
            missing.append(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120
        if os.path.lexists(folder) and not os.path.isdir(folder):  # noqa: PTH112 (Windows raises a different error later)
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
        if new_folders is not None and missing[new_folders:]:
            raise FileNotFoundError(errno.ENOENT, NO_FOLDER, missing[new_folders])
        return folder

    def _check_writable(self) -> None:
        if not os.access(self.path, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is not writable", self.path)

    def _check_replaceable(self) -> None:
        """Raise OSError if a rename cannot replace the file."""
        if _is_mount_point(self.path):
            raise OSError(errno.EBUSY, NOT_REPLACEABLE, self.path)
        try:
            # `rmdir` cannot remove a file. Linux checks permissions before the file type, so EPERM means that a rename
            # would also fail. Examples are another user's file in a sticky folder, and an append-only file or folder.
            os.rmdir(self.path)  # noqa: PTH106
        except OSError as raised:
            if raised.errno == errno.EPERM:  # EACCES may mean that a sandbox forbids only the removal of folders
                raise PermissionError(errno.EPERM, NOT_REPLACEABLE, self.path) from raised

    def _check_rename(self, folder: str) -> None:
        """Raise OSError if the folder does not support renames."""
        if WINDOWS:
            return
        # File systems without renames, such as some mounted buckets, do not support O_TMPFILE either.
        if _has_nameless_files(folder):
            return
        with ExitStack() as stack:
            first, second = (os.path.join(folder, hidden_name(self._name)) for _ in range(2))  # noqa: PTH118
            stack.callback(Spool.named(first, 0o600).discard)
            stack.callback(unlink, second)
            try:
                retry_while_open(os.rename, first, second)
            except OSError as raised:
                raise OSError(raised.errno, NO_RENAME, folder) from raised

    def new_spool(self) -> Spool:
        """Create an empty temporary file in the target's folder."""
        os.makedirs(self._folder, exist_ok=True)  # noqa: PTH103
        old, acl = None, None
        with suppress(FileNotFoundError):
            acl = acl_of(self.path)
            old = os.stat(self.path)  # noqa: PTH116 (paths are plain strings here)
        # The umask limits the permissions of a new file. A replacement gets no more permissions than the old file.
        permissions = stat.S_IMODE(old.st_mode) & 0o777 if old else 0o666
        spool = shielded_from_signals(partial(self._make_spool, permissions))
        self._spool = weakref.ref(spool)
        if old:
            take_over(spool.path, old, acl)
        return spool

    def _make_spool(self, permissions: int) -> Spool:
        """Create a temporary file, without a name if possible, and open its folder."""
        spool = None
        with suppress(OSError, AttributeError):  # if the disk is full or read-only, the named file fails as well
            handle = os.open(self._folder, os.O_TMPFILE | os.O_RDWR, permissions)
            spool = Spool(f"{_HANDLES}{handle}", partial(os.close, handle))
        if spool is None or not os.path.exists(spool.path):  # noqa: PTH110
            spool = Spool.named(self._hidden(), permissions)
        with suppress(OSError):  # Windows cannot open folders
            spool.keep_folder(os.open(self._folder, os.O_RDONLY))
        return spool

    def _hidden(self) -> str:
        return os.path.join(self._folder, hidden_name(self._name))  # noqa: PTH118

    def put(self, path: str, *, create: bool) -> None:
        """Publish the closed temporary file at the target atomically."""
        self.flush(path)
        if create:
            self._create(path)
        elif path.startswith(_HANDLES):
            hidden = self._hidden()
            try:
                _link(path, hidden)
                retry_while_open(os.replace, hidden, self.path)
            except BaseException:
                unlink(hidden)
                raise
        else:
            retry_while_open(os.replace, path, self.path)
        spool = self._spool()
        if spool and spool.folder is not None:
            with suppressed(OSError):  # already published; the sync only protects against a power failure
                os.fsync(spool.folder)

    def _create(self, path: str) -> None:
        if WINDOWS:
            retry_while_open(os.rename, path, self.path)  # on Windows, a rename does not replace a file
            return
        try:
            _link(path, self.path)  # unlike a rename, a link does not replace a file
        except OSError as raised:
            if raised.errno not in _NO_LINKS or path.startswith(_HANDLES):
                raise
        else:
            return
        if os.path.lexists(self.path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.path)
        os.rename(path, self.path)  # noqa: PTH104

    def flush(self, path: str) -> None:
        """Flush the temporary file to disk."""
        if path.startswith(_HANDLES):
            os.fsync(int(path.removeprefix(_HANDLES)))
        else:
            with open(path, "r+b", buffering=0) as file:  # noqa: PTH123 (paths are plain strings here)
                os.fsync(file.fileno())

    def remove(self) -> None:
        """Remove the target."""
        retry_while_open(os.unlink, self.path)

    def stored(self) -> None:
        """Return None, because the temporary file itself becomes the target."""


def _has_nameless_files(folder: str) -> bool:
    try:
        # `map` and `deque` open and close the file in C, because an interrupt between two Python calls would leak the
        # descriptor.
        deque(map(os.close, map(os.open, [folder], [os.O_TMPFILE | os.O_RDWR], [0o600])), maxlen=0)
    except failures(OSError, AttributeError):
        return False
    return True


def _is_mount_point(path: str) -> bool:
    """Return whether a file is a mount point. Containers often mount single files."""
    # `os.path.ismount` supports only folders.
    try:
        with open(_MOUNTS, "rb") as file:  # noqa: PTH123 (paths are plain strings here)
            names = [line.split(b" ", 5)[4] for line in file]
    except failures(OSError):
        return False
    return os.fsencode(path) in {
        re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), name) for name in names
    }


def _link(path: str, name: str) -> None:
    if path.startswith(_HANDLES):
        # Only linkat() follows the link under /proc, and Python calls it only if a folder's descriptor is passed. The
        # value of the descriptor does not matter, because the path is absolute.
        os.link(path, name, src_dir_fd=0)
    else:
        os.link(path, name)
