"""Files of remote stores: one put where that is atomic, a put beside the target and a move elsewhere."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import tempfile
import threading
import time
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import Callback
from fsspec.spec import AbstractFileSystem

from explorer_frames._storage.address import GCS, OBJECT_STORES, S3
from explorer_frames._storage.drivers import is_missing
from explorer_frames._storage.spool import SPOOL, Spool, hidden_name

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

_S3_PART = 8 * 2**20  # s3fs holds 10 parts in memory, or a whole file below two parts; its own default is 50 MiB
_S3_PARTS = 10_000  # S3 takes no more
_S3_LOGIN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_PATIENCE = 10  # seconds for which SMB readers, each of whom locks the old file, may hold up a move


class StoredObject:
    """The place of an object of S3, Google or Azure: absent until its one put has ended."""

    def __init__(self, fs: Any, path: str, scheme: str) -> None:
        self._fs = fs
        self._path = path
        self._scheme = scheme

    def kind(self) -> str | None:
        """Tell what stands at the target: "file", "directory", another word, or None."""
        return self._kind_of(self._path)

    def _kind_of(self, path: str) -> str | None:
        self._fs.invalidate_cache()
        try:
            return str(self._fs.info(path)["type"])
        except PermissionError:
            if self._scheme in OBJECT_STORES:
                return None  # one may be allowed to put and not to look; a conditional put needs no look
            raise
        except Exception as raised:
            if is_missing(raised):
                return None
            raise

    def probe(self) -> None:
        """Raise when the bucket is missing or the login refused, as far as one may ask."""
        bucket = self._path.partition("/")[0]
        try:
            self._ask_for(bucket)
        except Exception as raised:
            # One may be allowed to put and not to ask.
            answer = getattr(raised.__cause__, "response", {})
            if is_missing(raised) or answer.get("Error", {}).get("Code") in _S3_LOGIN:
                raise

    def _ask_for(self, bucket: str) -> None:
        if self._scheme in S3:  # a HEAD has no body, and so cannot tell a false key from a missing right
            self._fs.call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)
        elif self._scheme in GCS:  # `info` calls an empty bucket missing when its settings may not be read
            self._fs.call("GET", f"b/{bucket}/o", maxResults=1)
        else:
            self._fs.info(bucket)

    def new_spool(self) -> Spool:
        """Make an empty local file."""
        folder = tempfile.gettempdir()
        # Not a nameless one: drivers copy the link under /proc itself (asyncssh does).
        return Spool.named(os.path.join(folder, hidden_name(SPOOL)), 0o600)  # noqa: PTH118 (paths are plain strings)

    def put(self, path: str, *, create: bool) -> None:
        """Put the closed spool file at the target, whole or not at all."""
        options: dict[str, Any] = {"mode": "create"} if create else {}
        if self._scheme in S3:
            options["chunksize"] = max(_S3_PART, math.ceil(os.path.getsize(path) / _S3_PARTS))  # noqa: PTH202
        self._upload(path, self._path, **options)

    def _upload(self, path: str, to: str, **options: Any) -> None:
        if not getattr(self._fs, "async_impl", False):
            self._fs.put_file(path, to, **options)
            return
        stop = threading.Event()
        if self._scheme in S3:
            options["callback"] = _Stopping(stop)
        in_parts = os.path.getsize(path) >= 2 * options.get("chunksize", math.inf)  # noqa: PTH202
        _finish(self._fs.loop, self._fs._put_file(path, to, **options), stop, _PATIENCE if in_parts else 0)  # noqa: SLF001

    def flush(self, path: str) -> None:
        """Nothing: the spool file need not outlive a power cut."""

    def remove(self) -> None:
        """Take the file away."""
        self._fs.rm_file(self._path)

    def stored(self) -> int | None:
        """Return the target's size after a put; None where there is nothing to look at, or one may not look."""
        with suppress(Exception):  # the put has returned, which is the store's promise
            self._fs.invalidate_cache()
            return int(self._fs.info(self._path)["size"])
        return None


