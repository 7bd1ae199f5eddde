"""fsspec's drivers: found, given what they need, and what they say made typed and free of secrets."""

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

_SMB_LOGIN = threading.Lock()  # smbprotocol loses the login of one of two threads that connect at the same moment


def connect(url: str, options: Mapping[str, Any], mask: Mask, failure: type[ExplorerFramesError]) -> tuple[Any, str]:
    """Make the fsspec filesystem, and the file's path in it; ConfigError, or `failure` where it cannot be reached."""
    try:
        return _connected(url.partition("://")[0], url, options)
    except Exception as raised:  # noqa: BLE001 (some drivers connect at once)
        error = raised_by_handler(raised) or _refusal(url, raised, mask, failure)
    raise error


def _refusal(url: str, raised: Exception, mask: Mask, failure: type[ExplorerFramesError]) -> ExplorerFramesError:
    """Make the error for what a driver raised when it was made."""
    scheme = url.partition("://")[0]
    where = shown_url(url)
    extra = scheme_of(url).extra
    is_unknown = isinstance(raised, ValueError) and "not known" in str(raised)
    if isinstance(raised, ImportError) or (extra and is_unknown):
        hint = install_hint(extra) if extra else escaped(raised)  # fsspec names the package
        return ConfigError(f"no driver for {scheme}:// is installed", where=where, hint=hint)
    # A ValueError because of an OSError is smbprotocol's way to say that nothing listens there.
    if isinstance(raised, ValueError | TypeError) and not isinstance(raised.__cause__, OSError):
        what = f"invalid URL or storage_options: {mask(raised)}"
        hint = "Check the scheme, and the option names in the documentation of its fsspec driver."
        return ConfigError(what, where=where, hint=hint)
    return failure(f"cannot connect: {mask(raised)}", where=where, hint=_hint(scheme, raised))


def _connected(scheme: str, url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Let the driver read the URL with a plain name in it: some would cut "#" and more off the real one."""
    fsspec.get_filesystem_class(scheme)
    head, slash, name = url.rpartition("/")
    if head.endswith(":/"):  # no folder, and so perhaps a host
        head, slash, name = url, "", ""
    plain = f"{head}{slash}{'name' if name else ''}"
    if scheme == "smb":
        with _SMB_LOGIN:  # a kept file system does not log in again after its connection was lost
            fs, path = url_to_fs(plain, **{"skip_instance_cache": True, **options})
    else:
        fs, path = url_to_fs(plain, **options)
    if name and not f"/{path}".endswith("/name"):
        raise ValueError("the driver does not support this file name")
    unsafe = scheme_of(url).unsafe_name
    if unsafe and unsafe.search(name):
        raise ValueError(f"{type(fs).__module__} would write to another file name")
    return fs, path.removesuffix("name") + name if name else path


def _hint(scheme: str, raised: Exception) -> str:
    if scheme == "hdfs":
        return (
            "hdfs:// needs Hadoop's native client: JAVA_HOME, HADOOP_HOME or ARROW_LIBHDFS_DIR, and CLASSPATH. "
            "webhdfs:// needs none of them."
        )
    return hint_for(raised, "connect", reads=False)
