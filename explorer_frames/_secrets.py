"""Masking of secrets as ``***`` in text from servers and storage drivers.

Error messages are masked when they are escaped, and JSON before it is parsed. Rows are not masked. Driver options are
recognized as secrets by their names.
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
    "headers?|connstr|connectionstring"  # all HTTP headers, because they can have any name
)
_SECRET_PARTS = re.compile(
    "secret|passw|passphrase|token|credential|signature(?!version)|bearer|cookie|authoriz|"
    "(?:access|account|api|customer|encryption|master|private|shared|storage)key"
)
# Masking a password that is one of these words would reveal it in a message such as "the *** is wrong".
_ORDINARY = re.compile(
    "an?|and|are|as|at|be|by|for|from|has|in|is|it|not?|of|on|or|the|this|to|was|with|access|account|admin|anon|bad|"
    "bucket|cache|check|cloud|code|connect|connection|database|default|denied|error|expired|explorer|failed|file|graph|"
    "graphd|host|https?|id|incorrect|internal|invalid|login|missing|name|nebula|null|object|password|path|permission|"
    "refused|rejected|request|root|secret|server|service|session|success|test|timeout|token|unauthorized|unknown|user|"
    "username|valid|value|wrong"
)
SHORT = 4  # characters; shorter secrets are parts of many words, so masking them everywhere would reveal them
_LONG = 8  # characters; a secret of this length is unlikely to be a number or a part of a word
_WORD_BEGINS, _WORD_ENDS = r"(?<![^\W_])", r"(?![^\W_])"


def is_secret_name(name: object) -> bool:
    """Return whether a setting with this name is a secret.

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
        Minimum number of characters of a secret. A load balancer's cookie, for example, may be ``1``.
    """

    def __init__(self, texts: Iterable[str] = (), shortest: int = 1) -> None:
        self._shortest = shortest
        self._texts: frozenset[str] = frozenset()
        self.add(texts)

    def add(self, texts: Iterable[str]) -> None:
        """Add secrets."""
        secrets = {text for text in texts if len(text) >= self._shortest}
        self._texts |= secrets  # in one step, because other threads may also add secrets

    def conceal(self, text: str) -> str:
        """Mask the secrets in a message."""
        return conceal(text, self._texts) if self._texts else text

    def conceal_in_json(self, body: bytes) -> bytes:
        """Mask the secrets in JSON, except those that may be numbers or words."""
        sure = (text for text in self._texts if len(text) >= _LONG and not (text.isalpha() or text.isdigit()))
        return conceal(body.decode(errors="surrogateescape"), sure, 2 * _LONG).encode(errors="surrogateescape")

    @contextmanager
    def concealed_in_errors(self) -> Iterator[None]:
        """Mask the secrets in error messages of the block, which must not yield."""
        outer = of_call.get()
        try:
            of_call.set(self)
            yield
        finally:
            of_call.set(outer)  # not `reset`, because an interrupt could lose the token


class Concealed(Iterator[_T]):
    """Iterator over the same items that masks secrets in errors raised by `items`."""

    def __init__(self, items: Iterator[_T], secrets: Secrets) -> None:
        self._items = items
        self._secrets = secrets

    def __next__(self) -> _T:
        with self._secrets.concealed_in_errors():
            return next(self._items)


NO_SECRETS = Secrets()
of_call: ContextVar[Secrets] = ContextVar("secrets", default=NO_SECRETS)


def conceal(text: str, secrets: Iterable[str], beginning: int = _LONG) -> str:
    """Mask secrets in untrusted text, in all encodings.

    Short secrets are masked only as whole words. Ordinary words are masked only after a quote or a separator.

    Parameters
    ----------
    beginning
        Number of leading characters that identify a truncated secret.
    """
    forms = {form for secret in secrets for form in _spellings(secret)} - {""}
    pattern = re.compile("|".join(_found_by(form, beginning) for form in forms) or "(?!)", re.IGNORECASE)
    longest = max(map(len, forms), default=0)
    kept, place = [], 0
    while found := pattern.search(text, place):
        rest = text[found.start() : found.start() + longest].lower()
        # Mask as much of the secret as is present. If one secret is a prefix of another, mask the longer one.
        length = max(len(commonprefix((rest, form.lower()))) for form in forms)  # noqa: RUF071 (not paths)
        kept += [text[place : found.start()], MASK]
        place = found.start() + max(length, len(found[0]))
    return "".join([*kept, text[place:]])


def _spellings(secret: str) -> set[str]:
    """Return the encodings of a secret that a server or a driver may use."""
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
    is_word = "/" in beginning or (beginning.isalpha() and beginning[1:].islower())  # or a prefix of other URLs
    return re.escape(form if is_word else beginning)
