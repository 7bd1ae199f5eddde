"""Parse the JSON envelope of a result as a stream.

The response is ``{"code":0,"data":{"items":[[...],[...]]},"message":"Success"}``. Its keys may be in any order, and it
may contain other members and whitespace. The rows make up almost all of its size, so they are not parsed as one
document. This module finds the start of the rows and splits the stream into chunks of complete rows. It then parses the
rest of the document without the rows.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from explorer_frames._decode.rows import SPACE, Rows, cut
from explorer_frames._decode.strict_json import check_values, loads_bounded, no_constant, scanstring
from explorer_frames._errors import api_error, escaped
from explorer_frames.errors import EnvelopeError, RowShapeError

# Maximum size in bytes of one row, and of the envelope without its rows.
MAX_HELD = 16 * 2**20
_HARDLY_A_ROW = 2**10  # bytes; if the buffer has less data, more is read before parsing
# Responses with status 1xx, 204, 205 and 3xx have no content, and those with 206 have partial content.
_WITHOUT_WHOLE_BODY = {*range(200), 204, 205, 206, *range(300, 400)}
_FIRST_KEY = re.compile(r'[ \t\n\r]*\{[ \t\n\r]*"')
_NEXT_KEY = re.compile(r'[ \t\n\r]*,[ \t\n\r]*"')
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_CUT_OFF = "Retry. The server or a proxy truncated the response."
_NO_RESULT = "Check that url= is the URL of NebulaGraph Explorer, and that no proxy changes its responses."


def read_rows(
    pieces: Iterable[bytes], limit: float = math.inf, http_status: int = 200, trace_id: str | None = None
) -> Iterator[Rows]:
    """Split a response into chunks of rows, as a stream.

    The end of the envelope is validated last, so the rows are not verified until the iteration ends.
    """
    buffer = _Buffer(iter(pieces))
    head = _read_head(buffer)
    first = 0
    more = head is not None and buffer.peek() != b"]"
    while more:
        rows = cut(buffer.data, first)
        if rows is None:
            _grow_row(buffer, first)
            continue
        if first + rows.count > limit:  # checked before decoding, which is much slower
            raise EnvelopeError(
                f"server returned more rows than limit={limit}",
                hint="This server ignores limit, so results cannot be verified as complete.",
            )
        yield rows
        buffer.data = buffer.data[len(rows.data) :]
        first += rows.count
        char = buffer.peek()
        more = char == b","
        if not more and char != b"]":
            found = repr(escaped(char.decode("latin-1"))) if char else "the end of the response"
            what = f"expected a comma or the end of the rows, got {found}"
            raise EnvelopeError(what, where=f"row {first}", hint=_NO_RESULT if char else _CUT_OFF)
        if more:
            buffer.data = buffer.data[1:]
            if len(buffer.data) < _HARDLY_A_ROW:
                buffer.grow()
    start = b""
    if head is not None:
        start, buffer.data = head + b"[]", buffer.data[1:]
    # Without its rows, the document is small enough to be parsed as a whole.
    data = data_of(loads_bounded(start + buffer.drain()), http_status, trace_id)
    if data.get("items") != []:
        raise EnvelopeError(
            f"invalid response: data.items must be a list of rows, got {_as_json(data.get('items', 'missing'))}",
            hint="Check in Explorer that the task has a result.",
        )


def _grow_row(buffer: _Buffer, row: int) -> None:
    """Read more of an incomplete row."""
    if len(buffer.data) > MAX_HELD:
        raise RowShapeError(f"row {row} is larger than {MAX_HELD // 2**20} MiB", row=row, hint=_NO_RESULT)
    if not buffer.grow():
        raise EnvelopeError("the response ends in the middle of a row", where=f"row {row}", hint=_CUT_OFF)


def _as_json(value: object) -> str:
    try:
        return escaped(json.dumps(value), 60)
    except RecursionError:  # parser and encoder have different depth limits
        return f"a {type(value).__name__} that is nested too deeply to show"


def data_of(envelope: object, http_status: int, trace_id: str | None, *, any_status: bool = False) -> dict[str, Any]:
    """Return the ``data`` of a successful envelope, or raise ApiError or EnvelopeError."""
    members = envelope if isinstance(envelope, dict) else {}
    code = members.get("code")
    code = code if type(code) is int else None
    data = members.get("data")
    # The API does not document HTTP statuses, so the code takes precedence. The status is used if the code is missing
    # or the response has no valid data. If `any_status` is False, a status without a complete body is also an error.
    whole = any_status or http_status not in _WITHOUT_WHOLE_BODY
    if code == 0 and isinstance(data, dict) and whole:
        return data
    if code or http_status >= 400:  # noqa: PLR2004 (errors, by RFC 9110)
        raise api_error(code or None, http_status, members.get("message"), trace_id)
    wrong = f"HTTP status {http_status}" if not whole else "code" if code is None else "data"
    raise EnvelopeError(
        f"invalid response: unexpected {wrong}",
        where=f"trace {escaped(trace_id, 80)}" if trace_id else None,
        hint="Check that url= is the URL of NebulaGraph Explorer. Its documented versions, 3.1 to 3.8, are supported.",
    )


@dataclass(slots=True)
class _Buffer:
    """Received data that has not been parsed yet."""

    pieces: Iterator[bytes]
    data: bytes = b""

    def grow(self) -> bool:
        """Read until the buffer has at least doubled, so that parsing takes linear time."""
        parts, wanted = [self.data], max(1, len(self.data))
        for piece in self.pieces:
            parts.append(piece)
            wanted -= len(piece)
            if wanted <= 0:
                break
        before = len(self.data)
        self.data = b"".join(parts)
        return len(self.data) > before

    def peek(self) -> bytes:
        """Skip whitespace and return the next byte, or no bytes at the end."""
        self.data = self.data.lstrip(SPACE)
        while not self.data and self.grow():
            self.data = self.data.lstrip(SPACE)
        return self.data[:1]

    def drain(self) -> bytes:
        while self.grow():
            if len(self.data) > MAX_HELD:
                raise EnvelopeError(
                    f"the response contains more than {MAX_HELD // 2**20} MiB outside the rows",
                    hint=_NO_RESULT,
                )
        return self.data


def _read_head(buffer: _Buffer) -> bytes | None:
    """Consume and return the text before the rows, or return None if there are no rows."""
    while buffer.grow():
        if buffer.data.lstrip(SPACE)[:1] not in (b"", b"{"):
            return None
        try:
            text, _ = codecs.utf_8_decode(buffer.data)  # the last character may be truncated
        except UnicodeDecodeError as error:
            text, _ = codecs.utf_8_decode(buffer.data[: error.start])
        at = _find_items(text)
        if at is not None:
            head = text[:at].encode()
            buffer.data = buffer.data[len(head) + 1 :]
            return head
        check_values(buffer.data)
        if len(buffer.data) > MAX_HELD:
            return None
    return None


def _find_items(text: str) -> int | None:
    """Return the position of ``data.items``, or None if it is missing or invalid."""
    at, code = 0, 0
    try:
        for wanted in ("data", "items"):
            pattern = _FIRST_KEY
            while True:
                opening = pattern.match(text, at)
                if opening is None:
                    return None
                key, at = scanstring(text, opening.end())
                colon = _COLON.match(text, at)
                if colon is None:
                    return None
                at = colon.end()
                if key == wanted:
                    break
                value, at = _value(text, at)
                if key == "code" and wanted == "data":
                    code = value
                pattern = _NEXT_KEY
            if code != 0:
                return None
    except (ValueError, RecursionError):  # truncated or invalid; `strict_loads` raises the exact error
        return None
    return at if text[at : at + 1] == "[" else None


_value = json.JSONDecoder(parse_constant=no_constant).raw_decode
