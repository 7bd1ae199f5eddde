"""Paths of other packages, file systems and buffers that callers pass in place of a URL."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import fsspec

from explorer_frames._errors import escaped
from explorer_frames._signals import failures
from explorer_frames._storage.address import LOCAL, WRAPPERS, check_options, checked, shown_url
from explorer_frames._storage.schemes import Scheme, scheme_of
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class Buffer(Protocol):
    """A binary file that is open for writing, such as `io.BytesIO`."""

    def write(self, data: bytes, /) -> object: ...


Destination: TypeAlias = "str | os.PathLike[str] | Buffer"

_OF_PATHLIB = {PurePath.as_uri, Path.as_uri}


def is_buffer(path: object) -> TypeIs[Buffer]:
    """Return whether this is an object to write to, rather than a path; the open local files of fsspec are both."""
    is_opened = isinstance(path, io.IOBase) or not isinstance(path, str | os.PathLike)
    return is_opened and callable(getattr(path, "write", None))


def is_path(path: object) -> bool:
    """Return whether this is a path or a URL, also one of a package whose paths are not `os.PathLike`."""
    return isinstance(path, str | os.PathLike) or _has_own_options(path)


def plain_path(
    path: Any, storage_options: Mapping[str, Any] | None = None
) -> tuple[str | os.PathLike[str], Mapping[str, Any] | None]:
    """Return the URL or local path of a path-like object, and the options for its store.

    Paths of universal_pathlib bring their options along, and S3 paths of cloudpathlib their client's credentials. The
    file behind another path-like object for a store is known by its URL only, so it needs `storage_options`.

    Parameters
    ----------
    path
        A path as a caller passes it; what is not path-like is returned as it is.
    storage_options
        Options for the driver, which replace the path's own.

    Raises
    ------
    ConfigError
        The path is not local, and has no URL or no options.

    Examples
    --------
    >>> plain_path("s3://bucket/a.parquet", {"anon": True})
    ('s3://bucket/a.parquet', {'anon': True})
    """
    url = _url_of(path)
    if url is None or url.partition("://")[0] in LOCAL:
        return url or path, storage_options
    if _has_own_options(path):
        given = storage_options or {}
        check_options(given)
        return url, {**path.storage_options, **given} or None
    if storage_options is None:
        storage_options = _options_of_client(path)
    if storage_options is None:
        what = f"missing storage_options for a {type(path).__name__}"
        hint = "Pass storage_options=, or the URL as a string."
        raise ConfigError(what, where=shown_url(url), hint=hint)
    return url, storage_options


def _has_own_options(path: object) -> bool:
    """Return whether this is a path of universal_pathlib, which is `os.PathLike` only for local files."""
    return isinstance(getattr(path, "protocol", None), str) and isinstance(
        getattr(path, "storage_options", None), Mapping
    )


def _url_of(path: Any) -> str | None:
    """Return the URL of a path-like object for a store; None for a local path, text, or anything else."""
    if _has_own_options(path):
        return None if path.protocol in {"", *LOCAL} else str(path)
    if isinstance(path, str) or not isinstance(path, os.PathLike):
        return None
    url: str | None = None
    scheme: Any = getattr(path, "scheme", None)
    as_uri: Any = getattr(path, "as_uri", None)
    if getattr(type(path), "as_uri", None) not in {None, *_OF_PATHLIB}:
        try:
            url = str(as_uri())
        except failures(Exception):  # of a foreign package
            url = ""
        url = None if url.partition("://")[0] in LOCAL else url
    elif scheme:
        url = f"{scheme}://"
    elif not isinstance(path, PurePath):
        text = os.fspath(path)
        url = text if isinstance(text, str) and "://" in text else None
    if url is None or url.partition("://")[2]:
        return url
    what = f"cannot find the URL of a {type(path).__name__}"
    raise ConfigError(what, hint="Pass the URL as a string.\nFor a local file, pass a pathlib.Path.")


def _options_of_client(path: Any) -> dict[str, Any] | None:
    """Return options for S3 with the credentials that a path of cloudpathlib uses; None for other paths."""
    client: Any = getattr(path, "client", None)
    if getattr(path, "cloud_prefix", None) != "s3://" or not hasattr(client, "sess"):
        return None
    options: dict[str, Any] = {}
    credentials = client.sess.get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options = {"key": frozen.access_key, "secret": frozen.secret_key, "token": frozen.token}
    settings = client.client.meta
    if not settings.endpoint_url.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        options["endpoint_url"] = settings.endpoint_url
    if settings.region_name:
        options["client_kwargs"] = {"region_name": settings.region_name}
    return options


def inner_path(path: object) -> str:
    """Return the path of a file in a file system that a caller passed, as text."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) and _url_of(path) is None else None
    if isinstance(text, str) and text and not text.endswith(("/", os.sep)):
        return text
    raise ConfigError("path must be the path of a file in the filesystem", hint="Pass a string.")


