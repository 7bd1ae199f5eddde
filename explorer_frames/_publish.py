"""A finished local file -> any fsspec URL, whole or absent.

Nothing is written into the target itself: the caller fills a local spool file, closes it and checks it,
and only then is it put in place, in the strongest single step that the store has:

==============  ===================================  ============================================
store           ``mode="overwrite"``                 ``mode="create"``
==============  ===================================  ============================================
local disk      fsync, rename: atomic                fsync, hard link: atomic, one winner
s3, gs, abfs    one put: atomic                      one conditional put: atomic, one winner
others          put beside the target, then a move:  looked up, then moved: of two writers at the
                as atomic as the store's own move    same moment both may win
==============  ===================================  ============================================

S3-compatible servers that ignore ``If-None-Match`` only look up first, as the others do. A conditional put whose
answer was lost is sent again by the driver and then meets its own object: the target is whole, the error says
that it exists. Where a move does not replace (SMB, WebDAV, WebHDFS), the old file is moved aside and, if the new
one cannot follow, back again: for that moment the target is absent, its data never is.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import fsspec
from fsspec.core import url_to_fs
from fsspec.spec import AbstractFileSystem

from explorer_frames._address import AZURE, LOCAL, OBJECT_STORES, S3, Mask, checked, shown_url
from explorer_frames.errors import ConfigError, ExplorerFramesError, TargetExistsError, WriteError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Mode = Literal["overwrite", "create"]
_T = TypeVar("_T")

_EXTRAS = {**dict.fromkeys(S3, "s3"), **dict.fromkeys(AZURE, "azure")}
_EXTRAS |= {"gs": "gcs", "gcs": "gcs", "sftp": "sftp", "ssh": "sftp"}
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_S3_PART = 8 * 2**20  # s3fs holds 10 parts in memory, or a whole file below two parts; its own default is 50 MiB
_S3_PARTS = 10_000  # S3 takes no more
_STALE = 24 * 3600  # seconds without a write after which a spool file belongs to a killed process


class Target(ABC):
    """Where one file is to be published, and how.

    Attributes
    ----------
    url : str
        Without user, password and query; an absolute path on local disk.
    mode : str
        ``"overwrite"`` or ``"create"``.
    """

    def __init__(self, url: str, mode: Mode, mask: Mask) -> None:
        self.url = url
        self.mode = mode
        self._mask = mask

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} mode={self.mode}>"

    @staticmethod
    def resolve(
        url: str | os.PathLike[str],
        *,
        mode: Mode = "overwrite",
        storage_options: Mapping[str, Any] | None = None,
    ) -> Target:
        """Find the store, and refuse now what could not be published later.

        Parameters
        ----------
        url
            A local path (``~``, ``file://`` and symbolic links are followed) or an fsspec URL of one file.
        mode
            ``"overwrite"`` replaces what is there; ``"create"`` refuses.
        storage_options
            For the fsspec driver, as pandas takes them; not used on local disk.

        Raises
        ------
        ConfigError
            For a mode, URL or options that cannot work, or a driver that is not installed.
        TargetExistsError
            If ``mode="create"`` and the target exists.
        WriteError
            If the store cannot be asked.

        Examples
        --------
        >>> target = Target.resolve("memory://doc/hello.txt")
        >>> with target.spool() as path:
        ...     with open(path, "w") as file:
        ...         _ = file.write("hello")
        ...     target.publish(path)
        >>> fsspec.filesystem("memory").cat("/doc/hello.txt")
        b'hello'
        """
        if mode not in get_args(Mode):
            raise ConfigError(f"mode {escaped(mode)!r} is unknown", hint='Pass "overwrite" or "create".')
        text = checked(url)
        mask = Mask(text, storage_options or {})
        scheme = "file" if isinstance(url, os.PathLike) or "://" not in text else text.partition("://")[0]
        if scheme in LOCAL:
            path = os.path.realpath(os.path.expanduser(re.sub("^(file|local):(//)?", "", text)))  # noqa: PTH111
            target: Target = _LocalFile(path, mode, mask)
        else:
            fs, path = connect(scheme, text, storage_options or {}, mask, WriteError)
            kind = _StoredObject if scheme in OBJECT_STORES else _RemoteFile
            target = kind(shown_url(text), mode, mask, fs, path, scheme)
        found = target.attempt("look up", target._kind)  # noqa: SLF001 (our own)
        if found not in {None, "file"}:
            raise ConfigError(f"the target is a {found}", where=target.url, hint="Pass the URL of a file.")
        if found and mode == "create":
            raise target._exists_error()  # noqa: SLF001 (our own)
        return target

    def attempt(self, doing: str, action: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        """Call `action`; what it raises becomes a WriteError without secrets or the driver's exception."""
        try:
            return action(*args, **kwargs)
        except ExplorerFramesError:
            raise
        except Exception as raised:  # noqa: BLE001 (drivers raise what they like)
            error = self._error(doing, raised)
        raise error

    @contextmanager
    def spool(self) -> Iterator[str]:
        """Lend the path of an empty local file; it is gone afterwards, whatever happens."""
        path = self.attempt("make a temporary file for", self._new_spool)
        try:
            yield path
        finally:
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108 (paths are plain strings here)

    def publish(self, path: str) -> None:
        """Put the closed spool file in place.

        Parameters
        ----------
        path
            What `spool` lent; the file is whole and closed.

        Raises
        ------
        TargetExistsError
            If ``mode="create"`` and another writer was first.
        WriteError
            If the store refuses, or then holds another number of bytes.
        """
        size = self.attempt("read the temporary file for", os.path.getsize, path)
        self.attempt("publish", self._place_or_say_taken, path)
        self.attempt("check", self._check, size)

    def _place_or_say_taken(self, path: str) -> None:
        try:
            return self._place(path)
        except Exception:
            taken = False
            with suppress(Exception):
                taken = self.mode == "create" and self._kind() is not None
            if not taken:
                raise
        raise self._exists_error()

    def _exists_error(self) -> TargetExistsError:
        hint = 'Pass another name, or mode="overwrite" to replace it.'
        return TargetExistsError("the target exists", where=self.url, hint=hint)

    def _error(self, doing: str, raised: Exception) -> WriteError:
        return WriteError(f"cannot {doing} the target: {self._mask(raised)}", where=self.url, hint=_hint(doing, raised))

    @abstractmethod
    def _kind(self) -> str | None:
        """Tell what stands at the target: "file", "directory", another word, or None."""

    @abstractmethod
    def _new_spool(self) -> str:
        """Make an empty file."""

    @abstractmethod
    def _place(self, path: str) -> None:
        """Put the file at the target, whole or not at all."""

    @abstractmethod
    def _check(self, size: int) -> None:
        """Raise unless the target has that many bytes."""


class _LocalFile(Target):
    """A path on local disk; the spool is a hidden file beside it, so that a rename publishes it."""

    def __init__(self, path: str, mode: Mode, mask: Mask) -> None:
        super().__init__(shown_url(path), mode, mask)
        self._path = path
        self._folder, self._name = os.path.split(path)

    def _kind(self) -> str | None:
        try:
            mode = os.stat(self._path).st_mode  # noqa: PTH116 (paths are plain strings here)
        except FileNotFoundError:
            return None
        # A rename would replace a device or a pipe by a file.
        return "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else "device, pipe or socket"

    def _new_spool(self) -> str:
        os.makedirs(self._folder, exist_ok=True)  # noqa: PTH103
        # A file name has at most 255 bytes; the rest of ours needs 38.
        prefix = "." + os.fsencode(self._name)[:200].decode(errors="ignore") + "."
        self._sweep(prefix)
        path = os.path.join(self._folder, f"{prefix}{uuid.uuid4().hex}.tmp")  # noqa: PTH118
        old = os.stat(self._path) if self._kind() else None  # noqa: PTH116
        # With the umask, or as narrow as the old file from the first byte.
        permissions = stat.S_IMODE(old.st_mode) & 0o777 if old else 0o666
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, permissions))
        if old:
            with suppress(OSError, AttributeError):  # only root may give a file to its old owner
                os.chown(path, old.st_uid, old.st_gid)
            os.chmod(path, permissions)  # noqa: PTH101
        return path

    def _sweep(self, prefix: str) -> None:
        """Remove what killed processes left of this very target."""
        ours = re.compile(re.escape(prefix) + "[0-9a-f]{32}[.]tmp")
        with suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if ours.fullmatch(entry.name) and time.time() - entry.stat().st_mtime > _STALE:
                    os.unlink(entry.path)  # noqa: PTH108

    def _place(self, path: str) -> None:
        _sync(path, os.O_RDWR)
        if self.mode == "create":
            os.link(path, self._path)  # unlike a rename, it never replaces
        else:
            os.replace(path, self._path)  # noqa: PTH105
        with suppress(OSError):  # it is published: without this step a power cut may bring the old file back, whole
            _sync(self._folder, os.O_RDONLY)

    def _check(self, size: int) -> None:
        """Nothing: a rename moves the very file that was checked."""


