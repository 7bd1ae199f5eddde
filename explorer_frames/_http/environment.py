"""Find invalid proxy and certificate settings after a failed request."""

from __future__ import annotations

import os
import re
import ssl
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from requests.utils import select_proxy
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from explorer_frames._errors import escaped
from explorer_frames._http.profiles import as_argument
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
_SYSTEM = "the proxy settings of this system"


class Proxy(NamedTuple):
    """Proxy host and port without credentials, and the name of the proxy setting."""

    setting: str
    host: str

    def __str__(self) -> str:
        return f"the proxy {escaped(self.host, 80)}".rstrip()


def proxy_of(url: str, proxies: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for requests to `url`, if any."""
    proxy = select_proxy(url, proxies)
    if not proxy:
        return None
    scheme = urlsplit(url).scheme
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    host = re.search(r"(?:^|@|//)((?:\[[^@/?#]*\]|[^@/?#:]+)(?::\d+)?)/*$", proxy)
    return Proxy(next((name for name in names if os.environ.get(name)), _SYSTEM), host[1] if host else "")


def uses_tls(url: str, proxies: Mapping[str, str]) -> bool:
    """Return whether the connection to the server or to the proxy uses TLS."""
    return "https" in (urlsplit(url).scheme, urlsplit(select_proxy(url, proxies) or "").scheme)


def ca_setting(*, verify: bool | str, given: bool | str, name: str) -> tuple[str, str] | None:
    """Return the name and path of the CA setting; None for the system's certificates."""
    # `given` is the user's setting. `verify` also includes the environment.
    if isinstance(given, str):
        return name, given
    if not verify or (verify is True and sys.platform in ("darwin", "win32")):  # these ignore OpenSSL's variables
        return None
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR") if verify is True else ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return next(((name, path) for name in names if (path := os.environ.get(name))), None)


def proxy_error(url: str, proxies: Mapping[str, str]) -> ConfigError | None:
    """Return an error if the proxy URL is invalid or unsupported."""
    used, proxy = proxy_of(url, proxies), select_proxy(url, proxies)
    if used is None or not proxy:
        return None
    name = used.setting
    try:
        parts = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    except (HTTPError, ValueError):
        parts = parse_url("")
    # Older versions of urllib3 accept whitespace in a host.
    if not parts.host or re.search(r"\s", proxy) or parts.scheme not in ("http", "https", *_SOCKS):
        return ConfigError(f"{name} is not a valid proxy URL", hint=f"Set {name} to http://host:port, or unset it.")
    if parts.scheme in _SOCKS and find_spec("socks") is None:
        return ConfigError(
            f"{name} is a SOCKS proxy, which requires the package PySocks",
            hint=f"Run pip install PySocks, or set {name} to http://host:port.",
        )
    return None


def certificate_error(
    authorities: tuple[str, str] | None, client_cert: str | tuple[str, str] | None, cert_name: str
) -> ConfigError | None:
    """Return an error if the CA bundle or the client certificate cannot be loaded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities is not None:
        name, path = authorities
        try:
            if Path(path).is_dir():
                context.load_verify_locations(capath=path)
            else:
                context.load_verify_locations(cafile=path)
        except (OSError, ValueError) as error:
            return ConfigError(
                f"{name}: cannot load CA certificates from {escaped(path)!r}: {_reason(error)}",
                hint=f"Set {as_argument(name)} to a readable PEM file with CA certificates.",
            )
    if client_cert is not None:
        cert, key = (client_cert, None) if isinstance(client_cert, str) else client_cert
        try:
            context.load_cert_chain(cert, key, password=lambda: b"")  # otherwise OpenSSL prompts in the terminal
        except (OSError, ValueError) as error:
            shown = " and ".join(repr(escaped(file)) for file in (cert, key) if file)
            encrypted = isinstance(error, ssl.SSLError) and b"ENCRYPTED" in Path(key or cert).read_bytes()
            return ConfigError(
                f"{cert_name}: cannot load certificate and key from {shown}: "
                f"{'the key is encrypted' if encrypted else _reason(error)}",
                hint=f"Set {as_argument(cert_name)} to a PEM file with the certificate and its unencrypted key.",
            )
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"invalid PEM ({escaped(error.reason or error, 60)})"
    return escaped(getattr(error, "strerror", None) or type(error).__name__)
