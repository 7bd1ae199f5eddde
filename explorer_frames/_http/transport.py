"""Send HTTP requests with streamed responses and deadlines.

Errors of `requests` contain the request, and therefore the token. New errors are raised outside the `except` block, so
that errors of `requests` are not their context.
"""

from __future__ import annotations

import http.client
import logging
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import requests
import urllib3
from requests.auth import AuthBase

from explorer_frames._errors import escaped
from explorer_frames._http.environment import ca_setting, certificate_error, proxy_error, proxy_of, uses_tls
from explorer_frames._http.exchange import Exchange, current, new_session, system_context
from explorer_frames._http.failures import PROXY_AUTHENTICATION, UNTRUSTED, refused_by_proxy, translated
from explorer_frames._http.profiles import as_argument
from explorer_frames._http.retries import retry_after_seconds
from explorer_frames._secrets import NO_SECRETS, Secrets
from explorer_frames._threads import prefetch
from explorer_frames.errors import (
    ApiError,
    ConfigError,
    ConnectionFailedError,
    ExplorerFramesError,
    RequestTimeoutError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from requests import PreparedRequest

    from explorer_frames._http.config import Settings
    from explorer_frames._http.cookies import Cookies
    from explorer_frames._http.environment import Proxy
    from explorer_frames._http.exchange import Deadline

_LOG = logging.getLogger("explorer_frames")
PIECE = 2**18  # bytes; a response uses about eight times as much memory
_ROOT = "api-open/v1"
_REDIRECTS = range(300, 400)
_FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)  # errors of requests are OSErrors
_quoted = partial(quote, safe="")
_AHEAD = 2  # chunks to prefetch, one in progress and one queued
_NO_CONTENT = 204  # has no body, regardless of its headers (RFC 9110)


@dataclass(eq=False, repr=False)
class Identity(AuthBase):
    """Credentials in request headers, which also keep `requests` from reading ``.netrc``."""

    headers: Mapping[str, str]
    secrets: Secrets
    cookies: Cookies | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers.update(self.headers)
        if self.cookies is not None:
            self.secrets.add(self.cookies.secrets())
            request.headers["Cookie"] += self.cookies.header(request.url or "")
        return request

    def receive(self, set_cookies: Sequence[str]) -> None:
        """Store the cookies that a response renews."""
        if self.cookies is not None:
            self.cookies.renew(set_cookies)
            self.secrets.add(self.cookies.secrets())


NOBODY = Identity({}, NO_SECRETS)


class Answer:
    """HTTP response with a streamed body."""

    def __init__(
        self, response: requests.Response, body: Iterator[Any], exchange: Exchange, auth: Identity, proxy: Proxy | None
    ) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.trace_id = auth.secrets.conceal(response.headers.get("Traceparent", "")) or None  # for vendor support
        self.url = str(response.request.url)
        self.set_cookies: list[str] = response.raw.headers.getlist("Set-Cookie")
        self.ended = False  # whether the body was read completely
        self._body = body
        self._where = exchange.where
        self._max_bytes = exchange.max_bytes
        self._proxy = proxy
        self.secrets = auth.secrets  # servers and proxies may repeat them in a response

    def proxy_refusal(self) -> ConnectionFailedError:
        """Return the error for a proxy that requires credentials."""
        return refused_by_proxy(self.status, self._proxy, self._where)

    @property
    def retry_after(self) -> float | None:
        """Seconds in the ``Retry-After`` header; None if it is missing or invalid."""
        return retry_after_seconds(self.headers.get("Retry-After", ""), time.time())

    def pieces(self) -> Iterator[bytes]:
        """Yield the decompressed body in chunks of equal size; the last may be smaller."""
        total = 0
        while piece := next(self._body):
            total += len(piece)
            if self._max_bytes is not None and total > self._max_bytes:
                raise TransportError(
                    f"the response is larger than max_bytes ({self._max_bytes} bytes)",
                    where=self._where,
                    hint="Pass limit= to request fewer rows, or read the full result with Task.read_output.\n"
                    "Or pass a larger max_bytes=.",
                )
            yield piece
            del piece
        self.ended = True


