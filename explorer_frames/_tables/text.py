"""Convert multi-line messages of deltalake and pyiceberg to one line."""

from __future__ import annotations

import re

from explorer_frames._errors import printable
from explorer_frames._storage.address import Mask

_HEAD, _TAIL = 160, 300  # characters kept of a long message; the cause is usually at its end
_ESCAPE = re.compile(r"""\\(["'nrt])""")
_BACKTRACE = re.compile(r"(?:\n\s*Stack backtrace:.*|\n\s*\d+: (?:<unknown>|[\w:<>]+\n\s+at ).*)", re.DOTALL)
# An error response of an object store.
_XML = re.compile(r"(?:<\?xml[^>]*>\s*)?<Error>.*?<Code>(.*?)</Code>\s*<Message>(.*?)</Message>.*</Error>", re.DOTALL)


def readable(raised: BaseException, mask: Mask) -> str:
    """Return the exception's class and message on one line, shortened and without secrets."""
    text = mask.masked(str(raised))
    text = mask.masked(_ESCAPE.sub(_unescaped, text))  # also masks secrets that were escaped
    text = _XML.sub(r"\1: \2", _BACKTRACE.sub("", text))
    parts: list[str] = []
    for line in text.splitlines():
        cause = line.strip()
        is_cause = cause.startswith("\u21b3")
        cause = printable(cause.lstrip("\u21b3 "))
        if not any(map(str.isalnum, cause)):  # a border of a table in the message
            continue
        parts += [": " if is_cause else " "] * bool(parts) + [cause]
    joined = "".join(parts)
    if len(joined) > _HEAD + _TAIL:
        joined = f"{joined[:_HEAD]} ... {joined[-_TAIL:]}"
    name = type(raised).__name__
    return f"{name}: {joined}" if joined else name


def _unescaped(found: re.Match[str]) -> str:
    return {"n": "\n", "r": "\n", "t": " "}.get(found[1], found[1])
