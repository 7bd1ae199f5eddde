"""Files at any fsspec URL, to be read."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from explorer_frames._address import LOCAL, Mask, checked, shown_url
from explorer_frames._publish import connect
from explorer_frames.errors import ExplorerFramesError, FileReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_T = TypeVar("_T")


class Source:
    """One file.

    Parameters
    ----------
    url
        A local path or any fsspec URL, also of a store that can only be read.
    storage_options
        For the fsspec driver, as pandas takes them.

    Attributes
    ----------
    url : str
        Without user, password and query; an absolute path on local disk.

    Raises
    ------
    ConfigError
        It is no URL of a file, or its driver is not installed.
    FileReadError
        The store cannot be reached.
    """

    def __init__(self, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> None:
        text = checked(url, to_read=True)
        options = storage_options or {}
        self._mask = Mask(text, options)
        self._fs: Any = None
        scheme = "file" if isinstance(url, os.PathLike) or "://" not in text else text.partition("://")[0]
        if scheme in LOCAL:
            self._path = os.path.realpath(os.path.expanduser(re.sub("^(file|local):(//)?", "", text)))  # noqa: PTH111
            self.url = shown_url(self._path)
        else:
            self.url = shown_url(text)
            self._fs, self._path = connect(scheme, text, options, self._mask, FileReadError)

    def attempt(self, doing: str, action: Callable[..., _T], *args: Any) -> _T:
        """Call `action`; what it raises becomes a FileReadError without secrets or the driver's exception."""
        try:
            return action(*args)
        except ExplorerFramesError:
            raise
        except Exception as raised:  # noqa: BLE001 (drivers raise what they like)
            what = "there is no such file" if isinstance(raised, FileNotFoundError) else f"cannot {doing} the file"
            error = FileReadError(f"{what}: {self._mask(raised)}", where=self.url, hint=_hint(raised))
        raise error

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open it, to read parts of it."""
        if self._fs is None:
            file: Any = self.attempt("open", open, self._path, "rb")
        else:
            self._fs.invalidate_cache()
            file = self.attempt("open", self._fs.open, self._path, "rb")
        with file:
            yield file

    @contextmanager
    def local(self) -> Iterator[str]:
        """Lend a local path of it: its own, or that of a copy, which is gone afterwards."""
        if self._fs is None:
            yield self._path
            return
        with tempfile.TemporaryDirectory(prefix="explorer_frames-") as folder:
            copy = os.path.join(folder, "copy")  # noqa: PTH118 (paths are plain strings here)
            self._fs.invalidate_cache()
            self.attempt("fetch", self._fs.get_file, self._path, copy)
            yield copy


def _hint(raised: Exception) -> str:
    if isinstance(raised, FileNotFoundError):
        return "Check the URL."
    if isinstance(raised, PermissionError) or "Credential" in type(raised).__name__:
        return "Ask for the right to read it, or pass other credentials in storage_options."
    return "Check that it is a whole Parquet or Feather file, and that the store can be reached."
