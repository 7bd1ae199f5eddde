"""The parts of a full result: found at any fsspec URL, opened, decompressed, and found unchanged at the end."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import fsspec
import pyarrow as pa
from fsspec.core import has_magic, url_to_fs

from explorer_frames._address import LOCAL, Mask, shown_url
from explorer_frames.errors import ConfigError, ExplorerFramesError, FileReadError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

_T = TypeVar("_T")

_PIECE = 2**20  # bytes: smaller is slower to cut, larger is no faster
_FETCH = 4 * 2**20  # bytes that a remote driver gets at once; S3's own 50 MiB would all be held
_AHEAD = 4  # pieces: enough to go on while a row group is written
_CODECS = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # neither can be the start of UTF-8
_NOT_CSV = {".bz2", ".deflate", ".lz4", ".lzo", ".snappy", ".xz", ".zip", ".avro", ".feather", ".orc", ".parquet"}
# What tells one state of a file from another, as far as a store has it. Not all of its answer: some tell of reads too.
_IDENTITY = (
    *("name", "size", "type", "ETag", "etag", "generation", "mtime"),
    *("LastModified", "last_modified", "modificationTime", "updated"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the result.

    Attributes
    ----------
    shown
        Its URL without secrets.
    path, size
        As its store has them.
    """

    shown: str
    path: str
    size: int | None


