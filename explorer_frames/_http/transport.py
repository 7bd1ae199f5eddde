"""Path and parameters -> a stream of bytes: time limits, no redirects, no cookie jar. Knows no Arrow.

Nothing of `requests` leaves this module: its errors hold the request and with it the token, so they are read here,
and our own are raised outside the `except` block, without them as context.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import requests
import urllib3

from explorer_frames._http.retries import retry_after_seconds
from explorer_frames._http.sessions import TICK, Deadline, limits, new_session
from explorer_frames.errors import (
    ApiError,
    ConfigError,
    ConnectionFailedError,
    ExplorerFramesError,
    RequestTimeoutError,
    TransportError,
    TruncatedBodyError,
    escaped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from explorer_frames._http.auth import Identity
    from explorer_frames._http.config import Settings

_LOG = logging.getLogger("explorer_frames")
PIECE = 2**18  # bytes: what is in work at a time takes some eight times as much
_ROOT = "api-open/v1"
NO_TLS = "no TLS connection"
_REDIRECTS = range(300, 400)


class Answer:
    """One HTTP answer, its body still on the wire.

    Attributes
    ----------
    status
    headers
    trace_id
        The ``Traceparent`` header, which the vendor's support can search for.
    """

    def __init__(
        self, response: requests.Response, deadline: Deadline, where: str, max_bytes: int | None = None
    ) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.trace_id = response.headers.get("Traceparent")
        self._raw: urllib3.HTTPResponse = response.raw
        self._deadline = deadline
        self._where = where
        self._max_bytes = max_bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait; None where the header is missing or invalid."""
        return retry_after_seconds(self.headers.get("Retry-After", ""), time.time())

    def set_cookies(self) -> list[str]:
        return list(self._raw.headers.getlist("Set-Cookie"))

    def pieces(self, times: int = 1) -> Iterator[bytes]:
        """Yield the body, decompressed, in pieces of 256 KiB or a multiple of that (the last one smaller).

        Raises
        ------
        TransportError
            It breaks off, a time limit ends it, or it is not what its headers say.
        """
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
        if encoding == "x-gzip":  # the same, by RFC 9110
            encoding = "gzip"
        if encoding not in ("identity", "gzip"):
            raise TransportError(
                f"the answer is encoded as {escaped(encoding, 60)!r}; only gzip was offered",
                where=self._where,
                hint="Check that no proxy changes the server's answers.",
            )
        self._raw.headers["Content-Encoding"] = encoding  # urllib3 ignores a name with blanks around it
        total = 0
        while True:
            try:
                piece = self._raw.read(times * PIECE, decode_content=encoding == "gzip")
            except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
                # ValueError: a chunk of negative size.
                failure = _translated(error, self._deadline, self._where, begun=True)
            else:
                if not piece:
                    return
                total += len(piece)
                if self._max_bytes is not None and total > self._max_bytes:
                    raise TransportError(
                        f"the answer has more than the {self._max_bytes} bytes that max_bytes allows",
                        where=self._where,
                        hint="Ask for fewer rows with limit=, or pass a larger max_bytes.",
                    )
                yield piece
                continue
            raise failure


