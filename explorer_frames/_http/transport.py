"""Path and parameters -> a stream of bytes: every wait ends by a deadline, no redirects. Knows no Arrow.

Nothing of `requests` leaves this module: its errors hold the request and with it the token, so they are read here,
and our own are raised outside the `except` block, without them as context.
"""

from __future__ import annotations

import http.client
import logging
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import requests
import urllib3
from requests.auth import AuthBase

from explorer_frames._errors import Concealed, concealing, escaped
from explorer_frames._http.environment import ca_setting, certificate_error, proxy_error, proxy_variable, uses_tls
from explorer_frames._http.exchange import Exchange, current, new_session
from explorer_frames._http.failures import PROXY_AUTHENTICATION, UNTRUSTED, refused_by_proxy, translated
from explorer_frames._http.profiles import as_argument
from explorer_frames._http.retries import retry_after_seconds
from explorer_frames._secrets import SHORT, conceal
from explorer_frames._threads import ahead
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
    from explorer_frames._http.exchange import Deadline

_LOG = logging.getLogger("explorer_frames")
PIECE = 2**18  # bytes: what is in work at a time takes some eight times as much
_ROOT = "api-open/v1"
_REDIRECTS = range(300, 400)
_FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)  # those of requests are OSErrors
_quoted = partial(quote, safe="")
_AHEAD = 2  # pieces: one that is read while another waits
_LONG = 8  # characters
_NO_CONTENT = 204  # by RFC 9110, whatever the headers announce


@dataclass(eq=False, repr=False)
class Identity(AuthBase):
    """Who a request comes from: a header. Being an auth, it also keeps `requests` from looking into ``.netrc``."""

    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    cookies: Cookies | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers.update(self.headers)
        if self.cookies is not None:
            self.secrets += (*self.cookies.secrets(),)
            request.headers["Cookie"] += self.cookies.header(request.url or "")
        return request

    def receive(self, set_cookies: Sequence[str]) -> None:
        """Take over cookies that a response renews."""
        if self.cookies is not None:
            self.cookies.renew(set_cookies)
            self.secrets += (*self.cookies.secrets(),)

    def conceal(self, text: str) -> str:
        """Take its secrets out of a text: some servers, and more proxies, say back what they were told."""
        return conceal(text, (one for one in self.secrets if len(one) >= SHORT))

    def conceal_values(self, body: bytes) -> bytes:
        """Take its secrets out of JSON; but none that may be a word in a name, or a number."""
        secrets = (one for one in self.secrets if len(one) >= _LONG and not (one.isalpha() or one.isdigit()))
        return conceal(body.decode(errors="surrogateescape"), secrets, 2 * _LONG).encode(errors="surrogateescape")


NOBODY = Identity({})


