"""Validate connection settings and credentials."""

from __future__ import annotations

import os
import re
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from ipaddress import ip_address
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from explorer_frames._arguments import EVERYTHING, checked_count, is_duration
from explorer_frames._errors import add_context, as_given, escaped
from explorer_frames._http.profiles import LOGIN, PREFIX, StoredSecret, as_argument, base_path, variable
from explorer_frames._private import private
from explorer_frames._signals import failures
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from explorer_frames._http.profiles import Setting, Sources

AuthEncoding: TypeAlias = Literal["auto", "json", "colon"]
SecretSource: TypeAlias = "str | Callable[[], str]"
_T = TypeVar("_T")

_PORT = re.compile(r"[0-9]{1,5}")
# Control characters and surrogates. Python decodes invalid bytes in environment variables as surrogates.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Secret:
    """Password or token, given as text or read on demand from its source."""

    __slots__ = ("_name", "_source")

    def __init__(self, name: str, source: SecretSource) -> None:
        self._name = name
        self._source = source

    def reveal(self) -> str:
        """Read the secret from its source."""
        source = self._source
        text, failed = source, None
        if isinstance(source, StoredSecret):
            text = source()
        elif callable(source):
            try:
                text = source()
            except failures(Exception) as error:  # its message may contain the secret
                failed = type(error).__name__
        if failed:
            raise ConfigError(
                f"the function passed as {self._name} raised {failed}", hint="Call the function to see the error."
            )
        if not isinstance(text, str) or not text or _CONTROL.search(text):
            raise ConfigError(
                f"{self._name} must be a non-empty str without control characters",
                hint=f"Set {variable(self._name)}.\nOr pass {self._name}=.",
            )
        return text

    def __repr__(self) -> str:
        kind = "callable" if callable(self._source) else "text"
        if isinstance(self._source, StoredSecret):
            kind = "environment" if self._source.profile is None else "profile"
        return f"<{self._name} from {kind}: ****>"

    @private
    def __reduce__(self) -> tuple[type[Secret], tuple[str, SecretSource]]:
        if isinstance(self._source, str):
            raise ConfigError(
                f"cannot pickle an Explorer with {self._name} passed as a str",
                hint=f"Set {variable(self._name)} in the other process.\nOr pass a function as {self._name}=.",
            )
        return Secret, (self._name, self._source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A token, or the user, password and graphd address of a login."""

    token: Secret | None = None
    user: str | None = None
    password: Secret | None = None
    graphd: tuple[str, int] | None = None
    auth_encoding: AuthEncoding = "auto"

    @property
    def encodings(self) -> list[str]:
        """Login encodings, in the order in which they are tried."""
        if self.auth_encoding != "auto":
            return [self.auth_encoding]
        return ["json"] if ":" in (self.user or "") else ["json", "colon"]


_FOREVER = threading.TIMEOUT_MAX  # seconds; the longest timeout that a socket accepts


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Validated connection settings, with times in seconds."""

    url: str
    timeout: tuple[float, float] = (10.0, 60.0)
    deadline: float | None = 600.0
    retries: int = 2
    verify: bool | str = True
    client_cert: str | tuple[str, str] | None = None
    ca_name: str = "ca_bundle"  # name of the setting in errors
    cert_name: str = "client_cert"
    trust_env: bool = True
    max_bytes: int | None = None
    row_cap: int | None = None

    @property
    def is_exposed(self) -> bool:
        """Whether requests are sent unencrypted to another machine."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        try:
            within = ip_address(host).is_loopback
        except ValueError:
            within = host == "localhost" or host.endswith(".localhost")
        return parts.scheme == "http" and not within


def settings(
    sources: Sources,
    *,
    timeout: float | tuple[float | None, float | None] | None,
    deadline: float | None,
    retries: int,
    verify: bool,
    trust_env: bool,
    max_bytes: int | None,
) -> Settings:
    """Validate the settings from arguments, the environment and the profile."""
    waits = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    connect, read = waits if len(waits) == 2 else (0, 0)  # noqa: PLR2004 (a pair)
    if not all(wait is None or is_duration(wait) for wait in (connect, read)):
        raise ConfigError(
            f"timeout must be a positive number of seconds, None or a pair of these, got {as_given(timeout)}"
        )
    if deadline is not None and not is_duration(deadline):
        raise ConfigError(
            f"deadline must be a positive number of seconds or None, got {as_given(deadline)}",
            hint="deadline= limits a whole call, including its retries. The default is 600.",
        )
    if not isinstance(retries, Integral) or isinstance(retries, bool) or retries < 0:
        raise ConfigError(f"retries must be a non-negative integer, got {as_given(retries)}")
    if not isinstance(trust_env, bool):
        raise ConfigError(f"trust_env must be True or False, got {as_given(trust_env)}")
    if not isinstance(verify, bool):
        raise ConfigError(
            f"verify must be True or False, got {as_given(verify)}", hint="Pass a certificate file as ca_bundle=."
        )
    found = sources.found
    ca_bundle = found.get("ca_bundle")
    if ca_bundle is not None and not verify:
        if ca_bundle.is_passed:
            raise ConfigError("ca_bundle and verify=False are mutually exclusive", hint="Pass only ca_bundle.")
        ca_bundle = None
    client_cert = found.get("client_cert")
    if "client_key" in found:
        key = found["client_key"].label
        raise ConfigError(f"{key} is set without client_cert", hint="Set both or neither.")
    url = found.get("url")
    return Settings(
        url=_checked_url("") if url is None else _checked(url, _checked_url),
        timeout=(_FOREVER if connect is None else float(connect), _FOREVER if read is None else float(read)),
        deadline=None if deadline is None else float(deadline),
        retries=int(retries),
        verify=verify if ca_bundle is None else _certificate(ca_bundle.label, ca_bundle.value),
        client_cert=None if client_cert is None else _client_certificate(client_cert),
        ca_name="ca_bundle" if ca_bundle is None else ca_bundle.label,
        cert_name="client_cert" if client_cert is None else client_cert.label,
        trust_env=trust_env,
        max_bytes=None if max_bytes is None else checked_count("max_bytes", max_bytes, or_else=", or None"),
        row_cap=_row_cap(found.get("row_cap")),
    )


def _checked(setting: Setting, check: Callable[[Any], _T]) -> _T:
    """Validate a setting, and name its source in errors."""
    with nullcontext() if setting.is_passed else add_context(setting.label):
        return check(setting.value)


def _row_cap(found: Setting | None) -> int | None:
    if found is None:
        return None
    or_else = ", or None" if found.is_passed else ""
    return checked_count(found.label, found.value, most=EVERYTHING, or_else=or_else)


def credentials(sources: Sources, auth_encoding: AuthEncoding) -> Credentials:
    """Validate the token or the login."""
    encoding, name = auth_encoding, "auth_encoding"
    if auth_encoding == "auto" and (found := sources.found.get("auth_encoding")):
        encoding, name = found.value, found.label
    if encoding not in ("auto", "json", "colon"):
        raise ConfigError(
            f"{name} must be 'auto', 'json' or 'colon', got {as_given(encoding)}",
            hint="Pass 'colon' for Explorer 3.1.0, 'json' for 3.2.0 and later, or 'auto' to try both.",
        )
    token, user, password, graphd = map(sources.found.get, ("token", *LOGIN))
    for secret in (token, password):
        if secret is not None and not (isinstance(secret.value, str) or callable(secret.value)):
            kind = type(secret.value).__name__
            raise ConfigError(f"{secret.name} must be a str or a function that returns a str, got {kind}")
    if token is not None:
        return Credentials(token=Secret("token", token.value))
    if user is None or password is None or graphd is None:
        raise sources.missing or _missing_credentials(sources)
    who = user.value
    if not isinstance(who, str) or _CONTROL.search(who) or (encoding == "colon" and ":" in who):
        raise ConfigError("user must be a str without control characters, and without ':' if auth_encoding is 'colon'")
    return Credentials(
        user=who,
        password=Secret("password", password.value),
        graphd=_checked(graphd, _host_port),
        auth_encoding=encoding,
    )


def _missing_credentials(sources: Sources) -> ConfigError:
    missing = " and ".join(", ".join(name for name in LOGIN if name not in sources.found).rsplit(", ", 1))
    hints = [f"Ignored because of a different url: {place}." for place in sources.unused]
    hints += [*sources.hints, f"Set {PREFIX}TOKEN, or set {PREFIX}USER, {PREFIX}PASSWORD and {PREFIX}GRAPHD."]
    return ConfigError(
        f"missing credentials: no token is set, and a login also requires {missing}",
        hint=f"{' '.join(hints)}\nOr pass token=, or user=, password= and graphd='host:port'.",
    )


def _certificate(name: str, path: str | os.PathLike[str]) -> str:
    # Reject an empty path, because `requests` would disable verification.
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
    file = os.path.expanduser(text)  # noqa: PTH111 (pathlib fails without a home directory)
    if not os.path.exists(file):  # noqa: PTH110 (a plain string)
        raise ConfigError(
            f"{name}: certificate file {escaped(path)!r} does not exist",
            hint=f"Set {as_argument(name)} to an existing PEM file.",
        )
    return file


def _client_certificate(found: Setting) -> str | tuple[str, str]:
    name, files = found.label, found.value
    if not isinstance(files, tuple):
        return _certificate(name, files)
    if len(files) != 2:  # noqa: PLR2004
        raise ConfigError(f"{name} must be a PEM file with certificate and key, or a pair of files")
    return _certificate(name, files[0]), _certificate(name, files[1])


def _checked_url(url: str) -> str:
    if not url:
        raise ConfigError("missing url", hint=f"Pass url='http://host:7002', or set {PREFIX}URL.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, TypeError, AttributeError):  # TypeError or AttributeError if it is not a str
        parts, port = None, None
    if parts is None or not isinstance(url, str) or any(char in url for char in "@?#"):
        # The message does not show the URL, because it may contain a password.
        raise ConfigError(
            "invalid url: it must not contain a user, password, query or fragment",
            hint="Pass url='http://host:7002' or url='https://host/prefix'. Pass the credentials separately.",
        )
    bad = parts.scheme not in ("http", "https") or not parts.hostname or port == 0
    if bad or _CONTROL.search(url) or any(char.isspace() or char == "\\" for char in url):
        raise ConfigError(
            f"invalid url: {escaped(url, 80)!r}",
            hint="Pass a URL such as 'http://host:7002' or 'https://host/prefix'.",
        )
    return f"{parts.scheme}://{parts.netloc}{base_path(parts.path)}"


def _host_port(graphd: str) -> tuple[str, int]:
    host, _, port = graphd.rpartition(":") if isinstance(graphd, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not host or _CONTROL.search(host) or not _PORT.fullmatch(port) or not 0 < int(port) < 2**16:
        raise ConfigError(
            f"graphd must be 'host:port', got {escaped(graphd, 80)!r}",
            hint="Pass the address at which the Explorer server reaches graphd, usually with port 9669.",
        )
    return host, int(port)
