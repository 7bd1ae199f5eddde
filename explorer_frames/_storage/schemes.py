"""The stores, by URL scheme: who installs the driver, how a file is published, and how to ask whether that may work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from explorer_frames._storage.failures import is_missing, retry_while_open

if TYPE_CHECKING:
    from collections.abc import Callable


def move(fs: Any, old: str, new: str, *, replace: bool) -> None:  # noqa: ARG001 (as the other moves are called)
    """Move as the driver does."""
    from fsspec.spec import AbstractFileSystem  # noqa: PLC0415 (as late as the driver)

    # fsspec's own mv and rm expand "*", "?" and "[" in names, and would touch other files.
    if getattr(fs.mv, "__func__", None) is AbstractFileSystem.mv:
        fs.cp_file(old, new)
        fs.rm_file(old)
    else:
        fs.mv(old, new)


def _move_sftp(fs: Any, old: str, new: str, *, replace: bool) -> None:
    """Rename as OpenSSH does: the POSIX way replaces in one step, the older way refuses what exists."""
    from explorer_frames._storage.loop import finish  # noqa: PLC0415 (loads asyncio)

    async def rename() -> None:
        async with fs.client.start_sftp_client() as sftp:
            await sftp.rename(old, new)

    if replace:
        fs.mv(old, new)
    else:
        finish(fs.loop, rename())


def _move_smb(fs: Any, old: str, new: str, *, replace: bool) -> None:
    """Rename in one step, which replaces where fsspec's own `mv` refuses; wait for readers, who lock the old file."""
    import smbclient  # noqa: PLC0415 (there is no SMB without it)

    old, new = (rf"\\{fs.host}" + path.replace("/", "\\") for path in (old, new))
    rename = partial(smbclient.replace if replace else smbclient.rename, port=fs.port or 445)
    retry_while_open(rename, old, new, is_open=lambda raised: replace and not is_missing(raised))


def _move_webdav(fs: Any, old: str, new: str, *, replace: bool) -> None:
    fs.client.move(old, new, overwrite=replace)


def _ask_s3(fs: Any, path: str) -> None:
    # A HEAD has no body, and so cannot tell a false key from a missing right.
    fs.call_s3("list_objects_v2", Bucket=path.partition("/")[0], MaxKeys=1)


def _ask_gcs(fs: Any, path: str) -> None:
    # `info` calls an empty bucket missing when its settings may not be read.
    fs.call("GET", f"b/{path.partition('/')[0]}/o", maxResults=1)


def _ask_for_container(fs: Any, path: str) -> None:
    fs.info(path.partition("/")[0])


def _ask_for_share(fs: Any, path: str) -> None:
    # To make a folder in a missing share takes for ever.
    fs.info("/".join(path.split("/")[:2]))


def _nothing_to_ask(fs: Any, path: str) -> None:
    pass


@dataclass(frozen=True)
class Scheme:
    """Traits of the stores of a URL scheme.

    Attributes
    ----------
    extra
        The extra of this package that installs the driver.
    is_object_store
        Whether there are no folders, and one put publishes a file at once; elsewhere a temporary file is moved. The URL
        begins with a bucket.
    puts_whole
        Whether a put that is broken off leaves nothing, in an object store.
    is_writable
        Whether it can be written to.
    userinfo_is_container
        Whether the part before ``@`` is the container, not a user.
    ask
        Called with the file system and the path of a file: raises if the bucket is missing or the login invalid.
    move, driver
        How to move a file, for the driver in this module; other drivers use their own `mv`.
    part_size
        Bytes of the smallest part of a multipart upload.
    unsafe_name
        A pattern of names that the driver would change.
    """

    extra: str | None = None
    is_object_store: bool = False
    puts_whole: bool = True
    is_writable: bool = True
    userinfo_is_container: bool = False
    ask: Callable[[Any, str], None] = _nothing_to_ask
    move: Callable[..., None] = move
    driver: str | None = None
    part_size: int | None = None
    unsafe_name: re.Pattern[str] | None = None


# s3fs holds ten parts in memory; its own default is 50 MiB.
_S3 = Scheme(extra="s3", is_object_store=True, ask=_ask_s3, part_size=8 * 2**20)
_GCS = Scheme(extra="gcs", is_object_store=True, ask=_ask_gcs)
_AZURE = Scheme(extra="azure", is_object_store=True, ask=_ask_for_container, userinfo_is_container=True)
_SFTP = Scheme(extra="sftp", move=_move_sftp, driver="sshfs.spec")
_WEBDAV = Scheme(
    extra="webdav", move=_move_webdav, driver="webdav4.fsspec", unsafe_name=re.compile("#|%[0-9A-Fa-f]{2}")
)
_READ_ONLY = Scheme(is_writable=False)
_SCHEMES = {
    **dict.fromkeys(("s3", "s3a"), _S3),
    **dict.fromkeys(("gs", "gcs"), _GCS),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), _AZURE),
    **dict.fromkeys(("sftp", "ssh"), _SFTP),
    "smb": Scheme(extra="smb", ask=_ask_for_share, move=_move_smb, driver="fsspec.implementations.smb"),
    **dict.fromkeys(("webdav", "dav"), _WEBDAV),
    **dict.fromkeys(("http", "https", "data", "git", "github", "reference", "libarchive", "tar", "zip"), _READ_ONLY),
}
_OTHER = Scheme()


def scheme_of(url: str) -> Scheme:
    """Look up the scheme of a URL; any that is not in the table has nothing special."""
    return _SCHEMES.get(url.partition("://")[0], _OTHER)
