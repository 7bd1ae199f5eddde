"""Proxies and certificate files: which setting they come from, and whether it can work.

It is called after a request has failed. No proxy URL is shown: it may hold a password.
"""

from __future__ import annotations

import os
import re
import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.utils import select_proxy
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from explorer_frames._errors import escaped
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
_SYSTEM = "the proxy settings of this system"


def proxy_variable(url: str, proxies: Mapping[str, str]) -> str | None:
    """Name the environment variable of the proxy that requests to `url` go through; None without a proxy."""
    if not select_proxy(url, proxies):
        return None
    scheme = urlsplit(url).scheme
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), _SYSTEM)


def uses_tls(url: str, proxies: Mapping[str, str]) -> bool:
    """Whether a request to `url` reads certificate files: for the server, or for a proxy that is valid."""
    return "https" in (urlsplit(url).scheme, urlsplit(select_proxy(url, proxies) or "").scheme)


def ca_setting(*, verify: bool | str, given: bool | str) -> str | None:
    """Name the argument or the environment variable that the CA bundle comes from; None for the default one.

    Parameters
    ----------
    verify
        The setting that the request was sent with.
    given
        The same without the environment.
    """
    if not isinstance(verify, str):
        return None
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return "ca_bundle" if isinstance(given, str) else next((name for name in names if os.environ.get(name)), None)


def proxy_error(url: str, proxies: Mapping[str, str]) -> ConfigError | None:
    """Return the error of a proxy URL that cannot work."""
    name, proxy = proxy_variable(url, proxies), select_proxy(url, proxies)
    if name is None or not proxy:
        return None
    try:
        parts = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    except (HTTPError, ValueError):
        parts = parse_url("")
    # Older versions of urllib3 accept blanks in a host.
    if not parts.host or re.search(r"\s", proxy) or parts.scheme not in ("http", "https", *_SOCKS):
        return ConfigError(f"{name} is not a valid proxy URL", hint=f"Set {name} to http://host:port, or unset it.")
    if parts.scheme in _SOCKS and find_spec("socks") is None:
        return ConfigError(
            f"{name} is a SOCKS proxy, which needs the package PySocks",
            hint=f"pip install PySocks, or set {name} to http://host:port.",
        )
    return None


def certificate_error(
    *, verify: bool | str, ca_name: str | None, client_cert: str | tuple[str, str] | None
) -> ConfigError | None:
    """Return the error of a CA bundle or a client certificate that cannot be loaded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if isinstance(verify, str):
        try:
            if Path(verify).is_dir():
                context.load_verify_locations(capath=verify)
            else:
                context.load_verify_locations(cafile=verify)
        except (OSError, ValueError) as error:
            return ConfigError(
                f"{ca_name}: cannot load CA certificates from {escaped(verify)!r}: {_reason(error)}",
                hint=f"Set {ca_name} to a readable PEM file of certificates.",
            )
    if client_cert is not None:
        cert, key = (client_cert, None) if isinstance(client_cert, str) else client_cert
        try:
            context.load_cert_chain(cert, key, password=lambda: b"")  # without it, OpenSSL asks in the terminal
        except (OSError, ValueError) as error:
            shown = " and ".join(repr(escaped(file)) for file in (cert, key) if file)
            return ConfigError(
                f"client_cert: cannot load certificate and key from {shown}: {_reason(error)}",
                hint="client_cert must be a readable PEM file with the certificate and its unencrypted key, or a pair.",
            )
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"invalid PEM ({escaped(error.reason or error, 60)})"
    return escaped(getattr(error, "strerror", None) or type(error).__name__)
