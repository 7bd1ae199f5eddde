"""Token, login and renewal: one login for any number of waiting threads."""

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
# Logins of one call at most. Each fails only where another login of the same user comes between it and the call.
_LOGINS = 10
# Renew this much before the server would forget the token, so that a call under way does not outlive it.
_EARLY = 60.0
_OCTETS = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+"  # what RFC 6265 lets a cookie carry
_COOKIE_VALUE = re.compile(rf"(?:^|[;,]\s*){COOKIE}=\"?({_OCTETS})\"?\s*(?:[;,]|$)")
# What people paste besides the value: a header, the cookie's name, quotes.
_PASTED = re.compile(
    rf"(?:bearer|cookie|set-cookie|authorization)[\s:=].*|.*{COOKIE}\s*[=:].*|[\s'\"].*|.*[\s'\"]", re.IGNORECASE
)
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """What a call is made with.

    Attributes
    ----------
    text
    ends
        When it is due for renewal, on the monotonic clock; infinite where nobody said.
    life
        Seconds that the server gave it; None where it did not say.
    cookies
        Further cookies of the login, such as a load balancer's; None for a token that was passed.
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
    return Identity({"Cookie": f"{COOKIE}={token.text}"}, (token.text,), token.cookies)


def by_login(user: str, password: str, encoding: str) -> Identity:
    text = bearer(user, password, encoding)
    return Identity({"Authorization": f"Bearer {text}"}, (text, password))


def bearer(user: str, password: str, encoding: str) -> str:
    """Encode a login: as JSON for Explorer 3.2.0 and later, as ``user:password`` for 3.1.0."""
    text = json.dumps([user, password], separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode((text if encoding == "json" else f"{user}:{password}").encode()).decode()


def token_from(
    set_cookies: Sequence[str], clock: Callable[[], float] = time.monotonic, url: str | None = None
) -> Token:
    """Read the token out of a login's ``Set-Cookie`` headers, tolerantly (the published sample is not quite valid).

    Of several, the last counts, as in a browser. With the `url` of the login, its other cookies are kept as well.

    Raises
    ------
    EnvelopeError
        There is no token in them.
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
    """The token of one `Explorer`, and how it gets a new one.

    Parameters
    ----------
    credentials
    login
        Logs in over the network; called by one thread at a time.
    """

    def __init__(self, credentials: Credentials, login: Callable[[Deadline], Token]) -> None:
        self._credentials = credentials
        self._login = login
        self._token: Token | None = None
        self.after_fork()

    def after_fork(self) -> None:
        """Start with locks of one's own; a login that another process has under way will not end here."""
        self._lock = threading.Lock()
        self._flight: Future[Token] | None = None

    def call(self, call: Callable[[Identity], _T], deadline: Deadline) -> _T:
        """Make a call with a token; where the server refuses it, again with a new one, a bounded number of times."""
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
        """Get a token: the one at hand while it lives, else a new one."""
        token = self._token
        if token is None or token.ends <= time.monotonic():
            return self.renew(token, deadline)
        return token

    def renew(self, refused: Token | None, deadline: Deadline) -> Token:
        """Get another token than the one that was refused.

        However many threads come with the same refused token, one logs in; the others wait and share what comes of
        it, an error too, so that a wrong password is not tried once for each of them.

        Raises
        ------
        RequestTimeoutError
            The login that another thread has under way outlasts the deadline.
        """
        mine: Future[Token] = Future()
        try:  # from before it can be seen: wherever Ctrl-C comes, nobody may wait for a login that has no end
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
            elif not mine.done():  # a signal is for one thread only
                mine.cancel()
            raise
        return token

    def _joined(self, flight: Future[Token], refused: Token | None, deadline: Deadline) -> Token:
        """Wait for the login of another thread."""
        while not flight.done():
            _threads.raise_if_stopped()
            remaining = deadline.remaining()
            if remaining <= 0:
                raise RequestTimeoutError(
                    f"login exceeded the deadline of {deadline.seconds:g} s",
                    hint="Pass a longer deadline=.",
                    final=True,
                )
            wait([flight], min(_threads.LOOK, remaining))
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
    """One for each thread that raises it, since each adds to it where it happened."""
    return copy.copy(error) if isinstance(error, ExplorerFramesError) else error
