"""Send authenticated API requests, with retries and login."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from explorer_frames._arguments import checked_id
from explorer_frames._decode.envelope import MAX_HELD, data_of
from explorer_frames._decode.strict_json import loads_bounded, strict_loads
from explorer_frames._errors import api_error
from explorer_frames._http.auth import Auth, Token, by_login, token_from
from explorer_frames._http.exchange import Deadline
from explorer_frames._http.failures import PROXY_AUTHENTICATION
from explorer_frames._http.retries import Retries
from explorer_frames._http.transport import NOBODY, Answer, Transport
from explorer_frames.errors import (
    ApiError,
    ConfigError,
    DecodeError,
    EnvelopeError,
    ServerError,
    TransportError,
    UnauthorizedError,
    UnsafeToRetryError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from explorer_frames._http.config import Credentials, Settings
    from explorer_frames._http.transport import Identity


_GATEWAY_FAILED = {502, 503, 504}
# Hints by HTTP status, for error responses that have no JSON envelope.
_STATUS_HINTS = {
    401: "A gateway in front of Explorer requires its own login. Use a URL that bypasses the gateway.",
    403: "A gateway in front of Explorer refused the request. Check the gateway's access rules, or use another URL.",
    404: "Check the path in url=. A gateway may require a prefix, such as https://host/prefix.",
    **dict.fromkeys(_GATEWAY_FAILED, "Check that Explorer is running and that the gateway can reach it. Then retry."),
}


class Api:
    """HTTP client of an `Explorer`, with login and retries."""

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        self.url = settings.url
        self._settings = settings
        self._credentials = credentials
        self._transport = Transport(settings)
        self._auth = Auth(credentials, self.login)
        self._retries = Retries(settings.retries, self._auth)
        self._encodings = credentials.encodings
        self.open = self._transport.open
        self.reading = self._retries.call

    def deadline(self, seconds: float = math.inf) -> Deadline:
        """Return a deadline after `seconds`, or the configured deadline if it is shorter."""
        return Deadline(min(seconds, self._settings.deadline or math.inf))

    def after_fork(self) -> None:
        """Replace sockets and locks that were inherited from the parent process."""
        self._transport.after_fork()
        self._retries.after_fork()
        self._auth.after_fork()

    def close(self) -> None:
        self._transport.close()

    def get(
        self, *segments: str, params: Mapping[str, str] | None = None, until: Deadline | None = None
    ) -> tuple[dict[str, Any], str | None]:
        """Send a GET request, and return the response's ``data`` and trace id."""
        deadline = until or self.deadline()

        def call(identity: Identity) -> tuple[dict[str, Any], str | None]:
            with self.open("GET", segments, auth=identity, deadline=deadline, params=params) as answer:
                return _data(answer), answer.trace_id

        return self.reading(call, deadline)

    def put(self, *segments: str) -> dict[str, Any]:
        """Send an idempotent PUT request, and return the response's ``data``."""
        deadline = self.deadline()

        def call(identity: Identity) -> dict[str, Any]:
            with self.open("PUT", segments, auth=identity, deadline=deadline) as answer:
                return _data(answer)

        return self.reading(call, deadline)

    def post_once(self, *segments: str, body: object, hint: str) -> dict[str, Any]:
        """Send a POST request that is not idempotent, and return the response's ``data``.

        The request is resent only if no byte of it was sent, or if the server rejected the token. If it is unknown
        whether the server accepted the request, the method raises `UnsafeToRetryError`. A response with code 0 and
        ``data`` is a success under any HTTP status.
        """
        deadline = self.deadline()

        def call(identity: Identity) -> dict[str, Any]:
            # Use a new connection. If a pooled one fails, it is unknown whether the server received the request.
            alone = Transport(self._settings)
            received = b""
            try:
                with alone.open("POST", segments, auth=identity, deadline=deadline, body=body) as answer:
                    received = body_of(answer)
                    return _judged(received, answer, any_status=True)
            except (TransportError, DecodeError, ApiError) as error:
                failure = error
            finally:
                alone.close()
            if _surely_not_accepted(failure, received):
                raise failure
            made = _id_in(received)
            raise UnsafeToRetryError(
                f"the server may have accepted the request: {failure.what}"
                + (f" (the response contains the id {made})" if made else ""),
                where=failure.where,
                hint=hint,
                http_status=getattr(failure, "http_status", None),
                code=getattr(failure, "code", None),
            )

        return self.reading(call, deadline)

    def greeting(self, deadline: Deadline) -> tuple[Mapping[str, str], ApiError | None]:
        """Send a request without a token, and return the response headers and any API error."""
        with self.open("GET", ("jobs",), auth=NOBODY, deadline=deadline) as answer:
            try:
                _data(answer)
            except ApiError as error:
                error.retry_after = answer.retry_after
                return answer.headers, error
            return answer.headers, None

    def login(self, deadline: Deadline) -> Token:
        """Log in and return the token.

        With ``auth_encoding="auto"``, a rejected login is retried once with the other encoding. More attempts with a
        wrong password could lock the account.
        """
        try:
            return self._log_in(self._encodings[0], deadline)
        except UnauthorizedError as error:
            refused = error
        if len(self._encodings) > 1:
            self._encodings.reverse()  # the order is restored below if this login is also rejected
            try:
                return self._log_in(self._encodings[0], deadline)
            except UnauthorizedError:
                self._encodings.reverse()
        refused.hint = f"Check user, password and graphd. {self._hint()}"
        raise refused

    @property
    def auth_encoding(self) -> str:
        """Encoding of the last successful login."""
        return self._encodings[0]

    def _hint(self) -> str:
        given = self._credentials.auth_encoding
        if given == "auto":
            return f"The server rejected the login (encodings tried: {', '.join(self._encodings)})."
        other = "colon" if given == "json" else "json"
        versions = "Explorer 3.1.0 requires 'colon'. Versions 3.2.0 and later require 'json'."
        return f"If they are correct, pass auth_encoding={other!r}. {versions}"

    def _log_in(self, encoding: str, deadline: Deadline) -> Token:
        graphd, password, user = self._credentials.graphd, self._credentials.password, self._credentials.user
        assert graphd and password and user  # noqa: S101, PT018 (checked by `config.credentials`)
        auth = by_login(user, password.reveal(), encoding)
        body = {"address": graphd[0], "port": graphd[1]}
        with self.open("POST", ("connect",), auth=auth, deadline=deadline, body=body) as answer:
            _data(answer)
            return token_from(answer.set_cookies, url=answer.url)


