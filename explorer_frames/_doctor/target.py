"""Check an output path by writing, reading and removing a small file."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec

from explorer_frames._doctor.finding import Finding, found, ok
from explorer_frames._files.formats import format_of
from explorer_frames._storage.address import Mask, local_path, shown_url
from explorer_frames._storage.drivers import connect
from explorer_frames._storage.failures import NO_FOLDER
from explorer_frames._storage.publish import Target
from explorer_frames._storage.sources import Store
from explorer_frames.errors import ConfigError, ExplorerFramesError, UnsupportedFormatError, WriteError

CHECKS = ("driver", "target")
_PATIENCE = 60.0  # seconds; long, because the S3 driver retries
_CONTENT = b"This is a test file of explorer-frames doctor. You can delete it.\n"


def findings(url: str, options: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Check the storage driver, then write access to the target."""
    driver = found("driver", _PATIENCE, lambda: _driver(url, options))
    yield driver
    if driver.state == "problem":
        yield Finding("target", "skipped", "the driver check failed")
    else:
        yield found("target", _PATIENCE, lambda: _written(url, options))


def _folder(url: str) -> str:
    """Return the folder of a URL, or the parent folder of a file."""
    return _parent(url) if _is_file(url) else url.rstrip("/") or "/"


def _is_file(url: str) -> bool:
    """Return whether a URL has the extension of a supported file format."""
    with suppress(UnsupportedFormatError):
        format_of(url.rstrip("/"))
        return True
    return False


def _parent(url: str) -> str:
    """Return the parent folder."""
    base = url.rstrip("/")
    if local_path(url) is not None:
        return os.path.dirname(base) or "."  # noqa: PTH120 (pathlib would change a URL)
    head, slash, _ = base.rpartition("/")
    return head if slash else "."


def _driver(url: str, options: Mapping[str, Any] | None) -> Finding:
    if local_path(url) is not None:
        return ok("driver", "the path is on a local disk, so no driver is required")
    scheme = url.partition("://")[0]
    with suppress(ImportError, ValueError):
        module = fsspec.get_filesystem_class(scheme).__module__.partition(".")[0]
        version = getattr(sys.modules[module], "__version__", "")
        return ok("driver", f"{scheme}:// with {module} {version}".rstrip())
    connect(url, options or {}, Mask(url, options or {}), WriteError)  # the error names the package to install
    raise ConfigError(f"no driver for {scheme}:// is installed", where=shown_url(url))


def _written(url: str, options: Mapping[str, Any] | None) -> Finding:
    trial, target = _trial(url, options)
    with target.spool() as path:
        target.attempt("write", Path(path).write_bytes, _CONTENT)
        target.publish(path)
    try:
        store = Store(trial, options)
        with store.open() as file:
            same = store.attempt("read", file.read) == _CONTENT
    finally:
        left = _removed(target)
    if not same:
        return Finding(
            "target", "problem", f"the content of a test file changed after it was written [{target.url}]", left
        )
    where = target.url.rpartition("/" if local_path(trial) is None else os.sep)[0]
    if left is not None:
        return Finding("target", "warning", f"a test file was written and read, but not removed [{where}]", left)
    return ok("target", f"a test file was written, read and removed [{where}]")


def _trial(url: str, options: Mapping[str, Any] | None) -> tuple[str, Target]:
    """Return a new file in the folder, or in its parent if the folder is missing."""
    folder, name = _folder(url), f"explorer-frames-doctor-{uuid.uuid4().hex}.tmp"
    trial = f"{folder}/{name}"
    try:
        return trial, Target.resolve(trial, mode="create", storage_options=options)
    except WriteError as error:
        if _is_file(url) or NO_FOLDER not in error.what:
            raise
    # The folder may be missing, because a sync creates it.
    trial = f"{_parent(folder)}/{name}"
    return trial, Target.resolve(trial, mode="create", storage_options=options)


def _removed(target: Target) -> str | None:
    try:
        target.remove()
    except ExplorerFramesError:
        return (
            f"Remove {target.url} manually. The credentials may lack permission to delete files, "
            "which exports do not require."
        )
    return None
