"""Convert network errors to errors of this package, without their secrets."""

from __future__ import annotations

import http.client
import re
import ssl
import time
from typing import TYPE_CHECKING

import requests
import urllib3

from explorer_frames._errors import escaped
from explorer_frames._http.retries import TRANSIENT_STATUS
from explorer_frames.errors import ConnectionFailedError, RequestTimeoutError, TransportError, TruncatedBodyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from explorer_frames._http.environment import Proxy
    from explorer_frames._http.exchange import Deadline

# Socket timeouts may expire this many seconds early: 31 ms on Windows before Python 3.13.
TICK = 2 * time.get_clock_info("monotonic").resolution
NO_TLS = "TLS connection failed"
PROXY_AUTHENTICATION = 407
UNTRUSTED = "Set ca_bundle= to a PEM file with the server's CA, or add the CA to the operating system's certificates."
_REJECTED = "alert (.* expired|unknown ca|(bad|unsupported) certificate|certificate (revoked|unknown)|access denied)"
# Hints by error message of OpenSSL, or of the certificate stores of Windows and macOS.
_TLS_HINTS = (
    (
        "mismatch|not valid for|not match|cn_no_match",
        "Use a host name in url= that the server's certificate contains, or issue a certificate for this host name.",
    ),
    (
        _REJECTED,
        "The server rejected the client certificate. Check its expiry date and its CA, or pass another client_cert=.",
    ),
    ("expired", "Renew the server's certificate, or correct the clock of this machine."),
    ("not yet valid", "Check the clocks of this machine and of the server."),
    ("certificate required", "The server requires a client certificate. Pass its PEM file as client_cert=."),
    (
        "handshake failure",
        "If the server requires a client certificate, pass it as client_cert=. Otherwise, check the TLS versions.",
    ),
    (
        "eof occurred|unexpected eof",
        "If the server requires a client certificate, pass its PEM file as client_cert=. Otherwise, check the port.",
    ),
    ("self.signed|local issuer|verif|trust", UNTRUSTED),
    ("", "If the server does not use TLS, pass an http:// URL. Otherwise, check the port."),
)
_NO_PROXY = ", or add the server's host to NO_PROXY."
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")  # message format of http.client


def refused_by_proxy(status: int, proxy: Proxy | None, where: str) -> ConnectionFailedError:
    """Return the error for a proxy that did not forward the request."""
    # `proxy` is None if the response came from the server's own URL.
    unauthorized = status == PROXY_AUTHENTICATION
    hint = "Check url=. A proxy responded at this URL instead of Explorer."
    if proxy is not None:
        todo = f"Set {proxy.setting} to http://user:password@host:port" if unauthorized else f"Check {proxy.setting}"
        hint = f"{todo}{_NO_PROXY}"
    what = "requires credentials" if unauthorized else "refused the request"
    return ConnectionFailedError(
        f"{proxy or 'a proxy at this url'} {what} (HTTP {status})",
        where=where,
        hint=hint,
        http_status=status,
        final=status not in TRANSIENT_STATUS,
        unsent=True,  # a proxy does not forward a request that it refuses
    )


def translated(
    error: Exception, deadline: Deadline, where: str, *, begun: bool = False, proxy: Proxy | None = None
) -> TransportError:
    """Convert an error of requests or of a lower layer."""
    causes = list(_chain(error))
    failure = _by_proxy(error, causes, where, proxy) or _classified(error, causes, deadline, where, begun=begun)
    failure.unsent = failure.unsent or any(isinstance(cause, _BEFORE_SENDING) for cause in causes)
    return failure


def _by_proxy(
    error: Exception, causes: list[BaseException], where: str, proxy: Proxy | None
) -> ConnectionFailedError | None:
    """Return the error if the proxy is unreachable or refuses to connect."""
    if proxy is None:
        return None
    tunnel = next((found for cause in causes if (found := _TUNNEL.search(str(cause)))), None)
    if tunnel:
        return refused_by_proxy(int(tunnel[1]), proxy, where)
    if not isinstance(error, requests.exceptions.ProxyError) or _is_timeout(causes):
        return None
    what, hint = f"cannot connect to {proxy}", f"Check {proxy.setting}{_NO_PROXY}"
    if _is_tls(causes):
        what = f"{NO_TLS} for {proxy}"
        hint = f"If the proxy does not use TLS, set {proxy.setting} to http://host:port. Otherwise, check that "
        hint += "ca_bundle= contains the CA of its certificate."
    return ConnectionFailedError(f"{what}: {_reason(causes)}", where=where, hint=hint, final=True)


