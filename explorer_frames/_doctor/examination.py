"""What stands between us and an Explorer, found out in one go: it starts no job, shows no secret, and always ends."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from explorer_frames._doctor import server, target as target_checks
from explorer_frames._doctor.finding import Finding, ok
from explorer_frames._errors import escaped
from explorer_frames._http import config
from explorer_frames._version import __version__
from explorer_frames.errors import ConfigError

_VARIABLES = {
    f"{config.PREFIX}{name}"
    for name in ("URL", "TOKEN", "USER", "PASSWORD", "GRAPHD", "AUTH_ENCODING", "STORAGE_OPTIONS")
}
_PACKAGES = ("pandas", "pyarrow", "numpy", "requests", "urllib3", "fsspec")


def examine(
    arguments: Mapping[str, Any],
    *,
    task: tuple[str, str] | None = None,
    most: int = 10_000,
    target: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Iterator[Finding]:
    """Check all that can be checked; each finding comes as soon as it is known.

    Parameters
    ----------
    arguments
        For `Explorer`, as far as the environment does not have them: url, user, password, graphd, auth_encoding;
        deadline takes the place of the short one that calls have here.
    task
        Ids of a job and a task whose result may be read to see whether ``limit`` grows.
    most
        The largest limit to try.
    target
        A file or folder to see whether it can be written to.
    storage_options
        For its driver.
    """
    yield _versions()
    settings: config.Settings | None = None
    credentials: config.Credentials | None = None
    errors = []
    given = {"url": None, **server.QUICK, **arguments}
    try:
        settings = config.settings(
            given["url"],
            **{name: given[name] for name in server.QUICK},
            verify=True,
            ca_bundle=None,
            client_cert=None,
            trust_env=True,
            max_bytes=None,
            row_cap=None,
        )
    except ConfigError as error:
        errors.append(error)
    try:
        credentials = config.credentials(
            None,
            given.get("user"),
            given.get("password"),
            given.get("graphd"),
            given.get("auth_encoding", "auto"),
        )
    except ConfigError as error:
        errors.append(error)
    yield from _configuration(arguments, errors)
    if settings is None:
        yield from (Finding(name, "skipped", "needs what configuration denies") for name in server.CHECKS)
    else:
        yield from server.Examination(settings, credentials, given, task, most).findings()
    if target is not None:
        yield from target_checks.findings(target, storage_options)


def _versions() -> Finding:
    packages = [f"{name} {version(name)}" for name in _PACKAGES]
    return ok(
        "versions", ", ".join([f"explorer_frames {__version__}", f"Python {platform.python_version()}", *packages])
    )


def _configuration(given: Mapping[str, Any], errors: list[ConfigError]) -> Iterator[Finding]:
    """Say which variables are set, never what secrets they hold."""
    present = sorted(name for name in os.environ if name.startswith(config.PREFIX) and os.environ[name])
    named = [name for name, value in given.items() if value is not None]
    what = ", ".join([*(name for name in present if name in _VARIABLES), *named]) or "nothing is set"
    if errors:
        yield from (Finding("configuration", "problem", f"{error.what} [{what}]", error.hint) for error in errors)
        return
    strange = [name for name in present if name not in _VARIABLES]
    if strange:
        todo = f"Known are {', '.join(sorted(_VARIABLES))}."
        yield Finding("configuration", "warning", f"{what}; not known: {escaped(', '.join(strange))}", todo)
        return
    yield ok("configuration", what)
