"""Publish files in remote stores with an atomic put, or with an upload and a move."""

from __future__ import annotations

import errno
import math
import os
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from fsspec.callbacks import Callback

from explorer_frames._signals import failures, suppressed
from explorer_frames._storage.failures import NO_FOLDER, is_missing
from explorer_frames._storage.loop import finish
from explorer_frames._storage.schemes import move
from explorer_frames._storage.spool import CopiedTarget, hidden_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from explorer_frames._storage.schemes import Scheme

_PIECE = 1 << 20  # bytes
_MOST_PARTS = 10_000  # maximum number of parts in a multipart upload to S3
_S3_LOGIN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_reached: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()  # buckets that were checked, by connection
_PATIENCE = 10  # seconds that an interrupted upload has to complete its current part


class StoredObject(CopiedTarget):
    """Object in an object store, which does not exist until its upload is complete."""

    def __init__(self, fs: Any, path: str, scheme: Scheme) -> None:
        self.fs = fs
        self.path = path
        self._scheme = scheme
        self.is_atomic = scheme.is_object_store
        self.has_folders = not (scheme.is_object_store and scheme.supports(fs))
        self._is_checked = False

    def kind(self) -> str | None:
        """Return the type of an existing target, such as ``file``, or None.

        Folders of object stores are ignored, because a file can have the same path.
        """
        return self._kind_of(self.path)

    def _kind_of(self, path: str) -> str | None:
        self.fs.invalidate_cache()
        try:
            if self.has_folders:
                return str(self.fs.info(path)["type"])
            return "file" if self._ask() else None
        except failures(PermissionError):
            if self._scheme.is_object_store:
                return None  # the credentials may be write-only; a conditional put needs no look-up
            raise
        except failures(Exception) as raised:
            if is_missing(raised):
                return None
            raise

    def probe(self, new_folders: int | None = None) -> None:
        """Raise if the bucket is missing or the credentials are invalid.

        Each bucket is checked once per connection.
        """
        if not self.has_folders and self._bucket in _reached.get(self.fs, ()):
            return
        try:
            if self._scheme.supports(self.fs):
                self._ask()
        except failures(PermissionError) as raised:
            answer = getattr(raised.__cause__, "response", {})
            if answer.get("Error", {}).get("Code") in _S3_LOGIN:  # other credentials may be write-only
                raise
        self._make_folders(new_folders)

    @property
    def _bucket(self) -> str:
        return self.path.partition("/")[0]

    def _ask(self) -> bool:
        """Return whether the file exists; raise if the bucket is missing or the credentials are invalid."""
        exists = self._scheme.ask(self.fs, self.path)
        _reached.setdefault(self.fs, set()).add(self._bucket)
        return exists

    def _make_folders(self, new_folders: int | None) -> None:
        """Create missing parent folders; raise if more than `new_folders` are missing."""
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
        """Upload the closed temporary file to the target."""
        options: dict[str, Any] = {"mode": "create"} if create else {}
        if smallest := self._scheme.part_size:
            options["chunksize"] = max(smallest, math.ceil(os.path.getsize(path) / _MOST_PARTS))  # noqa: PTH202
        checks = self._checks(path, options)
        if self._scheme.prepare and self._scheme.supports(self.fs):
            self._scheme.prepare(self.fs)
        self._upload(path, self.path, **options, **checks)
        self._is_checked = bool(checks)

    def _checks(self, path: str, options: Mapping[str, Any]) -> dict[str, Any]:
        if self.has_folders or _is_in_parts(path, options):
            return {}
        return self._scheme.checks(path, self.path)

    def _upload(self, path: str, to: str, **options: Any) -> None:
        if not self._scheme.puts_whole:  # pyarrow's put_file creates folders even in stores without folders
            with open(path, "rb") as spool, self.fs.open(to, "wb") as file:  # noqa: PTH123 (paths are plain strings)
                shutil.copyfileobj(spool, file, _PIECE)
            return
        if not getattr(self.fs, "async_impl", False):
            self.fs.put_file(path, to, **options)
            return
        stop = threading.Event()
        if self._scheme.part_size:
            options["callback"] = _Stopping(stop)
        patience = _PATIENCE if _is_in_parts(path, options) else 0
        finish(self.fs.loop, self.fs._put_file(path, to, **options), stop, patience)  # noqa: SLF001

    def remove(self) -> None:
        """Remove the object."""
        self.fs.rm_file(self.path)

    def stored(self) -> int | None:
        """Return the size of the object in bytes, or None if it is verified or cannot be read."""
        if self._is_checked:
            return None
        with suppressed(Exception):  # the check is optional, because the upload succeeded
            self.fs.invalidate_cache()
            return int(self.fs.info(self.path)["size"])
        return None


