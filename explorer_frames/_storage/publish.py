"""A finished local file -> any fsspec URL, whole or absent.

Nothing is written into the target itself: the caller fills a local spool file, closes it and checks it,
and only then is it put in place, in the strongest single step that the store has. Measured on each store named
here, with readers that polled and writers that were killed (tests/test_storage_contract.py):

==================  ==============================================  ====================================
store               ``mode="overwrite"``                            ``mode="create"``
==================  ==============================================  ====================================
local disk          fsync, rename: atomic                           fsync, hard link: atomic, one winner;
                                                                    without hard links (exFAT, some FUSE)
                                                                    looked up, then renamed
local, Windows      fsync, rename: atomic; waits up to 10 s for     rename, which never replaces: one
(not measured)      readers who have the old file open              winner
s3, gs, abfs        one put: atomic                                 one conditional put: one winner
sftp (OpenSSH)      put beside, POSIX rename: atomic                SFTP rename, which never replaces:
                                                                    one winner
smb (Samba)         put beside, replacing rename: atomic; waits     rename, which never replaces: one
                    up to 10 s for readers who lock the old file    winner
webdav (WsgiDAV)    put beside, MOVE: whole, but for a moment a     MOVE without overwrite: as exclusive
                    reader may find nothing                         as the server makes it
others              put beside, the driver's own move: as atomic    looked up, then moved: of two
                    as that is                                      writers at once both may win
==================  ==============================================  ====================================

A process that is killed leaves nothing on local disk where files need no name (Linux), and otherwise a hidden file
beside the target, or one in TMPDIR for other stores. A sync into that folder removes the file
when it is a day old. On S3 it may leave an unfinished multipart upload, which no listing shows and which is
paid for: give the bucket a lifecycle rule with AbortIncompleteMultipartUpload.

A writer that is interrupted, as by Ctrl-C, ends its upload before the error passes on: for up to 10 s it waits for
the part of a multipart upload that is under way, so that the upload is given up whole, and then cancels it.

S3-compatible servers that ignore ``If-None-Match``, and the emulator of Google's store, only look up first. A
conditional put whose answer was lost is sent again by the driver and then meets its own object: the target is whole,
the error says that it exists. Where a move does not replace (WebHDFS), the old file is moved aside and, if the new
one cannot follow, back again: for that moment the target is absent, its data never is.

What the place cannot take is refused before there is work to lose: a missing bucket, container
or share, a login that is refused, a server that is down, a folder that cannot be written to. Stores of objects cannot
be asked for the right to write; there that error comes with the put.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, get_args

from explorer_frames._errors import escaped
from explorer_frames._storage.address import Mask, check_local_name, checked, local_path, shown_url
from explorer_frames._storage.drivers import connect
from explorer_frames._storage.failures import Guard, is_failed_condition
from explorer_frames._storage.local import LocalFile
from explorer_frames._storage.schemes import scheme_of
from explorer_frames._storage.stores import RemoteFile, StoredObject
from explorer_frames.errors import ConfigError, TargetExistsError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Mode = Literal["overwrite", "create"]


class Target(Guard):
    """Where one file is to be published, and how.

    Attributes
    ----------
    url : str
        Without user, password and query; an absolute path on local disk.
    mode : str
        ``"overwrite"`` or ``"create"``.
    place : LocalFile or StoredObject
        The file in its store.
    """

    def __init__(self, url: str, mode: Mode, mask: Mask, place: LocalFile | StoredObject) -> None:
        self.url: str = url
        self.shown: str = url
        self.mask: Mask = mask
        self.mode = mode
        self.place = place

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

        Where a file is put beside the target and moved, a small hidden one is made and removed to see if that works;
        the folders above it are made for that, and stay.

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
            If the store cannot be asked, the bucket, container or share is not there, the login is refused, or the
            folder cannot be written to. Stores of objects cannot be asked for the right to write.

        Examples
        --------
        >>> import fsspec
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
        local = local_path(url)
        place: LocalFile | StoredObject
        if local is not None:
            check_local_name(url)
            if local.startswith(("/dev/std", "/dev/fd/", "/proc/")):
                hint = "Pass the name of a file: what a shell directs the output to would be replaced."
                raise ConfigError("the target is a stream of this process", where=local, hint=hint)
            path = os.path.realpath(local)  # a link stays, and its file is replaced
            shown, place = shown_url(path), LocalFile(path)
        else:
            fs, path = connect(text, storage_options or {}, mask, WriteError)
            traits = scheme_of(text)
            shown, place = shown_url(text), (StoredObject if traits.is_object_store else RemoteFile)(fs, path, traits)
        target = Target(shown, mode, mask, place)
        found = target.attempt("look up", place.kind)
        if found not in {None, "file"}:
            raise ConfigError(f"the target is a {found}", where=target.url, hint="Pass the URL of a file.")
        if found and mode == "create":
            raise target._exists_error()
        target.attempt("reach", place.probe)
        return target

    @contextmanager
    def spool(self) -> Iterator[str]:
        """Lend the path of an empty local file; it is gone afterwards, whatever happens.

        The file may have no name: open it by this path, in this process, and neither rename nor unlink it.
        """
        spool = self.attempt("make a temporary file for", self.place.new_spool)
        try:
            yield spool.path
        finally:
            with suppress(OSError):
                spool.discard()

    def flush(self, path: str) -> None:
        """Begin early with what `publish` has to wait for: half of its time, where a disk is slow to take a file."""
        self.place.flush(path)

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
            If the store refuses; also if an object, once put, has another number of bytes: of another writer, say.
        """
        self.attempt("publish", self._put, path)
        stored = self.place.stored()
        if stored is None:
            return
        size = self.attempt("read the temporary file for", os.path.getsize, path)
        if stored != size:
            what = f"{size} bytes were published, and {stored} stand there now"
            hint = "Another writer has replaced the file, or the store cut it: look there before you write again."
            raise WriteError(what, where=self.url, hint=hint)

    def remove(self) -> None:
        """Take away what was published as a trial: no other result is ever deleted."""
        self.attempt("remove", self.place.remove)

    def _put(self, path: str) -> None:
        try:
            return self.place.put(path, create=self.mode == "create")
        except Exception as raised:
            taken = False
            with suppress(Exception):
                taken = self.mode == "create" and (is_failed_condition(raised) or self.place.kind() is not None)
            if not taken:
                raise
        raise self._exists_error()

    def _exists_error(self) -> TargetExistsError:
        hint = 'Pass another name, or mode="overwrite" to replace it.'
        return TargetExistsError("the target exists", where=self.url, hint=hint)
