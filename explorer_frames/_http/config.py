"""Settings: argument > environment > ConfigError, and secrets that no repr shows.

The environment is read when an `Explorer` is made or a secret is needed, never at import.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from ipaddress import ip_address
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from explorer_frames._arguments import EVERYTHING, checked_count, is_duration
from explorer_frames._errors import escaped
from explorer_frames._private import private
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

AuthEncoding: TypeAlias = Literal["auto", "json", "colon"]
SecretSource: TypeAlias = "str | Callable[[], str]"

PREFIX = "EXPLORER_FRAMES_"
_PORT = re.compile(r"[0-9]{1,5}")
# Control characters, and the halves of pairs that stand for bytes of the environment which are no text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Secret:
    """A password or token, or where to get it when it is needed: an environment variable or a callable.

    A secret that was given as text does not pickle: where a process pool needs one, its source has to travel.
    """

    __slots__ = ("_name", "_source")

    def __init__(self, name: str, source: SecretSource | None = None) -> None:
        self._name = name
        self._source = source

    def reveal(self) -> str:
        """Get the text, afresh from its source."""
        source = self._source
        text = os.environ.get(PREFIX + self._name.upper(), "") if source is None else source
        failed = None
        if callable(source):
            try:
                text = source()
            except Exception as error:  # noqa: BLE001 (the caller's own code; its words may hold the secret)
                failed = type(error).__name__
        if failed:
            raise ConfigError(f"the function that gets the {self._name} raised {failed}", hint="Call it by itself.")
        if not isinstance(text, str) or not text or _CONTROL.search(text):
            raise ConfigError(
                f"the {self._name} is empty, or no text, or has control characters in it",
                hint=f"Set {PREFIX}{self._name.upper()}.\nOr pass {self._name}=.",
            )
        return text

    def __repr__(self) -> str:
        kind = "environment" if self._source is None else "callable" if callable(self._source) else "text"
        return f"<{self._name} from {kind}: ****>"

    @private
    def __reduce__(self) -> tuple[type[Secret], tuple[str, SecretSource | None]]:
        if isinstance(self._source, str):
            raise ConfigError(
                f"a {self._name} given as text is not sent to another process",
                hint=f"Set {PREFIX}{self._name.upper()} there.\nOr pass {self._name}= with a function that fetches it.",
            )
        return Secret, (self._name, self._source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A token, or what is needed to get one."""

    token: Secret | None = None
    user: str | None = None
    password: Secret | None = None
    graphd: tuple[str, int] | None = None
    auth_encoding: AuthEncoding = "auto"

    @property
    def encodings(self) -> list[str]:
        """The forms of the login to try, in this order."""
        if self.auth_encoding != "auto":
            return [self.auth_encoding]
        return ["json"] if ":" in (self.user or "") else ["json", "colon"]


_FOREVER = threading.TIMEOUT_MAX  # the most that sockets accept, 292 years


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the server is and how long to wait for it; times in seconds."""

    url: str
    timeout: tuple[float, float] = (10.0, 60.0)
    deadline: float | None = 600.0
    retries: int = 2
    verify: bool | str = True
    client_cert: str | tuple[str, str] | None = None
    trust_env: bool = True
    max_bytes: int | None = None
    row_cap: int | None = None

    @property
    def is_exposed(self) -> bool:
        """Whether what is sent could be read on its way: plain http, and not within this machine."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        try:
            within = ip_address(host).is_loopback
        except ValueError:
            within = host == "localhost" or host.endswith(".localhost")
        return parts.scheme == "http" and not within


def settings(
    url: str | None,
    *,
    timeout: float | tuple[float | None, float | None] | None,
    deadline: float | None,
    retries: int,
    verify: bool,
    ca_bundle: str | os.PathLike[str] | None,
    client_cert: str | tuple[str, str] | None,
    trust_env: bool,
    max_bytes: int | None,
    row_cap: int | None,
) -> Settings:
    """Check what was passed, and take the url from the environment where it was not."""
    waits = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    connect, read = waits if len(waits) == 2 else (0, 0)  # noqa: PLR2004 (a pair)
    if not all(wait is None or is_duration(wait) for wait in (connect, read)):
        raise ConfigError(
            f"timeout must be a number of seconds above 0, None, or a pair of them: {escaped(timeout, 60)}"
        )
    if deadline is not None and not is_duration(deadline):
        raise ConfigError(
            f"deadline must be a number of seconds above 0, or None: {escaped(deadline, 60)}",
            hint="It is for one whole call, retries included: 600 by default.",
        )
    if not isinstance(retries, Integral) or isinstance(retries, bool) or retries < 0:
        raise ConfigError(f"retries must be a whole number from 0: {escaped(retries, 60)}")
    if not isinstance(trust_env, bool):
        raise ConfigError(f"trust_env must be True or False: {escaped(trust_env, 60)!r}")
    if not isinstance(verify, bool):
        raise ConfigError(f"verify must be True or False: {escaped(verify, 60)!r}", hint="A file goes into ca_bundle.")
    if ca_bundle is not None and not verify:
        raise ConfigError("ca_bundle and verify=False contradict each other", hint="Pass only ca_bundle.")
    return Settings(
        url=_checked_url(url or os.environ.get(PREFIX + "URL") or ""),
        timeout=(_FOREVER if connect is None else float(connect), _FOREVER if read is None else float(read)),
        deadline=None if deadline is None else float(deadline),
        retries=int(retries),
        verify=_certificate("ca_bundle", ca_bundle) if ca_bundle is not None else verify,
        client_cert=_client_certificate(client_cert),
        trust_env=trust_env,
        max_bytes=None if max_bytes is None else checked_count("max_bytes", max_bytes, or_else=", or None"),
        row_cap=_row_cap(row_cap),
    )