class RemoteFile(StoredObject):
    """File that is uploaded to a temporary path in the store and moved to the target."""

    def __init__(self, fs: Any, path: str, scheme: Scheme) -> None:
        super().__init__(fs, path, scheme)
        self.is_atomic = True
        head, slash, self._name = path.rpartition("/")
        self._head = head + slash
        self._folder = head or slash
        self._move = scheme.move if scheme.supports(fs) else move

    def probe(self, new_folders: int | None = None) -> None:
        """Check that a small file can be created and removed next to the target."""
        self._scheme.ask(self.fs, self.path)
        try:
            self._make_folders(new_folders)
            with self._beside() as beside:
                self.fs.pipe_file(beside, b"")
                self.fs.rm_file(beside)
        except failures(Exception):
            if self._kind_of(self._folder) == "file":  # each driver reports this with a different error
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._folder) from None
            raise

    def put(self, path: str, *, create: bool) -> None:
        """Upload the closed temporary file, check its size, and move it to the target."""
        with self._beside() as beside:
            self._upload(path, beside)
            size = os.path.getsize(path)  # noqa: PTH202
            self.fs.invalidate_cache()
            stored = self.fs.info(beside)["size"]
            if stored != size:
                raise OSError(f"uploaded {size} bytes, but the stored file has {stored} bytes")
            if create and self.kind():
                raise FileExistsError(errno.EEXIST, "the target already exists")
            self._move_in(beside, create=create)

    def stored(self) -> None:
        """Return None, because the size was checked before the move."""

    @contextmanager
    def _beside(self) -> Iterator[str]:
        """Yield a hidden path next to the target and remove its file afterwards."""
        beside = self._head + hidden_name(self._name)
        try:
            yield beside
        finally:
            with suppressed(Exception):
                self.fs.rm_file(beside)

    def _move_in(self, beside: str, *, create: bool) -> None:
        refusal: Exception = OSError("the store did not move the file to the target")
        try:
            self._move(self.fs, beside, self.path, replace=not create)
        except failures(Exception) as raised:  # drivers can raise any exception
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
        """Replace the old file with two moves, for stores that cannot replace files."""
        aside = self._head + hidden_name(self._name, "old")
        self._move(self.fs, self.path, aside, replace=False)
        try:
            if self._kind_of(aside) is None:
                raise OSError("the store did not move the old file")
            self._move(self.fs, beside, self.path, replace=False)
            if self._kind_of(beside) is not None:
                raise OSError("the store did not move the file to the target")
        except BaseException:
            # The old file may not have been moved, or another process may have published a file.
            with suppressed(FileNotFoundError, FileExistsError):
                self._move(self.fs, aside, self.path, replace=False)
            raise
        self.fs.rm_file(aside)


def _is_in_parts(path: str, options: Mapping[str, Any]) -> bool:
    """Return whether s3fs would upload a file of this size in parts."""
    size = os.path.getsize(path)  # noqa: PTH202 (paths are plain strings here)
    return bool(size >= 2 * options.get("chunksize", math.inf))


class _Stopping(Callback):  # type: ignore[misc]  # fsspec has no types
    """Callback that ends an interrupted multipart upload after its current part.

    s3fs aborts a multipart upload if a part fails, but not if the upload is cancelled.
    """

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self._stop.is_set():
            raise InterruptedError(errno.EINTR, "the upload was interrupted")
