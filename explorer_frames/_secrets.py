"""Secrets of requests and of drivers, which are masked as ``***`` in what servers and drivers return.

Text of errors is masked when it is made safe to show, and JSON before it is parsed. Rows are not masked. An option of a
driver is a secret by its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from os.path import commonprefix
from typing import TypeVar
from urllib.parse import quote, quote_plus, unquote

_T = TypeVar("_T")
MASK = "***"
_WORD = re.compile("[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_SECRET_WORDS = re.compile(
    "keys?|pkey|apikey|sas|sig|jwt|pwd|pass|pin|otp|auth|dsn|pem|ticket|"
    "headers?|connstr|connectionstring"  # headers of HTTP have any names
)
_SECRET_PARTS = re.compile(
    "secret|passw|passphrase|token|credential|signature(?!version)|bearer|cookie|authoriz|"
    "(?:access|account|api|customer|encryption|master|private|shared|storage)key"
)
# Where one of these is a password, its mask would tell it: "the password is ***".
_ORDINARY = re.compile(
    "an?|and|are|as|at|be|by|for|from|has|in|is|it|not?|of|on|or|the|this|to|was|with|access|account|admin|anon|bad|"
    "bucket|cache|check|cloud|code|connect|connection|database|default|denied|error|expired|explorer|failed|file|graph|"
    "graphd|host|https?|id|incorrect|internal|invalid|login|missing|name|nebula|null|object|password|path|permission|"
    "refused|rejected|request|root|secret|server|service|session|success|test|timeout|token|unauthorized|unknown|user|"
    "username|valid|value|wrong"
)
SHORT = 4  # characters; a shorter one is a part of many words, and the gaps would spell it out
_LONG = 8  # characters: too many for a number or a part of a word
_WORD_BEGINS, _WORD_ENDS = r"(?<![^\W_])", r"(?![^\W_])"


def is_secret_name(name: object) -> bool:
    """Whether a setting of this name is a secret.

    Examples
    --------
    >>> [name for name in ("aws_secret_access_key", "sasToken", "keyfile", "region_name") if is_secret_name(name)]
    ['aws_secret_access_key', 'sasToken']
    """
    words = [word.lower() for word in _WORD.findall(str(name))]
    pairs = map("".join, pairwise(words))
    return any(map(_SECRET_WORDS.fullmatch, [*words, *pairs])) or bool(_SECRET_PARTS.search("".join(words)))


class Secrets:
    """Secrets of a request, or of a driver's URL and options.

    Parameters
    ----------
    texts
    shortest
        Number of characters below which a text is not a secret: a load balancer's cookie may be ``1``.
    """

    def __init__(self, texts: Iterable[str] = (), shortest: int = 1) -> None:
        self._shortest = shortest
        self._texts: frozenset[str] = frozenset()
        self.add(texts)

    def add(self, texts: Iterable[str]) -> None:
        """Count further texts as secrets."""
        secrets = {text for text in texts if len(text) >= self._shortest}
        self._texts |= secrets  # in one step, as another thread may add some

    def conceal(self, text: str) -> str:
        """Mask them in a message; it may be about anything."""
        return conceal(text, self._texts)

    def conceal_in_json(self, body: bytes) -> bytes:
        """Mask them in JSON; but none that may be a word in a name, or a number."""
        sure = (text for text in self._texts if len(text) >= _LONG and not (text.isalpha() or text.isdigit()))
        return conceal(body.decode(errors="surrogateescape"), sure, 2 * _LONG).encode(errors="surrogateescape")

    @contextmanager
    def concealed_in_errors(self) -> Iterator[None]:
        """Mask them in foreign text of errors within this block, in which a generator must not yield."""
        outer = of_call.get()
        try:
            of_call.set(self)
            yield
        finally:
            of_call.set(outer)  # by no token, which an interrupt could lose


class Concealed(Iterator[_T]):
    """Iterator over the same items, with secrets masked in the errors of making one."""

    def __init__(self, items: Iterator[_T], secrets: Secrets) -> None:
        self._items = items
        self._secrets = secrets

    def __next__(self) -> _T:
        with self._secrets.concealed_in_errors():
            return next(self._items)


NO_SECRETS = Secrets()
of_call: ContextVar[Secrets] = ContextVar("secrets", default=NO_SECRETS)


def conceal(text: str, secrets: Iterable[str], beginning: int = _LONG) -> str:
    """Mask secrets in foreign text, in any spelling.

    A short one is masked only where it stands as a word, and an ordinary word only where it is quoted or labeled.

    Parameters
    ----------
    beginning
        Number of characters that tell a secret which was cut off.
    """
    forms = {form for secret in secrets for form in _spellings(secret)} - {""}
    pattern = re.compile("|".join(_found_by(form, beginning) for form in forms) or "(?!)", re.IGNORECASE)
    longest = max(map(len, forms), default=0)
    kept, place = [], 0
    while found := pattern.search(text, place):
        rest = text[found.start() : found.start() + longest].lower()
        # As much of a secret as is there; of one that another one begins with, the longer one.
        length = max(len(commonprefix((rest, form.lower()))) for form in forms)  # noqa: RUF071 (no paths)
        kept += [text[place : found.start()], MASK]
        place = found.start() + max(length, len(found[0]))
    return "".join([*kept, text[place:]])


def _spellings(secret: str) -> set[str]:
    """Ways in which a server or a driver may write a secret."""
    quoted = (quote(secret, safe, errors="replace") for safe in ("/", ""))
    as_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    return {secret, unquote(secret), repr(secret)[1:-1], quote_plus(secret, errors="replace"), *quoted, *as_json}


def _found_by(form: str, length: int) -> str:
    if _ORDINARY.fullmatch(form.lower()):
        return rf"(?<=[\"'=:/@]){re.escape(form)}{_WORD_ENDS}"
    if len(form) < SHORT:
        begins, ends = (_WORD_BEGINS if form[0].isalnum() else ""), (_WORD_ENDS if form[-1].isalnum() else "")
        return f"{begins}{re.escape(form)}{ends}"
    beginning = form[:length]
    is_word = "/" in beginning or (beginning.isalpha() and beginning[1:].islower())  # or the beginning of other URLs
    return re.escape(form if is_word else beginning)
