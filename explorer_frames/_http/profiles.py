"""Read settings from arguments, environment variables and profiles.

Arguments override environment variables, which override the profile. A profile that is passed as an argument overrides
environment variables, as in the AWS CLI. A profile is ignored if another URL takes precedence, so that its secrets are
not sent to that URL. If a profile is passed, environment variables with another URL are also ignored.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from explorer_frames._errors import add_context, as_given, escaped
from explorer_frames._warnings import warn_caller
from explorer_frames.errors import ConfigError, ConfigFileWarning

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PREFIX = "EXPLORER_FRAMES_"
CONFIG_FILE, PROFILE = f"{PREFIX}CONFIG_FILE", f"{PREFIX}PROFILE"
_DEFAULT = "default"
# Names of arguments and profile keys. Environment variables consist of the prefix and the name in upper case.
# client_key is not an argument, because client_cert accepts a pair.
_TEXTS = ("url", "token", "user", "password", "graphd", "auth_encoding", "ca_bundle", "client_cert", "client_key")
SETTINGS = (*_TEXTS, "row_cap")
LOGIN = ("user", "password", "graphd")
_SECRETS = ("token", "password")
_FILES = {"ca_bundle", "client_cert", "client_key"}
_WHOLE = re.compile(r"\d{1,20}")  # `int` would raise an error for thousands of digits
_POSITION = re.compile(r"line \d+, column \d+")
_DOTS = ' Quote a profile name that contains a dot: ["a.b"].'
_WINDOWS = os.name == "nt"
PASSED, ENVIRONMENT = "arguments", "environment"
_warned: set[str] = set()


def variable(setting: str) -> str:
    """Return the name of a setting's environment variable."""
    return PREFIX + setting.upper()


def as_argument(name: str) -> str:
    """Return the name of a setting for a hint, with ``=`` if it is an argument."""
    return f"{name}=" if name.isidentifier() and name.islower() else name


def base_path(path: str) -> str:
    """Return the path of a URL without ``/api-open/v1``."""
    return path.rstrip("/").removesuffix("/api-open/v1").rstrip("/")


@dataclass(frozen=True)
class Setting:
    """Value of a setting, and its source."""

    name: str
    value: Any = field(repr=False)  # of a secret: a `StoredSecret`, or the argument
    source: str  # the arguments, the environment or a profile

    @property
    def is_passed(self) -> bool:
        return self.source == PASSED

    @property
    def label(self) -> str:
        """Name of the setting in errors."""
        if self.is_passed:
            return self.name
        return variable(self.name) if self.source == ENVIRONMENT else f"{self.name} of {self.source}"


class Sources:
    """Settings of an `Explorer`, each from the first source that contains it."""

    def __init__(self, profile: str | None = None, **arguments: Any) -> None:
        if profile is not None and not isinstance(profile, str):
            raise ConfigError(f"profile must be a str, got {as_given(profile)}")
        given = _settings(PASSED, {name: value for name, value in arguments.items() if not _is_missing(name, value)})
        if "token" in given and not given.keys().isdisjoint(LOGIN):
            raise ConfigError(
                "token is mutually exclusive with user, password and graphd", hint="Pass either the token or the login."
            )
        environment = _settings(ENVIRONMENT, _environment())
        # `missing` is the error for a profile that does not exist, but is not needed because `url` is passed.
        stored, self.missing = _stored(profile, needed=profile is not None or "url" not in given)
        places = [given, environment, stored] if profile is None else [given, stored, environment]
        url = next((place["url"].value for place in places if "url" in place), None)
        bound = [stored] if profile is None else [stored, environment]  # used only with their own URL
        left_out = [place for place in bound if "url" in place and _server(place["url"].value) != _server(url)]
        places = [place for place in places if place not in left_out]
        # Sources that are ignored because of their URL.
        self.unused = [place["url"].source for place in left_out]
        self.found = {name: setting for place in reversed(places) for name, setting in place.items()}
        # The first source with a token or a login determines which of them is used.
        hints = self._hide(next((one for one in places if not one.keys().isdisjoint(("token", *LOGIN))), {}))
        self.hints = hints if profile is None else []  # an explicit profile requires no hint
        if "client_cert" in self.found:
            self.found.pop("client_key", None)  # the key belongs to another certificate

    def _hide(self, deciding: Mapping[str, Setting]) -> list[str]:
        """Keep either the token or the login, as in `deciding`, and return hints."""
        other = LOGIN if "token" in deciding else ("token",)
        hidden = [self.found.pop(name).label for name in other if deciding and name in self.found]
        used = [deciding[name] for name in ("token", *LOGIN) if name in deciding and name in self.found]
        if not hidden or used[0].is_passed:
            return []
        names = ", ".join(one.label for one in used)
        return [f"Remove {names} to use {', '.join(hidden)}. The first source with a token or login takes precedence."]


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """Token or password that is read on demand, so that its pickle contains no secret."""

    name: str
    profile: str | None = None  # None for the environment
    url: str | None = None  # the only URL that the secret is sent to

    def __call__(self) -> str:
        if self.profile is None:
            return os.environ.get(variable(self.name), "")
        values = _load(self.profile)
        if isinstance(values, ConfigError):
            raise values
        if _server(values.get("url", self.url)) != _server(self.url):
            raise ConfigError(
                f"the url of the profile changed, so its {self.name} cannot be used",
                where=_place(self.profile),
                hint="Create a new Explorer.",
            )
        return str(values.get(self.name, ""))


