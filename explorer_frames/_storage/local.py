"""A file on local disk: written beside the target, flushed to disk, put in place by one link or rename.

On Linux the spool file has no name (``O_TMPFILE``), so that nothing is left of a process that is killed; it gets one
when it is whole. Elsewhere, and where a file system has no such files, it is a hidden file.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
import weakref
from collections import deque
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from explorer_frames._signals import failures, suppressed
from explorer_frames._storage.address import WINDOWS
from explorer_frames._storage.failures import NO_FOLDER, NO_RENAME, NOT_REGULAR, NOT_REPLACEABLE, is_open_elsewhere
from explorer_frames._storage.permissions import acl_of, take_over
from explorer_frames._storage.spool import Spool, hidden_name, unlink
from explorer_frames._threads import shielded_from_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HANDLES = "/proc/self/fd/"
_MOUNTS = "/proc/self/mountinfo"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_PATIENCE = 10.0  # seconds to wait for another program to close a file; on Windows an open file cannot be replaced


def check_regular(paths: Iterable[str]) -> None:
    """Raise OSError if one of these is not a file: to open a pipe may take for ever. A missing one is none."""
    for path in paths:
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 (paths are plain strings here)
            raise OSError(errno.EINVAL, NOT_REGULAR, path)


class LocalFile:
    """The place of one file on local disk."""

    is_atomic = True

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

    def probe(self, new_folders: int | None = None) -> None:
        """Raise when the file cannot be published, or more than `new_folders` folders are missing above it."""
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
        """Return the nearest folder above the target that exists; raise if more than `new_folders` do not."""
        folder, missing = self._folder, []
        while not os.path.lexists(folder) and folder != os.path.dirname(folder):  # noqa: PTH120
            missing.append(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120
        if os.path.lexists(folder) and not os.path.isdir(folder):  # noqa: PTH112 (Windows fails later, and otherwise)
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
        if new_folders is not None and missing[new_folders:]:
            raise FileNotFoundError(errno.ENOENT, NO_FOLDER, missing[new_folders])
        return folder

    def _check_writable(self) -> None:
        if not os.access(self.path, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is not writable", self.path)

    def _check_replaceable(self) -> None:
        """Raise for a file whose content may be overwritten, but whose name may not be given to another file."""
        if _is_mount_point(self.path):
            raise OSError(errno.EBUSY, NOT_REPLACEABLE, self.path)
        try:
            # Never succeeds with a file. Linux refuses it for the same reasons as a replacement before it looks at the
            # kind: another user's file in a sticky folder, a file or folder that is append-only.
            os.rmdir(self.path)  # noqa: PTH106
        except OSError as raised:
            if raised.errno == errno.EPERM:  # a sandbox that allows to remove files only says EACCES
                raise PermissionError(errno.EPERM, NOT_REPLACEABLE, self.path) from raised

    def _check_rename(self, folder: str) -> None:
        """Raise where files cannot be renamed, as in some mounted buckets; they have no nameless files either."""
        if WINDOWS:
            return
        if _has_nameless_files(folder):
            return
        with ExitStack() as stack:
            first, second = (os.path.join(folder, hidden_name(self._name)) for _ in range(2))  # noqa: PTH118
            stack.callback(Spool.named(first, 0o600).discard)
            stack.callback(unlink, second)
            try:
                _wait_while_open(os.rename, first, second)
            except OSError as raised:
                raise OSError(raised.errno, NO_RENAME, folder) from raised

    def new_spool(self) -> Spool:
        """Make an empty file."""
        os.makedirs(self._folder, exist_ok=True)  # noqa: PTH103
        old, acl = None, None
        with suppress(FileNotFoundError):
            acl = acl_of(self.path)
            old = os.stat(self.path)  # noqa: PTH116 (paths are plain strings here)
        # With the umask, or as narrow as the old file from the first byte.
        permissions = stat.S_IMODE(old.st_mode) & 0o777 if old else 0o666
        spool = shielded_from_signals(partial(self._make_spool, permissions))
        self._spool = weakref.ref(spool)
        if old:
            take_over(spool.path, old, acl)
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
                unlink(hidden)
                raise
        else:
            _wait_while_open(os.replace, path, self.path)
        spool = self._spool()
        if spool and spool.folder is not None:
            with suppressed(OSError):  # it is published: else a power cut may bring the old file back, whole
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


def _has_nameless_files(folder: str) -> bool:
    try:
        # Opened and closed by C code alone: an interrupt between the two would leak the descriptor.
        deque(map(os.close, map(os.open, [folder], [os.O_TMPFILE | os.O_RDWR], [0o600])), maxlen=0)
    except failures(OSError, AttributeError):
        return False
    return True


def _is_mount_point(path: str) -> bool:
    """Return whether a file is mounted over another one, as containers do; `os.path.ismount` is for folders."""
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