class _StoredObject(Target):
    """An object of S3, Google or Azure: absent until its one put has ended."""

    def __init__(self, url: str, mode: Mode, mask: Mask, fs: Any, path: str, scheme: str) -> None:  # noqa: PLR0917
        super().__init__(url, mode, mask)
        self._fs = fs
        self._path = path
        self._scheme = scheme

    def _kind(self) -> str | None:
        return self._kind_of(self._path)

    def _kind_of(self, path: str) -> str | None:
        self._fs.invalidate_cache()
        try:
            return str(self._fs.info(path)["type"])
        except FileNotFoundError:
            return None
        except PermissionError:
            if self._scheme in OBJECT_STORES:
                return None  # one may be allowed to put and not to look; a conditional put needs no look
            raise

    def _new_spool(self) -> str:
        handle, path = tempfile.mkstemp(prefix="explorer_frames-", suffix=".tmp")
        os.close(handle)
        return path

    def _place(self, path: str) -> None:
        options: dict[str, Any] = {"mode": "create"} if self.mode == "create" else {}
        if self._scheme in S3:
            options["chunksize"] = max(_S3_PART, math.ceil(os.path.getsize(path) / _S3_PARTS))  # noqa: PTH202
        self._fs.put_file(path, self._path, **options)

    def _check(self, size: int) -> None:
        self._fs.invalidate_cache()
        try:
            stored = self._fs.info(self._path)["size"]
        except PermissionError:
            if self._scheme in OBJECT_STORES:
                return
            raise
        if stored != size:
            raise OSError(f"{size} bytes were put and {stored} are there; another writer may have been at it")


