"""Run requests in background threads, with connections that respect deadlines.

Python runs signal handlers in the main thread, where `requests` could retry or suppress their exceptions. Each request
therefore runs in a background thread, and the caller waits for it until the deadline. The deadline also applies to name
resolution and TLS handshakes. The traceback of an interrupt contains no frames with secrets.
"""

from __future__ import annotations

import base64
import contextvars
import functools
import http.client
import io
import socket
import ssl
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from explorer_frames._signals import suppressed
from explorer_frames._version import __version__
from explorer_frames.errors import RequestTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3


class Deadline:
    """Deadline of a call, including its retries and waits."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = float("inf") if seconds is None else seconds
        self._started = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def remaining(self) -> float:
        return self._started + self.seconds - time.monotonic()


@dataclass(eq=False, repr=False)
class Exchange:
    """State of one request, shared by its background thread and its caller."""

    deadline: Deadline
    timeout: float  # seconds, for one read from the socket
    where: str  # description of the request in errors
    max_bytes: int | None  # of the decompressed response
    trusted: Callable[[], ssl.SSLContext]  # returns the TLS context that connections share

    def __post_init__(self) -> None:
        self.verdict: SimpleQueue[bool] = SimpleQueue()  # whether the connection can be reused after the response
        self._cancelled = False
        self._connected = False
        self._socket: socket.socket | None = None

    def remaining(self) -> float:
        """Return the seconds until the deadline, or cancel and raise RequestTimeoutError."""
        remaining = self.deadline.remaining()
        if remaining > 0:
            return remaining
        self.cancel()
        raise RequestTimeoutError(
            f"the call exceeded the deadline of {self.deadline.seconds:g} s",
            where=self.where,
            hint="Pass a longer deadline=.",
            final=True,
            unsent=not self._connected,
        )

    def cancel(self) -> None:
        """Shut down the connection to unblock the thread."""
        self._cancelled = True
        self.verdict.put(False)  # noqa: FBT003 (the connection must not be reused)
        sock = self._socket  # the thread may call `let_go` meanwhile
        if sock is not None:
            with suppressed(OSError):
                # `SSLSocket.shutdown` would first delete the TLS state, which the thread still uses.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def let_go(self) -> bool:
        """Release the socket, and return whether it can be reused."""
        self._socket = None
        return not self._cancelled

    def watch(self, sock: Any, *, connected: bool = False) -> None:
        """Set the socket that `cancel` shuts down; raise TimeoutError after a cancellation."""
        self._socket = getattr(sock, "socket", sock)  # TLS inside TLS wraps the socket
        self._connected |= connected
        if self._cancelled:
            self.cancel()
            raise TimeoutError


current: contextvars.ContextVar[Exchange] = contextvars.ContextVar("current")


_MAX_LINE = 65536  # bytes, as in http.client
_WITH_OWN_VERIFICATION = ("darwin", "win32")


class _TimedReader(io.RawIOBase):
    """Raw stream of a socket, with reads that time out at the deadline.

    The timeout of a socket applies to a single `recv`. Without a deadline, a server that sends one byte at a time could
    block a call forever.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._exchange = current.get()
        self.ended = False  # whether the response is complete, so that reading must stop

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.ended:
            return None
        remaining = self._exchange.deadline.remaining()
        if remaining <= 0:
            raise TimeoutError
        self._sock.settimeout(min(self._exchange.timeout, remaining))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._sock = sock
        self._reader = _TimedReader(sock)
        self.fp = io.BufferedReader(self._reader, 65536)
        self.has_surplus = False  # whether bytes were received after the end of the response

    def begin(self) -> None:
        super().begin()
        self.headers.set_payload("")  # discards invalid header lines, which urllib3 would log
        self.headers.defects.clear()

    def _close_conn(self) -> None:  # called at the end of the response
        self._reader.ended = True
        decrypted = self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0
        self.has_surplus = bool(decrypted or self.fp.peek(1))
        super()._close_conn()  # type: ignore[misc]  # missing in typeshed

    # http.client returns 1xx responses other than 100 as final responses. Newer versions allow at most 100 interim
    # responses or trailers. This class skips any number of both until the deadline.
    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # missing in typeshed
            if not 100 <= status < 200:  # noqa: PLR2004
                return version, status, reason
            self._read_and_discard_trailer()  # header lines and trailer lines have the same syntax

    def _read_and_discard_trailer(self) -> None:
        while (line := self.fp.readline(_MAX_LINE + 1)) not in (b"\r\n", b"\n", b""):
            if len(line) > _MAX_LINE:
                raise http.client.LineTooLong("header or trailer line")


