"""Where settings come from: arguments > environment variables > a profile in the config file.

A profile that is passed as an argument comes before the environment, as with the AWS CLI. A profile is for its own url
only: where another url comes first, nothing of the profile is used, so that no secret of it is sent there. Where a
profile is passed, this also applies to the environment.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer_frames._caller import warn_caller
from explorer_frames._errors import add_context, escaped
from explorer_frames.errors import ConfigError, ConfigFileWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "EXPLORER_FRAMES_"
CONFIG_FILE, PROFILE = f"{PREFIX}CONFIG_FILE", f"{PREFIX}PROFILE"
_DEFAULT = "default"
# Each has this name as an argument and as a key of a profile, and in capitals behind the prefix as a variable. Only the
# argument client_cert takes a pair in place of client_key.
_TEXTS = ("url", "token", "user", "password", "graphd", "auth_encoding", "ca_bundle", "client_cert", "client_key")
SETTINGS = (*_TEXTS, "row_cap")
LOGIN = ("user", "password", "graphd")
_FILES = {"ca_bundle", "client_cert", "client_key"}
_POSITION = re.compile(r"line \d+, column \d+")
_WINDOWS = os.name == "nt"
_warned: set[str] = set()


def variable(setting: str) -> str:
    """Name the environment variable of a setting."""
    return PREFIX + setting.upper()


def as_argument(name: str) -> str:
    """Spell a setting in a hint: an argument as ``ca_bundle=``, which the command line replaces with its option."""
    return f"{name}=" if name.isidentifier() and name.islower() else name


@dataclass(frozen=True)
class Layer:
    """Settings that come from one place.

    Attributes
    ----------
    values
        By the name of the setting; none is None or an empty variable.
    label
        How errors call a setting.
    profile
        The profile that they are in, if any.
    """

    values: Mapping[str, Any] = field(repr=False)
    label: Callable[[str], str]
    profile: str | None = None


@dataclass(frozen=True)
class Setting:
    """A setting that was found, and the layer that has it."""

    name: str
    value: Any = field(repr=False)
    layer: Layer

    @property
    def label(self) -> str:
        """How errors call it."""
        return self.layer.label(self.name)

    def named(self) -> AbstractContextManager[None]:
        """Name where it comes from in errors, unless it is an argument."""
        return nullcontext() if self.label == self.name else add_context(self.label)


class Sources:
    """The settings of one `Explorer`, by name, from the first layer that has them.

    Parameters
    ----------
    profile
        Default: ``EXPLORER_FRAMES_PROFILE``, or the profile ``default`` if there is one.
    **arguments
        By the name of the setting.

    Attributes
    ----------
    layers : list of Layer
    profile : str or None
        Name of the profile that is used.
    has_unused : bool
        Whether a layer is left out, because its url is another one.

    Raises
    ------
    ConfigError
        The config file is invalid, has no such profile, or the profile has an unknown key.
    """

    def __init__(self, profile: str | None = None, **arguments: Any) -> None:
        if profile is not None and not isinstance(profile, str):
            raise ConfigError(f"profile must be a str, got {escaped(profile, 60)!r}")
        given = Layer({name: value for name, value in arguments.items() if not _is_missing(name, value)}, str)
        stored, environment = _load(profile), _environment()
        self.layers = [given, environment, stored] if profile is None else [given, stored, environment]
        url = self.find("url")
        for layer in [stored] if profile is None else [stored, environment]:
            if url is not None and not _same(layer.values.get("url", url.value), url.value):
                self.layers.remove(layer)
        self.profile = stored.profile if stored in self.layers else None
        self.has_unused = len(self.layers) < 3  # noqa: PLR2004 (as many as there were)

    def find(self, name: str) -> Setting | None:
        """Find a setting."""
        return next((Setting(name, layer.values[name], layer) for layer in self.layers if name in layer.values), None)

    def uses_token(self) -> bool:
        """Return whether a token is used, and not a login: the first layer that has any of them decides."""
        credentials = ("token", *LOGIN)
        deciding = (layer.values for layer in self.layers if not layer.values.keys().isdisjoint(credentials))
        return "token" in next(deciding, {})

    def certificate(self) -> Setting | None:
        """Find the client certificate, as a pair where its key is in a file of its own."""
        found = self.find("client_cert")
        key = self.find("client_key")
        if found is None:
            if key is None:
                return None
            raise ConfigError(f"{key.label} is set without client_cert", hint="Set both or neither.")
        own_key = found.layer.values.get("client_key")
        return found if own_key is None else Setting(found.name, (found.value, own_key), found.layer)


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A token or a password in a profile, read when it is needed; it pickles without its text."""

    profile: str
    name: str

    def __call__(self) -> str:
        return str(_load(self.profile).values.get(self.name, ""))


def config_file() -> Path:
    """Return the path of the config file, whether it exists or not."""
    if path := os.environ.get(CONFIG_FILE):
        return Path(os.path.expanduser(path))  # noqa: PTH111 (fails where there is no home)
    home = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):  # noqa: PTH117 (also as the XDG specification has it)
        home = (os.environ.get("APPDATA") if _WINDOWS else None) or os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(home, "explorer_frames", "config.toml")