class _Hold:
    """Keeps the connection of a response out of the pool until the response is known to be complete and valid.

    By itself, urllib3 returns it as soon as the last byte of the body was read.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._release = raw.release_conn
        self._is_read = False
        raw.release_conn = self._ended

    def _ended(self) -> None:
        self._is_read = True

    def release(self, *, reusable: bool) -> None:
        """Return the connection to the pool, or close it.

        It is closed where the response was not read to its end, was not what the API promises, or had more bytes
        behind it than its headers announced: a late body would be taken for the response to the next request.
        """
        headers, response = self._raw.headers, self._raw._original_response  # noqa: SLF001 (has no public name)
        doubtful = "Transfer-Encoding" in headers and "Content-Length" in headers  # RFC 9112, section 6.3
        if not (reusable and self._is_read) or doubtful or response.has_surplus:
            self._raw.close()
        self._release()


class Transport:
    """The connections of one `Explorer`; one `requests.Session` a process, shared by its threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: requests.Session | None = None

    def after_fork(self) -> None:
        """Forget the connections: their sockets are the parent's too, and answers would cross."""
        self._session = None

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    @contextmanager
    def open(
        self,
        method: str,
        segments: tuple[str, ...],
        *,
        auth: Identity,
        deadline: Deadline,
        params: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Iterator[Answer]:
        """Send one request, once, and hand over its answer.

        Parameters
        ----------
        segments
            Of the path below ``api-open/v1``, already checked to be ids.

        Raises
        ------
        TransportError
            There is no answer, or it leads elsewhere.
        """
        path = "/".join((_ROOT, *(quote(segment, safe="") for segment in segments)))
        url = f"{self._settings.url}/{path}"
        where = f"{method} {path}"
        response = self._send(requests.Request(method, url, params=params, json=body, auth=auth), deadline, where)
        hold, reusable = _Hold(response.raw), False
        try:
            _LOG.debug("%s -> %d in %.3f s", where, response.status_code, deadline.elapsed())
            if response.status_code in _REDIRECTS:
                raise _redirected(response, where)
            answer = Answer(response, deadline, where, self._settings.max_bytes)
            try:
                yield answer
            except ApiError as error:
                error.retry_after = answer.retry_after if error.retry_after is None else error.retry_after
                reusable = error.code is not None  # a complete envelope
                raise
            reusable = True
        except ExplorerFramesError as error:
            auth.conceal(error)
            raise
        finally:
            hold.release(reusable=reusable)

    def _send(self, request: requests.Request, deadline: Deadline, where: str) -> requests.Response:
        session = self._session = self._session or new_session(trust_env=self._settings.trust_env)
        settings = self._settings
        connect, read = settings.timeout
        before = limits.set((deadline, read))
        try:
            prepared = session.prepare_request(request)
            if urlsplit(prepared.url or "").path != urlsplit(request.url).path:
                raise ConfigError(
                    "the path of the request changed on its way out",
                    where=where,
                    hint="Pass a url whose path has only letters, digits, '-', '_', '.', '/', and no '..'.",
                )
            # Not `Session.send`: followed or not, it reads a redirect's body to its end and parses its Location.
            return session.get_adapter(str(prepared.url)).send(
                prepared,
                timeout=(deadline.within(connect), deadline.within(read)),
                **self._of_the_environment(session, prepared.url),
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            failure = _translated(error, deadline, f"{where} of {self._peer}")
        finally:
            limits.reset(before)
        raise failure

    @property
    def _peer(self) -> str:
        """Whom errors name: host and port, without a path or what else a URL may hold."""
        return urlsplit(self._settings.url).netloc.rpartition("@")[2]

    def _of_the_environment(self, session: requests.Session, url: str | None) -> Any:
        """Proxies and CA bundle; in no variable, since a proxy's password would show in a traceback with locals."""
        verify, cert = self._settings.verify, self._settings.client_cert
        return session.merge_environment_settings(url, proxies={}, stream=True, verify=verify, cert=cert)


def _redirected(response: requests.Response, where: str) -> TransportError:
    # Not followed: a redirect takes the token along, to another port or by plain http.
    try:
        parts = urlsplit(response.headers.get("Location", ""))
    except ValueError:
        parts = urlsplit("")
    host = parts.netloc.rpartition("@")[2]
    target = urlunsplit((parts.scheme, host, "", "", "")) if host else "another path"
    return TransportError(
        f"the server redirects (HTTP {response.status_code}) to {escaped(target, 120)}, which is not followed",
        where=where,
        hint="If that is the right server, pass its address as url.",
        http_status=response.status_code,
    )


def _translated(error: Exception, deadline: Deadline, where: str, *, begun: bool = False) -> TransportError:
    """Turn an error of the layers below into ours, without what it holds: URLs with passwords, requests with tokens."""
    causes = list(_chain(error))
    failure = _classified(error, causes, deadline, where, begun=begun)
    failure.unsent = any(isinstance(cause, _BEFORE_SENDING) for cause in causes)
    return failure


def _classified(
    error: Exception, causes: list[BaseException], deadline: Deadline, where: str, *, begun: bool
) -> TransportError:
    said = _reason(causes)
    if any(isinstance(cause, ssl.SSLError | requests.exceptions.SSLError) for cause in causes):
        return ConnectionFailedError(
            f"{NO_TLS}: {said}",
            where=where,
            hint="Pass ca_bundle= for a private CA. If the server has no TLS, its url begins with http://.",
            final=not begun and not any(isinstance(cause, ssl.SSLEOFError) for cause in causes),
        )
    # Where a connection was refused, urllib3 speaks of a timeout, too.
    refused = any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes)
    if not refused and any(isinstance(cause, _TIMEOUTS) for cause in causes):
        return _timed_out(causes, deadline, where)
    if begun or any(isinstance(cause, _CUT_SHORT) for cause in causes):
        return TruncatedBodyError(f"the answer broke off: {said}", where=where, hint="Try again.")
    if isinstance(error, requests.exceptions.ProxyError):
        what, hint = "the proxy was not reached", "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment."
    elif any(_is_no_http(cause) for cause in causes):
        what, hint = "what answered is no HTTP", "Check the url: the server may want https://, or another port."
    elif any(isinstance(cause, _UNREACHED) or _is_of_the_system(cause) for cause in causes):
        what, hint = "no connection", "Check the url, and that the server runs and can be reached from here."
    else:
        return TransportError(f"the request failed: {type(error).__name__}", where=where, hint="Check the url.")
    return ConnectionFailedError(f"{what}: {said}", where=where, hint=hint)


def _timed_out(causes: list[BaseException], deadline: Deadline, where: str) -> RequestTimeoutError:
    if deadline.remaining() <= TICK:
        what = f"the total deadline of {deadline.seconds:g} s ended the call"
        return RequestTimeoutError(what, where=where, hint="Pass deadline= for more.", final=True)
    what = "no connection" if any(isinstance(cause, requests.ConnectTimeout) for cause in causes) else "no data"
    return RequestTimeoutError(f"{what} within the timeout", where=where, hint="Pass timeout= for more.")


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


def _is_no_http(cause: BaseException) -> bool:
    return isinstance(cause, http.client.HTTPException) and not isinstance(cause, http.client.RemoteDisconnected)


def _is_of_the_system(cause: BaseException) -> bool:
    """Whether it is an OSError of the operating system: all of requests' own are OSErrors, too."""
    return isinstance(cause, OSError) and not isinstance(cause, requests.RequestException)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it holds of what caused it, wherever the libraries put it."""
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
    """What the operating system or TLS said, which is short and holds no URL."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return escaped(cause.verify_message)
        if isinstance(cause, http.client.RemoteDisconnected):
            return "the server hung up before it answered"
    for cause in causes:
        if isinstance(cause, OSError) and _is_of_the_system(cause) and cause.strerror:
            return escaped(cause.strerror)
    return type(causes[-1]).__name__