def judged_body(answer: Answer) -> bytes:
    """Read the body of a small response, and raise its error, if any."""
    body = body_of(answer)
    _judged(body, answer)
    return body


def body_of(answer: Answer) -> bytes:
    """Read the body of a small response, up to `MAX_HELD` bytes."""
    parts, size = [], 0
    for piece in answer.pieces():
        parts.append(piece)
        size += len(piece)
        if size > MAX_HELD:
            raise EnvelopeError(
                f"the response is larger than {MAX_HELD // 2**20} MiB",
                hint="Check that url= is the URL of NebulaGraph Explorer.",
            )
    return answer.secrets.conceal_in_json(b"".join(parts))


def _data(answer: Answer) -> dict[str, Any]:
    """Return the ``data`` of a small response, or raise its error."""
    return _judged(body_of(answer), answer)


def _judged(body: bytes, answer: Answer, *, any_status: bool = False) -> dict[str, Any]:
    failure: DecodeError | ApiError
    try:
        with answer.secrets.concealed_in_errors():
            return data_of(loads_bounded(body), answer.status, answer.trace_id, any_status=any_status)
    except (DecodeError, ApiError) as error:
        failure = error
    if answer.status == PROXY_AUTHENTICATION and getattr(failure, "code", None) is None:
        raise answer.proxy_refusal()
    if answer.status < 400 or isinstance(failure, ApiError):  # noqa: PLR2004
        raise failure
    # The body may be the error page of a gateway, so only the HTTP status is used.
    refusal = api_error(None, answer.status, None, answer.trace_id)
    refusal.hint = _STATUS_HINTS.get(answer.status, failure.hint)
    if answer.status in _GATEWAY_FAILED:
        refusal.what = f"a gateway returned HTTP status {answer.status} instead of a response from Explorer"
    raise refusal


def _id_in(received: bytes) -> str:
    """Return the ``data.id`` of a failed response, or an empty string."""
    try:
        data = strict_loads(received)["data"]
        return checked_id("id", data["id"])
    except (DecodeError, ConfigError, LookupError, TypeError):
        return ""


def _surely_not_accepted(failure: TransportError | DecodeError | ApiError, received: bytes) -> bool:
    """Return whether a failed POST request definitely had no effect."""
    if isinstance(failure, TransportError):
        return failure.unsent
    if isinstance(failure, DecodeError | ServerError):
        return False
    # An envelope without an error code is ambiguous. The error page of a gateway has no envelope.
    return failure.code is not None or not (b'"code"' in received or b'"data"' in received)
