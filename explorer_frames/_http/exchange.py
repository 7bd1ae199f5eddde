"""One request and its response, in a thread of its own, and the connections that carry them.

Signal handlers run in the main thread, also in the middle of `requests`: their exceptions would be retried like those
of the network, or swallowed. Here the caller only waits, and watches the deadline. So a deadline also covers name
resolution and TLS handshakes, and the traceback of an interrupt contains no frame with a secret.
"""

from __future__ import annotations

import base64
import contextvars
import functools
import http.client
import io
import socket
import ssl
import time
from contextlib import ExitStack
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
    import urllib3


class Deadline:
    """The end of a call, all attempts and waits included, on the monotonic clock."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = float("inf") if seconds is None else seconds
        self._started = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def remaining(self) -> float:
        return self._started + self.seconds - time.monotonic()


class Exchange:
    """A request and its response, as the thread that sends it and the caller that waits for it share it.

    Parameters
    ----------
    deadline
        Of the whole call.
    timeout
        Seconds for one read from the socket.
    where
        How errors name the request.
    max_bytes
        Size that the response may have.

    Attributes
    ----------
    verdict
        The thread waits here at the end of the body, to be told whether the connection can be used again.
    """

    def __init__(self, deadline: Deadline, timeout: float, where: str, max_bytes: int | None = None) -> None:
        self.deadline = deadline
        self.timeout = timeout
        self.verdict: SimpleQueue[bool] = SimpleQueue()
        self.where = where
        self.max_bytes = max_bytes
        self._cancelled = False
        self._connected = False
        self._socket: socket.socket | None = None

    def remaining(self) -> float:
        """Return the seconds that are left.

        Raises
        ------
        RequestTimeoutError
            None are. The connection is shut down.
        """
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
        """Shut the connection down, which ends what the thread waits for."""
        self._cancelled = True
        self.verdict.put(False)  # noqa: FBT003 (as the caller would)
        if self._socket is not None:
            with suppressed(OSError):
                # Not by the method of an SSLSocket, which would first take its state away from the thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def let_go(self) -> bool:
        """Stop watching the socket, in the thread; returns whether another exchange can have the connection."""
        self._socket = None
        return not self._cancelled

    def watch(self, sock: Any, *, connected: bool = False) -> None:
        """Have this socket shut down when the exchange is cancelled; called in the thread.

        Raises
        ------
        TimeoutError
            It has been cancelled.
        """
        self._socket = getattr(sock, "socket", sock)  # TLS inside TLS wraps one
        self._connected |= connected
        if self._cancelled:
            self.cancel()
            raise TimeoutError


current: contextvars.ContextVar[Exchange] = contextvars.ContextVar("current")


_MAX_LINE = 65536  # bytes, as in http.client


class _TimedReader(io.RawIOBase):
    """A socket's bytes, each wait for them cut to what is left of the deadline.

    The timeout of a socket is for one `recv`: a server that sends a byte now and then, in the headers too, would
    hold a call for ever.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._exchange = current.get()
        self.ended = False  # whether the response is complete, so that nothing more is read

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
        self.has_surplus = False  # whether bytes beyond the end of the response have arrived

    def begin(self) -> None:
        super().begin()
        self.headers.set_payload("")  # lines that are no headers, which urllib3 would log
        self.headers.defects.clear()

    def _close_conn(self) -> None:  # called at the end of the response
        self._reader.ended = True
        decrypted = self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0
        self.has_surplus = bool(decrypted or self.fp.peek(1))
        super()._close_conn()  # type: ignore[misc]  # missing in typeshed

    # http.client returns 1xx responses other than 100 as the final response, and newer versions reject more than 100
    # interim responses or trailers. Any number of either is skipped here: the deadline limits them on every version.
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
    """A connection whose socket is known to the `Exchange` of the request, which can shut it down."""

    _twin: socket.socket | None = None

    def connect(self) -> None:
        self.key_password = ""  # else OpenSSL asks in the terminal for that of an encrypted key
        _trust_the_system(self)
        try:
            super().connect()
        finally:
            if self._twin:
                self._twin.close()
        current.get().watch(self.sock, connected=True)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock:  # left open by an earlier request
            current.get().watch(self.sock, connected=True)
        try:
            super().request(*args, **kwargs)
        except ssl.SSLEOFError:
            # A server that rejects the client certificate has sent its reason, which reading raises.
            with suppressed(ConnectionError):
                self.sock.recv(1)
            raise


class _Dialed(_Watched):
    """The same, which ends name resolution and connection attempts by the deadline."""

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
        """Connect to the first of the host's addresses that accepts."""
        failure: OSError = OSError("the host name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM
        ):
            try:
                with ExitStack() as opened:
                    sock = opened.enter_context(socket.socket(family, kind, protocol))
                    # TLS takes the descriptor from `sock`, and gives no hold on it before the handshake has ended.
                    self._twin = opened.enter_context(sock.dup())
                    exchange.watch(self._twin)
                    for option in self.socket_options or ():
                        sock.setsockopt(*option)
                    remaining = min(self.timeout or 0, exchange.deadline.remaining())
                    sock.settimeout(max(remaining, 0.001))  # 0 would not wait at all
                    sock.connect(address)
                    opened.pop_all()
                    return sock
            except OSError as error:
                failure = error
        raise failure


def _use_timed_responses(manager: urllib3.PoolManager) -> None:
    """Have the connections of a manager, of whatever kind, read with time limits."""
    manager.pool_classes_by_scheme = {scheme: _timed(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}


@functools.cache
def _timed(pool: Any) -> Any:
    # What a debugged http.client prints has the token and the login in it.
    attributes = {"response_class": _TimedResponse, "debuglevel": 0}
    plain = pool.ConnectionCls
    mixin = _Dialed if plain._new_conn is HTTPConnection._new_conn else _Watched  # noqa: SLF001 (a SOCKS proxy has its own)
    connection = type(f"Timed{plain.__name__}", (mixin, plain), attributes)
    return type(f"Timed{pool.__name__}", (pool,), {"ConnectionCls": connection})


def _trust_the_system(connection: Any) -> None:
    """Verify a server by the certificates of the operating system, where no CA bundle is set.

    Each connection has a context of its own: handshakes of one context wait for each other.
    """
    if getattr(connection, "cert_reqs", None) != "CERT_REQUIRED" or connection.ca_certs or connection.ca_cert_dir:
        return
    connection.ssl_context = _system_context()
    if connection.proxy_config is not None:
        connection.proxy_config = connection.proxy_config._replace(ssl_context=_system_context())


def _system_context() -> ssl.SSLContext:
    import truststore  # noqa: PLC0415 (takes time, and plain http does not need it)

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.post_handshake_auth = True  # as urllib3's
    return context


class _Adapter(HTTPAdapter):
    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave a connection as its pool was made: requests would load the CA certificates of certifi."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_timed_responses(self.poolmanager)

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        try:
            return super().proxy_headers(proxy)
        except UnicodeEncodeError:  # in the Latin-1 of requests
            login = ":".join(get_auth_from_url(proxy)).encode()
        return {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        known = proxy in self.proxy_manager
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            _use_timed_responses(manager)
        return manager


def new_session(*, trust_env: bool) -> requests.Session:
    """Make a session; `trust_env` is whether proxies and certificates of the environment count."""
    session = requests.Session()
    session.trust_env = trust_env
    session.headers.update(
        {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": f"explorer_frames/{__version__}"}
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=0, pool_maxsize=32))
    return session
