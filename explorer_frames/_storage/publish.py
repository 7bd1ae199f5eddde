"""A finished local file -> any fsspec URL, whole or absent.

Nothing is written into the target itself, unless with ``mode="in_place"``: the caller fills a local spool file, closes
it and checks it, and only then is it put in place, in the strongest single step that the store has. What each store
guarantees is in docs/explanation/writing.md, and is measured in tests/test_storage_contract.py.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from fsspec.implementations.local import LocalFileSystem

from explorer_frames._errors import escaped
from explorer_frames._signals import failures, suppressed
from explorer_frames._storage.address import Mask, check_local_name, checked, local_path, shown_url
from explorer_frames._storage.direct import FileInPlace, OpenBuffer
from explorer_frames._storage.drivers import connect
from explorer_frames._storage.failures import OVERWRITE, Guard, is_failed_condition
from explorer_frames._storage.local import LocalFile
from explorer_frames._storage.paths import is_buffer, within
from explorer_frames._storage.schemes import scheme_of
from explorer_frames._storage.stores import RemoteFile, StoredObject
from explorer_frames.errors import ConfigError, TargetExistsError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from explorer_frames._storage.paths import Buffer, Destination
    from explorer_frames._storage.schemes import Scheme

Mode = Literal["overwrite", "create", "in_place"]
Place: TypeAlias = LocalFile | StoredObject | OpenBuffer


class Target(Guard):
    """Where one file is to be published, and how.

    Attributes
    ----------
    url : str
        Without user, password and query; an absolute path on local disk; for a buffer, its class.
    mode : str
        ``"overwrite"``, ``"create"`` or ``"in_place"``.
    place : LocalFile, StoredObject or OpenBuffer
        The file in its store.
    """

    def __init__(self, url: str, mode: Mode, mask: Mask, place: Place) -> None:
        self.url: str = url
        self.shown: str = url
        self.mask: Mask = mask
        self.mode = mode
        self.place = place

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} mode={self.mode}>"

    @staticmethod
    def resolve(
        path: Destination,
        *,
        mode: Mode = "overwrite",
        storage_options: Mapping[str, Any] | None = None,
        filesystem: Any = None,
        new_folders: int | None = 0,
    ) -> Target:
        """Find the store, and refuse now what could not be published later.

        Where a file is put beside the target and moved, a small hidden one is made and removed to see if that works;
        the folders above it are made for that, and stay.

        Parameters
        ----------
        path
            A local path (``~``, ``file://`` and symbolic links are followed), an fsspec URL of one file, a path in
            `filesystem` as text, or an open binary buffer.
        mode
            ``"overwrite"`` replaces what is there; ``"create"`` refuses; ``"in_place"`` overwrites its content.
        storage_options
            For the fsspec driver, as pandas takes them; not used on local disk.
        filesystem
            File system of fsspec or pyarrow that `path` is in.
        new_folders
            How many folders above the file may be made; None for any number. Object stores have none.

        Raises
        ------
        ConfigError
            For a mode, URL or options that cannot work, or a driver that is not installed.
        TargetExistsError
            If ``mode="create"`` and the target exists.
        WriteError
            If the store cannot be asked, the bucket, container, share or folder is not there, the login is refused, or
            the folder cannot be written to. Stores of objects cannot be asked for the right to write.

        Examples
        --------
        >>> import fsspec
        >>> target = Target.resolve("memory://hello.txt")
        >>> with target.spool() as path:
        ...     with open(path, "w") as file:
        ...         _ = file.write("hello")
        ...     target.publish(path)
        >>> fsspec.filesystem("memory").cat("/hello.txt")
        b'hello'
        """
        if mode not in get_args(Mode):
            raise ConfigError(f"unknown mode {escaped(mode)!r}", hint='Pass "overwrite", "create" or "in_place".')
        if filesystem is not None and storage_options:
            raise ConfigError("storage_options and filesystem are mutually exclusive", hint="Pass one of the two.")
        if is_buffer(path):
            if filesystem is not None or storage_options:
                what = "storage_options and filesystem do not apply to a buffer"
                raise ConfigError(what, hint="Remove both.")
            target = _open_buffer(path, mode)
        elif filesystem is not None:
            target = _in_filesystem(filesystem, path, mode)
        else:
            target = _at_url(path, storage_options, mode)
        found = target.attempt("look up", target.place.kind)
        if found not in {None, "file"}:
            raise ConfigError(f"the target is a {found}", where=target.url, hint="Pass the URL of a file.")
        if found and mode == "create":
            raise target.exists_error()
        target.attempt("reach", target.place.probe, new_folders)
        return target

    @contextmanager
    def spool(self) -> Iterator[str]:
        """Lend the path of an empty local file; it is gone afterwards, whatever happens.

        The file may have no name: open it by this path, in this process, and neither rename nor unlink it.
        """
        spool = self.attempt("create a temporary file for", self.place.new_spool)
        try:
            yield spool.path
        finally:
            with suppressed(OSError):
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
        self.attempt("publish" if self.place.is_atomic else OVERWRITE, self._put, path)
        stored = self.place.stored()
        if stored is None:
            return
        size = self.attempt("read the temporary file for", os.path.getsize, path)
        if stored != size:
            what = f"the published file has {stored} bytes, expected {size}"
            hint = "Check the file before you write again. Another process may have replaced it."
            raise WriteError(what, where=self.url, hint=hint)

    def remove(self) -> None:
        """Take away what was published as a trial: no other result is ever deleted."""
        self.attempt("remove", self.place.remove)

    def _put(self, path: str) -> None:
        try:
            return self.place.put(path, create=self.mode == "create")
        except failures(Exception) as raised:
            taken = False
            with suppressed(Exception):
                taken = self.mode == "create" and (is_failed_condition(raised) or self.place.kind() is not None)
            if not taken:
                raise
        raise self.exists_error()

    def exists_error(self) -> TargetExistsError:
        """Make the error of `mode="create"` for what exists."""
        hint = 'Pass another name, or mode="overwrite" to replace it.'
        return TargetExistsError("the target already exists", where=self.url, hint=hint)


def _open_buffer(buffer: Buffer, mode: Mode) -> Target:
    place = OpenBuffer(buffer)
    if mode != "overwrite":
        hint = "Remove mode=. Buffers are written from their current position."
        raise ConfigError(f"mode {mode!r} is not supported for buffers", where=place.shown, hint=hint)
    return Target(place.shown, mode, Mask("", {}), place)


def _in_filesystem(filesystem: Any, path: Any, mode: Mode) -> Target:
    fs, inner, traits = within(filesystem, path)
    if isinstance(fs, LocalFileSystem):
        return _at_url(Path(inner), None, mode)
    url = fs.unstrip_protocol(inner)
    mask = Mask(url, getattr(fs, "storage_options", None) or {})
    return Target(shown_url(url), mode, mask, _remote(fs, inner, traits, mode))


def _at_url(url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None, mode: Mode) -> Target:
    text = checked(url)
    options = storage_options or {}
    mask = Mask(text, options)
    local = local_path(url)
    if local is None:
        fs, inner = connect(text, options, mask, WriteError)
        return Target(shown_url(text), mode, mask, _remote(fs, inner, scheme_of(text), mode))
    check_local_name(url)
    if local.startswith(("/dev/std", "/dev/fd/", "/proc/")):
        hint = "Pass the path of a file. Writing here would replace the redirected output of this process."
        raise ConfigError("the target is a standard stream of this process", where=local, hint=hint)
    path = os.path.realpath(local)  # a link stays, and its file is replaced
    return Target(shown_url(path), mode, mask, (FileInPlace if mode == "in_place" else LocalFile)(path))


def _remote(fs: Any, path: str, traits: Scheme, mode: Mode) -> StoredObject:
    is_put = traits.puts_whole if traits.is_object_store else mode == "in_place"
    return (StoredObject if is_put else RemoteFile)(fs, path, traits)