def config_file() -> Path:
    """Return the path of the config file, even if it does not exist."""
    if path := os.environ.get(CONFIG_FILE):
        return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib fails without a home directory)
    home = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):  # noqa: PTH117 (XDG requires an absolute path)
        home = (os.environ.get("APPDATA") if _WINDOWS else None) or os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(home, "explorer_frames", "config.toml")


def file_state() -> tuple[object, ...]:
    """Return a fingerprint of the config file that changes when the file is written."""
    try:
        found = config_file().stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _is_missing(name: str, value: object) -> bool:
    """Return whether an argument is None, or an empty url, user or graphd."""
    return value is None or (name in ("url", "user", "graphd") and isinstance(value, str) and not value)


def _server(url: object) -> object:
    """Return a key that is equal for URLs of the same server."""
    try:
        parts = urlsplit(str(url))
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return url
    return parts.scheme, parts.hostname, port, base_path(parts.path), parts.query


def _settings(source: str, values: dict[str, Any]) -> dict[str, Setting]:
    """Return the settings of a source, with client_cert and client_key combined."""
    if "client_cert" in values and "client_key" in values:
        values["client_cert"] = values["client_cert"], values.pop("client_key")
    return {name: Setting(name, value, source) for name, value in values.items()}


def _environment() -> dict[str, Any]:
    values: dict[str, Any] = {name: text for name in SETTINGS if (text := os.environ.get(variable(name)))}
    row_cap = values.get("row_cap", "")
    secrets = {name: StoredSecret(name) for name in _SECRETS if name in values}
    return values | secrets | ({"row_cap": int(row_cap)} if _WHOLE.fullmatch(row_cap) else {})


def _stored(profile: str | None, *, needed: bool) -> tuple[dict[str, Setting], ConfigError | None]:
    """Read the profile; return an error if it is missing but not needed."""
    named = profile if profile is not None else os.environ.get(PROFILE) or None
    name = _DEFAULT if named is None else named
    values = _load(name)
    if isinstance(values, ConfigError):
        has_file = not os.environ.get(CONFIG_FILE) or os.path.exists(config_file())  # noqa: PTH110 (as in `_load`)
        if named is None and has_file:
            return {}, None
        if profile is None:
            values.hint = f"{values.hint} Correct {CONFIG_FILE if named is None else PROFILE}, or unset it."
        if needed:
            raise values
        return {}, values
    secrets = {key: StoredSecret(key, name, values["url"]) for key in _SECRETS if key in values}
    return _settings(_place(name), values | secrets), None


def _place(name: str) -> str:
    return f"profile {escaped(name, 60)!r} in {escaped(config_file())}"


