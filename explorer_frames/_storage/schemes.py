"""Registry of the supported stores by URL scheme."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from explorer_frames._storage.failures import is_missing, retry_while_open

if TYPE_CHECKING:
    from collections.abc import Callable

_SMALL = 2**16  # bytes; fits into the send buffer of a socket, so a server's early refusal is still received


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


def _ask_s3(fs: Any, path: str) -> bool:
    # HEAD responses have no body, so an invalid key cannot be distinguished from a missing permission.
    bucket, _, key = path.partition("/")
    found = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(entry["Key"] == key for entry in found.get("Contents", ()))


def _prepare_s3(fs: Any) -> None:
    fs.s3.meta.events.register("before-send.s3", _without_expect, unique_id=_without_expect.__qualname__)


def _without_expect(request: Any, **_: Any) -> None:
    """Remove ``Expect: 100-continue`` from small requests, because the interim response takes a further round trip."""
    # botocore adds the header to all bodies. The signature does not include it.
    if int(request.headers.get("Content-Length", _SMALL + 1)) <= _SMALL:
        request.headers.pop("Expect", None)


def _ask_gcs(fs: Any, path: str) -> bool:
    # `info` reports an empty bucket as missing if the credentials cannot read its settings.
    bucket, _, key = path.partition("/")
    found = fs.call("GET", f"b/{bucket}/o", prefix=key, maxResults=1, json_out=True)
    return any(entry["name"] == key for entry in found.get("items", ()))


def _ask_azure(fs: Any, path: str) -> bool:
    fs.info(path.partition("/")[0])
    return bool(fs.exists(path))


def _ask_for_share(fs: Any, path: str) -> bool:
    # A request to create a folder in a missing share blocks indefinitely.
    fs.info("/".join(path.split("/")[:2]))
    return False


def _nothing_to_ask(fs: Any, path: str) -> bool:  # noqa: ARG001 (same signature as the other functions)
    return False


def _with_md5(path: str, target: str) -> dict[str, Any]:
    if target.partition("/")[0].endswith("--x-s3"):
        return {}  # directory buckets of S3 Express do not support MD5
    with open(path, "rb") as file:  # noqa: PTH123 (paths are plain strings here)
        digest = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).digest()
    return {"ContentMD5": base64.b64encode(digest).decode()}


def _with_size(path: str, target: str) -> dict[str, Any]:  # noqa: ARG001 (same signature as the other functions)
    return {"consistency": "size"}


def _with_validation(path: str, target: str) -> dict[str, Any]:  # noqa: ARG001 (same signature as the other functions)
    return {"validate_content": True}


def _unchecked(path: str, target: str) -> dict[str, Any]:  # noqa: ARG001 (same signature as the other functions)
    return {}


@dataclass(frozen=True)
class Scheme:
    """Traits of the stores with one URL scheme."""

    extra: str | None = None  # package extra that installs the driver
    is_object_store: bool = False  # URLs begin with a bucket, and one put publishes a file atomically
    puts_whole: bool = True  # an interrupted put in an object store leaves no object
    is_writable: bool = True
    userinfo_is_container: bool = False  # the part before "@" is a container, not a user
    # Raises if the bucket is missing or the credentials are invalid. In object stores, returns whether a file exists.
    ask: Callable[[Any, str], bool] = _nothing_to_ask
    # Options of `put_file` that verify the stored content, from the paths of the local file and of the target.
    checks: Callable[[str, str], dict[str, Any]] = _unchecked
    prepare: Callable[[Any], None] | None = None  # configures the driver's client before an upload
    move: Callable[..., None] = move
    driver: str | None = None  # driver that the functions support; others use their own `mv`
    part_size: int | None = None  # minimum part size of a multipart upload, in bytes
    unsafe_name: re.Pattern[str] | None = None  # file names that the driver would change

    def supports(self, fs: Any) -> bool:
        """Return whether the functions support the driver of this file system."""
        return self.driver is not None and f"{type(fs).__module__}.".startswith(f"{self.driver}.")


# s3fs keeps ten parts in memory, which is 500 MiB with its default part size.
_S3 = Scheme(
    extra="s3",
    is_object_store=True,
    ask=_ask_s3,
    checks=_with_md5,
    prepare=_prepare_s3,
    driver="s3fs",
    part_size=8 * 2**20,
)
_GCS = Scheme(extra="gcs", is_object_store=True, ask=_ask_gcs, checks=_with_size, driver="gcsfs")
_AZURE = Scheme(
    extra="azure",
    is_object_store=True,
    ask=_ask_azure,
    checks=_with_validation,
    driver="adlfs",
    userinfo_is_container=True,
)
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
