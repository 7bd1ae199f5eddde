"""Accept path-like objects, file systems and buffers in place of URLs."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import fsspec

from explorer_frames._errors import as_given, escaped
from explorer_frames._signals import failures
from explorer_frames._storage.address import LOCAL, WRAPPERS, check_options, checked, shown_url
from explorer_frames._storage.schemes import Scheme, scheme_of
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class Buffer(Protocol):
    """Binary file object that is open for writing, such as `io.BytesIO`."""

    def write(self, data: bytes, /) -> object: ...


Destination: TypeAlias = "str | os.PathLike[str] | Buffer"

_OF_PATHLIB = {PurePath.as_uri, Path.as_uri}


def is_buffer(path: object) -> TypeIs[Buffer]:
    """Return whether this is a writable object rather than a path."""
    # A local file opened by fsspec is also path-like. It is treated as a buffer.
    is_opened = isinstance(path, io.IOBase) or not isinstance(path, str | os.PathLike)
    return is_opened and callable(getattr(path, "write", None))


def is_path(path: object) -> bool:
    """Return whether this is a path or URL, including paths of universal_pathlib."""
    return isinstance(path, str | os.PathLike) or _has_own_options(path)


def plain_path(
    path: Any, storage_options: Mapping[str, Any] | None = None
) -> tuple[str | os.PathLike[str], Mapping[str, Any] | None]:
    """Return the URL or local path of a path-like object and its storage options."""
    url = _url_of(path)
    if url is None or url.partition("://")[0] in LOCAL:
        return url or path, storage_options
    if _has_own_options(path):  # the caller's options override those of the path
        given = storage_options or {}
        check_options(given)
        return url, {**path.storage_options, **given} or None
    # S3 paths of cloudpathlib contain the credentials of their client. Other path-like objects contain only a URL.
    if storage_options is None:
        storage_options = _options_of_client(path)
    if storage_options is None:
        what = f"missing storage_options for a {type(path).__name__}"
        hint = "Pass storage_options=, or the URL as a string."
        raise ConfigError(what, where=shown_url(url), hint=hint)
    return url, storage_options


def _has_own_options(path: object) -> bool:
    """Return whether this is a path of universal_pathlib."""
    # These paths are `os.PathLike` only for local files.
    return isinstance(getattr(path, "protocol", None), str) and isinstance(
        getattr(path, "storage_options", None), Mapping
    )


def _url_of(path: Any) -> str | None:
    """Return the URL of a path-like object for a store, or None for other objects."""
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
        except failures(Exception):  # `as_uri` belongs to another package and can raise any exception
            url = ""
        url = None if url.partition("://")[0] in LOCAL else url
    elif scheme:
        url = f"{scheme}://"
    elif not isinstance(path, PurePath):
        text = os.fspath(path)
        url = text if isinstance(text, str) and "://" in text else None
    if url is None or url.partition("://")[2]:
        return url
    what = f"cannot determine the URL of a {type(path).__name__}"
    raise ConfigError(what, hint="Pass the URL as a string.\nFor a local file, pass a pathlib.Path.")


def _options_of_client(path: Any) -> dict[str, Any] | None:
    """Return the S3 options of a cloudpathlib path, or None for other paths."""
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
    """Return the path of a file in the caller's file system as text."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) and _url_of(path) is None else None
    if isinstance(text, str) and text and not text.endswith(("/", os.sep)):
        return text
    raise ConfigError(
        "path must be a string with the path of a file in filesystem", hint="Pass a path such as folder/name."
    )


def within(filesystem: Any, path: str) -> tuple[Any, str, Scheme]:
    """Return the innermost file system, the path in it, and the traits of its store."""
    from fsspec.implementations.arrow import ArrowFSWrapper  # noqa: PLC0415 (few callers pass a file system)
    from fsspec.implementations.cached import CachingFileSystem  # noqa: PLC0415
    from fsspec.spec import AbstractFileSystem  # noqa: PLC0415

    fs, text = _unwrapped(filesystem, path)
    is_arrow = not isinstance(fs, AbstractFileSystem)
    if is_arrow and not (type(fs).__module__.startswith("pyarrow.") and hasattr(fs, "open_output_stream")):
        what = f"filesystem must be a file system, got {as_given(filesystem)}"
        raise ConfigError(
            what, hint="Pass an fsspec file system.\nOr pass a pyarrow file system, such as pyarrow.fs.S3FileSystem()."
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
        what = f"path has the scheme {escaped(scheme, 40)}://, but filesystem is a {name}"
        raise ConfigError(what, hint="Pass the path in that file system, without a scheme.")
    inner = str(fs._strip_protocol(text))  # noqa: SLF001 (fsspec's own functions use it)
    if traits.is_object_store:
        inner = inner.lstrip("/")  # the path begins with a bucket, not with a slash
    if not inner.endswith(text.rpartition("/")[2]):
        raise ConfigError(
            f"{name} does not support this file name", where=shown_url(text), hint="Pass another file name."
        )
    if is_arrow:  # after an error, closing a stream would publish incomplete content
        traits = Scheme(is_object_store=traits.is_object_store, puts_whole=False)
    if not protocols & LOCAL:
        checked(fs.unstrip_protocol(inner))
    return fs, inner, traits


def _unwrapped(fs: Any, path: str) -> tuple[Any, str]:
    """Return the innermost wrapped file system and the path in it."""
    while True:
        name = type(fs).__name__
        if name in {"DirFileSystem", "SubTreeFileSystem"} and ".." in path.split("/"):
            what = f"path {escaped(path, 80)!r} may be outside the folder of the {name}"
            raise ConfigError(what, hint='Pass a path without "..".')
        if name == "DirFileSystem":
            path, fs = fs._join(path), fs.fs  # noqa: SLF001 (no public method)
        elif name == "SubTreeFileSystem":
            path, fs = f"{fs.base_path.rstrip('/')}/{path.lstrip('/')}", fs.base_fs
        elif name == "PyFileSystem" and hasattr(fs.handler, "fs"):
            fs = fs.handler.fs
        elif name == "ArrowFSWrapper":
            fs = fs.fs
        else:
            return fs, path
