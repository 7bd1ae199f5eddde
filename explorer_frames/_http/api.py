"""Calls to the API as one who is logged in: retries, envelope, login."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from explorer_frames._arguments import checked_id
from explorer_frames._decode.envelope import MAX_HELD, data_of
from explorer_frames._decode.strict_json import loads_bounded, strict_loads
from explorer_frames._errors import api_error, concealing
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
# What to do about a status without the API's JSON.
_STATUS_HINTS = {
    401: "A gateway in front of Explorer requires its own login. Use a URL that bypasses the gateway.",
    403: "A gateway in front of Explorer refused the request. Check its rules, or use another URL.",
    404: "Check the path in url=. Behind a gateway it may need a prefix, as in https://host/prefix.",
    **dict.fromkeys(_GATEWAY_FAILED, "Check that Explorer is running, and the gateway's route to it. Then retry."),
}


class Api:
    """The calls of one `Explorer`.

    Parameters
    ----------
    settings, credentials
        As checked by `_config`.
    """

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
        self.deadline = partial(Deadline, settings.deadline)  # starts the clock of one call

    def after_fork(self) -> None:
        """Share neither sockets nor locks with the parent process."""
        self._transport.after_fork()
        self._retries.after_fork()
        self._auth.after_fork()

    def close(self) -> None:
        self._transport.close()

    def get(
        self, *segments: str, params: Mapping[str, str] | None = None, until: Deadline | None = None
    ) -> tuple[dict[str, Any], str | None]:
        """GET a small answer, and return its ``data`` and its trace id."""
        deadline = until or self.deadline()

        def call(identity: Identity) -> tuple[dict[str, Any], str | None]:
            with self.open("GET", segments, auth=identity, deadline=deadline, params=params) as answer:
                return _data(answer), answer.trace_id

        return self.reading(call, deadline)

    def put(self, *segments: str) -> dict[str, Any]:
        """PUT, which may be repeated like a GET, and return the answer's ``data``."""
        deadline = self.deadline()

        def call(identity: Identity) -> dict[str, Any]:
            with self.open("PUT", segments, auth=identity, deadline=deadline) as answer:
                return _data(answer)

        return self.reading(call, deadline)

    def post_once(self, *segments: str, body: object, hint: str) -> dict[str, Any]:
        """POST what must not happen twice, and return the answer's ``data``.

        It is sent again only where it surely was not accepted: no byte of it was sent, or the server refused the
        token. Code 0 with ``data`` is success under every HTTP status, 401 included.

        Raises
        ------
        UnsafeToRetryError
            Nobody knows whether it was accepted.
        """
        deadline = self.deadline()

        def call(identity: Identity) -> dict[str, Any]:
            # Over a connection of its own: one that the server had meanwhile closed would leave us in doubt.
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
                f"the request may have been accepted: {failure.what}"
                + (f" (the response contains the id {made})" if made else ""),
                where=failure.where,
                hint=hint,
                http_status=getattr(failure, "http_status", None),
                code=getattr(failure, "code", None),
            )

        return self.reading(call, deadline)

    def greeting(self, deadline: Deadline) -> tuple[Mapping[str, str], ApiError | None]:
        """Ask without a token; return the answer's headers, and what the server says to strangers.

        Raises
        ------
        TransportError, DecodeError
            What answers, if anything, is no Explorer.
        """
        with self.open("GET", ("jobs",), auth=NOBODY, deadline=deadline) as answer:
            try:
                _data(answer)
            except ApiError as error:
                error.retry_after = answer.retry_after
                return answer.headers, error
            return answer.headers, None

    def login(self, deadline: Deadline) -> Token:
        """Log in; with ``auth_encoding="auto"``, a second time in the other form where the first is refused.

        Never more often: trying a wrong password again would lock people out.
        """
        try:
            return self._log_in(self._encodings[0], deadline)
        except UnauthorizedError as error:
            refused = error
        if len(self._encodings) > 1:
            self._encodings.reverse()  # which stays where this one works, or fails for another reason
            try:
                return self._log_in(self._encodings[0], deadline)
            except UnauthorizedError:
                self._encodings.reverse()
        refused.hint = "Check user, password and graphd: " + self._hint()
        raise refused

    @property
    def auth_encoding(self) -> str:
        """The form of the last login that was accepted."""
        return self._encodings[0]

    def _hint(self) -> str:
        given = self._credentials.auth_encoding
        if given == "auto":
            return f"the server refused the login in the encodings {' and '.join(self._encodings)}."
        other = "colon" if given == "json" else "json"
        versions = "'colon' is for Explorer 3.1.0, 'json' for 3.2.0 and later"
        return f"If they are right, pass auth_encoding={other!r}: {versions}."

    def _log_in(self, encoding: str, deadline: Deadline) -> Token:
        graphd, password, user = self._credentials.graphd, self._credentials.password, self._credentials.user
        assert graphd and password and user  # noqa: S101, PT018 (by `_config.credentials`)
        auth = by_login(user, password.reveal(), encoding)
        body = {"address": graphd[0], "port": graphd[1]}
        with self.open("POST", ("connect",), auth=auth, deadline=deadline, body=body) as answer:
            _data(answer)
            return token_from(answer.set_cookies, url=answer.url)


