"""What stands between us and an Explorer, checked step by step: it starts no job, shows no secret, and always ends."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from explorer_frames._arguments import EVERYTHING
from explorer_frames._doctor import server, target
from explorer_frames._doctor.finding import Finding, ok
from explorer_frames._errors import escaped
from explorer_frames._http import config
from explorer_frames._http.profiles import PREFIX, SETTINGS, Sources, variable
from explorer_frames._version import __version__
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from explorer_frames._client import Explorer

_OTHERS = ("CONFIG_FILE", "DEBUG", "PROFILE", "PROGRESS", "STORAGE_OPTIONS")
VARIABLES = {*map(variable, SETTINGS), *(PREFIX + name for name in _OTHERS)}
_PACKAGES = ("pandas", "pyarrow", "numpy", "requests", "urllib3", "fsspec")


@dataclass(frozen=True, repr=False)
class Setup:
    """The configuration to examine.

    Attributes
    ----------
    settings, credentials
        None where they are invalid or missing.
    findings
        About the configuration.
    """

    settings: config.Settings | None
    credentials: config.Credentials | None
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Setup:
        """Check the arguments of an `Explorer`; what they lack comes from the environment or a profile."""
        given = {**server.QUICK, **arguments}
        settings, credentials, sources = None, None, None
        errors = []
        try:
            sources = Sources(given.get("profile"), **{name: given.get(name) for name in SETTINGS})
            settings = config.settings(
                sources, **{name: given[name] for name in server.QUICK}, verify=True, trust_env=True, max_bytes=None
            )
        except ConfigError as error:
            errors.append(error)
        try:
            if sources is not None:
                credentials = config.credentials(sources, given.get("auth_encoding", "auto"))
        except ConfigError as error:
            errors.append(error)
        named = [name for name, value in arguments.items() if value is not None and name != "profile"]
        if sources is not None and sources.profile is not None:
            named.append(f"profile {escaped(sources.profile, 60)}")
        return cls(settings, credentials, tuple(_configuration(named, errors)))


def quick(settings: config.Settings) -> config.Settings:
    """Return settings with times that are short enough to wait for, and without a row cap, which is to be found."""
    connect, read = server.QUICK["timeout"]
    return replace(
        settings,
        timeout=(min(settings.timeout[0], connect), min(settings.timeout[1], read)),
        deadline=min(settings.deadline or server.QUICK["deadline"], server.QUICK["deadline"]),
        retries=min(settings.retries, server.QUICK["retries"]),
        row_cap=EVERYTHING,
    )


def examine(
    setup: Setup,
    explorer: Explorer | None,
    *,
    task: tuple[str, str] | None = None,
    limit: int = 100_000,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Iterator[Finding]:
    """Check all that can be checked; each finding comes as soon as it is known.

    Parameters
    ----------
    setup
    explorer
        With the settings and credentials of the setup; None where it lacks them.
    task
        Id of a job, and id or name of its task, whose result may be read to see whether ``limit`` grows.
    limit
        The largest limit to request.
    path
        A file or folder to see whether it can be written to.
    storage_options
        For its driver.
    """
    yield _versions()
    yield from setup.findings
    if setup.settings is None:
        yield from (Finding(name, "skipped", "invalid configuration") for name in server.CHECKS)
    else:
        yield from server.Examination(setup.settings, setup.credentials, explorer, task, limit).findings()
    if path is not None:
        yield from target.findings(path, storage_options)


def _versions() -> Finding:
    packages = [f"{name} {version(name)}" for name in _PACKAGES]
    return ok(
        "versions", ", ".join([f"explorer_frames {__version__}", f"Python {platform.python_version()}", *packages])
    )


def _configuration(named: list[str], errors: list[ConfigError]) -> Iterator[Finding]:
    """List the variables that are set, never the secrets in them; `named` is what else is."""
    present = sorted(name for name in os.environ if name.startswith(PREFIX) and os.environ[name])
    what = ", ".join([*(name for name in present if name in VARIABLES), *named]) or "no settings found"
    if errors:
        for error in errors:
            where = f"{error.where}; {what}" if error.where else what
            yield Finding("configuration", "problem", f"{error.what} [{where}]", error.hint)
        return
    unknown = [name for name in present if name not in VARIABLES]
    if unknown:
        meant = dict.fromkeys(alike for name in unknown for alike in get_close_matches(name, VARIABLES, 1))
        hint = f"Did you mean {' and '.join(meant)}? " if meant else ""
        hint += f"Known variables: {', '.join(sorted(VARIABLES))}."
        yield Finding("configuration", "warning", f"{what}; unknown: {escaped(', '.join(unknown))}", hint)
        return
    yield ok("configuration", what)
