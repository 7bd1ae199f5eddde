"""fsspec's drivers: found, given what they need, and what they say made typed and free of secrets."""

from __future__ import annotations

import errno
import logging
import re
import threading
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.core import url_to_fs

from explorer_frames._extras import install_hint
from explorer_frames._storage.address import AZURE, GCS, S3, Mask, shown_url
from explorer_frames.errors import ConfigError, ExplorerFramesError, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXTRAS = {**dict.fromkeys(S3, "s3"), **dict.fromkeys(AZURE, "azure")}
_EXTRAS |= {
    **dict.fromkeys(GCS, "gcs"),
    "sftp": "sftp",
    "ssh": "sftp",
    "smb": "smb",
    "webdav": "webdav",
    "dav": "webdav",
}
_NO_NAME = 0xC0000033  # STATUS_OBJECT_NAME_INVALID, which SMB servers say to "part-*"
_INVALID_NAME = 123  # ERROR_INVALID_NAME, the same on a Windows disk
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_REFUSED = re.compile("credential|denied|forbidden|(?:un|not )authori[sz]ed|logon|authenticat", re.IGNORECASE)
_SMB_LOGIN = threading.Lock()  # smbprotocol loses the login of one of two threads that connect at the same moment


def connect(
    scheme: str, url: str, options: Mapping[str, Any], mask: Mask, failure: type[ExplorerFramesError]
) -> tuple[Any, str]:
    """Make the fsspec filesystem, and the file's path in it; ConfigError, or `failure` where it cannot be reached."""
    where = shown_url(url)
    try:
        fsspec.get_filesystem_class(scheme)
        return _connected(scheme, url, options)
    except (ImportError, ValueError, TypeError) as raised:
        extra = _EXTRAS.get(scheme)
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
    if scheme in {"webdav", "dav"} and re.search("#|%[0-9A-Fa-f]{2}", name):
        raise ValueError("webdav4 would write to another name")
    return fs, path.removesuffix("name") + name if name else path


def _without_secrets(record: logging.LogRecord) -> bool:
    """Have the driver for HTTP log no user information and no queries: it logs whole URLs."""
    record.msg, record.args, record.exc_info = shown_url(record.getMessage()), (), None
    return True


def is_missing(raised: BaseException) -> bool:
    """Tell whether a driver says that nothing stands there."""
    # smbprotocol has an OSError of its own, which is no FileNotFoundError.
    missing = isinstance(raised, FileNotFoundError) or getattr(raised, "errno", None) == errno.ENOENT
    return missing or is_bad_name(raised)


def is_failed_condition(raised: BaseException) -> bool:
    """Return whether an object store refused a conditional put, because the object exists.

    Only some servers return the condition, which s3fs needs to raise FileExistsError.
    """
    response = getattr(raised.__cause__, "response", None) or {}
    return isinstance(raised, FileExistsError) or response.get("Error", {}).get("Code") == "PreconditionFailed"


def is_bad_name(raised: BaseException) -> bool:
    """Tell whether a driver says that no file of its store can be called like that."""
    return getattr(raised, "ntstatus", None) == _NO_NAME or getattr(raised, "winerror", None) == _INVALID_NAME


def is_refusal(raised: Exception) -> bool:
    """Tell whether a driver says that we may not do something, or are not who we say."""
    said = f"{type(raised).__name__}: {raised}"  # the drivers of SMB, WebDAV and Azure have no errno for it
    denied = isinstance(raised, PermissionError) or getattr(raised, "errno", None) in _DENIED
    return denied or _REFUSED.search(said) is not None


def _hint(scheme: str, raised: Exception) -> str:
    if scheme == "hdfs":
        return (
            "hdfs:// needs Hadoop's native client: JAVA_HOME, HADOOP_HOME or ARROW_LIBHDFS_DIR, and CLASSPATH. "
            "webhdfs:// needs none of them."
        )
    if is_refusal(raised):
        return "Ask for the right to use it, or pass other credentials in storage_options."
    return "Check the host and the port, and that it can be reached from here."