def file_state() -> tuple[object, ...]:
    """Return what changes when the config file is written."""
    try:
        found = config_file().stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _is_missing(name: str, value: object) -> bool:
    """Whether an argument is missing: also an empty url, user or graphd, as scripts pass them."""
    return value is None or (value == "" and name in ("url", "user", "graphd"))


def _same(url: object, other: object) -> bool:
    return str(url).rstrip("/").lower() == str(other).rstrip("/").lower()


def _environment() -> Layer:
    values: dict[str, Any] = {name: text for name in SETTINGS if (text := os.environ.get(variable(name)))}
    row_cap = values.get("row_cap", "")
    return Layer(values | ({"row_cap": int(row_cap)} if row_cap.isdecimal() else {}), variable)


def _load(profile: str | None) -> Layer:
    """Read a profile; without a name, the one of the environment or the default one, if any."""
    named = profile if profile is not None else os.environ.get(PROFILE) or None
    name = _DEFAULT if named is None else named
    path = config_file()
    profiles = _profiles(path, needed=named is not None or bool(os.environ.get(CONFIG_FILE)))
    if name not in profiles:
        if named is None:
            return Layer({}, str)
        raise ConfigError(
            f"profile {escaped(name, 60)!r} not found in the config file",
            where=escaped(path),
            hint=_known("profiles", name, profiles) if profiles else "The file has no profile. Add one.",
        )
    with add_context(f"profile {escaped(name, 60)!r} in {escaped(path)}"):
        values = {key: _value(key, value, path) for key, value in profiles[name].items()}
        if "url" not in values and not {"token", "password"}.isdisjoint(values):
            raise ConfigError("the profile has a secret but no url", hint="Add the url of the server.")
    return Layer(values, lambda key: f"{key} of profile {escaped(name, 60)!r}", name)


def _known(what: str, name: str, known: Mapping[str, Any]) -> str:
    by_lower = {one.lower(): one for one in known}
    alike = [escaped(by_lower[one], 60) for one in get_close_matches(name.lower(), by_lower)]
    meant = f"Did you mean {' or '.join(map(repr, alike))}? " if alike else ""
    return f"{meant}Known {what}: {', '.join(escaped(one, 60) for one in known)}."


def _value(key: str, value: object, path: Path) -> Any:
    """Check one key of a profile; its value is never shown, since a secret may stand behind any key."""
    if key not in SETTINGS:
        raise ConfigError(f"unknown key {escaped(key, 60)!r}", hint=_known("keys", key, dict.fromkeys(SETTINGS)))
    kind = str if key in _TEXTS else int
    if type(value) is not kind or not value:
        expected = "a non-empty string in quotes" if kind is str else "a positive integer"
        raise ConfigError(f"{key} must be {expected}", hint=f"Correct or remove {key}.")
    if key in _FILES:
        return os.path.join(path.parent, os.path.expanduser(str(value)))  # noqa: PTH111, PTH118 (fails without a home)
    return value


def _profiles(path: Path, *, needed: bool) -> dict[str, dict[str, Any]]:
    """Read the profiles of the config file."""
    if not needed and not os.path.exists(path):  # noqa: PTH110 (False in a folder that cannot be looked into)
        return {}
    import tomllib  # noqa: PLC0415 (most programs have no config file)

    where = escaped(path)
    hint = f"Create it, or set {CONFIG_FILE} to another path."
    try:
        with path.open("rb") as file:
            permissions = os.fstat(file.fileno()).st_mode
            content = tomllib.loads(file.read().decode("utf-8-sig"))
    except OSError as error:
        failure = f"cannot read the config file: {escaped(error.strerror or type(error).__name__)}"
    except UnicodeDecodeError:
        failure, hint = "the config file is not valid UTF-8", "Save it as UTF-8."
    except tomllib.TOMLDecodeError as error:  # whose words may quote a secret
        position = _POSITION.search(str(error))
        failure = f"the config file is not valid TOML{f' at {position[0]}' if position else ''}"
        hint = "Start each profile with a [name] line, and put strings in quotes."
    else:
        _check_permissions(path, permissions, content)
        outside = next((key for key, value in content.items() if not isinstance(value, dict)), None)
        if outside is None:
            return content
        failure = f"key {escaped(outside, 60)!r} is outside of a profile"
        hint = f"Move it below the [name] line of a profile, such as [{_DEFAULT}]."
    raise ConfigError(failure, where=where, hint=hint)


def _check_permissions(path: Path, permissions: int, content: Mapping[str, Any]) -> None:
    """Warn, once a process, if other users can read a file with secrets; Windows has no such bits."""
    has_secrets = any(not {"token", "password"}.isdisjoint(one) for one in content.values() if isinstance(one, dict))
    others = permissions & (stat.S_IRGRP | stat.S_IROTH)
    if not has_secrets or not others or _WINDOWS or str(path) in _warned:
        return
    warn_caller(
        f"the config file contains secrets and is readable by other users [{escaped(path)}]. Run chmod 600 on it.",
        ConfigFileWarning,
    )
    _warned.add(str(path))  # behind the warning, which a filter may make an error
