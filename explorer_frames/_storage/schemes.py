"""Registry of the supported stores by URL scheme."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from explorer_frames._storage.failures import is_missing, retry_while_open

if TYPE_CHECKING:
    from collections.abc import Callable


def move(fs: Any, old: str, new: str, *, replace: bool) -> None:  # noqa: ARG001 (same signature as the other moves)
    """Move a file with the driver's own `mv`."""
    from fsspec.spec import AbstractFileSystem  # noqa: PLC0415 (imported only together with a driver)

    # fsspec's default mv and rm expand "*", "?" and "[" in names, so they could affect other files.
    if getattr(fs.mv, "__func__", None) is AbstractFileSystem.mv:
        fs.cp_file(old, new)
        fs.rm_file(old)
    else:
        fs.mv(old, new)


def _move_sftp(fs: Any, old: str, new: str, *, replace: bool) -> None:
    """Rename a file on an SFTP server."""
    from explorer_frames._storage.loop import finish  # noqa: PLC0415 (imports asyncio)

    async def rename() -> None:
        async with fs.client.start_sftp_client() as sftp:
            await sftp.rename(old, new)

    # `fs.mv` uses OpenSSH's POSIX rename, which replaces a file atomically. The standard rename fails if the target
    # exists.
    if replace:
        fs.mv(old, new)
    else:
        finish(fs.loop, rename())


def _move_smb(fs: Any, old: str, new: str, *, replace: bool) -> None:
    """Rename a file on an SMB server atomically."""
    # Unlike fsspec's `mv`, this rename can replace a file. It is retried while a reader locks the old file.
    import smbclient  # noqa: PLC0415 (only needed for SMB)

    old, new = (rf"\\{fs.host}" + path.replace("/", "\\") for path in (old, new))
    rename = partial(smbclient.replace if replace else smbclient.rename, port=fs.port or 445)
    retry_while_open(rename, old, new, is_open=lambda raised: replace and not is_missing(raised))


def _move_webdav(fs: Any, old: str, new: str, *, replace: bool) -> None:
    fs.client.move(old, new, overwrite=replace)


def _ask_s3(fs: Any, path: str) -> None:
    # HEAD responses have no body, so an invalid key cannot be distinguished from a missing permission.
    fs.call_s3("list_objects_v2", Bucket=path.partition("/")[0], MaxKeys=1)


def _ask_gcs(fs: Any, path: str) -> None:
    # `info` reports an empty bucket as missing if the credentials cannot read its settings.
    fs.call("GET", f"b/{path.partition('/')[0]}/o", maxResults=1)


def _ask_for_container(fs: Any, path: str) -> None:
    fs.info(path.partition("/")[0])


def _ask_for_share(fs: Any, path: str) -> None:
    # A request to create a folder in a missing share blocks indefinitely.
    fs.info("/".join(path.split("/")[:2]))


def _nothing_to_ask(fs: Any, path: str) -> None:
    pass


@dataclass(frozen=True)
class Scheme:
    """Traits of the stores with one URL scheme."""

    extra: str | None = None  # package extra that installs the driver
    is_object_store: bool = False  # URLs begin with a bucket, and one put publishes a file atomically
    puts_whole: bool = True  # an interrupted put in an object store leaves no object
    is_writable: bool = True
    userinfo_is_container: bool = False  # the part before "@" is a container, not a user
    ask: Callable[[Any, str], None] = _nothing_to_ask  # raises if the bucket is missing or the credentials are invalid
    move: Callable[..., None] = move
    driver: str | None = None  # module of the driver that `move` supports; other drivers use their own `mv`
    part_size: int | None = None  # minimum part size of a multipart upload, in bytes
    unsafe_name: re.Pattern[str] | None = None  # file names that the driver would change


# s3fs keeps ten parts in memory, which is 500 MiB with its default part size.
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
    """Return the traits of a URL's scheme, or the default traits if it is unknown."""
    return _SCHEMES.get(url.partition("://")[0], _OTHER)