class Transport:
    """Connections of an `Explorer`, with one `requests.Session` per process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: requests.Session | None = None
        self._trusted = cache(system_context)

    def after_fork(self) -> None:
        """Drop the connections that are shared with the parent process."""
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
        times: int = 1,  # chunk size, in units of 256 KiB
    ) -> Iterator[Answer]:
        """Send one request, without retries, and yield its response."""
        path = "/".join((_ROOT, *map(_quoted, segments)))
        url = f"{self._settings.url}/{path}"
        where = f"{method} {path}"
        request = requests.Request(method, url, params=params, json=body, auth=auth)
        exchange = Exchange(deadline, self._settings.timeout[1], where, self._settings.max_bytes, self._trusted)
        steps = prefetch(
            self._converse(request, exchange, where, times * PIECE),
            _AHEAD,
            remaining=exchange.remaining,
            cancel=exchange.cancel,
        )
        answer = None
        reusable = False
        try:
            with auth.secrets.concealed_in_errors():  # also applies to the thread that `next` starts
                response, pieces = next(steps)
                if response.status_code in _REDIRECTS:
                    raise _redirected(response, where)
            _LOG.debug("%s -> %d in %.3f s", where, response.status_code, deadline.elapsed())
            proxy = self._proxy(url) if response.status_code == PROXY_AUTHENTICATION else None
            body = chain(pieces, chain.from_iterable(more for _, more in steps))
            answer = Answer(response, body, exchange, auth, proxy)
            auth.receive(answer.set_cookies)
            try:
                yield answer
            except ApiError as error:
                error.retry_after = answer.retry_after if error.retry_after is None else error.retry_after
                reusable = error.code is not None  # only a complete envelope has a code
                raise
            reusable = True
        finally:
            if answer is not None and answer.ended:
                exchange.verdict.put(reusable)
                with suppress(RequestTimeoutError):  # the response is complete
                    next(steps, None)
            steps.close()

    def _converse(
        self, request: requests.Request, exchange: Exchange, where: str, piece_size: int
    ) -> Generator[tuple[requests.Response, list[bytes]], None, None]:
        """Send the request in the background thread, and yield pairs of the response and a list of body chunks."""
        response = self._send(request, exchange, where)
        raw: Any = response.raw
        release = raw.release_conn
        raw.release_conn = lambda: None  # otherwise urllib3 reuses the connection before the body is checked
        reusable = False
        try:
            if response.status_code in _REDIRECTS:
                yield response, []
            if response.status_code == _NO_CONTENT:
                yield response, [b""]
            else:
                # A short body is one item, because each thread switch takes time.
                for pieces in _pieces(raw, piece_size, exchange.deadline, where):
                    yield response, pieces
            reusable = exchange.verdict.get() and not _is_doubtful(raw) and exchange.let_go()
        finally:
            if not reusable:
                raw.close()
            release()

    def _send(self, request: requests.Request, exchange: Exchange, where: str) -> requests.Response:
        deadline = exchange.deadline
        current.set(exchange)
        session = self._session = self._session or new_session(trust_env=self._settings.trust_env)
        settings = self._settings
        connect, read = settings.timeout
        try:
            prepared = session.prepare_request(request)
            if urlsplit(prepared.url or "").path != urlsplit(request.url).path:
                raise ConfigError(
                    "the HTTP client changed the path of the request",
                    where=where,
                    hint="The path in url= may contain only letters, digits, '-', '_', '.' and '/', and must not "
                    "contain '..'.",
                )
            left = max(deadline.remaining(), 0.001)  # 0 is not a valid timeout
            # `Session.send` reads the whole body of a redirect and parses its Location, even without following it.
            return session.get_adapter(str(prepared.url)).send(
                prepared,
                timeout=(min(connect, left), min(read, left)),
                **self._of_the_environment(session, prepared.url),
            )
        except (*_FAILURES, UnicodeError) as error:
            seen = translated(error, deadline, f"{where} of {self._peer}", proxy=self._proxy(request.url))
            failure = self._wrong_setting(request.url, seen) or seen
        raise failure

    def _proxy(self, url: str) -> Proxy | None:
        """Return the proxy for the request, if any."""
        session = self._session
        return proxy_of(url, self._of_the_environment(session, url)["proxies"]) if session else None

    def _wrong_setting(self, url: str, failure: TransportError) -> ExplorerFramesError | None:
        """Return the error if an invalid proxy or certificate setting caused the failure."""
        session = self._session
        if session is None or isinstance(failure, RequestTimeoutError):
            return None
        settings = self._settings
        merged = self._of_the_environment(session, url)
        authorities = ca_setting(verify=merged["verify"], given=settings.verify, name=settings.ca_name)
        error = proxy_error(url, merged["proxies"])
        if error is None and uses_tls(url, merged["proxies"]):
            error = certificate_error(authorities, merged["cert"], settings.cert_name)
        if error is not None:
            error.where = failure.where
        elif authorities is not None and failure.hint == UNTRUSTED:
            failure.hint = f"Check that {as_argument(authorities[0])} contains the CA of the server's certificate."
        return error

    @property
    def _peer(self) -> str:
        """Host and port of the server, for errors."""
        return urlsplit(self._settings.url).netloc.rpartition("@")[2]

    def _of_the_environment(self, session: requests.Session, url: str | None) -> Any:
        """Merge the environment's proxies and CA bundle into the settings of a request.

        Do not keep the result in a variable when an error is raised. A traceback with local variables would show the
        password of a proxy.
        """
        verify, cert = self._settings.verify, self._settings.client_cert
        return session.merge_environment_settings(url, proxies={}, stream=True, verify=verify, cert=cert)


def _pieces(raw: Any, size: int, deadline: Deadline, where: str) -> Iterator[list[bytes]]:
    """Yield lists of chunks of the decompressed body; the last chunk is empty."""
    encoding = raw.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding == "x-gzip":  # a synonym of gzip (RFC 9110)
        encoding = "gzip"
    if encoding not in ("identity", "gzip"):
        raise TransportError(
            f"unsupported Content-Encoding {escaped(encoding, 60)!r}; only gzip was requested",
            where=where,
            hint="Check that no proxy changes the server's responses.",
        )
    raw.headers["Content-Encoding"] = encoding  # urllib3 ignores a name with surrounding spaces
    pieces = [b"."]
    while pieces[-1]:
        try:
            pieces = [raw.read(size, decode_content=encoding == "gzip")]
            if 0 < len(pieces[0]) < size:  # only the last chunk is shorter
                pieces.append(raw.read(size, decode_content=encoding == "gzip"))
        except (*_FAILURES, ValueError) as error:  # ValueError if the size of an HTTP chunk is negative
            failure = translated(error, deadline, where, begun=True)
        else:
            yield pieces
            continue
        raise failure


def _is_doubtful(raw: Any) -> bool:
    """Return whether a connection must not be reused after its response.

    Unread bytes of the response would be parsed as the response to the next request.
    """
    response = raw._original_response  # noqa: SLF001 (has no public name)
    ambiguous = "Transfer-Encoding" in raw.headers and "Content-Length" in raw.headers  # RFC 9112, section 6.3
    return ambiguous or response.has_surplus or not response.isclosed()


def _redirected(response: requests.Response, where: str) -> TransportError:
    # Following the redirect could send the token to another port or over plain http.
    try:
        parts = urlsplit(response.headers.get("Location", ""))
    except ValueError:
        parts = urlsplit("")
    host = parts.netloc.rpartition("@")[2]
    target = urlunsplit((parts.scheme, host, "", "", "")) if host else "another path"
    return TransportError(
        f"the server redirects to {escaped(target, 120)} (HTTP {response.status_code}); redirects are not followed",
        where=where,
        hint="If the target is the correct server, pass its URL as url=.",
        http_status=response.status_code,
    )