class _RemoteFile(_StoredObject):
    """A file of any other store: put beside the target, then moved."""

    def _place(self, path: str) -> None:
        beside = f"{self._path}.{uuid.uuid4().hex}.tmp"
        try:
            self._fs.put_file(path, beside)
            if self.mode == "create" and self._kind():
                raise FileExistsError(errno.EEXIST, "the target exists")
            self._move(beside)
        finally:
            with suppress(Exception):
                if self._kind_of(beside):
                    self._fs.rm_file(beside)

    def _move(self, beside: str) -> None:
        refusal: Exception = OSError("the store did not move the file into place")
        try:
            _rename(self._fs, beside, self._path)
        except Exception as raised:  # noqa: BLE001 (drivers raise what they like)
            refusal = raised
        if self._kind_of(beside) is None:
            return
        if self.mode == "create" or self._kind() is None:
            raise refusal
        self._swap(beside)

    def _swap(self, beside: str) -> None:
        """Move aside the old file that the store will not replace, then move in the new one."""
        aside = f"{self._path}.{uuid.uuid4().hex}.old"
        _rename(self._fs, self._path, aside)
        try:
            _rename(self._fs, beside, self._path)
            if self._kind() is None:
                raise OSError("the store did not move the file into place")
        except BaseException:
            _rename(self._fs, aside, self._path)
            raise
        self._fs.rm_file(aside)


def _rename(fs: Any, old: str, new: str) -> None:
    # fsspec's own mv and rm expand "*", "?" and "[" in names, and would touch other files.
    if type(fs).mv is AbstractFileSystem.mv:
        fs.cp_file(old, new)
        fs.rm_file(old)
    else:
        fs.mv(old, new)


def _sync(path: str, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def connect(
    scheme: str, url: str, options: Mapping[str, Any], mask: Mask, failure: type[ExplorerFramesError]
) -> tuple[Any, str]:
    """Make the fsspec filesystem, and the file's path in it; ConfigError, or `failure` where it cannot be reached."""
    where = shown_url(url)
    try:
        fsspec.get_filesystem_class(scheme)
        return url_to_fs(url, **options)  # type: ignore[no-any-return]
    except (ImportError, ValueError, TypeError) as raised:
        extra = _EXTRAS.get(scheme)
        if isinstance(raised, ImportError) or (extra and "not known" in str(raised)):
            hint = f"pip install 'explorer-frames[{extra}]'" if extra else escaped(raised)  # fsspec names the package
            error: ExplorerFramesError = ConfigError(f"no driver for {scheme}:// is installed", where=where, hint=hint)
        else:
            what = f"the URL or its storage_options are not accepted: {mask(raised)}"
            hint = "Check the scheme, and the option names in the documentation of its fsspec driver."
            error = ConfigError(what, where=where, hint=hint)
    except Exception as raised:  # noqa: BLE001 (some drivers connect at once)
        error = failure(f"cannot connect: {mask(raised)}", where=where, hint=_hint("connect", raised))
    raise error


def _hint(doing: str, raised: Exception) -> str:
    number = getattr(raised, "errno", None)
    if number in _FULL:
        return "The disk is full or a size limit was met: make room, or point TMPDIR elsewhere for remote targets."
    if isinstance(raised, PermissionError) or number in _DENIED or "Credential" in type(raised).__name__:
        return "Ask for the right to write there, or pass other credentials in storage_options."
    if isinstance(raised, NotADirectoryError | FileExistsError):
        return "A part of the path is a file, not a folder."
    if isinstance(raised, FileNotFoundError) and doing == "publish":
        return "Make the bucket, container, share or folder first: a misspelt one must not spring up here."
    return "Nothing was lost: see to the cause that is named here and write again."
