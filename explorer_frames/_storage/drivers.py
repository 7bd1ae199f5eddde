"""fsspec's drivers: found, given what they need, and what they say made typed and free of secrets."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.core import url_to_fs

from explorer_frames._errors import escaped
from explorer_frames._extras import install_hint
from explorer_frames._storage.address import Mask, shown_url
from explorer_frames._storage.failures import hint_for
from explorer_frames._storage.schemes import scheme_of
from explorer_frames.errors import ConfigError, ExplorerFramesError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SMB_LOGIN = threading.Lock()  # smbprotocol loses the login of one of two threads that connect at the same moment


def connect(url: str, options: Mapping[str, Any], mask: Mask, failure: type[ExplorerFramesError]) -> tuple[Any, str]:
    """Make the fsspec filesystem, and the file's path in it; ConfigError, or `failure` where it cannot be reached."""
    scheme = url.partition("://")[0]
    where = shown_url(url)
    try:
        fsspec.get_filesystem_class(scheme)
        return _connected(scheme, url, options)
    except (ImportError, ValueError, TypeError) as raised:
        extra = scheme_of(url).extra
        if isinstance(raised, ImportError) or (extra and "not known" in str(raised)):
            hint = install_hint(extra) if extra else escaped(raised)  # fsspec names the package
            error: ExplorerFramesError = ConfigError(f"no driver for {scheme}:// is installed", where=where, hint=hint)
        elif isinstance(raised.__cause__, OSError):  # smbprotocol's way to say that nothing listens there
            error = failure(f"cannot connect: {mask(raised)}", where=where, hint=_hint(scheme, raised))
        else:
            what = f"the URL or its storage_options are not accepted: {mask(raised)}"
            hint = "Check the scheme, and the option names in the documentation of its fsspec driver."
            error = ConfigError(what, where=where, hint=hint)
    except Exception as raised:  # noqa: BLE001 (some drivers connect at once)
        error = failure(f"cannot connect: {mask(raised)}", where=where, hint=_hint(scheme, raised))
    raise error


def _connected(scheme: str, url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Let the driver read the URL with a plain name in it: some would cut "#" and more off the real one."""
    if scheme in {"http", "https"}:
        for name in ("fsspec", "fsspec.http"):
            logging.getLogger(name).addFilter(_without_secrets)
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
        raise ValueError("the driver takes a part of the path for something else")
    unsafe = scheme_of(url).unsafe_name
    if unsafe and unsafe.search(name):
        raise ValueError(f"{type(fs).__module__} would write to another name")
    return fs, path.removesuffix("name") + name if name else path


def _without_secrets(record: logging.LogRecord) -> bool:
    """Have the driver for HTTP log no user information and no queries: it logs whole URLs."""
    record.msg, record.args, record.exc_info = shown_url(record.getMessage()), (), None
    return True


def _hint(scheme: str, raised: Exception) -> str:
    if scheme == "hdfs":
        return (
            "hdfs:// needs Hadoop's native client: JAVA_HOME, HADOOP_HOME or ARROW_LIBHDFS_DIR, and CLASSPATH. "
            "webhdfs:// needs none of them."
        )
    return hint_for(raised, "connect", reads=False)
