"""Read files at any fsspec URL."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from copy import copy
from operator import itemgetter
from typing import TYPE_CHECKING, Any, BinaryIO

import fsspec
from fsspec.config import apply_config
from fsspec.implementations.local import LocalFileSystem

from explorer_frames._errors import escaped
from explorer_frames._signals import failures, suppressed
from explorer_frames._storage.address import Mask, local_path, shown_url, text_of
from explorer_frames._storage.drivers import connect
from explorer_frames._storage.failures import Guard, is_missing
from explorer_frames._storage.local import check_regular
from explorer_frames._storage.paths import plain_path
from explorer_frames.errors import FileReadError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Store(Guard):
    """Store to read files from, without secrets in error messages."""

    failure: type[WriteError | FileReadError] = FileReadError
    noun: str = "the file"

    def __init__(self, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> None:
        url, storage_options = plain_path(url, storage_options)
        text = text_of(url, "source")
        options = storage_options or {}
        local = local_path(url)
        configured = _configured(text.partition("://")[0] if local is None else "file")
        self.mask: Mask = Mask(text, {"given": options, "configured": configured})
        self.shown: str = shown_url(text if local is None else local)
        self.fs: Any
        self.path: str
        if local is None:
            self.fs, self.path = connect(text, options, self.mask, FileReadError)
        else:
            self.fs, self.path = fsspec.filesystem("file"), local

    def info(self, path: str) -> dict[str, Any] | None:
        """Return the fsspec entry of a path, or None if the path does not exist."""
        return self.attempt("look up", self._info, path, where=self.shown_path(path))

    def _info(self, path: str) -> dict[str, Any] | None:
        self.fs.invalidate_cache()
        try:
            return dict(self.fs.info(path))
        except failures(Exception) as raised:
            if isinstance(raised, NotADirectoryError) or is_missing(raised):
                return None
            raise

    def ls(self, path: str) -> list[dict[str, Any]]:
        """Return the entries of a folder, sorted by name."""
        self.fs.invalidate_cache()
        entries = self.attempt("list", self.fs.ls, path, detail=True, where=self.shown_path(path))
        # Object stores may list the folder itself as an empty object.
        own = path.strip("/")
        return sorted((dict(entry) for entry in entries if entry["name"].strip("/") != own), key=itemgetter("name"))

    def glob(self, pattern: str) -> list[dict[str, Any]]:
        """Return the entries that match a pattern, sorted by name."""
        self.fs.invalidate_cache()
        entries = self.attempt("list", self.fs.glob, pattern, detail=True).values()
        return sorted(map(dict, entries), key=itemgetter("name"))

    def check_regular(self, paths: Iterable[str]) -> None:
        """Raise FileReadError if a local path exists and is not a regular file."""
        if self.is_local:
            self.attempt("read", check_regular, paths)

    def at(self, path: str) -> Store:
        """Return a copy of this store with another path."""
        other = copy(self)
        other.path, other.shown = path, self.shown_path(path)
        return other

    @property
    def is_local(self) -> bool:
        """Whether the files are on local disk."""
        return isinstance(self.fs, LocalFileSystem)

    def shown_path(self, path: str) -> str:
        """Return a path in this store, formatted for error messages."""
        # On Windows, fsspec returns local paths with forward slashes.
        return shown_url(path.replace("/", os.sep) if self.is_local else self.fs.unstrip_protocol(path))

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open the file at the URL for random access."""
        self._refuse_streams()
        self.fs.invalidate_cache()
        with self.attempt("open", self.fs.open, self.path, "rb") as file:
            yield file

    @contextmanager
    def fetched(self) -> Iterator[BinaryIO]:
        """Open the local file, or a temporary local copy of a remote file."""
        self._refuse_streams()
        with ExitStack() as stack:
            path = self.path
            if not self.is_local:
                path = os.path.join(stack.enter_context(_folder()), "copy")  # noqa: PTH118 (paths are plain strings)
                self.fs.invalidate_cache()
                self.attempt("fetch", self.fs.get_file, self.path, path)
            file: Any = self.attempt("open", open, path, "rb")
            yield stack.enter_context(file)

    def _refuse_streams(self) -> None:
        """Raise FileReadError for a folder, pipe, socket or device."""
        # Opening a pipe can block indefinitely.
        if self.is_local and os.path.exists(self.path) and not os.path.isfile(self.path):  # noqa: PTH110, PTH113
            kind = "folder" if os.path.isdir(self.path) else "device, pipe or socket"  # noqa: PTH112
            raise FileReadError(
                f"the path is a {kind}, not a file", where=self.shown, hint="Pass the path or URL of a file."
            )


def _folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="explorer_frames-")
    except failures(OSError) as raised:
        what = f"cannot create a temporary folder: {escaped(raised)}"
    raise FileReadError(what, hint="Set TMPDIR to an existing folder with free space.")


def _configured(scheme: str) -> dict[str, Any]:
    """Return the driver options from fsspec's own configuration."""
    with suppressed(Exception):  # the driver raises the same error when it connects
        return dict(apply_config(fsspec.get_filesystem_class(scheme), {}))
    return {}
