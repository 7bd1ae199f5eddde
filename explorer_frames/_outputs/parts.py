"""Find, open and decompress the files of a full result, and detect changes."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from fsspec.core import has_magic

from explorer_frames._arguments import checked_id
from explorer_frames._errors import escaped, plural
from explorer_frames._progress import count
from explorer_frames._signals import suppressed
from explorer_frames._storage.failures import DAMAGED
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, FileReadError

try:
    from isal import isal_zlib  # with the same interface, and two to three times as fast
except ImportError:  # not available on all platforms
    isal_zlib = zlib  # type: ignore[misc,unused-ignore]  # one module in place of another

CHANGED = "Retry after all files have been written."
_MISSING = "Check the path. Each full result is in a folder below the output path of the workflow."
_UNENDED = "Copy the file again. If it is complete, add a newline at its end."
_CORE = re.compile("([0-9]{1,9})_core")  # one folder for each k of KCore with TYPE=subgraph
_PASSED_OVER = (".", "_")  # prefixes of names that are skipped
_PIECE = 2**19  # bytes; with larger chunks, the allocator returns their memory each time, which is slow
_COMPRESSED = 2**17  # bytes of a gzip file to decompress at once, usually to less than `_PIECE`
_FETCH = 4 * 2**20  # bytes per request of a remote driver; s3fs would hold its default of 50 MiB in memory
_CODECS = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # UTF-8 text cannot start with these bytes
_NOT_CSV = {".bz2", ".deflate", ".lz4", ".lzo", ".snappy", ".xz", ".zip", ".avro", ".feather", ".orc", ".parquet"}
_GZIP = 31  # window size of zlib, and a gzip header and checksum
_FLAGS = 3  # position of the flags in a gzip header
# isal supports a header that is split between two reads only if it has at most one optional field (RFC 1952). It also
# accepts reserved flags.
_FLAGS_FOR_ISAL = {b"\x00", b"\x04", b"\x08", b"\x10"}
# Metadata that changes with the content of a file. Stores may update other metadata when a file is read.
_IDENTITY = (
    *("name", "size", "type", "ETag", "etag", "generation", "mtime"),
    *("LastModified", "last_modified", "modificationTime", "updated"),
    *("modified", "modify", "Last-Modified", "created"),
)
_BY_TASK = ("{job_id}/{task_id}", "{job_id}/tasks/{task_id}", "{task_id}")
_BY_COMPONENT = ("{job_id}/tasks/{component}", "{job_id}/{component}")
_FIELD = re.compile(r"\{(\w*)\}")
_SHOWN = 20  # maximum number of names in an error message
_OF_IDS = "[0-9A-Za-z-]"


def output_url(
    root: str | os.PathLike[str],
    job_id: str,
    task_id: str,
    *,
    folder: str | None = None,
    component: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> str | os.PathLike[str]:
    """Return the URL of a task's full result in the folder `root`."""
    ids = {"job_id": checked_id("job_id", job_id), "task_id": checked_id("task_id", task_id)}
    if component is not None:
        ids["component"] = checked_id("component", component)
    if folder is not None:
        return _join(root, _filled(_checked(folder, ids), ids))
    job, task = ids["job_id"], ids["task_id"]
    store = Store(root, storage_options)
    # The usual paths are searched first. If none of them exists, exactly one name must contain both ids.
    usual = [_filled(template, ids) for template in (_BY_TASK if component is None else _BY_COMPONENT)]
    found = [below for below in usual if store.info(_below(store, below)) is not None]
    names: list[str] = []
    if not found:
        names = [below for folder in ("", job, f"{job}/tasks") for below in _names(store, folder)]
        found = [below for below in names if _is_of(below, job, task)] if component is None else []
    if len(found) == 1:
        return _join(root, found[0])
    which = (
        f"{len(found)} folders match: {_list(found)}"
        if found
        else f"the folder contains {_list(names) or 'no folders'}"
    )
    if component is None:
        others = ", and folders with both ids"
        hint = f"Pass the component, such as component='analytics_pagerank_1', or folder='{_BY_TASK[0]}'."
    else:
        others, hint = "", f"Check the component, or pass the folder, such as folder='{_BY_COMPONENT[0]}'."
    raise FileReadError(
        f"cannot find the result of job {job}, {f'task {task}' if component is None else component}: {which}",
        where=store.shown,
        hint=f"{hint} The search included {', '.join(usual)}{others}.",
    )