def within(filesystem: Any, path: str) -> tuple[Any, str, Scheme]:
    """Return the fsspec file system that a caller passed, the path in it, and the traits of its store.

    Parameters
    ----------
    filesystem
        Of fsspec or of pyarrow. Folders and subtrees of another file system stand for that one.
    path
        Plain path in it, or a URL of its own protocol.

    Raises
    ------
    ConfigError
        It is not a file system, or not one that files can be published in.
    """
    from fsspec.implementations.arrow import ArrowFSWrapper  # noqa: PLC0415 (few callers pass a file system)
    from fsspec.implementations.cached import CachingFileSystem  # noqa: PLC0415
    from fsspec.spec import AbstractFileSystem  # noqa: PLC0415

    fs, text = _unwrapped(filesystem, path)
    is_arrow = not isinstance(fs, AbstractFileSystem)
    if is_arrow and not (type(fs).__module__.startswith("pyarrow.") and hasattr(fs, "open_output_stream")):
        what = f"filesystem must be a file system, got {escaped(filesystem, 60)!r}"
        raise ConfigError(
            what, hint="Pass an fsspec file system.\nOr a pyarrow file system, such as pyarrow.fs.S3FileSystem()."
        )
    name = type(fs).__name__
    if is_arrow:
        fs = fsspec.filesystem("file") if fs.type_name == "local" else ArrowFSWrapper(fs)
    protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    traits = scheme_of(f"{min(protocols)}://")
    is_wrapper = isinstance(fs, CachingFileSystem) or protocols & WRAPPERS
    if is_wrapper or not traits.is_writable or getattr(fs, "asynchronous", False):
        what = f"cannot write to a {name}"
        raise ConfigError(what, hint="Pass the file system of the store itself, without a cache, archive or wrapper.")
    scheme, separator, _ = text.partition("://")
    if separator and scheme not in protocols:
        what = f"path must not be a URL of {escaped(scheme, 40)}:// if filesystem is a {name}"
        raise ConfigError(what, hint="Pass the path in that file system, without a scheme.")
    inner = str(fs._strip_protocol(text))  # noqa: SLF001 (fsspec's own functions take it so)
    if traits.is_object_store:
        inner = inner.lstrip("/")  # a bucket comes first
    if not inner.endswith(text.rpartition("/")[2]):
        raise ConfigError(f"{name} does not support this file name", where=shown_url(text), hint="Pass another name.")
    if is_arrow:  # to close its streams would publish what has been written
        traits = Scheme(is_object_store=traits.is_object_store, puts_whole=False)
    if not protocols & LOCAL:
        checked(fs.unstrip_protocol(inner))
    return fs, inner, traits


def _unwrapped(fs: Any, path: str) -> tuple[Any, str]:
    """Return the file system that others only pass calls on to, and the path in that."""
    while True:
        name = type(fs).__name__
        if name in {"DirFileSystem", "SubTreeFileSystem"} and ".." in path.split("/"):
            what = f"path {escaped(path, 80)!r} may be outside of the folder of the {name}"
            raise ConfigError(what, hint='Pass a path without "..".')
        if name == "DirFileSystem":
            path, fs = fs._join(path), fs.fs  # noqa: SLF001 (the only way to ask)
        elif name == "SubTreeFileSystem":
            path, fs = f"{fs.base_path.rstrip('/')}/{path.lstrip('/')}", fs.base_fs
        elif name == "PyFileSystem" and hasattr(fs.handler, "fs"):
            fs = fs.handler.fs
        elif name == "ArrowFSWrapper":
            fs = fs.fs
        else:
            return fs, path
