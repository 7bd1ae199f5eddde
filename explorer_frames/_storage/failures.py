"""Convert driver exceptions to this package's errors, without any secrets."""

from __future__ import annotations

import errno
import os
import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

from explorer_frames._signals import failures, raised_by_handler
from explorer_frames.errors import ExplorerFramesError, FileReadError, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from explorer_frames._storage.address import Mask

_T = TypeVar("_T")

DAMAGED = "The file is damaged or truncated. Copy it or create it again."
_NO_NAME = 0xC0000033  # STATUS_OBJECT_NAME_INVALID, which SMB servers return for names such as "part-*"
_INVALID_NAME = 123  # ERROR_INVALID_NAME, the equivalent for local disks on Windows
_PATIENCE = 10.0  # seconds to wait for readers to close a file
_LOCKED = {5, 32}  # Windows: ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION
# Error messages of checks in this package. `_HINTS` contains their hints.
NO_FOLDER = "the folder does not exist"
NOT_REPLACEABLE = "the file cannot be replaced"
ACL_LOST = "cannot copy the ACL of the existing file"
NO_RENAME = "this folder does not support renaming files"
NOT_REGULAR = "not a regular file: device, pipe, socket or folder"
_IN_PLACE = 'Pass mode="in_place" to overwrite the file, or pass another path.'
_HINTS = {
    NO_FOLDER: "Create the folder, or pass make_parents=True.",
    NOT_REPLACEABLE: _IN_PLACE,
    ACL_LOST: _IN_PLACE,
    NO_RENAME: _IN_PLACE,
    NOT_REGULAR: "Pass the path of a regular file.",
}
_NOT_RENAMED = {errno.EBUSY, errno.ENOSYS, errno.EXDEV}
OVERWRITE = "write all of"  # verb in error messages for targets that are not published atomically
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_OF_ONE_FILE = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EFBIG, errno.EINVAL}
_OF_THE_STORE = {"look up", "reach", "create a temporary file for", "publish"}
_REFUSED = re.compile("credential|denied|forbidden|(?:un|not )authori[sz]ed|logon|authenticat", re.IGNORECASE)
_DAMAGED = re.compile("compressed|decompress|inflate")  # matches Arrow's errors for damaged compressed data


class Guard:
    """Base class that converts driver exceptions to this package's errors."""

    failure: type[WriteError | FileReadError] = WriteError
    noun: str = "the target"  # noun in error messages
    mask: Mask
    shown: str  # URL in error messages, without secrets

    def attempt(self, doing: str, action: Callable[..., _T], *args: Any, where: str | None = "", **kwargs: Any) -> _T:
        """Call `action` and convert its exceptions to errors of this package."""
        # An empty `where` is replaced by `shown`. None omits the URL from the error.
        try:
            return action(*args, **kwargs)
        except ExplorerFramesError:
            raise
        except BaseException as raised:
            if not isinstance(raised, Exception) and type(raised).__name__ != "PanicException":  # from Rust code
                raise
            error = raised_by_handler(raised) or self.error(doing, self.shown if where == "" else where, raised)
        raise error

    def error(self, doing: str, where: str | None, raised: BaseException) -> ExplorerFramesError:
        """Return the typed error for an exception of a driver."""
        reads = issubclass(self.failure, FileReadError)
        what = f"cannot {doing} {self.noun}"
        if reads and is_missing(raised):
            what = "file not found"
        hint = own_hint(raised, doing) or hint_for(raised, doing, reads=reads or doing in {"list", "read"})
        error = self.failure(f"{what}: {self.mask(raised)}", where=where, hint=hint)
        error.errno = getattr(raised, "errno", None)  # for callers that handle OSError
        if isinstance(error, WriteError):
            error._hits_every_file = _hits_every_file(raised, doing)  # noqa: SLF001 (our own)
        return error


def own_hint(raised: BaseException, doing: str) -> str | None:
    """Return the hint for a failed check or a failed rename, or None for other errors."""
    if doing == "publish" and getattr(raised, "errno", None) in _NOT_RENAMED:
        return _IN_PLACE
    return _HINTS.get(getattr(raised, "strerror", None) or "")