def _load(name: str) -> dict[str, Any] | ConfigError:
    """Read the settings of a profile, or return an error if it is missing."""
    path = config_file()
    profiles = _profiles(path) if os.path.exists(path) else {}  # noqa: PTH110 (False if the folder is unreadable)
    if name not in profiles:
        hint = (
            f"The config file does not exist or has no profiles. Add the profile, or set {CONFIG_FILE} to another path."
        )
        if profiles:
            hint = known("profiles", profiles, name) + _DOTS * ("." in name)
        return ConfigError(f"profile {escaped(name, 60)!r} does not exist", where=escaped(path), hint=hint)
    with add_context(_place(name)):
        values = {key: _value(key, value, path) for key, value in profiles[name].items()}
        if "url" not in values and not values.keys().isdisjoint(_SECRETS):
            raise ConfigError("the profile contains a token or password, but no url", hint="Add the url of the server.")
    return values


def known(what: str, names: Collection[str], *wrong: str) -> str:
    """Return a hint for misspelled names, with close matches and the known names."""
    lower = [one.lower() for one in names]
    alike = dict.fromkeys(one for name in wrong for one in get_close_matches(name.lower(), lower))
    close = [repr(escaped(name, 60)) for one in alike for name in names if name.lower() == one]
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}Known {what}: {escaped(', '.join(names), 1000)}."


def _value(key: str, value: object, path: Path) -> Any:
    """Validate one key of a profile; errors do not contain its value."""
    if key not in SETTINGS:
        hint = known("keys", SETTINGS, key)
        raise ConfigError(f"unknown key {escaped(key, 60)!r}", hint=hint + _DOTS * isinstance(value, dict))
    kind = str if key in _TEXTS else int
    if type(value) is not kind or not value:
        expected = "a non-empty string in quotes" if kind is str else "a positive integer"
        raise ConfigError(f"{key} must be {expected}", hint=f"Correct or remove {key}.")
    if key in _FILES:
        return os.path.join(path.parent, os.path.expanduser(str(value)))  # noqa: PTH111, PTH118 (fails without a home directory)
    return value


def _profiles(path: Path) -> dict[str, dict[str, Any]]:
    """Read the profiles of the config file."""
    import tomllib  # noqa: PLC0415 (needed only if there is a config file)

    try:
        with path.open("rb") as file:
            permissions = os.fstat(file.fileno()).st_mode
            content = tomllib.loads(file.read().decode("utf-8-sig"))
    except OSError as error:
        failure = f"cannot read the config file: {escaped(error.strerror or type(error).__name__)}"
        hint = f"Make the file readable, or set {CONFIG_FILE} to another path."
    except UnicodeDecodeError:
        failure, hint = "the config file is not valid UTF-8", "Save the file as UTF-8."
    except (ValueError, RecursionError) as error:  # its message may contain a secret
        position = _POSITION.search(str(error))
        failure = f"the config file is not valid TOML{f' at {position[0]}' if position else ''}"
        hint = r"Start each profile with a [name] line. Put strings in quotes, and strings with \ in single quotes."
    else:
        _check_permissions(path, permissions, content)
        outside = next((key for key, value in content.items() if not isinstance(value, dict)), None)
        if outside is None:
            return content
        failure = f"key {escaped(outside, 60)!r} is not in a profile"
        hint = f"Move the key below the [name] line of a profile, such as [{_DEFAULT}]."
    raise ConfigError(failure, where=escaped(path), hint=hint)


def _check_permissions(path: Path, permissions: int, content: Mapping[str, Any]) -> None:
    """Warn once per process if other users can read a file with secrets."""
    # Windows does not have these permission bits.
    has_secrets = any(not one.keys().isdisjoint(_SECRETS) for one in content.values() if isinstance(one, dict))
    others = permissions & (stat.S_IRGRP | stat.S_IROTH)
    if not has_secrets or not others or _WINDOWS or str(path) in _warned:
        return
    warn_caller(
        f"the config file contains secrets and is readable by other users [{escaped(path)}]. Run chmod 600 on it.",
        ConfigFileWarning,
    )
    _warned.add(str(path))  # set after the warning, because a filter may turn it into an error