def _row_cap(given: int | None) -> int | None:
    name = PREFIX + "ROW_CAP"
    text = os.environ.get(name, "")
    if given is not None or not text:
        return None if given is None else checked_count("row_cap", given, most=EVERYTHING, or_else=", or None")
    return checked_count(name, int(text) if text.isdecimal() else text, most=EVERYTHING)


def credentials(
    token: SecretSource | None,
    user: str | None,
    password: SecretSource | None,
    graphd: str | None,
    auth_encoding: AuthEncoding,
) -> Credentials:
    """Decide between token and login: what was passed comes before what the environment has."""
    if auth_encoding == "auto":
        name = f"{PREFIX}AUTH_ENCODING"
        auth_encoding = os.environ.get(name) or "auto"  # type: ignore[assignment]  # checked below
    else:
        name = "auth_encoding"
    if auth_encoding not in ("auto", "json", "colon"):
        raise ConfigError(
            f"{name} must be 'auto', 'json' or 'colon': {escaped(auth_encoding, 60)!r}",
            hint="'colon' is for Explorer 3.1.0, 'json' for 3.2.0 and later; 'auto' tries both.",
        )
    for name, source in (("token", token), ("password", password)):
        if not (source is None or isinstance(source, str) or callable(source)):
            raise ConfigError(f"{name} must be text or a function that gets it, not {type(source).__name__}")
    login = user is not None or password is not None or graphd is not None
    if token is not None and login:
        raise ConfigError("token and user, password, graphd exclude each other", hint="Pass one or the other.")
    if token is not None or (not login and os.environ.get(PREFIX + "TOKEN")):
        return Credentials(token=Secret("token", token))
    user = user or os.environ.get(PREFIX + "USER")
    graphd = graphd or os.environ.get(PREFIX + "GRAPHD")
    has_password = password is not None or os.environ.get(PREFIX + "PASSWORD")
    missing = [name for name, got in (("user", user), ("password", has_password), ("graphd", graphd)) if not got]
    if missing or not user or not graphd:
        raise ConfigError(
            f"no token, and for a login {' and '.join(missing)} is missing",
            hint=f"Set {PREFIX}TOKEN; or set {PREFIX}USER, {PREFIX}PASSWORD and {PREFIX}GRAPHD.\n"
            "Or pass token=; or pass user=, password= and graphd='host:port'.",
        )
    if not isinstance(user, str) or _CONTROL.search(user) or (auth_encoding == "colon" and ":" in user):
        raise ConfigError("the user's name has a character in it that cannot be sent")
    return Credentials(
        user=user, password=Secret("password", password), graphd=_host_port(graphd), auth_encoding=auth_encoding
    )


def _certificate(name: str, path: str | os.PathLike[str]) -> str:
    # An empty name is refused too: `requests` takes it for "do not verify".
    if not isinstance(path, str | os.PathLike) or not os.fspath(path) or not Path(path).exists():
        raise ConfigError(
            f"{name}: certificate file {escaped(path)!r} does not exist", hint=f"{name} must be an existing PEM file."
        )
    return os.fspath(path)


def _client_certificate(files: str | tuple[str, str] | None) -> str | tuple[str, str] | None:
    if not isinstance(files, tuple):
        return None if files is None else _certificate("client_cert", files)
    if len(files) != 2:  # noqa: PLR2004
        raise ConfigError("client_cert must be a file with certificate and key, or a pair of files")
    return _certificate("client_cert", files[0]), _certificate("client_cert", files[1])


def _checked_url(url: str) -> str:
    if not url:
        raise ConfigError("no url of an Explorer", hint=f"Pass url='http://host:7002', or set {PREFIX}URL.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, TypeError, AttributeError):  # the latter two: no text
        parts, port = None, None
    if parts is None or not isinstance(url, str) or any(char in url for char in "@?#"):
        # Not shown: what stands around an @, or in a query, may be a password, however the rest parses.
        raise ConfigError(
            "the url is not valid, or has a user, a password, a query or a fragment in it",
            hint="Pass url='http://host:7002' or url='https://host/prefix', and the credentials separately.",
        )
    bad = parts.scheme not in ("http", "https") or not parts.hostname or port == 0
    if bad or _CONTROL.search(url) or any(char.isspace() or char == "\\" for char in url):
        raise ConfigError(
            f"not the url of an Explorer: {escaped(url, 80)!r}",
            hint="It looks like 'http://host:7002' or 'https://host/prefix'.",
        )
    prefix = parts.path.rstrip("/").removesuffix("/api-open/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{prefix}"


def _host_port(graphd: str) -> tuple[str, int]:
    host, _, port = graphd.rpartition(":") if isinstance(graphd, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not host or _CONTROL.search(host) or not _PORT.fullmatch(port) or not 0 < int(port) < 2**16:
        raise ConfigError(
            f"graphd must be 'host:port': {escaped(graphd, 80)!r}",
            hint="It is the address of graphd as the Explorer server reaches it, usually with port 9669.",
        )
    return host, int(port)