def _classified(
    error: Exception, causes: list[BaseException], deadline: Deadline, where: str, *, begun: bool
) -> TransportError:
    said = _reason(causes)
    if _is_tls(causes):
        return ConnectionFailedError(
            f"{NO_TLS}: {said}",
            where=where,
            hint=_tls_hint(said),
            final=not begun and not any(isinstance(cause, ssl.SSLEOFError) for cause in causes),
        )
    if _is_timeout(causes):
        return _timed_out(causes, deadline, where)
    if begun or any(isinstance(cause, _CUT_SHORT) for cause in causes):
        return TruncatedBodyError(
            f"connection closed before the response was complete: {said}", where=where, hint="Retry the call."
        )
    if any(_is_no_http(cause) for cause in causes):
        what, hint = "invalid HTTP response", "Check url=. The server may require https:// or another port."
    elif any(isinstance(cause, _UNREACHED) or _is_of_the_system(cause) for cause in causes):
        what, hint = "cannot connect", "Check that url= is correct and that the server is running."
        if any(isinstance(cause, ConnectionResetError) for cause in causes):  # the server may expect TLS
            hint = "Check the scheme of url= (http or https). Also check that the server is running."
    else:
        return TransportError(f"the request failed: {type(error).__name__}", where=where, hint="Check url=.")
    return ConnectionFailedError(f"{what}: {said}", where=where, hint=hint)


def _tls_hint(said: str) -> str:
    return next(hint for pattern, hint in _TLS_HINTS if re.search(pattern, said, re.IGNORECASE))


def _timed_out(causes: list[BaseException], deadline: Deadline, where: str) -> RequestTimeoutError:
    if deadline.remaining() <= TICK:
        what = f"the call exceeded the deadline of {deadline.seconds:g} s"
        return RequestTimeoutError(what, where=where, hint="Pass a longer deadline=.", final=True)
    what = "cannot connect" if any(isinstance(cause, requests.ConnectTimeout) for cause in causes) else "no data"
    hint = "Retry the call. If the timeout recurs, check the load of the server.\nOr pass a longer timeout=."
    return RequestTimeoutError(f"{what} within the timeout", where=where, hint=hint)


_BEFORE_SENDING = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)
_UNREACHED = (requests.ConnectionError, urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProtocolError)
_TIMEOUTS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
_CUT_SHORT = (
    http.client.IncompleteRead,
    urllib3.exceptions.IncompleteRead,
    urllib3.exceptions.DecodeError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


def _is_tls(causes: list[BaseException]) -> bool:
    return any(isinstance(cause, ssl.SSLError | requests.exceptions.SSLError) for cause in causes)


def _is_timeout(causes: list[BaseException]) -> bool:
    # In urllib3, NewConnectionError is a subclass of ConnectTimeoutError.
    refused = any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes)
    return not refused and any(isinstance(cause, _TIMEOUTS) for cause in causes)


def _is_no_http(cause: BaseException) -> bool:
    return isinstance(cause, http.client.HTTPException) and not isinstance(cause, http.client.RemoteDisconnected)


def _is_of_the_system(cause: BaseException) -> bool:
    """Return whether an error is an OSError that is not defined by requests."""
    return isinstance(cause, OSError) and not isinstance(cause, requests.RequestException)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its causes and contexts, and the errors in its arguments."""
    todo, seen = [error], set()
    while todo:
        cause = todo.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        held = (cause.__cause__, cause.__context__, *cause.args)
        todo.extend(item for item in held if isinstance(item, BaseException))


def _reason(causes: list[BaseException]) -> str:
    """Return a short reason that contains no URL."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return escaped(cause.verify_message)
        if isinstance(cause, ssl.SSLError) and (reason := getattr(cause, "reason", None)):
            return escaped(reason.replace("_", " ").lower())
        if isinstance(cause, http.client.RemoteDisconnected):
            return "the server closed the connection without a response"
    for cause in causes:
        if isinstance(cause, OSError) and _is_of_the_system(cause) and cause.strerror:
            return escaped(cause.strerror)
    return type(causes[-1]).__name__
