"""Store and renew session tokens, with one login shared by all threads."""

from __future__ import annotations

import base64
import copy
import json
import re
import threading
import time
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from explorer_frames import _threads
from explorer_frames._http.cookies import Cookies
from explorer_frames._http.retries import renewal_pause
from explorer_frames._http.transport import Identity
from explorer_frames._secrets import SHORT, Secrets
from explorer_frames._signals import is_from_handler
from explorer_frames.errors import (
    ConfigError,
    EnvelopeError,
    ExplorerFramesError,
    RequestTimeoutError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from explorer_frames._http.config import Credentials
    from explorer_frames._http.exchange import Deadline

_T = TypeVar("_T")
COOKIE = "explorer_token"
# Maximum number of logins per call. Another client with the same user may end each new session.
_LOGINS = 10
# Tokens are renewed this many seconds before they expire, so that they do not expire during a call.
_EARLY = 60.0
_OCTETS = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+"  # characters that RFC 6265 allows in a cookie value
_COOKIE_VALUE = re.compile(rf"(?:^|[;,]\s*){COOKIE}=\"?({_OCTETS})\"?\s*(?:[;,]|$)")
# Matches a token that was pasted with a header name, the cookie name or quotes.
_PASTED = re.compile(
    rf"(?:bearer|cookie|set-cookie|authorization)[\s:=].*|.*{COOKIE}\s*[=:].*|[\s'\"].*|.*[\s'\"]", re.IGNORECASE
)
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """Session token that authenticates API calls."""

    text: str
    ends: float = float("inf")  # when to renew the token, on the monotonic clock
    life: float | None = None  # seconds; None if the server did not send the lifetime
    cookies: Cookies | None = field(default=None, compare=False)  # such as a load balancer's cookie

    def __post_init__(self) -> None:
        if not re.fullmatch(_OCTETS, self.text):
            raise ConfigError(
                "the token contains characters that are not allowed in a cookie",
                hint="Pass only the value of the explorer_token cookie, without its name and attributes.",
            )

    def __repr__(self) -> str:
        return "<Token ****>"


def by_token(token: Token) -> Identity:
    return Identity({"Cookie": f"{COOKIE}={token.text}"}, Secrets([token.text], SHORT), token.cookies)


def by_login(user: str, password: str, encoding: str) -> Identity:
    text = bearer(user, password, encoding)
    return Identity({"Authorization": f"Bearer {text}"}, Secrets([text, password], SHORT))


def bearer(user: str, password: str, encoding: str) -> str:
    """Encode a login as JSON (Explorer 3.2.0 or later) or ``user:password`` (3.1.0)."""
    text = json.dumps([user, password], separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode((text if encoding == "json" else f"{user}:{password}").encode()).decode()


def token_from(
    set_cookies: Sequence[str], clock: Callable[[], float] = time.monotonic, url: str | None = None
) -> Token:
    """Parse the token from the ``Set-Cookie`` headers of a login response."""
    # The parser is lenient, because the documented header is invalid. As in browsers, the last token is used.
    for header in reversed(set_cookies):
        value, age = _COOKIE_VALUE.search(header), _MAX_AGE.search(header)
        if value:
            life = float(age[1]) if age else None
            due = float("inf") if life is None else max(life - _EARLY, life / 2)
            cookies = None if url is None else Cookies(url, set_cookies, without=COOKIE)
            return Token(value[1], clock() + due, life, cookies)
    raise EnvelopeError(
        "login succeeded, but the response has no explorer_token cookie",
        hint="Check that url= is the URL of NebulaGraph Explorer, and that no proxy removes cookies.",
    )


class Auth:
    """Cached token of an `Explorer`, which is renewed when necessary."""

    def __init__(self, credentials: Credentials, login: Callable[[Deadline], Token]) -> None:
        self._credentials = credentials
        self._login = login
        self._token: Token | None = None
        self.after_fork()

    def after_fork(self) -> None:
        """Reset the lock, and discard a pending login of the parent process."""
        self._lock = threading.Lock()
        self._flight: Future[Token] | None = None

    def call(self, call: Callable[[Identity], _T], deadline: Deadline) -> _T:
        """Run a call, and repeat it with a new token if the server rejects the current one."""
        token = self.token(deadline)
        renewals, began = 0, time.monotonic()
        logs_in = self._credentials.token is None
        while True:
            try:
                return call(by_token(token))
            except UnauthorizedError as error:
                refused = error
            pause = renewal_pause(renewals, time.monotonic() - began)
            if renewals == (_LOGINS if logs_in else 1) or pause >= deadline.remaining():
                break
            _threads.pause(pause)
            began = time.monotonic()
            renewed = self.renew(token, deadline)
            if renewed.text == token.text:
                raise refused
            token, renewals = renewed, renewals + 1
        if logs_in:
            refused.hint = (
                "Use a different user for each process, or share one Explorer. The server rejected "
                f"{renewals} new sessions, probably because another client logs in as the same user."
            )
        raise refused

    def token(self, deadline: Deadline) -> Token:
        """Return the cached token, which is renewed first if necessary."""
        token = self._token
        if token is None or token.ends <= time.monotonic():
            return self.renew(token, deadline)
        return token

    def renew(self, refused: Token | None, deadline: Deadline) -> Token:
        """Replace a rejected token, and return the new one.

        If several threads renew the same token, one thread logs in, and the others share its token or its error. A
        wrong password is therefore sent only once.
        """
        mine: Future[Token] = Future()
        try:  # begins before `mine` is shared; otherwise an interrupt could leave threads waiting
            with self._lock:
                if self._token is not refused and self._token is not None:
                    return self._token
                flight = self._flight = self._flight or mine
            if flight is not mine:
                return self._joined(flight, refused, deadline)
            token = self._fresh(deadline)
            self._land(mine, token)
            mine.set_result(token)
        except BaseException as error:
            self._land(mine, None)
            if isinstance(error, Exception) and not is_from_handler(error):
                mine.set_exception(_twin(error))
            elif not mine.done():  # an interrupt ends only this thread, and a waiting thread logs in instead
                mine.cancel()
            raise
        return token

    def _joined(self, flight: Future[Token], refused: Token | None, deadline: Deadline) -> Token:
        """Wait for another thread's login, and return its token."""
        while not flight.done():
            _threads.raise_if_stopped()
            remaining = deadline.remaining()
            if remaining <= 0:
                raise RequestTimeoutError(
                    f"the login exceeded the deadline of {deadline.seconds:g} s",
                    hint="Pass a longer deadline=.",
                    final=True,
                )
            wait([flight], min(_threads.POLL_INTERVAL, remaining))
        if flight.cancelled():
            return self.renew(refused, deadline)
        error = flight.exception()
        if error is not None:
            raise _twin(error)
        return flight.result()

    def _fresh(self, deadline: Deadline) -> Token:
        source = self._credentials.token
        return self._login(deadline) if source is None else Token(_checked(source.reveal()))

    def _land(self, flight: Future[Token], token: Token | None) -> None:
        with self._lock:
            self._token = token or self._token
            if self._flight is flight:
                self._flight = None


def _checked(token: str) -> str:
    """Return the token, or raise ConfigError if it is not a plain cookie value."""
    if _PASTED.fullmatch(token):
        raise ConfigError(
            "the token must be only the value of the explorer_token cookie",
            hint="Remove the cookie name, 'Bearer', 'Cookie:', and any quotes or spaces around the value.",
        )
    return token


def _twin(error: BaseException) -> BaseException:
    """Copy an error, because each thread adds its own context to it."""
    return copy.copy(error) if isinstance(error, ExplorerFramesError) else error
