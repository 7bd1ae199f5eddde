"""Write to files in place, and to open buffers.

A temporary file is completed and verified first. Its content is then copied to the target.
"""

from __future__ import annotations

import errno
import inspect
import io
import os
import shutil
from typing import TYPE_CHECKING

from explorer_frames._errors import escaped
from explorer_frames._signals import failures
from explorer_frames._storage.address import shown_url
from explorer_frames._storage.local import LocalFile
from explorer_frames._storage.spool import CopiedTarget
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from explorer_frames._storage.paths import Buffer

_PIECE = 1 << 20  # bytes
_BLOCK = 512  # bytes per unit of `st_blocks`


class FileInPlace(CopiedTarget, LocalFile):
    """Local file that is overwritten in place and keeps its inode."""

    is_atomic = False

    def probe(self, new_folders: int | None = None) -> None:
        """Raise OSError if the file cannot be overwritten or created."""
        folder = self.nearest_folder(new_folders)
        if os.path.exists(self.path):  # noqa: PTH110 (paths are plain strings here)
            self._check_writable()
            os.close(os.open(self.path, os.O_WRONLY))  # raises for append-only files, which os.access accepts
        elif not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "the folder is not writable", folder)

    def put(self, path: str, *, create: bool) -> None:  # noqa: ARG002 (same signature as the other targets)
        """Copy the temporary file to the target if the disk has enough space."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)  # noqa: PTH103, PTH120
        exists = os.path.exists(self.path)  # noqa: PTH110
        if exists:
            self._check_room(os.path.getsize(path))  # noqa: PTH202
        # Linux may reject O_CREAT for another user's file in a sticky folder, so the flag is set only for a new file.
        # The file is truncated first, so that readers cannot find new content followed by the old footer.
        flags = os.O_WRONLY | os.O_TRUNC | getattr(os, "O_BINARY", 0) | (0 if exists else os.O_CREAT)
        with open(path, "rb") as spool, os.fdopen(os.open(self.path, flags, 0o666), "wb") as file:  # noqa: PTH123
            shutil.copyfileobj(spool, file, _PIECE)
            file.flush()
            os.fsync(file.fileno())

    def _check_room(self, size: int) -> None:
        """Raise OSError if the disk has too little free space for the new content."""
        if not hasattr(os, "statvfs"):
            return
        disk, old = os.statvfs(self.path), os.stat(self.path)  # noqa: PTH116
        if disk.f_blocks and size > disk.f_bavail * disk.f_frsize + old.st_blocks * _BLOCK:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)


class OpenBuffer(CopiedTarget):
    """Binary buffer that the caller opened. It is not closed after the write."""

    is_atomic = False
    has_folders = False

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        name = getattr(buffer, "name", None)
        shown = f" {shown_url(name)}" if isinstance(name, str) else ""
        self.shown = f"<{type(buffer).__name__}{shown}>"

    def kind(self) -> None:
        """Return None, because a buffer is not replaced."""

    def probe(self, new_folders: int | None = None) -> None:  # noqa: ARG002 (same signature as the other targets)
        """Raise ConfigError if the buffer is not open for writing in binary mode."""
        try:
            answer = self._buffer.write(b"")
        except failures(Exception) as raised:  # raised by the caller's class
            why = escaped(raised)
        else:
            if not inspect.isawaitable(answer):
                return
            why = "it is asynchronous"
            if inspect.iscoroutine(answer):
                answer.close()
        hint = (
            "Pass a file that is open for writing in binary mode.\nFor example, pass io.BytesIO() or sys.stdout.buffer."
        )
        raise ConfigError(f"the buffer is not writable in binary mode: {why}", where=self.shown, hint=hint)

    def put(self, path: str, *, create: bool) -> None:  # noqa: ARG002 (same signature as the other targets)
        """Write the content of the temporary file at the buffer's current position."""
        with open(path, "rb") as spool:  # noqa: PTH123 (paths are plain strings here)
            while piece := spool.read(_PIECE):
                self._write(piece)
        flush = getattr(self._buffer, "flush", None)
        if flush is not None:
            flush()

    def _write(self, piece: bytes) -> None:
        """Write all bytes, because a raw stream may write only some of them per call."""
        left = piece
        while left:
            taken = self._buffer.write(left)
            if taken is None and isinstance(self._buffer, io.RawIOBase):
                raise BlockingIOError(errno.EAGAIN, "the non-blocking buffer is full")
            if not isinstance(taken, int) or isinstance(self._buffer, io.BufferedIOBase):
                return
            if taken <= 0:
                raise OSError(errno.EIO, f"the buffer accepted {taken} of {len(left)} bytes")
            left = left[taken:]

    def remove(self) -> None:
        """Raise an error, because written data cannot be removed from a buffer."""
        raise io.UnsupportedOperation("a buffer cannot be removed")

    def stored(self) -> None:
        """Return None, because a buffer may also contain earlier data."""