def _checked(folder: str, ids: dict[str, str]) -> str:
    """Validate the fields of a folder template and return the template."""
    names = _FIELD.findall(folder) if isinstance(folder, str) else []
    hint = "Pass folder='{job_id}/{task_id}', or folder='{job_id}/tasks/{component}' and the component."
    if "task_id" not in names and "component" not in names:
        raise ConfigError(f"folder must contain {{task_id}} or {{component}}, got {escaped(folder, 60)!r}", hint=hint)
    if "component" in names and "component" not in ids:
        raise ConfigError("folder contains {component}, but no component was passed", hint=hint)
    if "component" in ids and "component" not in names:
        raise ConfigError(f"folder does not contain {{component}}, got {escaped(folder, 60)!r}", hint=hint)
    unknown = [name for name in names if name not in ids]
    if unknown:
        raise ConfigError(f"folder contains the unknown field {{{escaped(unknown[0], 60)}}}", hint=hint)
    return folder


def _filled(template: str, ids: dict[str, str]) -> str:
    return _FIELD.sub(lambda found: ids[found[1]], template).lstrip("/")


def _join(root: str | os.PathLike[str], below: str) -> str | os.PathLike[str]:
    if isinstance(root, os.PathLike):
        return Path(root, below)
    return root + "/" * (not root.endswith("/")) + below


def _below(store: Store, below: str) -> str:
    return f"{store.path.rstrip('/')}/{below}" if below else store.path


def _names(store: Store, folder: str) -> list[str]:
    """Return the paths in a folder below the root, or no paths if it is not a folder."""
    path = _below(store, folder)
    found = store.info(path)
    if found is None or found["type"] != "directory":
        return []
    names = (entry["name"].rstrip("/").rpartition("/")[2] for entry in store.ls(path))
    return [f"{folder}/{name}" if folder else name for name in names if not name.startswith((".", "_"))]


