"""Secrets: which names stand for one, and text of servers and drivers without those that a call holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import pairwise
from os.path import commonprefix
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
_WORD = re.compile("[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_SECRET_WORDS = {
    *(
        "key",
        "keys",
        "pkey",
        "apikey",
        "sas",
        "sig",
        "jwt",
        "pwd",
        "pass",
        "pin",
        "otp",
        "auth",
        "dsn",
        "pem",
        "ticket",
    ),
    *("header", "headers", "connstr", "connectionstring"),  # headers of HTTP have any names
}
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
_WORD_BEGINS, _WORD_ENDS = r"(?<![^\W_])", r"(?![^\W_])"


def is_secret_name(name: object) -> bool:
    """Whether a setting of this name is a secret.

    Examples
    --------
    >>> [name for name in ("aws_secret_access_key", "sasToken", "keyfile", "region_name") if is_secret_name(name)]
    ['aws_secret_access_key', 'sasToken']
    """
    words = [word.lower() for word in _WORD.findall(str(name))]
    return bool(_SECRET_WORDS & {*words, *map("".join, pairwise(words))}) or bool(_SECRET_PARTS.search("".join(words)))


def conceal(text: str, secrets: Iterable[str], beginning: int = 8) -> str:
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
