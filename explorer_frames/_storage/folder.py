"""Publish files in a folder of any store."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

from explorer_frames._signals import failures
from explorer_frames._storage.address import check_folder_name, shown_url, text_of
from explorer_frames._storage.failures import Guard, is_failed_condition, is_missing
from explorer_frames._storage.local import LocalFile, check_regular
from explorer_frames._storage.paths import plain_path
from explorer_frames._storage.publish import Mode, Target
from explorer_frames._storage.schemes import scheme_of
from explorer_frames._storage.spool import remove_stale, remove_stale_spools
from explorer_frames._storage.stores import StoredObject
from explorer_frames.errors import ConfigError, ExplorerFramesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from explorer_frames._storage.address import Mask


class Folder(Guard):
    """Folder in which files are published. The folder does not have to exist yet."""

    def __init__(
        self,
        url: str | os.PathLike[str],
        storage_options: Mapping[str, Any] | None = None,
        *,
        make_parents: bool = False,
    ) -> None:
        url, storage_options = plain_path(url, storage_options)
        text = text_of(url, "target")
        self.storage_options = storage_options
        self._base = re.sub(r"(?<![:/])/+$", "", text)
        check_folder_name(self._base)
        name = f".{uuid.uuid4().hex}"
        beside = Path(text, name) if isinstance(url, os.PathLike) else f"{self._base}/{name}"
        try:
            new_folders = None if make_parents else 1
            trial = Target.resolve(beside, storage_options=storage_options, new_folders=new_folders)
        except ExplorerFramesError as error:
            error.where = shown_url(self._base)
            raise
        if isinstance(trial.place, LocalFile):
            path = Path(trial.place.path)
            self._local: Path | None = path.parent
            self._fs, self._path = fsspec.filesystem("file"), path.parent.as_posix()  # `find` returns this format
        elif isinstance(trial.place, StoredObject):
            self._local = None
            self._fs, self._path = trial.place.fs, trial.place.path.removesuffix(name)
        self._path = self._path.rstrip("/")
        self._place: Any = type(trial.place)
        self._reached: set[str] = set()  # subfolders that have been checked
        self._honors_conditions = False  # whether the store has rejected a conditional put
        self.mask: Mask = trial.mask
        self.url = self.shown = shown_url(self._base if self._local is None else self._local)

    @property
    def reads_in_parallel(self) -> bool:
        """Whether several files can be read in parallel."""
        # An SMB connection limits concurrent requests, and parallel reads would exceed the limit.
        return self._local is not None or scheme_of(self._base).is_object_store

    def url_of(self, name: str) -> str:
        """Return the URL of a file in the folder, without secrets."""
        return f"{self.url}/{name}" if self._local is None else shown_url(self._local / name)

    def target(self, name: str) -> str | os.PathLike[str]:
        """Return the path or URL of a file in the folder, for use by a writer."""
        return f"{self._base}/{name}" if self._local is None else self._local / name

    def files(self) -> dict[str, int]:
        """Return the names of all files at any depth, with their sizes in bytes."""
        self._fs.invalidate_cache()
        found: dict[str, dict[str, Any]] = self.attempt("list", self._fs.find, self._path, detail=True)
        if self._path and self._path in found and self.attempt("look up", self._fs.isfile, self._path):
            raise ConfigError(
                "the path is a file, not a folder", where=self.url, hint="Pass the path or URL of a folder."
            )
        return {name.removeprefix(f"{self._path}/"): int(entry["size"] or 0) for name, entry in found.items()}

    def remove_stale(self, names: Iterable[str]) -> None:
        """Remove the stale temporary files among `names`."""
        if not scheme_of(self._base).is_object_store:  # object stores contain only complete objects
            remove_stale(self._fs, [f"{self._path}/{name}" for name in names])
        if self._local is None:  # temporary files of remote targets are in TMPDIR
            remove_stale_spools()

    def read(self, names: list[str]) -> list[bytes | None]:
        """Read small files concurrently. Missing files are returned as None."""
        return self.attempt("read", self._read, names) if names else []

    def _read(self, names: list[str]) -> list[bytes | None]:
        self._fs.invalidate_cache()
        paths = [f"{self._path}/{name}" for name in names]
        if self._local is not None:
            check_regular(paths)
        contents = self._fs.cat_ranges(paths, None, None, on_error="return")
        for content in contents:
            if isinstance(content, BaseException) and not is_missing(content):
                raise content
        return [content if isinstance(content, bytes) else None for content in contents]

    def look(self, name: str, look: Callable[[Any], Any]) -> tuple[int, Any]:
        """Open a file, call `look` with it, and return the file size and the result."""
        return self.attempt("read", self._look, name, look, where=self.url_of(name))

    def _look(self, name: str, look: Callable[[Any], Any]) -> tuple[int, Any]:
        self._fs.invalidate_cache()
        if self._local is not None:
            check_regular([f"{self._path}/{name}"])
        with self._fs.open(f"{self._path}/{name}", "rb") as file:
            found = look(file)
            return file.seek(0, os.SEEK_END), found

    def put(self, name: str, content: bytes, mode: Mode) -> None:
        """Publish a small file atomically."""
        target = self._target(name, mode)
        with target.spool() as path:
            target.attempt("write", Path(path).write_bytes, content)
            target.publish(path)

    def try_to_recreate(self, name: str, content: bytes) -> None:
        """Try to create an existing file with its own content.

        If the store rejects the condition, `new_target` does not look up other files, which would cost a request for
        each. Other errors, such as a lost connection, do not show whether the store honors conditions.
        """
        if self._local is not None or not scheme_of(self._base).is_object_store:
            return
        target = self._target(name, "create")
        with target.spool() as path:
            target.attempt("write", Path(path).write_bytes, content)
            try:
                target.place.put(path, create=True)
            except failures(Exception) as raised:
                self._honors_conditions = is_failed_condition(raised)

    def new_target(self, name: str) -> Target:
        """Return a Target for a new file, or raise TargetExistsError if the file already exists."""
        target = self._target(name, "create")
        # Some servers ignore the condition of a conditional put.
        if not self._honors_conditions and target.attempt("look up", target.place.kind):
            raise target.exists_error()
        return target

    def _target(self, name: str, mode: Mode) -> Target:
        """Return a Target for a file, using the existing connection to the store."""
        if self._local is None:
            place = self._place(self._fs, f"{self._path}/{name}", scheme_of(self._base))
        else:
            place = self._place(str(self._local / name))
        target = Target(self.url_of(name), mode, self.mask, place)
        folder = name.rpartition("/")[0]
        if folder not in self._reached:
            target.attempt("reach", place.probe, None)
            self._reached.add(folder)
        return target