class Answer:
    """One HTTP answer, its body still on the wire.

    Attributes
    ----------
    status
    headers
    trace_id
        The ``Traceparent`` header, which the vendor's support can search for.
    auth
        Who the request came from, whose secrets the answer may repeat.
    """

    def __init__(
        self, response: requests.Response, body: Iterator[Any], exchange: Exchange, auth: Identity, proxy: str | None
    ) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.trace_id = auth.conceal(response.headers.get("Traceparent", "")) or None
        self.url = str(response.request.url)
        self.set_cookies: list[str] = response.raw.headers.getlist("Set-Cookie")
        self.ended = False  # whether the body was read to its end
        self._body = body
        self._where = exchange.where
        self._max_bytes = exchange.max_bytes
        self._proxy = proxy
        self.auth = auth

    def proxy_refusal(self) -> ConnectionFailedError:
        """Build the error for a proxy that requires credentials."""
        return refused_by_proxy(self.status, self._proxy, self._where)

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait; None where the header is missing or invalid."""
        return retry_after_seconds(self.headers.get("Retry-After", ""), time.time())

    def pieces(self) -> Iterator[bytes]:
        """Yield the body, decompressed, in pieces of one size (the last one smaller).

        Raises
        ------
        TransportError
            It breaks off, a time limit ends it, or it is not what its headers say.
        """
        total, body = 0, Concealed(self._body, self.auth.conceal)
        while piece := next(body):
            total += len(piece)
            if self._max_bytes is not None and total > self._max_bytes:
                raise TransportError(
                    f"the response is larger than max_bytes ({self._max_bytes} bytes)",
                    where=self._where,
                    hint="Pass a smaller limit=.\nOr pass a larger max_bytes=.",
                )
            yield piece
            del piece
        self.ended = True


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
        times: int = 1,
    ) -> Iterator[Answer]:
        """Send one request, once, and hand over its answer.

        Parameters
        ----------
        segments
            Of the path below ``api-open/v1``, already checked to be ids.
        times
            The body arrives in pieces of so many times 256 KiB.

        Raises
        ------
        TransportError
            There is no answer, or it leads elsewhere.
        """
        path = "/".join((_ROOT, *map(_quoted, segments)))
        url = f"{self._settings.url}/{path}"
        where = f"{method} {path}"
        request = requests.Request(method, url, params=params, json=body, auth=auth)
        exchange = Exchange(deadline, self._settings.timeout[1], where, self._settings.max_bytes)
        steps = ahead(
            self._converse(request, exchange, where, times * PIECE),
            _AHEAD,
            remaining=exchange.remaining,
            cancel=exchange.cancel,
        )
        answer = None
        reusable = False
        try:
            with concealing(auth.conceal):  # also in the thread, which starts here
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
                reusable = error.code is not None  # a complete envelope
                raise
            reusable = True
        finally:
            if answer is not None and answer.ended:
                exchange.verdict.put(reusable)
                with suppress(RequestTimeoutError):  # the answer is complete
                    next(steps, None)
            steps.close()

    def _converse(
        self, request: requests.Request, exchange: Exchange, where: str, piece_size: int
    ) -> Generator[tuple[requests.Response, list[bytes]], None, None]:
        """Yield the response with pieces of its body, the last of them empty, in the thread that talks to the server.

        A short body comes in one item, since each change of threads takes time.
        """
        response = self._send(request, exchange, where)
        raw: Any = response.raw
        release = raw.release_conn
        raw.release_conn = lambda: None  # else urllib3 returns the connection to the pool before the body was checked
        reusable = False
        try:
            if response.status_code in _REDIRECTS:
                yield response, []
            if response.status_code == _NO_CONTENT:
                yield response, [b""]
            else:
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
                    "the request path differs from the intended one",
                    where=where,
                    hint="Pass a url whose path contains only letters, digits, '-', '_', '.' and '/', without '..'.",
                )
            left = max(deadline.remaining(), 0.001)  # sockets refuse 0
            # Not `Session.send`: followed or not, it reads a redirect's body to its end and parses its Location.
            return session.get_adapter(str(prepared.url)).send(
                prepared,
                timeout=(min(connect, left), min(read, left)),
                **self._of_the_environment(session, prepared.url),
            )
        except (*_FAILURES, UnicodeError) as error:
            seen = translated(error, deadline, f"{where} of {self._peer}", proxy=self._proxy(request.url))
            failure = self._wrong_setting(request.url, seen) or seen
        raise failure

    def _proxy(self, url: str) -> str | None:
        """Name the setting of the proxy that the request goes through."""
        session = self._session
        return proxy_variable(url, self._of_the_environment(session, url)["proxies"]) if session else None

    def _wrong_setting(self, url: str, failure: TransportError) -> ExplorerFramesError | None:
        """Find the proxy or the certificate file that cannot work, once a request has failed."""
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
        """Whom errors name: host and port, without a path or what else a URL may hold."""
        return urlsplit(self._settings.url).netloc.rpartition("@")[2]

    def _of_the_environment(self, session: requests.Session, url: str | None) -> Any:
        """Proxies and CA bundle; in no variable, since a proxy's password would show in a traceback with locals."""
        verify, cert = self._settings.verify, self._settings.client_cert
        return session.merge_environment_settings(url, proxies={}, stream=True, verify=verify, cert=cert)


def _pieces(raw: Any, size: int, deadline: Deadline, where: str) -> Iterator[list[bytes]]:
    """Yield a body, decompressed: piece by piece, the last one with an empty one behind it."""
    encoding = raw.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding == "x-gzip":  # the same, by RFC 9110
        encoding = "gzip"
    if encoding not in ("identity", "gzip"):
        raise TransportError(
            f"unsupported Content-Encoding {escaped(encoding, 60)!r}; only gzip was requested",
            where=where,
            hint="Check that no proxy changes the server's responses.",
        )
    raw.headers["Content-Encoding"] = encoding  # urllib3 ignores a name with blanks around it
    pieces = [b"."]
    while pieces[-1]:
        try:
            pieces = [raw.read(size, decode_content=encoding == "gzip")]
            if 0 < len(pieces[0]) < size:  # nothing follows
                pieces.append(raw.read(size, decode_content=encoding == "gzip"))
        except (*_FAILURES, ValueError) as error:  # also for a chunk of negative size
            failure = translated(error, deadline, where, begun=True)
        else:
            yield pieces
            continue
        raise failure


def _is_doubtful(raw: Any) -> bool:
    """Whether a connection must not be used again: a late body would be taken for the response to the next request.

    The response was not read to its end, its length is ambiguous, or more bytes came than its headers announced.
    """
    response = raw._original_response  # noqa: SLF001 (has no public name)
    ambiguous = "Transfer-Encoding" in raw.headers and "Content-Length" in raw.headers  # RFC 9112, section 6.3
    return ambiguous or response.has_surplus or not response.isclosed()


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
        hint="If this is the right server, pass its URL as url=.",
        http_status=response.status_code,
    )
