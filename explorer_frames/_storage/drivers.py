"""Connect to stores with fsspec, without secrets in error messages."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.core import url_to_fs

from explorer_frames._errors import escaped
from explorer_frames._extras import install_hint
from explorer_frames._signals import raised_by_handler
from explorer_frames._storage.address import Mask, shown_url
from explorer_frames._storage.failures import hint_for
from explorer_frames._storage.schemes import scheme_of
from explorer_frames.errors import ConfigError, ExplorerFramesError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_HADOOP = (
    "Install Hadoop's native client, and set JAVA_HOME, CLASSPATH, and HADOOP_HOME or ARROW_LIBHDFS_DIR. "
    "webhdfs:// URLs do not require this client."
)
_SMB_LOGIN = threading.Lock()  # smbprotocol loses one of two concurrent logins


def connect(url: str, options: Mapping[str, Any], mask: Mask, failure: type[ExplorerFramesError]) -> tuple[Any, str]:
    """Return the fsspec file system of a URL and the path in it."""
    try:
        return _connected(url.partition("://")[0], url, options)
    except Exception as raised:  # noqa: BLE001 (some drivers connect on creation)
        error = raised_by_handler(raised) or _refusal(url, raised, mask, failure)
    raise error


def _refusal(url: str, raised: Exception, mask: Mask, failure: type[ExplorerFramesError]) -> ExplorerFramesError:
    """Return the error for an exception raised while creating a driver."""
    scheme = url.partition("://")[0]
    where = shown_url(url)
    extra = scheme_of(url).extra
    is_unknown = isinstance(raised, ValueError) and "not known" in str(raised)
    if isinstance(raised, ImportError) or (extra and is_unknown):
        hint = install_hint(extra) if extra else escaped(raised)  # fsspec's message contains the package name
        return ConfigError(f"no driver for {scheme}:// is installed", where=where, hint=hint)
    # For a refused connection, smbprotocol raises a ValueError with an OSError as its cause.
    if isinstance(raised, ValueError | TypeError) and not isinstance(raised.__cause__, OSError):
        what = f"invalid URL or storage_options: {mask(raised)}"
        hint = "Check the URL, and compare the option names with the documentation of the fsspec driver."
        return ConfigError(what, where=where, hint=hint)
    hint = _NO_HADOOP if scheme == "hdfs" else hint_for(raised, "connect", reads=False)
    return failure(f"cannot connect: {mask(raised)}", where=where, hint=hint)


def _connected(scheme: str, url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it."""
    fsspec.get_filesystem_class(scheme)
    head, slash, name = url.rpartition("/")
    if head.endswith(":/"):  # without a folder, the last component may be the host
        head, slash, name = url, "", ""
    # Some drivers truncate names such as "a#b", so they get a placeholder name.
    plain = f"{head}{slash}{'name' if name else ''}"
    if scheme == "smb":
        with _SMB_LOGIN:  # a cached file system does not log in again after the connection is lost
            fs, path = url_to_fs(plain, **{"skip_instance_cache": True, **options})
    else:
        fs, path = url_to_fs(plain, **options)
    if name and not f"/{path}".endswith("/name"):
        raise ValueError("the driver does not support this file name")
    unsafe = scheme_of(url).unsafe_name
    if unsafe and unsafe.search(name):
        raise ValueError(f"{type(fs).__module__} would change the file name")
    return fs, path.removesuffix("name") + name if name else path
