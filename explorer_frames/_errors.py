"""Helpers that format messages and map API error codes to exception classes."""

from __future__ import annotations

import codecs
import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from explorer_frames import _secrets
from explorer_frames._private import private
from explorer_frames.errors import (
    ApiError,
    BadRequestError,
    ExplorerFramesError,
    ForbiddenError,
    LicenseError,
    NotFoundError,
    ServerError,
    SessionExpiredError,
    UnauthorizedError,
)

_T = TypeVar("_T")
_MOST = 3  # maximum number of names in a message
_SHOWN = 200  # maximum number of characters of untrusted text in a message

_BY_CODE: dict[int, type[ApiError]] = {
    40004000: BadRequestError,
    40004001: BadRequestError,
    40104000: UnauthorizedError,
    40104001: SessionExpiredError,
    40304000: ForbiddenError,
    40404000: NotFoundError,
    50004000: ServerError,
    50004001: ServerError,
    50004002: ServerError,
    50004003: LicenseError,
    90004000: ServerError,
}
# By HTTP status, for responses without a code. The first three digits of an undocumented code are used as its status.
_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
}
_HINTS: dict[type[ApiError], str] = {
    BadRequestError: "Check the arguments. Only successful tasks have a result, so wait until the job has ended.",
    UnauthorizedError: "Check the token, or user, password, graphd and auth_encoding=.",
    SessionExpiredError: "The session expired, or another login of the same user ended it. Pass a new token, or pass "
    "user, password and graphd.",
    ForbiddenError: "Ask an administrator of Explorer for permission.",
    NotFoundError: "Check the ids on the job's or workflow's page in Explorer.",
    ServerError: "Retry later. If the error persists, report the trace id to the vendor's support.",
    LicenseError: "Renew the license of Explorer and its DAG controller. Retrying does not help.",
}


def escaped(text: object, limit: int = _SHOWN) -> str:
    """Escape untrusted text as printable ASCII, truncated to `limit` characters."""
    try:
        said = _secrets.of_call.get().conceal(str(text))
    except (ValueError, RecursionError):  # too many digits, or nested too deeply
        said = f"<{type(text).__name__}>"
    shown = _escaped(said[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def as_given(value: object) -> str:
    """Format an argument's value for a message; only strings are quoted.

    Examples
    --------
    >>> as_given("5"), as_given(5)
    ("'5'", '5')
    """
    return repr(escaped(value, 60)) if isinstance(value, str) else escaped(value, 60)


def printable(text: object) -> str:
    r"""Escape nonprintable characters, such as control codes of a terminal.

    Examples
    --------
    >>> printable("Myriel\x1b[2J\t[bold]")
    'Myriel\\x1b[2J\\t[bold]'
    """
    said = str(text)
    if said.isprintable():
        return said
    return "".join(char if char.isprintable() else _escaped(char) for char in said)


def _escaped(text: str) -> str:
    # Calling a codec by name imports it on first use. This would fail if the process has too many open files.
    return codecs.unicode_escape_encode(text)[0].decode("ascii")


def plural(number: int, noun: str) -> str:
    """Return the singular or plural form of a noun, depending on a number.

    Examples
    --------
    >>> plural(1, "job"), plural(0, "job")
    ('job', 'jobs')
    """
    return noun if number == 1 else f"{noun}s"


def first_of(texts: Sequence[str], separator: str = ", ") -> str:
    """Join the first three texts, and append the number of the others.

    Examples
    --------
    >>> first_of(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(texts) - _MOST:,} more" if len(texts) > _MOST else ""
    return separator.join(texts[:_MOST]) + more


def hints_of(errors: Iterable[ExplorerFramesError]) -> str:
    """Join the distinct hints of the first three errors, without their second lines."""
    hints = ((error.hint or "").partition("\n")[0] for error in islice(errors, _MOST))
    return " ".join(dict.fromkeys(filter(None, hints))) or "Fix the errors and retry."


def close_names(name: object, names: Iterable[str]) -> str:
    """Return a hint with up to three task names that resemble a misspelled one.

    Examples
    --------
    >>> close_names("pagernk", ["Louvain", "PageRank", "SSSP", "WCC"])
    "Did you mean 'PageRank'? There are 4 tasks."
    >>> close_names("x", ["Louvain", "PageRank", "SSSP", "WCC"])
    "There are 4 tasks: 'Louvain', 'PageRank', 'SSSP' and 1 more."
    """
    from difflib import get_close_matches  # noqa: PLC0415 (used only for errors)

    known = [*names]
    if not known:
        return "There are no tasks."
    shown = {one: repr(escaped(one, 60)) for one in known}
    near = get_close_matches(str(name).lower(), {one.lower(): None for one in known}, _MOST)
    close = [text for lower in near for one, text in shown.items() if one.lower() == lower][:_MOST]
    count = f"There {'is 1 task' if len(known) == 1 else f'are {len(known):,} tasks'}"
    if close:
        return f"Did you mean {' or '.join(close)}? {count}."
    return f"{count}: {first_of([*shown.values()])}."


@contextmanager
def add_context(where: str) -> Iterator[None]:
    """Prepend `where` to the location of errors raised in the block."""
    try:
        yield
    except ExplorerFramesError as error:
        error.where = f"{where}, {error.where}" if error.where else where
        raise


class StickyErrorIterator(Iterator[_T]):
    """Iterator that raises its first error again on each later call.

    A generator raises StopIteration after an error, which callers could mistake for success.
    """

    def __init__(self, items: Iterator[_T]) -> None:
        self._items = items
        self._error: BaseException | None = None

    @private
    def __next__(self) -> _T:
        if self._error is not None:
            raise copy.copy(self._error)
        try:
            return next(self._items)
        except StopIteration:
            raise
        except BaseException as error:
            # Drop the traceback, because its frames refer to the Arrow reader, which refers to this iterator. The
            # garbage collector cannot see this reference cycle, so the connection would leak.
            self._error = _twin(error)
            raise


def _twin(error: BaseException) -> BaseException:
    try:
        twin = copy.copy(error).with_traceback(None)  # if tblib is installed, `copy` also copies the traceback
    except Exception:  # noqa: BLE001 (a user's class whose `__init__` rejects `args`)
        what = f"the reader was interrupted by {type(error).__name__}"
        return ExplorerFramesError(what, hint="Open the reader again.")
    twin.__cause__ = twin.__context__ = None
    return twin


def api_error(code: int | None, http_status: int, message: object, trace_id: str | None) -> ApiError:
    """Create the exception for an error response; `http_status` is used only without a code."""
    family = int(str(code)[:3]) if code is not None and code >= 100 else http_status  # noqa: PLR2004 (three digits)
    cls = _BY_CODE.get(code or 0) or _BY_STATUS.get(family, ServerError)
    said = escaped(message) if message else None
    named = f"error {escaped(code, 40)}" if code is not None else f"HTTP status {http_status}"
    what = f"server returned {named}" + (f": {said}" if said else "")
    where = f"trace {escaped(trace_id, 80)}" if trace_id else None
    return cls(
        what, where=where, hint=_HINTS[cls], code=code, http_status=http_status, server_message=said, trace_id=trace_id
    )
