"""Publish local files atomically at any fsspec URL.

The caller writes, closes and verifies a temporary file. The store then publishes it with an atomic operation. Only
``mode="in_place"`` and open buffers are written directly. See docs/explanation/writing.md for the guarantees of each
store.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from fsspec.implementations.local import LocalFileSystem

from explorer_frames._errors import as_given
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
    """Target of one file to publish."""

    def __init__(self, url: str, mode: Mode, mask: Mask, place: Place) -> None:
        self.url = self.shown = url
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
        new_folders: int | None = 0,  # maximum number of parent folders to create; None for any number
    ) -> Target:
        """Connect to the store and check that the file can be published."""
        if mode not in get_args(Mode):
            raise ConfigError(f"unknown mode {as_given(mode)}", hint='Pass "overwrite", "create" or "in_place".')
        if filesystem is not None and storage_options:
            raise ConfigError(
                "storage_options and filesystem are mutually exclusive", hint="Remove one of these arguments."
            )
        if is_buffer(path):
            if filesystem is not None or storage_options:
                what = "storage_options and filesystem do not apply to a buffer"
                raise ConfigError(what, hint="Remove these arguments.")
            target = _open_buffer(path, mode)
        elif filesystem is not None:
            target = _in_filesystem(filesystem, path, mode)
        else:
            target = _at_url(path, storage_options, mode)
        needs_kind = mode == "create" or target.place.has_folders
        found = target.attempt("look up", target.place.kind) if needs_kind else None
        if found not in {None, "file"}:
            raise ConfigError(f"the target is a {found}", where=target.url, hint="Pass the path or URL of a file.")
        if found and mode == "create":
            raise target.exists_error()
        target.attempt("reach", target.place.probe, new_folders)
        return target

    @contextmanager
    def spool(self) -> Iterator[str]:
        """Yield the path of an empty temporary file, which is removed afterwards.

        The file may have no name. Open it by this path in this process, and do not rename or delete it.
        """
        spool = self.attempt("create a temporary file for", self.place.new_spool)
        try:
            yield spool.path
        finally:
            with suppressed(OSError):
                spool.discard()

    def flush(self, path: str) -> None:
        """Flush the temporary file to disk before `publish`."""
        self.place.flush(path)

    def publish(self, path: str) -> None:
        """Publish the closed temporary file at the target."""
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
        """Remove a file that was published as a trial."""
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
        """Return the error for an existing target with `mode="create"`."""
        hint = 'Pass another name, or mode="overwrite" to replace it.'
        return TargetExistsError("the target already exists", where=self.url, hint=hint)


def _open_buffer(buffer: Buffer, mode: Mode) -> Target:
    place = OpenBuffer(buffer)
    if mode != "overwrite":
        hint = "Remove mode=. Buffers are written starting at their current position."
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
        hint = "Pass the path of a regular file."
        raise ConfigError("the target is a standard stream of this process", where=local, hint=hint)
    path = os.path.realpath(local)  # a symbolic link is kept, and the file it points to is replaced
    return Target(shown_url(path), mode, mask, (FileInPlace if mode == "in_place" else LocalFile)(path))


def _remote(fs: Any, path: str, traits: Scheme, mode: Mode) -> StoredObject:
    is_put = traits.puts_whole if traits.is_object_store else mode == "in_place"
    return (StoredObject if is_put else RemoteFile)(fs, path, traits)
