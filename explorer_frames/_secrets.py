"""Mask secrets as ``***`` in text from servers and storage drivers."""

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
    "headers?|connstr|connectionstring"  # any HTTP header can contain a secret
)
_SECRET_PARTS = re.compile(
    "secret|passw|passphrase|token|credential|signature(?!version)|bearer|cookie|authoriz|"
    "(?:access|account|api|customer|encryption|master|private|shared|storage)key"
)
# Common words, which may also be passwords. A masked word in "the *** is wrong" would reveal the password.
_ORDINARY = re.compile(
    "an?|and|are|as|at|be|by|for|from|has|in|is|it|not?|of|on|or|the|this|to|was|with|access|account|admin|anon|bad|"
    "bucket|cache|check|cloud|code|connect|connection|database|default|denied|error|expired|explorer|failed|file|graph|"
    "graphd|host|https?|id|incorrect|internal|invalid|login|missing|name|nebula|null|object|password|path|permission|"
    "refused|rejected|request|root|secret|server|service|session|success|test|timeout|token|unauthorized|unknown|user|"
    "username|valid|value|wrong"
)
SHORT = 4  # characters; shorter secrets are masked only as whole words
_LONG = 8  # characters; longer secrets are unlikely to match a number or part of a word
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
    """Secrets of a request, or of a storage URL and its options."""

    # `shortest` is the minimum length of a secret. A cookie value may be `1`, which must not be masked everywhere.
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
        """Mask the secrets in JSON, except secrets that look like a number or a word."""
        sure = (text for text in self._texts if len(text) >= _LONG and not (text.isalpha() or text.isdigit()))
        return conceal(body.decode(errors="surrogateescape"), sure, 2 * _LONG).encode(errors="surrogateescape")

    @contextmanager
    def concealed_in_errors(self) -> Iterator[None]:
        """Mask the secrets in errors of the block, which must not contain a `yield`."""
        outer = of_call.get()
        try:
            of_call.set(self)
            yield
        finally:
            of_call.set(outer)  # `reset` would require a token, which could be lost in an interrupt


class Concealed(Iterator[_T]):
    """Iterator that masks secrets in the errors of another iterator."""

    def __init__(self, items: Iterator[_T], secrets: Secrets) -> None:
        self._items = items
        self._secrets = secrets

    def __next__(self) -> _T:
        with self._secrets.concealed_in_errors():
            return next(self._items)


NO_SECRETS = Secrets()
of_call: ContextVar[Secrets] = ContextVar("secrets", default=NO_SECRETS)


def conceal(text: str, secrets: Iterable[str], beginning: int = _LONG) -> str:
    """Mask secrets in untrusted text, including their quoted and escaped forms.

    Short secrets are masked only as whole words, and common words only after a quote or a separator. Truncated secrets
    are recognized by their first `beginning` characters.
    """
    forms = {form for secret in secrets for form in _spellings(secret)} - {""}
    pattern = re.compile("|".join(_found_by(form, beginning) for form in forms) or "(?!)", re.IGNORECASE)
    longest = max(map(len, forms), default=0)
    kept, place = [], 0
    while found := pattern.search(text, place):
        rest = text[found.start() : found.start() + longest].lower()
        # Mask the longest prefix of a secret, because the text may contain a truncated secret.
        length = max(len(commonprefix((rest, form.lower()))) for form in forms)  # noqa: RUF071 (not paths)
        kept += [text[place : found.start()], MASK]
        place = found.start() + max(length, len(found[0]))
    return "".join([*kept, text[place:]])


def _spellings(secret: str) -> set[str]:
    """Return the encodings of a secret that servers and drivers use."""
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
    is_word = "/" in beginning or (beginning.isalpha() and beginning[1:].islower())  # may be part of other text
    return re.escape(form if is_word else beginning)
