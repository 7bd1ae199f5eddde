"""Copy owner, group, permissions and ACL to the replacement of a local file."""

from __future__ import annotations

import errno
import os
import stat
import struct
from contextlib import suppress

from explorer_frames._signals import failures, suppressed
from explorer_frames._storage.failures import ACL_LOST

_ACL = "system.posix_acl_access"  # Linux attribute with the POSIX ACL: a version, followed by entries
_VERSION_SIZE = 4
_ENTRY = struct.Struct("<HHI")  # tag, permissions, id
_OWNING_GROUP = 0x04
_NO_ACL = {errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP} if hasattr(errno, "ENODATA") else set()


def acl_of(path: str) -> bytes | None:
    """Return the POSIX ACL of a file, or None if it has no ACL."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(path, _ACL)
    except failures(OSError) as raised:
        if raised.errno not in _NO_ACL:
            raise
    return None


def take_over(path: str, old: os.stat_result, acl: bytes | None) -> None:
    """Copy owner, group, permissions and ACL of the old file to its replacement."""
    permissions = stat.S_IMODE(old.st_mode) & 0o777
    with suppress(AttributeError):  # Windows has no os.chown
        if not (_chown(path, old.st_uid, old.st_gid) or _chown(path, -1, old.st_gid)):
            # The group cannot be kept. The new group gets no more permissions than all other users.
            permissions &= ~0o070 | (permissions & 0o007) << 3
            acl = acl and _without_owning_group(acl)
    if acl is not None:
        _set_acl(path, acl)  # the ACL includes the permissions
        return
    if acl_of(path) is not None:  # an ACL that was inherited from the folder
        os.removexattr(path, _ACL)
    if stat.S_IMODE(os.stat(path).st_mode) != permissions:  # noqa: PTH116 (some file systems reject any chmod)
        os.chmod(path, permissions)  # noqa: PTH101


def _set_acl(path: str, acl: bytes) -> None:
    try:
        os.setxattr(path, _ACL, acl)
    except OSError as raised:
        raise OSError(raised.errno, ACL_LOST) from raised


def _without_owning_group(acl: bytes) -> bytes:
    """Remove the permissions of the owning group from an ACL."""
    entries = (
        _ENTRY.pack(tag, 0 if tag == _OWNING_GROUP else rights, identity)
        for tag, rights, identity in _ENTRY.iter_unpack(acl[_VERSION_SIZE:])
    )
    return acl[:_VERSION_SIZE] + b"".join(entries)


def _chown(path: str, owner: int, group: int) -> bool:
    with suppressed(OSError):  # only root can change the owner, and only members can set the group
        os.chown(path, owner, group)
    return os.stat(path).st_gid == group  # noqa: PTH116