class RemoteFile(StoredObject):
    """The place of a file of any other store: put beside the target, then moved."""

    def __init__(self, fs: Any, path: str, scheme: str) -> None:
        super().__init__(fs, path, scheme)
        head, slash, self._name = path.rpartition("/")
        self._head = head + slash
        self._folder = head or slash
        self._move = _MOVES.get(type(fs).__module__, _move)

    def probe(self) -> None:
        """Make and remove a small file beside the target: who cannot do that cannot publish either."""
        if self._scheme == "smb":
            self._fs.info("/".join(self._path.split("/")[:2]))  # to make a folder in a missing share takes for ever
        try:
            if self._folder not in {"", "/"}:
                self._fs.makedirs(self._folder, exist_ok=True)
            with self._beside() as beside:
                self._fs.pipe_file(beside, b"")
                self._fs.rm_file(beside)
        except Exception:
            if self._kind_of(self._folder) == "file":  # which each driver tells in a way of its own
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._folder) from None
            raise

    def put(self, path: str, *, create: bool) -> None:
        """Put the closed spool file at the target, whole or not at all."""
        with self._beside() as beside:
            self._upload(path, beside)
            self._check_size(beside, os.path.getsize(path))  # noqa: PTH202
            if create and self.kind():
                raise FileExistsError(errno.EEXIST, "the target exists")
            self._move_in(beside, create=create)

    def stored(self) -> None:
        """Nothing: its size was checked before it was moved in."""

    def _check_size(self, path: str, size: int) -> None:
        self._fs.invalidate_cache()
        stored = self._fs.info(path)["size"]
        if stored != size:
            raise OSError(f"{size} bytes were put and {stored} are there")

    @contextmanager
    def _beside(self) -> Iterator[str]:
        """Lend the path of a hidden file beside the target; it is gone afterwards, as far as the store can be asked."""
        beside = self._head + hidden_name(self._name)
        try:
            yield beside
        finally:
            with suppress(Exception):
                self._fs.rm_file(beside)

    def _move_in(self, beside: str, *, create: bool) -> None:
        refusal: Exception = OSError("the store did not move the file into place")
        try:
            self._move(self._fs, beside, self._path, replace=not create)
        except Exception as raised:  # noqa: BLE001 (drivers raise what they like)
            refusal = raised
        else:
            if self._move is not _move:
                return
        if self._kind_of(beside) is None:
            return
        if create or self._move is not _move or self.kind() is None:
            raise refusal
        self._swap(beside)

    def _swap(self, beside: str) -> None:
        """Move aside the old file that the store will not replace, then move in the new one."""
        aside = self._head + hidden_name(self._name, "old")
        self._move(self._fs, self._path, aside, replace=False)
        try:
            if self._kind_of(aside) is None:
                raise OSError("the store did not move the old file aside")
            self._move(self._fs, beside, self._path, replace=False)
            if self._kind_of(beside) is not None:
                raise OSError("the store did not move the file into place")
        except BaseException:
            with suppress(FileNotFoundError, FileExistsError):  # it never left, or another writer's stands there
                self._move(self._fs, aside, self._path, replace=False)
            raise
        self._fs.rm_file(aside)


class _Stopping(Callback):  # type: ignore[misc]  # fsspec has no types
    """Ends an upload in parts after the next part: s3fs gives up its upload when that fails, not when cancelled."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self._stop.is_set():
            raise InterruptedError(errno.EINTR, "the upload was interrupted")


def _finish(loop: Any, work: Coroutine[Any, Any, Any], stop: threading.Event | None = None, patience: float = 0) -> Any:
    """Run a driver's coroutine in its loop, and leave nothing running when the wait is interrupted.

    fsspec's own `sync` would leave an upload running, to replace the target long after Ctrl-C. `stop` is then set, and
    the coroutine cancelled after `patience` seconds.
    """
    tasks: list[Any] = []

    async def run() -> Any:
        tasks.append(asyncio.current_task())
        return await work

    async def end() -> None:  # the loop begins it after `run`
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        future = asyncio.run_coroutine_threadsafe(run(), loop)
        while True:
            if future.done():
                return future.result()
            wait([future], 1)  # on Windows no signal ends a wait without a limit
    except BaseException:
        if stop:
            stop.set()
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(end(), loop).result(_PATIENCE + patience)
        raise


def _move(fs: Any, old: str, new: str, *, replace: bool) -> None:  # noqa: ARG001 (as the other moves are called)
    # fsspec's own mv and rm expand "*", "?" and "[" in names, and would touch other files.
    if getattr(fs.mv, "__func__", None) is AbstractFileSystem.mv:
        fs.cp_file(old, new)
        fs.rm_file(old)
    else:
        fs.mv(old, new)


def _move_sftp(fs: Any, old: str, new: str, *, replace: bool) -> None:
    """Rename as OpenSSH does: the POSIX way replaces in one step, the older way refuses what exists."""

    async def rename() -> None:
        async with fs.client.start_sftp_client() as sftp:
            await sftp.rename(old, new)

    if replace:
        fs.mv(old, new)
    else:
        _finish(fs.loop, rename())


def _move_smb(fs: Any, old: str, new: str, *, replace: bool) -> None:
    """Rename in one step, which replaces where fsspec's own `mv` refuses; wait for readers to close the old file."""
    import smbclient  # noqa: PLC0415 (there is no SMB without it)

    old, new = (rf"\\{fs.host}" + path.replace("/", "\\") for path in (old, new))
    rename = smbclient.replace if replace else smbclient.rename
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            rename(old, new, port=fs.port or 445)
        except OSError as raised:
            if not replace or is_missing(raised) or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(0.02)


def _move_webdav(fs: Any, old: str, new: str, *, replace: bool) -> None:
    fs.client.move(old, new, overwrite=replace)


# Where the driver's own `mv` is weaker than what its store can do.
_MOVES = {
    "sshfs.spec": _move_sftp,
    "fsspec.implementations.smb": _move_smb,
    "webdav4.fsspec": _move_webdav,
}