def _hits_every_file(raised: BaseException, doing: str) -> bool:
    """Return whether writes to all other files would also fail."""
    # For example, all writes fail if the disk is full, the credentials are invalid or the store is unreachable.
    number = getattr(raised, "errno", None)
    if number in _OF_ONE_FILE or is_bad_name(raised):
        return False
    return doing in _OF_THE_STORE or number in _FULL or number in _DENIED


def hint_for(raised: BaseException, doing: str, *, reads: bool) -> str:
    """Return the hint for an exception of a driver."""
    verb = "read" if reads else "write"
    if getattr(raised, "errno", None) in _FULL:
        return "Free disk space or raise the size limit. For remote targets, set TMPDIR to another disk."
    if is_open_elsewhere(raised):
        return f"Close the file in other programs and retry, or get permission to {verb} it."
    if is_refusal(raised):
        action = "use" if doing == "connect" else "read from" if reads else "write to"
        credentials = "" if _is_local(raised) else ", or pass other credentials as storage_options="
        return f"Get permission to {action} this location{credentials}."
    if isinstance(raised, NotADirectoryError):
        return "Pass another path. A part of this path is a file, not a folder."
    if doing == "connect":
        return "Check the host, the port and the network."
    return _hint_to_read(raised) if reads else _hint_to_write(raised, doing)


def _is_local(raised: BaseException) -> bool:
    """Return whether the exception refers to a local file."""
    name = getattr(raised, "filename", None)
    return isinstance(name, str) and os.path.isabs(name)  # noqa: PTH117 (paths are plain strings here)


def _hint_to_read(raised: BaseException) -> str:
    if is_missing(raised):
        return "Check the path or URL of the file."
    return DAMAGED if _DAMAGED.search(str(raised)) else "Fix the error above and retry."


def _hint_to_write(raised: BaseException, doing: str) -> str:
    if isinstance(raised, FileExistsError):
        return "Pass another path. A part of this path is a file, not a folder."
    if is_bad_name(raised):
        return "Pass another file name. The store does not support this one."
    if is_missing(raised) and doing in {"reach", "publish"}:
        return "Create the bucket, container, share or folder first. It is never created implicitly."
    if doing == OVERWRITE:
        return "The target may be incomplete. Fix the error above and write again."
    return "The existing file is unchanged. Fix the error above and retry."


def is_missing(raised: BaseException) -> bool:
    """Return whether the exception reports a missing file or folder."""
    # smbprotocol raises its own subclass of OSError, not FileNotFoundError.
    missing = isinstance(raised, FileNotFoundError) or getattr(raised, "errno", None) == errno.ENOENT
    return missing or is_bad_name(raised)


def is_failed_condition(raised: BaseException) -> bool:
    """Return whether a conditional put failed because the object exists."""
    # s3fs raises FileExistsError only if the response contains the condition. Some servers omit it.
    response = getattr(raised.__cause__, "response", None) or {}
    return isinstance(raised, FileExistsError) or response.get("Error", {}).get("Code") == "PreconditionFailed"


def is_bad_name(raised: BaseException) -> bool:
    """Return whether the exception reports an invalid file name."""
    return getattr(raised, "ntstatus", None) == _NO_NAME or getattr(raised, "winerror", None) == _INVALID_NAME


def is_refusal(raised: BaseException) -> bool:
    """Return whether the exception reports missing permissions or invalid credentials."""
    said = f"{type(raised).__name__}: {raised}"  # the SMB, WebDAV and Azure drivers do not set errno
    denied = isinstance(raised, PermissionError) or getattr(raised, "errno", None) in _DENIED
    return denied or _REFUSED.search(said) is not None


def is_open_elsewhere(raised: BaseException) -> bool:
    """Return whether Windows rejected the rename or removal of an open file."""
    # Windows can return the same code for a missing permission.
    return getattr(raised, "winerror", None) in _LOCKED


def retry_while_open(
    action: Callable[..., None], *paths: str, is_open: Callable[[OSError], bool] = is_open_elsewhere
) -> None:
    """Call `action` and retry while another program keeps the file open."""
    # Readers and virus scanners can keep a file open for a short time.
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return action(*paths)
        except failures(OSError) as raised:
            if not is_open(raised) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)
