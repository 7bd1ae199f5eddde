"""Files of remote stores: one put where that is atomic, a put beside the target and a move elsewhere."""

from __future__ import annotations

import errno
import math
import os
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import Callback

from explorer_frames._signals import failures, suppressed
from explorer_frames._storage.failures import NO_FOLDER, is_missing
from explorer_frames._storage.loop import finish
from explorer_frames._storage.schemes import move
from explorer_frames._storage.spool import CopiedTarget, hidden_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from explorer_frames._storage.schemes import Scheme

_PIECE = 1 << 20  # bytes
_MOST_PARTS = 10_000  # S3 takes no more
_S3_LOGIN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_PATIENCE = 10  # seconds for which an interrupted upload may go on, to end after its next part


class StoredObject(CopiedTarget):
    """The place of an object in an object store: absent until its one put has ended."""

    def __init__(self, fs: Any, path: str, scheme: Scheme) -> None:
        self.fs = fs
        self.path = path
        self._scheme = scheme
        self.is_atomic = scheme.is_object_store

    def kind(self) -> str | None:
        """Tell what stands at the target: "file", "directory", another word, or None."""
        return self._kind_of(self.path)

    def _kind_of(self, path: str) -> str | None:
        self.fs.invalidate_cache()
        try:
            return str(self.fs.info(path)["type"])
        except failures(PermissionError):
            if self._scheme.is_object_store:
                return None  # one may be allowed to put and not to look; a conditional put needs no look
            raise
        except failures(Exception) as raised:
            if is_missing(raised):
                return None
            raise

    def probe(self, new_folders: int | None = None) -> None:
        """Raise when the bucket is missing or the login refused, as far as one may ask; for folders as `LocalFile`."""
        try:
            self._scheme.ask(self.fs, self.path)
        except failures(Exception) as raised:
            # One may be allowed to put and not to ask.
            answer = getattr(raised.__cause__, "response", {})
            if is_missing(raised) or answer.get("Error", {}).get("Code") in _S3_LOGIN:
                raise
        self._make_folders(new_folders)

    def _make_folders(self, new_folders: int | None) -> None:
        """Make the folders above the target, if no more than `new_folders` of them are missing."""
        if self._scheme.is_object_store:
            return
        folder = self.path.rpartition("/")[0]
        if new_folders is not None:
            expected = "/".join(self.path.split("/")[: -1 - new_folders])
            if expected.strip("/") and self._kind_of(expected) is None:
                raise FileNotFoundError(errno.ENOENT, NO_FOLDER, expected)
        if new_folders != 0 and folder.strip("/"):
            self.fs.makedirs(folder, exist_ok=True)

    def put(self, path: str, *, create: bool) -> None:
        """Put the closed spool file at the target, whole or not at all."""
        options: dict[str, Any] = {"mode": "create"} if create else {}
        if smallest := self._scheme.part_size:
            options["chunksize"] = max(smallest, math.ceil(os.path.getsize(path) / _MOST_PARTS))  # noqa: PTH202
        self._upload(path, self.path, **options)

    def _upload(self, path: str, to: str, **options: Any) -> None:
        if not self._scheme.puts_whole:  # a driver of pyarrow, whose put_file makes folders also where there are none
            with open(path, "rb") as spool, self.fs.open(to, "wb") as file:  # noqa: PTH123 (paths are plain strings)
                shutil.copyfileobj(spool, file, _PIECE)
            return
        if not getattr(self.fs, "async_impl", False):
            self.fs.put_file(path, to, **options)
            return
        stop = threading.Event()
        if self._scheme.part_size:
            options["callback"] = _Stopping(stop)
        in_parts = os.path.getsize(path) >= 2 * options.get("chunksize", math.inf)  # noqa: PTH202
        finish(self.fs.loop, self.fs._put_file(path, to, **options), stop, _PATIENCE if in_parts else 0)  # noqa: SLF001

    def remove(self) -> None:
        """Take the file away."""
        self.fs.rm_file(self.path)

    def stored(self) -> int | None:
        """Return the target's size after a put; None where there is nothing to look at, or one may not look."""
        with suppressed(Exception):  # the put has returned, which is the store's promise
            self.fs.invalidate_cache()
            return int(self.fs.info(self.path)["size"])
        return None


class RemoteFile(StoredObject):
    """The place of a file of any other store: put beside the target, then moved."""

    def __init__(self, fs: Any, path: str, scheme: Scheme) -> None:
        super().__init__(fs, path, scheme)
        self.is_atomic = True
        head, slash, self._name = path.rpartition("/")
        self._head = head + slash
        self._folder = head or slash
        self._move = scheme.move_of(fs)

    def probe(self, new_folders: int | None = None) -> None:
        """Make and remove a small file beside the target: who cannot do that cannot publish either."""
        self._scheme.ask(self.fs, self.path)
        try:
            self._make_folders(new_folders)
            with self._beside() as beside:
                self.fs.pipe_file(beside, b"")
                self.fs.rm_file(beside)
        except failures(Exception):
            if self._kind_of(self._folder) == "file":  # which each driver tells in a way of its own
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._folder) from None
            raise

    def put(self, path: str, *, create: bool) -> None:
        """Put the closed spool file at the target, whole or not at all."""
        with self._beside() as beside:
            self._upload(path, beside)
            size = os.path.getsize(path)  # noqa: PTH202
            self.fs.invalidate_cache()
            stored = self.fs.info(beside)["size"]
            if stored != size:
                raise OSError(f"uploaded {size} bytes, but the store has {stored}")
            if create and self.kind():
                raise FileExistsError(errno.EEXIST, "the target already exists")
            self._move_in(beside, create=create)

    def stored(self) -> None:
        """Nothing: its size was checked before it was moved in."""

    @contextmanager
    def _beside(self) -> Iterator[str]:
        """Lend the path of a hidden file beside the target; it is gone afterwards, as far as the store can be asked."""
        beside = self._head + hidden_name(self._name)
        try:
            yield beside
        finally:
            with suppressed(Exception):
                self.fs.rm_file(beside)

    def _move_in(self, beside: str, *, create: bool) -> None:
        refusal: Exception = OSError("the store did not move the file into place")
        try:
            self._move(self.fs, beside, self.path, replace=not create)
        except failures(Exception) as raised:  # drivers raise what they like
            refusal = raised
        else:
            if self._move is not move:
                return
        if self._kind_of(beside) is None:
            return
        if create or self._move is not move or self.kind() is None:
            raise refusal
        self._swap(beside)

    def _swap(self, beside: str) -> None:
        """Move aside the old file that the store will not replace, then move in the new one."""
        aside = self._head + hidden_name(self._name, "old")
        self._move(self.fs, self.path, aside, replace=False)
        try:
            if self._kind_of(aside) is None:
                raise OSError("the store did not move the old file aside")
            self._move(self.fs, beside, self.path, replace=False)
            if self._kind_of(beside) is not None:
                raise OSError("the store did not move the file into place")
        except BaseException:
            with suppressed(FileNotFoundError, FileExistsError):  # it never left, or another writer's stands there
                self._move(self.fs, aside, self.path, replace=False)
            raise
        self.fs.rm_file(aside)


class _Stopping(Callback):  # type: ignore[misc]  # fsspec has no types
    """Ends an upload in parts after the next part: s3fs gives up its upload when that fails, not when cancelled."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self._stop.is_set():
            raise InterruptedError(errno.EINTR, "the upload was interrupted")