class _Watched(HTTPConnection):
    """Connection with a socket that the request's `Exchange` can shut down."""

    _twin: socket.socket | None = None

    def connect(self) -> None:
        self.key_password = ""  # otherwise OpenSSL prompts for the password of an encrypted key
        _trust_the_system(self)
        try:
            super().connect()
        finally:
            if self._twin:
                self._twin.close()
        current.get().watch(self.sock, connected=True)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock:  # kept open after an earlier request
            current.get().watch(self.sock, connected=True)
        try:
            super().request(*args, **kwargs)
        except ssl.SSLEOFError:
            # If the server rejected the client certificate, reading raises an error with the reason.
            with suppressed(ConnectionError):
                self.sock.recv(1)
            raise


class _Dialed(_Watched):
    """Connection that resolves names and connects within the deadline."""

    def _new_conn(self) -> socket.socket:
        try:
            return self._dial(current.get())
        except UnicodeError:
            raise LocationParseError(self.host) from None
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def _dial(self, exchange: Exchange) -> socket.socket:
        """Connect to the first address of the host that accepts a connection."""
        failure: OSError = OSError("the host name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM
        ):
            remaining = min(self.timeout or 0, exchange.deadline.remaining())
            if remaining <= 0:
                raise TimeoutError
            try:
                with ExitStack() as opened:
                    sock = opened.enter_context(socket.socket(family, kind, protocol))
                    # TLS detaches the descriptor from `sock`, so only a duplicate can interrupt the handshake.
                    self._twin = opened.enter_context(sock.dup())
                    exchange.watch(self._twin)
                    for option in self.socket_options or ():
                        sock.setsockopt(*option)
                    sock.settimeout(remaining)
                    sock.connect(address)
                    opened.pop_all()
                    return sock
            except OSError as error:
                failure = error
        raise failure


def _use_timed_responses(manager: urllib3.PoolManager) -> None:
    """Apply deadlines to all connections of a pool manager."""
    manager.pool_classes_by_scheme = {scheme: _timed(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}


@functools.cache
def _timed(pool: Any) -> Any:
    # The debug output of http.client would contain the token and the login.
    attributes = {"response_class": _TimedResponse, "debuglevel": 0}
    plain = pool.ConnectionCls
    mixin = _Dialed if plain._new_conn is HTTPConnection._new_conn else _Watched  # noqa: SLF001 (SOCKS connections override this method)
    connection = type(f"Timed{plain.__name__}", (mixin, plain), attributes)
    return type(f"Timed{pool.__name__}", (pool,), {"ConnectionCls": connection})


def _trust_the_system(connection: Any) -> None:
    """Use the operating system's CA certificates, unless a CA bundle is set."""
    if getattr(connection, "cert_reqs", None) != "CERT_REQUIRED" or connection.ca_certs or connection.ca_cert_dir:
        return
    # urllib3 loads a client certificate into the context, so this context cannot be shared with other threads.
    is_own = connection.cert_file or sys.platform in _WITH_OWN_VERIFICATION
    context = connection.ssl_context = system_context() if is_own else current.get().trusted()
    if connection.proxy_config is not None:
        connection.proxy_config = connection.proxy_config._replace(ssl_context=context)


def system_context() -> ssl.SSLContext:
    """Return a TLS context with the CA certificates of the operating system."""
    import truststore  # noqa: PLC0415 (slow to import, and not needed for http)

    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.platform not in _WITH_OWN_VERIFICATION:
        # truststore's socket classes parse all certificates for each connection, and run one handshake at a time. They
        # are needed only where the operating system verifies certificates.
        context = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost").context
        context.sslsocket_class, context.sslobject_class = ssl.SSLSocket, ssl.SSLObject
        context.set_alpn_protocols(["http/1.1"])
        # urllib3 would set the protocols for each connection, while other threads use the same context.
        context.set_alpn_protocols = lambda alpn_protocols: None  # type: ignore[method-assign]  # noqa: ARG005
    context.post_handshake_auth = True  # as in urllib3
    return context


class _Adapter(HTTPAdapter):
    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Skip this step, in which requests would load the CA bundle of certifi."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_timed_responses(self.poolmanager)

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        try:
            return super().proxy_headers(proxy)
        except UnicodeEncodeError:  # requests encodes credentials as Latin-1
            login = ":".join(get_auth_from_url(proxy)).encode()
        return {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        known = proxy in self.proxy_manager
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            _use_timed_responses(manager)
        return manager


def new_session(*, trust_env: bool) -> requests.Session:
    """Create a session; `trust_env` enables the environment's proxies and CAs."""
    session = requests.Session()
    session.trust_env = trust_env
    session.headers.update(
        {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": f"explorer_frames/{__version__}"}
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=0, pool_maxsize=32))
    return session
