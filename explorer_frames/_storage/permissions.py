"""Owner, group, permissions and ACL of a file on local disk, given to the file that replaces it."""

from __future__ import annotations

import errno
import os
import stat
import struct
from contextlib import suppress

from explorer_frames._signals import failures, suppressed
from explorer_frames._storage.failures import ACL_LOST

_ACL = "system.posix_acl_access"  # where Linux keeps a POSIX ACL: a version, then entries
_VERSION_SIZE = 4
_ENTRY = struct.Struct("<HHI")  # tag, permissions, id
_OWNING_GROUP = 0x04
_NO_ACL = {errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP} if hasattr(errno, "ENODATA") else set()


def acl_of(path: str) -> bytes | None:
    """Return the POSIX ACL of a file; None where it has none, or the system has none."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(path, _ACL)
    except failures(OSError) as raised:
        if raised.errno not in _NO_ACL:
            raise
    return None


def take_over(path: str, old: os.stat_result, acl: bytes | None) -> None:
    """Give a file the owner, group, permissions and ACL of the one that it replaces; where it may not, fewer rights.

    Parameters
    ----------
    path
        The new file, still empty.
    old, acl
        What `os.stat` and `acl_of` return for the old one.
    """
    permissions = stat.S_IMODE(old.st_mode) & 0o777
    with suppress(AttributeError):  # Windows has none
        if not (_chown(path, old.st_uid, old.st_gid) or _chown(path, -1, old.st_gid)):
            permissions &= ~0o070 | (permissions & 0o007) << 3  # to a wrong group no more than to everybody
            acl = acl and _without_owning_group(acl)
    if acl is not None:
        _set_acl(path, acl)  # the permissions are in it
        return
    if acl_of(path) is not None:  # by default from its folder
        os.removexattr(path, _ACL)
    if stat.S_IMODE(os.stat(path).st_mode) != permissions:  # noqa: PTH116 (some file systems refuse it even if it is)
        os.chmod(path, permissions)  # noqa: PTH101


def _set_acl(path: str, acl: bytes) -> None:
    try:
        os.setxattr(path, _ACL, acl)
    except OSError as raised:
        raise OSError(raised.errno, ACL_LOST) from raised


def _without_owning_group(acl: bytes) -> bytes:
    """Return an ACL whose owning group has no rights; those of named users and groups stay."""
    entries = (
        _ENTRY.pack(tag, 0 if tag == _OWNING_GROUP else rights, identity)
        for tag, rights, identity in _ENTRY.iter_unpack(acl[_VERSION_SIZE:])
    )
    return acl[:_VERSION_SIZE] + b"".join(entries)


def _chown(path: str, owner: int, group: int) -> bool:
    with suppressed(OSError):  # only root may give a file to another owner, and only members to a group
        os.chown(path, owner, group)
    return os.stat(path).st_gid == group  # noqa: PTH116