def judged_body(answer: Answer) -> bytes:
    """Read an answer without rows, and raise what it says no with."""
    body = body_of(answer)
    _judged(body, answer)
    return body


def body_of(answer: Answer) -> bytes:
    """Read an answer without rows, which has a limit."""
    parts, size = [], 0
    for piece in answer.pieces():
        parts.append(piece)
        size += len(piece)
        if size > MAX_HELD:
            raise EnvelopeError(
                f"the response is larger than {MAX_HELD // 2**20} MiB",
                hint="Check that url= is the URL of NebulaGraph Explorer.",
            )
    return answer.auth.conceal_values(b"".join(parts))


def _data(answer: Answer) -> dict[str, Any]:
    """Read and judge an answer without rows."""
    return _judged(body_of(answer), answer)


def _judged(body: bytes, answer: Answer, *, any_status: bool = False) -> dict[str, Any]:
    failure: DecodeError | ApiError
    try:
        with concealing(answer.auth.conceal):
            return data_of(loads_bounded(body), answer.status, answer.trace_id, any_status=any_status)
    except (DecodeError, ApiError) as error:
        failure = error
    if answer.status == PROXY_AUTHENTICATION and getattr(failure, "code", None) is None:
        raise answer.proxy_refusal()
    if answer.status < 400 or isinstance(failure, ApiError):  # noqa: PLR2004
        raise failure
    # A gateway's page, say: its status is all there is to go by.
    refusal = api_error(None, answer.status, None, answer.trace_id)
    refusal.hint = _STATUS_HINTS.get(answer.status, failure.hint)
    if answer.status in _GATEWAY_FAILED:
        refusal.what = f"a gateway returned HTTP status {answer.status}: Explorer behind it did not respond"
    raise refusal


def _id_in(received: bytes) -> str:
    """Find ``data.id`` in an answer that is not a valid success; empty where there is none."""
    try:
        data = strict_loads(received)["data"]
        return checked_id("id", data["id"])
    except (DecodeError, ConfigError, LookupError, TypeError):
        return ""


def _surely_not_accepted(failure: TransportError | DecodeError | ApiError, received: bytes) -> bool:
    """Whether a POST that failed had no effect; `received` is the body of the answer."""
    if isinstance(failure, TransportError):
        return failure.unsent
    if isinstance(failure, DecodeError | ServerError):
        return False
    # An error status around an envelope without an error code is a contradiction; a gateway's page has no envelope.
    return failure.code is not None or not (b'"code"' in received or b'"data"' in received)
