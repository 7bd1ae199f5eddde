"""`requests` sessions whose every wait for the network ends by a deadline."""

from __future__ import annotations

import functools
import http.client
import io
import ssl
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from explorer_frames._version import __version__

if TYPE_CHECKING:
    import socket

    import urllib3

# Seconds that a socket may time out before the clock shows it: 31 ms on Windows before Python 3.13.
TICK = 2 * time.get_clock_info("monotonic").resolution


class Deadline:
    """The end of a call, all attempts and waits included, on the monotonic clock."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = float("inf") if seconds is None else seconds
        self._started = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def remaining(self) -> float:
        return self._started + self.seconds - time.monotonic()


_MAX_LINE = 65536  # bytes, as in http.client

# What the sockets of the request that this context is sending have to keep to: total deadline, seconds for one read.
limits: ContextVar[tuple[Deadline, float]] = ContextVar("limits")


class _TimedReader(io.RawIOBase):
    """A socket's bytes, each wait for them cut to what is left of the deadline.

    The timeout of a socket is for one `recv`: a server that sends a byte now and then, in the headers too, would
    hold a call for ever.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline, self._timeout = limits.get()
        self.ended = False  # whether the response is complete, so that nothing more is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.ended:
            return None
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise TimeoutError
        self._sock.settimeout(min(self._timeout, remaining))
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


def _use_timed_responses(manager: urllib3.PoolManager) -> None:
    """Have the connections of a manager, of whatever kind, read with time limits."""
    manager.pool_classes_by_scheme = {scheme: _timed(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}


@functools.cache
def _timed(pool: Any) -> Any:
    # What a debugged http.client prints has the token and the login in it.
    attributes = {"response_class": _TimedResponse, "debuglevel": 0}
    connection = type(f"Timed{pool.ConnectionCls.__name__}", (pool.ConnectionCls,), attributes)
    return type(f"Timed{pool.__name__}", (pool,), {"ConnectionCls": connection})


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_timed_responses(self.poolmanager)

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
