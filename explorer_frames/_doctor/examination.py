"""Run the checks of `doctor` for the configuration, the server and an output path."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from explorer_frames._arguments import EVERYTHING
from explorer_frames._doctor import server, target
from explorer_frames._doctor.finding import Finding, ok
from explorer_frames._errors import escaped
from explorer_frames._http import config
from explorer_frames._http.profiles import ENVIRONMENT, PASSED, PREFIX, SETTINGS, Sources, known, variable
from explorer_frames._version import __version__
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from explorer_frames._client import Explorer

_OTHERS = ("CONFIG_FILE", "DEBUG", "PROFILE", "PROGRESS", "STORAGE_OPTIONS")
VARIABLES = {*map(variable, SETTINGS), *(PREFIX + name for name in _OTHERS)}
_PACKAGES = ("pandas", "pyarrow", "numpy", "requests", "urllib3", "fsspec")


@dataclass(frozen=True, repr=False)
class Setup:
    """Validated configuration, with findings about it."""

    settings: config.Settings | None  # None if they are invalid
    credentials: config.Credentials | None  # None if they are invalid or missing
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Setup:
        """Validate the arguments of an `Explorer`, the environment and the profile."""
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
        return cls(settings, credentials, tuple(_configuration(arguments, sources, errors)))


def quick(settings: config.Settings) -> config.Settings:
    """Return settings with short timeouts and no row cap."""
    connect, read = server.QUICK["timeout"]
    return replace(
        settings,
        timeout=(min(settings.timeout[0], connect), min(settings.timeout[1], read)),
        deadline=min(settings.deadline or server.QUICK["deadline"], server.QUICK["deadline"]),
        retries=min(settings.retries, server.QUICK["retries"]),
        row_cap=EVERYTHING,  # to detect the row cap of the server
    )


def examine(
    setup: Setup,
    explorer: Explorer | None,
    *,
    task: tuple[str, str] | None = None,  # id of a job, and id or name of its task
    limit: int = 100_000,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Iterator[Finding]:
    """Run all checks, and yield each finding as soon as it is available."""
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


def _configuration(
    arguments: Mapping[str, Any], sources: Sources | None, errors: list[ConfigError]
) -> Iterator[Finding]:
    """Yield findings about the settings and their sources, without secrets."""
    what = _places(arguments, sources)
    if errors:
        for error in errors:
            yield Finding("configuration", "problem", f"{error.what} [{error.where or what}]", error.hint)
        return
    hints = [*sources.hints] if sources else []
    if sources and sources.missing:
        hints.append(f"{sources.missing.what} [{sources.missing.where}]: {sources.missing.hint}")
    unknown = [name for name in os.environ if name.startswith(PREFIX) and os.environ[name] and name not in VARIABLES]
    if unknown:
        what += f"; unknown variables: {escaped(', '.join(sorted(unknown)))}"
        hints.append(known("variables", sorted(VARIABLES), *sorted(unknown)))
    yield Finding("configuration", "warning", what, " ".join(hints)) if hints else ok("configuration", what)


def _places(arguments: Mapping[str, Any], sources: Sources | None) -> str:
    """List the settings by source."""
    passed = [name for name, value in arguments.items() if value is not None and name not in (*SETTINGS, "profile")]
    variables = [PREFIX + name for name in _OTHERS if name != "PROFILE" or arguments.get("profile") is None]
    places = {PASSED: passed, ENVIRONMENT: [name for name in variables if os.environ.get(name)]}
    if sources is not None:
        for setting in sources.found.values():
            places.setdefault(setting.source, []).append(setting.label.removesuffix(f" of {setting.source}"))
        places["ignored because of a different url"] = sources.unused
    return "; ".join(f"{place}: {', '.join(names)}" for place, names in places.items() if names) or "no settings found"