class Store:
    """A place to read files from, whose errors are typed and tell no secret.

    Parameters
    ----------
    url
        A local path or any fsspec URL.
    storage_options
        For the driver, as pandas takes them.

    Raises
    ------
    ConfigError
        It is no URL, or there is no driver for it.
    FileReadError
        The driver could not connect.
    """

    def __init__(self, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> None:
        text = os.fspath(url) if isinstance(url, str | os.PathLike) else None
        if not isinstance(text, str) or not text or "\0" in text:
            raise ConfigError("what to read is no URL or path", hint="Pass a non-empty str or a pathlib.Path.")
        self.shown = shown_url(text)
        self._mask = Mask(text, storage_options or {})
        if isinstance(url, os.PathLike):
            self.fs, self.path = fsspec.filesystem("file"), os.path.abspath(text)  # noqa: PTH100 (a plain string here)
        else:
            self.fs, self.path = self._connect(text, storage_options or {})

    def _connect(self, url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
        scheme = url.partition("://")[0] if "://" in url else "file"
        try:
            return url_to_fs(url, **({} if scheme in LOCAL else options))  # type: ignore[no-any-return]
        except (ImportError, ValueError, TypeError) as raised:
            what = f"the URL or its storage_options are not accepted: {self._mask(raised)}"
            hint = "Check the scheme, its driver, and the option names in the driver's documentation."
            error: ExplorerFramesError = ConfigError(what, where=self.shown, hint=hint)
        except Exception as raised:  # noqa: BLE001 (some drivers connect at once)
            error = self._error("connect to", self.shown, raised)
            if scheme == "hdfs":
                error.hint = (
                    "hdfs:// needs Hadoop's native client: JAVA_HOME, HADOOP_HOME or ARROW_LIBHDFS_DIR, and CLASSPATH. "
                    "webhdfs:// needs none of them."
                )
        raise error

    def attempt(self, doing: str, where: str | None, action: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        """Call `action`; what it raises becomes a FileReadError without secrets or the driver's exception."""
        try:
            return action(*args, **kwargs)
        except ExplorerFramesError:
            raise
        except Exception as raised:  # noqa: BLE001 (drivers raise what they like)
            error = self._error(doing, where, raised)
        raise error

    def info(self, path: str) -> dict[str, Any] | None:
        """What stands at a path; None for nothing."""

        def look_up() -> dict[str, Any] | None:
            self.fs.invalidate_cache()
            try:
                return dict(self.fs.info(path))
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self.attempt("look up", self.shown_path(path), look_up)

    def ls(self, path: str) -> list[dict[str, Any]]:
        """What is in a folder, by name."""

        def look_in() -> list[dict[str, Any]]:
            self.fs.invalidate_cache()
            return [dict(entry) for entry in self.fs.ls(path, detail=True)]

        entries = self.attempt("list", self.shown_path(path), look_in)
        # Object stores may list the folder itself, as an empty object.
        own = path.strip("/")
        return sorted((entry for entry in entries if entry["name"].strip("/") != own), key=_name)

    def glob(self, pattern: str) -> list[dict[str, Any]]:
        """What a pattern fits, by name."""

        def look_for() -> list[dict[str, Any]]:
            self.fs.invalidate_cache()
            return [dict(entry) for entry in self.fs.glob(pattern, detail=True).values()]

        return sorted(self.attempt("list", self.shown, look_for), key=_name)

    def at(self, path: str) -> Store:
        """The same store, to read what stands at another path of it."""
        other = copy(self)
        other.path, other.shown = path, self.shown_path(path)
        return other

    def shown_path(self, path: str) -> str:
        """A path of this store, as errors show it."""
        return shown_url(path if "file" in _protocols(self.fs) else self.fs.unstrip_protocol(path))

    def pieces(self, part: Part) -> Iterator[bytes]:
        """The part's text, decompressed, piece by piece.

        Raises
        ------
        FileReadError
            It cannot be read, or is damaged or cut off. A plain part that was cut off shows no sign of it.
        """
        raw = self.attempt("open", None, self.fs.open, part.path, "rb", block_size=_FETCH)
        try:
            codec = self._codec(part, raw)
            if codec and part.size == 0:
                raise FileReadError(f"it has no bytes, which no {codec} file has", hint=_DAMAGED)
            file = pa.CompressedInputStream(pa.PythonFile(raw, "r"), codec) if codec else raw
            while piece := self.attempt("read", None, file.read, _PIECE):
                yield piece
            read = self.attempt("read", None, raw.tell)
        finally:
            raw.close()
        if part.size not in {None, read}:
            raise FileReadError(f"{read} bytes could be read, and it was found to have {part.size}", hint=CHANGED)

    def _codec(self, part: Part, raw: Any) -> str | None:
        suffix = os.path.splitext(part.path)[1].lower()  # noqa: PTH122 (a URL's path)
        if suffix in _NOT_CSV:
            raise FileReadError(f"{suffix} is not read", hint="Parts are plain CSV, .gz or .zst.")
        if suffix in _CODECS:
            return _CODECS[suffix]
        start = self.attempt("read", None, raw.read, 4)
        self.attempt("read", None, raw.seek, 0)
        return next((codec for magic, codec in _MAGIC.items() if start.startswith(magic)), None)

    def _error(self, doing: str, where: str | None, raised: Exception) -> FileReadError:
        what = f"cannot {doing} it: {self._mask(raised)}"
        return FileReadError(what, where=where, hint=_hint(doing, raised))


class Parts:
    """The parts of one result, as they stood when they were looked for.

    Raises
    ------
    FileReadError
        Nothing is there, or a folder that is unfinished or holds other folders.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries = self._look()
        self.files = [
            Part(store.shown_path(entry["name"]), entry["name"], entry.get("size")) for entry in self._entries
        ]

    def check_unchanged(self) -> None:
        """Look again, and raise if anything is not as it was."""
        known, now = ({entry["name"]: _identity(entry) for entry in found} for found in (self._entries, self._look()))
        changed = sorted(name for name in {*known, *now} if known.get(name) != now.get(name))
        if changed:
            first = self._store.shown_path(changed[0])
            what = f"{len(changed)} of {len({*known, *now})} parts changed, came or went while they were read"
            raise FileReadError(f"{what}: the first is {first}", where=self._store.shown, hint=CHANGED)

    def _look(self) -> list[dict[str, Any]]:
        store = self._store
        found = store.info(store.path)
        if found is None and has_magic(store.path):
            entries = store.glob(store.path)
            for folder in sorted({store.fs._parent(entry["name"]) for entry in entries}):  # noqa: SLF001 (fsspec's)
                if store.info(f"{folder}/_temporary") is not None:
                    raise self._unfinished(store.shown_path(folder))
        elif found is None:
            raise FileReadError("there is no such file or folder", where=store.shown, hint=_MISSING)
        elif found["type"] == "directory":
            entries = store.ls(store.path)
            if any(_last(entry) == "_temporary" for entry in entries):
                raise self._unfinished(store.shown)
        else:
            return [found]
        return self._checked([entry for entry in entries if not _last(entry).startswith((".", "_"))])

    def _checked(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        folders = [entry for entry in entries if entry["type"] == "directory"]
        if folders:
            what = f"{len(folders)} folders are among the parts: the first is {escaped(_last(folders[0]), 100)!r}"
            hint = "Pass the folder that holds the parts themselves, or a pattern that fits only files."
            raise FileReadError(what, where=self._store.shown, hint=hint)
        if not entries:
            hint = "A result without rows has a part all the same: see in Explorer whether the task has ended."
            raise FileReadError("there is no part in it", where=self._store.shown, hint=hint)
        return entries

    @staticmethod
    def _unfinished(where: str) -> FileReadError:
        hint = "Wait until the job has ended; when it has, it failed or was killed, and has to run again."
        return FileReadError("it is unfinished: _temporary is still in it", where=where, hint=hint)


def ahead(items: Generator[_T]) -> Generator[_T]:
    """The same items, a few of them made ahead by another thread. Close it to end the thread."""
    end: Any = object()
    with ThreadPoolExecutor(1, thread_name_prefix="explorer_frames-parts") as pool:
        made = deque(pool.submit(next, items, end) for _ in range(_AHEAD))
        try:
            while (item := made.popleft().result()) is not end:
                made.append(pool.submit(next, items, end))
                yield item
        finally:
            pool.shutdown(cancel_futures=True)
            items.close()


_DAMAGED = "The part is damaged or was cut off: get it again from where it was copied, or run the job again."
CHANGED = "Read it again when nothing is written there any more."
_MISSING = "Full results lie where the workflow's author had them written, under a path made from job and task id."


def _hint(doing: str, raised: Exception) -> str:
    if isinstance(raised, PermissionError) or "Credential" in type(raised).__name__:
        return "Ask for the right to read there, or pass other credentials in storage_options."
    if isinstance(raised, FileNotFoundError):
        return _MISSING
    if doing == "read" and isinstance(raised, OSError):
        return _DAMAGED
    return "See to the cause that is named here, and read again."


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"])


def _last(entry: dict[str, Any]) -> str:
    return _name(entry).rstrip("/").rpartition("/")[2]


def _identity(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry.get(key)) for key in _IDENTITY)


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
