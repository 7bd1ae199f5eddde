"""Tokens and their renewal, with one login shared by all waiting threads."""

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
# Maximum number of logins per call. A new session is rejected only after another login of the same user.
_LOGINS = 10
# Seconds before its expiry at which a token is renewed, so that it does not expire during a call.
_EARLY = 60.0
_OCTETS = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+"  # valid in a cookie value by RFC 6265
_COOKIE_VALUE = re.compile(rf"(?:^|[;,]\s*){COOKIE}=\"?({_OCTETS})\"?\s*(?:[;,]|$)")
# Values pasted with the name of a header, the name of the cookie, or quotes.
_PASTED = re.compile(
    rf"(?:bearer|cookie|set-cookie|authorization)[\s:=].*|.*{COOKIE}\s*[=:].*|[\s'\"].*|.*[\s'\"]", re.IGNORECASE
)
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """Session token that authenticates API calls.

    Attributes
    ----------
    text
        Value of the ``explorer_token`` cookie.
    ends
        Time when the token is due for renewal, on the monotonic clock; infinite if the lifetime is unknown.
    life
        Lifetime in seconds, as sent by the server; None if it is unknown.
    cookies
        Other cookies of the login, such as a load balancer's; None for a token without a login.
    """

    text: str
    ends: float = float("inf")
    life: float | None = None
    cookies: Cookies | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(_OCTETS, self.text):
            raise ConfigError(
                "the token contains characters that are invalid in a cookie",
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
    """Parse the token from the ``Set-Cookie`` headers of a login.

    The parser is lenient, because the published sample is not valid. The last of several tokens is used, as in a
    browser. With the `url` of the login, its other cookies are kept as well.

    Raises
    ------
    EnvelopeError
        The headers contain no token.
    """
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
    """Token of one `Explorer`, with its renewal.

    Parameters
    ----------
    credentials
    login
        Function that logs in over the network; called by one thread at a time.
    """

    def __init__(self, credentials: Credentials, login: Callable[[Deadline], Token]) -> None:
        self._credentials = credentials
        self._login = login
        self._token: Token | None = None
        self.after_fork()

    def after_fork(self) -> None:
        """Reset the lock and the pending login, which cannot finish in a child process."""
        self._lock = threading.Lock()
        self._flight: Future[Token] | None = None

    def call(self, call: Callable[[Identity], _T], deadline: Deadline) -> _T:
        """Run a call, and repeat it with a new token if the server rejects the token.

        There are at most `_LOGINS` renewals by login, and one renewal of a token that was passed.
        """
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
                "Use another user for each process, or share one Explorer. The server refused "
                f"{renewals} new sessions, probably because of another login of the same user."
            )
        raise refused

    def token(self, deadline: Deadline) -> Token:
        """Return the cached token, or a new one if it is missing or due for renewal."""
        token = self._token
        if token is None or token.ends <= time.monotonic():
            return self.renew(token, deadline)
        return token

    def renew(self, refused: Token | None, deadline: Deadline) -> Token:
        """Return a new token in place of the rejected one.

        If several threads renew the same token, one logs in and the others wait for the result. They also share its
        error, so that a wrong password is not sent once per thread.

        Raises
        ------
        RequestTimeoutError
            The login of another thread does not finish before the deadline.
        """
        mine: Future[Token] = Future()
        try:  # before `mine` is shared, so that no thread waits forever after Ctrl-C
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
            elif not mine.done():  # a signal must interrupt only one thread
                mine.cancel()
            raise
        return token

    def _joined(self, flight: Future[Token], refused: Token | None, deadline: Deadline) -> Token:
        """Wait for the login of another thread, and return its token."""
        while not flight.done():
            _threads.raise_if_stopped()
            remaining = deadline.remaining()
            if remaining <= 0:
                raise RequestTimeoutError(
                    f"login exceeded the deadline of {deadline.seconds:g} s",
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
    """Raise ConfigError if the token is not the bare value of the cookie."""
    if _PASTED.fullmatch(token):
        raise ConfigError(
            "the token must be only the value of the explorer_token cookie",
            hint="Remove the name of the cookie, 'Bearer', 'Cookie:', and quotes or blanks around the value.",
        )
    return token


def _twin(error: BaseException) -> BaseException:
    """Copy an error of this package, since each thread adds its own context."""
    return copy.copy(error) if isinstance(error, ExplorerFramesError) else error