def _is_of(below: str, job: str, task: str) -> bool:
    """Return whether a path contains the job's id and its last name the task's id.

    Both ids must match completely. Ids may contain ``-``, so it is a separator only between the two ids. For example,
    task ``a-1`` does not match ``52_a-1-2``.
    """
    before, behind = f"(?<!{_OF_IDS})", f"(?!{_OF_IDS})"
    between = rf"(?:-|{behind}.*{before})"
    pattern = rf"{before}{re.escape(job)}{between}{re.escape(task)}{behind}[^/]*$"
    return re.search(pattern, below, re.DOTALL) is not None


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(escaped(name, 100) for name in names[:_SHOWN]) + more


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the result."""

    shown: str
    path: str = field(repr=False)  # a signed URL is a secret
    size: int | None  # in bytes
    k: int | None = None  # number in the name of the folder ``<k>_core``, if there are several folders


class Parts:
    """Files of one result, as listed at one point in time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries = self._look()
        cores = [_core_of(_folder(entry["name"])) for entry in self._entries]
        self.of_subgraphs: bool = None not in cores
        by_k = self.of_subgraphs and _core_of(store.path) is None and _core_of(_folder(store.path)) is None
        self.files: list[Part] = [
            Part(store.shown_path(entry["name"]), entry["name"], entry.get("size"), k if by_k else None)
            for entry, k in zip(self._entries, cores, strict=True)
        ]

    @property
    def size(self) -> int | None:
        """Total size of all files in bytes, or None if the store does not return it."""
        sizes = [part.size for part in self.files]
        return None if None in sizes else sum(filter(None, sizes))

    def refuse_among(self, target: str) -> None:
        """Raise ConfigError if an output file would replace or become an input file."""
        store, local = self._store, self._store.is_local
        places = {os.path.realpath(part.path) if local else part.shown for part in self.files}
        folders = {os.path.realpath(store.path) if local else store.shown.rstrip("/")}
        if self.of_subgraphs:
            names = {_last_of(_folder(part.path)) for part in self.files}
            folders |= {*map(_folder, places), *(f"{store.shown.rstrip('/')}/{name}" for name in names)}
        beside, name = os.path.split(target) if local else target.rpartition("/")[::2]
        if target in places or (beside in folders and not name.startswith(_PASSED_OVER)):
            raise ConfigError(
                "the output path is inside the input folder", where=target, hint="Pass a path in another folder."
            )

    def state(self) -> str:
        """Return a digest that changes if a file is changed, added or removed."""
        known = [_identity(entry) for entry in self._entries]
        return hashlib.sha256(repr(known).encode("utf-8", "surrogatepass")).hexdigest()

    def check_unchanged(self) -> None:
        """Raise FileReadError if the files have changed since they were listed."""
        known, now = ({entry["name"]: _identity(entry) for entry in found} for found in (self._entries, self._look()))
        changed = sorted(name for name in {*known, *now} if known.get(name) != now.get(name))
        if changed:
            first = self._store.shown_path(changed[0])
            what = f"{len(changed)} of {len({*known, *now})} files changed while they were read"
            raise FileReadError(f"{what}, such as {first}", where=self._store.shown, hint=CHANGED)

    def check_state(self, state: str) -> None:
        """Raise FileReadError if the digest of the files is not `state`."""
        if self.state() != state:
            what = "files changed after they were listed"
            raise FileReadError(what, where=self._store.shown, hint=CHANGED)

    def _look(self) -> list[dict[str, Any]]:
        store = self._store
        found = store.info(store.path)
        if found is None and has_magic(store.path):
            entries = store.glob(store.path)
            for folder in sorted({store.fs._parent(entry["name"]) for entry in entries}):  # noqa: SLF001 (fsspec's)
                _check_finished(store.ls(folder), store.shown_path(folder))
        elif found is None:
            raise FileReadError("file or folder not found", where=store.shown, hint=_MISSING)
        elif found["type"] == "directory":
            entries = store.ls(store.path)
            _check_finished(entries, store.shown)
        elif found["type"] != "file":
            hint = "Pass the path of a CSV file or a folder."
            raise FileReadError("not a regular file: device, pipe or socket", where=store.shown, hint=hint)
        else:
            _check_finished([found], store.shown)
            return [found]
        entries = self._checked(self._in_cores(_without_passed_over(entries)))
        store.check_regular(entry["name"] for entry in entries)
        return sorted(entries, key=lambda entry: _core_of(_folder(entry["name"])) or 0)

    def _in_cores(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Replace KCore's folders with their contents if there are no other entries."""
        by_k = sorted((k, entry["name"]) for entry in entries if (k := _core_of(entry["name"])) is not None)
        if not entries or len(by_k) < len(entries) or any(entry["type"] != "directory" for entry in entries):
            return entries
        found = []
        for _, folder in by_k:
            inside = self._store.ls(folder)
            _check_finished(inside, self._store.shown_path(folder))
            found += self._checked(_without_passed_over(inside), self._store.shown_path(folder))
        return found

    def _checked(self, entries: list[dict[str, Any]], where: str | None = None) -> list[dict[str, Any]]:
        where = where or self._store.shown
        folders = [entry for entry in entries if entry["type"] == "directory"]
        if folders:
            count = f"{len(folders)} {plural(len(folders), 'folder')}"
            what = f"found {count} among the CSV files, such as {escaped(_last_of(folders[0]['name']), 100)!r}"
            hint = "Pass the folder that contains the CSV files, or a pattern that matches only files."
            raise FileReadError(what, where=where, hint=hint)
        if not entries:
            hint = "Check in Explorer that the task has ended. Even an empty result has a file."
            raise FileReadError("no CSV files found", where=where, hint=hint)
        plain: dict[str, str] = {}
        for name in (entry["name"] for entry in entries):
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a URL's path)
            other = plain.setdefault(stem if suffix.lower() in _CODECS else name, name)
            if other != name:
                both = f"{escaped(_last_of(other), 100)!r} and {escaped(_last_of(name), 100)!r}"
                hint = "Remove one of them, or pass a pattern that matches only one."
                raise FileReadError(f"duplicate files: {both}", where=where, hint=hint)
        return entries


def pieces(store: Store, part: Part) -> Generator[bytes]:
    """Yield the decompressed content of a file in chunks."""
    raw, last = _Stream(store.attempt("open", store.fs.open, part.path, "rb", where=None, block_size=_FETCH)), b""
    counted = 0
    try:
        codec = _codec(store, part, raw)
        file: Any = raw
        if codec == "gzip":
            file = _Gunzip(raw)
        elif codec == "zstd":
            file = pa.CompressedInputStream(pa.PythonFile(raw, "r"), codec)
        while True:
            piece = store.attempt("read", file.read, _PIECE, where=None)
            count(done=raw.count - counted)
            counted = raw.count
            if not piece:
                break
            yield piece
            last = piece
    finally:
        with suppressed(Exception):  # After reading, an error on close is harmless.
            raw.close()
    if part.size not in {None, raw.count}:
        raise FileReadError(
            f"the file size changed from {part.size} to {raw.count} bytes while it was read", hint=CHANGED
        )
    if codec and not raw.count:
        raise FileReadError(f"invalid {codec} file: the file is empty", hint=DAMAGED)
    # A plain file without a final line end is considered truncated.
    if not codec and not last.endswith(b"\n") and last not in {b"", BOM_UTF8}:
        what = "truncated file: the last line does not end with a newline"
        raise FileReadError(what, hint=_UNENDED)


class _Stream:
    """Read-only file object with the methods that pyarrow needs."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._seen = b""
        self.count = 0  # number of bytes read
        self.closed = False

    def peek(self, size: int) -> bytes:
        """Return the first bytes without consuming them. Must be called before `read`."""
        while len(self._seen) < size and (more := self._raw.read(size - len(self._seen))):
            self._seen += more
        return self._seen

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, or no bytes at the end."""
        found: bytes = self._seen + self._raw.read(max(0, size - len(self._seen)))
        self._seen = b""
        self.count += len(found)
        return found

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._raw.close()


class _Gunzip:
    """Decompressed content of a gzip file with one or more members."""

    # `gzip.GzipFile` accepts NUL bytes after the last member, and `isal.igzip` any bytes.
    def __init__(self, raw: _Stream) -> None:
        self._raw = raw
        self._member: Any = None
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, or no bytes at the end."""
        found: list[bytes] = []
        room = size
        while room and (not found or self._member.eof):
            is_between = self._member is None or self._member.eof
            least = _FLAGS + 1 if is_between else 1
            while len(self._left) < least and (more := self._raw.read(_COMPRESSED)):
                self._left += more
            if not self._left and not is_between:
                raise EOFError("compressed data ended before the end of the file")
            if not self._left:
                break
            if is_between:
                library = isal_zlib if self._left[_FLAGS : _FLAGS + 1] in _FLAGS_FOR_ISAL else zlib
                self._member = library.decompressobj(_GZIP)
            try:
                text = self._member.decompress(self._left, room)
            except (zlib.error, isal_zlib.error) as raised:  # type: ignore[misc,unused-ignore]  # untyped in isal
                raise ValueError(f"invalid compressed data: {raised}") from None
            self._left = self._member.unconsumed_tail or self._member.unused_data
            if text:
                found.append(text)
                room -= len(text)
        return b"".join(found)


def _codec(store: Store, part: Part, raw: _Stream) -> str | None:
    suffix = os.path.splitext(part.path)[1].lower()  # noqa: PTH122 (a URL's path)
    if suffix in _NOT_CSV:
        raise FileReadError(
            f"unsupported file extension {suffix}", hint="Pass CSV files, either plain or compressed as .gz or .zst."
        )
    if suffix in _CODECS:
        return _CODECS[suffix]
    start = store.attempt("read", raw.peek, 4, where=None)
    return next((codec for magic, codec in _MAGIC.items() if start.startswith(magic)), None)


def _without_passed_over(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in entries if not _last_of(entry["name"]).startswith(_PASSED_OVER)]


def _core_of(path: str) -> int | None:
    """Return the k of a folder ``<k>_core``, or None for other names."""
    found = _CORE.fullmatch(os.path.basename(path.rstrip("/")))  # noqa: PTH119 (a URL's path)
    return int(found[1]) if found else None


def _folder(path: str) -> str:
    return os.path.dirname(path.rstrip("/"))  # noqa: PTH120 (a URL's path)


def _last_of(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _check_finished(entries: list[dict[str, Any]], where: str) -> None:
    for name in (_last_of(entry["name"]) for entry in entries):
        if name == "_temporary":
            hint = "Wait until the job has ended. If the job has already ended, run it again."
            raise FileReadError("unfinished result: the folder contains _temporary", where=where, hint=hint)
        if name.endswith(("._COPYING_", ".tmp", ".partial", "~")):  # from `hdfs dfs -put` or an editor
            hint = "Wait until the copy is complete. If the copy was interrupted, start it again."
            raise FileReadError(f"unfinished copy: the folder contains {escaped(name, 100)}", where=where, hint=hint)


def _identity(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry.get(key)) for key in _IDENTITY)
